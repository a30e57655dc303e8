import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { qemuImg } from '../support/qemu-img.ts';
import { commandLineAt, eventually, expectRefusal, scratchFolder } from './guesthouse-command.ts';
import { tripleFaultSector } from './triple-fault-sector.ts';

const scratch = scratchFolder();
const { run, start } = commandLineAt(scratch.file('home'));
const disk = (...args: string[]) => run(['disk', ...args]);

/** A disk whose first sector ends the machine with a triple fault: whoever says so has executed it. */
function bootingDisk(name: string): string {
  const path = scratch.file(name, tripleFaultSector());
  truncateSync(path, 4 << 20);
  return path;
}

describe('guesthouse disk', () => {
  test('makes, describes, converts, resizes, compacts and checks an image', async () => {
    const path = scratch.file('one.qcow2');
    expect((await disk('create', path, '20M')).status).toBe(0);
    expect(JSON.parse((await disk('info', path, '--json')).out)).toMatchObject({ format: 'qcow2', virtualBytes: 20 << 20, backing: [] });
    expect(await disk('resize', path, '+12M')).toMatchObject({ status: 0, err: '' });
    expectRefusal(await disk('resize', path, '1M'), 1, /would become smaller/);
    const raw = scratch.file('source.img', randomBytes(3 << 20));
    const made = scratch.file('made.qcow2');
    expect((await disk('convert', raw, made, '--compress')).status).toBe(0);
    expect(qemuImg('compare', raw, made)).toContain('identical');
    expectRefusal(await disk('convert', raw, made), 1, /exists already/);
    expect((await disk('convert', raw, made, '--force')).status).toBe(0);
    expect((await disk('compact', made)).status).toBe(0);
    expect(qemuImg('compare', raw, made)).toContain('identical');
    expect(JSON.parse((await disk('check', made, '--json')).out)).toMatchObject({ errorCount: 0, leakedBytes: 0 });
  });

  test('shows the image below, and refuses one outside the folder unless it is allowed', async () => {
    const base = scratch.file('base.img', randomBytes(1 << 20));
    const top = scratch.file('top.qcow2');
    expect((await disk('create', top, '--backing', base, '--backing-format', 'raw')).status).toBe(0);
    expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', base, top)).toContain('identical');
    const outside = scratchFolder();
    const astray = outside.file('astray.qcow2');
    expect((await disk('create', astray, '--backing', base, '--backing-format', 'raw')).status).toBe(0);
    expectRefusal(await disk('info', astray), 1, /outside its folder/);
    expect((await disk('info', astray, '--backing-folder', dirname(base))).status).toBe(0);
  });

  test('tells of a damaged image with a status of its own, and mends it', async () => {
    const path = scratch.file('leaking.qcow2');
    await disk('create', path, '8M');
    const bytes = readFileSync(path);
    // A count for a cluster that nothing names: the refcount block is the third cluster.
    bytes.writeUInt16BE(1, 2 * 65536 + 2 * 8);
    writeFileSync(path, bytes);
    expect(await disk('check', path)).toMatchObject({ status: 3 });
    expect(await disk('check', path, '--repair')).toMatchObject({ status: 0 });
    expectRefusal(await disk('check', scratch.file('no.qcow2', Uint8Array.of(0x51, 0x46, 0x49, 0xfb))), 1, /qcow2/);
    expectRefusal(await disk('create', scratch.file('x.what'), '8M'), 2, /says no format/);
  });

  test('leaves nothing half-made when it is interrupted', async () => {
    const folder = scratchFolder();
    const raw = folder.file('large.img', randomBytes(48 << 20));
    const converting = start(['disk', 'convert', raw, folder.file('never.qcow2'), '--compress']);
    await eventually(() => readdirSync(folder.path).some((name) => name.endsWith('.new')), () => 'the conversion did not begin');
    converting.child.kill('SIGINT');
    expect(await converting.ended).toMatchObject({ status: 130, err: expect.stringMatching(/^guesthouse: the job was cancelled\n$/) });
    expect(readdirSync(folder.path)).toEqual(['large.img']);
  });

  test.each(['qcow2', 'vdi', 'vhd', 'vmdk', 'vhdx'])('a machine boots from a %s image', async (format) => {
    const image = scratch.file(`boots.${format}`);
    expect((await disk('convert', bootingDisk('boots.img'), image)).status).toBe(0);
    expectRefusal(await run(['run', '--disk', `${image},discard-changes`, '--on-reset', 'stop', '--serial', 'none', '--timeout', '80']), 1, /triple fault/);
    expectRefusal(await run(['run', '--disk', image, '--on-reset', 'stop', '--serial', 'none', '--timeout', '80']), 1, /triple fault/);
    expect(await disk('check', image)).toMatchObject({ status: 0 });
  });

  test('a new machine remembers the format of the disk that it is given', async () => {
    const image = scratch.file('kept.qcow2');
    await disk('create', image, '8M');
    expect((await run(['create', 'keeper', '--disk', image])).status).toBe(0);
    expect(JSON.parse((await run(['info', 'keeper', '--json'])).out).config.disks).toMatchObject([{ path: image, format: 'qcow2' }]);
  });
});
