import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { testHome } from '../../../support/main-fixtures.ts';
import type { TestHome } from '../../../support/main-fixtures.ts';

const program = fileURLToPath(new URL('../../../../src/main/cli/main.ts', import.meta.url));

interface Ended { readonly status: number | null; readonly out: string; readonly err: string }

function guesthouse(home: TestHome, args: readonly string[], input = '', identity: { uid?: number; gid?: number } = {}): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...args], { env: { ...process.env, ...home.environment }, stdio: 'pipe', ...identity });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString(); });
  child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString(); });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve) => { child.on('close', (status) => { resolve({ status, out, err }); }); });
}

/** `words` tell the fake VM process how to behave. */
const run = (home: TestHome, words: string, ...args: string[]): Promise<Ended> => guesthouse(home, ['run', '--kernel', home.kernel, '--append', words, ...args]);

describe('guesthouse run', () => {
  const home = testHome;

  test.each([
    ['the guest powers off', 'print=bye power-off-after=10', [], 0],
    ['a byte at the exit port', 'exit=42', [], 42],
    ['--exit-on on the console', 'print=all_good', ['--exit-on', 'all good'], 0],
    ['--exit-on on the screen', 'screen=login:', ['--exit-on', 'login:'], 0],
    ['--fail-on', 'print=Kernel_panic', ['--fail-on', 'Kernel panic'], 1],
    ['a crash', 'crash', [], 1],
    ['a process that is killed', 'die', [], 1],
    ['a start that fails', 'fail', [], 1],
    ['a timeout', 'print=x', ['--timeout', '0.2'], 124],
  ] as const)('%s gives its status', async (_what, words, args, status) => {
    const ended = await run(home(), words, ...args);
    expect(ended.status).toBe(status);
    if (status === 1 || status === 124) expect(ended.err).toMatch(/^guesthouse: [^\n]+\n$/);
    else expect(ended.err).toBe('');
  });

  test('the console goes to standard output raw, and keys typed for a text come back', async () => {
    const ended = await run(home(), 'print=login: echo', '--type-when', 'login:::root\\n', '--exit-on', 'root');
    expect(ended).toMatchObject({ status: 0, out: 'login:\r\nroot\r' });
  });

  test('keys for a text on the screen go to the keyboard', async () => {
    expect((await run(home(), 'screen=boot:', '--type-when', 'boot:::a\\e', '--exit-on', 'a<Escape>')).status).toBe(0);
  });

  test('a flood of output is held back to the reader\'s pace and can be ended', async () => {
    expect((await run(home(), 'flood', '--timeout', '0.5', '--serial', 'none')).status).toBe(124);
  });

  test('what is missing, truncated, not permitted or too large is told before anything starts', async () => {
    const here = home();
    const { folder, kernel } = here;
    const truncated = join(folder, 'truncated.img');
    writeFileSync(truncated, 'x'.repeat(1000));
    const cases: [string[], number, RegExp][] = [
      [['--disk', join(folder, 'missing.img')], 1, /does not exist/],
      [['--disk', truncated], 1, /truncated/],
      [['--cdrom', truncated], 1, /truncated/],
      [['--disk', folder], 1, /not a file/],
      [['--kernel', '/dev/null'], 1, /./],
      [['--memory', '0'], 2, /memory/],
      [['--serial', `file:${join(folder, 'no-such-folder', 'x')}`, '--kernel', kernel], 1, /does not exist/],
      [['--frobnicate'], 2, /unknown option/],
    ];
    for (const [args, status, message] of cases) {
      const ended = await guesthouse(here, ['run', ...args]);
      expect([args, ended.status, ended.out]).toEqual([args, status, '']);
      expect(ended.err).toMatch(/^guesthouse: [^\n]+\n$/);
      expect(ended.err).toMatch(message);
    }
  });
});

describe('verbs of the library', () => {
  test('a machine is made, started in the background, used, stopped and deleted', async () => {
    const home = testHome();
    expect((await guesthouse(home, ['create', 'box', '--kernel', home.kernel, '--append', 'print=hello echo', '--new-disk', '8M'])).status).toBe(0);
    const folder = join(home.paths.library, 'box.guestvm');
    expect(JSON.parse(readFileSync(join(folder, 'machine.json'), 'utf8'))).toMatchObject({ schemaVersion: 1, disks: [{ path: 'disks/disk0.img' }] });
    expect((await guesthouse(home, ['start', 'box'])).status).toBe(0);
    expect(JSON.parse((await guesthouse(home, ['list', '--json'])).out)).toMatchObject([{ name: 'box', status: { state: 'running' } }]);
    expect(await guesthouse(home, ['start', 'box'])).toMatchObject({ status: 1, err: 'guesthouse: the machine box is already on: stop it first to start it anew\n' });
    expect((await guesthouse(home, ['delete', 'box'])).status).toBe(1);
    const picture = join(home.folder, 'screen.png');
    expect((await guesthouse(home, ['screenshot', 'box', picture])).status).toBe(0);
    expect(existsSync(picture)).toBe(true);
    // The machine says so in its own time after it is on.
    await expect.poll(() => guesthouse(home, ['console', 'box'], '\u001d'), { timeout: 20_000 }).toMatchObject({ status: 0, out: 'hello\r\n' });
    expect(await guesthouse(home, ['console', 'box', '--virtio'], '\u001d')).toMatchObject({ status: 0, out: '' });
    expect((await guesthouse(home, ['stop', 'box'])).status).toBe(0);
    expect((await guesthouse(home, ['delete', 'box'])).status).toBe(0);
    expect(existsSync(folder)).toBe(false);
    expect(await guesthouse(home, ['info', 'box'])).toMatchObject({ status: 1, out: '' });
  });

  test('broken machines are listed with their reason and left as they are, others work', async () => {
    const home = testHome();
    const broken = { corrupt: '{"schemaVersion":1,', newer: '{"schemaVersion":99}' };
    for (const [name, text] of Object.entries(broken)) {
      mkdirSync(join(home.paths.library, `${name}.guestvm`), { recursive: true });
      writeFileSync(join(home.paths.library, `${name}.guestvm`, 'machine.json'), text);
    }
    await guesthouse(home, ['create', 'fine']);
    const { out } = await guesthouse(home, ['list']);
    expect(out).toMatch(/corrupt +broken: machine\.json is not valid JSON/);
    expect(out).toMatch(/newer +broken: machine\.json has schema 99/);
    expect(out).toMatch(/fine +off/);
    expect(await guesthouse(home, ['start', 'newer'])).toMatchObject({ status: 1, err: expect.stringContaining('newer Guesthouse') });
    for (const [name, text] of Object.entries(broken)) expect(readFileSync(join(home.paths.library, `${name}.guestvm`, 'machine.json'), 'utf8')).toBe(text);
  });

  test('a library without permission is a clear error', async () => {
    const home = testHome();
    mkdirSync(home.paths.library, { recursive: true });
    // Nothing is forbidden to root, so that root tries as nobody.
    const isRoot = process.getuid?.() === 0;
    chmodSync(home.folder, 0o755);
    chmodSync(home.paths.library, 0o555);
    const ended = await guesthouse(home, ['create', 'a'], '', isRoot ? { uid: 65_534, gid: 65_534 } : {});
    chmodSync(home.paths.library, 0o755);
    expect(ended).toMatchObject({ status: 1, out: '', err: expect.stringContaining('you may not write') });
  });
});
