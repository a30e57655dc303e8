import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Library } from '../../../../src/main/library/library.ts';
import { vmStartOf } from '../../../../src/main/machines/vm-start.ts';
import { machineConfigSchema } from '../../../../src/shared/machine-config.ts';
import { GIB, MIB } from '../../../../src/shared/sizes.ts';
import { temporaryFolder, testHome } from '../../../support/main-fixtures.ts';

const library = () => new Library(join(temporaryFolder(), 'machines'));

describe('a library', () => {
  test('makes a machine whole or not at all, with a disk that takes no space yet', async () => {
    const machines = library();
    const made = await machines.create('Debian 12', { memoryBytes: 512 * MIB }, { bytes: 20 * GIB, bus: 'virtio' });
    expect(made).toMatchObject({ ok: true, value: { name: 'Debian 12', config: { ok: true, value: { disks: [{ path: 'disks/disk0.img', bus: 'virtio' }] } } } });
    const disk = statSync(join(machines.folderOf('Debian 12'), 'disks', 'disk0.img'));
    expect([disk.size, disk.blocks * 512 < MIB]).toEqual([20 * GIB, true]);
    expect(await machines.create('Debian 12', {}, undefined)).toMatchObject({ ok: false, error: { code: 'library.name-taken' } });
    expect(await machines.create('bad', {}, { bytes: 100, bus: 'ide' })).toMatchObject({ ok: false, error: { code: 'disk.too-small' } });
    expect(readdirSync(machines.folder)).toEqual(['Debian 12.guestvm']);
  });

  test('knows a copied folder as a machine of its own', async () => {
    const machines = library();
    await machines.create('one', {}, undefined);
    mkdirSync(machines.folderOf('two'));
    writeFileSync(join(machines.folderOf('two'), 'machine.json'), readFileSync(join(machines.folderOf('one'), 'machine.json')));
    expect(await machines.list()).toMatchObject({ ok: true, value: [{ name: 'one' }, { name: 'two', config: { ok: true } }] });
  });

  test('shows broken folders with their reason and overwrites nothing in them', async () => {
    const machines = library();
    await machines.open();
    for (const [name, text] of [['cut', '{"schemaVersion"'], ['new', '{"schemaVersion":2}']] as const) {
      mkdirSync(machines.folderOf(name));
      writeFileSync(join(machines.folderOf(name), 'machine.json'), text);
    }
    mkdirSync(machines.folderOf('empty'));
    const listed = await machines.list();
    expect(listed.ok && listed.value.map(({ name, config }) => [name, config.ok ? 'whole' : config.error.code]))
      .toEqual([['cut', 'machine-config.not-json'], ['empty', 'machine-config.missing'], ['new', 'machine-config.newer-schema']]);
    expect(await machines.findWhole('cut')).toMatchObject({ ok: false, error: { code: 'machine-config.not-json' } });
    expect(readFileSync(join(machines.folderOf('cut'), 'machine.json'), 'utf8')).toBe('{"schemaVersion"');
  });

  test('changes settings, and refuses those that aren\'t any', async () => {
    const machines = library();
    await machines.create('a', {}, undefined);
    const present = await machines.findWhole('a');
    if (!present.ok) throw new Error('the machine is there');
    const changed = machines.checkChange(present.value.config, { memoryBytes: 64 * MIB });
    expect(changed.ok && await machines.save('a', changed.value)).toMatchObject({ ok: true });
    expect(machines.checkChange(present.value.config, { memoryBytes: -1 })).toMatchObject({ ok: false, error: { code: 'machine-config.invalid' } });
    expect(await machines.findWhole('a')).toMatchObject({ ok: true, value: { config: { memoryBytes: 64 * MIB } } });
    expect(readdirSync(machines.folderOf('a')).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('deletes to the trash or for good, and of a link only the link', async () => {
    const machines = library();
    for (const name of ['kept', 'gone']) await machines.create(name, {}, undefined);
    const elsewhere = temporaryFolder();
    writeFileSync(join(elsewhere, 'machine.json'), '{"schemaVersion":1}');
    symlinkSync(elsewhere, machines.folderOf('link'));
    await machines.delete('kept', 'trash');
    await machines.delete('gone', 'for-good');
    await machines.delete('link', 'for-good');
    expect(readdirSync(join(machines.folder, '.trash'))).toHaveLength(1);
    expect(readdirSync(machines.folder)).toEqual(['.trash']);
    expect(existsSync(join(elsewhere, 'machine.json'))).toBe(true);
  });

  test('renames, and never over another machine', async () => {
    const machines = library();
    for (const name of ['a', 'b']) await machines.create(name, {}, undefined);
    expect(await machines.rename('a', 'b')).toMatchObject({ ok: false, error: { code: 'library.name-taken' } });
    expect(await machines.rename('a', 'c')).toMatchObject({ ok: true, value: { name: 'c' } });
    expect(machines.freeName('c')).toBe('c 2');
  });

  test.each(['../outside', 'a/b', '..', '.trash'])('never leaves its folder for "%s"', async (name) => {
    expect((await library().find(name)).ok).toBe(false);
    expect((await library().delete(name, 'for-good')).ok).toBe(false);
  });

  test('where its folder can\'t be is a clear error', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    expect(await new Library(join(file, 'machines')).open()).toMatchObject({ ok: false, error: { code: 'library.not-a-folder' } });
  });
});

test('a disk inside the VM folder may not be a link that leads out of it', () => {
  const { paths, folder } = testHome();
  const machine = join(folder, 'a.guestvm');
  mkdirSync(machine);
  const outside = join(folder, 'outside.img');
  writeFileSync(outside, new Uint8Array(MIB));
  symlinkSync(outside, join(machine, 'disk.img'));
  const config = machineConfigSchema.parse({ schemaVersion: 1, disks: [{ path: 'disk.img' }] });
  expect(vmStartOf('a', config, machine, undefined, paths)).toMatchObject({ ok: false, error: { code: 'media.outside-folder' } });
  expect(vmStartOf('a', { ...config, disks: [{ ...config.disks[0]!, path: outside }] }, machine, undefined, paths)).toMatchObject({ ok: true, value: { disks: [{ path: outside }] } });
});
