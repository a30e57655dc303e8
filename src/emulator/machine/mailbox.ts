/**
 * The one gate through which everything from outside reaches a machine: I/O completions, keys, serial input, commands.
 * The machine loop empties it between two slices of guest code, and sleeps on it while the guest is halted.
 */
import type { BlockStatus } from '../interfaces/block-backend.ts';
import type { VmCommand } from '../../shared/vm-protocol.ts';

type PassedOn = 'pause' | 'resume' | 'reset' | 'power-button' | 'power-off' | 'serial-input' | 'virtio-console-input' | 'keys' | 'type-text' | 'pointer'
  | 'stats' | 'ping';

/** A letter to the machine thread, structured-clonable. */
export type Letter =
  | Extract<VmCommand, { kind: PassedOn }>
  | { readonly kind: 'block-done'; readonly disk: number; readonly requestId: number; readonly status: BlockStatus }
  /** A network has something for its adapter, or room for what it sends. */
  | { readonly kind: 'network'; readonly adapter: number }
  /** The machine's state is wanted as it is between two instructions. */
  | CaptureLetter
  /** A machine that was captured and held goes on after all. */
  | { readonly kind: 'release' }
  /** Another disc for the drive that is disk `drive` of the start, or none. Answered by a `disc-changed` post. */
  | { readonly kind: 'disc'; readonly requestId: number; readonly drive: number; readonly force: boolean; readonly disc: NewDisc | undefined }
  /** An adapter's cable was plugged in or pulled out. */
  | { readonly kind: 'cable'; readonly adapter: number; readonly connected: boolean }
  | { readonly kind: 'cpu-limit'; readonly percent: number }
  /** The receiver of a line's output has taken this many bytes. */
  | { readonly kind: 'output-drained'; readonly line: CharacterLine; readonly bytes: number };

export interface CaptureLetter {
  readonly kind: 'capture';
  readonly captureId: number;
  /** The machine stands still from then on, until it is released or ends. */
  readonly thenHold: boolean;
  /** There is an earlier state, of which chunks of memory may be taken over that have not changed since, except those that are 1 in `lost`. */
  readonly hasLast: boolean;
  readonly lost: Uint8Array | undefined;
}

/** A disc that the control thread has opened, and its number in letters and posts. */
export interface NewDisc {
  readonly disk: number;
  readonly sectorCount: number;
}

/** The machine's lines to the outside: COM1 and the virtio console. */
export type CharacterLine = 'serial' | 'virtio-console';

/** Letters that the machine loop keeps to itself. */
export type LoopLetter = Extract<Letter, { kind: 'pause' | 'resume' | 'reset' | 'power-off' | 'cpu-limit' | 'capture' | 'release' }>;
/** Letters for the board and what hangs on it. */
export type BoardLetter = Exclude<Letter, LoopLetter>;

export interface Mailbox {
  /** The oldest letter, or `undefined`. Cheap when there is none. */
  take(): Letter | undefined;
  /**
   * Sleeps until a letter has come or `nanos` of host time have passed (`undefined`: however long it takes). Returns at
   * once when letters wait.
   */
  wait(nanos: number | undefined): void;
  /** Sleeps until a letter that `matches` has come and takes it; the others stay in order. */
  waitFor(matches: (letter: Letter) => boolean): Letter;
}
