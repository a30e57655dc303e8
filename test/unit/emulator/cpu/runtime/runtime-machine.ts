import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  CODE_CHUNK_HEADER_BYTES, CODE_CHUNK_USED, CODE_PAGE_COVERED, CODE_PAGE_ENTRIES, CPU_BLOCKS, ENTRY_TABLE_BITS, ENTRY_TABLE_BYTES, GUEST_RAM, MAP_READABLE, MAP_WRITABLE, PHYS_MAP, RECORD_BYTES,
} from '../../../../../src/emulator/cpu/memory-layout.ts';
import {
  ARGUMENTS, CPL, CR0, CR3, CR4, CS, DS, EFER, EFLAGS_REST, ES, FAULT_ADDRESS, FAULT_ERROR, FAULT_HAS_ERROR, FAULT_VECTOR, FS, GDTR_BASE, GDTR_LIMIT, GS, IDTR_BASE, IDTR_LIMIT, MODE, PENDING_BYTES,
  RIP, RSP, SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_LIMIT, SEGMENT_SELECTOR, SS, TLB_CURRENT, TLB_ENTRIES, TLB_ENTRY_BYTES, TLB_READ_TAG, TLB_WRITE_TAG, TR,
} from '../../../../../src/emulator/cpu/state-layout.ts';

export const READ = 0;
export const WRITE = 1;
export const MODIFY = 2;

/** Guest RAM, from physical 0. */
export const RAM_BYTES = 0x400000;
/** Everything from here up to RAM_BYTES is RAM that page tables may be put in. */
const TABLES = 0x300000;

export interface Segment {
  readonly selector?: number;
  readonly base?: number;
  readonly limit?: number;
  readonly attributes?: number;
}

type Value = number | bigint;
type RuntimeExports = Record<string, (...args: Value[]) => Value>;

let compiled: WebAssembly.Module | undefined;
const memory = new WebAssembly.Memory({ initial: (GUEST_RAM + RAM_BYTES) >> 16, maximum: 65536, shared: true });

/** The compiled runtime over 4 MiB of RAM, with a board that writes down what it is asked. */
export class RuntimeMachine {
  readonly view = new DataView(memory.buffer);
  readonly bytes = new Uint8Array(memory.buffer);
  readonly log: string[] = [];
  readonly call: RuntimeExports;
  /** What the next reads of ports and devices give; all ones when empty. */
  readonly inputs: number[] = [];
  blockBytes = 0;
  decoded = 0;
  tsc = 0n;
  private nextTable = TABLES;

  constructor() {
    this.bytes.fill(0, 0x1000, 0x3000);
    this.bytes.fill(0, CPU_BLOCKS, CPU_BLOCKS + 0x40000);
    this.bytes.fill(0, PHYS_MAP, PHYS_MAP + 0x600000);
    this.bytes.fill(0, 0xa00000, 0xf00000);
    this.bytes.fill(0, GUEST_RAM, GUEST_RAM + RAM_BYTES);
    compiled ??= new WebAssembly.Module(readFileSync(path.join(import.meta.dirname, '../../../../../dist/wasm/runtime.wasm')));
    const input = (): number => this.inputs.shift() ?? -1;
    const hex = (value: number): string => (value >>> 0).toString(16);
    const board = {
      ioRead: (port: number, width: number) => { this.log.push(`in ${hex(port)}/${width}`); return input(); },
      ioWrite: (port: number, width: number, value: number) => { this.log.push(`out ${hex(port)}/${width} ${hex(value)}`); },
      ioReadBlock: (port: number, width: number, at: number, length: number) => {
        const take = Math.min(length, this.blockBytes);
        this.blockBytes -= take;
        if (take) { this.log.push(`in-block ${hex(port)}/${width} ${take}`); this.bytes.fill(0xb5, at, at + take); }
        return take;
      },
      ioWriteBlock: () => 0,
      mmioRead: (low: number, high: number, width: number) => { this.log.push(`read ${high ? hex(high) + ':' : ''}${hex(low)}/${width}`); return input(); },
      mmioWrite: (low: number, high: number, width: number, value: number) => { this.log.push(`write ${high ? hex(high) + ':' : ''}${hex(low)}/${width} ${hex(value)}`); },
      decodeBlock: (descriptor: number, offset: number) => this.decode(descriptor, offset),
      makeGate: () => 0, regionsDropped: () => undefined, pageTouched: () => undefined, pageChanges: () => undefined,
      coprocessorError: (asserted: number) => { this.log.push(`FERR# ${asserted}`); },
      cpuid: () => undefined,
      timeStampCounter: () => this.set64(ARGUMENTS, this.tsc),
      getTaskPriority: () => 5,
      setTaskPriority: (value: number) => { this.log.push(`tpr ${value}`); },
      apicMsrRead: () => this.set64(ARGUMENTS, 0x1234n),
      apicMsrWrite: (index: number) => { this.log.push(`apic msr ${hex(index)} ${this.get64(ARGUMENTS).toString(16)}`); },
    };
    const instance = new WebAssembly.Instance(compiled, { env: { memory, cpuBase: CPU_BLOCKS }, board });
    this.call = instance.exports as unknown as RuntimeExports;
    for (let page = 0; page < RAM_BYTES >> 12; page++) this.mapPage(page << 12, page << 12);
    this.run('reset', 0);
  }

