/**
 * The synchronous loop of the machine thread: runs guest code up to the next deadline, fires timers, takes what the
 * mailbox holds, and sleeps while the guest is halted. Nothing here returns to an event loop, so nothing here may wait
 * for a promise.
 */
import type { Accelerator } from '../interfaces/accelerator.ts';
import type { ResetKind } from '../interfaces/device.ts';
import type { CpuShare } from './cpu-share.ts';
import { IdleRhythm } from './idle-rhythm.ts';
import type { BoardLetter, CaptureLetter, Mailbox } from './mailbox.ts';
import type { Scheduler } from './scheduler.ts';
import { type HostTimeSource, InstructionTimeSource } from './time-source.ts';

export type ResetCause = 'guest' | 'triple-fault' | 'user';

export type MachineEnd =
  | { readonly reason: 'guest-power-off' }
  | { readonly reason: 'exit-port'; readonly exitStatus: number }
  | { readonly reason: 'stopped' }
  | { readonly reason: 'reset-stop' };

/** What the loop drives and tells. */
export interface LoopBoard {
  readonly accelerator: Accelerator;
  readonly scheduler: Scheduler;
  readonly timeSource: HostTimeSource | InstructionTimeSource;
  readonly mailbox: Mailbox;
  /** Monotonic host time, for statistics and the length of slices; never seen by the guest. */
  readonly hostNanos: () => number;
  readonly onReset: 'reboot' | 'stop';
  readonly cpuShare: CpuShare;
  /** Letters that aren't the loop's own. */
  deliver(letter: BoardLetter): void;
  /** Hands over the state of everything: called between two instructions, with an empty mailbox. */
  capture(letter: CaptureLetter): void;
  /** Resets every chip and the CPU. */
  reset(kind: ResetKind): void;
  /** Called after each slice and before each sleep: buffered output leaves here. */
  flush(): void;
  /** Whether output waits for its receiver: the guest is held until it has caught up. */
  congested(): boolean;
  /** Whether a halted CPU could be woken by an interrupt (EFLAGS.IF). */
  interruptsEnabled(): boolean;
  announceState(state: 'running' | 'paused' | 'halted-forever'): void;
  announceReset(cause: ResetCause, countInLastMinute: number): void;
}

/** Host time that a slice of guest code is to take. */
const SLICE_NANOS = 400_000;
const MIN_SLICE_INSTRUCTIONS = 4_000;
const MAX_SLICE_INSTRUCTIONS = 500_000;
const FIRST_SLICE_INSTRUCTIONS = 20_000;
/** In instruction time slices end at deadlines, and here so that the mailbox is looked at. */
const INSTRUCTION_TIME_SLICE = 50_000;
/** A deadline already past still leaves the guest some instructions, or a storm of timers would stop it for good. */
const MIN_EXACT_SLICE = 32;
/** Longest sleep: stays below the lost time that host time forgets. */
const MAX_SLEEP_NANOS = 500_000_000;
const MINUTE_NANOS = 60_000_000_000;
/** Letters that give the guest nothing to do. */
const NO_WORK: ReadonlySet<BoardLetter['kind']> = new Set<BoardLetter['kind']>(['ping', 'stats', 'output-drained']);

export class MachineLoop {
  readonly #board: LoopBoard;
  readonly #rhythm = new IdleRhythm();
  #sliceInstructions = FIRST_SLICE_INSTRUCTIONS;
  #paused = false;
  #capture: CaptureLetter | undefined;
  /** Captured, and not to go on. */
  #held = false;
  #end: MachineEnd | undefined;
  #pendingReset: ResetCause | undefined;
  #haltedForever = false;
  #haltedNanos = 0;
  #resetTimes: number[] = [];

  constructor(board: LoopBoard) {
    this.#board = board;
  }

