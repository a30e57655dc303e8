import { Interpreter } from '../../src/emulator/cpu/interpreter/interpreter.ts';
import { DEFAULT_GROWTH } from '../../src/emulator/cpu/translator/guest-code.ts';
import { ImmediateCompiler, type RegionCompiler } from '../../src/emulator/cpu/translator/region-compiler.ts';
import { TranslatedRegions } from '../../src/emulator/cpu/translator/region-store.ts';
import { CPU_BLOCKS, GUEST_RAM, MAP_READABLE, MAP_WRITABLE, PHYS_MAP } from '../../src/emulator/cpu/memory-layout.ts';
import {
  CPL, CR0, CR3, CR4, CS, DS, EFER, EFLAGS_REST, ES, FPU_REGISTERS, FS, GDTR_BASE, GDTR_LIMIT, GPR, GS, IDTR_BASE, IDTR_LIMIT, RIP, SCRATCH, SEGMENT_ATTRIBUTES, SEGMENT_BASE,
  SEGMENT_LIMIT, SEGMENT_SELECTOR, SS, TR,
} from '../../src/emulator/cpu/state-layout.ts';
import type { CpuBoard, CpuExit } from '../../src/emulator/interfaces/accelerator.ts';
import { engineModules, forms } from './engine-modules.ts';

/** Physical addresses of the tables that the rig lays out. */
export const GDT = 0x1000;
export const IDT = 0x2000;
const TSS = 0x3000;
export const PAGE_TABLES = 0x4000;
/** Every vector has its handler, a HLT, at HANDLERS + vector * 16. In real mode too (segment 0). */
export const HANDLERS = 0x9000;
/** Top of the stack that handlers get when they come from CPL 3. */
export const KERNEL_STACK = 0xc000;
/** Selectors in the rig's GDT. */
export const CODE_0 = 0x08;
export const DATA_0 = 0x10;
export const CODE_3 = 0x1b;
export const DATA_3 = 0x23;

export const RIG_RAM_BYTES = 0x400000;

export interface RigMode {
  readonly bits: 16 | 32 | 64;
  /** Privilege in protected mode; 16-bit code is protected mode where it is given, else real mode. */
  readonly cpl?: 0 | 3;
}

/** Exports of the runtime that the rig calls beside the CPU: all their state is in the shared memory. */
interface RuntimeExports {
  setMode(): void;
  readFlags(): bigint;
  writeArithmeticFlags(value: number): void;
  flushAllTlbs(): void;
  forgetJumps(): void;
}

/**
 * The interpreter over 4 MiB of RAM at physical 0, with descriptor tables, page tables (everything at its own address
 * with all rights) and a halting handler for each vector, and a board that writes down what it is asked.
 */
export class CpuRig implements CpuBoard {
  readonly cpu: Interpreter;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly log: string[] = [];
  /** What the next reads of ports and devices give; all ones when empty. */
  readonly inputs: number[] = [];
  /** Called with each write to a port or device, after it was written down. */
  onWrite: ((address: number, value: number) => void) | undefined;
  /** Vectors that wait at the interrupt controller. */
  readonly vectors: number[] = [];
  tsc = 0;
  readonly tscHertz = 1e9;
  private readonly runtime: RuntimeExports;
  private readonly pageTables = PAGE_TABLES;

  /** Without `translateAfter` the interpreter alone; else code is translated after so many executions of a block, at once or by `compiler`. */
  constructor({ translateAfter, compiler }: { readonly translateAfter?: number; readonly compiler?: (memory: ArrayBufferLike, cpuBase: number) => RegionCompiler } = {}) {
    const pages = (GUEST_RAM + RIG_RAM_BYTES) >> 16;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    for (let page = 0; page < RIG_RAM_BYTES >> 12; page++) this.mapPhysical(page << 12, page << 12);
    this.cpu = new Interpreter({ memory, ...engineModules(), forms, board: this, cpu: 0, longMode: true,
      regions: translateAfter === undefined ? undefined : (parts) => new TranslatedRegions(parts, {
        threshold: translateAfter, compiler: compiler?.(memory.buffer, parts.base) ?? new ImmediateCompiler(memory.buffer, parts.base, () => performance.now(), { ...DEFAULT_GROWTH, arrivals: 0 }),
      }),
    });
    const imports: WebAssembly.Imports = { env: { memory, cpuBase: CPU_BLOCKS }, board: {} };
    for (const { module, name, kind } of WebAssembly.Module.imports(engineModules().runtime)) {
      if (kind === 'function') (imports[module] as Record<string, () => number>)[name] = () => 0;
    }
    this.runtime = new WebAssembly.Instance(engineModules().runtime, imports).exports as unknown as RuntimeExports;
  }

