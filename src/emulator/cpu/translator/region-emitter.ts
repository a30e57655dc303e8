/** Emits instructions into a region: operands are constants and locals, registers live in locals. */
import { add, and, constant, eq, eqz, extendS, extendU, i32, i64, leU, load, ne, or, shl, shrS, shrU, wrap, type Expr, type ValueType } from '../../wasm/expression.ts';
import type { FunctionBody } from '../../wasm/function-body.ts';
import { CR0_MP, CR0_PE, CR0_TS, EFLAGS_VM, VECTOR_GP } from '../arch.ts';
import { ACCESS, accessWord, type AddressOptions, type ConditionCode, type Emitter, type FlagValues, type PointerOptions, type Width } from '../isa/emitter.ts';
import type { OperandSpec } from '../isa/row.ts';
import { writeOperands } from '../interpreter/block-decoder.ts';
import { RECORD_BYTES, RECORD_IP, RECORD_LENGTH } from '../memory-layout.ts';
import { isMemoryOperand, operandBits, type OperandBits } from '../operands.ts';
import { RUNTIME_FUNCTIONS, type RuntimeFunction } from '../runtime-functions.ts';
import {
  BUDGET, COUNT_INVALIDATIONS, CR0, EFLAGS_REST, FLAG_ADD, FLAG_DEC, FLAG_INC, FLAG_SUB, FPU_REGISTERS, MODE_CODE_64, MODE_FLAT, MODE_STACK_32, REGION_RECORD, RIP, RIP_PAGE, SEGMENTS, SEGMENT_SS, SLOT_RIP_PAGE,
  SLOT_ZERO, STATUS_NEXT, TLB_ADDEND, TLB_ENTRIES, TLB_READ_TAG, TLB_WRITE_TAG, XMM, ZERO,
} from '../state-layout.ts';
import type { GuestInstruction } from './guest-code.ts';
import type { LazyFlags } from './lazy-flags.ts';
import type { RegionContext } from './region-context.ts';

type Access = 'read' | 'write' | 'modify';
/** Helpers that read flags, or write them, in memory. */
const FLAG_FUNCTIONS: ReadonlySet<RuntimeFunction> = new Set(['readFlags', 'pushFlagsValue', 'writeArithmeticFlags', 'popFlags']);
/** Helpers that take and give registers in memory, by number. */
const REGISTER_FUNCTIONS: Partial<Record<RuntimeFunction, readonly number[]>> = { div64: [0, 2], idiv64: [0, 2] };

/**
 * Helpers with a status that leave memory alone, and of the general registers touch only these, by number. They change EFLAGS.IF or .AC,
 * a control register, or which data TLB is in use.
 */
const LIGHT_FUNCTIONS: Partial<Record<RuntimeFunction, readonly number[]>> = {
  cli: [], sti: [], stac: [], clac: [], clts: [], swapgs: [], popFlags: [], rdtsc: [0, 1, 2], rdmsr: [0, 1, 2],
};

/** How a block ends: what its last instruction decides. */
export interface Terminators {
  jump(): void;
  jumpIf(condition: Expr): void;
  jumpTo(rip: Expr): void;
}

export class RegionEmitter implements Emitter {
  readonly body: FunctionBody;
  private readonly context: RegionContext;
  private readonly flags: LazyFlags;
  private readonly mode: number;
  private readonly terminators: Terminators;
  private instruction!: GuestInstruction;
  private modified: { readonly index: number; readonly pointer: Expr } | undefined;
  private linearAddress: Expr | undefined;
  private beforeFault: (() => void) | undefined;
  private atEnd: (() => void)[] = [];
  /** What `checkOnce` has written of the block. */
  private readonly checked = new Set<string>();
  /** The instruction has left the block; nothing follows it. */
  ended = false;

  constructor(context: RegionContext, mode: number, terminators: Terminators) {
    this.context = context;
    this.body = context.body;
    this.flags = context.flags;
    this.mode = mode;
    this.terminators = terminators;
  }

  beginBlock(): void {
    this.checked.clear();
  }

