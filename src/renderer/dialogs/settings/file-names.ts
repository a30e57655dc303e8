import { isDiskFormat } from '../../../shared/disk-format.ts';
import type { DiskFormat } from '../../../shared/disk-format.ts';

export function fileName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}

/** What a disk's name says that is in it; the person can say otherwise. */
export function formatOfName(path: string): DiskFormat {
  const ending = path.split('.').at(-1)?.toLowerCase() ?? '';
  return isDiskFormat(ending) ? ending : 'raw';
}
