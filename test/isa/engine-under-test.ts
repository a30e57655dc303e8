import { BlockDecoder, type CodePages } from '../../src/emulator/cpu/interpreter/block-decoder.ts';
import { Decoder } from '../../src/emulator/cpu/decoder.ts';
import { instructionTable } from '../../src/emulator/cpu/isa/table.ts';
import { CPU_BLOCKS, GLOBAL_A20_MASK, GUEST_RAM, MAP_READABLE, MAP_WRITABLE, PHYS_MAP } from '../../src/emulator/cpu/memory-layout.ts';
import {
  BUDGET, CPL, CR0, CR3, CR4, CS, EFER, EFLAGS_REST, EXIT_REASON, EXIT_STEPPED, FAULT_ERROR, FAULT_VECTOR, FLAGS_AUX, FLAGS_RESULT, FPU_CONTROL, FPU_DP, FPU_OPCODE, FPU_REGISTERS, FPU_STATUS,
  FPU_TAGS, FPU_TOP, GPR, MODE, MODE_ALIGNED, MXCSR, RIP, RIP_PAGE, SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_BYTES, SEGMENT_LIMIT, SEGMENT_SELECTOR, SEGMENTS, STATUS_AGAIN, STATUS_EXIT, STATUS_FAULT, XMM,
} from '../../src/emulator/cpu/state-layout.ts';
import type { CodePage, CodeSource } from '../../src/emulator/cpu/translator/code-source.ts';
import { DEFAULT_GROWTH, growRegion } from '../../src/emulator/cpu/translator/guest-code.ts';
import type { WAYS_OUT } from '../../src/emulator/cpu/translator/region-context.ts';
import { buildRegionModule } from '../../src/emulator/cpu/translator/region-module.ts';
import { engineModules, forms } from '../support/engine-modules.ts';
import { CODE_ADDRESS, CODE_PAGE, DATA_PAGE, WINDOW_ADDRESS, WINDOW_BYTES, type HostCase, type HostOutcome } from './host-cpu.ts';

type RuntimeFunctions = Record<string, (...args: (number | bigint)[]) => number> & CodePages;

type RegionFunction = (rip: bigint, budget: number, entry: number) => void;

/**
 * An engine in user mode over a few pages of memory, executing single instructions as the host runner does: the interpreter, or
 * regions of the translator that begin with the instruction.
 */
export class EngineUnderTest {
  /** Instructions executed in regions, and cases left to the interpreter by a region that had begun. */
  readonly translated = { instructions: 0, refused: 0 };
  private readonly translates: boolean;
  private readonly memory = new WebAssembly.Memory({ initial: (GUEST_RAM >> 16) + 16, maximum: (GUEST_RAM >> 16) + 16, shared: true });
  private readonly view = new DataView(this.memory.buffer);
  private readonly bytes = new Uint8Array(this.memory.buffer);
  private readonly runtime: RuntimeFunctions;
  private readonly engine: { enterRecord(record: number): void };
  private readonly regionImports: WebAssembly.Imports;
  private readonly decoder = new Decoder(instructionTable);
  private readonly blocks: BlockDecoder;

  constructor({ translates = false } = {}) {
    this.translates = translates;
    const board = { ioRead: () => -1, ioWrite: () => undefined, ioReadBlock: () => 0, ioWriteBlock: () => 0, mmioRead: () => -1, mmioWrite: () => undefined,
      decodeBlock: () => 0, cpuid: () => undefined, timeStampCounter: () => undefined, coprocessorError: () => undefined, getTaskPriority: () => 0, setTaskPriority: () => undefined,
      apicMsrRead: () => undefined, apicMsrWrite: () => undefined, makeGate: () => 0, regionsDropped: () => undefined, pageTouched: () => undefined, pageChanges: () => undefined };
    const modules = engineModules();
    const runtime = new WebAssembly.Instance(modules.runtime, { env: { memory: this.memory, cpuBase: CPU_BLOCKS }, board });
    this.runtime = runtime.exports as unknown as RuntimeFunctions;
    const engine = new WebAssembly.Instance(modules.interpreter, {
      env: { memory: this.memory },
      // Faults are compared, not delivered.
      runtime: { ...(runtime.exports as Record<string, WebAssembly.ExportValue>), deliverFault: () => STATUS_EXIT },
      decoder: { decodeCrossing: () => 0, hot: () => undefined },
    });
    this.engine = engine.exports as unknown as { enterRecord(record: number): void };
    this.regionImports = { env: { memory: this.memory }, runtime: runtime.exports, engine: { regions: engine.exports['regions']!, ...this.waysOut() } };
    this.blocks = new BlockDecoder({ decoder: this.decoder, table: forms, memory: this.memory.buffer, pages: this.runtime, cpuBase: CPU_BLOCKS });
    this.view.setInt32(GLOBAL_A20_MASK, -1, true);
    // Physical pages of the test: two of code, two of data, and the page tables.
    this.map(CODE_PAGE, 0);
    this.map(CODE_PAGE + 4096, 1);
    this.map(DATA_PAGE, 2);
    this.map(DATA_PAGE + 4096, 3);
    for (let i = 0; i < 8; i++) this.map(0x1000 + i * 4096, 4 + i);
    const entry = (page: number, index: number, value: number): void => this.view.setBigUint64(GUEST_RAM + (3 + page) * 4096 + index * 8, BigInt(value) | 7n, true);
    entry(1, 0, 0x2000);
    entry(2, 0, 0x3000);
    entry(3, CODE_PAGE >> 21, 0x4000);
    entry(3, DATA_PAGE >> 21, 0x5000);
    for (const at of [0, 1]) {
      entry(4, at, CODE_PAGE + at * 4096);
      entry(5, at, DATA_PAGE + at * 4096);
    }
  }

