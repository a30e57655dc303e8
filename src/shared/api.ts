/**
 * What a shell's user interface (renderer, CLI) and main say to each other.
 *
 * Calls: `noun.method` with one input object, answered by a `Result`. Events: `{ event, payload }`, sent to everyone who
 * is connected. Channels: one two-way pipe per opened display or console of a machine, carrying `DisplayUp`/`DisplayDown`
 * or `ConsoleUp`/`ConsoleDown` messages.
 *
 * Desktop shell: the preload exposes `window.guesthouse`, a `DesktopBridge`; a channel's MessagePort arrives in the page as
 * a `message` event of `window` whose data is `{ guesthouseChannel: channelId }`.
 * Browser shell: a WebSocket at `/api` carries `ClientMessage` up and `ServerMessage` down; each channel is a WebSocket at
 * `/channel/KIND/NAME`, such as `/channel/display/NAME`. All are binary messages of `wire.ts`.
 */
import { BOOT_ORDER_DEFAULT } from './boot-order.ts';
import { ADAPTERS_MAXIMUM, adapterConfigSchema } from './network-config.ts';
import { z } from 'zod';
import { bundleFactsSchema, knownSignerSchema, signerNameSchema } from './bundle.ts';
import { ACCELERATORS, ARCHITECTURES, cdromConfigSchema, directBootSchema, diskConfigSchema, KEYBOARD_LAYOUTS, isAbsoluteMediumPath, GENERATIONS_KEPT_DEFAULT, bootOrderSchema, machineConfigSchema, mediumPathSchema, replicationSchema } from './machine-config.ts';
import { descriptionChangesShape, descriptionShape } from './machine-description.ts';
import { DISK_BUSES } from './disk-bus.ts';
import { DISK_FORMATS } from './disk-format.ts';
import { foreignMachineSchema, leftOutSchema } from './foreign-machine.ts';
import { generationSchema, generationsSchema, mediaCheckSchema, mediaDoneSchema, mediaInfoSchema, publicKeySchema } from './media-protocol.ts';
import { machineErrorSchema } from './machine-error.ts';
import { mediumFactsSchema } from './medium-facts.ts';
import { preferenceChangesSchema, preferencesSchema } from './preferences.ts';
import type { MachineError, Result } from './result.ts';
import { displayFrameSchema, networkStateSchema, vmStatsSchema } from './vm-protocol.ts';
import type { VmCommand } from './vm-protocol.ts';

const bytes = z.instanceof(Uint8Array);
const nothing = z.object({});
/** Only its shape: what a name may be is `checkMachineName`, and an unknown one is `library.no-such-machine`. */
const name = z.string().min(1).max(64);
const byName = z.object({ name });

/** `saving`: the guest stands still while its state is written; then the machine is off. */
export const MACHINE_STATES = ['off', 'starting', 'running', 'paused', 'saving', 'stopping', 'crashed'] as const;
export type MachineState = (typeof MACHINE_STATES)[number];

export const machineStatusSchema = z.object({
  state: z.enum(MACHINE_STATES),
  /** The VM process has not answered for a while. It is shown, not killed. */
  unresponsive: z.boolean(),
  /** Resets in the last minute; `resetLoop` when they are too many to be anybody's wish. */
  resetsInLastMinute: z.number().int().nonnegative(),
  resetLoop: z.boolean(),
  /** The guest stopped its CPU for good, with interrupts off. */
  haltedForever: z.boolean(),
  /** A disk can't be read or written: the machine stands still until that is mended. */
  diskTrouble: machineErrorSchema.optional(),
  /** Milliseconds since 1970; absent unless the machine is on. */
  startedAt: z.number().optional(),
  /** Why the machine went off by itself, and the last lines of its log. */
  crash: z.object({ error: machineErrorSchema, lastLogLines: z.array(z.string()) }).optional(),
});
export type MachineStatus = z.infer<typeof machineStatusSchema>;

export const MACHINE_OFF: MachineStatus = { state: 'off', unresponsive: false, resetsInLastMinute: 0, resetLoop: false, haltedForever: false };

