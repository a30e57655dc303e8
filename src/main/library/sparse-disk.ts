/** Empty disks that take no space on the host until the guest writes. */
import { open, rm } from 'node:fs/promises';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { checkDiskBytes } from '../../shared/sizes.ts';
import { fileError } from '../machines/media-check.ts';

/** Makes a raw disk of zeros. Never touches a file that exists. Errors: those of `checkDiskBytes`, `disk.exists`, those of `fileError`. */
export async function createSparseDisk(path: string, bytes: number): Promise<Result<number>> {
  const checked = checkDiskBytes(bytes);
  if (!checked.ok) return checked;
  try {
    const file = await open(path, 'wx', 0o644);
    try {
      await file.truncate(bytes);
      await file.sync();
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return ok(bytes);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return fail('disk.exists', `the disk ${path} exists already`, 'choose another name');
    if (code === 'EFBIG' || code === 'EINVAL') return fail('disk.too-large', `the file system can't hold a disk of ${bytes} bytes`, 'make it smaller');
    return fileError(error, path, 'disk');
  }
}
