/** Has hot code translated and keeps what comes of it: which regions there are, of which code, and how control gets there. */
import type { EngineParts, RegionStore } from '../interpreter/interpreter.ts';
import { HANDLER_COLD, HANDLER_COUNT, HANDLER_REGION } from '../interpreter/forms.ts';
import {
  CODE_ARENA, CODE_PAGE_MODE, CODE_PAGE_NUMBER, GLOBAL_CODE_ARENA_NEXT, GUEST_RAM, PAGE_BYTES, RECORD_A, RECORD_DISPLACEMENT, RECORD_HANDLER, RECORD_IMMEDIATE, RECORD_IP, REGION_ELEMENTS,
} from '../memory-layout.ts';
import { MODE, MODE_ALIGNED, MODE_CS_LIMITED, MODE_DECODING, RIP } from '../state-layout.ts';
import { cut, type CompiledBatch, type CompiledPage, type CompiledRegion, type RegionCompiler } from './region-compiler.ts';
import { ownElementName } from './region-module.ts';

/** Bytes of the code arena that the gates of one region may take at most, with the instructions decoded for them. */
const ARENA_RESERVE = 0x100000;
/** WebAssembly that may be there at a time, and beside it 1/32 of guest RAM. Beyond that the oldest goes. */
const LEAST_LIVE_BYTES = 0x800000;
/** So much of it stays then. */
const KEPT = 0.75;
/** While so many requests wait, code has to prove once more that it is hot: what is hottest gets translated first. */
const MOST_WAITING = 48;

interface StoreExports {
  coverCode(memoryOffset: number, mode: number, start: number, end: number): number;
  forgetJumps(): void;
  codeRoom(): number;
}

interface Asked {
  readonly gate: number;
  readonly mode: number;
  readonly epoch: number;
}

/** WebAssembly that is there until its last region is gone. */
interface LiveModule {
  readonly bytes: number;
  readonly regions: Set<Installed>;
}

/** A region in the table. */
interface Installed {
  readonly module: LiveModule;
  readonly id: number;
  readonly element: number;
  /** Descriptors of the pages that it has code of. */
  readonly pages: readonly number[];
  /** Records that lead into it, with the descriptors of their pages. */
  readonly gates: readonly { readonly record: number; readonly page: number }[];
}

/** After so much time the rest of what was compiled waits for the next turn. */
const LONGEST_TURN_MICROS = 1500;

/** How long the machine thread has stood still to take in what was compiled: counts by size, each class a quarter longer than the last. */
class Pauses {
  private readonly classes = new Uint32Array(80);
  private number = 0;
  private longest = 0;

  add(length: number): void {
    const micros = Math.max(1, length);
    const found = Math.min(this.classes.length - 1, Math.floor(Math.log(micros) / Math.log(1.25)));
    this.classes[found] = (this.classes[found] ?? 0) + 1;
    this.number++;
    this.longest = Math.max(this.longest, micros);
  }
  /** The 99th percentile is the upper end of its class. */
  counts(): { readonly pauses: number; readonly pauseP99Micros: number; readonly pauseLongestMicros: number } {
    let beyond = this.number - Math.ceil(this.number * 0.99);
    let last = this.classes.length - 1;
    while (last > 0 && (this.classes[last] ?? 0) <= beyond) beyond -= this.classes[last--] ?? 0;
    const p99 = this.number === 0 ? 0 : Math.min(this.longest, 1.25 ** (last + 1));
    return { pauses: this.number, pauseP99Micros: Math.round(p99), pauseLongestMicros: Math.round(this.longest) };
  }
}

export interface TranslatorOptions {
  /** Executions of a block's beginning until it is translated. */
  readonly threshold: number;
  readonly compiler: RegionCompiler;
  /** Processor time of this thread in microseconds, which bounds pauses; they have no bound without. */
  readonly threadMicros?: () => number;
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
  private readonly byPage = new Map<number, Set<Installed>>();
  private readonly byId = new Map<number, Installed>();
  private nextElement = 1;
  private free: number[] = [];
  /** Elements of regions that are gone: the jump cache may still name them. */
  private retired: number[] = [];
  private readonly made = { translated: 0, translatedInstructions: 0, cold: 0, outdated: 0, regionsDropped: 0, regionsForRoom: 0, compilationsFailed: 0, moduleBytes: 0 };
  private readonly pauses = new Pauses();
  private readonly threadMicros: (() => number) | undefined;
  /** Regions that are still to be installed, in their order. */
  private readonly waiting: { readonly region: CompiledRegion; readonly exports: WebAssembly.Exports; readonly module: LiveModule }[] = [];
  /** The oldest first. */
  private readonly modules = new Set<LiveModule>();
  private liveBytes = 0;
  private readonly mostLiveBytes: number;
  private compilerHeapBytes = 0;

