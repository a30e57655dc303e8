/** From a machine as another program describes it to settings of ours, and what of it there is no place for. */
import type { ForeignAdapter, ForeignDisk, ForeignMachine, LeftOut } from '../../shared/foreign-machine.ts';
import type { DiskConfig, MachineConfigInput } from '../../shared/machine-config.ts';
import { ADAPTERS_MAXIMUM } from '../../shared/network-config.ts';
import type { AdapterConfig, PortForwardConfig } from '../../shared/network-config.ts';
import { DRIVES_MAXIMUM, type DiskBus } from '../../shared/disk-bus.ts';
import { formatSize, MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MAXIMUM, MEMORY_BYTES_MINIMUM, MIB } from '../../shared/sizes.ts';

const DISKS_MAXIMUM = 8;
const CD_DRIVES_MAXIMUM = 4;

export interface MappedMachine {
  /** Without its disks. */
  readonly config: Omit<MachineConfigInput, 'schemaVersion' | 'disks'>;
  /** One for each disk of the foreign machine, in its order; `undefined`: there is no place for it. */
  readonly disks: readonly (Pick<DiskConfig, 'bus' | 'readOnly' | 'discardChanges'> | undefined)[];
  readonly leftOut: readonly LeftOut[];
}

export function mapForeignMachine(machine: ForeignMachine): MappedMachine {
  const leftOut: LeftOut[] = [...machine.leftOut];
  if (machine.processors > 1) leftOut.push({ what: 'processors', detail: String(machine.processors) });
  const memoryBytes = memoryOf(machine.memoryBytes);
  if (memoryBytes !== machine.memoryBytes) leftOut.push({ what: 'memory', detail: formatSize(machine.memoryBytes) });
  const disks = placeDisks(machine, leftOut);
  // Discs get what IDE places the disks leave.
  const drives = machine.cdroms.slice(0, Math.min(CD_DRIVES_MAXIMUM, DRIVES_MAXIMUM.ide - disks.filter((disk) => disk?.bus === 'ide').length));
  for (const { path } of machine.cdroms.slice(drives.length)) leftOut.push({ what: 'disc', detail: path ?? '' });
  return {
    config: {
      architecture: machine.architecture, memoryBytes, notes: machine.notes, ...(machine.guestSystem !== undefined && { guestSystem: machine.guestSystem }),
      ...(machine.bootOrder.length > 0 && { bootOrder: machine.bootOrder }), cdroms: drives, adapters: mapAdapters(machine.adapters, leftOut),
    },
    disks, leftOut,
  };
}

function memoryOf(bytes: number): number {
  if (bytes === 0) return MEMORY_BYTES_DEFAULT;
  return Math.min(MEMORY_BYTES_MAXIMUM, Math.max(MEMORY_BYTES_MINIMUM, Math.ceil(bytes / MIB) * MIB));
}

function placeDisks({ disks, cdroms }: ForeignMachine, leftOut: LeftOut[]): MappedMachine['disks'] {
  // A drive for discs is kept free where there is one: systems are installed from it.
  const room = { ...DRIVES_MAXIMUM, ide: DRIVES_MAXIMUM.ide - (cdroms.length > 0 ? 1 : 0) };
  return disks.map((disk, index) => {
    if (index >= DISKS_MAXIMUM) {
      leftOut.push({ what: 'disk', detail: disk.file?.path ?? formatSize(disk.bytes) });
      return undefined;
    }
    const bus = busesFor(disk.bus).find((candidate) => room[candidate] > 0) ?? 'virtio';
    room[bus]--;
    if (bus !== (disk.bus === 'sata' ? 'ahci' : disk.bus)) leftOut.push({ what: 'disk-bus', detail: `${disk.bus} → ${bus}` });
    return { bus, readOnly: disk.readOnly, discardChanges: disk.discardChanges };
  });
}

/** The best first. What ran from a bus has a driver for it; else every system has one for IDE, and most have one for AHCI. */
function busesFor(bus: ForeignDisk['bus']): readonly DiskBus[] {
  switch (bus) {
    case 'virtio': return ['virtio'];
    case 'sata': return ['ahci', 'ide'];
    default: return ['ide', 'ahci'];
  }
}

function mapAdapters(adapters: readonly ForeignAdapter[], leftOut: LeftOut[]): AdapterConfigInput[] {
  const ports = new Set<string>();
  for (const { model } of adapters.slice(ADAPTERS_MAXIMUM)) leftOut.push({ what: 'network-model', detail: model });
  return adapters.slice(0, ADAPTERS_MAXIMUM).map(({ model, network, networkName, mac, connected, forwards }) => {
    const mapped = modelOf(model);
    if (mapped !== model) leftOut.push({ what: 'network-model', detail: `${model} → ${mapped}` });
    const mode = modeOf(network);
    if (network === 'bridged' || network === 'other') leftOut.push({ what: 'network-mode', detail: `${network}${networkName === '' ? '' : ` (${networkName})`} → ${mode}` });
    const own = forwards.filter((forward) => {
      const isFree = mode !== 'internal' && !ports.has(portKey(forward));
      if (!isFree) leftOut.push({ what: 'forward', detail: portKey(forward) });
      ports.add(portKey(forward));
      return isFree;
    });
    return { model: mapped, mode, network: nameOf(networkName), ...(mac !== undefined && { mac }), connected: connected && network !== 'none', forwards: own };
  });
}

type AdapterConfigInput = Partial<AdapterConfig>;

function portKey({ protocol, host }: PortForwardConfig): string {
  return `${protocol} ${host.address} ${host.port}`;
}

function modelOf(model: ForeignAdapter['model']): AdapterConfig['model'] {
  if (model === 'ne2000') return 'ne2000-pci';
  return model === 'virtio' || model === 'rtl8139' || model === 'pcnet' ? model : 'e1000';
}

function modeOf(network: ForeignAdapter['network']): AdapterConfig['mode'] {
  return network === 'nat-network' || network === 'internal' || network === 'host-only' ? network : 'nat';
}

function nameOf(network: string): string {
  return network.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 32) || 'default';
}
