/** The numbers of `--stats`: the machine thread's and this process's. */
import type { VmStats } from '../../shared/vm-protocol.ts';
import type { Accelerator } from '../interfaces/accelerator.ts';
import type { DiskService } from './disk-service.ts';
import type { MachineStats } from './machine-post.ts';
import type { NetworkService } from './network-service.ts';

/** `instructions` since power-on, across resets. `haltedNanos` is host time in which the guest was halted or paused; it doesn't count against `mips`. */
export function machineStats(accelerator: Accelerator, instructions: number, wallNanos: number, guestNanos: number, haltedNanos: number, cpuNanos: number): MachineStats {
  const counters = accelerator.counters();
  const busyMicros = Math.max(1, (wallNanos - haltedNanos) / 1_000);
  return {
    accelerator: accelerator.name,
    wallSeconds: wallNanos / 1e9,
    guestSeconds: guestNanos / 1e9,
    haltedSeconds: haltedNanos / 1e9,
    cpuSeconds: cpuNanos / 1e9,
    instructions,
    mips: instructions / busyMicros,
    exits: counters.exits,
    regions: counters.regions,
    compileMillis: counters.compileMillis,
    tlbMisses: counters.tlbMisses,
  };
}

export function completeStats(stats: MachineStats, attached: readonly (DiskService | undefined)[], networks: readonly NetworkService[], displayFrames: number): VmStats {
  const disks = attached.filter((disk) => disk !== undefined);
  const figures = networks.map((network) => network.figures());
  return {
    ...stats,
    exits: { ...stats.exits },
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    diskBytesRead: disks.reduce((sum, disk) => sum + disk.bytesRead, 0),
    discBytesRead: disks.reduce((sum, disk) => sum + (disk.isDisc ? disk.bytesRead : 0), 0),
    diskBytesWritten: disks.reduce((sum, disk) => sum + disk.bytesWritten, 0),
    displayFrames,
    netBytesIn: figures.reduce((sum, { bytesIn }) => sum + bytesIn, 0),
    netBytesOut: figures.reduce((sum, { bytesOut }) => sum + bytesOut, 0),
  };
}
