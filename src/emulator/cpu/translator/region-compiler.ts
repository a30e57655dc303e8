/** From bytes of guest code to compiled regions; on whatever thread. */
import { Decoder } from '../decoder.ts';
import { instructionTable } from '../isa/table.ts';
import { PAGE_BYTES } from '../memory-layout.ts';
import { descriptorOf, keyOf, SharedCode, type CodePlace, type OtherRegions } from './code-source.ts';
import { DEFAULT_GROWTH, growRegion, type CoveredPage, type GrowthLimits, type GuestCode } from './guest-code.ts';
import { buildRegionModule } from './region-module.ts';

export interface CompileRequest {
  readonly id: number;
  /** RIP of the page's first byte, which is a linear address too. */
  readonly rip: bigint;
  /** The page's descriptor, in the shared memory. */
  readonly descriptor: number;
  /** MODE_* */
  readonly mode: number;
  /** Offset in the page at which control comes in. */
  readonly offset: number;
}

/** Where control comes into a region. */
export interface RegionEntry {
  /** In the region's pages, by number. */
  readonly page: number;
  /** Offset in that page. */
  readonly offset: number;
}

/** A page that a region has code of. */
export interface CompiledPage extends Pick<CoveredPage, 'delta' | 'descriptor' | 'memoryOffset' | 'ranges'> {
  /** What the ranges held, one after the other. */
  readonly bytes: Uint8Array;
}

export interface CompiledRegion {
  /** That of the request. */
  readonly id: number;
  /** Regions that this one takes the place of. */
  readonly replaces: readonly number[];
  readonly instructions: number;
  /** By the number that the region is entered with. */
  readonly entries: readonly RegionEntry[];
  readonly pages: readonly CompiledPage[];
  readonly module: WebAssembly.Module;
  readonly exportName: string;
}

/** What came of some requests. */
export interface CompiledBatch {
  readonly regions: readonly CompiledRegion[];
  /** Requests that nothing can be made of. */
  readonly cold: readonly number[];
  /** Requests for code that a region has in its middle: where control keeps coming there, it is to be asked for again. */
  readonly taken: readonly number[];
  readonly millis: number;
  /** Of WebAssembly. */
  readonly moduleBytes?: number;
  /** What JavaScript's heap takes on the thread that compiles, and what V8's compilers have taken beside it. */
  readonly heapBytes?: number;
  /** Compiling broke off. */
  readonly failed?: boolean;
}

export interface RegionCompiler {
  request(request: CompileRequest): void;
  /** These regions are no more: their code is to be had again. */
  forget(ids: readonly number[]): void;
  /** What has been done since, `undefined` when there is nothing. */
  take(): CompiledBatch | undefined;
}

/** A region made before, or in the making. */
interface KnownRegion {
  /** Of the last request that it was compiled for. */
  id: number;
  readonly mode: number;
  /** Where control comes in, as offsets from the first page. The first one lies in that page. */
  readonly starts: [number, ...number[]];
  /** Places in its middle that were asked for: how often that was refused. */
  readonly refused: Map<number, number>;
  /** Its instructions. */
  keys: readonly number[];
  /** Descriptors of its pages, by their distance from the first. */
  pages: ReadonlyMap<number, number>;
  /** Requests that it was compiled for. */
  compilations: number;
}

/** A region of no more instructions may be compiled again: for one more way in, or as part of another. */
const SMALL = 32;
/** After so many compilations not that either. */
const MOST_COMPILATIONS = 8;
/** Instructions, of other regions mostly, from a place in the middle of a large one to where others can be entered. */
const BRIDGE = 64;

/** A region to be compiled, and where. */
interface Plan extends CodePlace {
  readonly region: KnownRegion;
  /** Regions whose place it takes. */
  readonly replaces: number[];
  /** Whether it leads from the middle of another region to where that, or a third one, can be entered. */
  readonly isBridge: boolean;
}

/**
 * Compiles regions such that hardly an instruction is part of two: one that grows into another small one absorbs it, and where
 * control keeps coming to the middle of one, that is compiled again with a way in there.
 */