/** A VM folder in the library. A broken one (`config` absent) says why; its files are left untouched. */
export const libraryEntrySchema = z.object({
  name: z.string(),
  folder: z.string(),
  status: machineStatusSchema,
  config: machineConfigSchema.optional(),
  broken: machineErrorSchema.optional(),
  /** It runs in this bundle, and keeps its changes to itself until it is kept or discarded. */
  bundlePath: z.string().optional(),
  /** The machine is off, and goes on where it was when it is started. */
  hasSavedState: z.boolean().optional(),
  /** Bytes that the VM folder's files occupy on the host; only from `library.get`. */
  bytesOnHost: z.number().optional(),
  /** Settings that differ from what the machine was started with and wait for its next start. */
  atNextStart: z.array(z.string()).optional(),
});
export type LibraryEntry = z.infer<typeof libraryEntrySchema>;

/** A node of a machine's tree of snapshots. */
export const snapshotSchema = z.object({
  id: z.string(),
  name: z.string(),
  notes: z.string(),
  /** The snapshot that the machine came from when this one was taken. */
  parent: z.string().optional(),
  /** Milliseconds since 1970. */
  takenAt: z.number(),
  /** Of the running machine: restoring it brings back what ran. Otherwise it has the disks only. */
  hasMemory: z.boolean(),
  hasThumbnail: z.boolean(),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

export const snapshotTreeSchema = z.object({
  /** Parents come before their children. */
  snapshots: z.array(snapshotSchema),
  /** What the machine is as it is now came from. */
  current: z.string().optional(),
});
export type SnapshotTree = z.infer<typeof snapshotTreeSchema>;

const snapshotName = z.string().trim().min(1).max(200);
const snapshotNotes = z.string().max(10_000);
/** A machine's snapshot by its id, or by its name where only one has that. */
const bySnapshot = z.object({ name, snapshot: z.string().min(1).max(200) });

export const newMachineSchema = z.object({
  name,
  architecture: z.enum(ARCHITECTURES).default('x86_64'),
  accelerator: z.enum(ACCELERATORS).default('auto'),
  memoryBytes: z.number(),
  /** An empty disk made inside the VM folder. */
  newDiskBytes: z.number().optional(),
  newDiskBus: z.enum(DISK_BUSES).default('ide'),
  /** Disk images attached from where they are. */
  disks: z.array(diskConfigSchema).max(8).default([]),
  cdroms: z.array(cdromConfigSchema).max(4).default([]),
  adapters: z.array(adapterConfigSchema).max(ADAPTERS_MAXIMUM).default([]),
  bootOrder: bootOrderSchema.default([...BOOT_ORDER_DEFAULT]),
  /** A disk image that is copied into the VM folder, where it becomes the first disk. */
  importDisk: z.object({ path: mediumPathSchema, bus: z.enum(DISK_BUSES).default('ide') }).optional(),
  directBoot: directBootSchema.optional(),
  ...descriptionShape,
});
export type NewMachine = z.input<typeof newMachineSchema>;

const settingsShape = machineConfigSchema.shape;
/** What can be changed of a machine; what is absent stays. While it is on, a part of it waits for its next start. */
export const machineChangesSchema = z.object({
  architecture: z.enum(ARCHITECTURES).optional(),
  cpuLimitPercent: z.number().optional(),
  display: settingsShape.display.unwrap().optional(),
  input: settingsShape.input.unwrap().optional(),
  serial: settingsShape.serial.unwrap().optional(),
  time: settingsShape.time.unwrap().optional(),
  /** `null`: it starts from its disks. */
  directBoot: directBootSchema.nullable().optional(),
  memoryBytes: z.number().optional(),
  accelerator: z.enum(ACCELERATORS).optional(),
  disks: z.array(diskConfigSchema).max(8).optional(),
  cdroms: z.array(cdromConfigSchema).max(4).optional(),
  adapters: z.array(adapterConfigSchema).max(ADAPTERS_MAXIMUM).optional(),
  bootOrder: bootOrderSchema.optional(),
  onReset: z.enum(['reboot', 'stop']).optional(),
  isTemplate: z.boolean().optional(),
  /** `null`: only when somebody asks for it. */
  replication: replicationSchema.nullable().optional(),
  ...descriptionChangesShape,
});
export type MachineChanges = z.input<typeof machineChangesSchema>;

export const hostInfoSchema = z.object({
  shell: z.enum(['desktop', 'browser', 'command-line']),
  version: z.string(),
  platform: z.string(),
  hostName: z.string(),
  cpuModel: z.string(),
  cores: z.number().int().positive(),
  memoryBytes: z.number(),
  freeMemoryBytes: z.number(),
  /** What `auto` means here. */
  accelerator: z.enum(['interpreter', 'translator', 'kvm']),
  libraryFolder: z.string(),
});
export type HostInfo = z.infer<typeof hostInfoSchema>;

export const bundledGuestSchema = z.object({
  id: z.string(),
  title: z.string(),
  memoryBytes: z.number(),
  diskBytes: z.number(),
  architecture: z.enum(ARCHITECTURES),
});
export type BundledGuest = z.infer<typeof bundledGuestSchema>;

/** An image that machines of the library use, or that lies among their disks. */
export const knownMediumSchema = z.object({
  path: z.string(),
  kind: z.enum(['disk', 'cdrom']),
  /** As who uses it says. */
  format: z.enum(DISK_FORMATS).optional(),
  hostBytes: z.number().optional(),
  isMissing: z.boolean(),
  users: z.array(z.object({ machine: z.string(), isOn: z.boolean() })),
});
export type KnownMedium = z.infer<typeof knownMediumSchema>;

const absolutePath = mediumPathSchema.refine(isAbsoluteMediumPath, 'is no whole path');
const image = { path: absolutePath, format: z.enum(DISK_FORMATS).optional() };
export const mediumJobSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('info'), ...image }),
  z.object({ kind: z.literal('check'), ...image, repair: z.boolean() }),
  z.object({ kind: z.literal('compact'), ...image }),
  z.object({ kind: z.literal('resize'), ...image, bytes: z.number(), shrink: z.boolean() }),
  z.object({ kind: z.literal('convert'), ...image, targetPath: image.path, targetFormat: z.enum(DISK_FORMATS) }),
]);
export type MediumJob = z.infer<typeof mediumJobSchema>;
const jobId = z.string().min(1).max(64);

