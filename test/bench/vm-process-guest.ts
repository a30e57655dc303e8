/** Our VM process spoken to directly, for what the command line doesn't show: the statistics of each workload alone. */
import { ForkLauncher } from '../../src/main/machines/fork-launcher.ts';
import { VmConnection } from '../../src/main/machines/vm-connection.ts';
import type { VmStart, VmStats } from '../../src/shared/vm-protocol.ts';
import { firmwareFiles, is32Bit, type LinuxGuest, type MachineSettings } from './engines.ts';
import { vmProcessFile } from './frozen-build.ts';
import { markPattern, SHELL_READY, type Workload } from './workloads.ts';

export type WorkloadProfile = {
  readonly accelerator: string;
  readonly instructions: number;
  readonly wallSeconds: number;
  readonly guestSeconds: number;
  readonly haltedSeconds: number;
  /** Over wall time not halted. */
  readonly mips: number;
  readonly tlbMisses: number;
  readonly exits: Readonly<Record<string, number>>;
};

export function vmStart({ memoryMebibytes, accelerator }: MachineSettings, guest?: LinuxGuest): VmStart {
  return {
    name: 'benchmark',
    memoryBytes: memoryMebibytes * 1024 * 1024,
    architecture: guest !== undefined && is32Bit(guest.flavour) ? 'i386' : 'x86_64',
    accelerator,
    biosPath: firmwareFiles.bios,
    vgaBiosPath: firmwareFiles.vgaBios,
    directBoot: guest === undefined ? undefined : { kernelPath: guest.kernel, initrdPath: guest.initrd, commandLine: guest.commandLine },
    disks: [],
    bootOrder: [],
    time: 'host',
    rtcEpochSeconds: undefined,
    seed: undefined,
    exitPort: undefined,
    debugPort: undefined,
    onReset: 'stop',
  };
}

/** What a kernel that was told `earlyprintk` says on its way to the shell, at the end of each part of it. */
const BOOT_PARTS = [
  { id: 'boot: decompression', end: /Linux version/ },
  { id: 'boot: kernel', end: /Run \/init as init process/ },
  { id: 'boot: set-up in user mode', end: markPattern(SHELL_READY, 'end') },
] as const;

/**
 * Boots the guest once and asks for the statistics at every mark.
 * @returns by workload id, after the parts of the boot; what came until a problem, if one came
 */
export async function profileGuest(guest: LinuxGuest, workloads: readonly Workload[], timeoutSeconds: number): Promise<{ profiles: Record<string, WorkloadProfile>; problem: string | undefined }> {
  const profiles: Record<string, WorkloadProfile> = {};
  let output = '';
  let tell: () => void = () => {};
  let over: string | undefined;
  const connection = new VmConnection(new ForkLauncher(vmProcessFile()), vmStart(guest, { ...guest, commandLine: `earlyprintk=ttyS0,115200 ${guest.commandLine}` }), {
    event: (event) => {
      if (event.kind !== 'serial-output') return;
      output += Buffer.from(event.bytes).toString('latin1');
      tell();
    },
    responsive: () => {},
    logLine: () => {},
    exited: (exit) => {
      over = exit.error?.message ?? 'ended';
      tell();
    },
  });

  const statsAt = async (pattern: RegExp): Promise<VmStats> => {
    const deadlineMillis = performance.now() + timeoutSeconds * 1000;
    while (!pattern.test(output)) {
      const leftMillis = deadlineMillis - performance.now();
      if (over !== undefined || leftMillis <= 0) {
        const reason = over?.split('\n', 1)[0] ?? `not within ${timeoutSeconds} s`;
        throw new Error(`profile: no ${pattern.source}: ${reason}; it last said: ${JSON.stringify(output.slice(-200))}`);
      };
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMillis);
        tell = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const stats = await connection.stats();
    if (!stats.ok) throw new Error(`profile: ${stats.error.message}`);
    return stats.value;
  };

  let problem: string | undefined;
  try {
    let before: VmStats | undefined;
    for (const { id, end } of BOOT_PARTS) {
      const after = await statsAt(end);
      profiles[id] = difference(after, before);
      before = after;
    }
    for (const { id } of workloads) {
      const atBegin = await statsAt(markPattern(id, 'begin'));
      profiles[id] = difference(await statsAt(markPattern(id, 'end')), atBegin);
    }
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  } finally {
    connection.kill();
  }
  return { profiles, problem };
}

function difference(after: VmStats, before: VmStats | undefined): WorkloadProfile {
  const instructions = after.instructions - (before?.instructions ?? 0);
  const wallSeconds = after.wallSeconds - (before?.wallSeconds ?? 0);
  const haltedSeconds = after.haltedSeconds - (before?.haltedSeconds ?? 0);
  return {
    accelerator: after.accelerator,
    instructions,
    wallSeconds,
    guestSeconds: after.guestSeconds - (before?.guestSeconds ?? 0),
    haltedSeconds,
    mips: instructions / 1e6 / Math.max(1e-6, wallSeconds - haltedSeconds),
    tlbMisses: after.tlbMisses - (before?.tlbMisses ?? 0),
    exits: Object.fromEntries(Object.entries(after.exits).map(([kind, count]) => [kind, count - (before?.exits[kind] ?? 0)])),
  };
}
