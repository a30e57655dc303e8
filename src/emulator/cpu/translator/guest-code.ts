/** Finds the control-flow graph of guest code that one region is made from. */
import type { DecodedInstruction, Decoder } from '../decoder.ts';
import { PAGE_BYTES } from '../memory-layout.ts';
import { MODE_CODE_64, MODE_CODE_SIZE } from '../state-layout.ts';

/** An instruction at an offset from the first byte of the region's page. */
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
}

export interface GuestCode {
  /** MODE_* bits that it is right for. */
  readonly mode: number;
  readonly blocks: readonly GuestBlock[];
  /** Blocks by number at which control comes in from outside; the first is where the region was asked for. */
  readonly entries: readonly number[];
  /** Bytes [start, end) of the page that the instructions cover, in order, apart from each other. */
  readonly ranges: readonly (readonly [start: number, end: number])[];
}

export interface GrowthLimits {
  readonly instructions: number;
  readonly blockInstructions: number;
}
export const DEFAULT_GROWTH: GrowthLimits = { instructions: 300, blockInstructions: 64 };

/** Whether the translator takes the instruction; otherwise it is left to the interpreter. */
function isTranslatable({ row, width, kind }: DecodedInstruction): boolean {
  if (row.ends && row.notInUserMode) return false;
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
    case 'RET': return { end: 'indirect', target: undefined };
    default: return target === undefined ? { end: 'next', target } : { end: 'condition', target };
  }
}

/**
 * Follows the code from `start` (offset in the page) along direct branches within the page. `undefined` where its first
 * instruction is not for the translator.
 */
export function growRegion(decoder: Decoder, bytes: Uint8Array, page: number, start: number, mode: number, limits: GrowthLimits = DEFAULT_GROWTH): GuestCode | undefined {
  const found = new Map<number, GuestInstruction>();
  const endings = new Map<number, Ending>();
  const leaders = new Set<number>([start]);
  const comesBack = new Set<number>();
  const queue = [start];
  const inPage = (offset: number): boolean => offset >= 0 && offset < PAGE_BYTES;
  const lead = (offset: number): void => {
    if (!inPage(offset) || leaders.has(offset)) return;
    leaders.add(offset);
    queue.push(offset);
  };
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (let offset = at; inPage(offset) && !found.has(offset) && found.size < limits.instructions;) {
      const decoded = decoder.decode(bytes, page + offset, page + PAGE_BYTES, mode);
      if (typeof decoded === 'string') break;
      const next = offset + decoded.length;
      if (!isTranslatable(decoded)) {
        if (offset !== start && found.size > 0) {
          comesBack.add(next);
          lead(next);
        }
        break;
      }
      found.set(offset, { offset, decoded: { ...decoded } });
      const ending = endingOf(decoded, next);
      if (ending) {
        endings.set(offset, ending);
        if (ending.end === 'condition' || ending.end === 'jump') lead(ending.target as number);
        if (decoded.row.mnemonic === 'CALL') {
          comesBack.add(next);
          lead(next);
        } else if (ending.end === 'condition' || ending.end === 'next') lead(next);
        break;
      }
      offset = next;
    }
  }
  if (!found.has(start)) return undefined;
  return cutBlocks(found, endings, leaders, [start, ...[...comesBack].filter((offset) => offset !== start)], mode, limits);
}

function cutBlocks(
  found: ReadonlyMap<number, GuestInstruction>, endings: ReadonlyMap<number, Ending>, leaders: ReadonlySet<number>, entries: readonly number[], mode: number, limits: GrowthLimits,
): GuestCode {
  const blocks: GuestBlock[] = [];
  const numbers = new Map<number, number>();
  const pending = [...leaders].filter((offset) => found.has(offset));
  for (let start = pending.shift(); start !== undefined; start = pending.shift()) {
    const instructions: GuestInstruction[] = [];
    let ending: Ending | undefined;
    let next = start;
    for (;;) {
      const instruction = found.get(next);
      if (!instruction || (next !== start && leaders.has(next))) break;
      if (instructions.length >= limits.blockInstructions) {
        // The rest is a block of its own.
        if (!pending.includes(next) && !numbers.has(next)) pending.push(next);
        break;
      }
      instructions.push(instruction);
      ending = endings.get(next);
      next += instruction.decoded.length;
      if (ending) break;
    }
    numbers.set(start, blocks.length);
    blocks.push({ start, instructions, end: ending?.end ?? (found.has(next) ? 'next' : 'leave'), target: ending?.target, next });
  }
  // What an instruction of the middle of a long block leads to.
  const closed = blocks.map((block) => (block.end === 'next' && !numbers.has(block.next) ? { ...block, end: 'leave' as const } : block));
  return {
    mode,
    blocks: closed,
    entries: entries.map((offset) => numbers.get(offset)).filter((number) => number !== undefined),
    ranges: rangesOf(found),
  };
}

function rangesOf(found: ReadonlyMap<number, GuestInstruction>): (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  for (const { offset, decoded } of [...found.values()].sort((a, b) => a.offset - b.offset)) {
    const last = ranges.at(-1);
    const end = offset + decoded.length;
    if (last && offset <= last[1]) last[1] = Math.max(last[1], end);
    else ranges.push([offset, end]);
  }
  return ranges;
}

export function is64Bit(mode: number): boolean {
  return (mode & MODE_CODE_SIZE) === MODE_CODE_64;
}