export const FILE_PURPOSES = ['disk-image', 'cd-image', 'bootable', 'kernel', 'bundle', 'folder', 'any'] as const;

const keyChanges = z.array(z.object({ code: z.string().max(32), down: z.boolean() })).max(1024);
const pointerMotion = { dx: z.number(), dy: z.number(), wheel: z.number(), buttons: z.number().int().min(0).max(7) };

/** Every call: noun → method → schemas. Outputs are validated too, by whoever reads them across a boundary. */
export const api = {
  library: {
    list: { input: nothing, output: z.object({ folder: z.string(), entries: z.array(libraryEntrySchema) }) },
    get: { input: byName, output: libraryEntrySchema },
    create: { input: newMachineSchema, output: libraryEntrySchema },
    /** Makes a machine from a bundled guest; without `name` it gets the guest's title, numbered when taken. */
    createFromBundledGuest: { input: z.object({ id: z.string(), name: name.optional() }), output: libraryEntrySchema },
    /** Copies a VM folder that lies elsewhere into the library, without what leads out of it. */
    importFolder: { input: z.object({ folder: z.string().min(1).max(4096) }), output: libraryEntrySchema },
    change: { input: z.object({ name, changes: machineChangesSchema }), output: libraryEntrySchema },
    /** A machine that is off as one file, with its snapshots and its saved state; `path` must not be there yet. */
    /** Signed with this computer's key where `sign` says so. */
    export: { input: z.object({ name, path: mediumPathSchema, sign: z.boolean().default(false), id: jobId.optional() }), output: z.object({ bytes: z.number() }) },
    /** A machine of a bundle, of that which the person was shown where `manifestSha256` is given; without `name` it gets the file's. */
    import: { input: z.object({ path: mediumPathSchema, name: name.optional(), manifestSha256: z.string().length(64).optional(), id: jobId.optional() }), output: libraryEntrySchema },
    /** A machine that is off, as it is now, as an OVF package: `path` ends in `.ova` or `.ovf`, and must not be there yet. */
    exportOvf: { input: z.object({ name, path: absolutePath.refine((path) => /\.(?:ova|ovf)$/i.test(path), 'ends in neither .ova nor .ovf'), id: jobId.optional() }), output: z.object({ bytes: z.number() }) },
    /** The command line of a QEMU that starts the machine as it is now, as one line for a shell and as words. */
    qemuCommand: { input: byName, output: z.object({ line: z.string(), words: z.array(z.string()), leftOut: z.array(leftOutSchema) }) },
    /** What another program's configuration, or an OVF package, describes: for a look before it is imported. */
    describeForeign: { input: z.object({ path: absolutePath, id: jobId.optional() }), output: foreignMachineSchema.pick({ source: true, name: true, memoryBytes: true, outside: true }).extend({ disks: z.number(), leftOut: z.array(leftOutSchema) }) },
    /**
     * A machine of such a configuration, its disks copied as qcow2 images. Files outside the configuration's folder have to be allowed
     * by `allowedOutside` (else `foreign.outside`, which names them). `media.progress` and `media.cancel` go by `id`.
     */
    importForeign: {
      input: z.object({ path: absolutePath, name: name.optional(), allowedOutside: z.array(z.string().max(4096)).max(128).default([]), id: jobId.optional() }),
      output: z.object({ entry: libraryEntrySchema, leftOut: z.array(leftOutSchema) }),
    },
    /** What a bundle holds, for a look before it runs. */
    inspectBundle: { input: z.object({ path: mediumPathSchema }), output: bundleFactsSchema },
    /** A machine that reads the bundle where it is and keeps its changes to itself. `manifestSha256` is of the bundle that the person was shown. */
    openBundle: { input: z.object({ path: mediumPathSchema, manifestSha256: z.string().length(64) }), output: libraryEntrySchema },
    /** Such a machine gets all that it needs of its bundle; or it goes, with its changes. */
    keep: { input: byName.extend({ id: jobId.optional() }), output: libraryEntrySchema },
    discard: { input: byName, output: nothing },
    /** A copy of a machine that is off; or, linked, a machine that begins as a snapshot (of that id or name) and shares it. */
    clone: { input: z.object({ name, newName: name, linked: z.boolean().default(false), snapshot: z.string().max(200).optional() }), output: libraryEntrySchema },
    rename: { input: z.object({ name, newName: name }), output: libraryEntrySchema },
    /** `trash` moves the VM folder beside the others into `.trash`; `for-good` can't be undone. Ask the person first. */
    delete: { input: z.object({ name, how: z.enum(['trash', 'for-good']) }), output: nothing },
  },
  machines: {
    /** Resolves when the board runs its first instruction (or with the reason why not). */
    /** With a saved state the machine goes on from there; `cold` drops that state for good: ask the person first. */
    start: { input: z.object({ name, cold: z.boolean().default(false), overcommit: z.boolean().default(false) }), output: machineStatusSchema },
    /** Saves the running machine's state and turns it off. Resolves when it is off. */
    save: { input: byName, output: machineStatusSchema },
    /** Drops the saved state of a machine that is off: its next start is a cold one. */
    discardSavedState: { input: byName, output: nothing },
    pause: { input: byName, output: machineStatusSchema },
    resume: { input: byName, output: machineStatusSchema },
    /** `acpi` presses the power button and returns; the guest decides. `force` ends the machine now. */
    stop: { input: z.object({ name, how: z.enum(['acpi', 'force']) }), output: machineStatusSchema },
    reset: { input: byName, output: nothing },
    /** Puts a CD image into a drive, or takes it out, also while the machine is on. `force` takes it from a guest that holds it (else `media.held`). */
    changeDisc: { input: z.object({ name, drive: z.number().int().min(0).max(3), path: mediumPathSchema.optional(), force: z.boolean().default(false) }), output: libraryEntrySchema },
    status: { input: byName, output: machineStatusSchema },
    sendKeys: { input: z.object({ name, events: keyChanges }), output: nothing },
    typeText: { input: z.object({ name, text: z.string().max(65_536) }), output: nothing },
    pointer: { input: z.object({ name, ...pointerMotion }), output: nothing },
    serialInput: { input: z.object({ name, bytes }), output: nothing },
    /** PNG of the guest's screen. */
    screenshot: { input: byName, output: z.object({ png: bytes }) },
    /** Rows of a text-mode screen; absent in graphics modes. */
    screenText: { input: byName, output: z.object({ rows: z.array(z.string()).optional() }) },
    stats: { input: byName, output: vmStatsSchema },
    /** Counters of each adapter and what is open through it, of a machine that is on. */
    network: { input: byName, output: z.object({ adapters: networkStateSchema }) },
    /** Writes all frames of an adapter, from now on, to a new pcapng file among the machine's logs; or stops that. */
    capture: { input: z.object({ name, adapter: z.number().int().min(0).max(ADAPTERS_MAXIMUM - 1), isOn: z.boolean() }), output: z.object({ path: z.string().optional() }) },
    /** The last lines of the machine's log file, also when it is off. */
    logs: { input: z.object({ name, lines: z.number().int().min(1).max(10_000).default(200) }), output: z.object({ lines: z.array(z.string()) }) },
  },
  snapshots: {
    list: { input: byName, output: snapshotTreeSchema },
    /** Of a running machine with its memory, while it runs on; of one that is off, of its disks (and its saved state). */
    take: { input: z.object({ name, snapshotName, notes: snapshotNotes.default('') }), output: snapshotSchema },
    /**
     * The machine becomes what it was; a running one is ended for it. What it is now is lost, unless it is saved first as a
     * snapshot of the name `saveCurrentAs`. It is started again when it was on, or `start` says so.
     */
    restore: { input: bySnapshot.extend({ saveCurrentAs: snapshotName.optional(), start: z.boolean().default(false) }), output: machineStatusSchema },
    /** The machine as it is and other snapshots keep what they have of it. */
    delete: { input: bySnapshot, output: nothing },
    change: { input: bySnapshot.extend({ newName: snapshotName.optional(), notes: snapshotNotes.optional() }), output: snapshotSchema },
    /** From now on the machine becomes this snapshot again whenever it goes off; without one it keeps what it is. */
    resetOnPowerOff: { input: z.object({ name, snapshot: z.string().max(200).optional() }), output: nothing },
    /** The guest's screen at that moment, where there is a picture of it. */
    thumbnail: { input: bySnapshot, output: z.object({ png: bytes.optional() }) },
  },
  replicas: {
    /** The next generation of a machine's replica in `folder`: of one that is on the moment when it is asked, with its memory. */
    make: { input: z.object({ name, folder: absolutePath, keep: z.number().int().min(1).max(1000).default(GENERATIONS_KEPT_DEFAULT), id: jobId.optional() }), output: generationSchema },
    /** Oldest first. */
    list: { input: z.object({ folder: absolutePath }), output: generationsSchema },
    verify: { input: z.object({ folder: absolutePath, generation: z.string().max(64).optional(), id: jobId.optional() }), output: generationSchema },
    /** A machine of a generation, the newest where none is named. */
    restore: { input: z.object({ folder: absolutePath, generation: z.string().max(64).optional(), name, id: jobId.optional() }), output: libraryEntrySchema },
  },
  signers: {
    /** Whose keys the person has given names. */
    list: { input: nothing, output: z.object({ signers: z.array(knownSignerSchema) }) },
    remember: { input: z.object({ publicKey: publicKeySchema, name: signerNameSchema }), output: knownSignerSchema },
    forget: { input: z.object({ name: signerNameSchema }), output: nothing },
  },
  media: {
    /** What a disk or CD image holds, by its content. */
    recognize: { input: z.object({ path: z.string().min(1).max(4096) }), output: mediumFactsSchema },
    list: { input: nothing, output: z.object({ media: z.array(knownMediumSchema) }) },
    /** An empty disk in the machine's own folder; `path` is for its settings, which are left as they are. */
    createDisk: { input: z.object({ machine: name, bytes: z.number(), format: z.enum(['qcow2', 'raw']) }), output: z.object({ path: z.string() }) },
    /** Answers when the job is over; until then `media.progress` tells how far it is. `id` is the caller's, to tell jobs apart and cancel them. */
    run: { input: z.object({ id: jobId, job: mediumJobSchema }), output: z.object({ info: mediaInfoSchema.optional(), check: mediaCheckSchema.optional(), done: mediaDoneSchema.optional() }) },
    cancel: { input: z.object({ id: jobId }), output: nothing },
  },
  preferences: {
    get: { input: nothing, output: preferencesSchema },
    set: { input: preferenceChangesSchema, output: preferencesSchema },
  },
  host: {
    info: { input: nothing, output: hostInfoSchema },
  },
  guests: {
    bundled: { input: nothing, output: z.object({ guests: z.array(bundledGuestSchema) }) },
  },
  dialogs: {
    /** Desktop shell only (elsewhere `dialogs.not-here`: use `files.browse`). `path` is absent when the person cancelled. */
    pickFile: { input: z.object({ title: z.string(), purpose: z.enum(FILE_PURPOSES) }), output: z.object({ path: z.string().optional() }) },
  },
  files: {
    /** One folder of the host, for choosing a file in the browser shell. Without `path`: the person's home. */
    browse: {
      input: z.object({ path: z.string().max(4096).optional(), purpose: z.enum(FILE_PURPOSES).default('any') }),
      output: z.object({
        path: z.string(),
        parent: z.string().optional(),
        entries: z.array(z.object({ name: z.string(), path: z.string(), kind: z.enum(['folder', 'file']), bytes: z.number().optional() })),
        /** There were more entries than are listed. */
        truncated: z.boolean(),
      }),
    },
  },
} as const;

