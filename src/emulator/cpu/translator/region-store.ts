/** Translates hot code and keeps what came of it: which regions there are, of which code, and how control gets there. */
import { Decoder } from '../decoder.ts';
import { instructionTable } from '../isa/table.ts';
import type { EngineParts, RegionStore } from '../interpreter/interpreter.ts';
import { HANDLER_COLD, HANDLER_REGION } from '../interpreter/forms.ts';
import { REGION_ELEMENTS } from '../interpreter/build-module.ts';
import {
  CODE_PAGE_NUMBER, PAGE_BYTES, RECORD_A, RECORD_DISPLACEMENT, RECORD_HANDLER, RECORD_IMMEDIATE, RECORD_IP,
} from '../memory-layout.ts';
import { MODE, MODE_CS_LIMITED } from '../state-layout.ts';
import { growRegion, type GuestCode } from './guest-code.ts';
import { buildRegionModule } from './region-module.ts';

interface Region {
  readonly element: number;
  readonly page: number;
}

interface StoreExports {
  coverCode(memoryOffset: number, mode: number, start: number, end: number): number;
  forgetJumps(): void;
}

export interface TranslatorOptions {
  /** Executions of a block's beginning until it is translated. */
  readonly threshold: number;
  readonly nowMillis: () => number;
}

export class TranslatedRegions implements RegionStore {
  readonly threshold: number;
  compileMillis = 0;
  private readonly parts: EngineParts;
  private readonly runtime: StoreExports;
  private readonly table: WebAssembly.Table;
  private readonly noRegion: unknown;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly decoder = new Decoder(instructionTable);
  private readonly nowMillis: () => number;
  private readonly regions = new Map<number, Region>();
  private readonly byPage = new Map<number, Region[]>();
  private nextElement = 1;
  private free: number[] = [];
  /** Elements of regions that are gone: the jump cache may still name them. */
  private retired: number[] = [];

  constructor(parts: EngineParts, options: TranslatorOptions) {
    this.parts = parts;
    this.threshold = options.threshold;
    this.nowMillis = options.nowMillis;
    this.runtime = parts.runtime as unknown as StoreExports;
    this.table = parts.engine?.['regions'] as unknown as WebAssembly.Table;
    this.noRegion = parts.engine?.['noRegion'];
    this.bytes = new Uint8Array(parts.memory.buffer);
    this.view = new DataView(parts.memory.buffer);
  }

  get live(): number {
    return this.regions.size;
  }

  private readonly made = { translated: 0, translatedInstructions: 0, cold: 0, regionsDropped: 0, growMillis: 0, moduleMillis: 0 };
  counts(): Readonly<Record<string, number>> {
    return this.made;
  }

  hot(gate: number): void {
    const { view } = this;
    const page = view.getUint32(gate + RECORD_DISPLACEMENT, true);
    const offset = view.getUint16(gate + RECORD_IP, true);
    const mode = view.getUint32(this.parts.base + MODE, true);
    const memoryOffset = view.getUint32(page + CODE_PAGE_NUMBER, true) * PAGE_BYTES;
    const started = this.nowMillis();
    const code = mode & MODE_CS_LIMITED ? undefined : growRegion(this.decoder, this.bytes, memoryOffset, offset, mode);
    view.setUint16(gate + RECORD_HANDLER, HANDLER_COLD, true);
    this.made.growMillis += this.nowMillis() - started;
    if (code) this.install(page, memoryOffset, code);
    else this.made.cold++;
    this.compileMillis += this.nowMillis() - started;
  }

  private install(page: number, memoryOffset: number, code: GuestCode): void {
    const element = this.takeElement();
    if (element === undefined) return;
    this.made.translated++;
    for (const { instructions } of code.blocks) this.made.translatedInstructions += instructions.length;
    const bytes = buildRegionModule([code], this.parts.base);
    const started = this.nowMillis();
    const module = new WebAssembly.Module(bytes);
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.parts.memory }, runtime: this.parts.runtime ?? {}, engine: this.parts.engine ?? {} });
    this.made.moduleMillis += this.nowMillis() - started;
    this.table.set(element, exports['r0']);
    for (const [start, end] of code.ranges) this.runtime.coverCode(memoryOffset, code.mode, start, end);
    const region: Region = { element, page };
    this.regions.set(element, region);
    const own = this.byPage.get(page);
    if (own) own.push(region);
    else this.byPage.set(page, [region]);
    code.entries.forEach((block, entry) => this.openGate(page, code.blocks[block]?.start ?? 0, code.mode, element, entry));
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
    const gone = page === 0 ? [...this.regions.values()] : (this.byPage.get(page) ?? []);
    if (page === 0) this.byPage.clear();
    else this.byPage.delete(page);
    for (const { element } of gone) {
      this.table.set(element, this.noRegion);
      this.regions.delete(element);
      this.made.regionsDropped++;
      this.retired.push(element);
    }
  }

  collect(): void {}
}
