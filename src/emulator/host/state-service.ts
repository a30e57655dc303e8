/**
 * The control thread's part of saved states: reads the one that the machine resumes from, loads its memory behind the running
 * machine's back, and writes new ones.
 */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { MachineError } from '../../shared/result.ts';
import type { DiskAttachment, EmptyDrive, NewLayer, SavedState, StateFilePlace, VmCommand, VmStart } from '../../shared/vm-protocol.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import type { Letter } from '../machine/mailbox.ts';
import { ABSENT, LOADED, LOADING, makeGuardWords, type GuardWords } from '../snapshot/memory-guard.ts';
import { CHUNK_BYTES, MemoryRegions } from '../snapshot/memory-regions.ts';
import { encodePlain } from '../snapshot/plain-data.ts';
import { StateError } from '../snapshot/state-error.ts';
import type { MountedBundle } from './bundle-members.ts';
import type { DiskService } from './disk-service.ts';
import { errorOf } from './host-error.ts';
import type { CapturedState, DiskFacts, MachinePost, ResumedState } from './machine-post.ts';
import { checkRawFile } from './image-files.ts';
import { NewImageFile } from './new-image-file.ts';
import { openDisk } from './open-disk.ts';
import { StateFile, type StateSection } from './state-reader.ts';
import { StateWriter } from './state-writer.ts';

/** Chunks that the prefetcher loads at a time: it leaves a core to the machine. */
const PREFETCHED_AT_ONCE = 2;
/** The guest gets its first pages by itself, undisturbed. */
const PREFETCH_DELAY_MILLIS = 100;

type SaveState = Extract<VmCommand, { kind: 'save-state' }>;

export interface StateServiceParts {
  readonly start: VmStart;
  readonly shared: SharedArrayBuffer;
  /** By their numbers; empty drives have none. */
  readonly disks: readonly (DiskService | undefined)[];
  readonly facts: readonly (DiskFacts | undefined)[];
  readonly bundle: MountedBundle | undefined;
  readonly log: DeviceLog;
  readonly post: (letter: Letter) => void;
  /** Sections that are the control thread's own. */
  readonly ownSections: () => readonly StateSection[];
  readonly memoryLoaded: () => void;
}

export class StateService {
  readonly words: GuardWords;
  readonly #parts: StateServiceParts;
  readonly #regions: MemoryRegions;
  /** The last state that memory has in common with, and which chunks it hasn't although nobody has changed them since. */
  #last: StateFile | undefined;
  #lost: Uint8Array | undefined;
  readonly #places = new Map<string, string>();
  /** What each disk writes now. */
  readonly #attachments: (DiskAttachment | EmptyDrive)[];
  #layers: readonly NewLayer[] = [];
  /** Of the last `save`. */
  layersInUse = false;
  #saving: { readonly command: SaveState; readonly captured: (state: CapturedState, standingNanos: number) => void } | undefined;
  #writer: StateWriter | undefined;
  #nextCapture = 1;
  #isClosed = false;

