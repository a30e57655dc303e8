import {
  add, and, call, constant, eq, eqz, extendS, extendU, geU, gtU, i32, i64, leS, leU, load, ltS, ltU, ne, or, popcnt, select, shl, shrS, shrU, signExtend, wrap, xor,
  type Expr, type ValueType,
} from '../../wasm/expression.ts';
import { FunctionBody } from '../../wasm/function-body.ts';
import { CR0_MP, CR0_PE, CR0_TS, EFLAGS_VM, VECTOR_GP } from '../arch.ts';
import { ACCESS, accessWord, type AddressOptions, type ConditionCode, type Emitter, type FlagValues, type PointerOptions, type Width } from '../isa/emitter.ts';
import type { OperandSpec } from '../isa/row.ts';
import {
  RECORD_A, RECORD_B, RECORD_BASE, RECORD_BYTES, RECORD_DISPLACEMENT, RECORD_IMMEDIATE, RECORD_INDEX, RECORD_LINK, RECORD_REMAINING, RECORD_SCALE, RECORD_SEGMENT,
} from '../memory-layout.ts';
import { hasMemoryForm, isMemoryOperand, operandBits, type OperandBits } from '../operands.ts';
import { RUNTIME_FUNCTIONS, type RuntimeFunction } from '../runtime-functions.ts';
import {
  ATTENTION, BUDGET, CR0, CS, EFLAGS_REST, FLAGS_AUX, FLAGS_RESULT, MODE, MODE_CODE_64, MODE_FLAT, MODE_STACK_32, RCX, RIP, RIP_PAGE, RSP, SCRATCH, SEGMENTS, SEGMENT_LIMIT, STATUS_FAULT, STATUS_NEXT, TLB_ADDEND,
  TLB_CURRENT, TLB_ENTRIES, TLB_READ_TAG, TLB_WRITE_TAG, XMM, FPU_REGISTERS,
} from '../state-layout.ts';
import type { Dispatch, Flow } from './flow.ts';
import type { Form } from './forms.ts';

type Bits = OperandBits;

/** The second functions of forms: where in the table of handlers each is to be found. */
export interface SecondFunctions {
  elementFor(form: Form): number;
}

/**
 * Emits the handler of one form: operands come from the record, registers live in the CPU block.
 *
 * A handler that accesses memory comes as two functions. The first knows only direct accesses: where one misses the TLB
 * it goes to the second, through the table so that it isn't inlined, which begins the instruction again and can do everything. An instruction changes nothing
 * before its last access, so beginning again is safe; and without calls in it the first needs no stack frame.
 */
export class InterpreterEmitter implements Emitter {
  readonly body: FunctionBody;
  readonly width: Width;
  readonly type: 'i32' | 'i64';
  readonly registerForm: boolean;
  private readonly form: Form;
  private readonly flow: Flow;
  private readonly cpuBase: number;
  private readonly recordParameter: Expr;
  private readonly budget: Expr;
  /** Pointer of the operand that `modify` opened. */
  private modified: { readonly index: number; readonly pointer: Expr } | undefined;
  private linearAddress: Expr | undefined;
  private ended = false;
  /** Whether this is the second function of the form. */
  private readonly complete: boolean;
  private readonly secondFunctions: SecondFunctions | undefined;
  private readonly dispatch: Dispatch;

  /** Without `secondFunctions` this is the second function of the form itself. */
  constructor(form: Form, flow: Flow, cpuBase: number, secondFunctions: SecondFunctions | undefined, core?: { readonly body: FunctionBody; readonly dispatch: Dispatch }) {
    this.form = form;
    this.complete = secondFunctions === undefined;
    this.secondFunctions = secondFunctions;
    this.body = core?.body ?? new FunctionBody(['i32', 'i32']);
    this.dispatch = core?.dispatch ?? ((record, budget) => flow.dispatch(this.body, record, budget));
    this.flow = flow;
    this.cpuBase = cpuBase;
    this.width = form.width;
    this.type = form.width === 64 ? 'i64' : 'i32';
    this.registerForm = form.kind === 'reg';
    this.recordParameter = this.body.parameter(0);
    this.budget = this.body.parameter(1);
  }

  /** Defines the handler as a function of its own. Returns the function index. */
  define(): number {
    const { module } = this.flow;
    const index = module.declare(['i32', 'i32'], [], this.form.row.mnemonic);
    module.define(index, this.emit());
    return index;
  }

