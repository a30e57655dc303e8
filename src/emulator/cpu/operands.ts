/** What operand specifications (isa/row.ts) say of sizes and places. */
import type { Width } from './isa/emitter.ts';
import type { OperandSpec } from './isa/row.ts';

export type OperandBits = 8 | 16 | 32 | 64;

const MEMORY_OPERAND = /^(r\/m|xmm\/m|mm\/m|m$|moffs$)/;

/** Width of an integer operand in bits, in an instruction of operand size `width`. */
export function operandBits(spec: OperandSpec, width: Width): OperandBits {
  if (/v$|y$/.test(spec) || spec === 'rAX' || spec === 'immz' || spec === 'immv' || spec === 'moffs') return width as OperandBits;
  if (/b$/.test(spec) || spec === 'AL' || spec === 'CL') return 8;
  if (/w$/.test(spec) || spec === 'DX' || spec === 'Sreg' || spec === 'imm16') return 16;
  if (/d$/.test(spec)) return 32;
  if (/q$/.test(spec)) return 64;
  if (spec === 'imm8' || spec === 'imm8s' || spec === '1') return width === 0 ? 32 : width;
  throw new Error(`operand ${spec} has no integer width`);
}

/** Whether the operand lies in memory; `registerForm`: the instruction's r/m operand is a register. */
export function isMemoryOperand(spec: OperandSpec, registerForm: boolean): boolean {
  if (!MEMORY_OPERAND.test(spec)) return false;
  return spec === 'm' || spec === 'moffs' || !registerForm;
}

const REGISTER_OR_MEMORY = /^(r\/m|xmm\/m|mm\/m)/;

export function hasRegisterForm(operands: readonly OperandSpec[]): boolean {
  return operands.some((o) => REGISTER_OR_MEMORY.test(o) || /^(R[dqy]|Xmm|Mm)$/.test(o));
}
export function hasMemoryForm(operands: readonly OperandSpec[]): boolean {
  return operands.some((o) => REGISTER_OR_MEMORY.test(o) || o === 'm' || o === 'moffs');
}
