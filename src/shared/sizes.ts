/** Sizes as people write them, and the limits that the board and good sense set. */
import { fail, ok } from './result.ts';
import type { Result } from './result.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;
export const TIB = 1024 * GIB;

export const MEMORY_BYTES_MINIMUM = 2 * MIB;
/** One WebAssembly memory of 4 GiB holds guest RAM and the engine's own tables beside it. */
export const MEMORY_BYTES_MAXIMUM = 3968 * MIB;
export const MEMORY_BYTES_DEFAULT = 256 * MIB;

export const DISK_BYTES_MINIMUM = 1 * MIB;
export const DISK_BYTES_MAXIMUM = 64 * TIB;

const UNITS: Readonly<Record<string, number>> = { '': 1, B: 1, K: KIB, M: MIB, G: GIB, T: TIB };

/**
 * Bytes from text such as `256M`, `1.5 GiB`, `4096K` or `1048576` (units are powers of 1024).
 * Errors: `size.malformed`, `size.negative`, `size.absurd` (not a whole number of bytes, or beyond exact integers).
 */
export function parseSize(text: string): Result<number> {
  const advice = 'give a number with K, M, G or T, such as 256M';
  const match = /^([+-]?)(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?$/i.exec(text.trim());
  if (match === null) return fail('size.malformed', `"${abbreviated(text)}" is not a size`, advice);
  const [, sign = '', digits = '', unit = ''] = match;
  if (sign === '-') return fail('size.negative', `the size ${abbreviated(text)} is negative`, advice);
  const bytes = Number(digits) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
  if (Number.isFinite(bytes) && !Number.isInteger(bytes)) return fail('size.absurd', `the size ${abbreviated(text)} is not a whole number of bytes`, 'round it to a MiB');
  if (!Number.isSafeInteger(bytes)) return fail('size.absurd', `the size ${abbreviated(text)} is no size a machine can have`, advice);
  return ok(bytes);
}

/** Memory of a machine in bytes. Errors: those of `parseSize`, `memory.too-small`, `memory.too-large`, `memory.not-whole`. */
export function parseMemorySize(text: string): Result<number> {
  const size = parseSize(/^\s*\d+\s*$/.test(text) && Number(text) < MEMORY_BYTES_MINIMUM ? `${text.trim()}M` : text);
  return size.ok ? checkMemoryBytes(size.value) : size;
}

export function checkMemoryBytes(bytes: number): Result<number> {
  // In MiB: rounded to GiB the limit would allow more than is allowed.
  const advice = `give between ${MEMORY_BYTES_MINIMUM / MIB} MiB and ${MEMORY_BYTES_MAXIMUM / MIB} MiB`;
  if (!Number.isSafeInteger(bytes) || bytes < MEMORY_BYTES_MINIMUM) return fail('memory.too-small', `${formatSize(bytes)} of memory is too little for a machine`, advice);
  if (bytes > MEMORY_BYTES_MAXIMUM) return fail('memory.too-large', `${formatSize(bytes)} of memory is more than a machine can have`, advice);
  if (bytes % MIB !== 0) return fail('memory.not-whole', `${bytes} bytes of memory is not a whole number of MiB`, 'round it to a MiB');
  return ok(bytes);
}

/** Size of a new disk in bytes. Errors: those of `parseSize`, `disk.too-small`, `disk.too-large`, `disk.not-whole`. */
export function parseDiskSize(text: string): Result<number> {
  const size = parseSize(text);
  return size.ok ? checkDiskBytes(size.value) : size;
}

export function checkDiskBytes(bytes: number): Result<number> {
  const advice = `give between ${formatSize(DISK_BYTES_MINIMUM)} and ${formatSize(DISK_BYTES_MAXIMUM)}`;
  if (!Number.isSafeInteger(bytes) || bytes < DISK_BYTES_MINIMUM) return fail('disk.too-small', `${formatSize(bytes)} is too small for a disk`, advice);
  if (bytes > DISK_BYTES_MAXIMUM) return fail('disk.too-large', `${formatSize(bytes)} is too large for a disk`, advice);
  if (bytes % 512 !== 0) return fail('disk.not-whole', `${bytes} bytes is not a whole number of sectors of 512 bytes`, 'round it to a MiB');
  return ok(bytes);
}

/** `268435456` → `256 MiB`; at most one decimal. */
export function formatSize(bytes: number): string {
  for (const [unit, name] of [[TIB, 'TiB'], [GIB, 'GiB'], [MIB, 'MiB'], [KIB, 'KiB']] as const) {
    if (bytes >= unit) return `${Number((bytes / unit).toFixed(1))} ${name}`;
  }
  return `${bytes} bytes`;
}

function abbreviated(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