export class RegionBuilder {
  private readonly decoder = new Decoder(instructionTable);
  private readonly memory: ArrayBufferLike;
  private readonly cpuBase: number;
  private readonly nowMillis: () => number;
  private readonly limits: GrowthLimits;
  private readonly bridgeLimits: GrowthLimits;
  /** Looks on: at each region before it is compiled, with RIP of its first page. */
  onRegion: ((code: GuestCode, rip: bigint) => void) | undefined;
  private readonly known = new Map<number, KnownRegion>();
  /** By `keyOf` of each instruction. */
  private readonly taken = new Map<number, KnownRegion>();

  constructor(memory: ArrayBufferLike, cpuBase: number, nowMillis: () => number, limits = DEFAULT_GROWTH) {
    this.memory = memory;
    this.cpuBase = cpuBase;
    this.nowMillis = nowMillis;
    this.limits = limits;
    this.bridgeLimits = { ...limits, instructions: Math.min(BRIDGE, limits.instructions), repeated: Infinity };
  }

  /** Compiles requests into one module. The memory may change meanwhile: what was seen of it comes along. */
  build(requests: readonly CompileRequest[]): CompiledBatch {
    const started = this.nowMillis();
    const made = new Map<KnownRegion, { readonly plan: Plan; readonly code: GuestCode }>();
    const cold: number[] = [];
    const taken: number[] = [];
    /** A region of this very batch is superseded; what it would have replaced is replaced all the same. */
    const supersede = (region: KnownRegion, plan: Plan): boolean => {
      const before = made.get(region);
      if (!before) return false;
      made.delete(region);
      plan.replaces.push(...before.plan.replaces);
      return true;
    };
    for (const request of requests) {
      const plan = this.plan(request);
      if (!plan) {
        taken.push(request.id);
        continue;
      }
      const { region } = plan;
      if (region.compilations > 0) {
        this.release(region);
        if (supersede(region, plan)) taken.push(region.id);
        else plan.replaces.push(region.id);
        this.known.delete(region.id);
        region.id = request.id;
      }
      const absorbed = (other: KnownRegion): void => {
        this.release(other);
        this.known.delete(other.id);
        if (supersede(other, plan)) taken.push(other.id);
        else plan.replaces.push(other.id);
      };
      const source = new SharedCode(this.memory, this.cpuBase, plan, this.others(region.mode, absorbed));
      const code = growRegion(this.decoder, source, region.starts, region.mode, plan.isBridge ? this.bridgeLimits : this.limits);
      if (!code) {
        cold.push(request.id);
        continue;
      }
      this.take(region, code);
      made.set(region, { plan, code });
    }
    if (made.size === 0) return { regions: [], cold, taken, millis: this.nowMillis() - started };
    const found = [...made.values()];
    for (const { plan, code } of found) this.onRegion?.(code, plan.rip);
    const bytes = buildRegionModule(found.map(({ code }) => code), this.cpuBase);
    const module = new WebAssembly.Module(bytes);
    const regions = found.map(({ plan, code }, number): CompiledRegion => ({
      id: plan.region.id,
      replaces: plan.replaces,
      instructions: code.blocks.reduce((sum, block) => sum + block.instructions.length, 0),
      entries: code.entries.map((block) => entryOf(code, block)),
      pages: code.pages.map(({ delta, descriptor, memoryOffset, ranges, bytes }) => ({ delta, descriptor, memoryOffset, ranges, bytes: cut(bytes, ranges) })),
      module,
      exportName: `r${number}`,
    }));
    return { regions, cold, taken, moduleBytes: bytes.length, millis: this.nowMillis() - started };
  }

  /** What to compile for a request; `undefined` where a region has the code and the way in is still to prove its worth. */
  private plan({ id, descriptor, offset, mode, rip }: CompileRequest): Plan | undefined {
    const holder = this.holderOf(keyOf(descriptor, offset));
    const anew = (isBridge: boolean): Plan => {
      const pages = new Map([[0, descriptor]]);
      return { region: { id, mode, starts: [offset], refused: new Map(), keys: [], pages, compilations: 0 }, replaces: [], isBridge, rip, mode, pages };
    };
    if (!holder || holder.region.mode !== mode) return anew(holder !== undefined);
    const { region } = holder;
    // The more often it has been compiled, the longer it stays as it is.
    const refusals = region.refused.get(holder.offset) ?? 0;
    const isLasting = region.keys.length > SMALL || region.compilations >= MOST_COMPILATIONS;
    if (refusals < (isLasting ? 1 : region.compilations)) {
      region.refused.set(holder.offset, refusals + 1);
      return undefined;
    }
    if (isLasting) return anew(true);
    if (!region.starts.includes(holder.offset)) region.starts.push(holder.offset);
    // Its first page lies there now.
    const firstRip = rip - BigInt(Math.floor(holder.offset / PAGE_BYTES) * PAGE_BYTES);
    return { region, replaces: [], isBridge: false, rip: firstRip, mode, pages: region.pages };
  }