  /** Host time spent asleep because the guest was halted or paused. */
  get haltedNanos(): number {
    return this.#haltedNanos;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** For chips: takes effect at the next instruction boundary. */
  requestReset(cause: ResetCause): void {
    this.#pendingReset ??= cause;
    this.#board.accelerator.attend();
  }

  /** For chips and the exit port: takes effect at the next instruction boundary; the first request counts. */
  requestEnd(end: MachineEnd): void {
    this.#end ??= end;
    this.#board.accelerator.attend();
  }

  /** Runs the machine until it ends. */
  run(): MachineEnd {
    for (;;) {
      const end = this.turn();
      if (end !== undefined) {
        this.#board.flush();
        return end;
      }
    }
  }

  /** One turn: letters, timers, and a slice of guest code or a sleep. Returns how the machine ended, once it has. */
  turn(): MachineEnd | undefined {
    const board = this.#board;
    this.#takeLetters();
    if (this.#pendingReset !== undefined) this.#reset(this.#pendingReset);
    if (this.#end !== undefined) return this.#end;
    if (this.#capture !== undefined) this.#captureNow(this.#capture);
    if (this.#paused || this.#held || board.congested()) {
      board.flush();
      this.#sleep(undefined);
      return undefined;
    }
    const rest = board.cpuShare.restNanos();
    if (rest > 0) {
      board.flush();
      board.mailbox.wait(rest);
      return undefined;
    }
    board.scheduler.runDue();
    // A timer may have ended or reset the machine (a power button held, a watchdog).
    if (this.#end !== undefined || this.#pendingReset !== undefined) return undefined;
    const exit = this.#runSlice();
    board.flush();
    if (exit === 'triple-fault') this.#pendingReset ??= 'triple-fault';
    else if (exit === 'halted') this.#idle();
    else if (this.#haltedForever) this.#setHaltedForever(false);
    return undefined;
  }

  /** What the guest has printed leaves first: it is no part of the state. */
  #captureNow(letter: CaptureLetter): void {
    this.#capture = undefined;
    const board = this.#board;
    board.flush();
    if (letter.thenHold && !this.#held) {
      this.#held = true;
      if (!this.#paused) board.timeSource.pause();
    }
    board.capture(letter);
  }

  #runSlice(): ReturnType<Accelerator['run']> {
    const { accelerator, scheduler, timeSource, hostNanos } = this.#board;
    const deadline = scheduler.nextDeadline();
    const untilDeadline = timeSource.instructionsUntil(deadline);
    const attend = (): void => accelerator.attend();
    if (timeSource instanceof InstructionTimeSource) {
      const budget = Math.max(MIN_EXACT_SLICE, Math.min(INSTRUCTION_TIME_SLICE, untilDeadline));
      scheduler.watchHorizon(deadline ?? Infinity, attend);
      const exit = accelerator.run(budget, true);
      scheduler.forgetHorizon();
      return exit;
    }
    const budget = Math.max(MIN_SLICE_INSTRUCTIONS, Math.min(this.#sliceInstructions, untilDeadline));
    const startNanos = hostNanos();
    const startInstructions = accelerator.instructions;
    // An earlier deadline that lies within the slice has to cut it short.
    scheduler.watchHorizon(Math.min(deadline ?? Infinity, timeSource.now() + SLICE_NANOS), attend);
    const exit = accelerator.run(budget, false);
    scheduler.forgetHorizon();
    const instructions = accelerator.instructions - startInstructions;
    const nanos = hostNanos() - startNanos;
    if (instructions >= MIN_SLICE_INSTRUCTIONS / 4 && nanos > 0) {
      timeSource.instructionsPerNano += (instructions / nanos - timeSource.instructionsPerNano) / 8;
      this.#sliceInstructions = Math.min(MAX_SLICE_INSTRUCTIONS,
        Math.max(MIN_SLICE_INSTRUCTIONS, Math.round(timeSource.instructionsPerNano * SLICE_NANOS)));
    }
    return exit;
  }

  /** The CPU waits for an interrupt, which only a timer or a letter can bring. */
  #idle(): void {
    const { accelerator, scheduler, timeSource } = this.#board;
    if (this.#pendingReset !== undefined || this.#end !== undefined) return;
    const forever = !this.#board.interruptsEnabled();
    if (forever !== this.#haltedForever) this.#setHaltedForever(forever);
    const deadline = scheduler.nextDeadline();
    // Without interrupts no deadline can wake the CPU; sleep until somebody resets the machine or ends it.
    if (forever && timeSource instanceof InstructionTimeSource) return this.#sleep(undefined);
    if (deadline === undefined) return this.#sleep(undefined);
    if (timeSource instanceof InstructionTimeSource) return timeSource.skipTo(deadline);
    const now = timeSource.now();
    const nanos = this.#rhythm.restUntil(now, deadline, scheduler.secondDeadline(), accelerator.instructions) - now;
    if (nanos > 0) this.#sleep(nanos);
  }

  #sleep(nanos: number | undefined): void {
    const { hostNanos, mailbox, timeSource } = this.#board;
    const start = hostNanos();
    const limit = timeSource instanceof InstructionTimeSource || this.#paused || this.#held ? nanos : Math.min(nanos ?? MAX_SLEEP_NANOS, MAX_SLEEP_NANOS);
    mailbox.wait(limit);
    this.#haltedNanos += hostNanos() - start;
  }

  #takeLetters(): void {
    const board = this.#board;
    for (let letter = board.mailbox.take(); letter !== undefined; letter = board.mailbox.take()) {
      switch (letter.kind) {
        case 'pause':
          if (!this.#paused) {
            this.#paused = true;
            board.timeSource.pause();
            board.announceState('paused');
          }
          break;
        case 'resume':
          if (this.#paused) {
            this.#paused = false;
            if (!this.#held) board.timeSource.resume();
            board.announceState(this.#haltedForever ? 'halted-forever' : 'running');
          }
          break;
        case 'capture':
          this.#capture = letter;
          break;
        case 'release':
          if (this.#held) {
            this.#held = false;
            if (!this.#paused) board.timeSource.resume();
          }
          break;
        case 'cpu-limit':
          board.cpuShare.limit(letter.percent);
          break;
        case 'reset':
          this.#pendingReset ??= 'user';
          break;
        case 'power-off':
          this.#end ??= { reason: 'stopped' };
          break;
        default:
          if (!NO_WORK.has(letter.kind)) this.#rhythm.disturb();
          board.deliver(letter);
      }
    }
  }

  #reset(cause: ResetCause): void {
    this.#pendingReset = undefined;
    const board = this.#board;
    const now = board.scheduler.now();
    this.#resetTimes = this.#resetTimes.filter((time) => now - time < MINUTE_NANOS);
    this.#resetTimes.push(now);
    // A reset loop can be arbitrarily fast; the list must not grow with it.
    if (this.#resetTimes.length > 100_000) this.#resetTimes.splice(0, 50_000);
    board.announceReset(cause, this.#resetTimes.length);
    if (board.onReset === 'stop' && cause !== 'user') {
      this.#end ??= { reason: 'reset-stop' };
      return;
    }
    board.reset('soft');
    if (this.#haltedForever) this.#setHaltedForever(false);
  }

  #setHaltedForever(halted: boolean): void {
    this.#haltedForever = halted;
    this.#board.announceState(halted ? 'halted-forever' : 'running');
  }
}
