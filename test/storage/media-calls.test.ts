/** The media manager's calls on real images, with qemu-img as witness. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createAppServices } from '../../src/main/app-services.ts';
import { ForkLauncher } from '../../src/main/machines/fork-launcher.ts';
import type { MediumJob } from '../../src/shared/api.ts';
import { GIB, MIB } from '../../src/shared/sizes.ts';
import { testHome } from '../support/main-fixtures.ts';
import { qemuImg } from '../support/qemu-img.ts';

test('images are listed with who uses them, and checked, resized, converted, compacted and cancelled', async () => {
  const home = testHome();
  const core = await createAppServices({ shell: 'browser', paths: { ...home.paths, mediaProcess: join(import.meta.dirname, '../../dist/media-process.js') }, launcher: new ForkLauncher(home.paths.vmProcess) });
  if (!core.ok) throw new Error(core.error.message);
  onTestFinished(() => core.value.close());
  const { client } = core.value;
  const created = await client.library.create({ name: 'a', memoryBytes: 64 * MIB, directBoot: { kernel: home.kernel } });
  if (!created.ok) throw new Error(created.error.message);
  const made = await client.media.createDisk({ machine: 'a', bytes: 1 * GIB, format: 'qcow2' });
  if (!made.ok) throw new Error(made.error.message);
  expect(made.value.path).toBe('disks/disk0.qcow2');
  const path = join(created.value.folder, made.value.path);
  expect(await client.media.list({})).toMatchObject({ ok: true, value: { media: [{ path, kind: 'disk', users: [] }] } });
  await client.library.change({ name: 'a', changes: { disks: [{ path: made.value.path, format: 'qcow2' }] } });
  expect(await client.media.list({})).toMatchObject({ ok: true, value: { media: [{ path, format: 'qcow2', users: [{ machine: 'a', isOn: false }] }] } });

  let jobs = 0;
  const run = (job: MediumJob) => client.media.run({ id: `job${jobs++}`, job });
  expect(await run({ kind: 'check', path, repair: false })).toMatchObject({ ok: true, value: { check: { errorCount: 0, virtualBytes: 1 * GIB } } });
  expect(await run({ kind: 'resize', path, bytes: 2 * GIB, shrink: false })).toMatchObject({ ok: true, value: { done: { virtualBytes: 2 * GIB } } });
  expect(JSON.parse(qemuImg('info', '--output=json', path))).toMatchObject({ 'virtual-size': 2 * GIB, format: 'qcow2' });
  expect(await run({ kind: 'resize', path, bytes: 1 * GIB, shrink: false })).toMatchObject({ ok: false, error: { code: 'disk.would-shrink' } });
  const copy = join(home.folder, 'copy.vdi');
  expect(await run({ kind: 'convert', path, targetPath: copy, targetFormat: 'vdi' })).toMatchObject({ ok: true });
  qemuImg('compare', path, copy);
  qemuImg('check', copy);
  const before = statSync(path).ino;
  expect(await run({ kind: 'compact', path })).toMatchObject({ ok: true, value: { done: { virtualBytes: 2 * GIB } } });
  expect(statSync(path).ino).not.toBe(before);
  qemuImg('compare', path, copy);

  // A job that would take its time ends when it is told to, and leaves nothing behind.
  const target = join(home.folder, 'long.img');
  qemuImg('create', '-f', 'raw', join(home.folder, 'long.raw'), '64M');
  const long = client.media.run({ id: 'long', job: { kind: 'convert', path: join(home.folder, 'long.raw'), targetPath: target, targetFormat: 'raw' } });
  await client.media.cancel({ id: 'long' });
  expect(await long).toMatchObject({ ok: false, error: { code: 'media.cancelled' } });
  expect(statSync(target, { throwIfNoEntry: false })).toBeUndefined();
});
