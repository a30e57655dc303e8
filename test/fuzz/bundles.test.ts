/**
 * Bundles whose headers, central directory, manifest and data were changed or cut: each is refused with a clear error, or gives
 * exactly the bytes that its manifest says; and nothing is written outside of the folder that it is opened or unpacked into.
 */
import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ZipFile } from 'yazl';
import { MemberFile, MountedBundle, openBundle } from '../../src/emulator/host/bundle-members.ts';
import { writeBundle } from '../../src/emulator/host/bundle-writer.ts';
import { readBundle } from '../../src/emulator/host/bundle.ts';
import { ImageError } from '../../src/emulator/storage/image-error.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const CASES = process.env['GUESTHOUSE_LONG_TESTS'] === undefined ? 300 : 10_000;
const SEED = Number(process.env['GUESTHOUSE_FUZZ_SEED'] ?? 1);
const MILLIS_MAXIMUM = CASES * 3_000;
/** Names of files that a manifest can make collide; the folder is removed then, like after any other failure. */
const COLLISIONS: ReadonlySet<unknown> = new Set(['EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'EINVAL']);

let folder = '';
let sound = Buffer.alloc(0);
/** Where its headers begin. */
const signatures: number[] = [];
const contents = new Map<string, Buffer>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'guesthouse-fuzz-'));
  const machine = join(folder, 'one.guestvm');
  mkdirSync(join(machine, 'disks'), { recursive: true });
  const random = new SeededRandom(7);
  contents.set('machine.json', Buffer.from('{"schemaVersion":1}'));
  contents.set('disks/disk0.img', Buffer.concat([Buffer.alloc(1 << 20), Buffer.from(Array.from({ length: 40_000 }, () => random.below(64))), Buffer.alloc(40_000)]));
  contents.set('disks/disk1.img', Buffer.from(Array.from({ length: 70_000 }, () => random.below(256))));
  for (const [path, bytes] of contents) writeFileSync(join(machine, path), bytes);
  await writeBundle(machine, join(folder, 'one.guestvmz'), () => {});
  sound = readFileSync(join(folder, 'one.guestvmz'));
  for (let at = 0; at + 4 <= sound.length; at++) if ([0x0403_4b50, 0x0201_4b50, 0x0605_4b50].includes(sound.readUInt32LE(at))) signatures.push(at);
});
afterAll(() => { rmSync(folder, { recursive: true }); });

const hashes = (): ReadonlySet<string> => new Set([...contents.values()].map((bytes) => createHash('sha256').update(bytes).digest('hex')));

/** Opens it in place and unpacks it, and looks at every byte that is given away. */
async function expectHarmless(bytes: Uint8Array): Promise<void> {
  const known = hashes();
  const place = join(folder, 'case');
  mkdirSync(place);
  const path = join(place, 'bundle');
  writeFileSync(path, bytes);
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ImageError || COLLISIONS.has((error as NodeJS.ErrnoException).code))) throw error;
    }
  };
  await attempt(async () => {
    const inPlace = join(place, 'in-place');
    const { manifestSha256, members } = await openBundle(path, inPlace);
    const bundle = await MountedBundle.open({ path, folder: inPlace, manifestSha256 });
    for (const { path: inside, bytes: size } of members) {
      const member = bundle.memberAt(join(inPlace, ...inside.split('/')));
      if (member === undefined) continue;
      await attempt(async () => {
        await using file = await MemberFile.open(member);
        const read = new Uint8Array(size);
        await file.read(0, read);
        expect(known).toContain(createHash('sha256').update(read).digest('hex'));
      });
    }
  });
  await attempt(async () => {
    const out = join(place, 'out');
    await readBundle(path, out, () => {});
    for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) if (entry.isFile()) expect(known).toContain(createHash('sha256').update(readFileSync(join(entry.parentPath, entry.name))).digest('hex'));
  });
  expect(readdirSync(place).filter((name) => !['bundle', 'in-place', 'out'].includes(name))).toEqual([]);
  expect(readdirSync(folder).toSorted()).toEqual(['case', 'one.guestvm', 'one.guestvmz']);
  rmSync(place, { recursive: true });
}

