/**
 * What main and a VM process say to each other, as structured-clonable messages over one port. Main treats everything
 * that comes back as untrusted (`vmEventSchema`).
 */
import { z } from 'zod';
import type { BootDevice } from './boot-order.ts';
import type { DiskBus } from './disk-bus.ts';
import type { DiskFormat } from './disk-format.ts';
import type { AdapterModel } from './network-config.ts';

/** Serial output, disk image or screenshot destinations are absolute host paths, handed over when the process starts. */
export interface DiskAttachment {
  readonly path: string;
  /** `undefined`: what its content says. A disk that then is raw may not be made to look like something else. */
  readonly format: DiskFormat | 'iso' | undefined;
  readonly bus: DiskBus;
  readonly kind: 'disk' | 'cdrom';
  readonly readOnly: boolean;
  /** Writes go to memory and are forgotten at power-off. */
  readonly discardChanges: boolean;
  /** Folders besides the image's own in which files may lie that the image names. */
  readonly backingFolders: readonly string[];
  readonly bytesPerSecondMaximum?: number | undefined;
}

/** A CD drive without a disc. */
export type EmptyDrive = Omit<DiskAttachment, 'path'> & { readonly path: undefined };

/** What is behind an adapter; all of it can change while the machine is on. */
export interface NetworkSettings {
  readonly reach: 'nothing' | 'listed' | 'internet';
  /** What the guest may reach besides: see `allowedTargetSchema`. */
  readonly allow: readonly { readonly host: string; readonly port?: number | undefined }[];
  readonly forwards: readonly {
    readonly protocol: 'tcp' | 'udp';
    readonly host: { readonly address: string; readonly port: number };
    /** The guest's first lease where there is no address. */
    readonly guest: { readonly address?: string | undefined; readonly port: number };
  }[];
  /** A folder of the host that the gateway gives out by TFTP, and what clients of its DHCP are told to load from it. */
  readonly bootFolder?: string | undefined;
  readonly bootFile?: string | undefined;
  /** The cable is plugged in, which it is where nothing is said. */
  readonly connected?: boolean;
  /** Each way. */
  readonly bytesPerSecondMaximum?: number | undefined;
  /** As on a link to somewhere far, each way: what is added to the way of a frame, at most added to that by chance, and how many frames are lost. */
  readonly delayMillis?: number;
  readonly jitterMillis?: number;
  readonly lossPercent?: number;
}

/**
 * A network adapter and what is behind it: a network of its own, translated to the host's addresses (NAT), or a switch
 * that it shares with adapters of other machines.
 */
export interface NetworkAdapterStart extends NetworkSettings {
  readonly model: AdapterModel;
  /** `52:47:48:12:34:56` */
  readonly mac: string;
  /**
   * Where the switch's machines find each other (a folder, on Windows how their pipes' names begin), and whether a NAT
   * gateway with DHCP is on it. Without a gateway there are no forwards, and nothing is reached but other machines.
   */
  readonly sharedSwitch?: { readonly place: string; readonly hasGateway: boolean } | undefined;
  /** A pcapng file that all frames are written to. */
  readonly capturePath: string | undefined;
  /** An expansion ROM by which the machine can start from the network. */
  readonly bootRomPath?: string | undefined;
}

/** A bundle that lies below a VM folder: what isn't in the folder itself is read in the bundle. Paths are absolute. */
export interface BundlePlace {
  readonly path: string;
  readonly folder: string;
  /** Of the manifest of the bundle that is meant. */
  readonly manifestSha256: string;
}

