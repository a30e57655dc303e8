/** The function that one region becomes: its locals, its ways out, and what it takes from the runtime. */
import { add, and, eq, eqz, extendS, extendU, global, i32, i64, load, ltS, or, shl, shrS, shrU, sub, wrap, type Expr } from '../../wasm/expression.ts';
import { FunctionBody, type Label } from '../../wasm/function-body.ts';
import { HALF_BIT_32, HALF_BIT_64, halfShift, jumpCacheEntry, jumpCacheKey } from '../jump-cache.ts';
import { JUMP_ELEMENT, JUMP_ENTRY, PAGE_BYTES } from '../memory-layout.ts';
import { RUNTIME_FUNCTIONS, type RuntimeFunction } from '../runtime-functions.ts';
import { MODE_USER, TLB_CURRENT, TLB_USER } from '../state-layout.ts';
import { is64Bit } from './code-source.ts';
import type { GuestCode } from './guest-code.ts';
import { LazyFlags } from './lazy-flags.ts';

/** What the interpreter's module exports for regions to leave by: flow.ts. */
export const WAYS_OUT = {
  leap: ['i64', 'i32'], spent: ['i64', 'i32'], faulted: ['i64', 'i32'], single: ['i64', 'i32'], finished: ['i64', 'i32', 'i32'],
} as const;
/** What a region is made for. */
export interface RegionPlace {
  readonly cpuBase: number;
  readonly imports: RegionImports;
  /** The index of the global that holds the number of the region's own element. */
  readonly global: number;
}

export type WayOut = keyof typeof WAYS_OUT;

/** The type of a region's function, `(rip i64, budget i32, entry i32) -> ()`: the first one of a module of regions. */
export const REGION_PARAMETERS = ['i64', 'i32', 'i32'] as const;
export const REGION_TYPE = 0;

/** Functions imported by a module of regions, numbered as they are first needed. */
export class RegionImports {
  readonly list: { readonly from: 'runtime' | 'engine'; readonly name: RuntimeFunction | WayOut }[] = [];

  index(from: 'runtime' | 'engine', name: RuntimeFunction | WayOut): number {
    const known = this.list.findIndex((one) => one.name === name && one.from === from);
    return known >= 0 ? known : this.list.push({ from, name }) - 1;
  }
}

/**
 * Ways out by number, as the local says when all of them come together at the function's end: bits 0-2. What is given back of
 * the budget is in the bits above.
 */
const EXITS = ['leap', 'spent', 'faulted', 'single', 'finished'] as const;
type Exit = (typeof EXITS)[number];
const EXIT_BITS = 3;
const exitWord = (exit: Exit, unspent = 0): number => EXITS.indexOf(exit) | (unspent << EXIT_BITS);

/** As disassembly shows the locals. */
const REGISTER_NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];

export class RegionContext {
  readonly body = new FunctionBody(REGION_PARAMETERS);
  readonly budget = this.body.parameter(1);
  /** At first the entry, then what dispatchers go by. */
  readonly selector = this.body.parameter(2);
  readonly long: boolean;
  readonly registerType: 'i32' | 'i64';
  readonly flags: LazyFlags;
  readonly cpuBase: number;
  readonly imports: RegionImports;
  /** Instructions of the current block that are paid for and not executed, the current one included. */
  remaining = 0;
  /** Offset of the current instruction from the region's page. */
  offset = 0;
  private readonly registers: readonly Expr[];
  private readonly used = new Set<number>();
  private readonly written = new Set<number>();
  /** RIP of the first byte of the region's page. */
  private readonly ripBase = this.body.newLocal('i64', 'ripBase');
  /** Where to go outside. */
  private readonly target = this.body.newLocal('i64', 'target');
  private readonly exitOffset = this.body.newLocal('i32', 'exitOffset');
  private readonly exit = this.body.newLocal('i32', 'exit');
  private readonly status = this.body.newLocal('i32', 'status');
  private readonly table = this.body.newLocal('i32', 'table');
  /** Bit n: page n is known to be there. */
  private readonly verified = this.body.newLocal('i32', 'verified');
  private readonly pages: GuestCode['pages'];
  private readonly user: boolean;
  private readonly global: number;
  /** Whether a jump to an address found at run time may lead to one of the region's own entries. */
  private readonly mayComeBack: boolean;
  private seek: Label | undefined;
  private out: Label | undefined;

