/** A fresh ext4 file system as the few blocks of it that are not zero, so that a guest can lay it onto a blank disk. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BLOCK_BYTES = 4096;

export type SparseBlocks = {
  readonly blockBytes: number;
  /** Runs of blocks, each "first count", in the order of `data`. */
  readonly runs: readonly { readonly first: number; readonly count: number }[];
  readonly data: Buffer;
};

/** The mke2fs to run, and where its libraries lie if it is only unpacked. */
export type Mke2fs = { readonly program: string; readonly libraryFolder?: string };

/** @throws Error with mke2fs's own words */
export function runMke2fs(mke2fs: Mke2fs, args: readonly string[]): void {
  const result = spawnSync(mke2fs.program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...(mke2fs.libraryFolder === undefined ? {} : { LD_LIBRARY_PATH: mke2fs.libraryFolder }) },
  });
  if (result.status !== 0) throw new Error(`mke2fs: ${result.stderr || String(result.error ?? '')}`);
}

export function ext4Template(mke2fs: Mke2fs, label: string, sizeBytes: number): SparseBlocks {
  const folder = mkdtempSync(join(tmpdir(), 'guesthouse-ext4-'));
  try {
    const image = join(folder, 'image');
    writeFileSync(image, '');
    truncateSync(image, sizeBytes);
    // Nobody else writes to this disk: no blocks kept back for root. The journal takes the least there is.
    runMke2fs(mke2fs, [
      '-q', '-F', '-t', 'ext4', '-b', String(BLOCK_BYTES), '-L', label, '-m', '0', '-J', 'size=4',
      '-O', '^resize_inode', '-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard', image,
    ]);
    return nonZeroBlocks(image, sizeBytes / BLOCK_BYTES);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function nonZeroBlocks(image: string, blockCount: number): SparseBlocks {
  const zero = Buffer.alloc(BLOCK_BYTES);
  const runs: { first: number; count: number }[] = [];
  const data: Buffer[] = [];
  const file = openSync(image, 'r');
  for (let block = 0; block < blockCount; block += 1) {
    const bytes = Buffer.alloc(BLOCK_BYTES);
    readSync(file, bytes, 0, BLOCK_BYTES, block * BLOCK_BYTES);
    if (bytes.equals(zero)) continue;
    data.push(bytes);
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === block) last.count += 1;
    else runs.push({ first: block, count: 1 });
  }
  closeSync(file);
  return { blockBytes: BLOCK_BYTES, runs, data: Buffer.concat(data) };
}
