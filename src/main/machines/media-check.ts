/**
 * What can be said of a medium before a VM process opens it: that it is there, is a file, may be read and written, and has
 * a size that it can have. What is in it is guest-controlled and looked at in the VM process alone.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { MIB } from '../../shared/sizes.ts';

const DISK_SECTOR_BYTES = 512;
const CD_SECTOR_BYTES = 2048;
/** Files of these names hardly are raw disks. */
const NAMES_OF_FORMATS = /\.(?:qcow2|vdi|vmdk|vhd|vhdx)$/i;
const NO_DISKS = /\.(?:ova|ovf)$/i;
export const FIRMWARE_BYTES_MAXIMUM = 4 * MIB;

/** A `disk` may have any format. */
export type MediumPurpose = 'disk' | 'raw disk' | 'CD image' | 'kernel' | 'initrd' | 'firmware';

export function hasNameOfFormat(path: string): boolean {
  return NAMES_OF_FORMATS.test(path);
}

/**
 * Size of the file in bytes.
 * Errors: `media.missing`, `media.not-a-file`, `media.no-permission`, `media.empty`, `media.truncated`, `media.format`, `media.unreadable`.
 */
export function checkMedium(path: string, purpose: MediumPurpose, writable: boolean): Result<number> {
  // People know disks; how this one is taken is told where it matters.
  const what = purpose === 'raw disk' ? 'disk' : purpose;
  let bytes: number;
  try {
    const found = statSync(path);
    if (!found.isFile() && !found.isBlockDevice()) return fail('media.not-a-file', `the ${what} ${path} is not a file`, 'give the path of a file');
    bytes = found.isBlockDevice() ? Number.NaN : found.size;
  } catch (error) {
    return fileError(error, path, what);
  }
  try {
    accessSync(path, writable ? constants.R_OK | constants.W_OK : constants.R_OK);
  } catch {
    return writable
      ? fail('media.no-permission', `the ${what} ${path} may not be written by you`, 'change its permissions, or attach it read-only or with changes discarded')
      : fail('media.no-permission', `the ${what} ${path} may not be read by you`, 'change its permissions');
  }
  if (Number.isNaN(bytes)) return ok(bytes);
  if (bytes === 0) return fail('media.empty', `the ${what} ${path} is empty`, 'give another file');
  if ((purpose === 'disk' || purpose === 'raw disk') && NO_DISKS.test(path)) return fail('media.format', `${path} is a whole machine in the Open Virtualization Format, which this version can't read`, 'attach the disk that is in it');
  if (purpose === 'raw disk') {
    if (hasNameOfFormat(path)) return fail('media.format', `the disk ${path} is attached as a raw disk, and its name says otherwise`, 'attach it with its format=, or rename it');
    if (bytes % DISK_SECTOR_BYTES !== 0) return fail('media.truncated', `the disk ${path} is truncated: its ${bytes} bytes are no whole number of sectors of ${DISK_SECTOR_BYTES}`, 'get a complete copy of it');
  }
  if (purpose === 'CD image' && bytes % CD_SECTOR_BYTES !== 0) return fail('media.truncated', `the CD image ${path} is truncated: its ${bytes} bytes are no whole number of sectors of ${CD_SECTOR_BYTES}`, 'get a complete copy of it');
  if (purpose === 'firmware' && (bytes > FIRMWARE_BYTES_MAXIMUM || bytes % 512 !== 0)) return fail('media.truncated', `the firmware ${path} has ${bytes} bytes, which no firmware image has`, 'give a firmware image of at most 4 MiB');
  return ok(bytes);
}

/**
 * Whether a file can come into being, or be replaced, at `path`.
 * Errors: `output.no-folder`, `output.not-a-file`, `output.no-permission`, `media.unreadable`.
 */
export function checkOutputFile(path: string): Result<string> {
  const folder = dirname(path);
  try {
    if (!statSync(folder).isDirectory()) return fail('output.no-folder', `the output file ${path} can't be made, as ${folder} is not a folder`, 'choose another place');
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT':
      case 'ENOTDIR': return fail('output.no-folder', `the output file ${path} can't be made, as its folder does not exist`, 'make the folder first, or choose another place');
      case 'EACCES':
      case 'EPERM':
      case 'EROFS': return isWritableDevice(path) ? ok(path) : fail('output.no-permission', `the output file ${path} can't be made, as you may not write in its folder`, 'change its permissions, or choose another place');
      default: return fileError(error, path, 'output file');
    }
  }
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? fail('output.not-a-file', `the output file ${path} is a folder`, 'give the name of a file') : ok(path);
}

/** Such as /dev/null, in a folder that is nobody's. */
function isWritableDevice(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return !statSync(path).isFile() && !statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Says what the system said of a path, in our words. */
export function fileError(error: unknown, path: string, what: string): { readonly ok: false; readonly error: { code: string; message: string; advice: string } } {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  switch (code) {
    case 'ENOENT': return fail('media.missing', `the ${what} ${path} does not exist`, 'check the path');
    case 'ENOTDIR': return fail('media.missing', `the ${what} ${path} does not exist (a part of its path is a file)`, 'check the path');
    case 'EACCES':
    case 'EPERM': return fail('media.no-permission', `you have no permission for the ${what} ${path}`, 'change its permissions or choose another place');
    case 'EROFS': return fail('media.no-permission', `the ${what} ${path} is on a read-only file system`, 'choose another place');
    case 'ENOSPC': return fail('media.no-space', `there is no space left for the ${what} ${path}`, 'free some space');
    default: return fail('media.unreadable', `the ${what} ${path} can't be used (${code ?? (error instanceof Error ? error.message : 'unknown error')})`, 'check the path and the disk it is on');
  }
}
