/** What machines do now, from two readings of what they have done since they were started. */
import type { VmStats } from '../../../shared/vm-protocol.ts';

export const METRICS = ['cpu', 'memory', 'disk', 'network', 'frames'] as const;
export type Metric = (typeof METRICS)[number];

/** CPU in percent of one core, memory in bytes, disk and network in bytes a second, frames a second. */
export type Rates = Readonly<Record<Metric, number>>;

/** `undefined` where the machine was started anew between the readings. */
export function ratesBetween(before: VmStats, now: VmStats): Rates | undefined {
  const seconds = now.wallSeconds - before.wallSeconds;
  if (!(seconds > 0)) return undefined;
  const rate = (of: (stats: VmStats) => number): number => Math.max(0, (of(now) - of(before)) / seconds);
  return {
    cpu: 100 * rate(({ cpuSeconds }) => cpuSeconds),
    memory: now.peakRssBytes,
    disk: rate(({ diskBytesRead, diskBytesWritten }) => diskBytesRead + diskBytesWritten),
    network: rate(({ netBytesIn, netBytesOut }) => netBytesIn + netBytesOut),
    frames: rate(({ displayFrames }) => displayFrames),
  };
}

/** RFC 4180; what a spreadsheet would take for a formula is made text. */
export function csvOf(rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number): string => {
    const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}