export type Api = typeof api;
export type Noun = keyof Api;
export type MethodName = { [N in Noun]: `${N}.${keyof Api[N] & string}` }[Noun];

type Schemas = { readonly input: z.ZodType; readonly output: z.ZodType };
type SchemasOf<N extends Noun, M extends keyof Api[N]> = Extract<Api[N][M], Schemas>;

/** What a caller holds: `client.machines.start({ name })` → `Promise<Result<MachineStatus>>`. */
export type ApiClient = { readonly [N in Noun]: { readonly [M in keyof Api[N]]: (input: z.input<SchemasOf<N, M>['input']>) => Promise<Result<z.output<SchemasOf<N, M>['output']>>> } };

/** What main implements: inputs are validated and defaulted before a handler sees them. */
export type ApiHandlers = { readonly [N in Noun]: { readonly [M in keyof Api[N]]: (input: z.output<SchemasOf<N, M>['input']>) => Promise<Result<z.output<SchemasOf<N, M>['output']>>> } };

/** The schemas of `noun.method`, or `undefined` for a name that the contract doesn't hold. */
export function schemasOf(method: string): Schemas | undefined {
  const [noun, verb, ...rest] = method.split('.');
  if (noun === undefined || verb === undefined || rest.length > 0 || !Object.hasOwn(api, noun)) return undefined;
  const methods = api[noun as Noun] as Readonly<Record<string, Schemas>>;
  return Object.hasOwn(methods, verb) ? methods[verb] : undefined;
}

