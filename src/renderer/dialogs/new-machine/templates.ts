/** What each family of guest systems does well with, and whether this PC can offer it. */
import type { NewMachine } from '../../../shared/api.ts';
import type { DiskBus } from '../../../shared/disk-bus.ts';
import type { GuestSystem } from '../../../shared/machine-description.ts';
import type { AdapterModel } from '../../../shared/network-config.ts';
import { GIB, MIB } from '../../../shared/sizes.ts';
import type { en } from '../../i18n/en.ts';

export interface Template {
  readonly system: GuestSystem;
  readonly architecture: 'x86_64' | 'i386';
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** What the system's installer has drivers for. */
  readonly diskBus: DiskBus;
  /** Absent: it has no driver for an adapter that there is. */
  readonly adapter: AdapterModel | undefined;
  /** Why this PC can't run it as it should. */
  readonly lacks?: keyof typeof en.newMachine.lacks;
}

export const TEMPLATES: readonly Template[] = [
  { system: 'linux-64', architecture: 'x86_64', memoryBytes: 2 * GIB, diskBytes: 16 * GIB, diskBus: 'virtio', adapter: 'virtio' },
  { system: 'linux-32', architecture: 'i386', memoryBytes: 1 * GIB, diskBytes: 8 * GIB, diskBus: 'virtio', adapter: 'virtio' },
  { system: 'bsd', architecture: 'x86_64', memoryBytes: 1 * GIB, diskBytes: 16 * GIB, diskBus: 'ide', adapter: 'e1000' },
  { system: 'windows', architecture: 'x86_64', memoryBytes: 4 * GIB, diskBytes: 64 * GIB, diskBus: 'ide', adapter: 'e1000', lacks: 'newWindows' },
  { system: 'windows-xp', architecture: 'i386', memoryBytes: 512 * MIB, diskBytes: 16 * GIB, diskBus: 'ide', adapter: 'rtl8139' },
  // More than 512 MiB makes Windows 98 fail at its start.
  { system: 'windows-9x', architecture: 'i386', memoryBytes: 128 * MIB, diskBytes: 2 * GIB, diskBus: 'ide', adapter: 'rtl8139' },
  // FAT16 and the BIOS calls of old versions end at 2 GiB.
  { system: 'dos', architecture: 'i386', memoryBytes: 32 * MIB, diskBytes: 512 * MIB, diskBus: 'ide', adapter: undefined },
  { system: 'other', architecture: 'x86_64', memoryBytes: 1 * GIB, diskBytes: 8 * GIB, diskBus: 'ide', adapter: 'e1000' },
];

export function templateOf(system: GuestSystem): Template {
  const found = TEMPLATES.find((template) => template.system === system);
  if (found === undefined) throw new Error(`there is no template for ${system}`);
  return found;
}

export function adaptersOf({ adapter }: Template, wanted: boolean): NewMachine['adapters'] {
  return wanted && adapter !== undefined ? [{ model: adapter }] : [];
}
