/** Compression for disk images by Node's zlib, on its thread pool. */
import { promisify } from 'node:util';
import { constants, deflate, deflateRaw, inflate, inflateRaw, zstdCompress, zstdDecompress } from 'node:zlib';
import type { Compression } from '../interfaces/disk-image.ts';
import { zstdFrameBytes } from '../storage/zstd-frame.ts';

/** log2 of the window that every reader of qcow2 can hold. */
const QCOW2_WINDOW_BITS = 12;

const deflateRawAsync = promisify(deflateRaw);
const inflateRawAsync = promisify(inflateRaw);
const deflateAsync = promisify(deflate);
const inflateAsync = promisify(inflate);
const zstdCompressAsync = promisify(zstdCompress);
const zstdDecompressAsync = promisify(zstdDecompress);

export const zlibCompression: Compression = {
  deflateRaw: (source) => deflateRawAsync(source, { windowBits: QCOW2_WINDOW_BITS, memLevel: 9 }),
  // A stream that ends early is found by its length: images hold some that were cut at a sector.
  inflateRaw: (source, outputBytes) => inflateRawAsync(source, { maxOutputLength: outputBytes, finishFlush: constants.Z_SYNC_FLUSH }),
  deflate: (source) => deflateAsync(source),
  inflate: (source, outputBytes) => inflateAsync(source, { maxOutputLength: outputBytes }),
  zstdCompress: (source) => zstdCompressAsync(source),
  async zstdDecompress(source, outputBytes) {
    const frame = zstdFrameBytes(source);
    if (frame === undefined) throw new Error('no Zstandard frame');
    return zstdDecompressAsync(source.subarray(0, frame), { maxOutputLength: outputBytes });
  },
};