  /** Writes one instruction, of which `remaining` counts it and what follows it in its block. */
  emit(instruction: GuestInstruction, remaining: number): void {
    const { context } = this;
    this.instruction = instruction;
    this.modified = this.linearAddress = this.beforeFault = undefined;
    this.atEnd = [];
    this.ended = false;
    context.offset = instruction.offset;
    this.body.mark(instruction);
    context.remaining = remaining;
    const { row } = instruction.decoded;
    const conditional = row.flags?.written !== undefined && row.operands.includes('CL');
    if (conditional) this.flags.beginConditional();
    row.emit(this);
    if (!this.ended) for (const action of this.atEnd) action();
    this.flags.conditional = false;
    this.body.releaseLocals();
  }

  get width(): Width {
    return this.instruction.decoded.width;
  }
  get type(): 'i32' | 'i64' {
    return this.width === 64 ? 'i64' : 'i32';
  }
  get registerForm(): boolean {
    return this.instruction.decoded.kind === 'reg';
  }
  constant(value: number | bigint): Expr {
    return constant(this.type, value);
  }

  // Operands

  private operand(index: number): OperandSpec {
    return this.instruction.decoded.row.operands[index] as OperandSpec;
  }
  private isMemory(index: number): boolean {
    return isMemoryOperand(this.operand(index), this.registerForm);
  }
  private bitsOf(index: number): OperandBits {
    return operandBits(this.operand(index), this.width);
  }
  /** Byte offset of a general register operand in the CPU block. */
  private registerOffset(index: number): number {
    const spec = this.operand(index);
    const { decoded } = this.instruction;
    if (spec === 'AL' || spec === 'rAX') return 0;
    if (spec === 'CL') return 8;
    if (spec === 'DX') return 16;
    return /^(r\/m|R[dqy]$)/.test(spec) ? decoded.b : decoded.a;
  }

  read(index: number): Expr {
    const spec = this.operand(index);
    if (spec === '1') return constant(this.type, 1);
    if (/^imm/.test(spec)) {
      const { immediate } = this.instruction.decoded;
      if (this.width === 64 && spec !== 'imm16') return i64(immediate);
      const bits = spec === 'imm16' ? 16 : this.width === 8 || this.width === 16 ? this.width : 32;
      return i32(Number(BigInt.asUintN(bits, immediate)));
    }
    const bits = this.bitsOf(index);
    if (this.isMemory(index)) return this.body.let(this.loadBits(this.pointer(index, bits / 8, 'read'), bits));
    return this.body.let(this.readRegister(this.registerOffset(index), bits));
  }

  modify(index: number): Expr {
    if (!this.isMemory(index)) return this.read(index);
    const bits = this.bitsOf(index);
    const pointer = this.pointer(index, bits / 8, 'modify');
    this.modified = { index, pointer };
    return this.body.let(this.loadBits(pointer, bits));
  }

  write(index: number, value: Expr): void {
    const bits = this.bitsOf(index);
    if (this.isMemory(index)) {
      // The value must be computed before the access can fault, and once.
      const held = this.body.let(value);
      const pointer = this.modified?.index === index ? this.modified.pointer : this.pointer(index, bits / 8, 'write');
      this.body.store(bits, pointer, held);
      return;
    }
    this.writeRegister(this.registerOffset(index), value, bits);
  }

  private loadBits(address: Expr, bits: OperandBits): Expr {
    return bits === 64 ? load('i64', 'u64', address) : load('i32', `u${bits}`, address);
  }
  private readRegister(offset: number, bits: OperandBits): Expr {
    const whole = this.context.register(offset >> 3);
    if (bits === 64) return extendU(whole);
    const low = whole.type === 'i64' ? wrap(whole) : whole;
    if (bits === 32) return low;
    if (bits === 16) return and(low, i32(0xffff));
    return and(offset & 1 ? shrU(low, i32(8)) : low, i32(0xff));
  }
  private writeRegister(offset: number, value: Expr, bits: OperandBits): void {
    const { context } = this;
    const number = offset >> 3;
    if (bits === 64) context.setRegister(number, context.toRegister(value));
    else if (bits === 32) context.setRegister(number, context.toRegister(value.type === 'i64' ? wrap(value) : value));
    else context.merge(number, value, bits === 16 ? 0xffff : 0xff, offset & 1 ? 8 : 0);
  }

  register(number: number, bits: Width = this.width): Expr {
    return this.body.let(this.readRegister(number * 8, bits as OperandBits));
  }
  setRegister(number: number, value: Expr, bits: Width = this.width): void {
    this.writeRegister(number * 8, value, bits as OperandBits);
  }