/** A typed client over any transport; answers are checked against the contract. */
export function createApiClient(call: (method: MethodName, input: unknown) => Promise<unknown>): ApiClient {
  const client: Record<string, Record<string, (input: unknown) => Promise<Result<unknown>>>> = {};
  for (const [noun, methods] of Object.entries(api)) {
    const verbs: Record<string, (input: unknown) => Promise<Result<unknown>>> = {};
    for (const [verb, schemas] of Object.entries(methods as Readonly<Record<string, Schemas>>)) {
      const answer = resultSchema(schemas.output);
      verbs[verb] = async (input) => {
        const checked = answer.safeParse(await call(`${noun}.${verb}` as MethodName, input));
        if (checked.success) return checked.data as Result<unknown>;
        return { ok: false, error: { code: 'api.bad-answer', message: `the answer to ${noun}.${verb} is not what the contract says`, advice: 'use the same version of Guesthouse on both sides' } };
      };
    }
    client[noun] = verbs;
  }
  return client as unknown as ApiClient;
}

function resultSchema(value: z.ZodType): z.ZodType {
  return z.discriminatedUnion('ok', [z.object({ ok: z.literal(true), value }), z.object({ ok: z.literal(false), error: machineErrorSchema })]);
}

export const apiEventSchema = z.discriminatedUnion('event', [
  /** Machines came, went or changed: list again. */
  z.object({ event: z.literal('library.changed'), payload: nothing }),
  z.object({ event: z.literal('machines.status'), payload: z.object({ name: z.string(), status: machineStatusSchema }) }),
  /** How much of a new machine's disk has been copied, between 0 and 1. */
  z.object({ event: z.literal('library.importing'), payload: z.object({ name: z.string(), done: z.number() }) }),
  /** Something the person should know that is no change of state, such as characters that have no key. */
  z.object({ event: z.literal('machines.warning'), payload: z.object({ name: z.string(), message: z.string() }) }),
  /** A machine's tree of snapshots changed: list it again. */
  z.object({ event: z.literal('snapshots.changed'), payload: z.object({ name: z.string() }) }),
  z.object({ event: z.literal('media.progress'), payload: z.object({ id: z.string(), done: z.number() }) }),
  z.object({ event: z.literal('preferences.changed'), payload: preferencesSchema }),
]);
export type ApiEvent = z.infer<typeof apiEventSchema>;

