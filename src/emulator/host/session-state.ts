/** The machine thread's part of saving and restoring: the state of everything on that thread, and the memory behind it. */
import { CHUNK_BYTES, MemoryRegions } from '../snapshot/memory-regions.ts';
import { LOADED, MemoryGuard, type GuardWords } from '../snapshot/memory-guard.ts';
import { StateError } from '../snapshot/state-error.ts';
import { ChunkTable } from '../snapshot/state-format.ts';
import { ImageError } from '../storage/image-error.ts';
import type { CaptureLetter, CharacterLine } from '../machine/mailbox.ts';
import type { Pc, SavedPart } from '../machine/pc.ts';
import type { Scheduler } from '../machine/scheduler.ts';
import type { TimeSource } from '../machine/time-source.ts';
import type { SeededEntropy } from './entropy.ts';
import type { CapturedState, ResumedState } from './machine-post.ts';
import type { RemoteDisk, SavedRemoteDisk } from './remote-disk.ts';
import type { SerialChannel } from './serial-channel.ts';
import { SynchronousChunks } from './state-reader.ts';

const TIME_VERSION = 1;
const DISK_VERSION = 1;
const LINE_VERSION = 1;
const ENTROPY_VERSION = 1;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

interface SavedTime {
  readonly source: number;
  /** Armed timers, soonest first. */
  readonly armed: readonly { readonly label: string; readonly deadline: number }[];
  /** What the host's clock showed, in seconds since 1970. */
  readonly hostSeconds: number;
}

/** Everything that has a state, besides the control thread. */
export interface StatefulParts {
  readonly pc: Pc;
  readonly scheduler: Scheduler;
  readonly timeSource: TimeSource;
  /** By their numbers; empty drives have none. */
  readonly disks: readonly (RemoteDisk | undefined)[];
  readonly lines: Readonly<Record<CharacterLine, SerialChannel>>;
  readonly entropy: SeededEntropy | undefined;
  /** The real-time clock follows the host's: it has gone on while the machine was off. */
  readonly clockFollowsHost: boolean;
}

export class GuardedMemory {
  readonly guard: MemoryGuard;
  readonly #shared: SharedArrayBuffer;
  readonly #regions: MemoryRegions;
  readonly #words: GuardWords;
  readonly #chunks: SynchronousChunks | undefined;
  readonly #table: ChunkTable | undefined;
  readonly #damaged: (error: StateError) => void;