  state(type: ValueType, memory: 'u8' | 'u16' | 's32' | 'u32' | 'u64' | 'f64' | 'v128', offset: number): Expr {
    if (offset >= ZERO) return this.body.let(load(type, memory, i32(0), this.context.cpuBase + offset));
    const value = this.readRegister(offset, memory === 'u8' ? 8 : memory === 'u16' ? 16 : memory === 'u64' ? 64 : 32);
    return this.body.let(type === 'i64' ? extendU(value) : value);
  }
  setState(bits: 8 | 16 | 32 | 64 | 128, offset: number, value: Expr): void {
    if (offset >= ZERO) return this.context.setState(bits, offset, value);
    this.writeRegister(offset, value, bits as OperandBits);
  }
  stateAddress(offset: number): Expr {
    return i32(this.context.cpuBase + offset);
  }
  vectorRegister(index: number): Expr {
    const spec = this.operand(index);
    if (spec === '<XMM0>') return this.stateAddress(XMM);
    const { decoded } = this.instruction;
    const number = /^(xmm|mm)$/.test(spec) ? decoded.a : decoded.b;
    return this.stateAddress((/^(xmm|Xmm)/.test(spec) ? XMM : FPU_REGISTERS) + number * 16);
  }
  registerNumber(index: number): Expr {
    const { decoded } = this.instruction;
    return i32(this.operand(index) === 'ST(i)' ? decoded.b : decoded.a);
  }
  immediate(_index: number): Expr {
    return i32(Number(BigInt.asIntN(32, this.instruction.decoded.immediate)));
  }

  // Memory

  /** A register or one of the other slots that addresses are made of, 64 or 32 bits wide. */
  private slot(slot: number, bits: 32 | 64): Expr {
    if (slot === SLOT_ZERO) return bits === 64 ? i64(0) : i32(0);
    if (slot === SLOT_RIP_PAGE) return this.context.pageRip;
    return this.readRegister(slot * 8, bits);
  }

  /** Base, index and displacement, in the address size. */
  private addressOf(): Expr {
    const { decoded } = this.instruction;
    if (decoded.kind === 'abs64') return i64(decoded.immediate);
    const bits = decoded.addressBits === 64 ? 64 : 32;
    const type = bits === 64 ? 'i64' : 'i32';
    if (decoded.base === SLOT_RIP_PAGE) {
      const rip = add(this.context.pageRip, i64(decoded.displacement + this.instruction.offset + decoded.length));
      return bits === 64 ? rip : wrap(rip);
    }
    const index = decoded.index === SLOT_ZERO ? constant(type, 0) : shl(this.slot(decoded.index, bits), constant(type, decoded.scale));
    const sum = add(add(this.slot(decoded.base, bits), index), constant(type, decoded.displacement));
    return decoded.addressBits === 16 ? and(sum, i32(0xffff)) : sum;
  }

  effectiveAddress(_index: number): Expr {
    return this.body.let(extendU(this.addressOf()));
  }
  linear(index: number): Expr {
    return this.linearOf(index, 1, 'read');
  }
  private linearOf(_index: number, bytes: number, access: Access): Expr {
    return (this.linearAddress ??= this.body.let(this.computeLinear(bytes, access)));
  }
  private computeLinear(bytes: number, access: Access): Expr {
    const { decoded } = this.instruction;
    const { segment } = decoded;
    const long = (this.mode & MODE_CODE_64) !== 0;
    if (long) {
      const address = extendU(this.addressOf());
      return segment < 4 ? address : add(address, this.context.state64(SEGMENTS + segment * 32));
    }
    if (this.mode & MODE_FLAT && segment < 4 && segment !== 1) return extendU(this.addressOf());
    for (const slot of [decoded.base, decoded.index]) if (slot < SLOT_ZERO) this.context.spillRegister(slot);
    const found = this.call('segmentedAddress', [this.record(), i32(bytes), i32(ACCESS[access])]) as Expr;
    this.body.if(eq(found, i64(-1n)), () => this.leaveWithFault());
    return found;
  }

  private get throughStackSegment(): boolean {
    return this.instruction.decoded.segment === SEGMENT_SS;
  }
  pointer(index: number, bytes: number, access: Access, options: PointerOptions = {}): Expr {
    const linear = this.linearOf(index, bytes, access);
    if (options.aligned) this.raiseIf(and(wrap(linear), i32(bytes - 1)), 13, 0);
    return this.pointerAt(linear, bytes, access, { stack: this.throughStackSegment, ...options });
  }