  /** Writes the handler into its body. */
  emit(): FunctionBody {
    this.form.row.emit(this);
    if (!this.ended) this.done();
    return this.body;
  }

  /** In the first function: leaves for the second. */
  private beginAgain(): void {
    this.beforeFault?.();
    if (!this.secondFunctions) throw new Error('the second function does not begin again');
    this.body.returnCallIndirect(this.flow.handlerType, [this.recordParameter, this.budget], i32(this.secondFunctions.elementFor(this.form)));
  }

  constant(value: number | bigint): Expr {
    return constant(this.type, value);
  }

  // Operands

  private operand(index: number): OperandSpec {
    const operand = this.form.row.operands[index];
    if (!operand) throw new Error(`${this.form.row.mnemonic} has no operand ${index}`);
    return operand;
  }

  private field(offset: number): Expr {
    return load('i32', 'u8', this.recordParameter, offset);
  }

  private operandBits(spec: OperandSpec): OperandBits {
    return operandBits(spec, this.width);
  }
  private isMemory(index: number): boolean {
    return isMemoryOperand(this.operand(index), this.registerForm);
  }

  /** Byte offset of a general register operand in the CPU block, i32. */
  private registerOffset(index: number): Expr | number {
    const spec = this.operand(index);
    if (spec === 'AL' || spec === 'rAX') return 0;
    if (spec === 'CL') return 8;
    if (spec === 'DX') return 16;
    if (/^(r\/m|R[dqy]$)/.test(spec)) return this.field(RECORD_B);
    return this.field(RECORD_A);
  }

  read(index: number): Expr {
    const spec = this.operand(index);
    if (spec === '1') return constant(this.width === 64 ? 'i64' : 'i32', 1);
    if (/^imm/.test(spec)) {
      return this.body.let(this.width === 64 && spec !== 'imm16' ? load('i64', 'u64', this.recordParameter, RECORD_IMMEDIATE) : this.maskImmediate(spec));
    }
    const bits = this.operandBits(spec);
    if (this.isMemory(index)) return this.body.let(this.loadBits(this.pointer(index, bits / 8, 'read'), bits));
    return this.body.let(this.loadRegister(this.registerOffset(index), bits));
  }

  private maskImmediate(spec: OperandSpec): Expr {
    const value = load('i32', 'u32', this.recordParameter, RECORD_IMMEDIATE);
    if (spec === 'imm16') return and(value, i32(0xffff));
    if (this.width === 8) return and(value, i32(0xff));
    if (this.width === 16) return and(value, i32(0xffff));
    return value;
  }

  modify(index: number): Expr {
    if (!this.isMemory(index)) return this.read(index);
    const bits = this.operandBits(this.operand(index));
    const pointer = this.pointer(index, bits / 8, 'modify');
    this.modified = { index, pointer };
    return this.body.let(this.loadBits(pointer, bits));
  }

  write(index: number, value: Expr): void {
    const bits = this.operandBits(this.operand(index));
    if (this.isMemory(index)) {
      const pointer = this.modified?.index === index ? this.modified.pointer : this.pointer(index, bits / 8, 'write');
      this.body.store(bits, pointer, value);
      this.commit(pointer);
      return;
    }
    this.storeRegister(this.registerOffset(index), value, bits);
  }

  private loadBits(address: Expr, bits: Bits): Expr {
    return bits === 64 ? load('i64', 'u64', address) : load('i32', `u${bits}`, address);
  }
  private loadRegister(offset: Expr | number, bits: Bits): Expr {
    const [base, fixed] = typeof offset === 'number' ? [i32(0), this.cpuBase + offset] : [offset, this.cpuBase];
    return bits === 64 ? load('i64', 'u64', base, fixed) : load('i32', `u${bits}`, base, fixed);
  }
  private storeRegister(offset: Expr | number, value: Expr, bits: Bits): void {
    const [base, fixed] = typeof offset === 'number' ? [i32(0), this.cpuBase + offset] : [offset, this.cpuBase];
    if (bits === 32) this.body.store(64, base, extendU(wrap(value)), fixed);
    else this.body.store(bits, base, value, fixed);
  }

  register(number: number, bits: Width = this.width): Expr {
    return this.body.let(this.loadRegister(number * 8, bits as Bits));
  }
  setRegister(number: number, value: Expr, bits: Width = this.width): void {
    this.storeRegister(number * 8, value, bits as Bits);
  }

