/**
 * `npm run bench`: Guesthouse, QEMU TCG and v86 side by side on the same guests, alternated, as medians and ratios: a table
 * on standard output, everything in dist/bench.json. Progress is on standard error.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { dirname } from 'node:path';
import { guestKernel, type KernelFlavour } from '../support/guest-images.ts';
import { engines, is32Bit, type Engine, type LinuxGuest } from './engines.ts';
import { measureFirmware, measureGuest, measureReady } from './measure.ts';
import { HELP, parseBenchOptions, type BenchOptions } from './options.ts';
import { formatProfiles, formatRows, reportRow, type Row } from './report.ts';
import { profileGuest, type WorkloadProfile } from './vm-process-guest.ts';
import { benchInitrd, KERNEL_COMMAND_LINE, workloadsOf, type Workload } from './workloads.ts';

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

function addFigure(findings: Findings, row: Omit<Row, 'values'>, engine: Engine, value: number): void {
  let known = findings.rows.find(({ id, guest }) => id === row.id && guest === row.guest);
  if (known === undefined) {
    known = { ...row, values: {} };
    findings.rows.push(known);
  }
  (known.values[engine.name] ??= []).push(value);
}

function guestRows(workloads: readonly Workload[]): readonly Pick<Row, 'id' | 'title' | 'unit'>[] {
  return [
    { id: 'boot', title: 'start to shell', unit: 's' },
    { id: 'boot-uptime', title: 'start to shell, by the guest\'s clock', unit: 's' },
    ...workloads.flatMap(({ id, title }) => [
      { id, title, unit: 's' } as const, { id: `${id}-uptime`, title: '  by the guest\'s clock', unit: 's' } as const,
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
  ] as const;
  for (let run = 0; run < options.runs; run += 1) {
    for (const { id, title, measure } of measurements) {
      for (const engine of rotated(present, run)) {
        try {
          const seconds = await measure(engine, options);
          addFigure(findings, { id, guest: undefined, title, unit: 's' }, engine, seconds);
          say(`run ${run + 1}, ${engine.title}: ${title}: ${seconds.toFixed(2)} s`);
        } catch (error) {
          noteFailure(findings, `${engine.title}: ${title}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    }
  }
}

async function measureFlavour(findings: Findings, present: readonly Engine[], flavour: KernelFlavour, options: BenchOptions): Promise<void> {
  const workloads = workloadsOf(options.sizes);
  const guest: LinuxGuest = {
    flavour, kernel: guestKernel(flavour).file, initrd: benchInitrd(flavour, workloads), commandLine: KERNEL_COMMAND_LINE,
    memoryMebibytes: options.memoryMebibytes,
  };
  const able = present.filter((engine) => is32Bit(flavour) || !engine.runs32BitGuestsOnly);
  const rows = guestRows(workloads);
  /** The first answer to what nobody knew beforehand. */
  const answers: Record<string, { readonly by: Engine; readonly result: string }> = {};
  for (let run = 0; run < options.runs; run += 1) {
    for (const engine of rotated(able, run)) {
      const { figures, facts, results, problems } = await measureGuest(engine, guest, workloads, options);
      if (facts !== '') findings.facts[`${flavour} ${engine.name}`] = facts;
      for (const problem of problems) noteFailure(findings, `${flavour}, ${engine.title}: ${problem}`);
      for (const [id, result] of Object.entries(results)) {
        const first = answers[id] ??= { by: engine, result };
        if (first.result !== result) noteFailure(findings, `${flavour}: ${id}: ${first.by.title} says "${first.result}", ${engine.title} "${result}"`);
      }
      for (const row of rows) {
        const value = figures[row.id];
        if (value !== undefined) addFigure(findings, { ...row, guest: flavour }, engine, value);
      }
      say(`${flavour}, run ${run + 1}, ${engine.title}: ${rows.filter(({ id }) => figures[id] !== undefined && !id.endsWith('-uptime'))
        .map(({ id, unit }) => `${id} ${figures[id]?.toFixed(2)} ${unit}`).join(', ')}`);
    }
  }
  const ours = able.find(({ name }) => name === 'ours');
  if (!options.profile || ours === undefined) return;
  const { profiles, problem } = await profileGuest(guest, workloads, options.timeoutSeconds);
  findings.profiles[flavour] = profiles;
  if (problem !== undefined) noteFailure(findings, `${flavour}: ${problem}`);
  if (profiles['loop'] !== undefined) addFigure(findings, { id: 'mips', guest: flavour, title: 'speed in the shell loop', unit: 'MIPS' }, ours, profiles['loop'].mips);
}

async function main(): Promise<void> {
  const options = parseBenchOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(HELP);
    return;
  }
  const findings: Findings = { rows: [], notes: [], facts: {}, profiles: {} };
  const present = options.engines.map((name) => engines[name]).filter((engine) => {
    const missing = engine.missing();
    if (missing !== undefined) note(findings, `${engine.title} is left out: ${missing}`);
    return missing === undefined;
  });
  const loadBefore = loadavg();
  const date = new Date().toISOString();
  await measureWithoutGuest(findings, present, options);
  for (const flavour of options.guests) await measureFlavour(findings, present, flavour, options);

  const rows = findings.rows.map(reportRow);
  const host = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, loadBefore, loadAfter: loadavg(), node: process.version };
  const versions = Object.fromEntries(present.map((engine) => [engine.name, engine.version()]));
  mkdirSync(dirname(options.jsonFile), { recursive: true });
  writeFileSync(options.jsonFile, `${JSON.stringify({ date, host, versions, options, rows, facts: findings.facts, profiles: findings.profiles, notes: findings.notes }, null, 2)}\n`);

  const print = (text: string): void => { process.stdout.write(`${text}\n`); };
  print(`\nMedians of ${options.runs} alternated run${options.runs === 1 ? '' : 's'}; ${host.cpu}, ${host.cores} cores, load ${loadBefore[0]?.toFixed(1)} before and ${host.loadAfter[0]?.toFixed(1)} after\n`);
  print(formatRows(rows));
  for (const [guest, profiles] of Object.entries(findings.profiles)) print(`\nOurs, each workload alone:\n${formatProfiles(guest, profiles)}`);
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
