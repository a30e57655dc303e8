/** qcow2 images whose tables were made to do harm: an error at once, and nothing is written. */
import { expect, it } from 'vitest';
import { zlibCompression } from '../../../../src/emulator/host/zlib-compression.ts';
import type { DiskImage } from '../../../../src/emulator/interfaces/disk-image.ts';
import { ByteFields } from '../../../../src/emulator/storage/byte-fields.ts';
import { checkImage } from '../../../../src/emulator/storage/check-image.ts';
import { createImage } from '../../../../src/emulator/storage/create-image.ts';
import { openImage } from '../../../../src/emulator/storage/open-image.ts';
import { BIRTH, NO_PARTS } from '../../../storage/image-files.ts';
import { MemoryFiles } from '../../../support/memory-files.ts';

const CLUSTER = 65536;

/** An image with one L2 table and one cluster of data, changed. */
async function harmed(change: (fields: ByteFields) => void, blockBytes = CLUSTER): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  await createImage(await files.open('disk', 'read-write'), { format: 'qcow2', bytes: 1 << 20, blockBytes }, BIRTH, NO_PARTS);
  await using image = await open(files);
  await image.write(0, new Uint8Array(512).fill(1));
  await image[Symbol.asyncDispose]();
  const fields = new ByteFields(files.bytesOf('disk'), 'big-endian');
  change(fields);
  files.add('disk', fields.bytes);
  return files;
}

const open = (files: MemoryFiles, readOnly = false): Promise<DiskImage> => openImage({ path: 'disk', format: 'qcow2', readOnly, files, compression: zlibCompression });
const l1Position = (fields: ByteFields): number => fields.u64(40, 'L1');
const tablePosition = (fields: ByteFields): number => fields.u64(48, 'refcounts');
const l2Position = (fields: ByteFields): number => fields.u16(l1Position(fields) + 2) * 2 ** 32 + fields.u32(l1Position(fields) + 4);

/** High bytes of an entry are left as they are: they hold its flags. */
function pointTo(fields: ByteFields, at: number, position: number): void {
  fields.setU16(at + 2, Math.floor(position / 2 ** 32));
  fields.setU32(at + 4, position % 2 ** 32);
}

it.each([
  ['the refcount table on the L1 table', (fields) => { pointTo(fields, 48, l1Position(fields)); }],
  ['two refcount blocks in one place', (fields) => { pointTo(fields, tablePosition(fields) + 8, fields.u64(tablePosition(fields), 'block')); }],
  ['a refcount block behind the end', (fields) => { pointTo(fields, tablePosition(fields) + 8, 2 ** 40); }],
  ['an L2 table on the refcount table', (fields) => { pointTo(fields, l1Position(fields), tablePosition(fields)); }],
  ['a cluster of data on the L1 table', (fields) => { pointTo(fields, l2Position(fields), l1Position(fields)); }],
  ['a cluster of data on the refcount table', (fields) => { pointTo(fields, l2Position(fields), tablePosition(fields)); }],
  ['counts that call the header free', (fields) => { fields.setU16(fields.u64(tablePosition(fields), 'block'), 0); }],
  ['a size of nearly 2^53', (fields) => { fields.setU64(24, 2 ** 53 - 512); fields.setU32(36, 1 << 22); }],
] satisfies [string, (fields: ByteFields) => void][])('%s', async (_name, change) => {
  const files = await harmed(change);
  const before = files.bytesOf('disk');
  await expect((async () => {
    await using image = await open(files);
    await image.write(0, new Uint8Array(CLUSTER).fill(2));
    await image.write(256, new Uint8Array(CLUSTER).fill(3));
  })()).rejects.toMatchObject({ code: expect.stringMatching(/^image\.(damaged|unsupported)$/) });
  const after = files.bytesOf('disk');
  // Header, refcount table, L1 table; the block of counts lies between them.
  for (const cluster of [0, 1, 3]) expect(Buffer.compare(after.subarray(cluster * CLUSTER, (cluster + 1) * CLUSTER), before.subarray(cluster * CLUSTER, (cluster + 1) * CLUSTER))).toBe(0);
});

it('is checked in a time that its length bounds, whatever its refcount table claims', async () => {
  const files = await harmed((fields) => {
    const table = tablePosition(fields);
    const block = fields.u64(table, 'block');
    for (let entry = 1; entry < CLUSTER / 8; entry++) pointTo(fields, table + entry * 8, block);
  });
  files.operationsMaximum = 1000;
  const started = performance.now();
  const found = await checkImage({ path: 'disk', format: 'qcow2', files, compression: zlibCompression, repair: false, progress: () => {} });
  expect(found.errorCount).toBeGreaterThan(0);
  // 8192 tables of 32768 counts each would take longer on any host.
  expect(performance.now() - started).toBeLessThan(10_000);
});
