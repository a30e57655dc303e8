/** Which place each attached disk and disc gets, and how the firmware calls it. Guests name their disks by it. */
import { BOOT_ORDER_DEFAULT, type BootDevice } from '../../shared/boot-order.ts';
import type { DiskBus } from '../../shared/disk-bus.ts';
import { ahciBootPath, ideBootPath, pciBootPath } from '../firmware/firmware-items.ts';
import type { BlockBackend } from '../interfaces/block-backend.ts';
import { AHCI_PORT_COUNT, PCI_VIRTIO_DISK_SLOTS } from './pc-layout.ts';

export interface AttachedDisk {
  /** `undefined` is an empty CD drive. */
  readonly backend: BlockBackend | undefined;
  readonly bus: DiskBus;
  readonly kind: 'disk' | 'cdrom';
}

/** What a disk or drive says it is called, by its order. */
export function driveSerial(index: number): string {
  return `GUESTHOUSE${String(index).padStart(4, '0')}`;
}

export interface IdePlace {
  readonly channel: 0 | 1;
  readonly drive: 0 | 1;
  readonly disk: AttachedDisk;
}

export interface DriveBays {
  readonly ide: readonly IdePlace[];
  /** By port. */
  readonly ahci: readonly AttachedDisk[];
  /** By PCI slot. */
  readonly virtio: readonly { readonly slot: number; readonly disk: AttachedDisk }[];
  /** Firmware paths in the order in which they are tried. */
  readonly bootPaths: readonly string[];
}

/** Disks fill the primary channel first, discs the secondary, so that the usual one of each is /dev/sda and /dev/sr0 alone. */
const DISK_PLACES = [[0, 0], [0, 1], [1, 1], [1, 0]] as const;
const DISC_PLACES = [[1, 0], [1, 1], [0, 1], [0, 0]] as const;

/** `undefined` where there are more disks than places. `networkPaths` are those of the network cards that can be booted by. */
export function assignDriveBays(disks: readonly AttachedDisk[], bootOrder: readonly BootDevice[], networkPaths: readonly string[] = []): DriveBays | undefined {
  const ide: IdePlace[] = [];
  const ahci: AttachedDisk[] = [];
  const virtio: { slot: number; disk: AttachedDisk }[] = [];
  const paths: { kind: BootDevice; path: string }[] = networkPaths.map((path) => ({ kind: 'net', path }));
  for (const disk of disks) {
    const kind = disk.kind === 'disk' ? 'hd' : 'cd';
    if (disk.bus === 'virtio') {
      const slot = PCI_VIRTIO_DISK_SLOTS[virtio.length];
      if (slot === undefined) return undefined;
      virtio.push({ slot, disk });
      paths.push({ kind, path: pciBootPath(slot) });
      continue;
    }
    if (disk.bus === 'ahci') {
      if (ahci.length === AHCI_PORT_COUNT) return undefined;
      paths.push({ kind, path: ahciBootPath(ahci.length) });
      ahci.push(disk);
      continue;
    }
    const place = (disk.kind === 'disk' ? DISK_PLACES : DISC_PLACES).find(([channel, drive]) => !ide.some((taken) => taken.channel === channel && taken.drive === drive));
    if (place === undefined) return undefined;
    const [channel, drive] = place;
    ide.push({ channel, drive, disk });
    paths.push({ kind, path: ideBootPath(channel, drive) });
  }
  const order = bootOrder.length > 0 ? bootOrder : BOOT_ORDER_DEFAULT;
  return { ide, ahci, virtio, bootPaths: order.flatMap((kind) => paths.filter((path) => path.kind === kind).map(({ path }) => path)) };
}
