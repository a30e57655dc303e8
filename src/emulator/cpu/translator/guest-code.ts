/** Finds the control-flow graph of guest code that one region is made from. */
import { LONGEST_INSTRUCTION, type DecodedInstruction, type Decoder } from '../decoder.ts';
import { PAGE_BYTES } from '../memory-layout.ts';
import type { CodePage, CodeSource } from './code-source.ts';

/** An instruction at an offset from the first byte of the region's first page: below 0 and from 4,096 on in other pages. */
export interface GuestInstruction {
  readonly offset: number;
  readonly decoded: Readonly<DecodedInstruction>;
}

/** How control leaves a block, besides faults. */
export type BlockEnd =
  /** Jcc, LOOP, JCXZ: to `target` or `next`. */
  | 'condition'
  /** JMP to `target`. */
  | 'jump'
  /** CALL of `target`, which comes back to `next` in its own time. */
  | 'call'
  /** RET, likely to one of `sites`. */
  | 'return'
  /** To an address found at run time. */
  | 'indirect'
  /** Into `next`. */
  | 'next'
  /** `next` is an instruction for the interpreter, or not part of the region. */
  | 'leave';

export interface GuestBlock {
  readonly start: number;
  readonly instructions: readonly GuestInstruction[];
  readonly end: BlockEnd;
  /** Offsets, of blocks of this region or of code outside it. */
  readonly target: number | undefined;
  readonly next: number;
  /** Of a `return`: offsets of this region's blocks behind the calls that it may come from. */
  readonly sites: readonly number[];
  /** Pages that its bytes lie in, by their distance from the first: one, or two that its first instruction crosses between. */
  readonly pages: readonly number[];
}

/** What of a page is part of a region. */
export interface CoveredPage extends CodePage {
  /** Bytes [start, end) that the instructions cover, in order, apart from each other. */
  readonly ranges: readonly (readonly [start: number, end: number])[];
}

export interface GuestCode {
  /** MODE_* bits that it is right for. */
  readonly mode: number;
  readonly blocks: readonly GuestBlock[];
  /** Blocks by number at which control comes in from outside; the first is where the region was asked for. */
  readonly entries: readonly number[];
  /** The first page first. */
  readonly pages: readonly CoveredPage[];
}

export interface GrowthLimits {
  readonly instructions: number;
  readonly blockInstructions: number;
  readonly pages: number;
  /** Branches are followed to where control was sent so often. */
  readonly arrivals: number;
  /** Calls that a return is expected to come from. */
  readonly sites: number;
  /** Instructions of other regions that may be had once more, for the sake of short functions. */
  readonly repeated: number;
}
export const DEFAULT_GROWTH: GrowthLimits = { instructions: 300, blockInstructions: 64, pages: 8, arrivals: 16, sites: 6, repeated: 80 };

/** Of the instructions that only a kernel uses, or whose oracle is not the host's CPU, those that change neither MODE nor where pages lie. */
const SYSTEM_CODE = /^(?:CLI|STI|POPF|STAC|CLAC|CLTS|SWAPGS|RDTSCP?|RDMSR|IN|OUT)$/;

/** Whether the translator takes the instruction; otherwise it is left to the interpreter. */
function isTranslatable({ row, width, kind }: DecodedInstruction): boolean {
  if (row.ends && row.notInUserMode && !SYSTEM_CODE.test(row.mnemonic)) return false;
  // Branches with 16-bit operands cut RIP.
  return !(row.ends && width === 16 && (kind === 'far' || /^(JMP|CALL|RET)$/.test(row.mnemonic)));
}

interface Ending {
  readonly end: BlockEnd;
  readonly target: number | undefined;
}

function endingOf(decoded: DecodedInstruction, next: number): Ending | undefined {
  const { row } = decoded;
  if (!row.ends) return undefined;
  const target = decoded.kind === 'far' ? next + decoded.relative : undefined;
  switch (row.mnemonic) {
    case 'JMP': return target === undefined ? { end: 'indirect', target } : { end: 'jump', target };
    case 'CALL': return target === undefined ? { end: 'indirect', target } : { end: 'call', target };
    case 'RET': return { end: 'return', target: undefined };
    default: return target === undefined ? { end: 'next', target } : { end: 'condition', target };
  }
}

/** Entries name their page by its distance, in 16 bits. */
const MOST_DISTANT_PAGE = 0x7fff;
/** Entries are numbered in 8 bits. */
const MOST_ENTRIES = 256;

const pageOf = (offset: number): number => Math.floor(offset / PAGE_BYTES);

/**
 * Follows the code from where control comes in (offsets from the first page's first byte, the first one in that page) along
 * direct branches and calls. Of other regions that it comes to small ones become part of it; before large ones it ends. `undefined` where the first instruction is not for the
 * translator.
 */
export function growRegion(decoder: Decoder, source: CodeSource, starts: readonly [number, ...number[]], mode: number, limits: GrowthLimits = DEFAULT_GROWTH): GuestCode | undefined {
  return new Growth(decoder, source, starts, mode, limits).grow();
}

