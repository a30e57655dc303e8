/** What a machine's settings must be besides valid each by itself. */
import { DISK_BUSES, DRIVES_MAXIMUM } from './disk-bus.ts';
import type { MachineConfig } from './machine-config.ts';
import { ISA_ADAPTER_PLACES } from './isa-adapter-places.ts';

export type MachineRule = 'ide-drives' | 'ahci-drives' | 'virtio-drives' | 'disk-twice' | 'port-twice' | 'network-in-instruction-time' | 'isa-adapters';

/** Where each broken rule is best mended. */
export function brokenRules({ disks, cdroms, adapters, time }: MachineConfig): { readonly path: string; readonly rule: MachineRule }[] {
  const broken: { path: string; rule: MachineRule }[] = [];
  for (const bus of DISK_BUSES) {
    const disksOfBus = [...disks.entries()].filter(([, disk]) => disk.bus === bus);
    const discs = cdroms.filter((cdrom) => cdrom.bus === bus);
    if (disksOfBus.length + discs.length > DRIVES_MAXIMUM[bus]) broken.push({ path: disksOfBus.length > 0 ? `disks.${disksOfBus.at(-1)![0]}.bus` : 'cdroms', rule: `${bus}-drives` });
  }
  const written = new Set<string>();
  for (const [index, { path, readOnly, discardChanges }] of disks.entries()) {
    if (readOnly || discardChanges) continue;
    if (written.has(path)) broken.push({ path: `disks.${index}.path`, rule: 'disk-twice' });
    written.add(path);
  }
  const ports = new Set<string>();
  for (const [adapter, { forwards }] of adapters.entries()) {
    for (const [index, { protocol, host }] of forwards.entries()) {
      const port = `${protocol} ${host.address} ${host.port}`;
      if (ports.has(port)) broken.push({ path: `adapters.${adapter}.forwards.${index}.host.port`, rule: 'port-twice' });
      ports.add(port);
    }
  }
  const isaAdapters = [...adapters.entries()].filter(([, { model }]) => model === 'ne2000-isa');
  if (isaAdapters.length > ISA_ADAPTER_PLACES.length) broken.push({ path: `adapters.${isaAdapters.at(-1)![0]}.model`, rule: 'isa-adapters' });
  if (adapters.length > 0 && time.mode !== 'host') broken.push({ path: 'time.mode', rule: 'network-in-instruction-time' });
  return broken;
}
