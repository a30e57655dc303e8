/** Guest time and the timers that chips arm on it: a binary heap by deadline, equal deadlines in the order of arming. */
import type { Clock, Nanos, Timer } from '../interfaces/clock.ts';
import { invariant } from './invariant.ts';
import type { TimeSource } from './time-source.ts';

const NOT_QUEUED = -1;

class ScheduledTimer implements Timer {
  readonly label: string;
  readonly fire: () => void;
  readonly #scheduler: Scheduler;
  deadline: Nanos | undefined = undefined;
  /** Order of arming: decides between equal deadlines. */
  sequence = 0;
  heapIndex = NOT_QUEUED;

  constructor(scheduler: Scheduler, label: string, fire: () => void) {
    this.#scheduler = scheduler;
    this.label = label;
    this.fire = fire;
  }

  arm(deadline: Nanos): void {
    this.#scheduler.arm(this, deadline);
  }

  disarm(): void {
    this.#scheduler.disarm(this);
  }
}

export class Scheduler implements Clock {
  readonly epochSeconds: number;
  readonly #source: TimeSource;
  readonly #heap: ScheduledTimer[] = [];
  #armSequence = 0;
  /**
   * Set by the machine loop for the time in which it runs guest code: end of the slice and what to do when a device
   * arms a timer that is due earlier.
   */
  #horizon: Nanos = -Infinity;
  #sooner: () => void = () => {};

  constructor(source: TimeSource, epochSeconds: number) {
    this.#source = source;
    this.epochSeconds = epochSeconds;
  }

  now(): Nanos {
    return this.#source.now();
  }

  timer(label: string, fire: () => void): Timer {
    return new ScheduledTimer(this, label, fire);
  }

  nextDeadline(): Nanos | undefined {
    return this.#heap[0]?.deadline;
  }

  /** The deadline after the next one. */
  secondDeadline(): Nanos | undefined {
    const left = this.#heap[1]?.deadline;
    const right = this.#heap[2]?.deadline;
    return left === undefined || right === undefined ? left : Math.min(left, right);
  }

  /** From now until `forgetHorizon`, arming a timer for earlier than `horizon` calls `sooner`. */
  watchHorizon(horizon: Nanos, sooner: () => void): void {
    this.#horizon = horizon;
    this.#sooner = sooner;
  }

  forgetHorizon(): void {
    this.#horizon = -Infinity;
  }

  /**
   * Fires what is due. A timer that arms itself again for a time already past waits for the next call: after a stall
   * of the host the guest runs between two ticks, so that late ticks are delivered and not merged into one.
   */
  runDue(): number {
    const lastSequence = this.#armSequence;
    const now = this.now();
    const held: ScheduledTimer[] = [];
    let fired = 0;
    for (let top = this.#heap[0]; top !== undefined && top.deadline! <= now; top = this.#heap[0]) {
      this.#remove(top);
      if (top.sequence > lastSequence) {
        held.push(top);
        continue;
      }
      top.deadline = undefined;
      fired++;
      top.fire();
    }
    // Held timers aren't in the heap: one that a later callback disarmed or armed again has been taken care of.
    for (const timer of held) if (timer.deadline !== undefined && timer.heapIndex === NOT_QUEUED) this.#push(timer);
    return fired;
  }

  /** Labels and deadlines of the armed timers, soonest first, for saved states, traces and tests. */
  armed(): { label: string; deadline: Nanos }[] {
    return [...this.#heap].sort(before).map((timer) => ({ label: timer.label, deadline: timer.deadline! }));
  }

  /**
   * Once every chip has been restored and has armed its timers: gives those of the saved labels their deadlines, and deadlines
   * that are equal their order.
   */
  restore(saved: readonly { readonly label: string; readonly deadline: Nanos }[]): void {
    const byLabel = new Map(this.#heap.map((timer) => [timer.label, timer]));
    for (const { label, deadline } of saved) byLabel.get(label)?.arm(deadline);
  }

  /** @internal for `ScheduledTimer`. */
  arm(timer: ScheduledTimer, deadline: Nanos): void {
    invariant(!Number.isNaN(deadline), `timer ${timer.label} is armed for a number`);
    if (timer.heapIndex !== NOT_QUEUED) this.#remove(timer);
    timer.deadline = deadline;
    timer.sequence = ++this.#armSequence;
    this.#push(timer);
    if (deadline < this.#horizon) {
      this.#horizon = deadline;
      this.#sooner();
    }
  }

  /** @internal for `ScheduledTimer`. */
  disarm(timer: ScheduledTimer): void {
    if (timer.heapIndex !== NOT_QUEUED) this.#remove(timer);
    timer.deadline = undefined;
  }

  #push(timer: ScheduledTimer): void {
    this.#heap.push(timer);
    timer.heapIndex = this.#heap.length - 1;
    this.#siftUp(timer.heapIndex);
  }

  #remove(timer: ScheduledTimer): void {
    const heap = this.#heap;
    const index = timer.heapIndex;
    timer.heapIndex = NOT_QUEUED;
    const last = heap.pop()!;
    if (last === timer) return;
    heap[index] = last;
    last.heapIndex = index;
    this.#siftUp(index);
    this.#siftDown(last.heapIndex);
  }

  #siftUp(from: number): void {
    const heap = this.#heap;
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (before(heap[parent]!, heap[index]!) <= 0) return;
      this.#swap(parent, index);
      index = parent;
    }
  }

  #siftDown(from: number): void {
    const heap = this.#heap;
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const child = right < heap.length && before(heap[right]!, heap[left]!) < 0 ? right : left;
      if (before(heap[index]!, heap[child]!) <= 0) return;
      this.#swap(index, child);
      index = child;
    }
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap;
    const first = heap[a]!;
    const second = heap[b]!;
    heap[a] = second;
    heap[b] = first;
    second.heapIndex = a;
    first.heapIndex = b;
  }
}

function before(a: ScheduledTimer, b: ScheduledTimer): number {
  return a.deadline! - b.deadline! || a.sequence - b.sequence;
}
