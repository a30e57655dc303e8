/** Medians, ratios, and the table that is printed. */
import { ENGINES, type EngineName } from './options.ts';
import type { WorkloadProfile } from './vm-process-guest.ts';

export type Row = {
  readonly id: string;
  /** A kernel's flavour; absent when no kernel is involved. */
  readonly guest: string | undefined;
  readonly title: string;
  readonly unit: 's' | '%' | 'MiB' | 'MIPS';
  readonly values: Partial<Record<EngineName, number[]>>;
};

export type ReportedRow = Row & {
  readonly medians: Partial<Record<EngineName, number>>;
  readonly oursOverTcg: number | undefined;
  readonly oursOverV86: number | undefined;
};

export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

export function reportRow(row: Row): ReportedRow {
  const medians: Partial<Record<EngineName, number>> = {};
  for (const engine of ENGINES) {
    const value = median(row.values[engine] ?? []);
    if (value !== undefined) medians[engine] = value;
  }
  return { ...row, medians, oursOverTcg: ratio(medians.ours, medians.tcg), oursOverV86: ratio(medians.ours, medians.v86) };
}

function ratio(ours: number | undefined, theirs: number | undefined): number | undefined {
  return ours === undefined || theirs === undefined || theirs <= 0 ? undefined : ours / theirs;
}

export function formatRows(rows: readonly ReportedRow[]): string {
  return formatTable(['', '', 'ours', 'TCG', 'v86', 'ours/TCG', 'ours/v86'], rows.map((row) => [
    row.guest ?? '', `${row.title} (${row.unit})`,
    ...ENGINES.map((engine) => formatFigure(row.medians[engine])), formatFigure(row.oursOverTcg), formatFigure(row.oursOverV86),
  ]));
}

/** Exits and misses are counted for a million instructions, so that workloads compare. */
export function formatProfiles(guest: string, profiles: Readonly<Record<string, WorkloadProfile>>): string {
  const kinds = [...new Set(Object.values(profiles).flatMap(({ exits }) => Object.entries(exits).filter(([, count]) => count > 0).map(([kind]) => kind)))];
  return formatTable([guest, 'wall s', 'guest s', 'halted s', 'Minstr', 'MIPS', 'tlbMisses/M', ...kinds.map((kind) => `${kind}/M`)],
    Object.entries(profiles).map(([id, profile]) => {
      const millions = profile.instructions / 1e6;
      return [id, ...[profile.wallSeconds, profile.guestSeconds, profile.haltedSeconds, millions, profile.mips, profile.tlbMisses / millions,
        ...kinds.map((kind) => (profile.exits[kind] ?? 0) / millions)].map(formatFigure)];
    }), 1);
}

function formatFigure(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3);
}

/** The first `textColumns` columns hold text, the others numbers. */
function formatTable(head: readonly string[], rows: readonly (readonly string[])[], textColumns = 2): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows].map((row) => row.map((cell, column) => (
    column < textColumns ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  )).join('  ').trimEnd()).join('\n');
}
