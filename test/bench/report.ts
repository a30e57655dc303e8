/** Medians, ratios, and the table that is printed. */
import { COLUMNS, ENGINES, type ColumnName } from './options.ts';
import type { WorkloadProfile } from './vm-process-guest.ts';
import type { FloatUnit, RowGroup } from './workloads.ts';

export type Row = {
  readonly id: string;
  /** A kernel's flavour; absent when no kernel is involved. */
  readonly guest: string | undefined;
  readonly title: string;
  readonly unit: 's' | '%' | 'MiB' | 'MIPS';
  /** Of the rows that are averaged. */
  readonly group?: RowGroup;
  readonly floats?: FloatUnit;
  readonly values: Partial<Record<ColumnName, number[]>>;
};

type RatioName = 'oursOverTcg' | 'oursOverV86' | 'oursOverNative' | 'tcgOverNative';
type Ratios = Readonly<Record<RatioName, number | undefined>>;

const RATIOS: readonly { readonly name: RatioName; readonly head: string }[] = [
  { name: 'oursOverTcg', head: 'ours/TCG' }, { name: 'oursOverV86', head: 'ours/v86' },
  { name: 'oursOverNative', head: 'ours/native' }, { name: 'tcgOverNative', head: 'TCG/native' },
];

export type ReportedRow = Row & Ratios & { readonly medians: Partial<Record<ColumnName, number>> };

export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

export function reportRow(row: Row): ReportedRow {
  const medians: Partial<Record<ColumnName, number>> = {};
  for (const column of COLUMNS) {
    const value = median(row.values[column] ?? []);
    if (value !== undefined) medians[column] = value;
  }
  return {
    ...row,
    medians,
    oursOverTcg: ratio(medians.ours, medians.tcg),
    oursOverV86: ratio(medians.ours, medians.v86),
    oursOverNative: ratio(medians.ours, medians.native),
    tcgOverNative: ratio(medians.tcg, medians.native),
  };
}

function ratio(over: number | undefined, under: number | undefined): number | undefined {
  return over === undefined || under === undefined || under <= 0 ? undefined : over / under;
}

export function geometricMean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Of one ratio over the rows that have it. */
type RatioSummary = {
  readonly rows: number;
  readonly mean: number | undefined;
  /** The highest: in the rows that are averaged, less is better. */
  readonly worst: { readonly id: string; readonly guest: string | undefined; readonly ratio: number } | undefined;
};

export type Summary = {
  readonly guest: string;
  readonly of: string;
  readonly ratios: Readonly<Record<RatioName, RatioSummary>>;
};

const SUMMARIZED: readonly { readonly of: string; readonly holds: (row: Row) => boolean }[] = [
  { of: 'warm', holds: ({ group }) => group === 'warm' },
  { of: '  of these SSE', holds: ({ floats }) => floats === 'sse' },
  { of: '  of these x87', holds: ({ floats }) => floats === 'x87' },
  { of: '  the others', holds: ({ group, floats }) => group === 'warm' && floats === undefined },
  { of: 'cold', holds: ({ group }) => group === 'cold' },
];

const ALL_GUESTS = 'all';

/** For each guest, and over all where there are several. */
export function summarize(rows: readonly ReportedRow[]): Summary[] {
  const guests = [...new Set(rows.filter(({ group }) => group !== undefined).flatMap(({ guest }) => guest ?? []))];
  return [...guests, ...(guests.length > 1 ? [ALL_GUESTS] : [])].flatMap((guest) => SUMMARIZED.flatMap(({ of, holds }) => {
    const summarized = rows.filter((row) => (guest === ALL_GUESTS || row.guest === guest) && holds(row));
    return summarized.length === 0 ? [] : [{ guest, of, ratios: {
      oursOverTcg: summarizeRatio(summarized, 'oursOverTcg'),
      oursOverV86: summarizeRatio(summarized, 'oursOverV86'),
      oursOverNative: summarizeRatio(summarized, 'oursOverNative'),
      tcgOverNative: summarizeRatio(summarized, 'tcgOverNative'),
    } }];
  }));
}

function summarizeRatio(rows: readonly ReportedRow[], name: RatioName): RatioSummary {
  const found = rows.flatMap((row) => (row[name] === undefined ? [] : [{ id: row.id, guest: row.guest, ratio: row[name] }]));
  const worst = found.toSorted((a, b) => b.ratio - a.ratio)[0];
  return { rows: found.length, mean: geometricMean(found.map((one) => one.ratio)), worst };
}

/** Of the guest's clock only where it is wrong, or measures something else (the boot). */
export function rowsToPrint(rows: readonly ReportedRow[]): ReportedRow[] {
  return rows.filter((row) => {
    if (!row.id.endsWith('-uptime') || row.id === 'boot-uptime') return true;
    const wall = rows.find(({ id, guest }) => guest === row.guest && `${id}-uptime` === row.id);
    return ENGINES.some((engine) => Math.abs((row.medians[engine] ?? 0) - (wall?.medians[engine] ?? 0)) > 0.05 + 0.05 * (wall?.medians[engine] ?? 0));
  });
}

export function formatRows(rows: readonly ReportedRow[]): string {
  return formatTable(['', '', 'ours', 'TCG', 'v86', 'native', ...RATIOS.map(({ head }) => head)], rows.map((row) => [
    row.guest ?? '', `${row.title} (${row.unit})`,
    ...COLUMNS.map((column) => formatFigure(row.medians[column])), ...RATIOS.map(({ name }) => formatFigure(row[name])),
  ]));
}

/** Geometric means, over how many rows, and the worst row of each. */
export function formatSummaries(summaries: readonly Summary[]): string {
  return formatTable(['', 'geometric mean', ...RATIOS.flatMap(({ head }) => [head, 'rows', 'worst'])], summaries.map(({ guest, of, ratios }) => [
    guest, of, ...RATIOS.flatMap(({ name }) => {
      const { rows, mean, worst } = ratios[name];
      return [formatFigure(mean), String(rows), worst === undefined ? '–' : `${formatFigure(worst.ratio)} ${guest === ALL_GUESTS ? `${worst.guest ?? ''} ` : ''}${worst.id}`];
    }),
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