  // The board

  readonly interrupts = ((vectors: number[]) => ({
    get pending(): boolean { return vectors.length > 0; },
    acknowledge: (): number => vectors.shift() ?? 0xff,
  }))(this.vectors);
  readPort(port: number, width: 1 | 2 | 4): number {
    this.note(`in ${port.toString(16)}/${width}`);
    return this.inputs.shift() ?? 0xffffffff;
  }
  writePort(port: number, width: 1 | 2 | 4, value: number): void {
    this.note(`out ${port.toString(16)}/${width} ${value.toString(16)}`);
    this.onWrite?.(port, value);
  }
  readMmio(physical: number, width: 1 | 2 | 4): number {
    this.note(`read ${physical.toString(16)}/${width}`);
    return this.inputs.shift() ?? 0xffffffff;
  }
  writeMmio(physical: number, width: 1 | 2 | 4, value: number): void {
    this.note(`write ${physical.toString(16)}/${width} ${value.toString(16)}`);
    this.onWrite?.(physical, value);
  }
  readPortBlock(): number { return 0; }
  writePortBlock(): number { return 0; }
  pageTouched(): void {}
  pageChanges(): void {}

  coprocessorError(asserted: boolean): void {
    this.note(`FERR# ${asserted ? 'asserted' : 'released'}`);
    this.onCoprocessorError?.(asserted);
  }
  onCoprocessorError: ((asserted: boolean) => void) | undefined;
  timeStampCounter(): number { return this.tsc; }
  readonly localApic = {
    getTaskPriority: (): number => 0,
    setTaskPriority: (): void => undefined,
    setBaseMsr: (): void => undefined,
    getTscDeadline: (): bigint => 0n,
    setTscDeadline: (): void => undefined,
  };
  private note(text: string): void {
    if (this.log.length < 1000) this.log.push(text);
  }
  /** A device raises its line. */
  interrupt(vector: number): void {
    this.vectors.push(vector);
    this.cpu.interruptRaised();
  }

  // Memory

  /** Lets RAM at `ram` appear at `physical`; `undefined` makes it a device's. */
  mapPhysical(physical: number, ram: number | undefined): void {
    this.view.setUint32(PHYS_MAP + (physical >>> 12) * 4, ram === undefined ? 0 : (GUEST_RAM + ram) | MAP_READABLE | MAP_WRITABLE, true);
  }
  /** Writes RAM as DMA does. */
  load(physical: number, bytes: ArrayLike<number>): void {
    this.bytes.set(bytes, GUEST_RAM + physical);
    this.cpu.codeChanged(GUEST_RAM + physical, bytes.length);
  }
  ram(physical: number, length: number): Uint8Array {
    return this.bytes.slice(GUEST_RAM + physical, GUEST_RAM + physical + length);
  }
  read32(physical: number): number {
    return this.view.getUint32(GUEST_RAM + physical, true);
  }
  private set16(physical: number, value: number): void {
    this.view.setUint16(GUEST_RAM + physical, value, true);
  }
  set64(physical: number, value: bigint): void {
    this.view.setBigUint64(GUEST_RAM + physical, value, true);
  }

  // State