  constructor(code: GuestCode, { cpuBase, imports, global }: RegionPlace) {
    const { mode, pages } = code;
    this.pages = pages;
    this.global = global;
    this.mayComeBack = code.entries.length > 1 && code.blocks.some(({ end }) => end === 'indirect' || end === 'return');
    this.long = is64Bit(mode);
    this.user = (mode & MODE_USER) !== 0;
    this.registerType = this.long ? 'i64' : 'i32';
    this.cpuBase = cpuBase;
    this.imports = imports;
    this.registers = Array.from({ length: this.long ? 16 : 8 }, (_, number) => this.body.newLocal(this.registerType, REGISTER_NAMES[number]));
    this.flags = new LazyFlags(this);
    this.body.keepLocals();
  }

  // Registers

  register(number: number): Expr {
    this.used.add(number);
    return this.registers[number] as Expr;
  }
  setRegister(number: number, value: Expr): void {
    this.used.add(number);
    this.written.add(number);
    this.body.set(this.registers[number] as Expr, value);
  }

  private storeRegister(number: number): void {
    const value = this.registers[number] as Expr;
    this.body.store(64, i32(0), extendU(value), this.cpuBase + number * 8);
  }
  /** Puts registers that the region changes into the CPU block. */
  spill(): void {
    this.body.later(() => {
      for (const number of this.written) this.storeRegister(number);
    });
  }
  /** Puts a single register there, for a helper that reads it. */
  spillRegister(number: number): void {
    this.used.add(number);
    this.storeRegister(number);
  }
  /** Takes the registers from the CPU block. */
  reload(): void {
    this.body.later(() => {
      for (const number of this.used) this.loadRegister(number);
    });
    this.reloadTable();
  }
  /** Finds out which data TLB is in use. */
  reloadTable(): void {
    if (!this.user) this.body.set(this.table, load('i32', 'u32', i32(0), this.cpuBase + TLB_CURRENT));
  }
  private loadRegister(number: number): void {
    const value = this.long ? load('i64', 'u64', i32(0), this.cpuBase + number * 8) : load('i32', 'u32', i32(0), this.cpuBase + number * 8);
    this.body.set(this.registers[number] as Expr, value);
  }
  reloadRegister(number: number): void {
    this.used.add(number);
    this.written.add(number);
    this.loadRegister(number);
  }

  // State

  state32(offset: number): Expr {
    return load('i32', 'u32', i32(0), this.cpuBase + offset);
  }
  state64(offset: number): Expr {
    return load('i64', 'u64', i32(0), this.cpuBase + offset);
  }
  setState(bits: 8 | 16 | 32 | 64 | 128, offset: number, value: Expr): void {
    this.body.store(bits, i32(0), value, this.cpuBase + offset);
  }
  /** The data TLB in use, as an address. */
  get tlb(): Expr {
    return this.user ? i32(this.cpuBase + TLB_USER) : this.table;
  }

  /** RIP at an offset from the page. */
  rip(offset: number): Expr {
    return this.maskRip(add(this.ripBase, i64(offset)));
  }
  /** How far RIP lies from the region's first page, as i64. */
  distance(rip: Expr): Expr {
    return sub(rip, this.ripBase);
  }
  /** RIP of the region's first page. */
  get pageRip(): Expr {
    return this.ripBase;
  }
  private maskRip(rip: Expr): Expr {
    return this.long ? rip : and(rip, i64(0xffffffffn));
  }

