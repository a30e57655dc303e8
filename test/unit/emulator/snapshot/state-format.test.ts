import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { CHUNK_ENCODING, ChunkTable, decodeIndex, encodeIndex, HEADER_BYTES, type ChunkPlace, type StateIndex } from '../../../../src/emulator/snapshot/state-format.ts';
import { StateError } from '../../../../src/emulator/snapshot/state-error.ts';

const FILE_BYTES = 1 << 20;
const ID = 'ab'.repeat(16);
const PLACE: ChunkPlace = { encoding: CHUNK_ENCODING.zstd, file: 0, offset: 0x9_0000, bytes: 1000, checksum: 0xffff_ffff };

/** As if an index with these places were read from a file. */
function read(place: ChunkPlace, changes: Partial<StateIndex> = {}): StateIndex {
  const chunks = ChunkTable.ofZeros(3);
  chunks.set(1, place);
  const bytes = encodeIndex({ id: ID, board: {}, sections: [], otherFiles: [{ id: ID, bytes: 5000 }], regions: [{ name: 'ram', chunks: 3 }], chunks, ...changes });
  return decodeIndex(bytes, { indexOffset: HEADER_BYTES, indexBytes: bytes.length, indexChecksum: crc32(bytes), fileBytes: FILE_BYTES }, crc32);
}

describe('the index of a state', () => {
  it('gives back places, far ones too', () => {
    const far: ChunkPlace = { ...PLACE, file: 1, offset: 0x1234_5678_9abc };
    const { chunks } = read(far, { otherFiles: [{ id: ID, bytes: 2 ** 48 }] });
    expect([chunks.isZero(0), chunks.isZero(1), chunks.get(1)]).toEqual([true, false, far]);
  });

  it.each<[string, Partial<ChunkPlace>]>([
    ['beyond its file', { offset: FILE_BYTES - 999 }], ['in its header', { offset: HEADER_BYTES - 1 }], ['beyond another file', { file: 1, offset: 4001 }], ['in a file that it doesn\'t name', { file: 2 }],
    ['of no bytes', { bytes: 0 }], ['larger than plain', { bytes: 0x1_0000 }], ['plain and too short', { encoding: CHUNK_ENCODING.plain }], ['of an unknown kind', { encoding: 9 }],
  ])('refuses a chunk %s', (_, change) => {
    expect(() => read({ ...PLACE, ...change })).toThrow(StateError);
    expect(() => read(PLACE)).not.toThrow();
  });

  it('refuses what has the wrong shape', () => {
    const section = { id: 'x', version: 1, offset: HEADER_BYTES, bytes: 10, plainBytes: 10, checksum: 0 };
    expect(() => read(PLACE, { sections: [section] })).not.toThrow();
    for (const change of [
      { id: 'short' }, { sections: [{ ...section, offset: FILE_BYTES - 9 }] }, { sections: [{ ...section, plainBytes: 2 ** 40 }] }, { sections: [{ ...section, bytes: -1 }] },
      { regions: [{ name: 'ram', chunks: 4 }] }, { regions: [{ name: 'ram', chunks: -3 }] }, { otherFiles: [{ id: '../../x', bytes: 5000 }] }, { otherFiles: Array.from({ length: 256 }, () => ({ id: ID, bytes: 5000 })) }, { board: [] as unknown as Record<string, unknown> },
    ] satisfies Partial<StateIndex>[]) expect(() => read(PLACE, change), JSON.stringify(change).slice(0, 80)).toThrow(StateError);
  });
});
