/**
 * The machine thread's end of a disk: requests leave for the control thread, completions come back as letters. In
 * instruction time a completion reaches the guest a fixed time after its request, and the machine waits for the host
 * where that is late.
 */
import type { BlockBackend, BlockRequest, BlockStatus } from '../interfaces/block-backend.ts';
import type { Clock } from '../interfaces/clock.ts';
import type { Letter, Mailbox } from '../machine/mailbox.ts';
import type { DiskFacts } from './machine-post.ts';

type BlockDone = Extract<Letter, { kind: 'block-done' }>;

/** Guest time from request to completion in instruction time. */
const FIXED_LATENCY_NANOS = 100_000;

export class RemoteDisk implements BlockBackend {
  readonly sectorBytes: 512 | 2048 | 4096;
  readonly sectorCount: number;
  readonly readOnly: boolean;
  readonly serial: string;
  readonly #disk: number;
  readonly #post: (requestId: number, request: BlockRequest) => void;
  readonly #deterministic: { readonly clock: Clock; readonly mailbox: Mailbox } | undefined;
  readonly #waiting = new Map<number, (status: BlockStatus) => void>();
  /** Completions that came before their guest time. */
  readonly #early = new Map<number, BlockDone>();
  #nextRequestId = 1;

  /** `disk` is its number in letters and posts; `deterministic` asks for fixed latency. */
  constructor(disk: number, facts: DiskFacts, post: (requestId: number, request: BlockRequest) => void,
    deterministic: { readonly clock: Clock; readonly mailbox: Mailbox } | undefined) {
    this.sectorBytes = facts.sectorBytes;
    this.sectorCount = facts.sectorCount;
    this.readOnly = facts.readOnly;
    this.serial = facts.serial;
    this.#disk = disk;
    this.#post = post;
    this.#deterministic = deterministic;
  }

  submit(request: BlockRequest, done: (status: BlockStatus) => void): void {
    const requestId = this.#nextRequestId++;
    this.#waiting.set(requestId, done);
    this.#post(requestId, request);
    if (this.#deterministic === undefined) return;
    const { clock, mailbox } = this.#deterministic;
    const isOurs = (letter: Letter): boolean => letter.kind === 'block-done' && letter.disk === this.#disk && letter.requestId === requestId;
    const timer = clock.timer(`disk${this.#disk}.request${requestId}`, () => {
      const early = this.#early.get(requestId);
      this.#early.delete(requestId);
      this.#finish(early ?? (mailbox.waitFor(isOurs) as BlockDone));
    });
    timer.arm(clock.now() + FIXED_LATENCY_NANOS);
  }

  /** A completion letter for this disk has come. In instruction time it is kept until its time. */
  completed(letter: BlockDone): void {
    if (this.#deterministic === undefined) this.#finish(letter);
    else this.#early.set(letter.requestId, letter);
  }

  #finish(letter: BlockDone): void {
    const done = this.#waiting.get(letter.requestId);
    this.#waiting.delete(letter.requestId);
    done?.(letter.status);
  }
}