  call(name: RuntimeFunction, args: readonly Expr[]): Expr | undefined {
    return this.body.call(this.imports.index('runtime', name), args, RUNTIME_FUNCTIONS[name][1]);
  }

  // Ways in and out

  /** Writes the function: `inside` writes the code between coming in and leaving. */
  write(inside: () => void): FunctionBody {
    const { body, target, exit } = this;
    const rip = body.parameter(0);
    if (this.pages.length > 1) {
      body.set(this.verified, this.pageBit(this.selector));
      body.set(this.ripBase, this.baseOf(rip, this.selector));
      body.set(this.selector, and(this.selector, i32(0xff)));
    } else body.set(this.ripBase, and(rip, i64(~0xfffn)));
    this.reload();
    body.block((found) => {
      body.block((out) => {
        this.out = out;
        const insideAndOn = (again: Label | undefined): void => {
          this.insideAndOn(inside, again);
          body.br(found);
        };
        if (this.mayComeBack) body.loop(insideAndOn);
        else insideAndOn(undefined);
      });
      body.set(target, this.maskRip(add(this.ripBase, extendS(this.exitOffset))));
    });
    this.spill();
    this.flags.saveDynamic();
    const budget = body.let(add(this.budget, shrU(exit, i32(EXIT_BITS))));
    const labels: Label[] = [];
    const nest = (number: number): void => {
      const name = EXITS[number];
      if (!name) return body.brTable(labels.slice(0, -1), labels.at(-1) as Label, and(exit, i32((1 << EXIT_BITS) - 1)));
      body.block((label) => {
        labels[number] = label;
        nest(number + 1);
      });
      body.returnCall(this.imports.index('engine', name), name === 'finished' ? [target, budget, this.status] : [target, budget]);
    };
    nest(0);
    body.unreachable();
    return body;
  }

  /** What executes guest code, and behind it the look for what is at `target`. */
  private insideAndOn(inside: () => void, again: Label | undefined): void {
    const { body, target } = this;
    body.block((label) => {
      this.seek = label;
      inside();
      body.unreachable();
    }, 'seek');
    body.releaseLocals();
    const entry = body.let(jumpCacheEntry(target, this.cpuBase));
    const isKnown = body.let(eq(load('i64', 'u64', entry), jumpCacheKey(target, this.cpuBase, halfShift(this.long ? HALF_BIT_64 : HALF_BIT_32))));
    const element = load('i32', 'u32', entry, JUMP_ELEMENT);
    const way = load('i32', 'u32', entry, JUMP_ENTRY);
    body.if(isKnown, () => {
      if (again) body.if(eq(element, global(this.global, 'i32')), () => this.comeBack(way, again));
      this.spill();
      this.flags.saveDynamic();
      body.returnCallIndirect(REGION_TYPE, [target, this.budget, way], element);
    });
    body.set(this.exit, i32(exitWord('leap')));
  }
  /** Goes on at one of the region's own entries, unless it is to be entered at another linear address than it was. */
  private comeBack(way: Expr, again: Label): void {
    const { body } = this;
    if (this.pages.length === 1) {
      body.if(eq(and(this.target, i64(~0xfffn)), this.ripBase), () => {
        body.set(this.selector, way);
        body.br(again);
      });
      return;
    }
    const entry = body.let(way);
    body.if(eq(this.baseOf(this.target, entry), this.ripBase), () => {
      body.set(this.verified, or(this.verified, this.pageBit(entry)));
      body.set(this.selector, and(entry, i32(0xff)));
      body.br(again);
    });
  }
  /** Of what is entered at RIP by an entry: the RIP of the first page, and the bit of the page that is entered. */
  private baseOf(rip: Expr, entry: Expr): Expr {
    return sub(and(rip, i64(~0xfffn)), extendS(shl(shrS(entry, i32(16)), i32(12))));
  }
  private pageBit(entry: Expr): Expr {
    return shl(i32(1), and(shrU(entry, i32(8)), i32(0xff)));
  }

