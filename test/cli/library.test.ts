import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { tripleFaultSector } from './triple-fault-sector.ts';
import { commandLineAt, eventually, expectRefusal, nobodyCanRun, scratchFolder, vmProcesses } from './guesthouse-command.ts';
import type { Ended } from './guesthouse-command.ts';

const scratch = scratchFolder();
const home = scratch.file('home');
const library = join(home, 'machines');
const { run, start } = commandLineAt(home);
const folderOf = (name: string): string => join(library, `${name}.guestvm`);
const diskOf = (name: string): string => join(folderOf(name), 'disks/disk0.img');

interface Info {
  broken?: { message: string };
  status: { state: string; resetLoop: boolean; crash?: { error: { message: string }; lastLogLines: string[] } };
}
const info = async (name: string): Promise<Info> => JSON.parse((await run(['info', name, '--json'])).out) as Info;
async function made(name: string): Promise<string> {
  expect((await run(['create', name, '--memory', '16M', '--new-disk', '4M'])).err).toBe('');
  return name;
}
const succeeded = (ended: Ended): void => { expect([ended.status, ended.err]).toEqual([0, '']); };

const machines: string[] = [];
afterAll(async () => {
  for (const name of machines) await run(['stop', name, '--force']);
});

test('a machine is made with the network it was asked for, and without one otherwise', async () => {
  await made('alone');
  succeeded(await run(['create', 'networked', '--memory', '16M', '--net', 'nat,reach=listed,allow=loopback:80', '--nic', 'e1000', '--forward', 'tcp:2222:22']));
  const adaptersOf = async (name: string): Promise<unknown> => (JSON.parse((await run(['info', name, '--json'])).out) as { config: { adapters: unknown } }).config.adapters;
  expect(await adaptersOf('alone')).toEqual([]);
  expect(await adaptersOf('networked')).toEqual([{
    model: 'e1000', reach: 'listed', allow: [{ host: 'loopback', port: 80 }], forwards: [{ protocol: 'tcp', host: { address: '127.0.0.1', port: 2222 }, guest: { port: 22 } }], connected: true,
    mode: 'nat', network: 'default', delayMillis: 0, jitterMillis: 0, lossPercent: 0,
  }]);
});

describe('a machine.json that can\'t be used', () => {
  test.each([
    ['corrupt', '{ "schemaVersion": 1, "mem', /not valid JSON/],
    ['newer', '{ "schemaVersion": 7, "novelty": true }', /schema 7, and this Guesthouse knows schemas up to 1/],
    ['negative', '{ "schemaVersion": 1, "memoryBytes": -5 }', /memoryBytes/],
    ['escaping', '{ "schemaVersion": 1, "disks": [{ "path": "../other.guestvm/disks/disk0.img" }] }', /leaves the VM folder/],
    ['gone', undefined, /no machine.json/],
  ] as const)('%s: shown with the reason, not started, left untouched', async (name, contents, reason) => {
    mkdirSync(folderOf(name), { recursive: true });
    const file = join(folderOf(name), 'machine.json');
    if (contents !== undefined) writeFileSync(file, contents);
    const listed = await run(['list']);
    expect(listed.status).toBe(0);
    expect(listed.out.split('\n').find((line) => line.startsWith(`${name} `))).toMatch(reason);
    expect((await info(name)).broken?.message).toMatch(reason);
    expectRefusal(await run(['start', name]), 1, reason);
    expect(existsSync(file) ? readFileSync(file, 'utf8') : undefined).toBe(contents);
  });
});

describe('machines that can\'t be', () => {
  test.concurrent.each(['', '..', 'a/b', 'con', 'x.', 'x'.repeat(65), 'a\nb'])('named %j', async (name) => {
    expectRefusal(await run(['create', '--', name]), 2, /the machine name/);
  });

  test('that are not there', async () => {
    for (const verb of ['info', 'start', 'stop', 'delete', 'console', 'logs']) expectRefusal(await run([verb, 'nobody']), 1, /there is no machine "nobody"/);
  });

  test('made twice', async () => {
    await made('twin');
    expectRefusal(await run(['create', 'twin']), 1, /already a machine twin/);
  });

  test('without their disk', async () => {
    mkdirSync(folderOf('diskless'), { recursive: true });
    writeFileSync(join(folderOf('diskless'), 'machine.json'), '{ "schemaVersion": 1, "disks": [{ "path": "disks/none.img" }] }');
    expectRefusal(await run(['start', 'diskless']), 1, /does not exist/);
  });
});