  /** Calls an export and gives a number (64-bit results: use `run64`). */
  run(name: string, ...args: Value[]): number {
    const exported = this.call[name];
    if (!exported) throw new Error(`runtime.wasm has no ${name}`);
    return Number(exported(...args)) >>> 0;
  }
  run64(name: string, ...args: Value[]): bigint {
    return BigInt.asUintN(64, this.call[name]?.(...args) as bigint);
  }

  /** Where the page at `physical` comes from: a page of RAM, or undefined for a device. */
  mapPage(physical: number, ram: number | undefined, bits = MAP_READABLE | MAP_WRITABLE): void {
    this.view.setUint32(PHYS_MAP + Math.floor(physical / 4096) * 4, ram === undefined ? 0 : (GUEST_RAM + ram) | bits, true);
  }

  /** One instruction of four bytes a record. */
  private decode(descriptor: number, offset: number): number {
    this.decoded++;
    const chunk = this.run('allocChunk', descriptor);
    this.view.setUint32(chunk + CODE_CHUNK_USED, 1, true);
    const record = chunk + CODE_CHUNK_HEADER_BYTES;
    this.bytes.fill(0, record, record + RECORD_BYTES);
    this.view.setUint16(record, 100, true);
    for (let i = offset; i < offset + 4; i++) {
      const at = descriptor + CODE_PAGE_COVERED + (i >> 3);
      this.view.setUint8(at, this.view.getUint8(at) | (1 << (i & 7)));
    }
    const pointer = descriptor + CODE_PAGE_ENTRIES + (offset >> ENTRY_TABLE_BITS) * 4;
    if (!this.view.getUint32(pointer, true)) this.view.setUint32(pointer, this.run('allocEntryTable'), true);
    this.view.setUint32(this.view.getUint32(pointer, true) + ((offset * 4) & (ENTRY_TABLE_BYTES - 1)), record, true);
    return record;
  }

  get32(offset: number): number { return this.view.getUint32(CPU_BLOCKS + offset, true); }
  set32(offset: number, value: number): void { this.view.setUint32(CPU_BLOCKS + offset, value, true); }
  get64(offset: number): bigint { return this.view.getBigUint64(CPU_BLOCKS + offset, true); }
  set64(offset: number, value: Value): void { this.view.setBigUint64(CPU_BLOCKS + offset, BigInt.asUintN(64, BigInt(value)), true); }

