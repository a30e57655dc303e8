import type { Accelerator, CpuBoard, CpuExit } from '../../interfaces/accelerator.ts';
import { EFLAGS_IF, EFLAGS_TF, VECTOR_GP, VECTOR_NMI } from '../arch.ts';
import { cpuid } from '../cpuid.ts';
import { Decoder, LONGEST_INSTRUCTION } from '../decoder.ts';
import { instructionTable } from '../isa/table.ts';
import { CPU_BLOCKS, CPU_BLOCK_BYTES, GLOBAL_A20_MASK, GLOBAL_RETIRED_UNITS, PAGE_BYTES, RECORD_HANDLER } from '../memory-layout.ts';
import {
  ARGUMENTS, ATTENTION, ATTENTION_DEVICE, ATTENTION_INTERRUPT, ATTENTION_NMI, ATTENTION_STEP, BUDGET, COUNT_EXCEPTIONS, COUNT_INTERRUPTS, COUNT_LEAPS, COUNT_LEAPS_MISSED, COUNT_REGION_FAULTS, COUNT_REGION_FINISHED, COUNT_REGION_SINGLES, COUNT_REGION_SPENT, COUNT_TLB_MISSES, COUNT_TRANSLATED, CS, EFLAGS_REST, HOT_THRESHOLD, EXIT_ATTENTION, EXIT_BUDGET,
  EXIT_HALTED, EXIT_REASON, EXIT_STEPPED, EXIT_TRIPLE_FAULT, FAULT_VECTOR, FLAGS_KIND, IGNNE, INTERRUPT_SHADOW, MODE, MODE_CODE_64, MODE_CODE_SIZE, MODE_CS_LIMITED, NMI_BLOCKED, RAX, RBX, RCX, RDX, RIP, REGISTERS_END, RIP_PAGE, SEGMENT_BASE, SEGMENT_LIMIT, SHADOW_BUDGET, SHADOW_STACK_LOAD, STATUS_EXIT,
} from '../state-layout.ts';
import { BlockDecoder } from './block-decoder.ts';
import type { FormTable } from './forms.ts';

/** What the runtime module exports to this side. */
interface RuntimeExports {
  reset(kind: number): void;
  allocChunk(page: number): number;
  reclaimCode(): void;
  allocEntryTable(): number;
  fetchBytes(linear: bigint, count: number): number;
  deliverFault(): number;
  deliverInterrupt(vector: number): number;
  raise(vector: number, errorCode: number, hasError: number): void;
  invalidateCode(memoryOffset: number, length: number): void;
  setMode(): void;
  flushAllTlbs(): void;
  flushAllCode(): void;
  materializeFlags(): void;
  resetTlbs(): void;
  breakpointAtRip(): number;
  debugTrapAfter(stepped: number): number;
}

/** What is saved of a CPU: its block up to where only what lives within an instruction begins. */
export interface SavedCpu {
  readonly registers: Uint8Array;
  readonly halted: boolean;
  readonly instructions: number;
}

interface InterpreterExports {
  enter(): void;
  enterRecord(record: number): void;
}

/** What the interpreter lends to whoever translates its hot code. */
export interface EngineParts {
  readonly memory: WebAssembly.Memory;
  /** The CPU block's offset. */
  readonly base: number;
  readonly runtime: WebAssembly.Imports[string];
  readonly engine: WebAssembly.Imports[string];
  readonly blocks: BlockDecoder;
}

/** Keeps translated regions: the translator's side towards the interpreter. */
export interface RegionStore {
  /** Executions of a block's beginning after which `hot` is called for its gate. */
  readonly threshold: number;
  readonly live: number;
  readonly compileMillis: number;
  counts(): Readonly<Record<string, number>>;
  /** A gate has counted to the threshold: makes it another kind of gate, or its count start again. */
  hot(gate: number): void;
  /** The code of a page (0: of all pages) is gone. */
  dropped(page: number): void;
  /** Between two budgets: takes what has been compiled meanwhile. */
  collect(): void;
}

export interface InterpreterOptions {
  readonly memory: WebAssembly.Memory;
  readonly runtime: WebAssembly.Module;
  readonly interpreter: WebAssembly.Module;
  readonly forms: FormTable;
  readonly board: CpuBoard;
  /** Number of the CPU, which selects its block. */
  readonly cpu: number;
  readonly longMode: boolean;
  /** The translator, where there is one. */
  readonly regions?: ((parts: EngineParts) => RegionStore) | undefined;
}