  /** Leaves at `offset` by an exit's word. */
  private leaveBy(word: Expr, offset: number): void {
    const { body } = this;
    this.flags.announce();
    body.set(this.exit, word);
    body.set(this.exitOffset, i32(offset));
    body.br(this.out as Label);
  }
  /** The current instruction has a fault pending. */
  leaveWithFault(): void {
    this.leaveBy(i32(exitWord('faulted', this.remaining)), this.offset);
  }
  /** `regionAccess` gave no pointer (i32) for the current instruction: 0 with a fault pending, 1 where the interpreter is to do it. */
  leaveRefused(answer: Expr): void {
    this.leaveBy(add(answer, i32(exitWord('faulted', this.remaining))), this.offset);
  }
  /** A helper of the current instruction gave another status than STATUS_NEXT. */
  leaveAs(status: Expr): void {
    this.body.set(this.status, status);
    this.leaveBy(i32(exitWord('finished', this.remaining)), this.offset);
  }
  /** Goes on behind the current instruction, whose region may be of code that is no more. */
  leaveOutdated(next: number): void {
    this.leaveBy(i32(exitWord('leap', this.remaining - 1)), next);
  }
  /**
   * Goes to a block that begins at `offset`, has not been paid for, and is not in this region any more. One whose first
   * instruction lies in two pages is begun by the interpreter: the jump cache knows the first page only, and might lead back.
   */
  private leaveThePages(offset: number, inTwoPages: boolean): void {
    this.leaveBy(i32(exitWord(inTwoPages ? 'single' : 'leap')), offset);
  }
  /**
   * Makes sure that pages (by number, as bits) are still where the region's code was found, before a block at `offset`
   * executes what was made of them. Nothing in a region can change that, so asking once is enough.
   */
  verify(pages: number, offset: number, inTwoPages: boolean): void {
    const { body, verified } = this;
    for (const [number, { delta, descriptor }] of this.pages.entries()) {
      const bit = i32(1 << number);
      if (!(pages & (1 << number))) continue;
      body.if(eqz(and(verified, bit)), () => {
        const there = this.call('codeIsAt', [this.rip(delta * PAGE_BYTES), i32(descriptor)]) as Expr;
        body.if(eqz(there), () => this.leaveThePages(offset, inTwoPages), undefined, false);
        body.set(verified, or(verified, bit));
      }, undefined, false);
    }
  }
  /** The budget does not cover the block that begins here, which has not been paid for. */
  leaveSpent(offset: number): void {
    this.leaveBy(i32(exitWord('spent')), offset);
  }
  /** Goes to RIP outside the region, or where only a look at the jump cache tells. */
  leap(rip: Expr): void {
    this.flags.announce();
    this.body.set(this.target, rip);
    this.body.br(this.seek as Label);
  }

  /** Pays for a block that begins at `offset`, or leaves. */
  pay(offset: number, instructions: number): void {
    const { body, budget } = this;
    const rest = body.let(sub(budget, i32(instructions)));
    body.if(ltS(rest, i32(0)), () => this.leaveSpent(offset), undefined, false);
    body.set(budget, rest);
  }

  /** A value of `registerType` from an i32 or i64. */
  toRegister(value: Expr): Expr {
    return this.long ? extendU(value) : wrap(value);
  }
  merge(number: number, value: Expr, mask: number, shift: number): void {
    const old = this.register(number);
    const field = and(value.type === 'i64' ? wrap(value) : value, i32(mask));
    const placed = this.toRegister(shift ? shl(field, i32(shift)) : field);
    const keep = this.long ? i64(~(BigInt(mask) << BigInt(shift))) : i32(~(mask << shift));
    this.setRegister(number, or(and(old, keep), placed));
  }
}
