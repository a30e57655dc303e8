import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SynchronousChunks, StateFile, type StateSection } from '../../../../src/emulator/host/state-reader.ts';
import { StateWriter, type StateContents } from '../../../../src/emulator/host/state-writer.ts';
import { GUEST_RAM } from '../../../../src/emulator/cpu/memory-layout.ts';
import { COPYING, makeGuardWords, NOT_WANTED, WANTED } from '../../../../src/emulator/snapshot/memory-guard.ts';
import { CHUNK_BYTES, MemoryRegions } from '../../../../src/emulator/snapshot/memory-regions.ts';
import { StateError } from '../../../../src/emulator/snapshot/state-error.ts';
import { HEADER_BYTES } from '../../../../src/emulator/snapshot/state-format.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';

const RAM_BYTES = 4 << 20;
const SECTIONS: readonly StateSection[] = [{ id: 'chip', version: 3, state: { count: 7, bytes: Uint8Array.of(1, 2) } }, { id: 'other', version: 1, state: [undefined, -1n] }];

function rig() {
  const folder = mkdtempSync(join(tmpdir(), 'guesthouse-state-'));
  onTestFinished(() => { rmSync(folder, { recursive: true }); });
  const shared = new SharedArrayBuffer(GUEST_RAM + RAM_BYTES);
  const regions = new MemoryRegions(RAM_BYTES);
  const words = makeGuardWords(regions.chunks);
  const random = new SeededRandom(5);
  /** Contents of the chunk that many behind the first guarded one. */
  const chunk = (index: number): Uint8Array => new Uint8Array(shared, regions.offsetOf(regions.firstGuarded + index), CHUNK_BYTES);
  // One that can't be compressed, one that can, and zeros.
  for (let at = 0; at < CHUNK_BYTES; at++) chunk(0)[at] = random.below(256);
  chunk(1).fill(0x31);
  const contents = (changes: Partial<StateContents> = {}): StateContents => ({
    sections: SECTIONS, board: { memory: RAM_BYTES }, shared, regions, words, unguarded: [{ chunk: 2, bytes: new Uint8Array(CHUNK_BYTES).fill(0x22) }],
    unchanged: new Uint8Array(regions.chunks), last: undefined, mayCountOn: () => false, ...changes,
  });
  const first = regions.firstGuarded;
  const wantAll = (): void => { words.saving.fill(WANTED, first); };
  return { path: (name: string): string => join(folder, name), shared, regions, words, chunk, contents, first, wantAll };
}

async function opened(path: string, others: { id: string; path: string }[] = []): Promise<StateFile> {
  const file = await StateFile.open(path, others);
  onTestFinished(() => file[Symbol.asyncDispose]());
  return file;
}