  /**
   * `damaged` is called when a chunk that the guest needs can't be read; it returns when that is to be tried again.
   * `keep` takes copies for the file of a live snapshot.
   */
  constructor(shared: SharedArrayBuffer, ramBytes: number, words: GuardWords, resumed: ResumedState | undefined,
    keep: (chunk: number, bytes: Uint8Array<ArrayBuffer>) => void, damaged: (error: StateError) => void) {
    this.#shared = shared;
    this.#regions = new MemoryRegions(ramBytes);
    this.#words = words;
    this.#damaged = damaged;
    this.#table = resumed === undefined ? undefined : new ChunkTable(resumed.chunks);
    this.#chunks = resumed === undefined ? undefined : new SynchronousChunks(resumed.files);
    this.guard = new MemoryGuard(shared, this.#regions, words, (chunk, target) => { this.#load(chunk, target); }, keep);
  }

  /** Before the board is restored. Throws `StateError` for what is damaged of the chunks that are needed at once. */
  begin(): void {
    const table = this.#table!;
    for (let chunk = 0; chunk < this.#regions.firstGuarded; chunk++) {
      const target = this.#contents(chunk);
      if (table.isZero(chunk)) {
        // Not written where it is zeros anyhow: the host gives memory when it is written.
        if (!target.equals(ZEROS)) target.fill(0);
      } else this.#chunks!.load(table.get(chunk), target);
      Atomics.store(this.#words.loading, chunk, LOADED);
    }
    this.guard.begin();
  }

  /** What is not guarded, as it is now, except for zeros. */
  unguarded(): CapturedState['unguarded'] {
    const copies: { chunk: number; bytes: Uint8Array<ArrayBuffer> }[] = [];
    for (let chunk = 0; chunk < this.#regions.firstGuarded; chunk++) {
      const contents = this.#contents(chunk);
      if (!contents.equals(ZEROS)) copies.push({ chunk, bytes: Uint8Array.from(contents) });
    }
    return copies;
  }

  /** All of the memory has been loaded, by whomever: the files may go. */
  close(): void {
    this.#chunks?.close();
  }

  #load(chunk: number, target: Uint8Array): void {
    for (;;) {
      try {
        this.#chunks!.load(this.#table!.get(chunk), target);
        return;
      } catch (error) {
        this.#damaged(error instanceof StateError ? error : error instanceof ImageError ? new StateError(error.code, error.message, error.advice) : new StateError('state.unreadable', `the saved state can't be read (${error instanceof Error ? error.message : String(error)})`, 'check the disk it is on'));
      }
    }
  }

  #contents(chunk: number): Buffer {
    return Buffer.from(this.#shared, this.#regions.offsetOf(chunk), CHUNK_BYTES);
  }
}

/** The machine stands between two instructions. */
export function captureState(parts: StatefulParts, memory: GuardedMemory, { captureId, hasLast, lost }: CaptureLetter): CapturedState {
  const { pc, scheduler, timeSource, disks, lines, entropy } = parts;
  const time: SavedTime = { source: timeSource.save(), armed: scheduler.armed(), hostSeconds: Math.floor(Date.now() / 1000) };
  const sections: SavedPart[] = [
    { id: 'time', version: TIME_VERSION, state: time },
    ...pc.save(),
    ...disks.flatMap((disk, index): SavedPart[] => disk === undefined ? [] : [{ id: `requests${index}`, version: DISK_VERSION, state: disk.save() }]),
    ...(['serial', 'virtio-console'] as const).map((line): SavedPart => ({ id: `line.${line}`, version: LINE_VERSION, state: lines[line].save() })),
    ...(entropy === undefined ? [] : [{ id: 'entropy', version: ENTROPY_VERSION, state: entropy.save() }]),
  ];
  const unguarded = memory.unguarded();
  const unchanged = memory.guard.protect(hasLast, lost);
  pc.accelerator.mappingChanged();
  return { captureId, sections, unguarded, unchanged };
}

/** Into a board that has just been built. Throws `StateError`. */
export function restoreState(parts: StatefulParts, memory: GuardedMemory, { sections }: ResumedState): void {
  const { pc, scheduler, timeSource, disks, lines, entropy } = parts;
  const part = (id: string, version: number): unknown => {
    const found = sections.find((section) => section.id === id);
    if (found === undefined) throw new StateError('state.other-machine', `the saved state is of a machine without "${id}"`, 'give the machine the hardware it had, or start it without the state: guesthouse start NAME --cold');
    if (found.version !== version) throw new StateError('state.other-version', `the state of "${id}" has the version ${found.version}, and this Guesthouse knows version ${version}`, 'resume the machine with the Guesthouse that saved it, or start it without the state: guesthouse start NAME --cold');
    return found.state;
  };
  memory.begin();
  const time = part('time', TIME_VERSION) as SavedTime;
  try {
    timeSource.restore(time.source);
    entropy?.restore(part('entropy', ENTROPY_VERSION) as readonly number[]);
    for (const line of ['serial', 'virtio-console'] as const) lines[line].restore(part(`line.${line}`, LINE_VERSION) as Uint8Array);
    for (const [index, disk] of disks.entries()) {
      // A disc may have been put into an empty drive meanwhile.
      if (disk !== undefined && sections.some(({ id }) => id === `requests${index}`)) disk.restore(part(`requests${index}`, DISK_VERSION) as SavedRemoteDisk);
    }
    pc.restore(part, parts.clockFollowsHost ? Math.max(0, Math.floor(Date.now() / 1000) - time.hostSeconds) : 0);
    scheduler.restore(time.armed);
  } catch (error) {
    if (error instanceof StateError) throw error;
    // A state that no machine of ours has saved.
    throw new StateError('state.damaged', `the saved state makes no sense (${error instanceof Error ? error.message : String(error)})`, 'restore an earlier snapshot, or start the machine without the state: guesthouse start NAME --cold');
  }
}