  /** `resumed` is the state that the machine resumes from. */
  constructor(parts: StateServiceParts, resumed: StateFile | undefined) {
    this.#parts = parts;
    this.#regions = new MemoryRegions(parts.start.memoryBytes);
    this.words = makeGuardWords(this.#regions.chunks);
    this.#attachments = [...parts.start.disks];
    this.#last = resumed;
    if (resumed === undefined) return;
    this.#remember(resumed.index.id, resumed.path, parts.start.resumeFrom?.others ?? []);
    for (let chunk = 0; chunk < this.#regions.chunks; chunk++) if (!resumed.index.chunks.isZero(chunk)) this.words.loading[chunk] = ABSENT;
  }

  /** Opens a machine's state and checks that it fits. Throws `StateError` and `StartError`. */
  static async openFor(start: VmStart, facts: readonly (DiskFacts | undefined)[], bundle?: MountedBundle): Promise<{ readonly file: StateFile; readonly sections: readonly StateSection[] } | undefined> {
    const { resumeFrom } = start;
    if (resumeFrom === undefined) return undefined;
    const file = await StateFile.open(resumeFrom.path, resumeFrom.others, bundle);
    try {
      checkBoard(file.index.board, boardOf(start, facts));
      const regions = new MemoryRegions(start.memoryBytes).all.map(({ name, chunks }) => `${name} ${chunks}`).join();
      if (file.index.regions.map(({ name, chunks }) => `${name} ${chunks}`).join() !== regions) throw new StateError('state.other-machine', 'the saved state is of a machine with other memory', ADVICE);
      return { file, sections: await file.sections() };
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Loads what the guest hasn't touched, once it runs. */
  prefetch(): void {
    const file = this.#last;
    if (file === undefined) return;
    setTimeout(() => {
      let next = this.#regions.firstGuarded;
      const work = async (): Promise<boolean> => {
        while (next < this.#regions.chunks && !this.#isClosed) {
          if (!await this.#load(file, next++)) return false;
        }
        return true;
      };
      void Promise.all(Array.from({ length: PREFETCHED_AT_ONCE }, work)).then((isLoaded) => {
        if (isLoaded.every(Boolean) && !this.#isClosed) this.#parts.memoryLoaded();
      });
    }, PREFETCH_DELAY_MILLIS);
  }

  /** `false`: it can't be read. The guest will stand still when it needs it. */
  async #load(file: StateFile, chunk: number): Promise<boolean> {
    const { loading } = this.words;
    if (Atomics.compareExchange(loading, chunk, ABSENT, LOADING) !== ABSENT) return true;
    try {
      const contents = await file.chunk(chunk);
      new Uint8Array(this.#parts.shared, this.#regions.offsetOf(chunk), CHUNK_BYTES).set(contents);
      Atomics.store(loading, chunk, LOADED);
      return true;
    } catch (error) {
      Atomics.store(loading, chunk, ABSENT);
      if (!this.#isClosed) this.#parts.log.log('warning', 'memory', `a part of the machine's memory can't be loaded: ${errorOf(error).message}`);
      return false;
    } finally {
      Atomics.notify(loading, chunk);
    }
  }

  /** Empty layers for disks, as files that are not in use yet. Answers with what went wrong. */
  async makeLayers(layers: readonly NewLayer[]): Promise<MachineError | undefined> {
    try {
      await this.dropLayers();
      this.#layers = layers;
      for (const layer of layers) {
        const below = this.#attachments[layer.disk];
        const facts = this.#parts.facts[layer.disk];
        if (below?.path === undefined || facts === undefined || below.readOnly || below.discardChanges) throw new StateError('snapshot.no-layer', `the disk ${below?.path ?? layer.disk} can't get a layer`, 'attach it for writing');
        const format = this.#parts.disks[layer.disk]!.format;
        if (format === 'raw') await checkRawFile(below.path);
        await using made = await NewImageFile.make(layer.path, false);
        await made.create({ format: 'qcow2', bytes: facts.sectorCount * facts.sectorBytes, backing: { name: layer.backingName, format } });
        await made.finish();
      }
      return undefined;
    } catch (error) {
      await this.dropLayers();
      return errorOf(error);
    }
  }

  async dropLayers(): Promise<void> {
    for (const { path } of this.#layers) await rm(path, { force: true }).catch(() => {});
    this.#layers = [];
  }

  /** Never rejects. */
  async save(command: SaveState): Promise<{ readonly error: MachineError } | { readonly saved: SavedState }> {
    if (this.#saving !== undefined) return { error: { code: 'snapshot.busy', message: 'the machine\'s state is being saved already', advice: 'wait until that is done' } };
    const { post } = this.#parts;
    this.layersInUse = false;
    try {
      const { state, standingNanos } = await new Promise<{ state: CapturedState; standingNanos: number }>((resolve) => {
        this.#saving = { command, captured: (captured, nanos) => { resolve({ state: captured, standingNanos: nanos }); } };
        post({ kind: 'capture', captureId: this.#nextCapture++, thenHold: command.thenHold, hasLast: this.#last !== undefined, lost: this.#lost });
      });
      return { saved: await this.#write(command, state, standingNanos) };
    } catch (error) {
      if (command.thenHold) post({ kind: 'release' });
      return { error: errorOf(error) };
    } finally {
      this.#saving = undefined;
      this.#writer = undefined;
    }
  }

  captured({ state, standingNanos }: Extract<MachinePost, { kind: 'captured' }>): void {
    // The writer is there before the machine thread's copies of chunks come.
    const command = this.#saving!.command;
    this.#writer = new StateWriter(command.path, {
      sections: [...state.sections, ...this.#parts.ownSections()], board: boardOf(this.#parts.start, this.#parts.facts),
      shared: this.#parts.shared, regions: this.#regions, words: this.words,
      unguarded: state.unguarded, unchanged: state.unchanged, last: this.#last, mayCountOn: (id) => command.mayCountOn.includes(id),
    });
    this.#saving!.captured(state, standingNanos);
  }

  chunk({ chunk, bytes }: Extract<MachinePost, { kind: 'chunk' }>): void {
    if (this.#writer !== undefined) {
      this.#writer.take({ chunk, bytes });
      return;
    }
    Atomics.sub(this.words.copies, 0, 1);
    Atomics.notify(this.words.copies, 0);
  }

  async #write(command: SaveState, state: CapturedState, standingNanos: number): Promise<SavedState> {
    const writer = this.#writer!;
    const layers = this.#layers;
    this.#layers = [];
    const [written, switched] = await Promise.allSettled([writer.write(), this.#switchTo(layers)]);
    const last = this.#last;
    if (written.status === 'fulfilled' && switched.status === 'fulfilled' && command.isKept) {
      this.#remember(written.value, command.path, []);
      this.#last = await StateFile.open(command.path, this.#knownPlaces(), this.#parts.bundle);
      this.#lost = undefined;
      if (last !== undefined && this.#isAllLoaded()) await last[Symbol.asyncDispose]();
    } else {
      // No chunk is marked as changed now, and the last file hasn't those that were.
      const lost = this.#lost ?? new Uint8Array(this.#regions.chunks);
      for (let chunk = 0; chunk < lost.length; chunk++) if (state.unchanged[chunk] !== 1) lost[chunk] = 1;
      this.#lost = lost;
    }
    if (switched.status === 'rejected') {
      if (written.status === 'fulfilled') await rm(command.path, { force: true });
      throw switched.reason;
    }
    if (written.status === 'rejected') throw written.reason;
    return { id: written.value, otherFiles: [...writer.otherFiles], bytes: writer.bytes, pauseMillis: standingNanos / 1e6 };
  }

  #isAllLoaded(): boolean {
    return this.words.loading.every((word) => word === LOADED);
  }

  /** From now on disks write their new layers. Where one can't, all write what they did before. */
  async #switchTo(layers: readonly NewLayer[]): Promise<void> {
    const done: NewLayer[] = [];
    try {
      for (const layer of layers) {
        const below = this.#attachments[layer.disk] as DiskAttachment;
        const above: DiskAttachment = { ...below, path: layer.path, format: 'qcow2', backingFolders: [...below.backingFolders, dirname(below.path)] };
        await this.#parts.disks[layer.disk]!.replace(() => openDisk(above, this.#parts.bundle), () => openDisk(below, this.#parts.bundle));
        this.#attachments[layer.disk] = above;
        done.push(layer);
      }
      this.layersInUse = layers.length > 0;
    } catch (error) {
      this.layersInUse = done.length > 0;
      if (done.length > 0) this.#parts.log.log('error', 'snapshot', 'some disks have got a new layer and others not: stop the machine before its next snapshot');
      throw error;
    }
  }

  #remember(id: string, path: string, others: readonly StateFilePlace[]): void {
    this.#places.set(id, path);
    for (const other of others) this.#places.set(other.id, other.path);
  }

  #knownPlaces(): StateFilePlace[] {
    return [...this.#places].map(([id, path]) => ({ id, path }));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last?.[Symbol.asyncDispose]().catch(() => {});
  }
}

/** For the machine thread. */
export function resumedState(file: StateFile, sections: readonly StateSection[]): ResumedState {
  return { sections, chunks: file.index.chunks.bytes, files: file.places };
}

const ADVICE = 'give the machine the hardware it had, or start it without the state: guesthouse start NAME --cold';

/** What has to be the same for a state to fit a machine. */
function boardOf(start: VmStart, facts: readonly (DiskFacts | undefined)[]): Readonly<Record<string, unknown>> {
  return {
    memory: start.memoryBytes,
    architecture: start.architecture,
    time: start.time === 'host' ? 'host' : start.time.instructionsPerMicrosecond,
    disks: start.disks.map(({ bus, kind }, index) => {
      const disk = kind === 'disk' ? facts[index] : undefined;
      return { bus, kind, sectorBytes: disk?.sectorBytes, sectorCount: disk?.sectorCount, readOnly: disk?.readOnly };
    }),
    'network adapters': (start.adapters ?? []).map(({ model }) => model),
  };
}

function checkBoard(saved: Readonly<Record<string, unknown>>, present: Readonly<Record<string, unknown>>): void {
  for (const [part, value] of Object.entries(present)) {
    if (Buffer.compare(encodePlain(saved[part]), encodePlain(value)) !== 0) throw new StateError('state.other-machine', `the saved state is of a machine with other hardware (${part})`, ADVICE);
  }
}
