/** Writes the function of a region: blocks in structured control flow, and the edges between them. */
import { eq, eqz, i32, i64, ne, type Expr } from '../../wasm/expression.ts';
import type { FunctionBody, Label } from '../../wasm/function-body.ts';
import { structure, type Jump, type Step } from './control-structure.ts';
import { successorsOf, type GuestBlock, type GuestCode } from './guest-code.ts';
import { UNKNOWN_FLAGS, type KnownFlags } from './lazy-flags.ts';
import { RegionContext, type RegionImports, type RegionPlace } from './region-context.ts';
import { RegionEmitter, type Terminators } from './region-emitter.ts';

/** `global`: the index of that which holds the number of the region's element. */
export function writeRegion(code: GuestCode, cpuBase: number, imports: RegionImports, global: number): FunctionBody {
  return new RegionWriter(code, { cpuBase, imports, global }).write();
}

class RegionWriter implements Terminators {
  private readonly code: GuestCode;
  private readonly context: RegionContext;
  private readonly emitter: RegionEmitter;
  /** Block numbers by start. */
  private readonly numbers: ReadonlyMap<number, number>;
  private readonly successors: readonly (readonly number[])[];
  /** Blocks that control comes to in one way only: what that way knows of the flags, once it has been written. */
  private readonly knownAtStart = new Map<number, KnownFlags>();
  private readonly single: ReadonlySet<number>;
  private readonly unverified: readonly number[];
  private readonly labels = new Map<number, Label>();
  /** The block being written, and how its edges are taken. */
  private block!: GuestBlock;
  private jumps: readonly Jump[] = [];

  constructor(code: GuestCode, place: RegionPlace) {
    this.code = code;
    this.context = new RegionContext(code, place);
    this.emitter = new RegionEmitter(this.context, code.mode, this);
    this.numbers = new Map(code.blocks.map((block, number) => [block.start, number]));
    this.successors = code.blocks.map((block) => successorsOf(block).map((offset) => this.numbers.get(offset)).filter((number) => number !== undefined));
    this.unverified = this.unverifiedPages();
    const ways = new Map<number, number>();
    for (const number of [...code.entries, ...this.successors.flat()]) ways.set(number, (ways.get(number) ?? 0) + 1);
    this.single = new Set([...ways].filter(([number, count]) => count === 1 && !code.entries.includes(number)).map(([number]) => number));
  }

  /** By block: pages, as bits, that those who come there may not have verified. */
  private unverifiedPages(): readonly number[] {
    const { blocks, entries, pages } = this.code;
    const numberOf = new Map(pages.map(({ delta }, number) => [delta, number]));
    const bits = (deltas: readonly number[]): number => deltas.reduce((sum, delta) => sum | (1 << (numberOf.get(delta) ?? 0)), 0);
    const own = blocks.map((block) => bits(block.pages));
    const known = blocks.map(() => -1);
    // Who comes in from outside has found the page that the block begins in.
    for (const entry of entries) known[entry] = bits((blocks[entry]?.pages ?? []).slice(0, 1));
    for (const [number, successors] of this.successors.entries()) {
      for (const successor of successors) known[successor] = (known[successor] ?? 0) & (own[number] ?? 0);
    }
    return own.map((pagesOfBlock, number) => pagesOfBlock & ~(known[number] ?? 0));
  }

  write(): FunctionBody {
    return this.context.write(() => {
      this.steps(structure({ successors: this.successors, entries: this.code.entries }));
    });
  }

  private steps(steps: readonly Step[]): void {
    const { body } = this.context;
    for (const step of steps) {
      switch (step.kind) {
        case 'block': body.block((label) => this.inside(step.label, label, step.body)); break;
        case 'loop': body.loop((label) => this.inside(step.label, label, step.body)); break;
        case 'node': this.node(step.node, step.jumps); break;
        case 'dispatch': this.dispatch(step.cases); break;
      }
    }
  }
  private inside(name: number, label: Label, steps: readonly Step[]): void {
    this.labels.set(name, label);
    this.steps(steps);
  }

  private dispatch(cases: readonly Jump[]): void {
    const { body, selector } = this.context;
    this.context.flags.known = UNKNOWN_FLAGS;
    if (cases.every(({ select, label }) => select === undefined && label !== undefined)) {
      const labels = cases.map(({ label }) => this.labels.get(label as number) as Label);
      body.brTable(labels.slice(0, -1), labels.at(-1) as Label, selector);
      return;
    }
    // Each case sets the selector anew or falls through: one block around each.
    const open: Label[] = [];
    const nest = (index: number): void => {
      if (index < 0) {
        body.brTable(open.slice(0, -1), open.at(-1) as Label, selector);
        return;
      }
      body.block((label) => {
        open[index] = label;
        nest(index - 1);
      });
      this.take(cases[index] as Jump);
    };
    nest(cases.length - 1);
  }

  private take({ label, select }: Jump): void {
    const { body, selector } = this.context;
    if (select !== undefined) body.set(selector, i32(select));
    if (label !== undefined) body.br(this.labels.get(label) as Label);
  }

  private node(number: number, jumps: readonly Jump[]): void {
    const { context, emitter } = this;
    const block = this.code.blocks[number] as GuestBlock;
    this.block = block;
    this.jumps = jumps;
    context.body.mark(block);
    context.flags.known = this.knownAtStart.get(number) ?? UNKNOWN_FLAGS;
    const unverified = this.unverified[number];
    if (unverified) context.verify(unverified, block.start, block.pages.length > 1);
    context.pay(block.start, block.instructions.length);
    emitter.beginBlock();
    const count = block.instructions.length;
    for (const [index, instruction] of block.instructions.entries()) {
      emitter.emit(instruction, count - index);
      if (emitter.ended) return;
    }
    if (block.end === 'next') this.follow(block.next, 0);
    else context.leap(context.rip(block.next));
  }

  /** Goes to an offset, which is the block's successor number `edge` where it is in the region. */
  private follow(offset: number, edge: number): void {
    const { context } = this;
    const number = this.numbers.get(offset);
    if (number === undefined) return context.leap(context.rip(offset));
    if (this.single.has(number)) this.knownAtStart.set(number, context.flags.known);
    else context.flags.announce();
    this.take(this.jumps[edge] as Jump);
  }

  jump(): void {
    this.follow(this.block.target as number, 0);
  }
  jumpIf(condition: Expr): void {
    const { target, next } = this.block;
    const { body } = this.context;
    const stays = this.numbers.has(target as number);
    if (stays && !this.numbers.has(next)) {
      // The only edge inside may be one that falls through, so it comes last.
      body.if(eqz(condition), () => this.context.leap(this.context.rip(next)));
      this.follow(target as number, 0);
      return;
    }
    body.if(condition, () => (stays ? this.follow(target as number, 0) : this.context.leap(this.context.rip(target as number))));
    this.follow(next, stays ? 1 : 0);
  }
  jumpTo(rip: Expr): void {
    const { context } = this;
    const { sites } = this.block;
    const last = sites.at(-1);
    if (last === undefined) return context.leap(rip);
    // A return: only the last edge may be one that falls through.
    const { body } = context;
    const target = body.let(rip);
    const distance = body.let(context.distance(target));
    body.if(ne(distance, i64(last)), () => {
      sites.slice(0, -1).forEach((site, edge) => body.if(eq(distance, i64(site)), () => this.follow(site, edge)));
      context.leap(target);
    });
    this.follow(last, sites.length - 1);
  }
}