  private map(physical: number, page: number): void {
    this.view.setUint32(PHYS_MAP + (physical >>> 12) * 4, (GUEST_RAM + page * 4096) | MAP_READABLE | MAP_WRITABLE, true);
  }

  /** Where a region leaves, with RIP and the budget left: as the interpreter's module has it, up to where that would go on. */
  private waysOut(): Record<keyof typeof WAYS_OUT, (rip: bigint, budget: number, status: number) => void> {
    const stop = (rip: bigint, budget: number): void => {
      this.runtime['materializeFlags']?.();
      this.view.setBigUint64(CPU_BLOCKS + RIP, rip, true);
      this.view.setInt32(CPU_BLOCKS + BUDGET, budget, true);
    };
    return {
      leap: stop, spent: stop, faulted: stop,
      single: (rip, budget) => {
        stop(rip, budget);
        this.translated.refused++;
        this.interpret(rip);
      },
      finished: (rip, budget, status) => {
        const retired = status !== STATUS_FAULT && status !== STATUS_AGAIN;
        stop(retired ? this.view.getBigUint64(CPU_BLOCKS + RIP, true) : rip, retired ? budget - 1 : budget);
      },
    };
  }

  /** The region that begins at the code's address; `undefined` where its first instruction is the interpreter's. */
  private region(mode: number): RegionFunction | undefined {
    if (mode & MODE_ALIGNED) return undefined;
    const page = (delta: number): CodePage | undefined => {
      const memoryOffset = GUEST_RAM + delta * 4096;
      return delta < 0 || delta > 1 ? undefined : { delta, descriptor: delta + 1, memoryOffset, bytes: this.bytes.slice(memoryOffset, memoryOffset + 4096) };
    };
    const source: CodeSource = { page, isTaken: () => false, canEnter: () => false, absorb: () => undefined, arrivals: () => 0 };
    const code = growRegion(this.decoder, source, [CODE_ADDRESS - CODE_PAGE], mode, { ...DEFAULT_GROWTH, instructions: 2 });
    if (!code) return undefined;
    const module = new WebAssembly.Module(buildRegionModule([code], CPU_BLOCKS));
    return new WebAssembly.Instance(module, this.regionImports).exports['r0'] as RegionFunction;
  }

  private interpret(rip: bigint): void {
    const { view } = this;
    const record = this.blocks.decodeSingle(rip, Number(rip & 4095n), view.getUint32(CPU_BLOCKS + MODE, true), 15, true);
    view.setInt32(CPU_BLOCKS + BUDGET, 1, true);
    view.setInt32(CPU_BLOCKS + EXIT_REASON, EXIT_STEPPED, true);
    this.engine.enterRecord(record);
  }