// Control connection (WebSocket, pipe): calls up, answers and events down.
export const clientMessageSchema = z.object({ id: z.number().int().nonnegative(), method: z.string().max(128), input: z.unknown() });
export type ClientMessage = z.infer<typeof clientMessageSchema>;
export type ServerMessage = { readonly id: number; readonly result: Result<unknown> } | ApiEvent;

// Channels.
export const CHANNEL_KINDS = ['display', 'console', 'virtio-console'] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];
/** COM1, or the virtio console that Linux knows as hvc0. */
export type ConsoleKind = Exclude<ChannelKind, 'display'>;

/**
 * Up a display channel. It can be opened while the machine is on (else `machines.not-running`), and closes when the
 * machine goes off (`machines.status` tells it too): open another at its next start. Frames flow from `watch-display` on, the first covering the whole
 * screen; after each one the receiver says `frame-drawn`, and only then the next is sent.
 */
export const displayUpSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('watch-display'), watch: z.boolean() }),
  z.object({ kind: z.literal('frame-drawn') }),
  z.object({ kind: z.literal('keys'), events: keyChanges }),
  z.object({ kind: z.literal('type-text'), text: z.string().max(65_536), layout: z.enum(KEYBOARD_LAYOUTS).optional() }),
  z.object({ kind: z.literal('pointer'), ...pointerMotion }),
]);
export type DisplayUp = Extract<VmCommand, { kind: 'watch-display' | 'frame-drawn' | 'keys' | 'type-text' | 'pointer' }>;