/** The threaded interpreter: executes decoded records by handlers generated from the instruction table. */
export class Interpreter implements Accelerator {
  readonly name: 'interpreter' | 'translator' = 'interpreter';
  instructions = 0;
  private readonly base: number;
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  private readonly board: CpuBoard;
  private readonly longMode: boolean;
  private readonly forms: FormTable;
  private readonly runtime: RuntimeExports;
  private readonly engine: InterpreterExports;
  private readonly blocks: BlockDecoder;
  private halted = false;
  /** While a budget runs: what BUDGET was set to, so that `instructions` can be told from within. */
  private budgetGiven = 0;
  private readonly exitCounts = { budget: 0, halted: 0, attention: 0, interrupts: 0, steps: 0 };

  constructor(options: InterpreterOptions) {
    this.base = CPU_BLOCKS + options.cpu * CPU_BLOCK_BYTES;
    const { buffer } = options.memory;
    this.view = new DataView(buffer);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.board = options.board;
    this.longMode = options.longMode;
    this.forms = options.forms;
    const imports: WebAssembly.Imports = { env: { memory: options.memory, cpuBase: this.base }, board: this.boardImports() };
    const runtime = new WebAssembly.Instance(options.runtime, imports);
    this.runtime = runtime.exports as unknown as RuntimeExports;
    this.blocks = new BlockDecoder({
      decoder: new Decoder(instructionTable), table: options.forms, memory: buffer, pages: this.runtime, cpuBase: this.base,
    });
    const engine = new WebAssembly.Instance(options.interpreter, {
      env: { memory: options.memory },
      runtime: runtime.exports as WebAssembly.Imports[string],
      decoder: { decodeCrossing: () => this.decodeSingle(false), hot: (gate: number) => this.regions?.hot(gate >>> 0) },
    });
    this.engine = engine.exports as unknown as InterpreterExports;
    this.regions = options.regions?.({
      memory: options.memory, base: this.base, runtime: runtime.exports as WebAssembly.Imports[string], engine: engine.exports as WebAssembly.Imports[string], blocks: this.blocks,
    });
    if (this.regions) {
      this.blocks.gates = true;
      this.name = 'translator';
    }
    this.reset('power-on');
  }
  private readonly regions: RegionStore | undefined;

  private boardImports(): WebAssembly.Imports[string] {
    const { board, bytes, view, base } = this;
    const setArgument = (value: bigint): void => view.setBigUint64(base + ARGUMENTS, value, true);
    const argument = (): bigint => view.getBigUint64(base + ARGUMENTS, true);
    type Width = 1 | 2 | 4;
    const physical = (low: number, high: number): number => (low >>> 0) + (high >>> 0) * 0x100000000;
    return {
      ioRead: (port: number, width: Width) => board.readPort(port, width),
      ioWrite: (port: number, width: Width, value: number) => board.writePort(port, width, value >>> 0),
      ioReadBlock: (port: number, width: Width, at: number, length: number) => board.readPortBlock(port, width, bytes.subarray(at >>> 0, (at >>> 0) + length)),
      ioWriteBlock: (port: number, width: Width, at: number, length: number) => board.writePortBlock(port, width, bytes.subarray(at >>> 0, (at >>> 0) + length)),
      mmioRead: (low: number, high: number, width: Width) => board.readMmio(physical(low, high), width),
      mmioWrite: (low: number, high: number, width: Width, value: number) => board.writeMmio(physical(low, high), width, value >>> 0),
      decodeBlock: (page: number, offset: number) => this.blocks.decodeBlock(page >>> 0, offset),
      makeGate: (page: number, offset: number) => this.blocks.makeGate(page >>> 0, offset),
      regionsDropped: (page: number) => this.regions?.dropped(page >>> 0),
      pageTouched: (memoryOffset: number) => board.pageTouched(memoryOffset >>> 0),
      pageChanges: (memoryOffset: number) => board.pageChanges(memoryOffset >>> 0),
      cpuid: () => this.executeCpuid(),
      timeStampCounter: () => setArgument(BigInt(board.timeStampCounter())),
      coprocessorError: (asserted: number) => board.coprocessorError(asserted !== 0),
      getTaskPriority: () => board.localApic.getTaskPriority(),
      setTaskPriority: (priority: number) => board.localApic.setTaskPriority(priority),
      apicMsrRead: (index: number) => setArgument(index === 0x6e0 ? board.localApic.getTscDeadline() : 0n),
      apicMsrWrite: (index: number) => {
        if (index === 0x6e0) board.localApic.setTscDeadline(argument());
        else board.localApic.setBaseMsr(argument());
      },
    };
  }

