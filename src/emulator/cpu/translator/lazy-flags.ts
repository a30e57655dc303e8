/**
 * The arithmetic flags inside a region. An instruction that sets them only leaves its operands and result in locals and a
 * kind (FLAG_* in state-layout.ts); what reads a flag computes that flag alone. The kind is known while a block is
 * written, as long as control can come to it one way only; elsewhere it is in a local too ("dynamic"). Memory gets the
 * operands when the region is left, and `materializeFlags` computes the rest there when somebody asks.
 */
import { and, constant, eq, eqz, extendU, geS, geU, i32, i64, leS, leU, ltS, ltU, ne, or, popcnt, select, shl, shrU, signExtend, wrap, xor, type Expr } from '../../wasm/expression.ts';
import type { FunctionBody } from '../../wasm/function-body.ts';
import type { ConditionCode, FlagValues, Width } from '../isa/emitter.ts';
import {
  FLAGS_A, FLAGS_AUX, FLAGS_B, FLAGS_CARRY, FLAGS_KIND, FLAGS_OVERFLOW, FLAGS_R, FLAGS_RESULT, FLAG_ADD, FLAG_CARRY_APART, FLAG_DEC, FLAG_INC, FLAG_LOGIC, FLAG_OPERATION,
  FLAG_OVERFLOW_APART, FLAG_SIZE_SHIFT, FLAG_SUB,
} from '../state-layout.ts';
import type { RuntimeFunction } from '../runtime-functions.ts';

export type FlagName = 'cf' | 'pf' | 'af' | 'zf' | 'sf' | 'of';

/** What is known of the flags at a place in the code. */
export interface KnownFlags {
  /** `undefined`: it is in the local. */
  readonly kind: number | undefined;
  /** For ADD and SUB: whether a carry came in. */
  readonly carryIn: boolean;
  /** For kind 0: whether FLAGS_RESULT and FLAGS_AUX are known to hold. */
  readonly canonical: boolean;
  /** For INC and DEC: CF is that of what was there before, which the local tells. */
  readonly isStep: boolean;
}

export const UNKNOWN_FLAGS: KnownFlags = { kind: undefined, carryIn: false, canonical: false, isStep: false };
const IN_MEMORY: KnownFlags = { kind: 0, carryIn: false, canonical: true, isStep: false };

/**
 * From this bit on the local holds the kind of an INC or DEC that came after what its low bits tell of: all but CF is the step's. CF
 * is hardly ever asked for between an INC and what overwrites it, and working it out takes a call.
 */
const STEP_SHIFT = 16;
const BASE_KIND = (1 << STEP_SHIFT) - 1;

/** What the flags need of the region that they belong to. */
export interface FlagsContext {
  readonly body: FunctionBody;
  /** Whether it is 64-bit code. */
  readonly long: boolean;
  state32(offset: number): Expr;
  state64(offset: number): Expr;
  setState(bits: 32 | 64, offset: number, value: Expr): void;
  call(name: RuntimeFunction, args: readonly Expr[]): Expr | undefined;
}

interface OperandLocals {
  readonly a: Expr;
  readonly b: Expr;
  readonly r: Expr;
  /** The result of an INC or DEC whose kind is in the high bits of the local. */
  readonly step: Expr;
}

export class LazyFlags {
  known: KnownFlags = UNKNOWN_FLAGS;
  /** Set while an instruction is written that may or may not set flags, as it finds out at run time. */
  conditional = false;
  private readonly context: FlagsContext;
  private readonly kindLocal: Expr;
  private readonly narrow: OperandLocals;
  private readonly wide: OperandLocals | undefined;
  private readonly carry: Expr;
  private readonly overflow: Expr;

  constructor(context: FlagsContext) {
    this.context = context;
    const { body } = context;
    const operands = (type: 'i32' | 'i64'): OperandLocals => {
      const [a, b, r, step] = ['a', 'b', 'result', 'step'].map((name) => body.newLocal(type, `${name}${type.slice(1)}`)) as [Expr, Expr, Expr, Expr];
      return { a, b, r, step };
    };
    this.kindLocal = body.newLocal('i32', 'flags');
    this.narrow = operands('i32');
    this.wide = context.long ? operands('i64') : undefined;
    this.carry = body.newLocal('i32', 'carry');
    this.overflow = body.newLocal('i32', 'overflow');
  }