  run(one: HostCase): HostOutcome {
    const { view, bytes } = this;
    const base = CPU_BLOCKS;
    const long = one.bits === 64;
    this.runtime['reset']?.(0);
    bytes.fill(0xcc, GUEST_RAM, GUEST_RAM + 8192);
    bytes.set(one.code, GUEST_RAM + (CODE_ADDRESS - CODE_PAGE));
    bytes.fill(0, GUEST_RAM + 8192, GUEST_RAM + 16384);
    bytes.set(one.window, GUEST_RAM + 8192 + (WINDOW_ADDRESS - DATA_PAGE));
    for (let i = 0; i < 16; i++) view.setBigUint64(base + GPR + i * 8, one.registers[i] as bigint, true);
    view.setBigUint64(base + CR0, long ? 0x80050033n : 0x40033n, true);
    view.setBigUint64(base + CR3, 0x1000n, true);
    view.setBigUint64(base + CR4, long ? 0x620n : 0x600n, true);
    view.setBigUint64(base + EFER, long ? 0xd01n : 0n, true);
    for (let i = 0; i < 6; i++) {
      const at = base + SEGMENTS + i * SEGMENT_BYTES;
      view.setBigUint64(at + SEGMENT_BASE, 0n, true);
      view.setUint32(at + SEGMENT_LIMIT, 0xffffffff, true);
      view.setUint32(at + SEGMENT_SELECTOR, 0x2b, true);
      view.setUint32(at + SEGMENT_ATTRIBUTES, 0xc0f3, true);
    }
    view.setUint32(base + CS + SEGMENT_ATTRIBUTES, long ? 0xa0fb : 0xc0fb, true);
    view.setUint32(base + CS + SEGMENT_SELECTOR, 0x33, true);
    view.setUint32(base + CPL, 3, true);
    view.setUint32(base + EFLAGS_REST, Number(one.rflags & ~0x8d5n) | 2, true);
    this.setArithmeticFlags(Number(one.rflags));
    this.loadFx(one.fx);
    view.setBigUint64(base + RIP, BigInt(CODE_ADDRESS), true);
    view.setInt32(base + FAULT_VECTOR, -1, true);
    this.runtime['setMode']?.();
    this.runtime['flushAll']?.();
    let rip = BigInt(CODE_ADDRESS);
    view.setBigUint64(base + RIP_PAGE, rip & ~4095n, true);
    const region = this.translates ? this.region(view.getUint32(base + MODE, true)) : undefined;
    // REP runs in parts: go on until the instruction is over.
    for (let tries = 0; tries < 16; tries++) {
      if (region) {
        this.translated.instructions++;
        region(rip, 1, 0);
      } else this.interpret(rip);
      rip = view.getBigUint64(base + RIP, true);
      if (view.getInt32(base + BUDGET, true) === 0 || view.getInt32(base + FAULT_VECTOR, true) >= 0) break;
    }
    const registers = new BigUint64Array(16);
    for (let i = 0; i < 16; i++) registers[i] = view.getBigUint64(base + GPR + i * 8, true);
    const vector = view.getInt32(base + FAULT_VECTOR, true);
    return {
      trap: vector >= 0 ? vector : 3, error: BigInt(view.getUint32(base + FAULT_ERROR, true)), address: 0n, rip, registers,
      rflags: BigInt(this.arithmeticFlags() | view.getUint32(base + EFLAGS_REST, true)), fx: this.storeFx(),
      window: bytes.slice(GUEST_RAM + 8192 + (WINDOW_ADDRESS - DATA_PAGE), GUEST_RAM + 8192 + (WINDOW_ADDRESS - DATA_PAGE) + WINDOW_BYTES),
    };
  }

  private setArithmeticFlags(flags: number): void {
    const cf = flags & 1;
    const of = (flags >> 11) & 1;
    const aux = (cf << 31) | ((cf ^ of) << 30) | ((((flags >> 2) & 1) ^ 1) << 8) | (((flags >> 4) & 1) << 3) | ((flags >> 7) & 1);
    this.view.setBigInt64(CPU_BLOCKS + FLAGS_RESULT, flags & 0x40 ? 0n : 0x10000n, true);
    this.view.setInt32(CPU_BLOCKS + FLAGS_AUX, aux, true);
  }
  private arithmeticFlags(): number {
    const result = this.view.getBigInt64(CPU_BLOCKS + FLAGS_RESULT, true);
    const aux = this.view.getInt32(CPU_BLOCKS + FLAGS_AUX, true);
    let parity = (Number(BigInt.asUintN(8, result)) ^ (aux >> 8)) & 0xff;
    parity ^= parity >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    const sf = (result < 0n ? 1 : 0) ^ (aux & 1);
    return (aux >>> 31) | ((parity & 1 ? 0 : 1) << 2) | (((aux >> 3) & 1) << 4) | ((result === 0n ? 1 : 0) << 6) | (sf << 7) | (((aux ^ (aux << 1)) >>> 31) << 11);
  }

  private loadFx(fx: Uint8Array): void {
    const { view, bytes } = this;
    const base = CPU_BLOCKS;
    const from = new DataView(fx.buffer, fx.byteOffset, 512);
    const status = from.getUint16(2, true);
    const top = (status >> 11) & 7;
    view.setUint32(base + FPU_CONTROL, from.getUint16(0, true), true);
    view.setUint32(base + FPU_STATUS, status & ~0x3800, true);
    view.setUint32(base + FPU_TOP, top, true);
    view.setUint32(base + FPU_TAGS, ~(fx[4] as number) & 0xff, true);
    for (let i = 0; i < 8; i++) bytes.set(fx.subarray(32 + i * 16, 48 + i * 16), base + FPU_REGISTERS + ((top + i) & 7) * 16);
    bytes.fill(0, base + FPU_OPCODE, base + FPU_DP + 8);
    view.setUint32(base + MXCSR, from.getUint32(24, true), true);
    bytes.set(fx.subarray(160, 416), base + XMM);
  }
  private storeFx(): Uint8Array {
    const { view, bytes } = this;
    const base = CPU_BLOCKS;
    const fx = new Uint8Array(512);
    const to = new DataView(fx.buffer);
    const top = view.getUint32(base + FPU_TOP, true);
    to.setUint16(0, view.getUint32(base + FPU_CONTROL, true), true);
    to.setUint16(2, view.getUint32(base + FPU_STATUS, true) | (top << 11), true);
    fx[4] = ~view.getUint32(base + FPU_TAGS, true);
    to.setUint32(24, view.getUint32(base + MXCSR, true), true);
    for (let i = 0; i < 8; i++) {
      const at = base + FPU_REGISTERS + ((top + i) & 7) * 16;
      fx.set(bytes.subarray(at, at + 10), 32 + i * 16);
    }
    fx.set(bytes.slice(base + XMM, base + XMM + 256), 160);
    return fx;
  }
}
