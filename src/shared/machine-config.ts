/**
 * `machine.json`, the description of a machine in its VM folder. The folder's name is the machine's name, so that a
 * copied folder is a machine of its own; the file holds no name.
 */
import { z } from 'zod';
import { BOOT_DEVICES, BOOT_ORDER_DEFAULT } from './boot-order.ts';
import { DISC_BUSES, DISK_BUSES } from './disk-bus.ts';
import { DISK_FORMATS } from './disk-format.ts';
import { descriptionShape } from './machine-description.ts';
import { ADAPTERS_MAXIMUM, adapterConfigSchema } from './network-config.ts';
import { fail, ok } from './result.ts';
import type { Result } from './result.ts';
import { checkMemoryBytes, KIB, MEMORY_BYTES_DEFAULT } from './sizes.ts';

export const MACHINE_SCHEMA_VERSION = 1;
export const MACHINE_FOLDER_SUFFIX = '.guestvm';
export const MACHINE_FILE = 'machine.json';

export const ARCHITECTURES = ['x86_64', 'i386'] as const;
export const ACCELERATORS = ['auto', 'translator', 'interpreter', 'kvm'] as const;
/** How the window shows the guest's screen: see `place-screen.ts`. */
export const SCALINGS = ['fit', 'crisp', 'smooth', 'integer', 'native'] as const;
export type Scaling = (typeof SCALINGS)[number];
/** Keyboards that the guest may think it has, for text that is typed into it. */
export const KEYBOARD_LAYOUTS = ['us', 'de'] as const;
export type KeyboardLayout = (typeof KEYBOARD_LAYOUTS)[number];
/** Keys that can be the host key, as DOM `KeyboardEvent.code` values. */
export const HOST_KEYS = ['ControlRight', 'AltRight', 'MetaRight', 'ControlLeft+AltLeft'] as const;
export const CPU_LIMIT_PERCENT_MINIMUM = 5;
export const REPLICATION_MINUTES_MINIMUM = 5;
export const GENERATIONS_KEPT_DEFAULT = 7;

/**
 * A medium's path: relative with forward slashes means inside the VM folder; absolute (`/…`, `C:\…`, `\\…`) means a file
 * attached from elsewhere, kept as given. A relative path may not leave the folder.
 */
export const mediumPathSchema = z.string().min(1).max(4096)
  .refine((path) => !path.includes('\0'), 'holds a NUL character')
  .refine((path) => isAbsoluteMediumPath(path) || !path.split(/[\\/]/).includes('..'), 'leaves the VM folder');

export function isAbsoluteMediumPath(path: string): boolean {
  return /^(?:[\\/]|[A-Za-z]:[\\/])/.test(path);
}

const memoryBytesSchema = z.number().superRefine((bytes, context) => {
  const checked = checkMemoryBytes(bytes);
  if (!checked.ok) context.addIssue({ code: 'custom', message: checked.error.message });
});

export const diskConfigSchema = z.object({
  path: mediumPathSchema,
  /** Of what is in the file. Never found out anew: a guest could make its raw disk look like something else. */
  format: z.enum(DISK_FORMATS).default('raw'),
  bus: z.enum(DISK_BUSES).default('ide'),
  readOnly: z.boolean().default(false),
  discardChanges: z.boolean().default(false),
  /** Folders besides the image's own in which files may lie that the image names, such as its backing file. */
  backingFolders: z.array(z.string().min(1).max(4096)).max(16).default([]),
  /** No limit where it isn't given. */
  bytesPerSecondMaximum: z.number().int().min(64 * KIB).max(1e12).optional(),
});
export type DiskConfig = z.infer<typeof diskConfigSchema>;

/** A CD drive; empty without a path. */
export const cdromConfigSchema = z.object({ path: mediumPathSchema.optional(), bus: z.enum(DISC_BUSES).default('ide') });
export type CdromConfig = z.infer<typeof cdromConfigSchema>;

/** Boots a Linux kernel without firmware menus or boot loader. Paths follow the rules of media. */
export const directBootSchema = z.object({
  kernel: mediumPathSchema,
  initrd: mediumPathSchema.optional(),
  commandLine: z.string().max(2047).default(''),
});
export type DirectBootConfig = z.infer<typeof directBootSchema>;

export const replicationSchema = z.object({
  folder: z.string().min(1).max(4096).refine(isAbsoluteMediumPath, 'is no whole path'),
  everyMinutes: z.number().int().min(REPLICATION_MINUTES_MINIMUM).max(60 * 24 * 31),
  /** Generations. */
  keep: z.number().int().min(1).max(1000).default(GENERATIONS_KEPT_DEFAULT),
});
export type ReplicationConfig = z.infer<typeof replicationSchema>;

export const bootOrderSchema = z.array(z.enum(BOOT_DEVICES)).max(BOOT_DEVICES.length);

