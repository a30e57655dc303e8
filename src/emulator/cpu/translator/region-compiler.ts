/** From bytes of guest code to compiled regions; on whatever thread. */
import { Decoder } from '../decoder.ts';
import { instructionTable } from '../isa/table.ts';
import { PAGE_BYTES } from '../memory-layout.ts';
import { growRegion, type GuestCode } from './guest-code.ts';
import { buildRegionModule } from './region-module.ts';

export interface CompileRequest {
  readonly id: number;
  /** The page's first byte in the shared memory. */
  readonly memoryOffset: number;
  /** Offset in the page at which control comes in. */
  readonly offset: number;
  /** MODE_* */
  readonly mode: number;
}

export interface CompiledRegion {
  readonly id: number;
  readonly instructions: number;
  /** Offsets in the page, the number of each being what the region is entered with. */
  readonly entries: readonly number[];
  readonly ranges: GuestCode['ranges'];
  /** What the ranges held, one after the other. */
  readonly bytes: Uint8Array;
  readonly module: WebAssembly.Module;
  readonly exportName: string;
}

/** What came of some requests. Of requests that nothing could be made of only the number is told. */
export interface CompiledBatch {
  readonly regions: readonly CompiledRegion[];
  readonly cold: readonly number[];
  readonly millis: number;
}

export interface RegionCompiler {
  request(request: CompileRequest): void;
  /** What has been done since, `undefined` when there is nothing. */
  take(): CompiledBatch | undefined;
}

export class RegionBuilder {
  private readonly decoder = new Decoder(instructionTable);
  private readonly memory: Uint8Array;
  private readonly cpuBase: number;
  private readonly nowMillis: () => number;

  constructor(memory: ArrayBufferLike, cpuBase: number, nowMillis: () => number) {
    this.memory = new Uint8Array(memory);
    this.cpuBase = cpuBase;
    this.nowMillis = nowMillis;
  }

  /** Compiles requests into one module. The memory may change meanwhile: what was seen of it comes along. */
  build(requests: readonly CompileRequest[]): CompiledBatch {
    const started = this.nowMillis();
    const found: { readonly request: CompileRequest; readonly code: GuestCode; readonly bytes: Uint8Array }[] = [];
    const cold: number[] = [];
    for (const request of requests) {
      const page = this.memory.slice(request.memoryOffset, request.memoryOffset + PAGE_BYTES);
      const code = growRegion(this.decoder, page, 0, request.offset, request.mode);
      if (code) found.push({ request, code, bytes: cut(page, code.ranges) });
      else cold.push(request.id);
    }
    if (found.length === 0) return { regions: [], cold, millis: this.nowMillis() - started };
    const module = new WebAssembly.Module(buildRegionModule(found.map(({ code }) => code), this.cpuBase));
    const regions = found.map(({ request, code, bytes }, number): CompiledRegion => ({
      id: request.id,
      instructions: code.blocks.reduce((sum, block) => sum + block.instructions.length, 0),
      entries: code.entries.map((block) => code.blocks[block]?.start ?? 0),
      ranges: code.ranges,
      bytes,
      module,
      exportName: `r${number}`,
    }));
    return { regions, cold, millis: this.nowMillis() - started };
  }
}

/** The bytes of ranges, one after the other. */
export function cut(page: Uint8Array, ranges: GuestCode['ranges']): Uint8Array {
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

  constructor(memory: ArrayBufferLike, cpuBase: number, nowMillis: () => number) {
    this.builder = new RegionBuilder(memory, cpuBase, nowMillis);
  }
  request(request: CompileRequest): void {
    this.done = this.builder.build([request]);
  }
  take(): CompiledBatch | undefined {
    const { done } = this;
    this.done = undefined;
    return done;
  }
}
