/**
 * What is wrong with the fields of a new machine. The shared checks decide; this finds the words for what they found, as
 * keys of the translations.
 */
import { checkMachineName, isAbsoluteMediumPath, mediumPathSchema } from '../../../shared/machine-config.ts';
import type { Result } from '../../../shared/result.ts';
import { DISK_BYTES_MAXIMUM, DISK_BYTES_MINIMUM, MEMORY_BYTES_MAXIMUM, MEMORY_BYTES_MINIMUM, parseDiskSize, parseMemorySize } from '../../../shared/sizes.ts';
import type { en } from '../../i18n/en.ts';
import { withDecimalPoint } from '../../i18n/format.ts';

export interface Problem {
  readonly key: `check.${keyof typeof en.check}`;
  /** Bytes, shown in the person's own way of writing them. */
  readonly sizes?: Readonly<Record<'minimum' | 'maximum' | 'total', number>> | undefined;
}

export function checkName(name: string, taken: readonly string[]): Problem | undefined {
  if (!checkMachineName(name).ok) {
    if (name.trim() === '') return { key: 'check.nameEmpty' };
    if (name.length > 64) return { key: 'check.nameTooLong' };
    if (/[<>:"/\\|?*]/.test(name)) return { key: 'check.nameCharacters' };
    return { key: /^[\s.-]|[\s.]$/.test(name) ? 'check.nameEnds' : 'check.nameReserved' };
  }
  // Folder names differ in more than case on every system that we run on, or not at all.
  const folded = name.normalize('NFC').toLowerCase();
  return taken.some((other) => other.normalize('NFC').toLowerCase() === folded) ? { key: 'check.nameTaken' } : undefined;
}

const SIZE_PROBLEMS: Readonly<Record<string, Problem['key']>> = {
  'size.malformed': 'check.sizeMalformed',
  'size.negative': 'check.sizeNegative',
  'size.absurd': 'check.sizeAbsurd',
  'memory.too-small': 'check.memoryTooSmall',
  'memory.too-large': 'check.memoryTooLarge',
  'memory.not-whole': 'check.memoryNotWhole',
  'disk.too-small': 'check.diskTooSmall',
  'disk.too-large': 'check.diskTooLarge',
  'disk.not-whole': 'check.diskNotWhole',
};

export type Checked<T> = { readonly value: T; readonly problem?: undefined } | { readonly value?: undefined; readonly problem: Problem };

function checkedSize(size: Result<number>, minimum: number, maximum: number): Checked<number> {
  if (size.ok) return { value: size.value };
  return { problem: { key: SIZE_PROBLEMS[size.error.code] ?? 'check.sizeMalformed', sizes: { minimum, maximum, total: 0 } } };
}

/** `hostBytes`: all the memory that the host has, where that is known. */
export function checkMemory(text: string, hostBytes: number | undefined): Checked<number> {
  const checked = checkedSize(parseMemorySize(withDecimalPoint(text)), MEMORY_BYTES_MINIMUM, MEMORY_BYTES_MAXIMUM);
  if (checked.value !== undefined && hostBytes !== undefined && checked.value > hostBytes) {
    return { problem: { key: 'check.memoryMoreThanHost', sizes: { minimum: MEMORY_BYTES_MINIMUM, maximum: MEMORY_BYTES_MAXIMUM, total: hostBytes } } };
  }
  return checked;
}

export function checkDisk(text: string): Checked<number> {
  return checkedSize(parseDiskSize(withDecimalPoint(text)), DISK_BYTES_MINIMUM, DISK_BYTES_MAXIMUM);
}

export function checkImage(path: string): Problem | undefined {
  if (path.trim() === '') return { key: 'check.imageEmpty' };
  if (!mediumPathSchema.safeParse(path).success) return { key: 'check.imageInvalid' };
  return isAbsoluteMediumPath(path) ? undefined : { key: 'check.imageNotAbsolute' };
}

/** `New machine`, or `New machine 2` and so on when it is taken. */
export function freeName(wanted: string, taken: readonly string[]): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted} ${number}`;
    if (checkName(name, taken)?.key !== 'check.nameTaken') return name;
  }
}
