import { parseEncoding } from '../../src/emulator/cpu/opcode-map.ts';
import { hasMemoryForm, hasRegisterForm } from '../../src/emulator/cpu/operands.ts';
import type { Width } from '../../src/emulator/cpu/isa/emitter.ts';
import type { InstructionRow } from '../../src/emulator/cpu/isa/row.ts';
import type { Random } from './random.ts';

/** What of the table a case exercises. */
export interface TestedForm {
  readonly row: InstructionRow;
  readonly width: Width;
  readonly memory: boolean;
  readonly bits: 32 | 64;
}

export interface EncodedForm {
  readonly bytes: number[];
  /** Registers that the generator must set so that the memory operand lies in the window. */
  readonly address: { readonly base: number | undefined; readonly index: number | undefined; readonly scale: number; readonly displacement: number; readonly ripRelative: boolean } | undefined;
}

/** Every form of the table that user mode can run, in both code sizes. */
export function testedForms(rows: readonly InstructionRow[]): TestedForm[] {
  return rows.flatMap((row) => {
    if (row.notInUserMode) return [];
    return ([64, 32] as const).flatMap((bits) => {
      if (row.modes === (bits === 64 ? 'no64' : 'only64')) return [];
      return row.widths.flatMap((width): TestedForm[] => {
        if (!reachable(row, width, bits)) return [];
        // A 16-bit branch would leave the code pages.
        if (width === 16 && row.ends && /^(J|LOOP|CALL|RET)/.test(row.mnemonic)) return [];
        const forms: TestedForm[] = [];
        if (hasRegisterForm(row.operands) || !hasMemoryForm(row.operands)) forms.push({ row, width, memory: false, bits });
        if (hasMemoryForm(row.operands)) forms.push({ row, width, memory: true, bits });
        return forms;
      });
    });
  });
}

/** Whether some prefix selects this operand size. */
function reachable(row: InstructionRow, width: Width, bits: 32 | 64): boolean {
  if (row.widths.length === 1) return width !== 64 || bits === 64 || row.widths[0] !== 64;
  if (bits === 32) return width !== 64;
  if (row.in64 === 'f64') return width === 64;
  if (row.in64 === 'd64') return width !== 32;
  return true;
}

/** Encodes one random instance of a form. */
export function encodeForm(form: TestedForm, random: Random): EncodedForm {
  const { row, width, memory, bits } = form;
  const { map, opcodes, candidate } = parseEncoding(row);
  const bytes: number[] = [];
  let rex = 0;
  const long = bits === 64;
  const overridden = row.widths.length > 1 && width === 16;
  if (candidate.prefix === 0x66 || overridden) bytes.push(0x66);
  if (candidate.prefix === 0xf2 || candidate.prefix === 0xf3) bytes.push(candidate.prefix);
  if (candidate.rexW || (row.widths.length > 1 && width === 64 && row.in64 === undefined)) rex |= 0x48;
  const high = (): number => (long && random.below(3) === 0 ? 8 : 0);
  const register = (): number => random.below(8) | high();
  let opcode = opcodes[0] as number;
  let address: EncodedForm['address'];
  const tail: number[] = [];
  if (opcodes.length === 8) {
    const number = register();
    opcode += number & 7;
    if (number & 8) rex |= 0x41;
  }
  if (candidate.modrm) tail.push(candidate.modrm[0] + random.below(candidate.modrm[1] - candidate.modrm[0] + 1));
  else if (candidate.hasModrm) {
    const reg = candidate.digit ?? register();
    if (candidate.digit === undefined && reg & 8) rex |= 0x44;
    if (!memory) {
      let rm = register();
      // The stack can't be executed: not a target to jump to.
      if (rm === 4 && /^(JMP|CALL)$/.test(row.mnemonic)) rm = 3;
      if (rm & 8) rex |= 0x41;
      tail.push(0xc0 | ((reg & 7) << 3) | (rm & 7));
    } else {
      address = encodeAddress(reg & 7, long, /^(JMP|CALL)$/.test(row.mnemonic), random, tail, (flags) => (rex |= 0x40 | flags));
    }
  } else if (row.operands.includes('moffs')) {
    const target = 0x20000f00 + random.below(400);
    for (let i = 0; i < bits / 8; i++) tail.push(i < 4 ? (target >> (i * 8)) & 0xff : 0);
  }
  for (const operand of row.operands) {
    const count = operand === 'imm8' || operand === 'imm8s' || operand === 'rel8' ? 1 : operand === 'imm16' ? 2
      : operand === 'immz' || operand === 'relz' ? (width === 16 ? 2 : 4) : operand === 'immv' ? width / 8 : 0;
    let value = random.edge64();
    // A branch stays in the code pages, which hold nothing but breakpoints.
    if (operand === 'relz') value = BigInt(random.below(2) ? 32 + random.below(480) : -32 - random.below(480));
    if (operand === 'rel8') value = BigInt(random.below(2) ? 32 + random.below(90) : -32 - random.below(90));
    for (let i = 0; i < count; i++) tail.push(Number((value >> BigInt(i * 8)) & 0xffn));
  }
  if (long && rex === 0 && random.below(4) === 0) rex = 0x40;
  // High byte registers need a form without REX; both are wanted.
  if (rex && long) bytes.push(rex | 0x40);
  if (map > 0) bytes.push(0x0f);
  if (map === 2) bytes.push(0x38);
  if (map === 3) bytes.push(0x3a);
  bytes.push(opcode, ...tail);
  return { bytes, address };
}

function encodeAddress(reg: number, long: boolean, branch: boolean, random: Random, out: number[], setRex: (flags: number) => void): NonNullable<EncodedForm['address']> {
  const kind = random.below(5);
  const displacement8 = random.below(100) - 50;
  const displacement32 = random.below(100000) - 50000;
  const bytes32 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
  if (kind === 0) {
    // Absolute in 32-bit code, relative to RIP in 64-bit code: filled in by the caller, who knows the length.
    if (long) {
      out.push((reg << 3) | 5, 0, 0, 0, 0);
      return { base: undefined, index: undefined, scale: 0, displacement: 0, ripRelative: true };
    }
    const target = 0x20000f00 + 128 + (random.below(128) & (branch ? ~7 : ~0));
    out.push((reg << 3) | 5, ...bytes32(target));
    return { base: undefined, index: undefined, scale: 0, displacement: target, ripRelative: false };
  }
  // RSP as a base (number 4) needs a SIB byte; R12 too.
  const base = random.pick([0, 1, 2, 3, 5, 6, 7, ...(long ? [8, 9, 10, 11, 13, 14, 15] : [])]);
  if (base & 8) setRex(1);
  if (kind < 3) {
    const short = kind === 1;
    out.push((short ? 0x40 : 0x80) | (reg << 3) | (base & 7), ...(short ? [displacement8 & 0xff] : bytes32(displacement32)));
    return { base, index: undefined, scale: 0, displacement: short ? displacement8 : displacement32, ripRelative: false };
  }
  const index = random.pick([0, 1, 2, 3, 5, 6, 7, ...(long ? [8, 9, 10, 11, 12, 13, 14, 15] : [])].filter((n) => n !== base));
  if (index & 8) setRex(2);
  const scale = random.below(4);
  out.push(0x40 | (reg << 3) | 4, (scale << 6) | ((index & 7) << 3) | (base & 7), displacement8 & 0xff);
  return { base, index, scale, displacement: displacement8, ripRelative: false };
}
