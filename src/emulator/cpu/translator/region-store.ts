/** Has hot code translated and keeps what comes of it: which regions there are, of which code, and how control gets there. */
import type { EngineParts, RegionStore } from '../interpreter/interpreter.ts';
import { HANDLER_COLD, HANDLER_REGION } from '../interpreter/forms.ts';
import { REGION_ELEMENTS } from '../interpreter/build-module.ts';
import {
  CODE_ARENA, CODE_ARENA_BYTES, CODE_PAGE_NUMBER, GLOBAL_CODE_ARENA_NEXT, PAGE_BYTES, RECORD_A, RECORD_DISPLACEMENT, RECORD_HANDLER, RECORD_IMMEDIATE, RECORD_IP,
} from '../memory-layout.ts';
import { MODE, MODE_ALIGNED, MODE_CS_LIMITED } from '../state-layout.ts';
import { cut, type CompiledBatch, type CompiledRegion, type RegionCompiler } from './region-compiler.ts';

/** Bytes of the code arena that the gates of one region may take at most, with the instructions decoded for them. */
const ARENA_RESERVE = 0x100000;

interface StoreExports {
  coverCode(memoryOffset: number, mode: number, start: number, end: number): number;
  forgetJumps(): void;
}

interface Asked {
  readonly page: number;
  readonly memoryOffset: number;
  readonly mode: number;
  readonly epoch: number;
}

export interface TranslatorOptions {
  /** Executions of a block's beginning until it is translated. */
  readonly threshold: number;
  readonly compiler: RegionCompiler;
}

export class TranslatedRegions implements RegionStore {
  readonly threshold: number;
  compileMillis = 0;
  private readonly parts: EngineParts;
  private readonly compiler: RegionCompiler;
  private readonly runtime: StoreExports;
  private readonly table: WebAssembly.Table;
  private readonly noRegion: unknown;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly asked = new Map<number, Asked>();
  private nextId = 1;
  /** Counts the emptyings of the code arena, after which descriptors mean nothing. */
  private epoch = 0;
  /** Elements of the table of regions by code page. */
  private readonly byPage = new Map<number, number[]>();
  private nextElement = 1;
  private free: number[] = [];
  /** Elements of regions that are gone: the jump cache may still name them. */
  private retired: number[] = [];
  private readonly made = { translated: 0, translatedInstructions: 0, cold: 0, outdated: 0, regionsDropped: 0 };

  constructor(parts: EngineParts, options: TranslatorOptions) {
    this.parts = parts;
    this.threshold = options.threshold;
    this.compiler = options.compiler;
    this.runtime = parts.runtime as unknown as StoreExports;
    this.table = parts.engine?.['regions'] as unknown as WebAssembly.Table;
    this.noRegion = parts.engine?.['noRegion'];
    this.bytes = new Uint8Array(parts.memory.buffer);
    this.view = new DataView(parts.memory.buffer);
  }

  get live(): number {
    return this.made.translated - this.made.regionsDropped;
  }
  counts(): Readonly<Record<string, number>> {
    return this.made;
  }

  hot(gate: number): void {
    const { view } = this;
    const page = view.getUint32(gate + RECORD_DISPLACEMENT, true);
    const mode = view.getUint32(this.parts.base + MODE, true);
    // Until the region is there, and for good where there will be none.
    view.setUint16(gate + RECORD_HANDLER, HANDLER_COLD, true);
    if (mode & (MODE_CS_LIMITED | MODE_ALIGNED)) return;
    const memoryOffset = view.getUint32(page + CODE_PAGE_NUMBER, true) * PAGE_BYTES;
    const id = this.nextId++;
    this.asked.set(id, { page, memoryOffset, mode, epoch: this.epoch });
    this.compiler.request({ id, memoryOffset, offset: view.getUint16(gate + RECORD_IP, true), mode });
    this.collect();
  }

  collect(): void {
    for (let batch = this.compiler.take(); batch; batch = this.compiler.take()) this.takeIn(batch);
  }

  private takeIn({ regions, cold, millis }: CompiledBatch): void {
    this.compileMillis += millis;
    this.made.cold += cold.length;
    for (const id of cold) this.asked.delete(id);
    const [first] = regions;
    if (!first) return;
    const { exports } = new WebAssembly.Instance(first.module, { env: { memory: this.parts.memory }, runtime: this.parts.runtime ?? {}, engine: this.parts.engine ?? {} });
    for (const region of regions) {
      const asked = this.asked.get(region.id);
      this.asked.delete(region.id);
      if (!asked || !this.isCurrent(asked, region)) this.made.outdated++;
      else this.install(asked, region, exports[region.exportName]);
    }
  }

  /** Whether the code is still what was compiled, and there is room to install it. */
  private isCurrent({ epoch, memoryOffset }: Asked, { ranges, bytes }: CompiledRegion): boolean {
    if (epoch !== this.epoch) return false;
    // Gates take room in the code arena, which only `fetch` may empty.
    if (CODE_ARENA + CODE_ARENA_BYTES - this.view.getUint32(GLOBAL_CODE_ARENA_NEXT, true) < ARENA_RESERVE) return false;
    const now = cut(this.bytes.subarray(memoryOffset, memoryOffset + PAGE_BYTES), ranges);
    return now.every((byte, at) => byte === bytes[at]);
  }

  private install({ page, memoryOffset, mode }: Asked, { ranges, entries, instructions }: CompiledRegion, code: unknown): void {
    const element = this.takeElement();
    if (element === undefined) return;
    this.made.translated++;
    this.made.translatedInstructions += instructions;
    this.table.set(element, code);
    for (const [start, end] of ranges) this.runtime.coverCode(memoryOffset, mode, start, end);
    const own = this.byPage.get(page);
    if (own) own.push(element);
    else this.byPage.set(page, [element]);
    entries.forEach((offset, entry) => this.openGate(page, offset, mode, element, entry));
  }

  /** Has control that comes to an offset of a page enter a region. A gate that leads to another one stays. */
  private openGate(page: number, offset: number, mode: number, element: number, entry: number): void {
    const gate = this.parts.blocks.makeGate(page, offset);
    const { view } = this;
    if (view.getUint16(gate + RECORD_HANDLER, true) === HANDLER_REGION) return;
    view.setUint8(gate + RECORD_A, mode);
    view.setUint32(gate + RECORD_IMMEDIATE, element, true);
    view.setUint32(gate + RECORD_DISPLACEMENT, entry, true);
    view.setUint16(gate + RECORD_HANDLER, HANDLER_REGION, true);
  }

  private takeElement(): number | undefined {
    if (this.nextElement < REGION_ELEMENTS) return this.nextElement++;
    if (this.free.length === 0) {
      this.runtime.forgetJumps();
      this.free = this.retired;
      this.retired = [];
    }
    return this.free.pop();
  }

  dropped(page: number): void {
    const gone = page === 0 ? [...this.byPage.values()].flat() : (this.byPage.get(page) ?? []);
    if (page === 0) {
      this.byPage.clear();
      this.epoch++;
    } else this.byPage.delete(page);
    for (const element of gone) {
      this.table.set(element, this.noRegion);
      this.retired.push(element);
    }
    this.made.regionsDropped += gone.length;
  }
}
