/** Numbers and times as people of a language write them. */
import { GIB, KIB, MIB, TIB } from '../../shared/sizes.ts';

const UNITS = [[TIB, 'TiB'], [GIB, 'GiB'], [MIB, 'MiB'], [KIB, 'KiB']] as const;

/** `1610612736` → `1.5 GiB`, in German `1,5 GiB`. */
export function formatBytes(bytes: number, language: string): string {
  const [size, unit] = UNITS.find(([unitBytes]) => bytes >= unitBytes) ?? [1, 'B'];
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(bytes / size)} ${unit}`;
}

/** A size typed with a decimal comma, as `parseSize` reads it. */
export function withDecimalPoint(text: string): string {
  return text.replace(/^(\s*[+-]?\d+),(\d+)/, '$1.$2');
}
