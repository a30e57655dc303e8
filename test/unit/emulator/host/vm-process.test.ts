import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../../../../src/emulator/host/vm-process.ts', import.meta.url));

function start(): { child: ChildProcess; messages: unknown[] } {
  const child = fork(PROGRAM, [], { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] });
  const messages: unknown[] = [];
  child.on('message', (message) => messages.push(message));
  return { child, messages };
}

async function answer(child: ChildProcess): Promise<void> {
  child.send({ kind: 'ping', sentAt: 5 });
  await once(child, 'message');
}

describe('vm-process', () => {
  it('answers before its machine is on, and ends on SIGTERM with status 0', async () => {
    const { child, messages } = start();
    await answer(child);
    expect(messages).toEqual([{ kind: 'pong', sentAt: 5 }]);
    child.kill('SIGTERM');
    const [status, signal] = (await once(child, 'exit')) as [number | null, string | null];
    expect([status, signal]).toEqual([0, null]);
    expect(messages.at(-1)).toEqual({ kind: 'ended', reason: 'stopped' });
  });

  it('ends when main goes away', async () => {
    const { child } = start();
    await answer(child);
    child.disconnect();
    expect((await once(child, 'exit'))[0]).toBe(0);
  });

  it('tells a person who starts it by hand what to start instead', () => {
    const { status, stderr } = spawnSync(process.execPath, [PROGRAM], { encoding: 'utf8' });
    expect(status).toBe(2);
    expect(stderr).toContain('guesthouse run');
  });
});
