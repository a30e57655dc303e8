/** Where a region's guest code is read from: pages of shared memory, found as the machine's own code TLB has them. */
import { recordAt } from '../interpreter/block-decoder.ts';
import {
  CODE_ARENA, CODE_PAGE_MODE, CODE_PAGE_NUMBER, CODE_UNIT_BYTES, HANDLER_NUMBER_COUNT, PAGE_BYTES, RECORD_HANDLER, RECORD_IMMEDIATE,
} from '../memory-layout.ts';
import { CODE_TLB, CODE_TLB_ENTRIES, CODE_TLB_ENTRY_BYTES, MODE_CODE_64, MODE_CODE_SIZE, MODE_DECODING } from '../state-layout.ts';

/**
 * An instruction by its page's descriptor and its offset, of which only that in the page counts. Descriptors are units of the code
 * arena, so 28 bits are enough: V8 keeps numbers of more than 31 on the heap, and there is one for each instruction translated.
 */
export function keyOf(descriptor: number, offset: number): number {
  return (descriptor - CODE_ARENA) * (PAGE_BYTES / CODE_UNIT_BYTES) + (offset & (PAGE_BYTES - 1));
}
export function descriptorOf(key: number): number {
  return Math.floor(key / PAGE_BYTES) * CODE_UNIT_BYTES + CODE_ARENA;
}

/** A page of guest code as it was when a region was grown over it. */
export interface CodePage {
  /** Pages from the region's first page, in linear addresses. */
  readonly delta: number;
  /** Its descriptor, in the shared memory. */
  readonly descriptor: number;
  /** Its first byte there. */
  readonly memoryOffset: number;
  readonly bytes: Uint8Array;
}

/** What growing a region asks about the code around its start. */
export interface CodeSource {
  /** The page so many pages from the first; `undefined` where none is known. */
  page(delta: number): CodePage | undefined;
  /** Whether another region has the instruction at an offset already. */
  isTaken(offset: number): boolean;
  /** Whether control can come into another region there. */
  canEnter(offset: number): boolean;
  /**
   * Has the region that holds an offset become part of this one, if it has no more than so many instructions. Returns
   * where control came into it, `undefined` where it stays by itself.
   */
  absorb(offset: number, instructions: number): readonly number[] | undefined;
  /** How often control was sent to an offset from the first page's first byte, as far as is known; 0: never. */
  arrivals(offset: number): number;
}

export interface CodePlace {
  /** RIP of the first page's first byte. */
  readonly rip: bigint;
  /** MODE_* */
  readonly mode: number;
  /** Descriptors of pages that are known, by their distance from the first; that of the first is. */
  readonly pages: ReadonlyMap<number, number>;
}

/** The regions that there are already, by `keyOf` of their instructions. */
export interface OtherRegions {
  has(key: number): boolean;
  canEnter(key: number): boolean;
  /** As `CodeSource.absorb`; `offset` is that of the key's instruction in the absorbing region. */
  absorb(key: number, offset: number, instructions: number): readonly number[] | undefined;
}

/**
 * Reads while the machine thread may write: what is found is a guess, checked when a region is installed, and again by
 * the region each time it goes to another page.
 */
export class SharedCode implements CodeSource {
  private readonly view: DataView;
  private readonly memory: Uint8Array;
  private readonly cpuBase: number;
  private readonly place: CodePlace;
  private readonly regions: OtherRegions | undefined;
  private readonly pages = new Map<number, CodePage | undefined>();

  constructor(memory: ArrayBufferLike, cpuBase: number, place: CodePlace, regions: OtherRegions | undefined) {
    this.view = new DataView(memory);
    this.memory = new Uint8Array(memory);
    this.cpuBase = cpuBase;
    this.place = place;
    this.regions = regions;
  }

  page(delta: number): CodePage | undefined {
    if (this.pages.has(delta)) return this.pages.get(delta);
    const descriptor = this.place.pages.get(delta) ?? this.lookUp(delta);
    let page: CodePage | undefined;
    if (descriptor !== undefined) {
      const memoryOffset = this.view.getUint32(descriptor + CODE_PAGE_NUMBER, true) * PAGE_BYTES;
      page = { delta, descriptor, memoryOffset, bytes: this.memory.slice(memoryOffset, memoryOffset + PAGE_BYTES) };
    }
    this.pages.set(delta, page);
    return page;
  }

  /** The descriptor that the code TLB names for a page. */
  private lookUp(delta: number): number | undefined {
    const { view } = this;
    const { rip, mode } = this.place;
    const linear = BigInt.asUintN(is64Bit(mode) ? 64 : 32, rip + BigInt(delta * PAGE_BYTES));
    const entry = this.cpuBase + CODE_TLB + Number((linear >> 12n) & BigInt(CODE_TLB_ENTRIES - 1)) * CODE_TLB_ENTRY_BYTES;
    if (view.getBigUint64(entry, true) !== (linear | BigInt(mode))) return undefined;
    const descriptor = view.getUint32(entry + 8, true);
    return view.getUint32(descriptor + CODE_PAGE_MODE, true) === (mode & MODE_DECODING) ? descriptor : undefined;
  }

  isTaken(offset: number): boolean {
    const page = this.page(Math.floor(offset / PAGE_BYTES));
    return page !== undefined && this.regions?.has(keyOf(page.descriptor, offset)) === true;
  }
  canEnter(offset: number): boolean {
    const page = this.page(Math.floor(offset / PAGE_BYTES));
    return page !== undefined && this.regions?.canEnter(keyOf(page.descriptor, offset)) === true;
  }
  absorb(offset: number, instructions: number): readonly number[] | undefined {
    const page = this.page(Math.floor(offset / PAGE_BYTES));
    return page && this.regions?.absorb(keyOf(page.descriptor, offset), offset, instructions);
  }

  arrivals(offset: number): number {
    const page = this.page(Math.floor(offset / PAGE_BYTES));
    if (!page) return 0;
    const record = recordAt(this.view, page.descriptor, offset & (PAGE_BYTES - 1));
    if (!record) return 0;
    return this.view.getUint16(record + RECORD_HANDLER, true) === HANDLER_NUMBER_COUNT ? this.view.getUint32(record + RECORD_IMMEDIATE, true) : Infinity;
  }
}

export function is64Bit(mode: number): boolean {
  return (mode & MODE_CODE_SIZE) === MODE_CODE_64;
}