  /** RAM by physical address. */
  ram8(at: number): number { return this.view.getUint8(GUEST_RAM + at); }
  ram16(at: number): number { return this.view.getUint16(GUEST_RAM + at, true); }
  ram32(at: number): number { return this.view.getUint32(GUEST_RAM + at, true); }
  ram64(at: number): bigint { return this.view.getBigUint64(GUEST_RAM + at, true); }
  setRam8(at: number, value: number): void { this.view.setUint8(GUEST_RAM + at, value); }
  setRam16(at: number, value: number): void { this.view.setUint16(GUEST_RAM + at, value, true); }
  setRam32(at: number, value: number): void { this.view.setUint32(GUEST_RAM + at, value, true); }
  setRam64(at: number, value: bigint): void { this.view.setBigUint64(GUEST_RAM + at, value, true); }

  setSegment(segment: number, { selector = 0, base = 0, limit = 0xffffffff, attributes = 0xc093 }: Segment): void {
    this.set64(segment + SEGMENT_BASE, base);
    this.set32(segment + SEGMENT_LIMIT, limit);
    this.set32(segment + SEGMENT_ATTRIBUTES, attributes);
    this.set32(segment + SEGMENT_SELECTOR, selector);
  }
  segment(at: number): { selector: number; base: number; limit: number; attributes: number } {
    return { selector: this.get32(at + SEGMENT_SELECTOR), base: Number(this.get64(at + SEGMENT_BASE)), limit: this.get32(at + SEGMENT_LIMIT), attributes: this.get32(at + SEGMENT_ATTRIBUTES) };
  }

  /** Paging structures: fresh pages of zeros. */
  newTable(): number {
    const table = this.nextTable;
    this.nextTable += 4096;
    return table;
  }

  /** 4-level paging of `pages` from linear 0, one to one with `rights`, CR3 set. Returns the address of each level's table. */
  enableLongMode(rights = 7n, pages = 512): { pml4: number; pdpt: number; directory: number; table: number } {
    const pml4 = this.newTable();
    const pdpt = this.newTable();
    const directory = this.newTable();
    const table = this.newTable();
    this.setRam64(pml4, BigInt(pdpt) | 7n);
    this.setRam64(pdpt, BigInt(directory) | 7n);
    this.setRam64(directory, BigInt(table) | 7n);
    for (let i = 0; i < pages; i++) this.setRam64(table + i * 8, BigInt(i * 4096) | rights);
    this.set64(CR3, pml4);
    this.set64(CR4, 0x20 | 0x80);
    this.set64(EFER, 0x501 | 0x800);
    this.set64(CR0, 0x80010011);
    this.run('flushAllTlbs');
    return { pml4, pdpt, directory, table };
  }

  /** Protected mode, flat 32-bit segments, CPL as given, no paging. GDT at 0x1000, IDT at 0x2000, TSS at 0x3000. */
  enableProtectedMode(cpl = 0): void {
    this.set64(CR0, 0x11);
    const dpl = cpl << 5;
    this.setSegment(CS, { selector: (cpl ? 0x18 : 0x08) | cpl, attributes: 0xc09b | dpl });
    for (const segment of [ES, SS, DS, FS, GS]) this.setSegment(segment, { selector: (cpl ? 0x20 : 0x10) | cpl, attributes: 0xc093 | dpl });
    this.set32(CPL, cpl);
    this.set64(GDTR_BASE, 0x1000);
    this.set32(GDTR_LIMIT, 0x7ff);
    this.set64(IDTR_BASE, 0x2000);
    this.set32(IDTR_LIMIT, 0x7ff);
    this.setDescriptor(0x08, 0, 0xfffff, 0xc09b);
    this.setDescriptor(0x10, 0, 0xfffff, 0xc093);
    this.setDescriptor(0x18, 0, 0xfffff, 0xc0fb);
    this.setDescriptor(0x20, 0, 0xfffff, 0xc0f3);
    this.setSegment(TR, { selector: 0x28, base: 0x3000, limit: 0x20ff, attributes: 0x8b });
    this.setDescriptor(0x28, 0x3000, 0x20ff, 0x008b);
    this.setRam32(0x3004, 0x9000);
    this.setRam16(0x3008, 0x10);
    this.set64(RSP, 0x8000);
    this.set64(RIP, 0x5000);
    this.run('setMode');
  }