/** A place to go on from. */
interface Lead {
  readonly offset: number;
  /** Whether it is part of a function that is called: such may be repeated. */
  readonly called: boolean;
}

class Growth {
  private readonly decoder: Decoder;
  private readonly source: CodeSource;
  private readonly starts: Set<number>;
  private readonly first: number;
  private readonly mode: number;
  private readonly limits: GrowthLimits;
  private readonly found = new Map<number, GuestInstruction>();
  private readonly endings = new Map<number, Ending>();
  private readonly leaders = new Set<number>();
  /** Behind instructions that the interpreter executes, and behind calls. */
  private readonly behindOthers = new Set<number>();
  private readonly behindCalls = new Map<number, { readonly callee: number | undefined }>();
  private readonly pages = new Map<number, CodePage>();
  private readonly near: Lead[] = [];
  /** Begun when all the code around has been found. */
  private readonly callees: Lead[] = [];
  private repeated = 0;
  private readonly window = new Uint8Array(2 * LONGEST_INSTRUCTION);

  constructor(decoder: Decoder, source: CodeSource, starts: readonly [number, ...number[]], mode: number, limits: GrowthLimits) {
    this.decoder = decoder;
    this.source = source;
    this.starts = new Set(starts);
    [this.first] = starts;
    this.mode = mode;
    this.limits = limits;
  }

  grow(): GuestCode | undefined {
    const { found, near, callees } = this;
    for (const offset of this.starts) this.lead({ offset, called: false }, near);
    for (let lead = near.shift() ?? callees.shift(); lead; lead = near.shift() ?? callees.shift()) this.follow(lead);
    if (!found.has(this.first)) return undefined;
    const blocks = this.cutBlocks();
    const numbers = new Map(blocks.map(({ start }, number) => [start, number]));
    const returns = this.matchReturns(blocks, numbers);
    const entries = [...this.starts, ...this.behindOthers, ...[...this.behindCalls.keys()].filter((site) => !returns.complete.has(site))];
    return {
      mode: this.mode,
      blocks: returns.blocks,
      entries: [...new Set(entries.map((offset) => numbers.get(offset)).filter((number) => number !== undefined))].slice(0, MOST_ENTRIES),
      pages: this.coveredPages(),
    };
  }

  private lead(lead: Lead, queue: Lead[]): void {
    if (this.leaders.has(lead.offset)) return;
    this.leaders.add(lead.offset);
    queue.push(lead);
  }
  /** A branch leads there: follows it later, unless control has hardly ever done so. */
  private branch(lead: Lead, queue: Lead[]): void {
    if (this.leaders.has(lead.offset) || this.source.arrivals(lead.offset) < this.limits.arrivals) return;
    this.lead(lead, queue);
  }

  private follow({ offset: at, called }: Lead): void {
    const { found, limits } = this;
    for (let offset = at; !found.has(offset) && found.size < limits.instructions;) {
      if (!this.starts.has(offset) && this.source.isTaken(offset) && !this.absorb(offset)) {
        if (this.repeated >= limits.repeated || (!called && (limits.repeated < Infinity || this.source.canEnter(offset)))) return;
        this.repeated++;
      }
      const decoded = this.decode(offset);
      if (!decoded) return;
      const next = offset + decoded.length;
      if (!isTranslatable(decoded)) {
        if (found.size > 0) {
          this.behindOthers.add(next);
          this.lead({ offset: next, called }, this.near);
        }
        return;
      }
      found.set(offset, { offset, decoded: { ...decoded } });
      // An instruction in two pages, and the first one of a page, begin blocks of their own.
      if (pageOf(next - 1) !== pageOf(offset)) this.leaders.add(offset);
      else if (pageOf(next) !== pageOf(offset)) this.leaders.add(next);
      const ending = endingOf(decoded, next);
      if (ending) {
        this.endings.set(offset, ending);
        this.followEnd(ending, decoded, next, called);
        return;
      }
      offset = next;
    }
  }

  private absorb(offset: number): boolean {
    const starts = this.source.absorb(offset, this.limits.instructions - this.found.size);
    if (!starts) return false;
    for (const start of starts) {
      this.starts.add(start);
      this.lead({ offset: start, called: false }, this.near);
    }
    return true;
  }

  private followEnd({ end, target }: Ending, decoded: DecodedInstruction, next: number, called: boolean): void {
    if (decoded.row.mnemonic === 'CALL') {
      this.behindCalls.set(next, { callee: target });
      this.branch({ offset: next, called }, this.near);
      if (target !== undefined) this.branch({ offset: target, called: true }, this.callees);
      return;
    }
    if (target !== undefined) this.branch({ offset: target, called }, this.near);
    if (end === 'condition' || end === 'next') this.lead({ offset: next, called }, this.near);
  }

