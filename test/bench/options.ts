/** The benchmark's arguments. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { distFolder } from '../../scripts/build/folders.mjs';
import type { KernelFlavour } from '../support/guest-images.ts';

export const ENGINES = ['ours', 'tcg', 'v86'] as const;
export type EngineName = (typeof ENGINES)[number];

const FLAVOURS: readonly KernelFlavour[] = ['amd64', 'cloud-amd64', '686', '686-pae'];

export type WorkloadSizes = {
  readonly loopTurns: number;
  readonly mebibytes: number;
  readonly forks: number;
};

export type BenchOptions = {
  readonly runs: number;
  readonly engines: readonly EngineName[];
  readonly guests: readonly KernelFlavour[];
  readonly memoryMebibytes: number;
  readonly sizes: WorkloadSizes;
  readonly idleSeconds: number;
  /** For each single wait. */
  readonly timeoutSeconds: number;
  /** One more run of ours for each guest, which asks for the statistics between the workloads. */
  readonly profile: boolean;
  readonly jsonFile: string;
};

export const HELP = `npm run bench -- [options]

  --quick            small workloads and one run: does the benchmark work?
  --runs N           runs of each engine, alternated (3)
  --engines LIST     of ours,tcg,v86
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
      engines: { type: 'string', default: ENGINES.join() },
      guests: { type: 'string', default: 'amd64,686' },
      memory: { type: 'string', default: '256' },
      timeout: { type: 'string', default: '300' },
      'no-profile': { type: 'boolean', default: false },
      json: { type: 'string', default: resolve(distFolder, 'bench.json') },
    },
  });
  if (values.help) return 'help';
  return {
    runs: positiveInteger('--runs', values.runs ?? (values.quick ? '1' : '3')),
    engines: listOf('--engines', values.engines, ENGINES),
    guests: listOf('--guests', values.guests, FLAVOURS),
    memoryMebibytes: positiveInteger('--memory', values.memory),
    sizes: values.quick ? { loopTurns: 10_000, mebibytes: 4, forks: 20 } : { loopTurns: 200_000, mebibytes: 64, forks: 200 },
    idleSeconds: values.quick ? 3 : 10,
    timeoutSeconds: positiveInteger('--timeout', values.timeout),
    profile: !values['no-profile'],
    jsonFile: resolve(values.json),
  };
}

function positiveInteger(name: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`${name} ${text}: give a whole number from 1`);
  return Number(text);
}

function listOf<Name extends string>(name: string, text: string, known: readonly Name[]): Name[] {
  return text.split(',').map((word) => {
    const found = known.find((one) => one === word);
    if (found === undefined) throw new Error(`${name} ${word}: give some of ${known.join(', ')}`);
    return found;
  });
}