  /** 64-bit mode at `cpl` over identity paging. */
  enable64BitMode(cpl = 0): ReturnType<RuntimeMachine['enableLongMode']> {
    this.enableProtectedMode(cpl);
    const tables = this.enableLongMode();
    this.setDescriptor(0x08, 0, 0xfffff, 0xa09b);
    this.setDescriptor(0x18, 0, 0xfffff, 0xa0fb);
    this.setSegment(CS, { selector: (cpl ? 0x18 : 0x08) | cpl, attributes: 0xa09b | (cpl << 5) });
    this.setRam64(0x3004, 0x9000n);
    this.run('setMode');
    return tables;
  }

  setFlags(value: number): void {
    this.set32(EFLAGS_REST, (value & ~0x8d5) | 2);
    this.run('writeArithmeticFlags', value);
    this.run('setMode');
  }
  flags(): number { return Number(this.run64('readFlags')); }

  /** A segment or system descriptor in the GDT at 0x1000; attributes as SEGMENT_ATTRIBUTES, limit in its own units. */
  setDescriptor(selector: number, base: number, limit: number, attributes: number, table = 0x1000): void {
    const at = table + (selector & 0xfff8);
    this.setRam16(at, limit & 0xffff);
    this.setRam16(at + 2, base & 0xffff);
    this.setRam8(at + 4, (base >>> 16) & 0xff);
    this.setRam8(at + 5, attributes & 0xff);
    this.setRam8(at + 6, ((attributes >>> 8) & 0xf0) | ((limit >>> 16) & 15));
    this.setRam8(at + 7, base >>> 24);
  }
  /** A gate in a table of 8-byte (or in long mode 16-byte) entries. `attributes`: type and DPL and P; `extra`: IST or parameter count. */
  setGate(at: number, selector: number, offset: number, attributes: number, extra = 0): void {
    this.setRam16(at, offset & 0xffff);
    this.setRam16(at + 2, selector);
    this.setRam8(at + 4, extra);
    this.setRam8(at + 5, attributes);
    this.setRam16(at + 6, offset >>> 16);
  }

  /** The pending fault as `#vector(error)`, with the address of a page fault; clears it. */
  fault(): string {
    const vector = this.view.getInt32(CPU_BLOCKS + FAULT_VECTOR, true);
    if (vector < 0) return 'none';
    this.set32(FAULT_VECTOR, 0xffffffff);
    const error = this.get32(FAULT_HAS_ERROR) ? `(${this.get32(FAULT_ERROR).toString(16)})` : '';
    return `#${vector}${error}${vector === 14 ? ` at ${this.get64(FAULT_ADDRESS).toString(16)}` : ''}`;
  }

  /** Accesses memory as generated code does after a TLB miss; gives RAM's physical address, 'scratch', or the fault. */
  access(linear: Value, bytes = 4, access = READ): number | string {
    const pointer = this.run('slowAccess', BigInt.asIntN(64, BigInt(linear)), bytes, access);
    if (pointer === 0) return this.fault();
    if (pointer >= GUEST_RAM) return pointer - GUEST_RAM;
    return 'scratch';
  }
  get pending(): number { return this.get32(PENDING_BYTES); }

  /** Whether generated code would hit the current TLB. */
  hits(linear: Value, write = false): boolean {
    const address = BigInt.asUintN(64, BigInt(linear));
    const entry = this.get32(TLB_CURRENT) + Number((address >> 12n) & BigInt(TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES;
    return this.view.getBigUint64(entry + (write ? TLB_WRITE_TAG : TLB_READ_TAG), true) === (address & ~0xfffn);
  }
  setCpl(cpl: number): void {
    this.set32(CPL, cpl);
    this.run('setMode');
  }
  get mode(): number { return this.get32(MODE); }
}