  register(number: number): bigint { return this.view.getBigUint64(CPU_BLOCKS + GPR + number * 8, true); }
  setRegister(number: number, value: bigint | number): void { this.view.setBigUint64(CPU_BLOCKS + GPR + number * 8, BigInt.asUintN(64, BigInt(value)), true); }
  get rip(): bigint { return this.view.getBigUint64(CPU_BLOCKS + RIP, true); }
  set rip(value: bigint | number) { this.view.setBigUint64(CPU_BLOCKS + RIP, BigInt(value), true); }
  get flags(): number { return Number(this.runtime.readFlags()); }
  set flags(value: number) {
    this.state32(EFLAGS_REST, (value & ~0x8d5) | 2);
    this.runtime.writeArithmeticFlags(value);
    this.runtime.setMode();
  }
  private state32(offset: number, value: number): void { this.view.setUint32(CPU_BLOCKS + offset, value, true); }
  getState32(offset: number): number { return this.view.getUint32(CPU_BLOCKS + offset, true); }
  getState64(offset: number): bigint { return this.view.getBigUint64(CPU_BLOCKS + offset, true); }
  setState64(offset: number, value: bigint): void { this.view.setBigUint64(CPU_BLOCKS + offset, value, true); }
  /** x87, MMX and SSE registers, as kept. */
  get vectorState(): Uint8Array { return this.bytes.slice(CPU_BLOCKS + FPU_REGISTERS, CPU_BLOCKS + SCRATCH); }
  /** After a change of control registers or segments by hand. */
  follow(): void {
    this.runtime.setMode();
    this.runtime.flushAllTlbs();
  }

  /** What happens when regions are dropped. */
  forgetJumps(): void { this.runtime.forgetJumps(); }

  private segment(at: number, selector: number, base: number, limit: number, attributes: number): void {
    this.setState64(at + SEGMENT_BASE, BigInt(base));
    this.state32(at + SEGMENT_LIMIT, limit);
    this.state32(at + SEGMENT_ATTRIBUTES, attributes);
    this.state32(at + SEGMENT_SELECTOR, selector);
  }
  private descriptor(selector: number, base: number, limit: number, attributes: number): void {
    const at = GDT + (selector & 0xfff8);
    this.set16(at, limit & 0xffff);
    this.set16(at + 2, base & 0xffff);
    this.bytes.set([(base >>> 16) & 0xff, attributes & 0xff, ((attributes >>> 8) & 0xf0) | ((limit >>> 16) & 15), base >>> 24], GUEST_RAM + at + 4);
  }

  /**
   * Power-on, then straight into a mode: flat segments (base 0, in real mode too), interrupts off, registers 0, RSP 0x8000
   * (16-bit) or 0x18000, RIP as given. Tables and handlers are written anew; the rest of RAM stays.
   */
  start(mode: RigMode, rip: number): void {
    const { cpu } = this;
    this.log.length = this.inputs.length = this.vectors.length = 0;
    this.onWrite = this.onCoprocessorError = undefined;
    cpu.reset('power-on');
    const real = mode.bits === 16 && mode.cpl === undefined;
    const long = mode.bits === 64;
    const cpl = mode.cpl ?? 0;
    for (let vector = 0; vector < 256; vector++) {
      this.bytes.set([0xf4, 0xeb, 0xfd], GUEST_RAM + HANDLERS + vector * 16);
      this.gate(vector, HANDLERS + vector * 16, mode);
    }
    cpu.codeChanged(GUEST_RAM + HANDLERS, 4096);
    for (let i = 0; i < 16; i++) this.setRegister(i, 0);
    this.setRegister(4, mode.bits === 16 ? 0x8000 : 0x18000);
    if (real) {
      for (const segment of [ES, CS, SS, DS, FS, GS]) this.segment(segment, 0, 0, 0xffff, segment === CS ? 0x9b : 0x93);
      this.setState64(IDTR_BASE, 0n);
      this.state32(IDTR_LIMIT, 0x3ff);
    } else {
      const size = long ? 0xa000 : mode.bits === 32 ? 0xc000 : 0;
      const limit = mode.bits === 16 ? 0xffff : 0xfffff;
      const scaled = mode.bits === 16 ? 0xffff : 0xffffffff;
      const data = mode.bits === 16 ? 0 : 0xc000;
      this.descriptor(CODE_0, 0, limit, 0x9b | size);
      this.descriptor(DATA_0, 0, limit, 0x93 | data);
      this.descriptor(CODE_3, 0, limit, 0xfb | size);
      this.descriptor(DATA_3, 0, limit, 0xf3 | data);
      this.segment(CS, cpl ? CODE_3 : CODE_0, 0, scaled, 0x9b | (cpl << 5) | size);
      for (const segment of [ES, SS, DS, FS, GS]) this.segment(segment, cpl ? DATA_3 : DATA_0, 0, scaled, 0x93 | (cpl << 5) | data);
      this.segment(TR, 0x28, TSS, 0x20ff, 0x8b);
      this.descriptor(0x28, TSS, 0x20ff, 0x8b);
      this.bytes.fill(0, GUEST_RAM + TSS, GUEST_RAM + TSS + 256);
      this.set64(TSS + 4, BigInt(KERNEL_STACK));
      if (!long) this.set16(TSS + 8, DATA_0);
      this.setState64(GDTR_BASE, BigInt(GDT));
      this.state32(GDTR_LIMIT, 0xfff);
      this.setState64(IDTR_BASE, BigInt(IDT));
      this.state32(IDTR_LIMIT, 0xfff);
      this.writePageTables(long);
      this.setState64(CR3, BigInt(this.pageTables));
      this.setState64(CR4, long ? 0x620n : 0x610n);
      this.setState64(EFER, long ? 0xd01n : 0n);
      this.setState64(CR0, 0x80010033n);
      this.state32(CPL, cpl);
    }
    this.flags = 2;
    this.rip = rip;
    this.follow();
  }