  /** The instruction at `offset`; one that goes on in the next page only where that is known. */
  private decode(offset: number): DecodedInstruction | undefined {
    const page = this.usePage(pageOf(offset));
    if (!page) return undefined;
    const inPage = offset & (PAGE_BYTES - 1);
    const decoded = this.decoder.decode(page.bytes, inPage, PAGE_BYTES, this.mode);
    if (decoded !== 'incomplete') return typeof decoded === 'string' ? undefined : decoded;
    const after = this.usePage(pageOf(offset) + 1);
    if (!after) return undefined;
    const here = page.bytes.subarray(inPage);
    this.window.set(here);
    this.window.set(after.bytes.subarray(0, LONGEST_INSTRUCTION), here.length);
    const whole = this.decoder.decode(this.window, 0, here.length + LONGEST_INSTRUCTION, this.mode);
    return typeof whole === 'string' ? undefined : whole;
  }
  private usePage(delta: number): CodePage | undefined {
    const known = this.pages.get(delta);
    if (known || this.pages.size >= this.limits.pages || Math.abs(delta) > MOST_DISTANT_PAGE) return known;
    const page = this.source.page(delta);
    if (page) this.pages.set(delta, page);
    return page;
  }

  private cutBlocks(): GuestBlock[] {
    const { found, leaders, endings, limits } = this;
    const blocks: GuestBlock[] = [];
    const begun = new Set<number>();
    const pending = [...leaders].filter((offset) => found.has(offset));
    for (let start = pending.shift(); start !== undefined; start = pending.shift()) {
      if (begun.has(start)) continue;
      begun.add(start);
      const instructions: GuestInstruction[] = [];
      let ending: Ending | undefined;
      let next = start;
      for (;;) {
        const instruction = found.get(next);
        if (!instruction || (next !== start && leaders.has(next))) break;
        if (instructions.length >= limits.blockInstructions) {
          // The rest is a block of its own.
          pending.push(next);
          break;
        }
        instructions.push(instruction);
        ending = endings.get(next);
        next += instruction.decoded.length;
        if (ending) break;
      }
      const first = instructions[0] as GuestInstruction;
      const pages = [...new Set([pageOf(start), pageOf(start + first.decoded.length - 1)])];
      blocks.push({ start, instructions, end: ending?.end ?? (found.has(next) ? 'next' : 'leave'), target: ending?.target, next, sites: [], pages });
    }
    return blocks;
  }

  /**
   * Finds for each return which calls of the region it may come from. `complete`: places behind calls whose callee
   * returns within the region on all its ways, so that nobody comes there from outside.
   */
  private matchReturns(blocks: readonly GuestBlock[], numbers: ReadonlyMap<number, number>): { blocks: readonly GuestBlock[]; complete: ReadonlySet<number> } {
    const callers = new Map<number, number[]>();
    for (const [site, { callee }] of this.behindCalls) {
      const number = callee === undefined ? undefined : numbers.get(callee);
      if (number === undefined || !numbers.has(site)) continue;
      const sites = callers.get(number);
      if (sites) sites.push(site);
      else callers.set(number, [site]);
    }
    const sitesOf = new Map<number, Set<number>>();
    const complete = new Set<number>();
    for (const [callee, sites] of callers) {
      let leaves = false;
      const reached = new Set([callee]);
      // The set grows while it is walked.
      for (const number of reached) {
        const block = blocks[number] as GuestBlock;
        if (block.end === 'return') {
          const known = sitesOf.get(number) ?? new Set();
          for (const site of sites) known.add(site);
          sitesOf.set(number, known);
        }
        if (block.end === 'indirect' || block.end === 'leave') leaves = true;
        for (const offset of block.end === 'call' ? [block.next] : successorsOf(block)) {
          const successor = numbers.get(offset);
          if (successor === undefined) leaves = true;
          else reached.add(successor);
        }
      }
      if (!leaves) for (const site of sites) complete.add(site);
    }
    const matched = blocks.map((block, number) => {
      const sites = [...(sitesOf.get(number) ?? [])];
      for (const site of sites.slice(this.limits.sites)) complete.delete(site);
      return { ...block, sites: sites.slice(0, this.limits.sites) };
    });
    return { blocks: matched, complete };
  }

  private coveredPages(): CoveredPage[] {
    const ranges = new Map<number, [number, number][]>();
    const cover = (start: number, end: number): void => {
      const page = pageOf(start);
      const own = ranges.get(page) ?? [];
      ranges.set(page, own);
      const last = own.at(-1);
      const base = page * PAGE_BYTES;
      if (last && start - base <= last[1]) last[1] = Math.max(last[1], end - base);
      else own.push([start - base, end - base]);
    };
    for (const { offset, decoded } of [...this.found.values()].sort((a, b) => a.offset - b.offset)) {
      const end = offset + decoded.length;
      const boundary = pageOf(end - 1) * PAGE_BYTES;
      if (boundary > offset) {
        cover(offset, boundary);
        cover(boundary, end);
      } else cover(offset, end);
    }
    return [...this.pages.values()].filter(({ delta }) => ranges.has(delta)).map((page) => ({ ...page, ranges: ranges.get(page.delta) ?? [] }));
  }
}

/** Where direct branches of a block lead, in the order in which they are written. */
export function successorsOf({ end, target, next, sites }: GuestBlock): readonly number[] {
  switch (end) {
    case 'condition': return [target as number, next];
    case 'jump': case 'call': return [target as number];
    case 'next': return [next];
    case 'return': return sites;
    default: return [];
  }
}
