/** Bundles as files: what they cost, that other programs read them, and that every piece can be read by itself. */
import { spawnSync } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPromise } from 'yauzl';
import { ZipFile } from 'yazl';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MemberFile, MountedBundle, openBundle, SynchronousMember } from '../../../../src/emulator/host/bundle-members.ts';
import { writeBundle } from '../../../../src/emulator/host/bundle-writer.ts';
import { readBundle, ZERO_CHUNK, ZERO_CHUNK_SHA256 } from '../../../../src/emulator/host/bundle.ts';
import { MIB } from '../../../../src/shared/sizes.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';

let folder = '';
let machine = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'guesthouse-bundle-'));
  machine = join(folder, 'one.guestvm');
  mkdirSync(join(machine, 'disks'), { recursive: true });
});
afterEach(() => { rmSync(folder, { recursive: true }); });

const LENGTH = 7 * MIB + 12_345;

/** Zeros, a MiB that doesn't compress, text across the edge of one, and zeros again. */
function disk(): Buffer {
  const made = Buffer.alloc(LENGTH);
  randomFillSync(made, 2 * MIB, MIB);
  made.write('all work and no play '.repeat(20_000), 5 * MIB - 200_000);
  made.write('end', LENGTH - 3);
  return made;
}

async function mounted(path: string): Promise<MountedBundle> {
  const inPlace = join(folder, `in-place-${readdirSync(folder).length}`);
  const { manifestSha256 } = await openBundle(path, inPlace);
  return MountedBundle.open({ path, folder: inPlace, manifestSha256 });
}

async function expectReadable(path: string, inside: string, contents: Buffer): Promise<void> {
  const bundle = await mounted(path);
  const inPlace = readdirSync(folder).filter((name) => name.startsWith('in-place')).at(-1)!;
  const place = bundle.memberAt(join(folder, inPlace, ...inside.split('/')))!;
  const random = new SeededRandom(1);
  await using file = await MemberFile.open(place);
  const synchronous = new SynchronousMember(place);
  for (let reads = 0; reads < 100; reads++) {
    const at = random.below(contents.length);
    const wanted = Math.min(random.pick([1, 512, 4096, 300_000, 3 * MIB]), contents.length - at);
    const read = new Uint8Array(wanted);
    await file.read(at, read);
    expect(contents.compare(read, 0, wanted, at, at + wanted)).toBe(0);
    read.fill(0);
    for (let done = 0; done < wanted;) done += synchronous.read(read, done, wanted - done, at + done);
    expect(contents.compare(read, 0, wanted, at, at + wanted)).toBe(0);
  }
  synchronous.close();
}

test('zeros cost next to nothing, every MiB is read by itself, and all of it comes out as it went in', async () => {
  expect(createHash('sha256').update(ZERO_CHUNK).digest('hex')).toBe(ZERO_CHUNK_SHA256);
  const contents = disk();
  writeFileSync(join(machine, 'disks/disk0.img'), contents);
  writeFileSync(join(machine, 'machine.json'), '{}');
  writeFileSync(join(machine, 'empty'), '');
  const path = join(folder, 'one.guestvmz');
  const seen: number[] = [];
  await writeBundle(machine, path, (done) => { seen.push(done); });
  expect(seen.at(-1)).toBe(1);
  expect(seen).toEqual(seen.toSorted((one, other) => one - other));
  expect(statSync(path).size).toBeLessThan(MIB + 100_000);
  await expectReadable(path, 'disks/disk0.img', contents);
  await readBundle(path, join(folder, 'out'), () => {});
  expect(readFileSync(join(folder, 'out/disks/disk0.img')).equals(contents)).toBe(true);
  expect(statSync(join(folder, 'out/empty')).size).toBe(0);
  const { error, stdout } = spawnSync('unzip', ['-p', path, 'disks/disk0.img'], { maxBuffer: 2 * LENGTH });
  if (error === undefined) expect(stdout.equals(contents)).toBe(true);
});

test('an export that is cancelled leaves nothing; one of a file that changes meanwhile fails', async () => {
  writeFileSync(join(machine, 'disks/disk0.img'), disk());
  const path = join(folder, 'one.guestvmz');
  await expect(writeBundle(machine, path, (done) => { if (done > 0.5) throw new Error('cancelled'); })).rejects.toThrow('cancelled');
  await expect(writeBundle(machine, path, () => { truncateSync(join(machine, 'disks/disk0.img'), MIB); })).rejects.toThrow(/has changed while it was exported/);
  expect(readdirSync(folder)).toEqual(['one.guestvm']);
});

// 4 GiB of zeros are read, which takes seconds.
test.skipIf(process.env['GUESTHOUSE_LONG_TESTS'] === undefined)('a member beyond 4 GiB has the long fields, and is read at its end', async () => {
  writeFileSync(join(machine, 'disks/disk0.img'), '');
  const bytes = 4096 * MIB + 5000;
  truncateSync(join(machine, 'disks/disk0.img'), bytes);
  const path = join(folder, 'one.guestvmz');
  await writeBundle(machine, path, () => {});
  expect(statSync(path).size).toBeLessThan(6 * MIB);
  const zip = await openPromise(path, { lazyEntries: true, autoClose: false });
  for await (const { fileName, uncompressedSize } of zip.eachEntry()) if (fileName === 'disks/disk0.img') expect(uncompressedSize).toBe(bytes);
  zip.close();
  const bundle = await mounted(path);
  const inPlace = readdirSync(folder).find((name) => name.startsWith('in-place'))!;
  await using file = await MemberFile.open(bundle.memberAt(join(folder, inPlace, 'disks', 'disk0.img'))!);
  const read = new Uint8Array(6000).fill(1);
  await file.read(bytes - 6000, read);
  expect(read.every((byte) => byte === 0)).toBe(true);
}, 120_000);

test('bundles of version 1, whose large members are stored, run in place as before', async () => {
  const contents = disk();
  const sha256 = Array.from({ length: Math.ceil(LENGTH / MIB) }, (_, chunk) => createHash('sha256').update(contents.subarray(chunk * MIB, (chunk + 1) * MIB)).digest('hex'));
  const zip = new ZipFile();
  zip.addBuffer(Buffer.from(JSON.stringify({ version: 1, chunkBytes: MIB, members: [{ path: 'disks/disk0.img', bytes: LENGTH, sha256 }] })), 'manifest.json');
  zip.addBuffer(contents, 'disks/disk0.img', { compress: false });
  zip.end();
  const path = join(folder, 'old.guestvmz');
  await pipeline(zip.outputStream, createWriteStream(path));
  await expectReadable(path, 'disks/disk0.img', contents);
});
