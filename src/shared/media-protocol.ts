/**
 * What a process that works on disk images (a media process) is asked, and what it answers, as structured-clonable messages.
 * It lives for one job. Whoever asked treats the answers as untrusted: they come from what images hold.
 */
import { z } from 'zod';
import { DISK_FORMATS, type DiskFormat } from './disk-format.ts';
import type { GuestSystem } from './machine-description.ts';
import type { Within } from './foreign-machine.ts';
import type { BundlePlace } from './vm-protocol.ts';
import { machineErrorSchema } from './machine-error.ts';

/** An image that a job reads or changes. Paths are absolute. */
export interface MediaImage {
  readonly path: string;
  /** What its content says where it isn't given. */
  readonly format: DiskFormat | undefined;
  /** Where it is, and what it names, if not in its folder. */
  readonly bundle?: BundlePlace | undefined;
  /** Folders besides the image's own in which files may lie that the image names. */
  readonly backingFolders: readonly string[];
  /** The image is this part of the file alone. */
  readonly within?: Within | undefined;
}

export interface MediaTarget {
  readonly path: string;
  readonly format: DiskFormat;
  /** A file that is there already is replaced. */
  readonly replace: boolean;
  readonly subformat: string | undefined;
  readonly blockBytes: number | undefined;
  readonly version: 2 | 3 | undefined;
  readonly compression: 'zlib' | 'zstd' | undefined;
  readonly lazyRefcounts: boolean;
}

/** A VM folder as a replica is to have it. */
export interface ReplicaSource {
  readonly folder: string;
  /** Paths in it, with forward slashes. */
  readonly files: readonly string[];
  /** Files whose contents are these, whatever is in the folder. */
  readonly texts: readonly { readonly path: string; readonly text: string }[];
  /** Milliseconds since 1970: the moment that it shows. */
  readonly takenAt: number;
}

/** What of a machine goes into an OVF package. */
export interface ExportedMachine {
  readonly name: string;
  readonly notes: string;
  readonly architecture: 'x86_64' | 'i386';
  readonly guestSystem: GuestSystem | undefined;
  readonly memoryBytes: number;
  readonly disks: readonly { readonly image: MediaImage; readonly bus: 'ide' | 'sata' }[];
  readonly cdDrives: number;
  readonly adapters: readonly { readonly network: string; readonly isConnected: boolean; readonly mac: string | undefined }[];
}

export type MediaJob =
  | { readonly kind: 'info'; readonly image: MediaImage }
  /** What system is on it (`mediumFactsSchema`). */
  | { readonly kind: 'recognize'; readonly path: string }
  | { readonly kind: 'check'; readonly image: MediaImage; readonly repair: boolean }
  /** `bytes` may be left out where there is a backing file: then it is as large. */
  | { readonly kind: 'create'; readonly target: MediaTarget; readonly bytes: number | undefined; readonly backing: MediaImage | undefined }
  | { readonly kind: 'convert'; readonly image: MediaImage; readonly target: MediaTarget; readonly compress: boolean }
  | { readonly kind: 'resize'; readonly image: MediaImage; readonly bytes: number; readonly shrink: boolean }
  | { readonly kind: 'compact'; readonly image: MediaImage }
  /** What machine another program's configuration, or an OVF package, describes (`foreignMachineSchema`). */
  | { readonly kind: 'describe-foreign'; readonly path: string }
  /** A machine as an OVF package. */
  | { readonly kind: 'export-ovf'; readonly path: string; readonly machine: ExportedMachine }
  /** The next generation of a replica in `folder`, which keeps that many (`generationSchema`). */
  | { readonly kind: 'replicate'; readonly folder: string; readonly source: ReplicaSource; readonly keep: number }
  | { readonly kind: 'list-generations'; readonly folder: string }
  /** The newest generation where none is named; all of its bytes are compared with what was written. */
  | { readonly kind: 'verify-generation'; readonly folder: string; readonly id: string | undefined }
  /** Into the folder `target`, which is there. */
  | { readonly kind: 'restore-generation'; readonly folder: string; readonly id: string | undefined; readonly target: string }
  /** A VM folder into a bundle, and a bundle into a new folder. Paths are absolute; `signWith` is a private key, PKCS #8 as PEM. */
  | { readonly kind: 'export-bundle'; readonly folder: string; readonly path: string; readonly signWith?: string | undefined }
  | { readonly kind: 'import-bundle'; readonly path: string; readonly folder: string; readonly manifestSha256?: string | undefined }
  /** What is small of a bundle into a new folder (`openedBundleSchema`), and named members into the folder below which the bundle lies. */
  | { readonly kind: 'open-bundle'; readonly path: string; readonly folder: string }
  | { readonly kind: 'keep-bundle'; readonly bundle: BundlePlace; readonly members: readonly string[] }
  /**
   * Writes into `lower` what the qcow2 image `upper`, which lies on it, has of its own; `above` lie on `upper` and will lie on
   * `lower`. Interrupted, all of them show what they did. `upper` may go afterwards.
   */
  | { readonly kind: 'merge'; readonly upper: MediaImage; readonly lower: MediaImage; readonly above: readonly MediaImage[] };