/** Everything a VM process needs to build and power on its board. */
export interface VmStart {
  readonly name: string;
  readonly memoryBytes: number;
  readonly architecture: 'x86_64' | 'i386';
  readonly accelerator: 'auto' | 'translator' | 'interpreter' | 'kvm';
  /** Firmware image (SeaBIOS or the caller's), mapped so that it ends at 4 GiB and 1 MiB. */
  readonly biosPath: string;
  readonly vgaBiosPath: string | undefined;
  readonly directBoot: { readonly kernelPath: string; readonly initrdPath: string | undefined; readonly commandLine: string } | undefined;
  readonly disks: readonly (DiskAttachment | EmptyDrive)[];
  readonly bootOrder: readonly BootDevice[];
  /** At most four. Only in host time: what comes from outside can't be repeated. */
  readonly adapters?: readonly NetworkAdapterStart[];
  /** `host`: guest time follows the host's clock; otherwise executed instructions per microsecond. */
  readonly time: 'host' | { readonly instructionsPerMicrosecond: number };
  /** Seconds since 1970 that the RTC shows at power-on; `undefined` is the host's time. */
  readonly rtcEpochSeconds: number | undefined;
  /** Seed of everything random in the machine; `undefined` is the host's entropy. */
  readonly seed: number | undefined;
  /** I/O port to which the guest writes a byte to end the machine with that status. */
  readonly exitPort: number | undefined;
  /** I/O port whose bytes come out as `debug-output` events (SeaBIOS uses 0x402). */
  readonly debugPort: number | undefined;
  readonly onReset: 'reboot' | 'stop';
  /** The machine doesn't begin at its reset vector, but with a saved state. */
  readonly resumeFrom?: ResumeFrom | undefined;
  readonly bundle?: BundlePlace | undefined;
  /** Share of one host core that the guest's processor may use; all of it where nothing is said. */
  readonly cpuLimitPercent?: number;
  /** Before `ended`, the last screen comes unasked, as a `screen-text` and a `screenshot` event with `UNASKED_REQUEST`. */
  readonly finalScreen?: boolean;
  /** A file that gets a listing of each translated region: guest code beside WebAssembly. Absolute. */
  readonly regionListingPath?: string | undefined;
}

/** The file of a saved state, and of those that it counts on, by their identities. Paths are absolute. */
export interface ResumeFrom {
  readonly path: string;
  readonly others: readonly StateFilePlace[];
  /** The file is there for good: states saved later may count on it. */
  readonly isKept: boolean;
}

export interface StateFilePlace {
  readonly id: string;
  readonly path: string;
}

/** A new, empty image on top of the one that a disk writes now. */
export interface NewLayer {
  /** Number of the disk in `VmStart.disks`. */
  readonly disk: number;
  readonly path: string;
  /** What the new image calls the one below. */
  readonly backingName: string;
}

/** `requestId` of what comes unasked before `ended`: the statistics always, the screen with `finalScreen`. */
export const UNASKED_REQUEST = -1;

/** What changes while a machine is on. `drive` and `disk` count `VmStart.disks`. */
export type VmChange =
  /** Puts another disc into a drive, or none. A guest may hold its disc: then it takes `force`. Errors: those of opening the image, `media.held`. */
  | { readonly kind: 'disc'; readonly drive: number; readonly path: string | undefined; readonly force: boolean }
  /** Connections that are no longer allowed end. Error: `network.port-unusable`, and then all is as it was. */
  | { readonly kind: 'adapter'; readonly adapter: number; readonly settings: NetworkSettings }
  /** Starts a capture of an adapter's frames in a pcapng file, in place of another, or ends it. Error: `network.capture-unusable`. */
  | { readonly kind: 'capture'; readonly adapter: number; readonly path: string | undefined }
  | { readonly kind: 'disk-limit'; readonly disk: number; readonly bytesPerSecondMaximum: number | undefined }
  | { readonly kind: 'cpu-limit'; readonly percent: number };