  constructor(parts: EngineParts, options: TranslatorOptions) {
    this.parts = parts;
    this.threshold = options.threshold;
    this.compiler = options.compiler;
    this.threadMicros = options.threadMicros;
    this.runtime = parts.runtime as unknown as StoreExports;
    this.table = parts.engine?.['regions'] as unknown as WebAssembly.Table;
    this.noRegion = parts.engine?.['noRegion'];
    this.bytes = new Uint8Array(parts.memory.buffer);
    this.view = new DataView(parts.memory.buffer);
    this.mostLiveBytes = LEAST_LIVE_BYTES + (parts.memory.buffer.byteLength - GUEST_RAM) / 32;
  }

  get live(): number {
    return this.made.translated - this.made.regionsDropped;
  }
  counts(): Readonly<Record<string, number>> {
    const arenaBytes = Math.max(0, this.view.getUint32(GLOBAL_CODE_ARENA_NEXT, true) - CODE_ARENA);
    return { ...this.made, moduleBytesLive: this.liveBytes, arenaBytes, compilerHeapBytes: this.compilerHeapBytes, ...this.pauses.counts() };
  }

  hot(gate: number): void {
    const { view } = this;
    const page = view.getUint32(gate + RECORD_DISPLACEMENT, true);
    const mode = view.getUint32(this.parts.base + MODE, true);
    if (this.asked.size >= MOST_WAITING) {
      view.setUint32(gate + RECORD_IMMEDIATE, 0, true);
      this.collect();
      return;
    }
    // Until the region is there, and for good where there will be none.
    view.setUint16(gate + RECORD_HANDLER, HANDLER_COLD, true);
    if (mode & (MODE_CS_LIMITED | MODE_ALIGNED)) return;
    const rip = view.getBigUint64(this.parts.base + RIP, true) & ~BigInt(PAGE_BYTES - 1);
    const id = this.nextId++;
    this.asked.set(id, { gate, mode, epoch: this.epoch });
    this.compiler.request({ id, rip, descriptor: page, offset: view.getUint16(gate + RECORD_IP, true), mode });
    this.collect();
  }

  collect(): void {
    if (this.asked.size === 0) return;
    const { threadMicros, waiting } = this;
    const from = threadMicros?.() ?? 0;
    const isOver = (): boolean => threadMicros !== undefined && threadMicros() - from > LONGEST_TURN_MICROS;
    let hasWork = false;
    do {
      if (waiting.length === 0) {
        const batch = this.compiler.take();
        if (!batch) break;
        this.takeIn(batch);
      }
      hasWork = true;
      for (let next; !isOver() && (next = waiting.shift());) this.installIfCurrent(next.region, next.exports, next.module);
    } while (!isOver());
    if (threadMicros && hasWork) this.pauses.add(threadMicros() - from);
  }

  private takeIn({ regions, cold, taken, millis, moduleBytes = 0, heapBytes, failed }: CompiledBatch): void {
    if (failed) this.made.compilationsFailed++;
    this.compileMillis += millis;
    this.made.moduleBytes += moduleBytes;
    if (heapBytes !== undefined) this.compilerHeapBytes = heapBytes;
    this.made.cold += cold.length;
    for (const id of cold) this.asked.delete(id);
    for (const id of taken) this.countAnew(id);
    const [first] = regions;
    if (!first) return;
    const { exports } = new WebAssembly.Instance(first.module, { env: { memory: this.parts.memory }, runtime: this.parts.runtime ?? {}, engine: this.parts.engine ?? {} });
    const module: LiveModule = { bytes: moduleBytes, regions: new Set() };
    this.waiting.push(...regions.map((region) => ({ region, exports, module })));
  }

  private installIfCurrent(region: CompiledRegion, exports: WebAssembly.Exports, module: LiveModule): void {
    const asked = this.asked.get(region.id);
    this.asked.delete(region.id);
    if (asked && this.isCurrent(asked, region)) this.install(asked, region, exports, module);
    else {
      this.made.outdated++;
      this.compiler.forget([region.id]);
    }
  }

  /** What was asked for is part of another region: its gate counts from the beginning, in case control keeps coming there. */
  private countAnew(id: number): void {
    const asked = this.asked.get(id);
    this.asked.delete(id);
    if (asked?.epoch !== this.epoch) return;
    const { view } = this;
    if (view.getUint16(asked.gate + RECORD_HANDLER, true) !== HANDLER_COLD) return;
    view.setUint32(asked.gate + RECORD_IMMEDIATE, 0, true);
    view.setUint16(asked.gate + RECORD_HANDLER, HANDLER_COUNT, true);
  }

  /** Whether the code is still what was compiled, and there is room to install it. */
  private isCurrent({ epoch, mode }: Asked, { pages }: CompiledRegion): boolean {
    if (epoch !== this.epoch) return false;
    const { view, bytes } = this;
    // Gates take room in the code arena, which only `fetch` may empty.
    if (this.runtime.codeRoom() >>> 0 < ARENA_RESERVE) return false;
    return pages.every(({ descriptor, memoryOffset, ranges, bytes: compiled }) => {
      if (view.getUint32(descriptor + CODE_PAGE_NUMBER, true) * PAGE_BYTES !== memoryOffset) return false;
      if (view.getUint32(descriptor + CODE_PAGE_MODE, true) !== (mode & MODE_DECODING)) return false;
      const now = cut(bytes.subarray(memoryOffset, memoryOffset + PAGE_BYTES), ranges);
      return now.every((byte, at) => byte === compiled[at]);
    });
  }

