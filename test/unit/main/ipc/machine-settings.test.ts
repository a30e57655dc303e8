import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createAppServices } from '../../../../src/main/app-services.ts';
import { ForkLauncher } from '../../../../src/main/machines/fork-launcher.ts';
import { MIB } from '../../../../src/shared/sizes.ts';
import { testHome } from '../../../support/main-fixtures.ts';

async function machineThatIsOn(commandLine = '') {
  const home = testHome();
  const core = await createAppServices({ shell: 'browser', paths: home.paths, launcher: new ForkLauncher(home.paths.vmProcess) });
  if (!core.ok) throw new Error(core.error.message);
  onTestFinished(() => core.value.close());
  const { client } = core.value;
  const disc = join(home.folder, 'disc.iso');
  writeFileSync(disc, new Uint8Array(4096));
  expect(await client.library.create({ name: 'a', memoryBytes: 64 * MIB, cdroms: [{ bus: 'ahci' }], adapters: [{}], directBoot: { kernel: home.kernel, commandLine } })).toMatchObject({ ok: true });
  expect(await client.machines.start({ name: 'a', overcommit: true })).toMatchObject({ ok: true });
  const saved = async () => {
    const entry = await client.library.get({ name: 'a' });
    if (!entry.ok) throw new Error(entry.error.message);
    return entry.value;
  };
  return { client, disc, saved };
}

test('a disc goes in and out of a machine that is on, and into its settings', async () => {
  const { client, disc, saved } = await machineThatIsOn();
  expect(await client.machines.changeDisc({ name: 'a', drive: 0, path: disc })).toMatchObject({ ok: true });
  expect(await saved()).toMatchObject({ config: { cdroms: [{ path: disc }] } });
  expect((await saved()).atNextStart).toBeUndefined();
  expect(await client.machines.changeDisc({ name: 'a', drive: 0 })).toMatchObject({ ok: true });
  expect((await saved()).config?.cdroms).toEqual([{ bus: 'ahci' }]);
  expect(await client.machines.changeDisc({ name: 'a', drive: 1, path: disc })).toMatchObject({ ok: false, error: { code: 'machines.no-such-part' } });
  expect(await client.machines.changeDisc({ name: 'a', drive: 0, path: '/nowhere.iso' })).toMatchObject({ ok: false, error: { code: 'media.missing' } });
});

test('a disc that the guest puts out itself is out of the settings too', async () => {
  const { client, disc, saved } = await machineThatIsOn('ejects');
  expect(await client.machines.changeDisc({ name: 'a', drive: 0, path: disc })).toMatchObject({ ok: true });
  await expect.poll(async () => (await saved()).config?.cdroms, { timeout: 30_000 }).toEqual([{ bus: 'ahci' }]);
});

test('what the machine refuses is not saved either, and nothing that came with it', async () => {
  const { client, disc, saved } = await machineThatIsOn('holds-disc');
  expect(await client.library.change({ name: 'a', changes: { cpuLimitPercent: 50, cdroms: [{ path: disc, bus: 'ahci' }] } })).toMatchObject({ ok: false, error: { code: 'media.held' } });
  expect(await saved()).toMatchObject({ config: { cpuLimitPercent: 100, cdroms: [{}] } });
  expect(await client.machines.changeDisc({ name: 'a', drive: 0, path: disc, force: true })).toMatchObject({ ok: true });
});

test('what a machine that is on can\'t take up is saved, and named until its next start', async () => {
  const { client, saved } = await machineThatIsOn();
  expect(await client.library.change({ name: 'a', changes: { memoryBytes: 128 * MIB, cpuLimitPercent: 30 } })).toMatchObject({ ok: true, value: { atNextStart: ['memoryBytes'] } });
  expect(await client.machines.stop({ name: 'a', how: 'force' })).toMatchObject({ ok: true });
  expect((await saved()).atNextStart).toBeUndefined();
  expect(await saved()).toMatchObject({ config: { memoryBytes: 128 * MIB, cpuLimitPercent: 30 } });
});

test('settings that don\'t go together are refused', async () => {
  const { client } = await machineThatIsOn();
  expect(await client.library.change({ name: 'a', changes: { time: { mode: { instructionsPerMicrosecond: 100 } } } })).toMatchObject({ ok: false, error: { code: 'machine-config.invalid' } });
});