describe('machines that are on', () => {
  test('one of two starts at once wins; a machine that is on is not deleted', async () => {
    machines.push(await made('box'));
    const both = await Promise.all([run(['start', 'box']), run(['start', 'box'])]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([0, 1]);
    expectRefusal(both.find(({ status }) => status === 1)!, 1, /already on/);
    for (const how of [[], ['--for-good', '--yes']]) expectRefusal(await run(['delete', 'box', ...how]), 1, /is on: stop it first/);
    expect(existsSync(diskOf('box'))).toBe(true);
    expectRefusal(await run(['run', '--disk', diskOf('box')]), 1, /in use/);
  });

  test.skipIf(process.platform !== 'linux')('one whose process is killed is shown crashed with its last log lines; the other goes on; no file is damaged', async () => {
    machines.push(await made('victim'));
    const description = readFileSync(join(folderOf('victim'), 'machine.json'));
    succeeded(await run(['start', 'victim']));
    const vm = vmProcesses().find(({ title, environment }) => environment.includes(`GUESTHOUSE_HOME=${home}\0`) && /vm-process victim\b/.test(title));
    process.kill(vm!.pid, 'SIGKILL');
    await eventually(async () => (await info('victim')).status.state === 'crashed', () => 'it is not shown crashed');
    const { crash } = (await info('victim')).status;
    expect(crash?.error.message).toMatch(/process died \(it was ended by SIGKILL\)/);
    expect(crash?.lastLogLines.length).toBeGreaterThan(0);
    expect((await run(['list'])).out).toMatch(/^victim +crashed/m);
    expect((await run(['logs', 'victim'])).out).toMatch(/process died/);
    expect((await info('box')).status.state).toBe('running');
    succeeded(await run(['screenshot', 'box', scratch.file('box.png')]));
    expect(readFileSync(join(folderOf('victim'), 'machine.json')).equals(description)).toBe(true);
    expect(readFileSync(diskOf('victim')).equals(Buffer.alloc(4 * 1024 * 1024))).toBe(true);
    succeeded(await run(['start', 'victim']));
    succeeded(await run(['stop', 'victim', '--force']));
    expect(existsSync(`${diskOf('victim')}.lock`)).toBe(false);
  });

  test('a reset loop is shown, in the state and in the log', async () => {
    machines.push(await made('dizzy'));
    writeFileSync(diskOf('dizzy'), tripleFaultSector(), { flag: 'r+' });
    succeeded(await run(['start', 'dizzy']));
    await eventually(async () => (await info('dizzy')).status.resetLoop, () => 'no reset loop is shown');
    expect((await run(['list'])).out).toMatch(/^dizzy +running \(reset loop, \d+ in a minute\)/m);
    expect((await run(['logs', 'dizzy'])).out).toMatch(/resets again and again \(triple-fault/);
    succeeded(await run(['stop', 'dizzy', '--force']));
  });
});

describe('a port in use', () => {
  test('is refused by serve', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const { port } = server.address() as AddressInfo;
    expectRefusal(await run(['serve', '--port', String(port)]), 1, new RegExp(`the port ${port} is in use`));
    server.close();
  });
});

describe.skipIf(!nobodyCanRun)('a library without permission', () => {
  const closed = scratch.file('closed');
  mkdirSync(closed, { mode: 0o555 });
  const own = scratch.file('own');
  mkdirSync(own);
  chmodSync(own, 0o777);

  test('that can\'t be made', async () => {
    const environment = { GUESTHOUSE_HOME: join(closed, 'home') };
    for (const args of [['list'], ['create', 'x'], ['start', 'x'], ['serve']]) expectRefusal(await run(args, { asNobody: true, environment }), 1, /permission|may not write/);
  });

  test('that may only be read: what is in it is seen, and nothing is changed', async () => {
    const environment = { GUESTHOUSE_HOME: own, GUESTHOUSE_LIBRARY: closed };
    expect(await run(['list'], { asNobody: true, environment })).toEqual({ status: 0, out: '', err: '' });
    expectRefusal(await run(['create', 'x'], { asNobody: true, environment }), 1, /may not write in the folder/);
  });

  test('of somebody else: machines are listed, but neither started nor deleted', async () => {
    await made('foreign');
    for (const folder of [home, library, folderOf('foreign')]) chmodSync(folder, 0o755);
    const environment = { GUESTHOUSE_HOME: own, GUESTHOUSE_LIBRARY: library };
    expect((await run(['list'], { asNobody: true, environment })).out).toMatch(/^foreign +off/m);
    expectRefusal(await run(['start', 'foreign'], { asNobody: true, environment }), 1, /may not be written by you/);
    for (const how of [[], ['--for-good', '--yes']]) expectRefusal(await run(['delete', 'foreign', ...how], { asNobody: true, environment }), 1, /may not write/);
    expect(existsSync(diskOf('foreign'))).toBe(true);
  });
});

test('a file where the library should be', async () => {
  const file = scratch.file('file', 'mine');
  for (const args of [['list'], ['create', 'x']]) expectRefusal(await run(args, { environment: { GUESTHOUSE_LIBRARY: file } }), 1, /is not a folder/);
  expect(readFileSync(file, 'utf8')).toBe('mine');
});

test('a browser shell ends on SIGINT', async () => {
  const shell = start(['serve']);
  await shell.printed('Guesthouse is at http://127.0.0.1:');
  shell.child.kill('SIGINT');
  expect(await shell.ended).toMatchObject({ status: 0, err: '' });
});