  state(type: ValueType, memory: 'u8' | 'u16' | 's32' | 'u32' | 'u64' | 'f64' | 'v128', offset: number): Expr {
    return this.body.let(load(type, memory, i32(0), this.cpuBase + offset));
  }
  setState(bits: 8 | 16 | 32 | 64 | 128, offset: number, value: Expr): void {
    this.body.store(bits, i32(0), value, this.cpuBase + offset);
  }
  stateAddress(offset: number): Expr {
    return i32(this.cpuBase + offset);
  }

  vectorRegister(index: number): Expr {
    const spec = this.operand(index);
    const fieldOffset = /^(xmm|mm)$/.test(spec) ? RECORD_A : RECORD_B;
    const area = /^(xmm|Xmm)/.test(spec) ? XMM : FPU_REGISTERS;
    if (spec === '<XMM0>') return this.stateAddress(XMM);
    return this.body.let(add(shl(this.field(fieldOffset), i32(4)), i32(this.cpuBase + area)));
  }

  registerNumber(index: number): Expr {
    return this.body.let(this.field(this.operand(index) === 'ST(i)' ? RECORD_B : RECORD_A));
  }
  immediate(_index: number): Expr {
    return this.body.let(load('i32', 'u32', this.recordParameter, RECORD_IMMEDIATE));
  }

  // Memory

  linear(index: number): Expr {
    return this.linearOf(index, 1, 'read');
  }

  private linearOf(_index: number, bytes: number, access: 'read' | 'write' | 'modify'): Expr {
    if (this.linearAddress) return this.linearAddress;
    if (!hasMemoryForm(this.form.row.operands)) throw new Error('no memory operand');
    const slot = (offset: number): Expr => load('i64', 'u64', shl(this.field(offset), i32(3)), this.cpuBase);
    const slot32 = (offset: number): Expr => load('i32', 'u32', shl(this.field(offset), i32(3)), this.cpuBase);
    const displacement64 = load('i64', 's32', this.recordParameter, RECORD_DISPLACEMENT);
    const displacement32 = load('i32', 'u32', this.recordParameter, RECORD_DISPLACEMENT);
    const scale = this.field(RECORD_SCALE);
    const scaled64 = (): Expr => shl(slot(RECORD_INDEX), extendU(and(scale, i32(3))));
    const scaled32 = (): Expr => shl(slot32(RECORD_INDEX), and(scale, i32(3)));
    let address: Expr;
    switch (this.form.kind) {
      case 'm64b': address = add(slot(RECORD_BASE), displacement64); break;
      case 'm64': address = add(add(slot(RECORD_BASE), scaled64()), displacement64); break;
      case 'm64s': {
        const base = load('i64', 'u64', shl(this.field(RECORD_SEGMENT), i32(5)), this.cpuBase + SEGMENTS);
        address = add(add(add(slot(RECORD_BASE), scaled64()), displacement64), base);
        break;
      }
      case 'm32b': address = extendU(add(slot32(RECORD_BASE), displacement32)); break;
      case 'm32': address = extendU(add(add(slot32(RECORD_BASE), scaled32()), displacement32)); break;
      case 'abs64': {
        const segment = this.body.let(this.field(RECORD_SEGMENT));
        const base = select(geU(segment, i32(4)), load('i64', 'u64', shl(segment, i32(5)), this.cpuBase + SEGMENTS), i64(0n));
        address = add(load('i64', 'u64', this.recordParameter, RECORD_IMMEDIATE), base);
        break;
      }
      default: {
        const found = this.body.let(call(this.flow.runtime.segmentedAddress, 'i64', this.recordParameter, i32(bytes), i32(ACCESS[access])));
        this.body.if(eq(found, i64(-1n)), () => this.leaveWithFault());
        this.linearAddress = found;
        return found;
      }
    }
    this.linearAddress = this.body.let(address);
    return this.linearAddress;
  }

  effectiveAddress(_index: number): Expr {
    const { kind } = this.form;
    if (kind === 'mg' || kind === 'm64s') return this.body.let(call(this.flow.runtime.effectiveAddress, 'i64', this.recordParameter));
    return this.linearOf(_index, 1, 'read');
  }

  pointer(index: number, bytes: number, access: 'read' | 'write' | 'modify', options: PointerOptions = {}): Expr {
    const linear = this.linearOf(index, bytes, access);
    if (options.aligned) this.raiseIf(and(wrap(linear), i32(bytes - 1)), 13, 0);
    return this.pointerAt(linear, bytes, access, options);
  }