  /** Alignment isn't checked in regions. */
  pointerAt(linear: Expr, bytes: number, access: Access, options: AddressOptions = {}): Expr {
    const { body, context } = this;
    const address = body.let(linear);
    const pointer = body.newLocal('i32');
    // Bits 12 and up select the entry, each of 32 bytes.
    const entry = body.let(add(context.tlb, and(wrap(shrU(address, i64(7n))), i32((TLB_ENTRIES - 1) << 5))));
    const lastByte = bytes > 1 ? add(address, i64(bytes - 1)) : address;
    body.if(
      eq(and(lastByte, i64(~0xfffn)), load('i64', 'u64', entry, access === 'read' ? TLB_READ_TAG : TLB_WRITE_TAG)),
      () => body.set(pointer, add(wrap(address), load('i32', 'u32', entry, TLB_ADDEND))),
      () => {
        const request = i32(bytes | (accessWord(access, options) << 8));
        body.set(pointer, context.call('regionAccess', [address, request, add(context.budget, i32(context.remaining))]) as Expr);
        body.if(leU(pointer, i32(1)), () => {
          this.beforeFault?.();
          context.leaveRefused(pointer);
        }, undefined, false);
      },
      true,
    );
    return pointer;
  }

  pointerBy(index: number, bytes: number, access: Access, displacement: Expr): Expr {
    const linear = add(this.linearOf(index, bytes, access), displacement);
    return this.pointerAt(this.mode & MODE_CODE_64 ? linear : and(linear, i64(0xffffffffn)), bytes, access, { stack: this.throughStackSegment });
  }
  loadAt(pointer: Expr): Expr {
    return this.loadBits(pointer, this.width as OperandBits);
  }
  /** Pointers for writing lead to memory itself. */
  commit(_pointer: Expr): void {}

  writeOrRestore(index: number, value: Expr, restore: () => void): void {
    this.beforeFault = restore;
    this.write(index, value);
    this.beforeFault = undefined;
  }
  private leaveWithFault(): void {
    this.beforeFault?.();
    this.context.leaveWithFault();
  }

  // Flags

  private get addsCarry(): boolean {
    return /^(ADC|SBB)$/.test(this.instruction.decoded.row.mnemonic);
  }
  flagsAdd(a: Expr, b: Expr, result: Expr, width: Width = this.width): void {
    this.flags.setArithmetic(FLAG_ADD, a, b, result, width, this.addsCarry);
  }
  flagsSub(a: Expr, b: Expr, result: Expr, width: Width = this.width): void {
    this.flags.setArithmetic(FLAG_SUB, a, b, result, width, this.addsCarry);
  }
  flagsLogic(result: Expr, width: Width = this.width): void {
    this.flags.setLogic(result, width);
  }
  flagsInc(result: Expr): void {
    this.flags.setStep(FLAG_INC, result, this.width);
  }
  flagsDec(result: Expr): void {
    this.flags.setStep(FLAG_DEC, result, this.width);
  }
  flagsResult(result: Expr, cf: Expr, of: Expr, width: Width = this.width): void {
    this.flags.setResult(result, cf, of, width);
  }
  setFlags(values: FlagValues): void {
    this.flags.setAll(values);
  }
  setCarry(cf: Expr): void {
    this.flags.setApart(cf, undefined);
  }
  setCarryOverflow(cf: Expr, of: Expr): void {
    this.flags.setApart(cf, of);
  }
  setZero(zf: Expr): void {
    const value = this.body.let(zf);
    const [cf, pf, af, sf, of] = [this.flag('cf'), this.flag('pf'), this.flag('af'), this.flag('sf'), this.flag('of')];
    this.setFlags({ cf, pf, af, zf: value, sf, of });
  }
  flag(name: 'cf' | 'pf' | 'af' | 'zf' | 'sf' | 'of'): Expr {
    return this.flags.flag(name);
  }
  condition(code: ConditionCode): Expr {
    return this.flags.condition(code);
  }

  // Faults and control