export const machineConfigSchema = z.object({
  schemaVersion: z.literal(MACHINE_SCHEMA_VERSION),
  architecture: z.enum(ARCHITECTURES).default('x86_64'),
  accelerator: z.enum(ACCELERATORS).default('auto'),
  memoryBytes: memoryBytesSchema.default(MEMORY_BYTES_DEFAULT),
  disks: z.array(diskConfigSchema).max(8).default([]),
  cdroms: z.array(cdromConfigSchema).max(4).default([]),
  bootOrder: bootOrderSchema.default([...BOOT_ORDER_DEFAULT]),
  /** None where nothing is said: a machine of an earlier version gets no way out. */
  adapters: z.array(adapterConfigSchema).max(ADAPTERS_MAXIMUM).default([]),
  /** Used in place of the firmware's boot order when present. */
  directBoot: directBootSchema.optional(),
  /** Files inside the app that a machine made from a bundled guest boots from; they never enter the VM folder. */
  bundledGuest: z.string().regex(/^[a-z0-9-]{1,64}$/).optional(),
  display: z.object({ adapter: z.literal('stdvga').default('stdvga'), scaling: z.enum(SCALINGS).default('fit') }).default({ adapter: 'stdvga', scaling: 'fit' }),
  input: z.object({
    keyboardLayout: z.enum(KEYBOARD_LAYOUTS).default('us'),
    /** The app's where there is none. */
    hostKey: z.enum(HOST_KEYS).optional(),
    /** A click into the screen captures the mouse, and not only the menu's entry. */
    captureOnClick: z.boolean().default(true),
  }).default({ keyboardLayout: 'us', captureOnClick: true }),
  /** Share of one host core that the guest's processor may use. */
  cpuLimitPercent: z.number().int().min(CPU_LIMIT_PERCENT_MINIMUM).max(100).default(100),
  serial: z.object({ logToFile: z.boolean().default(true) }).default({ logToFile: true }),
  time: z.object({
    mode: z.union([z.literal('host'), z.object({ instructionsPerMicrosecond: z.number().int().min(1).max(100_000) })]).default('host'),
    /** Seconds since 1970 that the RTC shows at power-on; absent is the host's time. */
    rtcEpochSeconds: z.number().int().min(0).max(4_102_444_800).optional(),
    seed: z.number().int().min(0).max(0xffff_ffff).optional(),
  }).default({ mode: 'host' }),
  onReset: z.enum(['reboot', 'stop']).default('reboot'),
  /** A linked clone: its disks lie on those of another machine's snapshot. */
  linkedTo: z.object({ machine: z.string().min(1).max(64), snapshot: z.string().min(1).max(64) }).optional(),
  /** Copied into a replica at `folder` by itself, whether it is on or off. */
  replication: replicationSchema.optional(),
  /** It is there to be cloned, and doesn't start itself. */
  isTemplate: z.boolean().optional(),
  /** The machine becomes this snapshot again whenever it goes off, unless it is saved. */
  resetToSnapshot: z.string().min(1).max(64).optional(),
  ...descriptionShape,
});
export type MachineConfig = z.infer<typeof machineConfigSchema>;
export type MachineConfigInput = z.input<typeof machineConfigSchema>;

/** From version N to N + 1, for every N before the present one. */
const MIGRATIONS: Readonly<Record<number, (older: Record<string, unknown>) => Record<string, unknown>>> = {};

/**
 * Reads the text of a `machine.json`, migrating older schemas forward (in memory only).
 * Errors: `machine-config.not-json`, `machine-config.no-version`, `machine-config.newer-schema`, `machine-config.invalid`.
 */
export function parseMachineConfig(text: string): Result<MachineConfig> {
  const repair = 'repair machine.json or restore it from a copy';
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return fail('machine-config.not-json', `machine.json is not valid JSON (${error instanceof Error ? error.message : 'unreadable'})`, repair);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return fail('machine-config.invalid', 'machine.json holds no object', repair);
  let current = parsed as Record<string, unknown>;
  let version = current['schemaVersion'];
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) return fail('machine-config.no-version', 'machine.json has no valid schemaVersion', repair);
  if (version > MACHINE_SCHEMA_VERSION) {
    return fail('machine-config.newer-schema', `machine.json has schema ${version}, and this Guesthouse knows schemas up to ${MACHINE_SCHEMA_VERSION}`, 'open it with a newer Guesthouse');
  }
  while (version < MACHINE_SCHEMA_VERSION) {
    const migrate = MIGRATIONS[version];
    if (migrate === undefined) return fail('machine-config.invalid', `machine.json has schema ${version}, from which there is no way forward`, repair);
    version += 1;
    current = { ...migrate(current), schemaVersion: version };
  }
  const checked = machineConfigSchema.safeParse(current);
  if (checked.success) return ok(checked.data);
  return fail('machine-config.invalid', `machine.json is not valid (${describeIssues(checked.error)})`, repair);
}

/** The first few problems that a schema found, as `path: problem`. */
export function describeIssues(error: z.ZodError): string {
  const shown = error.issues.slice(0, 3).map((issue) => {
    const place = issue.path.map(String).join('.');
    return place === '' ? issue.message : `${place}: ${issue.message}`;
  });
  return shown.join('; ') + (error.issues.length > 3 ? '; …' : '');
}

const RESERVED_NAMES = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?$/i;

/** A machine's name must be a file name on every system. Error: `machine-name.invalid`. */
export function checkMachineName(name: string): Result<string> {
  const problem = name.trim() === '' ? 'is empty'
    : name.length > 64 ? 'is longer than 64 characters'
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    : /[\u0000-\u001f\u007f<>:"/\\|?*]/.test(name) ? 'holds a character that a file name can\'t hold'
    : name !== name.trim() || name.startsWith('.') || name.startsWith('-') || name.endsWith('.') ? 'begins or ends with a character that a file name can\'t begin or end with'
    : RESERVED_NAMES.test(name) || name.toLowerCase().endsWith(MACHINE_FOLDER_SUFFIX) ? 'is reserved'
    : undefined;
  if (problem === undefined) return ok(name.normalize('NFC'));
  // eslint-disable-next-line no-control-regex -- control characters must not reach a terminal
  const shown = name.replace(/[\u0000-\u001f\u007f]/g, '?').slice(0, 64);
  return fail('machine-name.invalid', `the machine name "${shown}" ${problem}`, 'choose another name of letters, digits, spaces and dashes');
}