  pointerAt(linear: Expr, bytes: number, access: 'read' | 'write' | 'modify', options: AddressOptions = {}): Expr {
    const { body } = this;
    const address = body.let(linear);
    const pointer = body.newLocal('i32');
    // Bits 12 and up select the entry, each of 32 bytes.
    const entry = body.let(add(load('i32', 'u32', i32(0), this.cpuBase + TLB_CURRENT), and(wrap(shrU(address, i64(7n))), i32((TLB_ENTRIES - 1) << 5))));
    const lastByte = bytes > 1 ? add(address, i64(bytes - 1)) : address;
    const tag = load('i64', 'u64', entry, access === 'read' ? TLB_READ_TAG : TLB_WRITE_TAG);
    if (!this.complete) {
      body.if(ne(and(lastByte, i64(~0xfffn)), tag), () => this.beginAgain());
      body.set(pointer, add(wrap(address), load('i32', 'u32', entry, TLB_ADDEND)));
      return pointer;
    }
    body.if(
      eq(and(lastByte, i64(~0xfffn)), tag),
      () => body.set(pointer, add(wrap(address), load('i32', 'u32', entry, TLB_ADDEND))),
      () => {
        body.set(pointer, call(this.flow.slow, 'i32', this.recordParameter, this.budget, address, i32(bytes), i32(accessWord(access, options))));
        body.if(eqz(pointer), () => this.leaveWithFault());
      },
    );
    // A device that was read may want the machine loop as well as one that was written.
    if (access === 'read') this.attentionAtEnd = true;
    return pointer;
  }

  pointerBy(index: number, bytes: number, access: 'read' | 'write' | 'modify', displacement: Expr): Expr {
    const linear = add(this.linearOf(index, bytes, access), displacement);
    return this.pointerAt(this.form.kind.startsWith('m64') ? linear : and(linear, this.linearMask()), bytes, access);
  }

  /** 32 bits outside 64-bit mode. */
  private linearMask(): Expr {
    return select(and(load('i32', 'u32', i32(0), this.cpuBase + MODE), i32(MODE_CODE_64)), i64(-1n), i64(0xffffffffn));
  }

  loadAt(pointer: Expr): Expr {
    return this.loadBits(pointer, this.width as Bits);
  }

  writeOrRestore(index: number, value: Expr, restore: () => void): void {
    this.beforeFault = restore;
    this.write(index, value);
    this.beforeFault = undefined;
  }
  private beforeFault: (() => void) | undefined;

  loadSegmentThen(segment: Expr, selector: Expr, commit: () => void): void {
    this.prepareStatusCall();
    const status = this.call('loadSegment', [segment, selector]) as Expr;
    this.body.if(ne(status, i32(STATUS_FAULT)), commit);
    this.body.returnCall(this.flow.finish, [this.recordParameter, this.budget, status]);
    this.ended = true;
  }

  translateByte(): Expr {
    // The decoder gives XLATB rBX as base and AL, unscaled, is added here.
    const linear = this.body.let(call(this.flow.runtime.translateAddress, 'i64', this.recordParameter));
    this.body.if(eq(linear, i64(-1n)), () => this.leaveWithFault());
    return this.body.let(load('i32', 'u8', this.pointerAt(linear, 1, 'read')));
  }

  addressSizedCounter(delta: number): Expr {
    const { body } = this;
    const size = body.let(and(shrU(this.field(RECORD_SCALE), i32(2)), i32(3)));
    const mask = select(eq(size, i32(2)), i64(-1n), select(size, i64(0xffffffffn), i64(0xffffn)));
    const rcx = load('i64', 'u64', i32(0), this.cpuBase + RCX);
    const count = body.let(and(add(rcx, i64(delta)), mask));
    if (delta !== 0) {
      body.if(size, () => this.setState(64, RCX, count), () => this.setState(16, RCX, wrap(count)));
    }
    return count;
  }

  stringPrefixes(): { addressBytes: Expr; repeat: Expr } {
    const size = and(shrU(this.field(RECORD_SCALE), i32(2)), i32(3));
    return { addressBytes: shl(i32(2), size), repeat: this.field(RECORD_A) };
  }

  farSelector(): Expr {
    return load('i32', 'u16', this.recordParameter, RECORD_LINK);
  }
  farOffset(): Expr {
    return load('i64', 'u32', this.recordParameter, RECORD_IMMEDIATE);
  }

