/** What disks and CD drives are attached by, as the command line and `machine.json` name it. */
export const DISK_BUSES = ['ide', 'ahci', 'virtio'] as const;
export type DiskBus = (typeof DISK_BUSES)[number];
export const DISC_BUSES = ['ide', 'ahci'] as const;
export type DiscBus = (typeof DISC_BUSES)[number];

/** What people call them. */
export const BUS_NAMES: Readonly<Record<DiskBus, string>> = { ide: 'IDE', ahci: 'SATA', virtio: 'virtio' };

/** Disks and CD drives together. IDE has two channels of two drives, the AHCI controller six ports. */
export const DRIVES_MAXIMUM: Readonly<Record<DiskBus, number>> = { ide: 4, ahci: 6, virtio: 8 };
