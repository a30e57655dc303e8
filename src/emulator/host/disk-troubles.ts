/**
 * What keeps disks from being read or written, and how the machine waits for it to be mended: it stands still, and what
 * could not be done is tried again, by itself every few seconds where the host can mend it, otherwise when the user resumes.
 */
import type { MachineError } from '../../shared/result.ts';
import type { BlockRequest } from '../interfaces/block-backend.ts';
import { ImageError } from '../storage/image-error.ts';
import { StartError } from './start-error.ts';

export interface DiskTrouble extends MachineError {
  /** Nothing will mend it: the guest is told when it happens again after the user resumed. */
  readonly isForGood: boolean;
}

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
/** FAT's four gibibytes, or a limit of the process. */
const TOO_LARGE = 'EFBIG';
/** A share or a device that went away. */
const GONE: ReadonlySet<string> = new Set(['ESTALE', 'ENOTCONN', 'ETIMEDOUT', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENETDOWN', 'ENETUNREACH', 'ECONNRESET', 'ECONNABORTED', 'ENODEV', 'ENXIO']);
const FORBIDDEN: ReadonlySet<string> = new Set(['EROFS', 'EACCES', 'EPERM']);

/** `undefined` where the image itself is the reason: then the guest is told. */
export function troubleOf(error: unknown, kind: BlockRequest['kind']): DiskTrouble | undefined {
  const trouble = (code: string, message: string, advice: string, isForGood = false): DiskTrouble => ({ code, message, advice, isForGood });
  // A failed barrier: the system has forgotten what it lost.
  if (error instanceof StartError && error.code === 'media.write-failed') return trouble(error.code, error.message, error.advice, true);
  const code = (error as NodeJS.ErrnoException).code ?? '';
  // In a bundle that is read in place. The guest would take it for a bad sector.
  if (error instanceof ImageError && code === 'bundle.tampered') return trouble(code, error.message, error.advice);
  if (FULL.has(code)) return trouble('media.no-space', 'there is no space left where the disk image lies', 'free some space; the machine then goes on by itself');
  if (code === TOO_LARGE) return trouble('media.no-space', 'the disk image may not become larger where it lies', 'move it to a disk that takes larger files');
  if (GONE.has(code)) return trouble('media.gone', `what the disk image lies on can't be reached (${code})`, 'connect it again; the machine then goes on by itself');
  if (FORBIDDEN.has(code) && kind !== 'read') return trouble('media.became-read-only', `the disk image may no longer be written (${code})`, 'make what it lies on writable again; the machine then goes on by itself');
  // A bad sector can't be read later either. What can't be written may be the beginning of a share's end.
  if (code === 'EIO') return trouble('media.io-error', `what the disk image lies on reports an error (${code})`, 'check the disk or the connection to it, then resume the machine', kind === 'read');
  return undefined;
}

const RETRY_MILLIS = 2_000;

/** A disk whose requests can be tried again. */
export interface Retried {
  retry(): void;
}

export interface DiskTroublesOptions {
  readonly pause: () => void;
  readonly resume: () => void;
  /** `trouble` is `undefined` when all is well again. */
  readonly tell: (disk: number, trouble: DiskTrouble | undefined) => void;
}

export class DiskTroubles {
  readonly #options: DiskTroublesOptions;
  readonly #disks = new Map<number, { readonly disk: Retried; readonly trouble: DiskTrouble }>();
  #isPausedByUser = false;
  /** The user waits for an answer: the same trouble is told again. */
  #wasAsked = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DiskTroublesOptions) {
    this.#options = options;
  }

  troubled(number: number, disk: Retried, trouble: DiskTrouble): void {
    const before = this.#disks.get(number)?.trouble;
    this.#disks.set(number, { disk, trouble });
    if (this.#wasAsked || before?.code !== trouble.code) this.#options.tell(number, trouble);
    this.#wasAsked = false;
    this.#options.pause();
    if (trouble.isForGood) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { this.#retry((each) => !each.isForGood); }, RETRY_MILLIS);
  }

  mended(number: number): void {
    if (!this.#disks.delete(number)) return;
    this.#options.tell(number, undefined);
    if (this.#disks.size === 0 && !this.#isPausedByUser) this.#options.resume();
  }

  pausedByUser(): void {
    this.#isPausedByUser = true;
  }

  /** Whether the machine may go on at once; otherwise it does when its disks are mended. */
  resumedByUser(): boolean {
    this.#isPausedByUser = false;
    if (this.#disks.size === 0) return true;
    this.#wasAsked = true;
    this.#retry(() => true);
    return false;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #retry(which: (trouble: DiskTrouble) => boolean): void {
    for (const { disk, trouble } of [...this.#disks.values()]) if (which(trouble)) disk.retry();
  }
}