  raiseIfRealMode(): void {
    const real = eqz(and(load('i32', 'u32', i32(0), this.cpuBase + CR0), i32(CR0_PE)));
    const virtual = and(load('i32', 'u32', i32(0), this.cpuBase + EFLAGS_REST), i32(EFLAGS_VM));
    this.raiseIf(or(real, virtual), 6);
  }
  raiseIfWaitTrapped(): void {
    const both = i32(CR0_MP | CR0_TS);
    this.raiseIf(eq(and(load('i32', 'u32', i32(0), this.cpuBase + CR0), both), both), 7);
  }

  commit(pointer: Expr): void {
    if (!this.complete) return;
    this.body.if(eq(pointer, i32(this.cpuBase + SCRATCH)), () => {
      this.body.call(this.flow.runtime.commitWrite, []);
      this.attentionAtEnd = true;
    });
  }
  /** Whether a device may have been reached, so that the machine loop must be asked before the next instruction. */
  private attentionAtEnd = false;

  private leaveWithFault(): void {
    this.beforeFault?.();
    this.body.returnCall(this.flow.fault, [this.recordParameter, this.budget]);
  }

  // Flags

  private signed(result: Expr, width: Width): Expr {
    if (width === 64) return result;
    if (width === 32) return extendS(result);
    return extendS(signExtend(result, width as 8 | 16));
  }

  private storeFlags(result: Expr, aux: Expr): void {
    if (this.form.flagless) return;
    this.setState(64, FLAGS_RESULT, result);
    this.setState(32, FLAGS_AUX, aux);
  }

  /** From a vector of carries out of each bit: the two highest to bits 31 and 30, and bit 3. */
  private auxFromCarries(carries: Expr, width: Width): Expr {
    const local_ = this.body.let(carries);
    if (width === 64) {
      const high = and(wrap(shrU(local_, i64(32n))), i32(0xc0000000));
      return or(high, and(wrap(local_), i32(8)));
    }
    const high = width === 32 ? local_ : shl(local_, i32(32 - width));
    return or(and(high, i32(0xc0000000)), and(local_, i32(8)));
  }

  flagsAdd(a: Expr, b: Expr, result: Expr, width: Width = this.width): void {
    if (this.form.flagless) return;
    const carries = or(and(a, b), and(or(a, b), xor(result, constant(result.type, -1))));
    this.storeFlags(this.signed(result, width), this.auxFromCarries(carries, width));
  }
  flagsSub(a: Expr, b: Expr, result: Expr, width: Width = this.width): void {
    if (this.form.flagless) return;
    this.compared = { a, b, result };
    const notA = this.body.let(xor(a, constant(a.type, -1)));
    const borrows = or(and(notA, b), and(or(notA, b), result));
    this.storeFlags(this.signed(result, width), this.auxFromCarries(borrows, width));
  }
  flagsLogic(result: Expr, width: Width = this.width): void {
    this.compared = { a: undefined, b: undefined, result };
    this.storeFlags(this.signed(result, width), i32(0));
  }

  private flagsStep(result: Expr, overflowResult: bigint, auxiliaryNibble: number): void {
    const mask = this.width === 64 ? (1n << 64n) - 1n : (1n << BigInt(this.width)) - 1n;
    const compared = this.width === 64 ? result : and(result, constant('i32', mask));
    const of = eq(compared, constant(this.type, overflowResult));
    const af = eq(and(wrap(result), i32(15)), i32(auxiliaryNibble));
    const cf = this.body.let(and(load('i32', 'u32', i32(0), this.cpuBase + FLAGS_AUX), i32(0x80000000)));
    const aux = or(or(cf, shl(af, i32(3))), xor(shrU(cf, i32(1)), shl(of, i32(30))));
    this.storeFlags(this.signed(result, this.width), aux);
  }
  flagsInc(result: Expr): void {
    this.flagsStep(result, 1n << BigInt(this.width - 1), 0);
  }
  flagsDec(result: Expr): void {
    this.flagsStep(result, (1n << BigInt(this.width - 1)) - 1n, 15);
  }