export type VmCommand =
  /** Before `power-on`, to a process that is to wait for it: what every machine needs is made ready. `warmed-up` answers. */
  | { readonly kind: 'warm-up'; readonly biosPath: string; readonly vgaBiosPath: string | undefined }
  | { readonly kind: 'power-on'; readonly start: VmStart }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'reset' }
  /** Presses the ACPI power button. */
  | { readonly kind: 'power-button' }
  /** Ends the machine at once, flushing its disks; the process exits with 0. */
  | { readonly kind: 'power-off' }
  | { readonly kind: 'serial-input'; readonly bytes: Uint8Array }
  /** To the guest's hvc0. */
  | { readonly kind: 'virtio-console-input'; readonly bytes: Uint8Array }
  /** Physical keys as DOM `KeyboardEvent.code` values, in order. */
  | { readonly kind: 'keys'; readonly events: readonly KeyChange[] }
  /** Text as keystrokes on a keyboard of a layout, US where nothing is said; characters that have no key are reported back as a warning. */
  | { readonly kind: 'type-text'; readonly text: string; readonly layout?: 'us' | 'de' | undefined }
  /** Relative motion in counts, buttons as bits (1 left, 2 right, 4 middle), wheel in clicks (positive = towards the user). */
  | { readonly kind: 'pointer'; readonly dx: number; readonly dy: number; readonly wheel: number; readonly buttons: number }
  /** Starts or stops `display-frame` events on this port; a new subscription begins with a whole frame. */
  | { readonly kind: 'watch-display'; readonly watch: boolean }
  /** The receiver has drawn a frame: the next may come (one in flight). */
  | { readonly kind: 'frame-drawn' }
  /**
   * Desktop shell only: comes with one transferred MessagePort, on whose other end a window speaks `watch-display`,
   * `frame-drawn`, `keys`, `type-text` and `pointer`, and gets its own `display-frame` events, so that frames don't pass
   * through main. Several may be attached.
   */
  | { readonly kind: 'attach-display' }
  | { readonly kind: 'screenshot'; readonly requestId: number }
  /** Asks for the text of a text-mode screen, one string a row. */
  | { readonly kind: 'screen-text'; readonly requestId: number }
  | { readonly kind: 'stats'; readonly requestId: number }
  /** Asks for each adapter's counters and what is open through its network. */
  | { readonly kind: 'network-state'; readonly requestId: number }
  /** Makes layers for disks that are to be frozen, and opens them; `layers-made` answers. `save-state` puts them to use, `drop-layers` removes them. */
  | { readonly kind: 'make-layers'; readonly requestId: number; readonly layers: readonly NewLayer[] }
  | { readonly kind: 'drop-layers' }
  /**
   * Saves the state of the machine, which goes on meanwhile, into a new file; `state-saved` answers. Layers that were made are in use from the moment of
   * the state on. `mayCountOn`: identities of files whose chunks may be left where they are. `thenHold`: the machine stands
   * still from the moment of the state on, until `release` or its end.
   */
  | { readonly kind: 'save-state'; readonly requestId: number; readonly path: string; readonly mayCountOn: readonly string[]; readonly thenHold: boolean; readonly isKept: boolean }
  | { readonly kind: 'release' }
  | { readonly kind: 'change'; readonly requestId: number; readonly change: VmChange }
  | { readonly kind: 'ping'; readonly sentAt: number };

export interface KeyChange {
  readonly code: string;
  readonly down: boolean;
}

const count = z.number().nonnegative();

/** An adapter's counters since power-on and what is open now, as the guest sees it: `In` is what it got. */
export const networkFiguresSchema = z.object({
  framesIn: count,
  framesOut: count,
  bytesIn: count,
  bytesOut: count,
  /** Frames that were malformed, for nobody, or that there was no room for. */
  dropped: count,
  /** Frames that the settings said were to be lost. */
  lost: count,
  /** Other machines on the switch. */
  machines: count,
  tcpConnections: count,
  tcpOpened: count,
  tcpHeldBytes: count,
  udpFlows: count,
  /** Frames that the capture lacks, as the disk was too slow. */
  captureMissed: count,
  /** The file that a capture is being written to. */
  capturePath: z.string().max(4096).optional(),
});
export type NetworkFigures = z.infer<typeof networkFiguresSchema>;

const endpointSchema = z.object({ address: z.string().max(64), port: z.number().int().min(0).max(65_535) });
export const connectionSchema = z.object({
  protocol: z.enum(['tcp', 'udp']),
  /** Who began it: the guest, or somebody at a forwarded port. */
  origin: z.enum(['guest', 'forward']),
  guest: endpointSchema,
  remote: endpointSchema,
  state: z.enum(['opening', 'open', 'closing']),
  /** Payload that the guest got, and that it sent. */
  bytesIn: count,
  bytesOut: count,
});
export type NetworkConnection = z.infer<typeof connectionSchema>;

/** By adapter. */
export const networkStateSchema = z.array(z.object({ figures: networkFiguresSchema, connections: z.array(connectionSchema).max(500) })).max(8);
export type NetworkState = z.infer<typeof networkStateSchema>;

export const vmStatsSchema = z.object({
  accelerator: z.string(),
  wallSeconds: z.number(),
  guestSeconds: z.number(),
  haltedSeconds: z.number(),
  /** Of the host's processors, by the whole VM process: the guest, what translates for it and what serves it. */
  cpuSeconds: z.number(),
  instructions: z.number(),
  mips: z.number(),
  exits: z.record(z.string(), z.number()),
  regions: z.number(),
  compileMillis: z.number(),
  tlbMisses: z.number(),
  peakRssBytes: z.number(),
  diskBytesRead: z.number(),
  diskBytesWritten: z.number(),
  /** Of `diskBytesRead`, what came from discs. */
  discBytesRead: z.number(),
  netBytesIn: z.number(),
  netBytesOut: z.number(),
  /** By their order. */
  adapters: z.array(networkFiguresSchema).max(8),
  /** Sent to windows, all together. */
  displayFrames: z.number(),
});
export type VmStats = z.infer<typeof vmStatsSchema>;