  private operands(bits: number): OperandLocals {
    return bits === 64 ? (this.wide as OperandLocals) : this.narrow;
  }

  /** The operands that what is known of the flags is about. */
  private operandsOfKind(bits: number): Omit<OperandLocals, 'step'> {
    const locals = this.operands(bits);
    return this.known.isStep ? { ...locals, r: locals.step } : locals;
  }

  // Setting

  private become(kind: number, carryIn = false): void {
    if (this.conditional) {
      this.context.body.set(this.kindLocal, i32(kind));
      this.known = UNKNOWN_FLAGS;
    } else this.known = { kind, carryIn, canonical: false, isStep: false };
  }
  private kindOf(operation: number, width: Width): number {
    return operation | (Math.log2(width / 8) << FLAG_SIZE_SHIFT);
  }

  setArithmetic(operation: typeof FLAG_ADD | typeof FLAG_SUB, a: Expr, b: Expr, result: Expr, width: Width, carryIn: boolean): void {
    const { body } = this.context;
    const locals = this.operands(width);
    body.set(locals.a, a);
    body.set(locals.b, b);
    body.set(locals.r, result);
    this.become(this.kindOf(operation, width), carryIn);
  }
  setLogic(result: Expr, width: Width): void {
    this.context.body.set(this.operands(width).r, result);
    this.become(this.kindOf(FLAG_LOGIC, width));
  }
  /** SF ZF PF by result, AF 0, CF and OF (i32 0 or 1) as given. */
  setResult(result: Expr, cf: Expr, of: Expr, width: Width): void {
    const { body } = this.context;
    body.set(this.carry, cf);
    body.set(this.overflow, of);
    body.set(this.operands(width).r, result);
    this.become(this.kindOf(FLAG_LOGIC, width) | FLAG_CARRY_APART | FLAG_OVERFLOW_APART);
  }
  /** INC and DEC keep CF. */
  setStep(operation: typeof FLAG_INC | typeof FLAG_DEC, result: Expr, width: Width): void {
    const { body } = this.context;
    const { kind, isStep } = this.known;
    const locals = this.operands(width);
    const step = this.kindOf(operation, width);
    if (kind === undefined || isStep) {
      body.set(locals.step, result);
      body.set(this.kindLocal, or(and(this.kindLocal, i32(BASE_KIND)), i32(step << STEP_SHIFT)));
      this.known = { kind: step, carryIn: false, canonical: false, isStep: true };
      return;
    }
    if (!(kind & FLAG_CARRY_APART)) body.set(this.carry, this.expression('cf'));
    body.set(locals.r, result);
    this.become(step | FLAG_CARRY_APART);
  }
  /** Puts CF apart where only the local tells what it comes from. */
  private carryFromLocal(): Expr {
    const { body } = this.context;
    this.known = UNKNOWN_FLAGS;
    body.if(eqz(and(this.kindLocal, i32(FLAG_CARRY_APART))), () => {
      this.materialize();
      body.set(this.carry, shrU(this.aux(), i32(31)));
    });
    return body.let(this.carry);
  }