  /** Bits 31 and 30 of AUX for given CF and OF. */
  private carryBits(cf: Expr, of: Expr): Expr {
    const carry = this.body.let(cf);
    return or(shl(carry, i32(31)), shl(xor(carry, of), i32(30)));
  }
  flagsResult(result: Expr, cf: Expr, of: Expr, width: Width = this.width): void {
    this.storeFlags(this.signed(result, width), this.carryBits(cf, of));
  }
  setFlags({ cf, pf, af, zf, sf, of }: FlagValues): void {
    const aux = or(or(this.carryBits(cf, of), shl(xor(pf, i32(1)), i32(8))), or(shl(af, i32(3)), sf));
    this.storeFlags(extendU(shl(xor(zf, i32(1)), i32(16))), aux);
  }
  setCarry(cf: Expr): void {
    this.setCarryOverflow(cf, this.flag('of'));
  }
  setCarryOverflow(cf: Expr, of: Expr): void {
    const rest = and(load('i32', 'u32', i32(0), this.cpuBase + FLAGS_AUX), i32(0x3fffffff));
    this.setState(32, FLAGS_AUX, or(rest, this.carryBits(cf, of)));
  }
  setZero(zf: Expr): void {
    const value = this.body.let(zf);
    const [cf, pf, af, sf, of] = [this.flag('cf'), this.flag('pf'), this.flag('af'), this.flag('sf'), this.flag('of')];
    this.setFlags({ cf, pf, af, zf: value, sf, of });
  }

  private aux(): Expr {
    return load('i32', 'u32', i32(0), this.cpuBase + FLAGS_AUX);
  }
  private result(): Expr {
    return load('i64', 'u64', i32(0), this.cpuBase + FLAGS_RESULT);
  }
  flag(name: 'cf' | 'pf' | 'af' | 'zf' | 'sf' | 'of'): Expr {
    return this.body.let(this.flagExpression(name));
  }
  private flagExpression(name: 'cf' | 'pf' | 'af' | 'zf' | 'sf' | 'of'): Expr {
    switch (name) {
      case 'cf': return shrU(this.aux(), i32(31));
      case 'of': {
        const aux = this.body.let(this.aux());
        return shrU(xor(aux, shl(aux, i32(1))), i32(31));
      }
      case 'af': return and(shrU(this.aux(), i32(3)), i32(1));
      case 'zf': return eqz(this.result());
      case 'sf': return xor(ltS(this.result(), i64(0n)), and(this.aux(), i32(1)));
      case 'pf': {
        const byte = and(xor(wrap(this.result()), shrU(this.aux(), i32(8))), i32(0xff));
        return xor(and(popcnt(byte), i32(1)), i32(1));
      }
    }
  }
  condition(code: ConditionCode): Expr {
    const negated = (code & 1) === 1;
    const positive = ((): Expr => {
      switch (code >> 1) {
        case 0: return this.flagExpression('of');
        case 1: return negated ? this.aux() : ltS(this.aux(), i32(0));
        case 2: return this.flagExpression('zf');
        case 3: return or(this.flagExpression('cf'), this.flagExpression('zf'));
        case 4: return this.flagExpression('sf');
        case 5: return this.flagExpression('pf');
        case 6: return xor(this.flagExpression('sf'), this.flagExpression('of'));
        default: return or(xor(this.flagExpression('sf'), this.flagExpression('of')), this.flagExpression('zf'));
      }
    })();
    if (!negated) return this.body.let(positive);
    if (code >> 1 === 1) return this.body.let(xor(shrU(positive, i32(31)), i32(1)));
    return this.body.let(eqz(positive));
  }

  // Faults and control

  raise(vector: number, errorCode?: number): void {
    this.body.call(this.flow.runtime.raise, [i32(vector), i32(errorCode ?? 0), i32(errorCode === undefined ? 0 : 1)]);
    this.leaveWithFault();
    this.ended = true;
  }
  checkOnce(_name: string, check: () => void): void {
    check();
  }
  raiseIf(condition: Expr, vector: number, errorCode?: number): void {
    this.body.if(condition, () => {
      this.body.call(this.flow.runtime.raise, [i32(vector), i32(errorCode ?? 0), i32(errorCode === undefined ? 0 : 1)]);
      this.leaveWithFault();
    });
  }

  private maskRip(rip: Expr): Expr {
    if (this.width === 64) return rip;
    return and(rip, i64(this.width === 16 ? 0xffffn : 0xffffffffn));
  }
  nextRip(): Expr {
    return this.body.let(this.maskRip(this.flow.ripOf(this.body, this.recordParameter, true)));
  }

