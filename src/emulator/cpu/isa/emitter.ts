import type { Expr, ValueType } from '../../wasm/expression.ts';
import type { FunctionBody } from '../../wasm/function-body.ts';
import type { RuntimeFunction } from '../runtime-functions.ts';
import { ACCESS_ALIGNMENT_SHIFT, ACCESS_STACK } from '../state-layout.ts';

/** Operand size of a form in bits; 0 for rows without one. */
export type Width = 0 | 8 | 16 | 32 | 64;

/** Condition codes as encoded in Jcc, SETcc and CMOVcc: O NO B AE E NE BE A S NS P NP L GE LE G. */
export type ConditionCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15;

/** Flag values as i32 expressions that are 0 or 1. */
export interface FlagValues {
  readonly cf: Expr;
  readonly pf: Expr;
  readonly af: Expr;
  readonly zf: Expr;
  readonly sf: Expr;
  readonly of: Expr;
}

export interface AddressOptions {
  /** Where alignment is checked (#AC), what it must be, in bytes; without it that of the operand's size. */
  readonly alignment?: number;
  /** An address out of reach is #SS. */
  readonly stack?: boolean;
}
export interface PointerOptions extends AddressOptions {
  /** #GP(0) unless the address is a multiple of `bytes`. */
  readonly aligned?: boolean;
}

type Access = 'read' | 'write' | 'modify';
/** The kind of an access as runtime functions take it. */
export const ACCESS: Readonly<Record<Access, number>> = { read: 0, write: 1, modify: 2 };
/** The same with ACCESS_* options, for the slow path. */
export function accessWord(access: Access, { stack, alignment }: AddressOptions): number {
  return ACCESS[access] | (stack ? ACCESS_STACK : 0) | ((alignment ?? 0) << ACCESS_ALIGNMENT_SHIFT);
}

/**
 * What an instruction's semantics are written against, once: the interpreter's emitter takes operands from the decoded
 * record, the translator's knows them as constants and locals. Values of 8, 16 and 32 bits are i32 and zero-extended
 * where read; writes use the low bits. 64 bits are i64.
 *
 * An emitter function reads, computes, then writes: registers and flags only after the last access that can fault. It
 * must not use what it read before after writing over its source, except through `body.let`.
 */
export interface Emitter {
  readonly body: FunctionBody;
  /** Operand size of this form in bits, 0 where the row has none. */
  readonly width: Width;
  /** Type of values of that size: i64 for 64, else i32. */
  readonly type: 'i32' | 'i64';
  /** Whether the r/m operand is a register in this form. */
  readonly registerForm: boolean;

  /** A constant of `type`. */
  constant(value: number | bigint): Expr;
  /** Operand `index`, in a local (or constant), zero-extended to its own width. Immediates are sign-extended to `width`. */
  read(index: number): Expr;
  /** As `read`, for a destination that `write` will store to: its memory is known to be writable afterwards. */
  modify(index: number): Expr;
  /** Stores operand `index`. For memory this can fault unless `modify` came before. 32-bit registers are zero-extended. */
  write(index: number, value: Expr): void;

  /** The linear address of a memory operand, i64. */
  linear(index: number): Expr;
  /** The effective address (offset in the segment) of a memory operand, i64, for LEA. */
  effectiveAddress(index: number): Expr;
  /**
   * A pointer (i32) through which `bytes` bytes of a memory operand can be accessed with wasm loads and stores. After
   * stores through a `write` or `modify` pointer call `commit`.
   */
  pointer(index: number, bytes: number, access: 'read' | 'write' | 'modify', options?: PointerOptions): Expr;
  /** As `pointer`, at a linear address of any origin (i64). */
  pointerAt(linear: Expr, bytes: number, access: 'read' | 'write' | 'modify', options?: AddressOptions): Expr;
  /** As `pointer`, with `displacement` (i64) added to the address. */
  pointerBy(index: number, bytes: number, access: 'read' | 'write' | 'modify', displacement: Expr): Expr;
  /** A value of the form's width at a pointer. */
  loadAt(pointer: Expr): Expr;
  /** Ends the writing through `pointer`. */
  commit(pointer: Expr): void;

  /** General register by number (0 RAX … 7 RDI), at `bits` wide; high bytes have no number here. */
  register(number: number, bits?: Width): Expr;
  setRegister(number: number, value: Expr, bits?: Width): void;
  /** Field of the CPU block. */
  state(type: ValueType, memory: 'u8' | 'u16' | 's32' | 'u32' | 'u64' | 'f64' | 'v128', offset: number): Expr;
  setState(bits: 8 | 16 | 32 | 64 | 128, offset: number, value: Expr): void;
  /** Address (i32) of the XMM or MMX register that operand `index` names. */
  vectorRegister(index: number): Expr;
  /** Address (i32) of a field of the CPU block. */
  stateAddress(offset: number): Expr;
  /** The number (i32) in an operand that names a control, debug or segment register or ST(i). */
  registerNumber(index: number): Expr;
  /** The immediate as i32 where only its low 32 bits count. */
  immediate(index: number): Expr;

