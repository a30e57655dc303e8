import { expect, test } from 'vitest';
import { checkMachineName, MACHINE_SCHEMA_VERSION, parseMachineConfig } from '../../../src/shared/machine-config.ts';

test('a file with nothing but its version is a machine of defaults', () => {
  expect(parseMachineConfig('{"schemaVersion":1}')).toMatchObject({ ok: true, value: { architecture: 'x86_64', disks: [], bootOrder: ['hd', 'cd'], onReset: 'reboot' } });
});

test('a newer schema is refused by its number, and not guessed at', () => {
  const read = parseMachineConfig(`{"schemaVersion":${MACHINE_SCHEMA_VERSION + 1},"memoryBytes":"whatever"}`);
  expect(read).toMatchObject({ ok: false, error: { code: 'machine-config.newer-schema', message: expect.stringContaining(`schema ${MACHINE_SCHEMA_VERSION + 1}`) } });
});

test.each([
  ['', 'machine-config.not-json'], ['{"schemaVersion":1', 'machine-config.not-json'], ['[]', 'machine-config.invalid'], ['null', 'machine-config.invalid'],
  ['{}', 'machine-config.no-version'], ['{"schemaVersion":"1"}', 'machine-config.no-version'], ['{"schemaVersion":0}', 'machine-config.no-version'],
  ['{"schemaVersion":1,"memoryBytes":-1}', 'machine-config.invalid'], ['{"schemaVersion":1,"disks":[{"path":"../../etc/passwd"}]}', 'machine-config.invalid'],
  ['{"schemaVersion":1,"disks":[{"path":"disks\\\\..\\\\..\\\\x"}]}', 'machine-config.invalid'], ['{"schemaVersion":1,"accelerator":"magic"}', 'machine-config.invalid'],
])('%s is refused', (text, code) => {
  expect(parseMachineConfig(text)).toMatchObject({ ok: false, error: { code } });
});

test('a machine of before there were networks gets none, and one with an adapter the internet alone', () => {
  expect(parseMachineConfig('{"schemaVersion":1}')).toMatchObject({ ok: true, value: { adapters: [] } });
  expect(parseMachineConfig('{"schemaVersion":1,"adapters":[{}]}')).toMatchObject({ ok: true, value: { adapters: [{ model: 'virtio', reach: 'internet', allow: [], forwards: [] }] } });
  expect(parseMachineConfig('{"schemaVersion":1,"adapters":[{"forwards":[{"protocol":"tcp","host":{"port":8080},"guest":{"port":80}}]}]}'))
    .toMatchObject({ ok: true, value: { adapters: [{ forwards: [{ host: { address: '127.0.0.1', port: 8080 } }] }] } });
});

test('attached media keep the path they were given', () => {
  const read = parseMachineConfig('{"schemaVersion":1,"cdroms":[{"path":"/isos/debian.iso"}],"disks":[{"path":"C:\\\\vm\\\\a.img"},{"path":"disks/disk0.img"}]}');
  expect(read).toMatchObject({ ok: true, value: { cdroms: [{ path: '/isos/debian.iso' }], disks: [{ path: 'C:\\vm\\a.img' }, { path: 'disks/disk0.img', bus: 'ide' }] } });
});

test.each(['', ' ', '..', '../x', 'a/b', 'a\\b', 'a:b', 'a\nb', '.hidden', '-rf', 'CON', 'lpt1.txt', 'x'.repeat(65), 'name.guestvm', 'ends. '])('"%s" is no name for a machine', (name) => {
  expect(checkMachineName(name)).toMatchObject({ ok: false, error: { code: 'machine-name.invalid' } });
});

test.each(['Debian 12', 'Büro', 'win98', '测试'])('"%s" is a name for a machine', (name) => {
  expect(checkMachineName(name)).toEqual({ ok: true, value: name });
});