  private state32(offset: number): number {
    return this.words[(this.base + offset) >> 2] as number;
  }
  private setState32(offset: number, value: number): void {
    this.words[(this.base + offset) >> 2] = value;
  }
  private state64(offset: number): bigint {
    return this.view.getBigUint64(this.base + offset, true);
  }
  private setState64(offset: number, value: bigint): void {
    this.view.setBigUint64(this.base + offset, value, true);
  }

  private executeCpuid(): void {
    const leaf = this.state32(RAX) >>> 0;
    const subleaf = this.state32(RCX) >>> 0;
    const [eax, ebx, ecx, edx] = cpuid({ longMode: this.longMode, tscHertz: this.board.tscHertz }, leaf, subleaf);
    this.setState64(RAX, BigInt(eax));
    this.setState64(RBX, BigInt(ebx));
    this.setState64(RCX, BigInt(ecx));
    this.setState64(RDX, BigInt(edx));
  }

  reset(kind: 'power-on' | 'init'): void {
    this.halted = false;
    if (kind === 'power-on') this.instructions = 0;
    this.runtime.reset(kind === 'power-on' ? 0 : 1);
    this.setState32(HOT_THRESHOLD, this.regions?.threshold ?? 0);
    this.runtime.flushAllTlbs();
  }

  attend(): void {
    this.setState32(ATTENTION, this.state32(ATTENTION) | ATTENTION_DEVICE);
  }
  interruptRaised(): void {
    this.setState32(ATTENTION, this.state32(ATTENTION) | ATTENTION_INTERRUPT);
  }
  nmi(): void {
    this.setState32(ATTENTION, this.state32(ATTENTION) | ATTENTION_NMI);
  }
  mappingChanged(): void {
    this.runtime.flushAllTlbs();
  }
  codeChanged(memoryOffset: number, length: number): void {
    this.runtime.invalidateCode(memoryOffset, length);
  }
  ignoreNumericErrors(asserted: boolean): void {
    this.setState32(IGNNE, asserted ? 1 : 0);
  }
  setA20(enabled: boolean): void {
    const mask = enabled ? -1 : ~0x100000;
    if (this.words[GLOBAL_A20_MASK >> 2] === mask) return;
    this.words[GLOBAL_A20_MASK >> 2] = mask;
    this.runtime.flushAllTlbs();
  }

  run(budget: number, exact: boolean): CpuExit {
    if (this.words[GLOBAL_RETIRED_UNITS >> 2] !== 0) this.runtime.reclaimCode();
    this.regions?.collect();
    let left = Math.min(budget, 0x7fffffff);
    for (;;) {
      const attention = this.state32(ATTENTION);
      if (attention & ATTENTION_DEVICE) {
        this.setState32(ATTENTION, attention & ~ATTENTION_DEVICE);
        this.exitCounts.attention++;
        return 'attention';
      }
      const pending = this.takeInterrupt();
      if (pending === 'triple-fault') return 'triple-fault';
      if (this.halted) {
        this.exitCounts.halted++;
        return 'halted';
      }
      if (left <= 0) {
        this.exitCounts.budget++;
        return 'budget';
      }
      const before = this.instructions;
      const single = pending === 'shadowed' || (this.state32(ATTENTION) & ATTENTION_STEP) !== 0;
      const exit = single ? this.step() : this.runBlocks(left);
      left -= this.instructions - before;
      switch (exit) {
        case EXIT_HALTED: this.halt(); break;
        case EXIT_TRIPLE_FAULT: return 'triple-fault';
        case EXIT_BUDGET:
          if (single || left <= 0) break;
          if (!exact) {
            this.exitCounts.budget++;
            return 'budget';
          }
          // The next block is longer than what is left: go on one by one. (A REP that yielded also comes here.)
          if (left <= 255) {
            const count = this.instructions;
            const stepped = this.step();
            left -= this.instructions - count;
            if (stepped === EXIT_HALTED) this.halt();
            if (stepped === EXIT_TRIPLE_FAULT) return 'triple-fault';
          }
          break;
        default:
      }
    }
  }