  /** Flags of `result = a + b (+ carry)`, values of `width` bits (result's higher bits don't matter). */
  flagsAdd(a: Expr, b: Expr, result: Expr, width?: Width): void;
  /** Flags of `result = a - b (- borrow)`. */
  flagsSub(a: Expr, b: Expr, result: Expr, width?: Width): void;
  /** CF = OF = AF = 0, SF ZF PF by result. */
  flagsLogic(result: Expr, width?: Width): void;
  /** INC and DEC: CF stays. */
  flagsInc(result: Expr): void;
  flagsDec(result: Expr): void;
  /** SF ZF PF by result, CF and OF as given (i32 0/1), AF = 0. */
  flagsResult(result: Expr, cf: Expr, of: Expr, width?: Width): void;
  /** All six flags. */
  setFlags(values: FlagValues): void;
  /** Changes only CF (i32 0/1). */
  setCarry(cf: Expr): void;
  /** Changes only CF and OF. */
  setCarryOverflow(cf: Expr, of: Expr): void;
  /** Changes only ZF. */
  setZero(zf: Expr): void;
  flag(name: 'cf' | 'pf' | 'af' | 'zf' | 'sf' | 'of'): Expr;
  /** i32, non-zero where the condition holds. */
  condition(code: ConditionCode): Expr;

  /** Ends the instruction with a fault that is not conditional on anything. */
  raise(vector: number, errorCode?: number): void;
  /** Ends the instruction with a fault where `condition` (i32) holds. */
  raiseIf(condition: Expr, vector: number, errorCode?: number): void;
  /** Writes a check that needs no repeating, by name, as long as control goes straight on: what it looks at changes where blocks end only. */
  checkOnce(name: string, check: () => void): void;

  /** #GP(0) where RIP (i64, masked to the operand size) or the relative operand leads beyond the limit of CS or isn't canonical. */
  checkTarget(rip: Expr): void;
  checkBranch(): void;
  /**
   * Near branch to the relative operand `index`: always, or where `condition` holds. Ends the block. Where the target is out of
   * reach (#GP(0), unless `checkBranch` came before), `undo` takes back what the instruction changed.
   */
  jump(index: number): void;
  jumpIf(condition: Expr, index: number, undo?: () => void): void;
  /** Near branch to an absolute RIP that `checkTarget` has seen. Ends the block. */
  jumpTo(rip: Expr): void;
  /** RIP (i64) of the next instruction, masked to the form's operand size. */
  nextRip(): Expr;
  /** Pushes `value` of `width` bits; `pop` returns the value and leaves the stack pointer for `commitPop`. */
  push(value: Expr, width?: Width): void;
  pop(width?: Width): Expr;
  /** Moves the stack pointer past what `pop` read, and `extra` (i32) bytes more. */
  commitPop(width?: Width, extra?: Expr): void;

  /** Stores operand `index`; where that faults, `restore` puts back what the instruction changed before. */
  writeOrRestore(index: number, value: Expr, restore: () => void): void;
  /** Loads a segment register (number and selector, i32), then does `commit` and ends the instruction. */
  loadSegmentThen(segment: Expr, selector: Expr, commit: () => void): void;
  /** XLATB: the byte at rBX + AL in the instruction's segment. */
  translateByte(): Expr;
  /** rCX by address size plus `delta`, zero-extended to i64, stored back when `delta` isn't 0. */
  addressSizedCounter(delta: number): Expr;
  /** What a string instruction's prefixes say: bytes of an address, and 0 no REP, 1 REP or REPE, 2 REPNE. */
  stringPrefixes(): { readonly addressBytes: Expr; readonly repeat: Expr };
  /** Selector (i32) and offset (i64) of a far pointer in the instruction. */
  farSelector(): Expr;
  farOffset(): Expr;
  /** #UD in real and virtual-8086 mode. */
  raiseIfRealMode(): void;
  /** #NM as FWAIT does. */
  raiseIfWaitTrapped(): void;

  /** Calls a runtime function and returns its result. It may not fault. */
  call(name: RuntimeFunction, args: readonly Expr[]): Expr | undefined;
  /** As `call`, where a result of 0 (or -1 for i64) means that a fault is pending. */
  callOrFault(name: RuntimeFunction, args: readonly Expr[], failure: number): Expr;
  /** The record's address (i32), for runtime functions that take the instruction apart themselves. */
  record(): Expr;
  /** Calls a runtime function that returns a STATUS_* and ends the instruction as it says. */
  finish(name: RuntimeFunction, args: readonly Expr[]): void;
  /** As `finish`, but for instructions in the middle of a block whose status is nearly always STATUS_NEXT. */
  check(name: RuntimeFunction, args: readonly Expr[]): void;
  /** Does something as the instruction retires: after everything that can fault. */
  beforeEnd(action: () => void): void;
  /** Linear address (i64) of [rDI] or [rSI] … (register by number) in the instruction's segment and address size. */
  implicitAddress(register: number): Expr;
  /** Ends the instruction here, in a branch of the emitted code. */
  done(): void;
}
