/** What Linux knows of another process (proc(5)); `undefined` elsewhere and when the process is gone. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export function peakRssBytes(pid: number): number | undefined {
  const kibibytes = /^VmHWM:\s*(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** User and system time of all its threads. */
function cpuSeconds(pid: number): number | undefined {
  return secondsIn(read(`/proc/${pid}/stat`));
}

export type ThreadTime = { readonly id: number; readonly name: string; readonly seconds: number };

/** Of the threads that are there now. */
export function threadTimes(pid: number): ThreadTime[] {
  let ids: string[];
  try {
    ids = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  return ids.flatMap((id) => {
    const seconds = secondsIn(read(`/proc/${pid}/task/${id}/stat`));
    return seconds === undefined ? [] : [{ id: Number(id), name: read(`/proc/${pid}/task/${id}/comm`)?.trim() ?? '', seconds }];
  });
}

function secondsIn(stat: string | undefined): number | undefined {
  // The second field, the program's name in brackets, may hold spaces and brackets.
  const fields = stat?.replace(/^.*\) /s, '').split(' ');
  const ticks = Number(fields?.[11]) + Number(fields?.[12]);
  return Number.isFinite(ticks) ? ticks / ticksPerSecond() : undefined;
}

/** In percent of one core. */
export async function cpuShare(pid: number, seconds: number): Promise<number | undefined> {
  const before = cpuSeconds(pid);
  const startedAtMillis = performance.now();
  await sleep(seconds * 1000);
  const after = cpuSeconds(pid);
  if (before === undefined || after === undefined) return undefined;
  return (after - before) / ((performance.now() - startedAtMillis) / 1000) * 100;
}

/** The child whose command line holds `word`; of several the one that has computed most, as others wait for a use. */
export function childRunning(pid: number, word: string): number | undefined {
  const children = read(`/proc/${pid}/task/${pid}/children`)?.trim().split(' ').filter((text) => text !== '').map(Number) ?? [];
  return children.filter((child) => read(`/proc/${child}/cmdline`)?.includes(word))
    .toSorted((one, other) => (cpuSeconds(other) ?? 0) - (cpuSeconds(one) ?? 0))[0];
}

let ticksSeen: number | undefined;
function ticksPerSecond(): number {
  ticksSeen ??= Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100;
  return ticksSeen;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