  /** Changes CF, or CF and OF (i32 0 or 1), and nothing else. */
  setApart(cf: Expr, of: Expr | undefined): void {
    const { body } = this.context;
    const { kind, isStep } = this.known;
    const apart = FLAG_CARRY_APART | (of ? FLAG_OVERFLOW_APART : 0);
    const [carry, overflow] = [body.let(cf), of && body.let(of)];
    if (kind === undefined) {
      // Only what memory holds in its last form can be changed in part, and CF alone behind a step.
      const whole = eqz(and(this.kindLocal, i32(FLAG_OPERATION)));
      body.if(of ? or(whole, shrU(this.kindLocal, i32(STEP_SHIFT))) : whole, () => this.materialize());
      body.set(this.kindLocal, or(this.kindLocal, i32(apart)));
    } else if (this.conditional) throw new Error('conditional flags must be dynamic');
    else {
      if (!(kind & FLAG_OPERATION) && !this.known.canonical) this.materialize();
      if (isStep) {
        const { r, step } = this.operands(widthOf(kind));
        body.set(r, step);
      }
      this.known = { ...this.known, kind: (this.known.kind ?? 0) | apart, isStep: false };
    }
    body.set(this.carry, carry);
    if (overflow) body.set(this.overflow, overflow);
  }

  /** All six at once, into memory. */
  setAll({ cf, pf, af, zf, sf, of }: FlagValues): void {
    const { context } = this;
    const carry = context.body.let(cf);
    const high = or(shl(carry, i32(31)), shl(xor(carry, of), i32(30)));
    const aux = or(or(high, shl(xor(pf, i32(1)), i32(8))), or(shl(af, i32(3)), sf));
    const result = context.body.let(extendU(shl(xor(zf, i32(1)), i32(16))));
    context.setState(32, FLAGS_AUX, aux);
    context.setState(64, FLAGS_RESULT, result);
    context.setState(32, FLAGS_KIND, i32(0));
    this.inMemoryNow();
  }

  private inMemoryNow(): void {
    if (this.conditional) {
      this.context.body.set(this.kindLocal, i32(0));
      this.known = UNKNOWN_FLAGS;
    } else this.known = IN_MEMORY;
  }

  /** Before an instruction that may set flags or not: from here on the kind is in the local. */
  beginConditional(): void {
    this.announce();
    this.known = UNKNOWN_FLAGS;
    this.conditional = true;
  }

  // Leaving blocks

  /** Puts the kind into its local, for code that control can come to several ways. The knowledge here stays. */
  announce(): void {
    if (this.known.kind !== undefined && !this.known.isStep) this.context.body.set(this.kindLocal, i32(this.known.kind));
  }

  /** Stores operands into memory, where the kind is known. */
  save(): void {
    const { kind } = this.known;
    if (kind === undefined || this.known.isStep) return this.saveDynamic();
    if (kind === 0) return;
    const { context } = this;
    context.setState(32, FLAGS_KIND, i32(kind));
    if (kind & FLAG_OPERATION) this.storeOperands(kind & FLAG_OPERATION, this.operands(widthOf(kind)));
    if (kind & FLAG_CARRY_APART) context.setState(32, FLAGS_CARRY, this.carry);
    if (kind & FLAG_OVERFLOW_APART) context.setState(32, FLAGS_OVERFLOW, this.overflow);
  }
  private storeOperands(operation: number, { a, b, r }: OperandLocals): void {
    const { context } = this;
    context.setState(64, FLAGS_R, extendU(r));
    if (operation !== FLAG_ADD && operation !== FLAG_SUB) return;
    context.setState(64, FLAGS_A, extendU(a));
    context.setState(64, FLAGS_B, extendU(b));
  }
  /** The same where the local tells the kind. */
  saveDynamic(): void {
    const { context, kindLocal } = this;
    const { body } = context;
    const { wide } = this;
    const isWide = (shift: number): Expr => eq(and(kindLocal, i32(3 << shift)), i32(3 << shift));
    const base = body.let(and(kindLocal, i32(BASE_KIND)));
    // Otherwise it is in memory, where another region may have left a kind.
    body.if(base, () => {
      context.setState(32, FLAGS_KIND, base);
      context.setState(32, FLAGS_CARRY, this.carry);
      context.setState(32, FLAGS_OVERFLOW, this.overflow);
      if (!wide) this.storeOperands(FLAG_ADD, this.narrow);
      else body.if(isWide(FLAG_SIZE_SHIFT), () => this.storeOperands(FLAG_ADD, wide), () => this.storeOperands(FLAG_ADD, this.narrow));
    });
    const step = body.let(shrU(kindLocal, i32(STEP_SHIFT)));
    body.if(step, () => {
      const narrow = extendU(this.narrow.step);
      const result = wide ? select(isWide(STEP_SHIFT + FLAG_SIZE_SHIFT), wide.step, narrow) : narrow;
      context.call('stepFlags', [step, result]);
    });
  }