const HOSTILE_NUMBERS = [0, 1, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/** Mostly where the headers are: before each member, and behind the last one. */
function mutate(random: SeededRandom): Buffer {
  const mutated = Buffer.from(sound);
  for (let changes = 1 + random.below(random.pick([1, 3, 8])); changes > 0; changes--) {
    const at = Math.min(sound.length - 4, random.below(4) === 0 ? random.below(sound.length) : random.pick(signatures) + random.below(60));
    switch (random.below(5)) {
      case 0: mutated[at]! ^= 1 << random.below(8); break;
      case 1: mutated.writeUInt32LE(random.pick(HOSTILE_NUMBERS), at); break;
      case 2: mutated.writeUInt16LE(random.next32() & 0xffff, at); break;
      case 3: mutated.writeUInt32LE(random.pick(signatures), at); break;
      default: mutated.write(random.pick(['../', '/etc', 'C:\\x', '..\\..', 'a/b\0']), at, 'latin1');
    }
  }
  return mutated;
}

test(`${CASES} bundles with changed headers`, async () => {
  const random = new SeededRandom(SEED);
  for (let number = 0; number < CASES; number++) await expectHarmless(mutate(random));
}, MILLIS_MAXIMUM);

interface LooseMember { path: unknown; bytes: unknown; sha256: unknown; pieces: unknown }

const HOSTILE_VALUES: readonly unknown[] = [null, '', -1, 0, 1.5, 1e308, 2 ** 53, '../outside', '/tmp/outside', 'a/../../outside', 'disks', 'disks/disk0.img/x', 'machine.json', 'manifest.json', 'x'.repeat(2000), 'C:x', 'a\\b', [], {}, [1], ['00'], [null], Array.from({ length: 3 }, () => 0x7fff_ffff)];

test(`${CASES} bundles with changed manifests`, async () => {
  const random = new SeededRandom(SEED + 1);
  for (let number = 0; number < CASES; number++) {
    const members = [...contents].map(([path, bytes]): LooseMember => ({
      path, bytes: bytes.length, pieces: undefined,
      sha256: Array.from({ length: Math.ceil(bytes.length / (1 << 20)) }, (_, chunk) => createHash('sha256').update(bytes.subarray(chunk << 20, (chunk + 1) << 20)).digest('hex')),
    }));
    // yazl's own stream has no pieces; those of one MiB are whole.
    for (const member of members) member.pieces = [deflateRawSync(contents.get(member.path as string)!).length];
    const manifest: Record<string, unknown> = { version: 2, chunkBytes: 1 << 20, members };
    for (let changes = random.below(3); changes >= 0; changes--) {
      const victim = random.pick(members);
      if (random.below(5) === 0) manifest[random.pick(['version', 'chunkBytes', 'members'])] = random.pick(HOSTILE_VALUES);
      else victim[random.pick(['path', 'bytes', 'sha256', 'pieces'] as const)] = random.pick(HOSTILE_VALUES);
    }
    const zip = new ZipFile();
    for (const [path, bytes] of contents) zip.addBuffer(bytes, path);
    zip.addBuffer(Buffer.from(random.below(20) === 0 ? JSON.stringify(manifest).slice(0, random.below(400)) : JSON.stringify(manifest)), 'manifest.json');
    zip.end();
    const path = join(folder, 'case.zip');
    await pipeline(zip.outputStream, createWriteStream(path));
    const bytes = readFileSync(path);
    rmSync(path);
    await expectHarmless(bytes);
  }
}, MILLIS_MAXIMUM);

test('a bundle that is cut off anywhere is refused', async () => {
  const random = new SeededRandom(SEED + 2);
  for (const length of [0, 1, 21, 22, sound.length - 1, ...Array.from({ length: 60 }, () => random.below(sound.length))]) {
    const path = join(folder, 'cut');
    writeFileSync(path, sound.subarray(0, length));
    await expect(openBundle(path, join(folder, 'cut-open'))).rejects.toThrow(ImageError);
    await expect(readBundle(path, join(folder, 'cut-out'), () => {})).rejects.toThrow(ImageError);
    rmSync(path);
  }
  expect(readdirSync(folder).toSorted()).toEqual(['one.guestvm', 'one.guestvmz']);
}, MILLIS_MAXIMUM);
