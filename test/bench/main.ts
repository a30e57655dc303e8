/**
 * `npm run bench`: Guesthouse, QEMU TCG and v86 side by side on the same guests, alternated, as medians and ratios: a table
 * on standard output, everything in dist/bench.json. Progress is on standard error.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { dirname } from 'node:path';
import { benchmarkPackages, fetchDebianPackages } from '../../scripts/setup/debian-packages.mjs';
import { guestKernel, type KernelFlavour } from '../support/guest-images.ts';
import { benchBundles } from './bundles.ts';
import { benchDisks } from './disks.ts';
import { benchDisplay } from './display.ts';
import { engines, is32Bit, type Engine, type LinuxGuest } from './engines.ts';
import { kernels, kernelsMissing } from './kernels.ts';
import { measureBoots, measureFirmware, measureGuest, measureNative, measureReady, type GuestFigures } from './measure.ts';
import { benchNetwork } from './network.ts';
import { benchSnapshots } from './saved-states.ts';
import { nativeCommand, nativeMissing } from './native.ts';
import { HELP, parseBenchOptions, type BenchOptions, type ColumnName } from './options.ts';
import { formatProfiles, formatRows, formatSummaries, reportRow, rowsToPrint, summarize, type Row } from './report.ts';
import { profileGuest, type WorkloadProfile } from './vm-process-guest.ts';
import { benchInitrd, bootDisk, bootInitrd, KERNEL_COMMAND_LINE, workloadsOf, type Workload } from './workloads.ts';

type Findings = {
  readonly rows: Row[];
  /** Skips, failures, wrong results: each a line. */
  readonly notes: string[];
  /** By guest and engine, what the guest found. */
  readonly facts: Record<string, string>;
  readonly profiles: Record<string, Record<string, WorkloadProfile>>;
};

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

function note(findings: Findings, text: string): void {
  if (!findings.notes.includes(text)) findings.notes.push(text);
  say(text);
}

/** Times fail nothing, but a guest that doesn't get there or that answers wrongly does. */
function noteFailure(findings: Findings, text: string): void {
  note(findings, text);
  process.exitCode = 1;
}

function addFigure(findings: Findings, row: Omit<Row, 'values'>, column: ColumnName, value: number): void {
  let known = findings.rows.find(({ id, guest }) => id === row.id && guest === row.guest);
  if (known === undefined) {
    known = { ...row, values: {} };
    findings.rows.push(known);
  }
  (known.values[column] ??= []).push(value);
}

type GuestRow = Omit<Row, 'guest' | 'values'>;

function guestRows(workloads: readonly Workload[]): readonly GuestRow[] {
  return [
    { id: 'disk-boot', title: 'start through firmware and GRUB to shell', unit: 's', group: 'cold' },
    { id: 'boot', title: 'start to shell', unit: 's', group: 'cold' },
    { id: 'boot-uptime', title: '  by the guest\'s clock', unit: 's' },
    ...workloads.flatMap(({ id, title, group, floats }): GuestRow[] => [
      { id, title, unit: 's', group, ...(floats === undefined ? {} : { floats }) }, { id: `${id}-uptime`, title: '  by the guest\'s clock', unit: 's' },
    ]),
    { id: 'idle', title: 'idle at the prompt, of one core', unit: '%' },
    { id: 'rss', title: 'peak memory of the process', unit: 'MiB' },
    { id: 'rss-over', title: 'peak memory over guest RAM', unit: 'MiB' },
  ];
}

/** Each run begins with another engine, so that no one always has the cool or the warm machine. */
function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

