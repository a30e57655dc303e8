/** One run of one engine: the figures of one guest, of the firmware, of a machine's start. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ForkLauncher } from '../../src/main/machines/fork-launcher.ts';
import { VmConnection } from '../../src/main/machines/vm-connection.ts';
import { READY_LINE, type DiskGuest, type Engine, type LinuxGuest } from './engines.ts';
import { vmProcessFile } from './frozen-build.ts';
import type { BenchOptions } from './options.ts';
import { cpuShare, peakRssBytes } from './process-figures.ts';
import { SerialSession, type EngineCommand } from './serial-session.ts';
import { vmStart } from './vm-process-guest.ts';
import { markPattern, PROMPT, SHELL_READY, type Workload } from './workloads.ts';

export type GuestFigures = {
  /** By row id. */
  readonly figures: Record<string, number>;
  /** What the guest found, and results that nobody knew beforehand. */
  readonly facts: string;
  readonly results: Record<string, string>;
  /** What went wrong; the figures up to there hold. */
  readonly problems: string[];
};

const MEBIBYTE = 1024 * 1024;
/** After the prompt, until the guest's last work is done. */
const SETTLE_MILLIS = 2000;
const POWER_OFF_SECONDS = 20;

const emptyRun = (): GuestFigures & { facts: string } => ({ figures: {}, facts: '', results: {}, problems: [] });

/** The workloads one after the other, and the idle guest after them. */
export async function measureGuest(engine: Engine, guest: LinuxGuest, workloads: readonly Workload[], options: BenchOptions): Promise<GuestFigures> {
  const run = emptyRun();
  const session = new SerialSession(engine.linux(guest));
  try {
    const facts = await session.waitFor(markPattern('facts', 'end'), options.timeoutSeconds);
    run.facts = facts.match[2]?.trim() ?? '';
    await measureWorkloads(run, session, workloads, options);
    await session.waitFor(new RegExp(PROMPT), options.timeoutSeconds);
    const pid = session.pid === undefined ? undefined : engine.machineProcess(session.pid);
    if (pid !== undefined && options.rows.includes('idle')) {
      await sleep(SETTLE_MILLIS);
      const idle = await cpuShare(pid, options.idleSeconds);
      if (idle !== undefined) run.figures['idle'] = idle;
    }
    if (pid !== undefined && options.rows.includes('rss')) {
      const peak = peakRssBytes(pid);
      if (peak !== undefined) {
        run.figures['rss'] = peak / MEBIBYTE;
        run.figures['rss-over'] = peak / MEBIBYTE - guest.memoryMebibytes;
      }
    }
    session.write('poweroff -f\n');
    await session.end(POWER_OFF_SECONDS);
  } catch (error) {
    run.problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    await session.end(0);
  }
  return run;
}

/** The same workloads as programs of the host. */
export async function measureNative(command: EngineCommand, workloads: readonly Workload[], options: BenchOptions): Promise<GuestFigures> {
  const run = emptyRun();
  const session = new SerialSession(command);
  try {
    await measureWorkloads(run, session, workloads, options);
  } catch (error) {
    run.problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    await session.end(0);
  }
  // There is no guest's clock.
  return { ...run, figures: Object.fromEntries(Object.entries(run.figures).filter(([id]) => !id.endsWith('-uptime'))) };
}

async function measureWorkloads(run: GuestFigures, session: SerialSession, workloads: readonly Workload[], options: BenchOptions): Promise<void> {
  for (const { id, expected } of workloads) {
    const begin = await session.waitFor(markPattern(id, 'begin'), options.timeoutSeconds);
    const end = await session.waitFor(markPattern(id, 'end'), options.timeoutSeconds);
    const result = end.match[2]?.trim() ?? '';
    if (result === '' || (expected !== undefined && result !== expected)) {
      run.problems.push(`${id}: wrong result "${result}"${expected === undefined ? '' : `, expected "${expected}"`}; its time does not count`);
      continue;
    }
    run.results[id] = result;
    run.figures[id] = end.atSeconds - begin.atSeconds;
    run.figures[`${id}-uptime`] = Number(end.match[1]) - Number(begin.match[1]);
  }
}

/** From the start of the process until the guest, which does nothing else, has its shell. */
export async function measureBoots(engine: Engine, guests: { readonly linux: LinuxGuest | undefined; readonly disk: DiskGuest | undefined }, options: BenchOptions): Promise<GuestFigures> {
  const run = emptyRun();
  const boots = [
    { id: 'disk-boot', command: guests.disk === undefined ? undefined : engine.disk(guests.disk) },
    { id: 'boot', command: guests.linux === undefined ? undefined : engine.linux(guests.linux) },
  ] as const;
  for (const { id, command } of boots) {
    if (command === undefined) continue;
    const session = new SerialSession(command);
    try {
      const shell = await session.waitFor(markPattern(SHELL_READY, 'end'), options.timeoutSeconds);
      run.figures[id] = shell.atSeconds;
      if (id === 'boot') run.figures['boot-uptime'] = Number(shell.match[1]);
    } catch (error) {
      run.problems.push(`${id}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await session.end(0);
    }
  }
  return run;
}

/** From the start of the process until a pattern appears in what it prints. */
async function secondsUntil(pattern: RegExp, command: EngineCommand, timeoutSeconds: number): Promise<number> {
  const session = new SerialSession(command);
  try {
    return (await session.waitFor(pattern, timeoutSeconds)).atSeconds;
  } finally {
    await session.end(0);
  }
}

export function measureFirmware(engine: Engine, options: BenchOptions): Promise<number> {
  return secondsUntil(/No bootable device/, engine.firmware(options), options.timeoutSeconds);
}

/** From the start of the process that holds the machine until its first instruction may run. */
export function measureReady(engine: Engine, options: BenchOptions): Promise<number> {
  if (engine.ready !== undefined) return secondsUntil(READY_LINE, engine.ready(options.memoryMebibytes), options.timeoutSeconds);
  const startedAtMillis = performance.now();
  return new Promise((resolve, reject) => {
    const connection = new VmConnection(new ForkLauncher(vmProcessFile()), vmStart(options), {
      event: (event) => {
        if (event.kind !== 'ready') return;
        resolve((performance.now() - startedAtMillis) / 1000);
        connection.kill();
      },
      responsive: () => {},
      logLine: () => {},
      exited: (exit) => { reject(new Error(`the VM process ended: ${exit.error?.message ?? 'without a word'}`)); },
    });
  });
}
