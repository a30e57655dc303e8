/**
 * The machine thread's end of a disk: requests leave for the control thread, completions come back as letters. In
 * instruction time a completion reaches the guest a fixed time after its request, and the machine waits for the host
 * where that is late.
 */
import type { BlockBackend, BlockRequest, BlockStatus } from '../interfaces/block-backend.ts';
import type { Clock } from '../interfaces/clock.ts';
import type { Letter, Mailbox } from '../machine/mailbox.ts';
import type { DiskFacts } from './machine-post.ts';

/** A request whose completion has not reached the guest. */
export interface UnfinishedRequest {
  readonly requestId: number;
  readonly request: BlockRequest;
}

export interface SavedRemoteDisk {
  readonly unfinished: readonly UnfinishedRequest[];
  readonly nextRequestId: number;
}

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
  readonly #waiting = new Map<number, { readonly request: BlockRequest; readonly done: (status: BlockStatus) => void }>();
  /** Completions that came before their guest time. */
  readonly #early = new Map<number, BlockDone>();
  #nextRequestId = 1;
  /** While the board is being restored: requests that its chips will issue again, under the numbers that they had. */
  #expected: UnfinishedRequest[] = [];

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
    const requestId = this.#numberOf(request);
    this.#waiting.set(requestId, { request, done });
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

  save(): SavedRemoteDisk {
    return {
      unfinished: [...this.#waiting].map(([requestId, { request: { kind, sector, sectorCount, segments } }]) => ({
        requestId, request: { kind, sector, sectorCount, segments: segments.map(({ offset, length }) => ({ offset, length })) },
      })),
      nextRequestId: this.#nextRequestId,
    };
  }

  /** Before the board is restored. */
  restore(saved: SavedRemoteDisk): void {
    this.#expected = [...saved.unfinished];
    this.#nextRequestId = saved.nextRequestId;
  }

  /** Requests get the numbers by which the scheduler knows their completions. */
  #numberOf(request: BlockRequest): number {
    const at = this.#expected.findIndex(({ request: other }) => isSame(request, other));
    return at < 0 ? this.#nextRequestId++ : this.#expected.splice(at, 1)[0]!.requestId;
  }

  #finish(letter: BlockDone): void {
    const waiting = this.#waiting.get(letter.requestId);
    this.#waiting.delete(letter.requestId);
    waiting?.done(letter.status);
  }
}

function isSame(one: BlockRequest, other: BlockRequest): boolean {
  return one.kind === other.kind && one.sector === other.sector && one.sectorCount === other.sectorCount && one.segments.length === other.segments.length
    && one.segments.every(({ offset, length }, index) => offset === other.segments[index]!.offset && length === other.segments[index]!.length);
}