  /** Points a vector at a handler. */
  gate(vector: number, handler: number, mode: RigMode): void {
    if (mode.bits === 16 && mode.cpl === undefined) {
      this.set16(vector * 4, handler);
      this.set16(vector * 4 + 2, 0);
      return;
    }
    const long = mode.bits === 64;
    const at = IDT + vector * (long ? 16 : 8);
    this.set16(at, handler & 0xffff);
    this.set16(at + 2, CODE_0);
    this.set16(at + 4, mode.bits === 16 ? 0xe600 : 0xee00);
    this.set16(at + 6, handler >>> 16);
    if (long) this.set64(at + 8, 0n);
  }

  /** Everything below 4 MiB at its own address, with all rights. */
  private writePageTables(long: boolean): void {
    const root = this.pageTables;
    const entry = (table: number, index: number, value: number): void => {
      if (long) this.set64(root + table * 4096 + index * 8, BigInt(value));
      else this.view.setUint32(GUEST_RAM + root + table * 4096 + index * 4, value, true);
    };
    for (let table = 0; table < 5; table++) this.bytes.fill(0, GUEST_RAM + root + table * 4096, GUEST_RAM + root + (table + 1) * 4096);
    if (long) {
      entry(0, 0, (root + 0x1000) | 7);
      entry(1, 0, (root + 0x2000) | 7);
      for (const half of [0, 1]) entry(2, half, (root + 0x3000 + half * 0x1000) | 7);
      for (let page = 0; page < 1024; page++) entry(3 + (page >> 9), page & 511, (page << 12) | 7);
    } else {
      entry(0, 0, (root + 0x3000) | 7);
      for (let page = 0; page < 1024; page++) entry(3, page, (page << 12) | 7);
    }
  }

  /** Lets linear page `linear` (below 4 MiB) be `physical`, or nothing; the TLBs learn of it. */
  mapPage(linear: number, physical: number | undefined, mode: RigMode, rights = 7): void {
    const value = physical === undefined ? 0 : physical | rights;
    const page = linear >>> 12;
    if (mode.bits === 64) this.set64(this.pageTables + 0x3000 + page * 8, BigInt(value));
    else this.view.setUint32(GUEST_RAM + this.pageTables + 0x3000 + page * 4, value, true);
    this.runtime.flushAllTlbs();
  }

  run(budget: number, exact = true): CpuExit {
    return this.cpu.run(budget, exact);
  }

  /** The vector whose handler the CPU has halted in, `undefined` where it has not. */
  get handled(): number | undefined {
    const offset = Number(this.rip) - HANDLERS - 1;
    return offset >= 0 && offset < 4096 && offset % 16 === 0 ? offset / 16 : undefined;
  }
}