  /** Has FLAGS_RESULT and FLAGS_AUX hold. In a branch of code with a dynamic kind this is for that branch alone. */
  materialize(): void {
    const { known, context } = this;
    if (known.kind === 0 && known.canonical) return;
    this.save();
    context.call('materializeFlags', []);
    if (known.kind === undefined) context.body.set(this.kindLocal, i32(0));
    else this.known = IN_MEMORY;
  }
  /** The same, everywhere from here on. */
  toMemory(): void {
    this.materialize();
    this.known = IN_MEMORY;
  }

  // Reading

  private aux(): Expr {
    return this.context.state32(FLAGS_AUX);
  }
  private result(): Expr {
    return this.context.state64(FLAGS_RESULT);
  }

  /** 0 or 1, in a local. */
  flag(name: FlagName): Expr {
    const { body } = this.context;
    const { kind, isStep } = this.known;
    if (name === 'cf' && (kind === undefined || isStep)) return this.carryFromLocal();
    if (kind === undefined) {
      if (this.conditional) throw new Error('flags are read where they may have been set');
      this.toMemory();
    } else if (!(kind & FLAG_OPERATION) && !this.known.canonical) this.materialize();
    return body.let(this.expression(name));
  }

  private expression(name: FlagName): Expr {
    const kind = this.known.kind as number;
    if (name === 'cf' && kind & FLAG_CARRY_APART) return this.carry;
    if (name === 'of' && kind & FLAG_OVERFLOW_APART) return this.overflow;
    const operation = kind & FLAG_OPERATION;
    if (operation === 0) {
      if (!this.known.canonical) this.materialize();
      return this.fromMemory(name);
    }
    const width = widthOf(kind);
    const { a, b, r } = this.operandsOfKind(width);
    const zero = constant(r.type, 0);
    const low = (): Expr => (r.type === 'i64' ? wrap(r) : r);
    const top = (value: Expr): Expr => {
      const bit = shrU(value, constant(value.type, width - 1));
      return and(bit.type === 'i64' ? wrap(bit) : bit, i32(1));
    };
    switch (name) {
      case 'zf': return eqz(this.unsigned(r, width));
      case 'sf': return ltS(this.signed(r, width), zero);
      case 'pf': return xor(and(popcnt(and(low(), i32(0xff))), i32(1)), i32(1));
      case 'af':
        if (operation === FLAG_LOGIC) return i32(0);
        if (operation === FLAG_INC || operation === FLAG_DEC) return eq(and(low(), i32(15)), i32(operation === FLAG_INC ? 0 : 15));
        return and(shrU(wrapTo32(xor(xor(a, b), r)), i32(4)), i32(1));
      case 'cf':
        if (operation === FLAG_LOGIC) return i32(0);
        if (this.known.carryIn) {
          const not = (value: Expr): Expr => xor(value, constant(value.type, -1));
          return operation === FLAG_ADD ? top(or(and(a, b), and(or(a, b), not(r)))) : top(or(and(not(a), b), and(or(not(a), b), r)));
        }
        return operation === FLAG_ADD ? ltU(this.unsigned(r, width), a) : ltU(a, b);
      case 'of':
        if (operation === FLAG_LOGIC) return i32(0);
        if (operation === FLAG_INC) return eq(this.unsigned(r, width), constant(r.type, 1n << BigInt(width - 1)));
        if (operation === FLAG_DEC) return eq(this.unsigned(r, width), constant(r.type, (1n << BigInt(width - 1)) - 1n));
        return operation === FLAG_ADD ? top(and(xor(a, r), xor(b, r))) : top(and(xor(a, b), xor(a, r)));
    }
  }
  private fromMemory(name: FlagName): Expr {
    switch (name) {
      case 'cf': return shrU(this.aux(), i32(31));
      case 'of': return shrU(xor(this.aux(), shl(this.aux(), i32(1))), i32(31));
      case 'af': return and(shrU(this.aux(), i32(3)), i32(1));
      case 'zf': return eqz(this.result());
      case 'sf': return xor(ltS(this.result(), i64(0n)), and(this.aux(), i32(1)));
      case 'pf': return xor(and(popcnt(and(xor(wrap(this.result()), shrU(this.aux(), i32(8))), i32(0xff))), i32(1)), i32(1));
    }
  }