const bytes = z.instanceof(Uint8Array);

/** A rectangle of the screen, RGBA, rows top to bottom; `width`/`height` of the whole screen come with each frame. */
export const displayFrameSchema = z.object({
  screenWidth: z.number().int().positive().max(4096),
  screenHeight: z.number().int().positive().max(4096),
  /** Whole pixels changed since the last frame; a new size or subscription begins with one covering the screen. */
  rectangles: z.array(z.object({
    x: z.number().int().nonnegative(), y: z.number().int().nonnegative(),
    width: z.number().int().positive(), height: z.number().int().positive(), rgba: bytes,
  })),
});
export type DisplayFrame = z.infer<typeof displayFrameSchema>;

const eventErrorSchema = z.object({ code: z.string(), message: z.string(), advice: z.string() });

/** The file that a state was saved in. */
export const savedStateSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  /** Identities of the files that it counts on. */
  otherFiles: z.array(z.string().regex(/^[0-9a-f]{32}$/)).max(255),
  bytes: z.number().nonnegative(),
  /** How long the guest stood still. */
  pauseMillis: z.number().nonnegative(),
});
export type SavedState = z.infer<typeof savedStateSchema>;

export const vmEventSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('warmed-up') }),
  /** The board is built and the first instruction is about to run. */
  z.object({ kind: z.literal('ready') }),
  z.object({ kind: z.literal('state'), state: z.enum(['running', 'paused', 'halted-forever']) }),
  /** A disk of `VmStart.disks` can't be read or written: the machine stands still until it is mended, which comes without `error`. */
  z.object({ kind: z.literal('disk-trouble'), disk: z.number().int().nonnegative(), error: eventErrorSchema.optional() }),
  z.object({ kind: z.literal('serial-output'), bytes }),
  z.object({ kind: z.literal('virtio-console-output'), bytes }),
  z.object({ kind: z.literal('debug-output'), bytes }),
  z.object({ kind: z.literal('display-frame'), frame: displayFrameSchema }),
  z.object({ kind: z.literal('screenshot'), requestId: z.number(), png: bytes }),
  z.object({ kind: z.literal('screen-text'), requestId: z.number(), rows: z.array(z.string()).optional() }),
  z.object({ kind: z.literal('stats'), requestId: z.number(), stats: vmStatsSchema }),
  /** By the adapters' order; not every connection where there are very many. */
  z.object({ kind: z.literal('network-state'), requestId: z.number(), adapters: networkStateSchema }),
  z.object({ kind: z.literal('layers-made'), requestId: z.number(), error: eventErrorSchema.optional() }),
  z.object({ kind: z.literal('state-saved'), requestId: z.number(), error: eventErrorSchema.optional(), saved: savedStateSchema.optional(),
    /** Layers that were made are what disks write now, also where the state could not be saved. */
    layersInUse: z.boolean() }),
  /** All that the machine's memory was in a file for has been loaded: the file may go, unless it is kept. */
  z.object({ kind: z.literal('memory-loaded') }),
  z.object({ kind: z.literal('changed'), requestId: z.number(), error: z.object({ code: z.string(), message: z.string(), advice: z.string() }).optional() }),
  z.object({ kind: z.literal('pong'), sentAt: z.number() }),
  z.object({ kind: z.literal('log'), level: z.enum(['debug', 'info', 'warning', 'error']), topic: z.string(), message: z.string() }),
  /** The guest reset: by the keyboard controller, port 0xCF9, ACPI or a triple fault. */
  z.object({ kind: z.literal('guest-reset'), cause: z.enum(['guest', 'triple-fault', 'user']), countInLastMinute: z.number() }),
  /** The guest opened the tray of the drive that is disk `drive` of the start. */
  z.object({ kind: z.literal('disc-ejected'), drive: z.number().int().nonnegative() }),
  /** The machine is over; the process exits right after. `exitStatus` comes from the exit port. */
  z.object({ kind: z.literal('ended'), reason: z.enum(['guest-power-off', 'exit-port', 'stopped', 'reset-stop', 'start-failed', 'crashed']),
    exitStatus: z.number().int().optional(), error: eventErrorSchema.optional() }),
]);
export type VmEvent = z.infer<typeof vmEventSchema>;