  checkTarget(rip: Expr): void {
    const outside = this.width === 64 ? ne(shrS(shl(rip, i64(16)), i64(16)), rip) : gtU(wrap(rip), load('i32', 'u32', i32(0), this.cpuBase + CS + SEGMENT_LIMIT));
    if (this.complete) this.raiseIf(outside, VECTOR_GP, 0);
    else this.body.if(outside, () => this.beginAgain());
  }
  /** A linked branch stays in a page that lies within the limit. */
  checkBranch(): void {
    if (this.form.kind !== 'link') this.checkTarget(this.branchTarget());
    this.branchChecked = true;
  }
  private branchChecked = false;
  private branchTarget(): Expr {
    return this.body.let(this.maskRip(add(load('i64', 'u64', i32(0), this.cpuBase + RIP_PAGE), load('i64', 's32', this.recordParameter, RECORD_IMMEDIATE))));
  }

  jump(_index: number): void {
    if (this.form.kind === 'link') {
      const target = this.body.let(load('i32', 'u32', this.recordParameter, RECORD_LINK));
      this.body.if(target, () => this.flow.enterBlock(this.body, target, this.budget, this.dispatch));
      this.body.returnCall(this.flow.link, [this.recordParameter, this.budget]);
    } else {
      const target = this.branchTarget();
      if (!this.branchChecked) this.checkTarget(target);
      this.body.returnCall(this.flow.resume, [target, this.budget]);
    }
    this.ended = true;
  }
  jumpIf(condition: Expr, index: number, undo?: () => void): void {
    this.beforeFault = undo;
    this.body.if(condition, () => this.jump(index));
    this.beforeFault = undefined;
    this.nextBlock();
    this.ended = true;
  }
  jumpTo(rip: Expr): void {
    this.body.returnCall(this.flow.resume, [rip, this.budget]);
    this.ended = true;
  }
  private nextBlock(): void {
    const next = this.body.let(add(this.recordParameter, i32(RECORD_BYTES)));
    this.flow.enterBlock(this.body, next, this.budget, this.dispatch);
  }

  private stackPointer(displacement: number, bytes: number, access: 'read' | 'write'): Expr {
    const { body } = this;
    const delta = i64(displacement);
    if (this.width === 64) return this.pointerAt(add(load('i64', 'u64', i32(0), this.cpuBase + RSP), delta), bytes, access, { stack: true });
    const linear = body.newLocal('i64');
    const flat = i32(MODE_FLAT | MODE_STACK_32);
    body.if(
      eq(and(load('i32', 'u32', i32(0), this.cpuBase + MODE), flat), flat),
      () => body.set(linear, extendU(add(load('i32', 'u32', i32(0), this.cpuBase + RSP), i32(displacement)))),
      () => {
        if (!this.complete) {
          this.beginAgain();
          return;
        }
        body.set(linear, call(this.flow.runtime.stackAddress, 'i64', delta, i32(bytes), i32(ACCESS[access])));
        body.if(eq(linear, i64(-1n)), () => this.leaveWithFault());
      },
    );
    return this.pointerAt(linear, bytes, access);
  }

  private moveStackPointer(delta: Expr): void {
    const { body } = this;
    const rsp = load('i64', 'u64', i32(0), this.cpuBase + RSP);
    if (this.width === 64) {
      this.setState(64, RSP, add(rsp, extendS(delta)));
      return;
    }
    const mode = body.let(load('i32', 'u32', i32(0), this.cpuBase + MODE));
    body.if(
      and(mode, i32(MODE_STACK_32)),
      () => this.setState(64, RSP, extendU(add(wrap(rsp), delta))),
      () =>
        body.if(
          and(mode, i32(MODE_CODE_64)),
          () => this.setState(64, RSP, add(rsp, extendS(delta))),
          () => this.setState(16, RSP, add(wrap(rsp), delta)),
        ),
    );
  }

  push(value: Expr, width: Width = this.width): void {
    const bytes = width / 8;
    const held = this.body.let(value);
    const pointer = this.stackPointer(-bytes, bytes, 'write');
    this.body.store(width as Bits, pointer, held);
    this.commit(pointer);
    this.moveStackPointer(i32(-bytes));
  }
  pop(width: Width = this.width): Expr {
    return this.body.let(this.loadBits(this.stackPointer(0, width / 8, 'read'), width as Bits));
  }
  commitPop(width: Width = this.width, extra?: Expr): void {
    this.moveStackPointer(extra ? add(extra, i32(width / 8)) : i32(width / 8));
  }

