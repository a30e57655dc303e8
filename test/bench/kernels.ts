/** The programs in kernels/: what each is, how much it is given to do, what it must answer, and how it is compiled. */
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { findCommand } from '../../scripts/setup/host-tools.mjs';
import { compiledProgram } from './compiled-program.ts';
import type { FloatUnit, WorkloadSize } from './workloads.ts';

export type Kernel = {
  readonly id: string;
  readonly title: string;
  /** In kernels/. */
  readonly source: string;
  /** What it computes its floating point with; absent when it has none. */
  readonly floats?: FloatUnit;
  /** Almost all of its time is its own, not the system's. */
  readonly compute: boolean;
  readonly work: Readonly<Record<WorkloadSize, KernelWork>>;
};

/** The checksums are what the host's CPU answers, on 32 and 64 bits alike. */
export type KernelWork = { readonly size: number; readonly checksum: string };

const work = (full: number, checksum: string, quick: number, quickChecksum: string): Kernel['work'] => (
  { full: { size: full, checksum }, quick: { size: quick, checksum: quickChecksum } });

export const kernels: readonly Kernel[] = [
  { id: 'calls', title: 'recursive calls', source: 'calls.c', compute: true, work: work(38, '02547029', 27, '0002ff42') },
  { id: 'crc32', title: 'CRC-32', source: 'crc32.c', compute: true, work: work(1000, '9e199389', 20, '718b4147') },
  { id: 'sieve', title: 'sieve', source: 'sieve.c', compute: true, work: work(160, '423d9bc0', 4, '2c0d4138') },
  { id: 'quicksort', title: 'quicksort', source: 'quicksort.c', compute: true, work: work(60, 'd3742bbb', 1, '781ba859') },
  { id: 'bytecode', title: 'byte code interpreter', source: 'bytecode.c', compute: true, work: work(100_000, '00a41730', 3000, '00034817') },
  { id: 'list', title: 'linked list', source: 'list.c', compute: true, work: work(60_000, '2756aaca', 1000, '5e6925bf') },
  { id: 'lz', title: 'LZ compressor', source: 'lz.c', compute: true, work: work(500, 'e14dd26f', 5, 'bbfe608e') },
  { id: 'matrix-sse', title: 'matrix product, SSE2', source: 'matrix.c', floats: 'sse', compute: true, work: work(200, '22e1002d', 4, 'bad3509b') },
  { id: 'bodies-sse', title: 'n bodies, SSE2', source: 'bodies.c', floats: 'sse', compute: true, work: work(1_000_000, 'f9a74b87', 10_000, 'c663be9c') },
  { id: 'matrix-x87', title: 'matrix product, x87', source: 'matrix.c', floats: 'x87', compute: true, work: work(25, '7c0b94f1', 4, '0e3cd238') },
  { id: 'bodies-x87', title: 'n bodies, x87', source: 'bodies.c', floats: 'x87', compute: true, work: work(100_000, 'ff69f560', 10_000, '64a51dcc') },
  { id: 'syscalls', title: 'system calls', source: 'syscalls.c', compute: false, work: work(2_000_000, '001e8480', 50_000, '0000c350') },
  { id: 'switches', title: 'context switches', source: 'switches.c', compute: false, work: work(15_000, '72684c49', 2000, '1719a771') },
  { id: 'faults', title: 'page faults', source: 'faults.c', compute: false, work: work(1000, '0000fa00', 100, '00001900') },
];

const kernelsFolder = join(import.meta.dirname, 'kernels');

const FLAGS = [
  '-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-fno-builtin', '-nostdlib', '-static', '-fno-pie', '-no-pie',
  '-fno-stack-protector', '-fno-asynchronous-unwind-tables',
  // Calls are what one of them is about.
  '-fno-optimize-sibling-calls',
  // There is no memset.
  '-fno-tree-loop-distribute-patterns',
  // The same result on all machines.
  '-ffp-contract=off', '-fno-math-errno',
];
const FLAGS_BY_BITS = { 32: ['-m32', '-march=i686'], 64: ['-m64', '-march=x86-64'] } as const;
const FLAGS_BY_FLOATS = {
  none: [],
  sse: ['-msse2', '-mfpmath=sse', '-DREAL=double'],
  // Sums in the unit's own format, so that it doesn't matter what the compiler keeps in registers.
  x87: ['-mfpmath=387', '-fno-tree-vectorize', '-DREAL=long double'],
} as const;

/** Why none of them can be had here, or `undefined`. */
export function kernelsMissing(): string | undefined {
  if (arch() !== 'x64' || platform() !== 'linux') return `the host is ${platform()} on ${arch()}, not Linux on x64`;
  return findCommand(['cc']) === undefined ? 'there is no C compiler: sudo apt-get install gcc' : undefined;
}

/** @returns path of the program, which is compiled if need be */
export function kernelProgram({ source, floats = undefined }: Pick<Kernel, 'source' | 'floats'>, bits: 32 | 64): string {
  const flags = [...FLAGS, ...FLAGS_BY_BITS[bits], ...FLAGS_BY_FLOATS[floats ?? 'none']];
  return compiledProgram(join(kernelsFolder, source), flags, [join(kernelsFolder, 'runtime.h')]);
}
