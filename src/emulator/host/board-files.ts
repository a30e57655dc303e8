/** Reads the files that a board is built with: firmware, and the kernel that is booted directly. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { VmStart } from '../../shared/vm-protocol.ts';
import { describeFileError } from './file-bytes.ts';
import type { BoardFiles, BootFiles } from './machine-post.ts';
import { StartError } from './start-error.ts';

/** A kernel or initrd beyond this is a mistake. */
const MAX_BOOT_FILE_BYTES = 0x4000_0000;
const MAX_FIRMWARE_BYTES = 0x40_0000;
const MAX_EXPANSION_ROM_BYTES = 0x4_0000;

type DirectBoot = NonNullable<VmStart['directBoot']>;

/** Throws `StartError`. */
export async function readBoardFiles({ biosPath, vgaBiosPath, directBoot, resumeFrom, adapters = [] }: Pick<VmStart, 'biosPath' | 'vgaBiosPath' | 'directBoot' | 'resumeFrom' | 'adapters'>): Promise<BoardFiles> {
  const [bios, vgaBios, boot, adapterRoms] = await Promise.all([
    readBounded(biosPath, MAX_FIRMWARE_BYTES),
    vgaBiosPath === undefined ? undefined : readBounded(vgaBiosPath, MAX_FIRMWARE_BYTES),
    directBoot === undefined || resumeFrom !== undefined ? undefined : readBootFiles(directBoot),
    Promise.all(adapters.map(async ({ bootRomPath }) => (bootRomPath === undefined ? undefined : await readBounded(bootRomPath, MAX_EXPANSION_ROM_BYTES)))),
  ]);
  return { bios, vgaBios, boot, adapterRoms };
}

/** For a thread that can't wait for promises. Throws `StartError`. */
export function readBootFilesNow({ kernelPath, initrdPath }: DirectBoot): BootFiles {
  const read = (path: string): Uint8Array => bounded(path, MAX_BOOT_FILE_BYTES, () => readFileSync(path));
  return { kernel: read(kernelPath), initrd: initrdPath === undefined ? undefined : read(initrdPath) };
}

/** Memory that another thread can be given instead of a copy. */
export function filesToTransfer({ boot }: BoardFiles): ArrayBuffer[] {
  // A small file may lie in a buffer that it shares with others.
  return [boot?.kernel, boot?.initrd].flatMap((file) => file?.byteLength === file?.buffer.byteLength && file?.buffer instanceof ArrayBuffer ? [file.buffer] : []);
}

async function readBootFiles({ kernelPath, initrdPath }: DirectBoot): Promise<BootFiles> {
  const [kernel, initrd] = await Promise.all([readBounded(kernelPath, MAX_BOOT_FILE_BYTES), initrdPath === undefined ? undefined : readBounded(initrdPath, MAX_BOOT_FILE_BYTES)]);
  return { kernel, initrd };
}

async function readBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    return checkSize(path, maxBytes, await readFile(path));
  } catch (error) {
    throw startError(path, error);
  }
}

function bounded(path: string, maxBytes: number, read: () => Uint8Array): Uint8Array {
  try {
    return checkSize(path, maxBytes, read());
  } catch (error) {
    throw startError(path, error);
  }
}

function startError(path: string, error: unknown): unknown {
  return error instanceof StartError ? error : describeFileError(error, path, 'read-only');
}

function checkSize(path: string, maxBytes: number, bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) throw new StartError('media.empty', `${path} is empty`, 'name another file');
  if (bytes.length > maxBytes) throw new StartError('media.too-large', `${path} is too large for what it is used as`, 'name another file');
  return bytes;
}