async function measureWithoutGuest(findings: Findings, present: readonly Engine[], options: BenchOptions): Promise<void> {
  const measurements = [
    { id: 'ready', title: 'process start to machine ready', measure: measureReady },
    { id: 'firmware', title: 'start to "No bootable device"', measure: measureFirmware },
  ].filter(({ id }) => options.rows.includes(id));
  for (let run = 0; run < options.runs; run += 1) {
    for (const { id, title, measure } of measurements) {
      for (const engine of rotated(present, run)) {
        try {
          const seconds = await measure(engine, options);
          addFigure(findings, { id, guest: undefined, title, unit: 's' }, engine.name, seconds);
          say(`run ${run + 1}, ${engine.title}: ${title}: ${seconds.toFixed(2)} s`);
        } catch (error) {
          noteFailure(findings, `${engine.title}: ${title}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    }
  }
}

/** What can be run; why the rest can't is noted. */
function availableWorkloads(findings: Findings, flavour: KernelFlavour, options: BenchOptions): readonly Workload[] {
  const wanted = workloadsOf(is32Bit(flavour) ? 'i386' : 'amd64', options.size, options.rows);
  const lacking = wanted.filter(({ files }) => files === undefined).map(({ id }) => id);
  if (lacking.length > 0) note(findings, `${flavour}: left out for lack of their programs: ${lacking.join(', ')}`);
  return wanted.filter(({ files }) => files !== undefined);
}

async function measureFlavour(findings: Findings, present: readonly Engine[], flavour: KernelFlavour, options: BenchOptions): Promise<void> {
  const workloads = availableWorkloads(findings, flavour, options);
  const machine = { memoryMebibytes: options.memoryMebibytes, accelerator: options.accelerator, flavour };
  const linux = (initrd: string): LinuxGuest => ({ ...machine, kernel: guestKernel(flavour).file, commandLine: KERNEL_COMMAND_LINE, initrd });
  const guest = linux(benchInitrd(flavour, workloads));
  const boots = {
    linux: options.rows.includes('boot') ? linux(bootInitrd(flavour)) : undefined,
    disk: options.rows.includes('disk-boot') ? { ...machine, disk: bootDisk(flavour) } : undefined,
  };
  const staysUp = workloads.length > 0 || options.rows.includes('idle') || options.rows.includes('rss');
  const able = present.filter((engine) => is32Bit(flavour) || !engine.runs32BitGuestsOnly);
  const rows = guestRows(workloads);
  /** The first answer to what nobody knew beforehand. */
  const answers: Record<string, { readonly by: string; readonly result: string }> = {};
  const keep = (column: ColumnName, title: string, run: number, { figures, facts, results, problems }: GuestFigures): void => {
    if (facts !== '') findings.facts[`${flavour} ${column}`] = facts;
    for (const problem of problems) noteFailure(findings, `${flavour}, ${title}: ${problem}`);
    for (const [id, result] of Object.entries(results)) {
      const first = answers[id] ??= { by: title, result };
      if (first.result !== result) noteFailure(findings, `${flavour}: ${id}: ${first.by} says "${first.result}", ${title} "${result}"`);
    }
    for (const row of rows) {
      const value = figures[row.id];
      if (value !== undefined) addFigure(findings, { ...row, guest: flavour }, column, value);
    }
    say(`${flavour}, run ${run + 1}, ${title}: ${rows.filter(({ id }) => figures[id] !== undefined && !id.endsWith('-uptime'))
      .map(({ id, unit }) => `${id} ${figures[id]?.toFixed(2)} ${unit}`).join(', ')}`);
  };
  const computing = nativeWorkloads(findings, flavour, workloads, options);
  for (let run = 0; run < options.runs; run += 1) {
    for (const engine of rotated(able, run)) {
      if (boots.linux !== undefined || boots.disk !== undefined) keep(engine.name, engine.title, run, await measureBoots(engine, boots, options));
      if (staysUp) keep(engine.name, engine.title, run, await measureGuest(engine, guest, workloads, options));
    }
    if (computing.length > 0) {
      const command = nativeCommand(is32Bit(flavour) ? 'i386' : 'amd64', computing);
      keep('native', 'native', run, await measureNative(command, computing, options));
    }
  }
  const ours = able.find(({ name }) => name === 'ours');
  const weRan = findings.rows.some((row) => row.guest === flavour && row.values.ours !== undefined);
  if (!options.profile || ours === undefined || workloads.length === 0 || !weRan) return;
  const { profiles, problem } = await profileGuest(guest, workloads, options.timeoutSeconds);
  findings.profiles[flavour] = profiles;
  if (problem !== undefined) noteFailure(findings, `${flavour}: ${problem}`);
  if (profiles['loop'] !== undefined) addFigure(findings, { id: 'mips', guest: flavour, title: 'speed in the shell loop', unit: 'MIPS' }, ours.name, profiles['loop'].mips);
}

/** Those whose time on the host itself is worth knowing. */
function nativeWorkloads(findings: Findings, flavour: KernelFlavour, workloads: readonly Workload[], options: BenchOptions): readonly Workload[] {
  const computing = options.columns.includes('native') ? workloads.filter(({ compute }) => compute) : [];
  const missing = computing.length === 0 ? undefined : nativeMissing(is32Bit(flavour) ? 'i386' : 'amd64');
  if (missing !== undefined) note(findings, `${flavour}: native is left out: ${missing}`);
  return missing === undefined ? computing : [];
}

/** What guests run beside BusyBox. Without it there are fewer rows. */
async function fetchPrograms(findings: Findings, options: BenchOptions): Promise<void> {
  const architectures = options.guests.map((flavour) => (is32Bit(flavour) ? 'i386' : 'amd64'));
  if (options.rows.some((id) => ['compile', 'python-start', 'python-loop'].includes(id))) {
    const problems = await fetchDebianPackages(benchmarkPackages.filter(({ architecture }) => architectures.includes(architecture)), say);
    for (const problem of problems) note(findings, problem);
  }
  const missing = kernelsMissing();
  if (missing !== undefined && options.rows.some((id) => kernels.some((kernel) => kernel.id === id))) note(findings, `the kernels are left out: ${missing}`);
}

async function main(): Promise<void> {
  const options = parseBenchOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(HELP);
    return;
  }
  if (options.display) {
    await benchDisplay(options, say);
    return;
  }
  if (options.network) {
    await benchNetwork(options, say);
    return;
  }
  if (options.disks) {
    await benchDisks(options, say);
    return;
  }
  if (options.bundles) {
    await benchBundles(options, say);
    return;
  }
  if (options.snapshots) {
    await benchSnapshots(options, say);
    return;
  }
  const findings: Findings = { rows: [], notes: [], facts: {}, profiles: {} };
  const present = options.columns.flatMap((name) => (name === 'native' ? [] : [engines[name]])).filter((engine) => {
    const missing = engine.missing();
    if (missing !== undefined) note(findings, `${engine.title} is left out: ${missing}`);
    return missing === undefined;
  });
  await fetchPrograms(findings, options);
  const loadBefore = loadavg();
  const date = new Date().toISOString();
  await measureWithoutGuest(findings, present, options);
  for (const flavour of options.guests) await measureFlavour(findings, present, flavour, options);

  const rows = findings.rows.map(reportRow);
  const summaries = summarize(rows);
  const host = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, loadBefore, loadAfter: loadavg(), node: process.version };
  const versions = Object.fromEntries(present.map((engine) => [engine.name, engine.version()]));
  mkdirSync(dirname(options.jsonFile), { recursive: true });
  writeFileSync(options.jsonFile, `${JSON.stringify({ date, host, versions, options, rows, summaries, facts: findings.facts, profiles: findings.profiles, notes: findings.notes }, null, 2)}\n`);

  const print = (text: string): void => { process.stdout.write(`${text}\n`); };
  print(`\nMedians of ${options.runs} alternated run${options.runs === 1 ? '' : 's'}; ${host.cpu}, ${host.cores} cores, load ${loadBefore[0]?.toFixed(1)} before and ${host.loadAfter[0]?.toFixed(1)} after\n`);
  print(formatRows(rowsToPrint(rows)));
  if (summaries.length > 0) print(`\n${formatSummaries(summaries)}`);
  for (const [guest, profiles] of Object.entries(findings.profiles)) print(`\nOurs (${profiles['boot: kernel']?.accelerator ?? 'unknown'}), each workload alone:\n${formatProfiles(guest, profiles)}`);
  if (Object.keys(findings.facts).length > 0) print(`\nWhat the guests found:\n${Object.entries(findings.facts).map(([name, text]) => `  ${name}: ${text}`).join('\n')}`);
  if (findings.notes.length > 0) print(`\nNotes:\n${findings.notes.map((text) => `  ${text}`).join('\n')}`);
  print(`\nWritten to ${options.jsonFile}`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