  private signed(value: Expr, width: number): Expr {
    return width < 32 ? signExtend(value, width as 8 | 16) : value;
  }
  private unsigned(value: Expr, width: number): Expr {
    return width < 32 ? and(value, i32((1 << width) - 1)) : value;
  }

  /** i32, non-zero where the condition holds, in a local. */
  condition(code: ConditionCode): Expr {
    const { body } = this.context;
    if (this.known.kind === undefined && code >> 1 !== 1) this.toMemory();
    if (this.known.kind === undefined) {
      const cf = this.flag('cf');
      return code & 1 ? body.let(eqz(cf)) : cf;
    }
    // Conditions 1 and 3 have CF in them.
    if (this.known.isStep && (code >> 1 === 1 || code >> 1 === 3)) this.toMemory();
    if (!(this.known.kind & FLAG_OPERATION) && !this.known.canonical) this.materialize();
    return body.let(this.compared(code) ?? this.combined(code));
  }

  /** The condition as one comparison of operands, where there is one. */
  private compared(code: ConditionCode): Expr | undefined {
    const kind = this.known.kind as number;
    const operation = kind & FLAG_OPERATION;
    const width = widthOf(kind);
    const apart = kind & (FLAG_CARRY_APART | FLAG_OVERFLOW_APART);
    const negated = (code & 1) === 1;
    if (operation === 0) return undefined;
    const { a, b, r } = this.operandsOfKind(width);
    const zero = constant(r.type, 0);
    if (operation === FLAG_SUB && !apart && !this.known.carryIn) {
      const [x, y] = [this.signed(a, width), this.signed(b, width)];
      switch (code >> 1) {
        case 1: return negated ? geU(a, b) : ltU(a, b);
        case 2: return negated ? ne(a, b) : eq(a, b);
        case 3: return negated ? ltU(b, a) : leU(a, b);
        case 6: return negated ? geS(x, y) : ltS(x, y);
        case 7: return negated ? ltS(y, x) : leS(x, y);
        default:
      }
    }
    if (operation === FLAG_LOGIC && !apart) {
      const x = this.signed(r, width);
      switch (code >> 1) {
        case 6: return negated ? geS(x, zero) : ltS(x, zero);
        case 7: return negated ? ltS(zero, x) : leS(x, zero);
        default:
      }
    }
    if (code >> 1 === 2) return negated ? ne(this.unsigned(r, width), zero) : eqz(this.unsigned(r, width));
    if (code >> 1 === 4) return negated ? geS(this.signed(r, width), zero) : ltS(this.signed(r, width), zero);
    return undefined;
  }
  private combined(code: ConditionCode): Expr {
    const positive = ((): Expr => {
      switch (code >> 1) {
        case 0: return this.expression('of');
        case 1: return this.expression('cf');
        case 2: return this.expression('zf');
        case 3: return or(this.expression('cf'), this.expression('zf'));
        case 4: return this.expression('sf');
        case 5: return this.expression('pf');
        case 6: return xor(this.expression('sf'), this.expression('of'));
        default: return or(xor(this.expression('sf'), this.expression('of')), this.expression('zf'));
      }
    })();
    return code & 1 ? eqz(positive) : positive;
  }
}

function widthOf(kind: number): number {
  return 8 << ((kind >> FLAG_SIZE_SHIFT) & 3);
}

function wrapTo32(value: Expr): Expr {
  return value.type === 'i64' ? wrap(value) : value;
}
