/**
 * What the guest does: process 1 of its initrd runs the workloads one after the other between two marks each, and ends at a
 * shell's prompt, where it idles. A mark is a line `@@42 WHAT begin|end SECONDS-OF-UPTIME [RESULT]`, with 42 computed by the
 * guest, so that neither an echo nor the kernel's log of its command line is taken for one. The same script runs the
 * workloads on the host, for what they take without an emulator; there `$R` is the folder that holds the guest's files.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CpioEntry } from '../../scripts/guest-image/cpio.ts';
import { guestDisk, guestInitrd, type KernelFlavour } from '../support/guest-images.ts';
import { compilerFiles, pythonFiles, type DebianArchitecture, type GuestFiles } from './guest-programs.ts';
import { kernelProgram, kernels, kernelsMissing, type Kernel } from './kernels.ts';

/** Steady work, whose code is soon known, or work that is new all the time: starting things. */
export type RowGroup = 'warm' | 'cold';
export type FloatUnit = 'sse' | 'x87';
export type WorkloadSize = 'full' | 'quick';

export type Workload = {
  readonly id: string;
  readonly title: string;
  readonly group: RowGroup;
  readonly floats?: FloatUnit;
  /** Almost all of its time is its own and not a kernel's, so that the host's time for the same is worth knowing. */
  readonly compute: boolean;
  /** BusyBox ash, before the clock starts. */
  readonly prepare?: string;
  /** BusyBox ash; leaves its result, one word, in `result`. */
  readonly script: string;
  /** `undefined`: nobody knows beforehand, but the engines must agree. */
  readonly expected: string | undefined;
  /** What it needs beside BusyBox; `undefined` where that can't be had. */
  readonly files: GuestFiles;
};

/** The rows that workloads give, in their order. */
export const WORKLOAD_IDS: readonly string[] = [
  'loop', 'sha256', 'gzip', 'sort', 'pipes', 'fork', 'compile', 'python-start', 'python-loop', ...kernels.map(({ id }) => id),
];

/** Those of `ids`, or all. */
export function workloadsOf(architecture: DebianArchitecture, size: WorkloadSize, ids: readonly string[] = WORKLOAD_IDS): readonly Workload[] {
  const all = [...busyboxWorkloads(size), ...debianWorkloads(architecture, size, ids), ...kernels.map((kernel) => kernelWorkload(kernel, architecture, size, ids))];
  return all.filter(({ id }) => ids.includes(id));
}

function busyboxWorkloads(size: WorkloadSize): readonly Workload[] {
  const full = size === 'full';
  const loopTurns = full ? 100_000 : 10_000;
  const mebibytes = full ? 64 : 4;
  const forks = full ? 200 : 20;
  const lines = full ? 300_000 : 3000;
  const pipedMebibytes = full ? 16 : 1;
  const zeros = `dd if=/dev/zero bs=1M count=${mebibytes} 2>/dev/null`;
  return [
    {
      id: 'loop',
      title: `shell loop, ${loopTurns.toLocaleString('en')} turns`,
      group: 'warm',
      compute: true,
      script: `i=0; while [ $i -lt ${loopTurns} ]; do i=$((i+1)); done; result=$i`,
      expected: String(loopTurns),
      files: [],
    },
    {
      id: 'sha256',
      title: `sha256sum of ${mebibytes} MiB`,
      group: 'warm',
      compute: true,
      script: `set -- $(${zeros} | sha256sum); result=$1`,
      expected: sha256OfZeros(mebibytes),
      files: [],
    },
    {
      id: 'gzip',
      title: `gzip -1 of ${mebibytes} MiB`,
      group: 'warm',
      compute: true,
      script: `result=$(${zeros} | gzip -1 | wc -c)`,
      expected: undefined,
      files: [],
    },
    {
      id: 'sort',
      title: `sort of ${lines.toLocaleString('en')} lines`,
      group: 'warm',
      compute: true,
      prepare: `awk 'BEGIN { x = 1; for (i = 0; i < ${lines}; i++) { x = (x * 7919 + 12345) % 1000003; print x " line " i } }' >$R/tmp/lines`,
      script: `sort $R/tmp/lines >$R/tmp/sorted; set -- $(sha256sum $R/tmp/sorted); result=$1; rm $R/tmp/lines $R/tmp/sorted`,
      expected: sha256OfSortedLines(lines),
      files: [],
    },
    {
      id: 'pipes',
      title: `${pipedMebibytes} MiB through five processes`,
      group: 'warm',
      compute: false,
      // What arrives is counted by what it is.
      script: `result=$(dd if=/dev/zero bs=4k count=${pipedMebibytes * 256} 2>/dev/null | tr '\\0' '\\n' | cat | cat | wc -l)`,
      expected: String(pipedMebibytes * 1024 * 1024),
      files: [],
    },
    {
      id: 'fork',
      title: `${forks} x fork+exec`,
      group: 'cold',
      compute: false,
      // By its path: as a bare word it is a builtin of the shell.
      script: `i=0; while [ $i -lt ${forks} ]; do /bin/true || break; i=$((i+1)); done; result=$i`,
      expected: String(forks),
      files: [],
    },
  ];
}

