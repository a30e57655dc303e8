import type { InterruptSource } from './interrupt-line.ts';

/** Why an accelerator came back. */
export type CpuExit =
  /** The budget is used up (exactly, in deterministic time; roughly otherwise). */
  | 'budget'
  /** HLT: nothing to do until an interrupt comes. */
  | 'halted'
  /** A device asked for the machine loop through `attend`. */
  | 'attention'
  /** Shutdown: resets the machine as a PC's board does. */
  | 'triple-fault';

/**
 * One virtual CPU, executed by the interpreter, the translator or the host. All of it happens on the machine thread, in
 * synchronous calls.
 */
export interface Accelerator {
  readonly name: 'interpreter' | 'translator' | 'kvm';
  /** Instructions retired since power-on. A whole REP counts once. */
  readonly instructions: number;
  /** The same, exact also when a device asks in the middle of `run`: instruction time is read from it. */
  instructionsNow(): number;
  reset(kind: 'power-on' | 'init'): void;
  /**
   * Executes up to `budget` instructions (`exact`: precisely, unless it comes back for another reason), taking
   * interrupts from its InterruptSource between instructions. Returns also in the middle when `attend` was called.
   */
  run(budget: number, exact: boolean): CpuExit;
  /** Makes a running `run` return at the next instruction boundary. Called by devices and timers, on the same thread. */
  attend(): void;
  /** Tells that the source's `pending` may have become true. */
  interruptRaised(): void;
  nmi(): void;
  /** Guest-physical pages changed what lies behind them (PAM, BARs, A20). */
  mappingChanged(): void;
  /** Bytes of the shared memory changed under decoded code (DMA, a loader). */
  codeChanged(memoryOffset: number, length: number): void;
  setA20(enabled: boolean): void;
  /** The pin IGNNE#: x87 errors are passed over while CR0.NE is 0. */
  ignoreNumericErrors(asserted: boolean): void;
  /** For statistics. */
  counters(): { readonly tlbMisses: number; readonly regions: number; readonly compileMillis: number; readonly exits: Readonly<Record<string, number>> };
  /** What other accelerators of the same name or another restore; `save` changes nothing that the guest sees. */
  save(): unknown;
  /** Throws for what no `save` returned. Decoded and translated code is dropped. */
  restore(saved: unknown): void;
}

/** What a CPU needs of its board. */
export interface CpuBoard {
  readonly interrupts: InterruptSource;
  readPort(port: number, width: 1 | 2 | 4): number;
  writePort(port: number, width: 1 | 2 | 4, value: number): void;
  readMmio(physical: number, width: 1 | 2 | 4): number;
  writeMmio(physical: number, width: 1 | 2 | 4, value: number): void;
  /** REP INS/OUTS: bytes transferred directly, 0 when the port has no block handler. */
  readPortBlock(port: number, width: 1 | 2 | 4, target: Uint8Array): number;
  writePortBlock(port: number, width: 1 | 2 | 4, source: Uint8Array): number;
  /** A page with PAGE_ABSENT is touched, or one with PAGE_CLEAN is about to change; `memoryOffset` lies in it. */
  pageTouched(memoryOffset: number): void;
  pageChanges(memoryOffset: number): void;
  /** The time-stamp counter: guest time in ticks of `tscHertz`, a whole number below 2^53. */
  timeStampCounter(): number;
  readonly tscHertz: number;
  /** The pin FERR#: an x87 error waits for the board's answer (CR0.NE is 0). */
  coprocessorError(asserted: boolean): void;
  /** CR8 and IA32_APIC_BASE, IA32_TSC_DEADLINE live in the local APIC. */
  readonly localApic: {
    getTaskPriority(): number;
    setTaskPriority(priority: number): void;
    setBaseMsr(value: bigint): void;
    getTscDeadline(): bigint;
    setTscDeadline(value: bigint): void;
  };
}