  private install({ mode }: Asked, { id, replaces, pages, entries, instructions, exportName }: CompiledRegion, exports: WebAssembly.Exports, module: LiveModule): void {
    const element = this.takeElement();
    if (element === undefined) {
      this.compiler.forget([id]);
      return;
    }
    const replaced = replaces.flatMap((one) => this.byId.get(one) ?? []);
    const old = new Set(replaced.map((one) => one.element));
    this.made.translated++;
    this.made.translatedInstructions += instructions;
    this.table.set(element, exports[exportName]);
    const own = exports[ownElementName(exportName)];
    if (own instanceof WebAssembly.Global) own.value = element;
    for (const { memoryOffset, ranges } of pages) {
      for (const [start, end] of ranges) this.runtime.coverCode(memoryOffset, mode, start, end);
    }
    const gates = entries.map(({ page, offset }, entry) => {
      const { descriptor, delta } = pages[page] as CompiledPage;
      return { record: this.openGate(descriptor, offset, mode, element, entry | (page << 8) | (delta << 16), old), page: descriptor };
    });
    for (const one of replaced) this.remove(one);
    const installed: Installed = { id, element, module, pages: pages.map(({ descriptor }) => descriptor), gates };
    for (const page of installed.pages) {
      const own = this.byPage.get(page);
      if (own) own.add(installed);
      else this.byPage.set(page, new Set([installed]));
    }
    this.byId.set(id, installed);
    module.regions.add(installed);
    if (this.modules.has(module)) return;
    this.modules.add(module);
    this.liveBytes += module.bytes;
    this.boundCode();
  }

  /** Drops the oldest modules where there is too much: what is hot among them is soon made again, with what is hot now. */
  private boundCode(): void {
    if (this.liveBytes <= this.mostLiveBytes) return;
    for (const { regions } of this.modules) {
      if (this.liveBytes <= this.mostLiveBytes * KEPT) return;
      this.made.regionsForRoom += regions.size;
      const gone = [...regions];
      this.compiler.forget(gone.map(({ id }) => id));
      for (const one of gone) this.remove(one);
    }
  }

  /** Has control that comes to an offset of a page enter a region. A gate that leads to another one stays, unless that is an old one. */
  private openGate(page: number, offset: number, mode: number, element: number, entry: number, old: ReadonlySet<number>): number {
    const gate = this.parts.blocks.makeGate(page, offset);
    const { view } = this;
    if (view.getUint16(gate + RECORD_HANDLER, true) === HANDLER_REGION && !old.has(view.getUint32(gate + RECORD_IMMEDIATE, true))) return gate;
    view.setUint8(gate + RECORD_A, mode);
    view.setUint32(gate + RECORD_IMMEDIATE, element, true);
    view.setInt32(gate + RECORD_DISPLACEMENT, entry, true);
    view.setUint16(gate + RECORD_HANDLER, HANDLER_REGION, true);
    return gate;
  }
  /** Has a gate that leads to an element count anew. */
  private closeGate(gate: number, page: number, element: number): void {
    const { view } = this;
    if (view.getUint16(gate + RECORD_HANDLER, true) !== HANDLER_REGION || view.getUint32(gate + RECORD_IMMEDIATE, true) !== element) return;
    view.setUint32(gate + RECORD_DISPLACEMENT, page, true);
    view.setUint32(gate + RECORD_IMMEDIATE, 0, true);
    view.setUint16(gate + RECORD_HANDLER, HANDLER_COUNT, true);
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
    if (page === 0) {
      for (const installed of this.byId.values()) this.retire(installed);
      this.compiler.forget([...this.byId.keys()]);
      this.byId.clear();
      this.byPage.clear();
      this.epoch++;
      return;
    }
    const gone = [...(this.byPage.get(page) ?? [])];
    this.byPage.delete(page);
    if (gone.length === 0) return;
    this.compiler.forget(gone.map(({ id }) => id));
    for (const installed of gone) this.remove(installed);
  }
  private remove(installed: Installed): void {
    this.retire(installed);
    this.byId.delete(installed.id);
    for (const page of installed.pages) this.byPage.get(page)?.delete(installed);
    for (const { record, page } of installed.gates) this.closeGate(record, page, installed.element);
  }
  private retire(installed: Installed): void {
    const { element, module } = installed;
    module.regions.delete(installed);
    if (module.regions.size === 0 && this.modules.delete(module)) this.liveBytes -= module.bytes;
    this.table.set(element, this.noRegion);
    this.retired.push(element);
    this.made.regionsDropped++;
  }
}