  raise(vector: number, errorCode?: number): void {
    this.context.call('raise', [i32(vector), i32(errorCode ?? 0), i32(errorCode === undefined ? 0 : 1)]);
    this.leaveWithFault();
    this.ended = true;
  }
  checkOnce(name: string, check: () => void): void {
    if (this.checked.has(name)) return;
    check();
    this.checked.add(name);
  }
  raiseIf(condition: Expr, vector: number, errorCode?: number): void {
    this.body.if(condition, () => {
      this.context.call('raise', [i32(vector), i32(errorCode ?? 0), i32(errorCode === undefined ? 0 : 1)]);
      this.leaveWithFault();
    }, undefined, false);
  }
  raiseIfRealMode(): void {
    const real = eqz(and(this.context.state32(CR0), i32(CR0_PE)));
    this.raiseIf(or(real, and(this.context.state32(EFLAGS_REST), i32(EFLAGS_VM))), 6);
  }
  raiseIfWaitTrapped(): void {
    const both = i32(CR0_MP | CR0_TS);
    this.raiseIf(eq(and(this.context.state32(CR0), both), both), 7);
  }

  private get nextOffset(): number {
    return this.instruction.offset + this.instruction.decoded.length;
  }
  nextRip(): Expr {
    return this.body.let(this.context.rip(this.nextOffset));
  }
  /** In regions CS has no limit. */
  checkTarget(rip: Expr): void {
    if (this.width === 64) this.raiseIf(ne(shrS(shl(rip, i64(16)), i64(16)), rip), VECTOR_GP, 0);
  }
  checkBranch(): void {}
  jump(_index: number): void {
    this.terminators.jump();
    this.ended = true;
  }
  jumpIf(condition: Expr, _index: number): void {
    this.terminators.jumpIf(condition);
    this.ended = true;
  }
  jumpTo(rip: Expr): void {
    this.terminators.jumpTo(rip);
    this.ended = true;
  }

  private stackPointer(displacement: number, bytes: number, access: 'read' | 'write'): Expr {
    const { body } = this;
    if (this.mode & MODE_CODE_64) return this.pointerAt(add(this.context.register(4), i64(displacement)), bytes, access, { stack: true });
    const flat = MODE_FLAT | MODE_STACK_32;
    if ((this.mode & flat) === flat) return this.pointerAt(extendU(add(this.context.register(4), i32(displacement))), bytes, access);
    this.context.spillRegister(4);
    const linear = this.call('stackAddress', [i64(displacement), i32(bytes), i32(ACCESS[access])]) as Expr;
    body.if(eq(linear, i64(-1n)), () => this.leaveWithFault());
    return this.pointerAt(linear, bytes, access);
  }
  private moveStackPointer(delta: Expr): void {
    const { context } = this;
    const rsp = context.register(4);
    if (this.mode & MODE_CODE_64) context.setRegister(4, add(rsp, extendS(delta)));
    else if (this.mode & MODE_STACK_32) context.setRegister(4, add(rsp, delta));
    else context.merge(4, add(rsp, delta), 0xffff, 0);
  }
  push(value: Expr, width: Width = this.width): void {
    const bytes = width / 8;
    const held = this.body.let(value);
    const pointer = this.stackPointer(-bytes, bytes, 'write');
    this.body.store(width as OperandBits, pointer, held);
    this.moveStackPointer(i32(-bytes));
  }
  pop(width: Width = this.width): Expr {
    return this.body.let(this.loadBits(this.stackPointer(0, width / 8, 'read'), width as OperandBits));
  }
  commitPop(width: Width = this.width, extra?: Expr): void {
    this.moveStackPointer(extra ? add(extra, i32(width / 8)) : i32(width / 8));
  }

  // Helpers

  call(name: RuntimeFunction, args: readonly Expr[]): Expr | undefined {
    const { context } = this;
    if (FLAG_FUNCTIONS.has(name)) this.flags.toMemory();
    const registers = REGISTER_FUNCTIONS[name] ?? [];
    for (const number of registers) context.spillRegister(number);
    const result = context.call(name, args);
    for (const number of registers) context.reloadRegister(number);
    return result;
  }
  callOrFault(name: RuntimeFunction, args: readonly Expr[], failure: number): Expr {
    const result = this.call(name, args);
    if (!result) throw new Error(`${name} returns nothing`);
    this.body.if(eq(result, constant(result.type, failure)), () => this.leaveWithFault(), undefined, false);
    return result;
  }

