import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ForkLauncher } from '../../../../src/main/machines/fork-launcher.ts';
import { openCore } from '../../../../src/main/service/open-core.ts';
import type { OpenedCore } from '../../../../src/main/service/open-core.ts';
import { consoleDownSchema } from '../../../../src/shared/api.ts';
import { MIB } from '../../../../src/shared/sizes.ts';
import { testHome } from '../../../support/main-fixtures.ts';
import type { TestHome } from '../../../support/main-fixtures.ts';

async function open(home: TestHome): Promise<OpenedCore> {
  const opened = await openCore({ shell: 'browser', paths: home.paths, launcher: new ForkLauncher(home.paths.vmProcess) });
  if (!opened.ok) throw new Error(opened.error.message);
  onTestFinished(() => opened.value.core.close());
  return opened.value;
}

test('of many that open a library at once one owns it and the others join', async () => {
  const home = testHome();
  const opened = await Promise.all([open(home), open(home), open(home), open(home)]);
  expect(opened.filter((one) => one.owns)).toHaveLength(1);
});

test('who joined sees and does what the owner does', async () => {
  const home = testHome();
  const owner = await open(home);
  const joined = await open(home);
  expect([owner.owns, joined.owns]).toEqual([true, false]);
  const events: string[] = [];
  joined.core.onEvent((event) => { if (event.event === 'machines.status') events.push(event.payload.status.state); });
  await joined.core.client.library.create({ name: 'a', memoryBytes: 64 * MIB, directBoot: { kernel: home.kernel, commandLine: 'print=hello' } });
  await joined.core.client.machines.start({ name: 'a' });
  expect(await owner.core.client.machines.status({ name: 'a' })).toMatchObject({ ok: true, value: { state: 'running' } });
  const replays: boolean[] = [];
  await new Promise<void>((resolve) => {
    let text = '';
    void joined.core.openChannel('console', 'a', {
      message(message) {
        const { bytes, replay } = consoleDownSchema.parse(message);
        replays.push(replay);
        text += new TextDecoder().decode(bytes);
        if (text === 'hello\r\n') resolve();
      },
      closed: () => {},
    });
  });
  expect(replays[0]).toBe(true);
  await joined.core.client.machines.stop({ name: 'a', how: 'force' });
  expect(events).toEqual(expect.arrayContaining(['starting', 'running', 'stopping', 'off']));
});

test('calls that wait when the owner ends are answered', async () => {
  const home = testHome();
  const owner = await open(home);
  const joined = await open(home);
  const lost = new Promise<void>((resolve) => { if (!joined.owns) joined.core.onLost(resolve); });
  await owner.core.close();
  await lost;
  expect(await joined.core.client.library.list({})).toMatchObject({ ok: false, error: { code: 'owner.lost' } });
});

test('a socket that a dead owner left behind is taken over', async () => {
  const home = testHome();
  mkdirSync(dirname(home.paths.ownerSocket), { recursive: true });
  writeFileSync(home.paths.ownerSocket, '');
  expect((await open(home)).owns).toBe(true);
  expect(existsSync(`${home.paths.ownerSocket}.lock`)).toBe(false);
});

test('a peer that sends nonsense is cut off, and the owner goes on', async () => {
  const home = testHome();
  const owner = await open(home);
  for (const bytes of [Buffer.from([255, 255, 255, 255, 0]), Buffer.from([4, 0, 0, 0, 9, 9, 9, 9])]) {
    const socket = connect(home.paths.ownerSocket);
    const closed = new Promise<void>((resolve) => { socket.on('close', () => { resolve(); }); });
    socket.on('error', () => {});
    socket.resume();
    socket.write(bytes);
    await closed;
  }
  expect(await owner.core.client.library.list({})).toMatchObject({ ok: true });
});