export type MediaCommand = { readonly kind: 'start'; readonly job: MediaJob } | { readonly kind: 'cancel' };

const bytes = z.number().nonnegative();
const text = z.string().max(8192);

const layerSchema = z.object({ path: text, format: z.enum(DISK_FORMATS) });

export const mediaInfoSchema = z.object({
  path: text,
  format: z.enum(DISK_FORMATS),
  /** Such as `dynamic` or `streamOptimized`. */
  subformat: text.optional(),
  /** Of the disk. */
  virtualBytes: bytes,
  /** That the file takes on the host. */
  hostBytes: bytes,
  blockBytes: bytes.optional(),
  compression: text.optional(),
  snapshots: z.number().int().optional(),
  isDirty: z.boolean().optional(),
  isDamaged: z.boolean().optional(),
  /** The images below, nearest first. */
  backing: z.array(layerSchema).max(32),
});
export type MediaInfo = z.infer<typeof mediaInfoSchema>;

export const mediaCheckSchema = z.object({
  path: text,
  format: z.enum(DISK_FORMATS),
  /** The first hundred. */
  errors: z.array(text).max(200),
  errorCount: z.number().int(),
  leakedBytes: bytes,
  repaired: z.number().int(),
  allocatedBytes: bytes,
  virtualBytes: bytes,
});
export type MediaCheck = z.infer<typeof mediaCheckSchema>;

/** What a new or changed image is now. */
export const mediaDoneSchema = z.object({ path: text, format: z.enum(DISK_FORMATS), virtualBytes: bytes, hostBytes: bytes, hostBytesBefore: bytes.optional() });
export type MediaDone = z.infer<typeof mediaDoneSchema>;

/** An Ed25519 key: SubjectPublicKeyInfo (RFC 8410) in base64. */
export const publicKeySchema = z.string().regex(/^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$/);
/** Of the members that stay in the bundle. */
export const openedBundleSchema = z.object({ manifestSha256: z.string().regex(/^[0-9a-f]{64}$/), signer: publicKeySchema.optional(), /** Of all members. */ unpackedBytes: bytes.default(0), members: z.array(z.object({ path: z.string().max(1024), bytes })).max(10_000) });
export const generationSchema = z.object({ id: z.string().max(64), takenAt: z.number(), /** Of the machine's files. */ bytes, /** That the generation brought anew. */ newBytes: bytes });
export type GenerationFacts = z.infer<typeof generationSchema>;
export const generationsSchema = z.object({ generations: z.array(generationSchema).max(10_000) });

export const bundleDoneSchema = z.object({ bytes });

export const mediaEventSchema = z.discriminatedUnion('kind', [
  /** `done` between 0 and 1. */
  z.object({ kind: z.literal('progress'), done: z.number().min(0).max(1) }),
  z.object({ kind: z.literal('finished'), value: z.unknown() }),
  z.object({ kind: z.literal('failed'), error: machineErrorSchema }),
]);
export type MediaEvent = z.infer<typeof mediaEventSchema>;
