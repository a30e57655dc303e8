/** The benchmark's arguments. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { distFolder } from '../../scripts/build/folders.mjs';
import type { KernelFlavour } from '../support/guest-images.ts';
import { DISK_BUSES, type DiskBus } from '../../src/shared/disk-bus.ts';
import { WORKLOAD_IDS, type WorkloadSize } from './workloads.ts';

export const ENGINES = ['ours', 'tcg', 'v86'] as const;
export type EngineName = (typeof ENGINES)[number];

/** What a row has a figure for: the engines, and the host without one. */
export const COLUMNS = [...ENGINES, 'native'] as const;
export type ColumnName = (typeof COLUMNS)[number];

/** Of ours. Which of them it has is for the command line to say. */
const ACCELERATORS = ['auto', 'interpreter', 'translator'] as const;
export type Accelerator = (typeof ACCELERATORS)[number];

const ROW_IDS: readonly string[] = ['ready', 'firmware', 'disk-boot', 'boot', ...WORKLOAD_IDS, 'idle', 'rss'];

const FLAVOURS: readonly KernelFlavour[] = ['amd64', 'cloud-amd64', '686', '686-pae'];

export const DISK_FORMATS = ['qcow2', 'raw'] as const;
export type BenchDiskFormat = (typeof DISK_FORMATS)[number];

export type BenchOptions = {
  readonly runs: number;
  readonly columns: readonly ColumnName[];
  readonly guests: readonly KernelFlavour[];
  readonly memoryMebibytes: number;
  readonly accelerator: Accelerator;
  /** Ids. */
  readonly rows: readonly string[];
  readonly size: WorkloadSize;
  readonly idleSeconds: number;
  /** For each single wait. */
  readonly timeoutSeconds: number;
  /** One more run of ours for each guest, which asks for the statistics between the workloads. */
  readonly profile: boolean;
  readonly jsonFile: string;
  /** The network's throughput instead of all else. */
  readonly network: boolean;
  /** The display's frames instead of all else. */
  readonly display: boolean;
  /** Snapshots, restoring and forking instead of all else. */
  readonly snapshots: boolean;
  readonly bundles: boolean;
  /** Disks instead of all else: on these buses, of these formats. */
  readonly disks: boolean;
  readonly buses: readonly DiskBus[];
  readonly formats: readonly BenchDiskFormat[];
};

function rowLines(): string {
  const perLine = 9;
  const lines = ROW_IDS.flatMap((_, index) => (index % perLine === 0 ? [ROW_IDS.slice(index, index + perLine).join()] : []));
  return lines.join(`,\n${' '.repeat(24)}`);
}

export const HELP = `npm run bench -- [options]

  --quick            small workloads and one run: does the benchmark work?
  --network          what a guest moves through its network, instead of all else
  --display          frames that reach the canvas and what they take, beside noVNC to QEMU, instead of all else
  --snapshots        snapshots, restoring and forking, instead of all else
  --bundles          how soon a bundle runs, instead of all else
  --disks            what a guest reads and writes on its disks, instead of all else
  --buses LIST       with --disks: of ${DISK_BUSES.join()} (all)
  --formats LIST     with --disks: of ${DISK_FORMATS.join()} (all)
  --runs N           runs of each engine, alternated (5)
  --engines LIST     of ${COLUMNS.join()}; native is the host itself, for the rows that compute
  --accel NAME       our accelerator: ${ACCELERATORS.join(', ')} (auto)
  --rows LIST        of ${rowLines()}
  --guests LIST      of amd64,cloud-amd64,686,686-pae (amd64,686)
  --memory MIB       memory of the guests (256)
  --timeout SECONDS  for each single wait (300)
  --no-profile       leave out the run that counts instructions and exits for each workload
  --json FILE        where the figures go (dist/bench.json)
`;

/** Throws with a message for the person who typed it. */
export function parseBenchOptions(words: readonly string[]): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...words],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      engines: { type: 'string', default: COLUMNS.join() },
      accel: { type: 'string', default: 'auto' },
      rows: { type: 'string', default: ROW_IDS.join() },
      guests: { type: 'string', default: 'amd64,686' },
      memory: { type: 'string', default: '256' },
      timeout: { type: 'string', default: '300' },
      'no-profile': { type: 'boolean', default: false },
      network: { type: 'boolean', default: false },
      display: { type: 'boolean', default: false },
      snapshots: { type: 'boolean', default: false },
      bundles: { type: 'boolean', default: false },
      disks: { type: 'boolean', default: false },
      buses: { type: 'string', default: DISK_BUSES.join() },
      formats: { type: 'string', default: DISK_FORMATS.join() },
      json: { type: 'string', default: resolve(distFolder, 'bench.json') },
    },
  });
  if (values.help) return 'help';
  return {
    runs: positiveInteger('--runs', values.runs ?? (values.quick ? '1' : '5')),
    columns: listOf('--engines', values.engines, COLUMNS),
    guests: listOf('--guests', values.guests, FLAVOURS),
    memoryMebibytes: positiveInteger('--memory', values.memory),
    accelerator: oneOf('--accel', values.accel, ACCELERATORS),
    rows: listOf('--rows', values.rows, ROW_IDS),
    size: values.quick ? 'quick' : 'full',
    idleSeconds: values.quick ? 3 : 10,
    timeoutSeconds: positiveInteger('--timeout', values.timeout),
    profile: !values['no-profile'],
    jsonFile: resolve(values.json),
    network: values.network,
    display: values.display,
    snapshots: values.snapshots,
    bundles: values.bundles,
    disks: values.disks,
    buses: listOf('--buses', values.buses, DISK_BUSES),
    formats: listOf('--formats', values.formats, DISK_FORMATS),
  };
}

function positiveInteger(name: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`${name} ${text}: give a whole number from 1`);
  return Number(text);
}

function listOf<Name extends string>(name: string, text: string, known: readonly Name[]): Name[] {
  return text.split(',').map((word) => oneOf(name, word, known));
}

function oneOf<Name extends string>(name: string, word: string, known: readonly Name[]): Name {
  const found = known.find((one) => one === word);
  if (found === undefined) throw new Error(`${name} ${word}: give some of ${known.join(', ')}`);
  return found;
}