  /** HLT retired, which also ends the shadow of an STI before it. */
  private halt(): void {
    this.halted = true;
    this.setState32(INTERRUPT_SHADOW, 0);
  }

  /** Delivers what waits and may come in. `shadowed`: it may only after the next instruction. */
  private takeInterrupt(): 'none' | 'shadowed' | 'triple-fault' {
    const attention = this.state32(ATTENTION);
    const nmi = (attention & ATTENTION_NMI) !== 0 && this.state32(NMI_BLOCKED) === 0;
    const { interrupts } = this.board;
    if (!nmi && !interrupts.pending) {
      if (attention & ATTENTION_INTERRUPT) this.setState32(ATTENTION, attention & ~ATTENTION_INTERRUPT);
      return 'none';
    }
    const open = (this.state32(EFLAGS_REST) & EFLAGS_IF) !== 0;
    if (!nmi && !open) {
      this.setState32(ATTENTION, attention | ATTENTION_INTERRUPT);
      return 'none';
    }
    if (this.state32(INTERRUPT_SHADOW)) return 'shadowed';
    this.halted = false;
    this.exitCounts.interrupts++;
    if (nmi) {
      this.setState32(ATTENTION, attention & ~ATTENTION_NMI);
      return this.deliver(VECTOR_NMI);
    }
    const delivered = this.deliver(interrupts.acknowledge());
    if (!interrupts.pending) this.setState32(ATTENTION, this.state32(ATTENTION) & ~ATTENTION_INTERRUPT);
    return delivered;
  }

  private deliver(vector: number): 'none' | 'triple-fault' {
    const status = this.runtime.deliverInterrupt(vector);
    return status === STATUS_EXIT && this.state32(EXIT_REASON) === EXIT_TRIPLE_FAULT ? 'triple-fault' : 'none';
  }

  private runBlocks(budget: number): number {
    const shadow = this.state32(INTERRUPT_SHADOW);
    this.setState32(INTERRUPT_SHADOW, 0);
    this.setState32(BUDGET, budget);
    this.setState32(EXIT_REASON, EXIT_ATTENTION);
    this.budgetGiven = budget;
    this.engine.enter();
    const executed = budget - this.state32(BUDGET);
    this.instructions += executed;
    this.budgetGiven = 0;
    // The first block did not fit: the shadow's instruction is still to come.
    if (executed === 0 && this.state32(EXIT_REASON) === EXIT_BUDGET) this.setState32(INTERRUPT_SHADOW, shadow);
    // Of a shadow that fell within, the next instruction may have been executed too.
    else if (this.state32(INTERRUPT_SHADOW) && this.state32(SHADOW_BUDGET) !== this.state32(BUDGET) + 1) this.setState32(INTERRUPT_SHADOW, 0);
    return this.state32(EXIT_REASON);
  }

  /** Instructions retired up to now, also when asked by a device while the engine runs. */
  instructionsNow(): number {
    return this.budgetGiven ? this.instructions + this.budgetGiven - this.state32(BUDGET) : this.instructions;
  }

  /** Executes one instruction, with the debug exceptions before and after it that EFLAGS.TF and DR7 ask for. */
  private step(): number {
    this.exitCounts.steps++;
    const debugging = (this.state32(ATTENTION) & ATTENTION_STEP) !== 0;
    let stepped = (this.state32(EFLAGS_REST) & EFLAGS_TF) !== 0;
    this.setState32(EXIT_REASON, EXIT_STEPPED);
    // Loading SS holds back the debug exceptions at its end and at the next instruction (SDM 3A §6.8.3).
    const afterStackLoad = this.state32(INTERRUPT_SHADOW) === SHADOW_STACK_LOAD;
    if (debugging && !afterStackLoad && this.runtime.breakpointAtRip()) return this.deliverPending();
    this.setState32(INTERRUPT_SHADOW, 0);
    const record = this.decodeSingle(true);
    if (!record) return this.deliverPending();
    this.setState32(BUDGET, 1);
    this.budgetGiven = 1;
    this.engine.enterRecord(record);
    const executed = 1 - this.state32(BUDGET);
    this.budgetGiven = 0;
    this.instructions += executed;
    const reason = this.state32(EXIT_REASON);
    // INT n and its kin clear TF as they enter their handler, and so escape the trap.
    if (stepped && this.isSoftwareInterrupt(record) && !(this.state32(EFLAGS_REST) & EFLAGS_TF)) stepped = false;
    if (this.state32(INTERRUPT_SHADOW) === SHADOW_STACK_LOAD) stepped = false;
    if (!debugging || !executed || reason === EXIT_TRIPLE_FAULT || !this.runtime.debugTrapAfter(stepped ? 1 : 0)) return reason;
    this.setState32(EXIT_REASON, EXIT_STEPPED);
    return this.deliverPending();
  }

