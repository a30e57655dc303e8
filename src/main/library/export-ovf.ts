/** Machines as OVF packages, which VirtualBox, VMware and others import. */
import { existsSync } from 'node:fs';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { bundleDoneSchema } from '../../shared/media-protocol.ts';
import type { ExportedMachine } from '../../shared/media-protocol.ts';
import { fail } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { mediumPath } from '../machines/vm-start.ts';
import { runMediaJob } from '../media/media-process.ts';
import { SnapshotFolder } from '../snapshots/snapshot-folder.ts';
import type { Library } from './library.ts';

/** A machine that is off, as it is now: a package holds neither snapshots nor a saved state. Errors: `ovf.saved-state`, `ovf.no-disk`, `disk.exists`, those of the job. */
export async function exportOvf(library: Library, program: string, name: string, path: string, progress: (done: number) => void, signal: AbortSignal): Promise<Result<{ bytes: number }>> {
  const found = await library.findWhole(name);
  if (!found.ok) return found;
  if (existsSync(path)) return fail('disk.exists', `${path} exists already`, 'choose another name, or remove it first');
  const opened = await SnapshotFolder.open(found.value.folder);
  if (!opened.ok) return opened;
  if (opened.value.tree.saved !== undefined) return fail('ovf.saved-state', `the machine ${name} is saved, and an OVF package can't hold what was in its memory`, 'resume it and shut it down first');
  const machine = exportedMachine(name, opened.value, opened.value.configNow(found.value.config));
  if (!machine.ok) return machine;
  if (machine.value.disks.length === 0) return fail('ovf.no-disk', `the machine ${name} has no disk, and a package of it would hold nothing`, 'add one');
  return runMediaJob({ program, job: { kind: 'export-ovf', path, machine: machine.value }, answer: bundleDoneSchema, progress, signal });
}

function exportedMachine(name: string, folder: SnapshotFolder, config: MachineConfig): Result<ExportedMachine> {
  const disks: ExportedMachine['disks'][number][] = [];
  for (const disk of config.disks) {
    const path = mediumPath(folder.folder, disk.path);
    if (!path.ok) return path;
    // Nobody else knows a virtio disk as we do; systems that have its driver have SATA's.
    disks.push({ bus: disk.bus === 'ide' ? 'ide' : 'sata', image: { path: path.value, format: disk.format, backingFolders: folder.backingFolders(disk) } });
  }
  return {
    ok: true,
    value: {
      name, notes: config.notes, architecture: config.architecture, guestSystem: config.guestSystem, memoryBytes: config.memoryBytes, disks, cdDrives: config.cdroms.length,
      adapters: config.adapters.map(({ mode, network, connected, mac }) => ({ network: mode === 'nat' ? 'NAT' : mode === 'host-only' ? 'host-only' : network, isConnected: connected, mac })),
    },
  };
}