/** Down a display channel. */
export const displayDownSchema = z.object({ kind: z.literal('display-frame'), frame: displayFrameSchema });
export type DisplayDown = z.infer<typeof displayDownSchema>;

/** Up a channel to a console, serial or virtio: typed bytes. The channel outlives the machine's being on or off. */
export const consoleUpSchema = z.object({ kind: z.literal('serial-input'), bytes });
export type ConsoleUp = z.infer<typeof consoleUpSchema>;

/** Down a channel to a console: first the scrollback (`replay`), also of a machine that is off, then what comes. */
export const consoleDownSchema = z.object({ kind: z.literal('serial-output'), bytes, replay: z.boolean() });
export type ConsoleDown = z.infer<typeof consoleDownSchema>;

/** `window.guesthouse` in the desktop shell. */
export interface DesktopBridge {
  readonly shell: 'desktop';
  /** Answers with a `Result`. */
  call(method: string, input: unknown): Promise<unknown>;
  /** Returns what ends the subscription. */
  onEvent(listener: (event: unknown) => void): () => void;
  /** The channel's MessagePort follows as a `message` event of `window` with data `{ guesthouseChannel: channelId }`. */
  openChannel(kind: ChannelKind, machine: string): Promise<Result<{ channelId: number }>>;
}

export type { MachineError };
