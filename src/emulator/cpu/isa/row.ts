import type { Emitter, Width } from './emitter.ts';

/**
 * An operand in the manual's spelling. A trailing letter is a size: b 8, w 16, d 32, q 64, v 16/32/64 and
 * y 32/64 by operand size, z 16/32 (immediates; sign-extended to 64). `r` is ModRM.reg (or the opcode's low bits with
 * `+r`), `r/m` a register or memory, `m` memory only (its width is the emitter's affair), `R` ModRM.rm as register only.
 */
export type OperandSpec =
  | 'rb' | 'rw' | 'rd' | 'rq' | 'rv' | 'ry'
  | 'r/mb' | 'r/mw' | 'r/md' | 'r/mq' | 'r/mv' | 'r/my'
  | 'm' | 'Rd' | 'Rq' | 'Ry'
  | 'imm8' | 'imm8s' | 'imm16' | 'immz' | 'immv'
  | 'rel8' | 'relz' | 'ptr' | 'moffs'
  | 'AL' | 'rAX' | 'CL' | 'DX' | '1'
  | 'Sreg' | 'CR' | 'DR' | 'ST(i)'
  | 'xmm' | 'xmm/m128' | 'xmm/m64' | 'xmm/m32' | 'xmm/m16' | 'Xmm' | 'mm' | 'mm/m64' | 'mm/m32' | 'Mm' | '<XMM0>';

export interface FlagEffects {
  /** Letters of o s z a p c. */
  readonly written?: string;
  readonly undefined?: string;
  readonly read?: string;
}

export interface RowOptions {
  readonly flags?: FlagEffects;
  /** Where the encoding exists: everywhere, not in 64-bit mode, or only there. */
  readonly modes?: 'all' | 'no64' | 'only64';
  /** LOCK is allowed when the destination is memory. */
  readonly lock?: boolean;
  /** The last instruction of a block: control may go elsewhere, or the machine loop must look. */
  readonly ends?: boolean;
  /** Operand size in 64-bit mode: 64 unless 16 by prefix (`d64`), or always 64 (`f64`). */
  readonly in64?: 'd64' | 'f64';
  /** Seldom executed: one general form for memory operands instead of a form per addressing mode. */
  readonly rare?: boolean;
  /** Widths other than the operands imply (string and stack instructions, whose operands are implicit). */
  readonly widths?: readonly Width[];
  /** Can't be run by the host-CPU oracle in user mode, with the reason. */
  readonly notInUserMode?: string;
  /** CPUID feature the instruction belongs to, for the support table. */
  readonly feature?: string;
}

/** One row of the instruction table. */
export interface InstructionRow extends RowOptions {
  readonly mnemonic: string;
  readonly operands: readonly OperandSpec[];
  /** The manual's notation: `[NP|66|F3|F2] [REX.W|W0] [0F [38|3A]] opcode[+r] [/r|/digit|(ModRM byte)]`. */
  readonly encoding: string;
  readonly widths: readonly Width[];
  readonly emit: (e: Emitter) => void;
}

/** Makes a row: `row('ADD r/mv, rv', '01 /r', { … }, emit)`. */
export function row(syntax: string, encoding: string, options: RowOptions, emit: (e: Emitter) => void): InstructionRow {
  const space = syntax.indexOf(' ');
  const mnemonic = space < 0 ? syntax : syntax.slice(0, space);
  const operands = space < 0 ? [] : (syntax.slice(space + 1).split(',').map((part) => part.trim()) as OperandSpec[]);
  return { ...options, mnemonic, operands, encoding, widths: options.widths ?? widthsOf(operands, encoding), emit };
}

function widthsOf(operands: readonly OperandSpec[], encoding: string): readonly Width[] {
  const wide = encoding.includes('REX.W');
  const narrow = encoding.includes('W0');
  if (operands.some((o) => o.endsWith('v') || o === 'rAX' || o === 'immz' || o === 'relz')) {
    return wide ? [64] : [16, 32, 64];
  }
  if (operands.some((o) => o.endsWith('y'))) return wide ? [64] : narrow ? [32] : [32, 64];
  const first = operands[0];
  if (first && /b$|^AL$/.test(first)) return [8];
  return [0];
}