  call(name: RuntimeFunction, args: readonly Expr[]): Expr | undefined {
    return this.body.call(this.flow.runtime[name], args, RUNTIME_FUNCTIONS[name][1]);
  }
  callOrFault(name: RuntimeFunction, args: readonly Expr[], failure: number): Expr {
    const result = this.call(name, args);
    if (!result) throw new Error(`${name} returns nothing`);
    this.body.if(eq(result, constant(result.type, failure)), () => this.leaveWithFault());
    return result;
  }
  record(): Expr {
    return this.recordParameter;
  }

  private prepareStatusCall(): void {
    this.setState(64, RIP, this.flow.ripOf(this.body, this.recordParameter, true));
    // Guest time may be asked for: what the block was charged in advance has not been executed yet.
    this.setState(32, BUDGET, add(this.budget, this.field(RECORD_REMAINING)));
  }
  finish(name: RuntimeFunction, args: readonly Expr[]): void {
    this.prepareStatusCall();
    const status = this.call(name, args);
    if (!status) throw new Error(`${name} returns no status`);
    this.body.returnCall(this.flow.finish, [this.recordParameter, this.budget, status]);
    this.ended = true;
  }
  check(name: RuntimeFunction, args: readonly Expr[]): void {
    this.prepareStatusCall();
    const status = this.call(name, args);
    if (!status) throw new Error(`${name} returns no status`);
    this.body.if(ne(status, i32(STATUS_NEXT)), () => this.body.returnCall(this.flow.finish, [this.recordParameter, this.budget, status]));
  }

  /** What the flags were last set from, for the branch fused to a compare. */
  private compared: { readonly a: Expr | undefined; readonly b: Expr | undefined; readonly result: Expr } | undefined;

  /** The Jcc in the next record, decided by the operands of the compare. */
  private fusedBranch(code: ConditionCode): void {
    const { body, compared } = this;
    if (!compared) throw new Error('nothing was compared');
    const branch = body.let(add(this.recordParameter, i32(RECORD_BYTES)));
    body.if(this.comparison(code, compared), () => {
      const target = body.let(load('i32', 'u32', branch, RECORD_LINK));
      body.if(target, () => this.flow.enterBlock(body, target, this.budget, this.dispatch));
      body.returnCall(this.flow.branch, [branch, this.budget]);
    });
    this.flow.enterBlock(body, body.let(add(branch, i32(RECORD_BYTES))), this.budget, this.dispatch);
  }

  private comparison(code: ConditionCode, { a, b, result }: { readonly a: Expr | undefined; readonly b: Expr | undefined; readonly result: Expr }): Expr {
    const signed = (value: Expr): Expr => (this.width < 32 ? signExtend(value, this.width as 8 | 16) : value);
    const zero = this.constant(0);
    const negated = (code & 1) === 1;
    let positive: Expr;
    if (a && b) {
      switch (code >> 1) {
        case 1: positive = ltU(a, b); break;
        case 2: positive = eq(a, b); break;
        case 3: positive = leU(a, b); break;
        case 4: positive = ltS(signed(result), zero); break;
        case 6: positive = ltS(signed(a), signed(b)); break;
        default: positive = leS(signed(a), signed(b));
      }
    } else {
      switch (code >> 1) {
        case 1: positive = i32(0); break;
        case 2: case 3: positive = eqz(result); break;
        case 4: case 6: positive = ltS(signed(result), zero); break;
        default: positive = leS(signed(result), zero);
      }
    }
    return negated ? eqz(positive) : positive;
  }

  beforeEnd(action: () => void): void {
    this.atEnd.push(action);
  }
  private readonly atEnd: (() => void)[] = [];

  implicitAddress(register: number): Expr {
    const linear = this.body.let(call(this.flow.runtime.implicitAddress, 'i64', this.recordParameter, i32(register)));
    this.body.if(eq(linear, i64(-1n)), () => this.leaveWithFault());
    return linear;
  }

  done(): void {
    const { body } = this;
    for (const action of this.atEnd) action();
    if (this.form.fusedCondition !== undefined) {
      this.fusedBranch(this.form.fusedCondition);
      return;
    }
    if (this.attentionAtEnd) {
      // A device may want the machine loop; this is the first instruction boundary after it.
      body.if(load('i32', 'u32', i32(0), this.cpuBase + ATTENTION), () => {
        body.returnCall(this.flow.attend, [this.recordParameter, this.budget]);
      });
    }
    if (this.form.row.ends) this.nextBlock();
    else this.dispatch(body.let(add(this.recordParameter, i32(RECORD_BYTES))), this.budget);
  }
}
