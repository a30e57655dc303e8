/** A machine as another program's configuration describes it, in words of no program. It comes from untrusted files. */
import { z } from 'zod';
import { DISK_FORMATS } from './disk-format.ts';
import { ARCHITECTURES, bootOrderSchema } from './machine-config.ts';
import { GUEST_SYSTEMS } from './machine-description.ts';
import { portForwardSchema } from './network-config.ts';

export const FOREIGN_SOURCES = ['virtualbox', 'vmware', 'utm', 'quickemu', 'ovf'] as const;
export type ForeignSource = (typeof FOREIGN_SOURCES)[number];

/** What a configuration has and a machine of ours hasn't, or has otherwise. */
export const LEFT_OUT = [
  'processors', 'memory', 'firmware', 'disk', 'disk-bus', 'disc', 'floppy', 'network-model', 'network-mode', 'forward', 'shared-folder', 'usb', 'sound', 'graphics',
  'tpm', 'secure-boot', 'serial-port', 'parallel-port', 'snapshots', 'nested-machines', 'guest-settings', 'setting',
] as const;
export type LeftOutKind = (typeof LEFT_OUT)[number];
export const leftOutSchema = z.object({ what: z.enum(LEFT_OUT), /** As the configuration says it. */ detail: z.string().max(300) });
export type LeftOut = z.infer<typeof leftOutSchema>;

const text = z.string().max(4096);
export const FOREIGN_BUSES = ['ide', 'sata', 'scsi', 'nvme', 'virtio', 'usb', 'other'] as const;
export const FOREIGN_ADAPTERS = ['virtio', 'e1000', 'rtl8139', 'pcnet', 'ne2000', 'vmxnet', 'other'] as const;
export const FOREIGN_NETWORKS = ['nat', 'nat-network', 'internal', 'host-only', 'bridged', 'none', 'other'] as const;

/** A part of a file that is an image by itself, as a tar archive holds it. */
export const withinSchema = z.object({ offset: z.number().int().nonnegative(), bytes: z.number().int().nonnegative() });
export type Within = z.infer<typeof withinSchema>;

/** A file, or a part of one. Paths are absolute. */
const fileSchema = z.object({ path: text, within: withinSchema.optional() });

export const foreignDiskSchema = z.object({
  /** Absent: an empty disk of `bytes`. */
  file: fileSchema.optional(),
  /** What its content says where it isn't given. */
  format: z.enum(DISK_FORMATS).optional(),
  /** Of an empty disk; of others, what the file takes. */
  bytes: z.number().nonnegative(),
  bus: z.enum(FOREIGN_BUSES),
  readOnly: z.boolean().default(false),
  discardChanges: z.boolean().default(false),
});
export type ForeignDisk = z.infer<typeof foreignDiskSchema>;

export const foreignAdapterSchema = z.object({
  model: z.enum(FOREIGN_ADAPTERS),
  network: z.enum(FOREIGN_NETWORKS),
  networkName: z.string().max(200).default(''),
  mac: z.string().regex(/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/).optional(),
  connected: z.boolean().default(true),
  forwards: z.array(portForwardSchema).max(64).default([]),
});
export type ForeignAdapter = z.infer<typeof foreignAdapterSchema>;

export const foreignMachineSchema = z.object({
  source: z.enum(FOREIGN_SOURCES),
  name: z.string().max(200),
  architecture: z.enum(ARCHITECTURES),
  memoryBytes: z.number().nonnegative(),
  processors: z.number().int().nonnegative(),
  guestSystem: z.enum(GUEST_SYSTEMS).optional(),
  notes: z.string().max(10_000),
  disks: z.array(foreignDiskSchema).max(64),
  /** Drives; empty without a path. */
  cdroms: z.array(z.object({ path: text.optional() })).max(64),
  adapters: z.array(foreignAdapterSchema).max(64),
  bootOrder: bootOrderSchema,
  leftOut: z.array(leftOutSchema).max(200),
  /** The folder that the configuration may take files from. */
  folder: text,
  /** Files that it names and that lie outside that folder. */
  outside: z.array(text).max(128),
});
export type ForeignMachine = z.infer<typeof foreignMachineSchema>;