  private isSoftwareInterrupt(record: number): boolean {
    return /^INT/.test(this.forms.form(this.view.getUint16(record + RECORD_HANDLER, true))?.row.mnemonic ?? '');
  }

  /** Delivers the pending fault; tells whether that shut the CPU down. */
  private deliverPending(): number {
    this.runtime.deliverFault();
    return this.state32(EXIT_REASON) === EXIT_TRIPLE_FAULT ? EXIT_TRIPLE_FAULT : EXIT_STEPPED;
  }

  /** Decodes the instruction at RIP into the step records; 0 with a fault pending. */
  private decodeSingle(stepping: boolean): number {
    const rip = this.state64(RIP);
    const mode = this.state32(MODE);
    const limit = mode & MODE_CS_LIMITED ? BigInt(this.state32(CS + SEGMENT_LIMIT) >>> 0) : undefined;
    if (limit !== undefined && rip > limit) {
      this.runtime.raise(VECTOR_GP, 0, 1);
      return 0;
    }
    const linear = (mode & MODE_CODE_SIZE) === MODE_CODE_64 ? rip : (rip + this.state64(CS + SEGMENT_BASE)) & 0xffffffffn;
    const pageOffset = Number(linear & BigInt(PAGE_BYTES - 1));
    this.setState64(RIP_PAGE, BigInt.asUintN(64, rip - BigInt(pageOffset)));
    const bytes = limit === undefined || limit === 0xffffffffn ? LONGEST_INSTRUCTION : Number(limit - rip) + 1;
    const record = this.blocks.decodeSingle(linear, pageOffset, mode, bytes, stepping);
    // Where no page was missing it was the limit that the instruction went beyond.
    if (!record && this.state32(FAULT_VECTOR) < 0) this.runtime.raise(VECTOR_GP, 0, 1);
    // Bytes that could not be read may not have been needed.
    if (record) this.setState32(FAULT_VECTOR, -1);
    return record;
  }

  counters(): ReturnType<Accelerator['counters']> {
    return {
      tlbMisses: this.state32(COUNT_TLB_MISSES) >>> 0,
      regions: this.regions?.live ?? 0,
      compileMillis: this.regions?.compileMillis ?? 0,
      exits: { ...this.exitCounts, exceptions: this.state32(COUNT_EXCEPTIONS) >>> 0, deliveredInterrupts: this.state32(COUNT_INTERRUPTS) >>> 0, decoded: this.blocks.decoded,
        leaps: this.state32(COUNT_LEAPS) >>> 0, leapsMissed: this.state32(COUNT_LEAPS_MISSED) >>> 0, singles: this.state32(COUNT_REGION_SINGLES) >>> 0, regionFaults: this.state32(COUNT_REGION_FAULTS) >>> 0,
        spent: this.state32(COUNT_REGION_SPENT) >>> 0, finished: this.state32(COUNT_REGION_FINISHED) >>> 0,
        inRegions: Number(this.view.getBigInt64(this.base + COUNT_TRANSLATED, true)), ...this.regions?.counts() },
    };
  }

  /**
   * The CPU's registers, between two budgets; decoded code and TLBs are made anew. What the interpreter and the translator save
   * is the same.
   */
  save(): SavedCpu {
    this.runtime.materializeFlags();
    return { registers: this.bytes.slice(this.base, this.base + REGISTERS_END), halted: this.halted, instructions: this.instructions };
  }
  /** Throws for what no `save` returned. */
  restore(saved: unknown): void {
    const { registers, halted, instructions } = saved as SavedCpu;
    if (!(registers instanceof Uint8Array) || registers.length !== REGISTERS_END || typeof halted !== 'boolean' || !Number.isSafeInteger(instructions)) throw new Error('this is no state of a CPU');
    this.bytes.set(registers, this.base);
    this.setState32(FLAGS_KIND, 0);
    this.halted = halted;
    this.instructions = instructions;
    this.runtime.resetTlbs();
    this.runtime.setMode();
    this.runtime.flushAllCode();
    this.runtime.flushAllTlbs();
  }
}
