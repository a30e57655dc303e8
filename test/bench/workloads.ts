/**
 * What the guest does: process 1 of its initrd says that the shell is there, runs the workloads one after the other
 * between two marks each, and ends at a shell's prompt, where it idles. A mark is a line
 * `@@42 WHAT begin|end SECONDS-OF-UPTIME [RESULT]`, with 42 computed by the guest, so that neither an echo nor the kernel's
 * log of its command line is taken for one.
 */
import { createHash } from 'node:crypto';
import { guestInitrd, type KernelFlavour } from '../support/guest-images.ts';
import type { WorkloadSizes } from './options.ts';

export type Workload = {
  readonly id: string;
  readonly title: string;
  /** BusyBox ash; leaves its result, one word, in `result`. */
  readonly script: string;
  /** `undefined`: nobody knows beforehand, but the engines must agree. */
  readonly expected: string | undefined;
};

export function workloadsOf({ loopTurns, mebibytes, forks }: WorkloadSizes): readonly Workload[] {
  const zeros = `dd if=/dev/zero bs=1M count=${mebibytes} 2>/dev/null`;
  return [
    {
      id: 'loop',
      title: `shell loop, ${loopTurns.toLocaleString('en')} turns`,
      script: `i=0; while [ $i -lt ${loopTurns} ]; do i=$((i+1)); done; result=$i`,
      expected: String(loopTurns),
    },
    {
      id: 'sha256',
      title: `sha256sum of ${mebibytes} MiB`,
      script: `set -- $(${zeros} | sha256sum); result=$1`,
      expected: sha256OfZeros(mebibytes),
    },
    {
      id: 'gzip',
      title: `gzip -1 of ${mebibytes} MiB`,
      script: `result=$(${zeros} | gzip -1 | wc -c)`,
      expected: undefined,
    },
    {
      id: 'fork',
      title: `${forks} x fork+exec`,
      // By its path: as a bare word it is a builtin of the shell.
      script: `i=0; while [ $i -lt ${forks} ]; do /bin/true || break; i=$((i+1)); done; result=$i`,
      expected: String(forks),
    },
  ];
}

function sha256OfZeros(mebibytes: number): string {
  const hash = createHash('sha256');
  const block = new Uint8Array(1024 * 1024);
  for (let done = 0; done < mebibytes; done += 1) hash.update(block);
  return hash.digest('hex');
}

export const SHELL_READY = 'shell';
/** The marks' prompt of the shell at the end. */
export const PROMPT = 'guest42# ';

const FACTS = `
model=$(sed -n 's/^model name.*: //p' /proc/cpuinfo)
clock=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
meltdown=$(cat /sys/devices/system/cpu/vulnerabilities/meltdown 2>/dev/null)
echo "@@$((40+2)) facts end 0 $model; clock source $clock; Meltdown: $meltdown"
`;

/** @returns path of the initrd */
export function benchInitrd(flavour: KernelFlavour, workloads: readonly Workload[]): string {
  const runs = workloads.map(({ id, script }) => `result=
mark ${id} begin
${script}
mark ${id} end $result
`).join('');
  return guestInitrd({
    flavour,
    // The same guest for all engines: no engine's own devices.
    modules: [],
    init: `mark() {
	read -r uptime _ </proc/uptime
	what=$1; edge=$2; shift 2
	echo "@@$((40+2)) $what $edge $uptime $*"
}
mark ${SHELL_READY} end
# A line of the kernel's in the middle of a mark would hide it.
dmesg -n 1
${FACTS}${runs}export PS1="guest$((40+2))# "
setsid cttyhack sh
poweroff -f
`,
  });
}

export const KERNEL_COMMAND_LINE = 'console=ttyS0';

export function markPattern(what: string, edge: 'begin' | 'end'): RegExp {
  return new RegExp(`@@42 ${what} ${edge} (\\S+)([^\\r\\n]*)[\\r\\n]`);
}