function debianWorkloads(architecture: DebianArchitecture, size: WorkloadSize, ids: readonly string[]): readonly Workload[] {
  const full = size === 'full';
  const compilations = full ? 10 : 2;
  const starts = full ? 10 : 2;
  const rounds = full ? 100_000 : 2000;
  const compiler = ids.includes('compile') ? compilerFiles(architecture) : undefined;
  const python = ids.includes('python-start') || ids.includes('python-loop') ? pythonFiles(architecture) : undefined;
  return [
    {
      id: 'compile',
      title: `${compilations} x compilation with tcc`,
      group: 'cold',
      compute: false,
      script: `i=0; while [ $i -lt ${compilations} ]; do tcc -o /tmp/compiled /bench/compiled.c || break; i=$((i+1)); done; result=$(/tmp/compiled)-$i`,
      expected: `-54,-14,7,7,8-${compilations}`,
      files: compiler === undefined ? undefined : [...compiler, guestFile('compiled.c')],
    },
    {
      id: 'python-start',
      title: `${starts} x start of Python`,
      group: 'cold',
      compute: false,
      // Debian compiles the library when the package is installed; Python does it when it first sees it.
      prepare: 'python -c pass',
      script: `i=0; while [ $i -lt ${starts} ]; do python -c pass || break; i=$((i+1)); done; result=$i`,
      expected: String(starts),
      files: python,
    },
    {
      id: 'python-loop',
      title: `Python program, ${rounds.toLocaleString('en')} rounds`,
      group: 'warm',
      compute: true,
      prepare: 'python -c pass',
      script: `result=$(python $R/bench/loop.py ${rounds})`,
      expected: full ? '602cede1' : '1f9b7644',
      files: python === undefined ? undefined : [...python, guestFile('loop.py')],
    },
  ];
}

function kernelWorkload(kernel: Kernel, architecture: DebianArchitecture, size: WorkloadSize, ids: readonly string[]): Workload {
  const { id, title, floats, compute, work } = kernel;
  const isWanted = ids.includes(id) && kernelsMissing() === undefined;
  return {
    id, title, group: 'warm', ...(floats === undefined ? {} : { floats }), compute,
    script: `result=$($R/bench/${id} ${work[size].size})`,
    expected: work[size].checksum,
    files: isWanted
      ? [{ kind: 'file', path: `bench/${id}`, contents: readFileSync(kernelProgram(kernel, architecture === 'i386' ? 32 : 64)), executable: true }]
      : undefined,
  };
}

function guestFile(name: string): CpioEntry {
  return { kind: 'file', path: `bench/${name}`, contents: readFileSync(join(import.meta.dirname, 'guest', name)) };
}

function sha256OfZeros(mebibytes: number): string {
  const hash = createHash('sha256');
  const block = new Uint8Array(1024 * 1024);
  for (let done = 0; done < mebibytes; done += 1) hash.update(block);
  return hash.digest('hex');
}

/** What the guest makes with awk, sorted by bytes. */
function sha256OfSortedLines(count: number): string {
  const lines: string[] = [];
  for (let index = 0, x = 1; index < count; index += 1) {
    x = (x * 7919 + 12345) % 1000003;
    lines.push(`${x} line ${index}\n`);
  }
  return createHash('sha256').update(lines.toSorted((a, b) => (a < b ? -1 : 1)).join('')).digest('hex');
}

export const SHELL_READY = 'shell';
/** The marks' prompt of the shell at the end. */
export const PROMPT = 'guest42# ';

const MARK = `mark() {
	read -r uptime _ </proc/uptime
	what=$1; edge=$2; shift 2
	echo "@@$((40+2)) $what $edge $uptime $*"
}
`;

// A line of the kernel's in the middle of a mark would hide it.
const SHELL_IS_READY = `${MARK}dmesg -n 1
mark ${SHELL_READY} end
`;

const FACTS = `
model=$(sed -n 's/^model name.*: //p' /proc/cpuinfo)
clock=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
meltdown=$(cat /sys/devices/system/cpu/vulnerabilities/meltdown 2>/dev/null)
echo "@@$((40+2)) facts end 0 $model; clock source $clock; Meltdown: $meltdown"
`;

function workloadLines(workloads: readonly Workload[]): string {
  return workloads.map(({ id, prepare = '', script }) => `${prepare}
result=
mark ${id} begin
${script}
mark ${id} end $result
`).join('');
}

/**
 * The same guest for all engines: no engine's own devices.
 * @returns path of the initrd
 */
export function benchInitrd(flavour: KernelFlavour, workloads: readonly Workload[]): string {
  return guestInitrd({
    flavour,
    modules: [],
    init: `${SHELL_IS_READY}${FACTS}R=
python() { /usr/bin/python3 "$@"; }
${workloadLines(workloads)}export PS1="guest$((40+2))# "
setsid cttyhack sh
poweroff -f
`,
    files: workloads.flatMap(({ files }) => files ?? []),
  });
}

/** Ends when the shell is there. @returns path of the initrd */
export function bootInitrd(flavour: KernelFlavour): string {
  return guestInitrd({ flavour, modules: [], init: `${SHELL_IS_READY}poweroff -f\n` });
}

/** The same from a disk, through firmware and GRUB. @returns path of the raw image */
export function bootDisk(flavour: KernelFlavour): string {
  return guestDisk({ flavour, init: `${SHELL_IS_READY}poweroff -f\n` });
}

/** For the host's own shell. `python` is what starts the guest's Python there. */
export function hostScript(workloads: readonly Workload[], python: string): string {
  return `${MARK}python() { ${python} "$@"; }
${workloadLines(workloads)}`;
}

export const KERNEL_COMMAND_LINE = 'console=ttyS0';

export function markPattern(what: string, edge: 'begin' | 'end'): RegExp {
  return new RegExp(`@@42 ${what} ${edge} (\\S+)([^\\r\\n]*)[\\r\\n]`);
}