describe('the file of a saved state', () => {
  it('gives back sections and chunks as they were, for both ways of reading, and zeros take no room', async () => {
    const { path, contents, chunk, first, wantAll, words } = rig();
    wantAll();
    const writer = new StateWriter(path('a'), contents());
    const id = await writer.write();
    expect([...words.saving].every((word) => word === NOT_WANTED)).toBe(true);
    const file = await opened(path('a'));
    expect([file.index.id, file.index.board, writer.otherFiles, writer.bytes, statSync(path('a')).size]).toEqual([id, { memory: RAM_BYTES }, [], writer.bytes, writer.bytes]);
    expect(await file.sections()).toEqual(SECTIONS);
    expect(await file.section('other')).toEqual([undefined, -1n]);
    expect(await file.section('no')).toBeUndefined();
    const now = new SynchronousChunks(file.places);
    for (const [index, whole] of [[2, new Uint8Array(CHUNK_BYTES).fill(0x22)], [first, chunk(0)], [first + 1, chunk(1)]] as const) {
      expect(Buffer.compare(await file.chunk(index), whole)).toBe(0);
      const target = new Uint8Array(CHUNK_BYTES);
      now.load(file.index.chunks.get(index), target);
      expect(Buffer.compare(target, whole)).toBe(0);
    }
    now.close();
    expect(Array.from({ length: file.index.chunks.length }, (_, at) => at).filter((at) => !file.index.chunks.isZero(at))).toEqual([2, first, first + 1]);
    expect(writer.bytes).toBeLessThan(CHUNK_BYTES + 4096);
    expect(existsSync(path('a.part'))).toBe(false);
  });

  it('takes the machine thread\'s copy of a chunk that has changed since, and waits for one on its way', async () => {
    const { path, contents, chunk, first, wantAll, words } = rig();
    wantAll();
    const writer = new StateWriter(path('a'), contents());
    // As the machine thread does before it changes a chunk: the copy is counted, and handed over later.
    words.saving[first] = COPYING;
    words.copies[0] = 1;
    const copy = Uint8Array.from(chunk(0));
    chunk(0).fill(0xee);
    words.saving[first] = NOT_WANTED;
    const writing = writer.write();
    setTimeout(() => { writer.take({ chunk: first, bytes: copy }); }, 50);
    await writing;
    expect(words.copies[0]).toBe(0);
    expect(Buffer.compare(await (await opened(path('a'))).chunk(first), copy)).toBe(0);
  });

  it('leaves chunks that have not changed where they are, or takes them over from a file that may go', async () => {
    const { path, contents, chunk, first, regions, wantAll } = rig();
    wantAll();
    const oldId = await new StateWriter(path('old'), contents()).write();
    const last = await opened(path('old'));
    const old = Uint8Array.from(chunk(0));
    const unchanged = new Uint8Array(regions.chunks).fill(1, first);
    unchanged[first + 1] = 0;
    chunk(0).fill(0xee);
    chunk(1).fill(0x32);
    wantAll();
    const counting = new StateWriter(path('counting'), contents({ last, unchanged, mayCountOn: (id) => id === oldId }));
    await counting.write();
    wantAll();
    const whole = new StateWriter(path('whole'), contents({ last, unchanged }));
    await whole.write();
    expect([counting.otherFiles, whole.otherFiles]).toEqual([[oldId], []]);
    expect(counting.bytes).toBeLessThan(CHUNK_BYTES);
    for (const file of [await opened(path('counting'), [{ id: oldId, path: path('old') }]), await opened(path('whole'))]) {
      expect(Buffer.compare(await file.chunk(first), old)).toBe(0);
      expect((await file.chunk(first + 1))[9]).toBe(0x32);
      expect(file.index.chunks.isZero(first + 2)).toBe(true);
    }
    await expect(StateFile.open(path('counting'), [])).rejects.toMatchObject({ code: 'state.incomplete' });
    // A third one names the file that has the chunk, not the one in between.
    wantAll();
    const middle = await opened(path('counting'), [{ id: oldId, path: path('old') }]);
    const third = new StateWriter(path('third'), contents({ last: middle, unchanged, mayCountOn: () => true }));
    await third.write();
    expect(third.otherFiles).toEqual([oldId]);
    const another = await opened(path('third'), [{ id: oldId, path: path('old') }]);
    expect(Buffer.compare(await another.chunk(first), old)).toBe(0);
    // Another file in the place of the one that is counted on, of the same size even.
    writeFileSync(path('kept'), readFileSync(path('old')));
    chunk(0).set(old);
    chunk(1).fill(0x31);
    wantAll();
    await new StateWriter(path('old'), contents()).write();
    expect(statSync(path('old')).size).toBe(statSync(path('kept')).size);
    await expect(StateFile.open(path('counting'), [{ id: oldId, path: path('old') }])).rejects.toMatchObject({ code: 'state.damaged' });
    chunk(0).fill(0xee);
    wantAll();
    await new StateWriter(path('old'), contents()).write();
    await expect(StateFile.open(path('counting'), [{ id: oldId, path: path('old') }])).rejects.toMatchObject({ code: 'state.damaged' });
  });

  it('leaves nothing where it can\'t be written, and keeps nobody waiting', async () => {
    const { path, contents, wantAll, words, first } = rig();
    wantAll();
    const writer = new StateWriter(path('a'), contents({ sections: [{ id: 'x', version: 1, state: new Map() }] }));
    words.copies[0] = 1;
    writer.take({ chunk: first, bytes: new Uint8Array(CHUNK_BYTES) });
    await expect(writer.write()).rejects.toThrow();
    expect([existsSync(path('a')), existsSync(path('a.part')), words.copies[0], [...words.saving].includes(WANTED)]).toEqual([false, false, 0, false]);
    await expect(new StateWriter(path('no/such/folder'), contents()).write()).rejects.toThrow('ENOENT');
  });

  it('is told as damaged wherever a byte of it is, cut off or too long, and never read as what it was not', async () => {
    const { path, contents, wantAll, regions } = rig();
    wantAll();
    await new StateWriter(path('a'), contents()).write();
    const whole = readFileSync(path('a'));
    const sound = await opened(path('a'));
    const chunks: (Uint8Array | undefined)[] = [];
    for (let at = 0; at < regions.chunks; at++) chunks.push(sound.index.chunks.isZero(at) ? undefined : await sound.chunk(at));
    /** What reading all of it says. */
    const read = async (bytes: Uint8Array): Promise<unknown> => {
      writeFileSync(path('b'), bytes);
      await using file = await StateFile.open(path('b'), []);
      expect(await file.sections()).toEqual(SECTIONS);
      for (const [at, chunk] of chunks.entries()) if (chunk !== undefined) expect(Buffer.compare(await file.chunk(at), chunk)).toBe(0);
      return 'as it was';
    };
    expect(await read(whole)).toBe('as it was');
    const { indexOffset } = sound.header;
    const places = [0, 15, 16, 20, 24, 31, 32, 40, 47, 48, 51, 60, 63, HEADER_BYTES, HEADER_BYTES + 40, 1000, 30_000, indexOffset, indexOffset + 9, Math.floor((indexOffset + whole.length) / 2), whole.length - 1];
    for (const place of places) {
      const damaged = Uint8Array.from(whole);
      damaged[place]! ^= 0x10;
      await expect(read(damaged), `byte ${place}`).rejects.toBeInstanceOf(StateError);
    }
    for (const length of [0, 10, HEADER_BYTES, 5000, indexOffset, whole.length - 1]) await expect(read(whole.subarray(0, length)), `${length} bytes`).rejects.toBeInstanceOf(StateError);
    await expect(read(Buffer.concat([whole, Buffer.of(0)]))).rejects.toMatchObject({ code: 'state.damaged' });
    await expect(StateFile.open(path('nowhere'), [])).rejects.toMatchObject({ code: 'state.missing' });
  });
});
