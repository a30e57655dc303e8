/** What the two threads of a VM process say to each other besides letters. */
import type { BlockRequest } from '../interfaces/block-backend.ts';
import type { MessagePort } from 'node:worker_threads';
import type { VmEvent, VmStart, VmStats } from '../../shared/vm-protocol.ts';
import type { MemberPlace } from './bundle-members.ts';
import type { EngineModules } from './engine-modules.ts';
import type { MachineEnd } from '../machine/machine-loop.ts';
import type { CharacterLine } from '../machine/mailbox.ts';
import type { SavedPart } from '../machine/pc.ts';
import type { GuardWords } from '../snapshot/memory-guard.ts';

/** Facts of an opened image that the machine thread needs to show a disk to the guest. */
export interface DiskFacts {
  readonly sectorBytes: 512 | 2048 | 4096;
  readonly sectorCount: number;
  readonly readOnly: boolean;
  readonly serial: string;
}

/** A machine's state as the machine thread has it, and what the control thread is to do about its memory. */
export interface CapturedState {
  readonly captureId: number;
  readonly sections: readonly SavedPart[];
  /** Chunks that are not guarded, except for those that are zeros. */
  readonly unguarded: readonly { readonly chunk: number; readonly bytes: Uint8Array<ArrayBuffer> }[];
  /** By chunk: 1 where it is as in the last state. */
  readonly unchanged: Uint8Array<ArrayBuffer>;
}

/** A saved state as the control thread has read it. */
export interface ResumedState {
  readonly sections: readonly SavedPart[];
  /** A `ChunkTable`, and the files that its entries name. */
  readonly chunks: Uint8Array<ArrayBuffer>;
  readonly files: readonly (string | MemberPlace)[];
}

/** Files that the control thread has read for the board. */
export interface BoardFiles {
  readonly bios: Uint8Array;
  readonly vgaBios: Uint8Array | undefined;
  /** By the adapters' order. */
  readonly adapterRoms: readonly (Uint8Array | undefined)[];
  /** Of a direct boot. A machine that goes on from a saved state boots later, if ever: its thread reads them then. */
  readonly boot: BootFiles | undefined;
}

export interface BootFiles {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array | undefined;
}

/** What the machine thread's worker is told. */
export type MachineThreadOrder = MachineThreadStart | Rehearsal;

/** Before there is a machine: the engine's and the board's code is to be ready. Answered by a message. */
export interface Rehearsal {
  readonly kind: 'rehearse';
  readonly engine: EngineModules;
  readonly files: BoardFiles;
}

/** The last order: what it is to run. */
export interface MachineThreadStart {
  readonly kind: 'run';
  readonly start: VmStart;
  readonly memory: WebAssembly.Memory;
  readonly engine: EngineModules;
  readonly files: BoardFiles;
  /** `undefined` is an empty drive. */
  readonly disks: readonly (DiskFacts | undefined)[];
  readonly guardWords: GuardWords;
  readonly resumed: ResumedState | undefined;
  /** Letters come in here, posts go out there. */
  readonly letters: MessagePort;
  readonly posts: MessagePort;
}

/** The part of the statistics that the machine thread knows. */
export type MachineStats = Omit<VmStats, 'peakRssBytes' | 'diskBytesRead' | 'diskBytesWritten' | 'discBytesRead' | 'netBytesIn' | 'netBytesOut' | 'adapters' | 'displayFrames'>;

export type MachinePost =
  | { readonly kind: 'event'; readonly event: VmEvent }
  /** Counted against the bound on a line's output under way; answered by an `output-drained` letter. */
  | { readonly kind: 'output'; readonly line: CharacterLine; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'block'; readonly disk: number; readonly requestId: number; readonly request: BlockRequest }
  /** An adapter has something for its network, or room for what comes from it. */
  | { readonly kind: 'network'; readonly adapter: number }
  /** `standingNanos`: how long the guest had stood still until then. */
  | { readonly kind: 'captured'; readonly state: CapturedState; readonly standingNanos: number }
  /** A chunk of memory that a live snapshot wants and that is about to change. */
  | { readonly kind: 'chunk'; readonly chunk: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'stats'; readonly requestId: number; readonly stats: MachineStats }
  /** Whether the guest let go of the disc that was in. */
  | { readonly kind: 'disc-changed'; readonly requestId: number; readonly isHeld: boolean }
  | { readonly kind: 'start-failed'; readonly code: string; readonly message: string; readonly advice: string }
  | { readonly kind: 'ended'; readonly end: MachineEnd; readonly stats: MachineStats };