  /** Lays the instruction out as a record, for a helper that takes it apart. */
  record(): Expr {
    const { context, instruction } = this;
    const bytes = new DataView(new ArrayBuffer(RECORD_BYTES));
    const inPage = instruction.offset & 0xfff;
    writeOperands(bytes, 0, instruction.decoded, inPage);
    bytes.setUint16(RECORD_IP, inPage, true);
    bytes.setUint8(RECORD_LENGTH, instruction.decoded.length);
    for (let at = 0; at < RECORD_BYTES; at += 8) context.setState(64, REGION_RECORD + at, i64(bytes.getBigUint64(at, true)));
    context.setState(64, RIP_PAGE, context.rip(instruction.offset - inPage));
    return this.stateAddress(REGION_RECORD);
  }

  /** Has memory hold all that a helper may look at, calls it, and leaves with any other status than STATUS_NEXT. */
  private statusCall(name: RuntimeFunction, args: readonly Expr[]): void {
    const { body, context } = this;
    context.spill();
    this.flags.toMemory();
    context.setState(64, RIP, context.rip(this.nextOffset));
    context.setState(32, BUDGET, add(context.budget, i32(context.remaining)));
    const invalidations = body.let(context.state32(COUNT_INVALIDATIONS));
    const status = context.call(name, args);
    if (!status || RUNTIME_FUNCTIONS[name][1] !== 'i32') throw new Error(`${name} returns no status`);
    context.reload();
    body.if(ne(status, i32(STATUS_NEXT)), () => context.leaveAs(status), undefined, false);
    // It may have written over this very code.
    body.if(ne(invalidations, context.state32(COUNT_INVALIDATIONS)), () => context.leaveOutdated(this.nextOffset), undefined, false);
  }
  /** The same for a helper of LIGHT_FUNCTIONS. */
  private lightStatusCall(name: RuntimeFunction, args: readonly Expr[], registers: readonly number[]): void {
    const { body, context } = this;
    context.setState(64, RIP, context.rip(this.nextOffset));
    context.setState(32, BUDGET, add(context.budget, i32(context.remaining)));
    for (const number of registers) context.spillRegister(number);
    if (FLAG_FUNCTIONS.has(name)) this.flags.toMemory();
    const status = context.call(name, args) as Expr;
    for (const number of registers) context.reloadRegister(number);
    context.reloadTable();
    body.if(ne(status, i32(STATUS_NEXT)), () => context.leaveAs(status), undefined, false);
  }
  finish(name: RuntimeFunction, args: readonly Expr[]): void {
    const registers = LIGHT_FUNCTIONS[name];
    if (registers) this.lightStatusCall(name, args, registers);
    else this.statusCall(name, args);
  }
  check(name: RuntimeFunction, args: readonly Expr[]): void {
    this.statusCall(name, args);
  }
  loadSegmentThen(): void {
    throw new Error('segment registers are loaded by the interpreter');
  }
  beforeEnd(action: () => void): void {
    this.atEnd.push(action);
  }
  done(): void {
    throw new Error('no translated instruction ends in a branch of its code');
  }

  // What strings and a few others take from their record

  implicitAddress(register: number): Expr {
    this.context.spillRegister(register);
    const linear = this.call('implicitAddress', [this.record(), i32(register)]) as Expr;
    this.body.if(eq(linear, i64(-1n)), () => this.leaveWithFault());
    return linear;
  }
  translateByte(): Expr {
    for (const number of [0, 3]) this.context.spillRegister(number);
    const linear = this.call('translateAddress', [this.record()]) as Expr;
    this.body.if(eq(linear, i64(-1n)), () => this.leaveWithFault());
    return this.body.let(load('i32', 'u8', this.pointerAt(linear, 1, 'read')));
  }
  addressSizedCounter(delta: number): Expr {
    const { addressBits } = this.instruction.decoded;
    const old = this.readRegister(8, addressBits);
    const count = this.body.let(addressBits === 16 ? and(add(old, i32(delta)), i32(0xffff)) : add(old, constant(old.type, delta)));
    if (delta !== 0) this.writeRegister(8, count, addressBits);
    return extendU(count);
  }
  stringPrefixes(): { addressBytes: Expr; repeat: Expr } {
    const { addressBits, repeat } = this.instruction.decoded;
    return { addressBytes: i32(addressBits / 8), repeat: i32(repeat) };
  }
  farSelector(): Expr {
    throw new Error('far transfers are the interpreter\'s');
  }
  farOffset(): Expr {
    throw new Error('far transfers are the interpreter\'s');
  }
}