  /** The region that has an instruction, and its offset there. */
  private holderOf(key: number): { readonly region: KnownRegion; readonly offset: number } | undefined {
    const region = this.taken.get(key);
    if (!region) return undefined;
    const descriptor = descriptorOf(key);
    for (const [delta, own] of region.pages) if (own === descriptor) return { region, offset: delta * PAGE_BYTES + key % PAGE_BYTES };
    return undefined;
  }

  private others(mode: number, absorbed: (region: KnownRegion) => void): OtherRegions {
    return {
      has: (key) => this.taken.get(key)?.mode === mode,
      canEnter: (key) => {
        const holder = this.holderOf(key);
        return holder?.region.mode === mode && holder.region.starts.includes(holder.offset);
      },
      absorb: (key, offset, instructions) => {
        const holder = this.holderOf(key);
        if (!holder || holder.region.keys.length > Math.min(instructions, SMALL) || holder.region.compilations >= MOST_COMPILATIONS) return undefined;
        absorbed(holder.region);
        return holder.region.starts.map((start) => start + offset - holder.offset);
      },
    };
  }

  private take(region: KnownRegion, { blocks, entries, pages }: GuestCode): void {
    region.pages = new Map(pages.map(({ delta, descriptor }) => [delta, descriptor]));
    const keys: number[] = [];
    for (const { instructions } of blocks) {
      for (const { offset } of instructions) {
        const key = keyOf(region.pages.get(Math.floor(offset / PAGE_BYTES)) ?? 0, offset);
        if (this.taken.has(key)) continue;
        keys.push(key);
        this.taken.set(key, region);
      }
    }
    region.keys = keys;
    region.compilations++;
    for (const entry of entries) {
      const start = blocks[entry]?.start ?? 0;
      if (!region.starts.includes(start)) region.starts.push(start);
    }
    this.known.set(region.id, region);
  }
  private release(region: KnownRegion): void {
    for (const key of region.keys) this.taken.delete(key);
    region.keys = [];
  }

  forget(ids: readonly number[]): void {
    for (const id of ids) {
      const region = this.known.get(id);
      if (region) this.release(region);
      this.known.delete(id);
    }
  }
}

function entryOf({ blocks, pages }: GuestCode, number: number): RegionEntry {
  const start = blocks[number]?.start ?? 0;
  const page = pages.findIndex(({ delta }) => delta === Math.floor(start / PAGE_BYTES));
  return { page, offset: start & (PAGE_BYTES - 1) };
}

/** The bytes of ranges, one after the other. */
export function cut(page: Uint8Array, ranges: CoveredPage['ranges']): Uint8Array {
  const bytes = new Uint8Array(ranges.reduce((sum, [start, end]) => sum + end - start, 0));
  let at = 0;
  for (const [start, end] of ranges) {
    bytes.set(page.subarray(start, end), at);
    at += end - start;
  }
  return bytes;
}

/** Compiles at once, where it is asked. */
export class ImmediateCompiler implements RegionCompiler {
  private readonly builder: RegionBuilder;
  private done: CompiledBatch | undefined;

  constructor(memory: ArrayBufferLike, cpuBase: number, nowMillis: () => number, limits = DEFAULT_GROWTH) {
    this.builder = new RegionBuilder(memory, cpuBase, nowMillis, limits);
  }
  request(request: CompileRequest): void {
    this.done = this.builder.build([request]);
  }
  forget(ids: readonly number[]): void {
    this.builder.forget(ids);
  }
  take(): CompiledBatch | undefined {
    const { done } = this;
    this.done = undefined;
    return done;
  }
}

