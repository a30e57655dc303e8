import { afterEach, describe, expect, it, vi } from 'vitest';
import { SerialSession } from '../../bench/serial-session.ts';
import { markPattern } from '../../bench/workloads.ts';

const sessions: SerialSession[] = [];

/** A program in place of an engine: prints the pieces, each after the first once a line has been written to it. */
function guestThatPrints(...pieces: string[]): SerialSession {
  const program = `
    const pieces = ${JSON.stringify(pieces)};
    const print = () => process.stdout.write(Buffer.from(pieces.shift(), 'latin1'), () => { if (pieces.length === 0) process.exit(3); });
    process.stdin.on('data', print);
    print();`;
  const session = new SerialSession({ program: process.execPath, args: ['-e', program] });
  sessions.push(session);
  return session;
}

afterEach(async () => {
  vi.restoreAllMocks();
  for (const session of sessions.splice(0)) await session.end(0);
});

describe('a session with an engine', () => {
  it('finds a mark that comes in two pieces, with what the guest says in it', async () => {
    const session = guestThatPrints('[ 1.0] log\r\n@@42 loop e', 'nd 12.50 200000\r\n', '');
    await session.waitFor(/loop e/, 20);
    const sighting = session.waitFor(/nd (\S+) (\S+)\r\n/, 20);
    session.write('\n');
    expect((await sighting).match.slice(1)).toEqual(['12.50', '200000']);
  });

  it('times a mark by when it came, not by when it was asked for', async () => {
    let nowMillis = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => nowMillis);
    const session = guestThatPrints('first\r\n', 'second\r\n', 'third\r\n');
    await session.waitFor(/first\r\n/, 1000);
    nowMillis = 6000;
    session.write('\n');
    await session.waitFor(/sec/, 1000);
    nowMillis = 90_000;
    expect((await session.waitFor(/ond\r\n/, 1000)).atSeconds).toBe(5);
  });

  it('does not take a mark twice', async () => {
    const session = guestThatPrints('@@42 fork begin 1.0\r\n@@42 fork end 2.0 20\r\n');
    await session.waitFor(markPattern('fork', 'begin'), 20);
    await session.waitFor(markPattern('fork', 'end'), 20);
    await expect(session.waitFor(markPattern('fork', 'begin'), 20)).rejects.toThrow('ended with 3');
  });

  it('does not take the echo of a command for its mark', async () => {
    const session = guestThatPrints('# echo "@@$((40+2)) fork begin 1.0"\r\n');
    await expect(session.waitFor(markPattern('fork', 'begin'), 20)).rejects.toThrow('ended with 3');
  });

  it('gives up at once when the kernel panics', async () => {
    const session = guestThatPrints('Kernel panic - not syncing: no init\r\n', 'never');
    await expect(session.waitFor(/@@42/, 1000)).rejects.toThrow('Kernel panic');
  });

  it('gives up when nothing comes in time, and tells what came last', async () => {
    const session = guestThatPrints('stuck here\r\n', 'never');
    await session.waitFor(/stuck/, 20);
    await expect(session.waitFor(/@@42/, 0.05)).rejects.toThrow(/not within 0.05 s.*here/);
  });

  it('tells that a program cannot be started', async () => {
    const session = new SerialSession({ program: '/nonexistent/engine', args: [] });
    await expect(session.waitFor(/@@42/, 20)).rejects.toThrow('ENOENT');
  });
});
