import { describe, expect, it } from 'vitest';
import { GUEST_RAM, PAGE_ABSENT, PAGE_CLEAN, PAGE_FLAGS, PAGE_HAS_CODE } from '../../../../src/emulator/cpu/memory-layout.ts';
import { ABSENT, LOADED, makeGuardWords, MemoryGuard, NOT_WANTED, WANTED } from '../../../../src/emulator/snapshot/memory-guard.ts';
import { CHUNK_BYTES, CHUNK_PAGES, MemoryRegions } from '../../../../src/emulator/snapshot/memory-regions.ts';

const RAM_BYTES = 4 << 20;

function rig() {
  const shared = new SharedArrayBuffer(GUEST_RAM + RAM_BYTES);
  const regions = new MemoryRegions(RAM_BYTES);
  const words = makeGuardWords(regions.chunks);
  const loaded: number[] = [];
  const kept: { chunk: number; first: number }[] = [];
  const guard = new MemoryGuard(shared, regions, words, (chunk, target) => {
    loaded.push(chunk);
    target.fill(chunk);
  }, (chunk, contents) => { kept.push({ chunk, first: contents[0]! }); });
  const flags = new Uint8Array(shared, PAGE_FLAGS, shared.byteLength / 4096);
  const chunk = regions.firstGuarded + 3;
  const offset = regions.offsetOf(chunk);
  const flagsOf = (of: number): number[] => [...flags.subarray(regions.offsetOf(of) / 4096, regions.offsetOf(of) / 4096 + CHUNK_PAGES)];
  return { bytes: new Uint8Array(shared), regions, words, guard, flags, flagsOf, chunk, offset, loaded, kept };
}

describe('the guard of memory', () => {
  it('leaves the first MiB and ROM to those who copy them whole', () => {
    const { regions } = rig();
    expect(regions.offsetOf(regions.firstGuarded)).toBe(GUEST_RAM + 0x10_0000);
    for (let chunk = 0; chunk < regions.chunks; chunk++) if (regions.offsetOf(chunk) >= GUEST_RAM) expect(regions.guardedChunkAt(regions.offsetOf(chunk) + CHUNK_BYTES - 1)).toBe(chunk);
  });

  it('loads an absent chunk once, when it is touched first, and calls it clean then', () => {
    const { guard, words, chunk, offset, loaded, flagsOf, bytes } = rig();
    words.loading[chunk] = ABSENT;
    guard.begin();
    expect(flagsOf(chunk)).toEqual(Array(CHUNK_PAGES).fill(PAGE_ABSENT | PAGE_CLEAN));
    expect(flagsOf(chunk + 1)).toEqual(Array(CHUNK_PAGES).fill(PAGE_CLEAN));
    guard.touch(offset + 5000);
    guard.touch(offset);
    expect(loaded).toEqual([chunk]);
    expect([bytes[offset], words.loading[chunk], ...flagsOf(chunk)]).toEqual([chunk, LOADED, ...Array<number>(CHUNK_PAGES).fill(PAGE_CLEAN)]);
  });

  it('takes a chunk that another thread has loaded for loaded', () => {
    const { guard, words, chunk, offset, loaded, flagsOf } = rig();
    words.loading[chunk] = ABSENT;
    guard.begin();
    words.loading[chunk] = LOADED;
    guard.touch(offset);
    expect([loaded, flagsOf(chunk)]).toEqual([[], Array(CHUNK_PAGES).fill(PAGE_CLEAN)]);
  });

  it('keeps what a live snapshot wants before it changes, once, and leaves flags for code alone', () => {
    const { guard, words, chunk, offset, kept, flags, flagsOf, bytes } = rig();
    flags[offset / 4096] = PAGE_HAS_CODE;
    bytes[offset] = 7;
    expect([...guard.protect(false, undefined)].some((one) => one !== 0)).toBe(false);
    expect([words.saving[chunk], flagsOf(chunk)[0], flagsOf(chunk)[1]]).toEqual([WANTED, PAGE_CLEAN | PAGE_HAS_CODE, PAGE_CLEAN]);
    guard.change(offset + 9);
    bytes[offset] = 8;
    guard.change(offset + 9);
    expect([kept, words.saving[chunk], words.copies[0], flagsOf(chunk)[0], flagsOf(chunk)[1]]).toEqual([[{ chunk, first: 7 }], NOT_WANTED, 1, PAGE_HAS_CODE, 0]);
  });

  it('tells what has not changed since the last state, except where that is lost', () => {
    const { guard, words, chunk, offset, regions } = rig();
    guard.protect(false, undefined);
    words.saving.fill(NOT_WANTED);
    guard.change(offset);
    const lost = new Uint8Array(regions.chunks);
    lost[chunk + 1] = 1;
    const unchanged = guard.protect(true, lost);
    expect([unchanged[chunk], unchanged[chunk + 1], unchanged[chunk + 2]]).toEqual([0, 0, 1]);
    expect([words.saving[chunk], words.saving[chunk + 1], words.saving[chunk + 2]]).toEqual([WANTED, WANTED, NOT_WANTED]);
  });
});
