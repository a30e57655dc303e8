/** What the instruction table says about bytes: for each opcode the rows that it may be, and what decoding one of them takes. */
import type { Width } from './isa/emitter.ts';
import type { InstructionRow, OperandSpec } from './isa/row.ts';
import { hasMemoryForm, hasRegisterForm } from './operands.ts';
import { MODE_CODE_16, MODE_CODE_64 } from './state-layout.ts';

/** A row's encoding, taken apart. */
interface Encoding {
  readonly row: InstructionRow;
  /** Mandatory prefix: undefined = any, 0 = none. */
  readonly prefix: undefined | 0 | 0x66 | 0xf3 | 0xf2;
  readonly rexW: boolean | undefined;
  readonly digit: number | undefined;
  /** Exact ModRM bytes, from first to last. */
  readonly modrm: readonly [first: number, last: number] | undefined;
  readonly hasModrm: boolean;
}

const MODRM_OPERAND = /^(r\/m|m$|R[dqy]$|Sreg|CR|DR|xmm|Xmm|mm|Mm|ST)/;

/** Takes an encoding in the manual's notation apart. */
export function parseEncoding(row: InstructionRow): { map: number; opcodes: readonly number[]; candidate: Encoding } {
  const tokens = row.encoding.split(' ');
  let prefix: Encoding['prefix'];
  let rexW: boolean | undefined;
  let position = 0;
  for (; ; position++) {
    const token = tokens[position];
    if (token === 'NP') prefix = 0;
    else if (token === '66' && tokens[position + 1] !== undefined) prefix = 0x66;
    else if (token === 'F3' && tokens.length > 1) prefix = 0xf3;
    else if (token === 'F2' && tokens.length > 1) prefix = 0xf2;
    else if (token === 'REX.W') rexW = true;
    else if (token === 'W0') rexW = false;
    else break;
  }
  let map = 0;
  if (tokens[position] === '0F' && tokens[position + 1] !== undefined) {
    position++;
    map = 1;
    if (tokens[position] === '38') map = 2;
    if (tokens[position] === '3A') map = 3;
    if (map > 1) position++;
  }
  const [opcodeText, plus] = (tokens[position++] ?? '').split('+');
  const opcode = Number.parseInt(opcodeText ?? '', 16);
  const rest = tokens[position];
  const digit = rest && /^\/[0-7]$/.test(rest) ? Number(rest[1]) : undefined;
  let modrm: Encoding['modrm'];
  if (rest && !rest.startsWith('/')) {
    const [byte, many] = rest.split('+');
    const first = Number.parseInt(byte ?? '', 16);
    modrm = [first, many ? first + 7 : first];
  }
  const hasModrm = rest !== undefined || row.operands.some((o) => MODRM_OPERAND.test(o));
  const opcodes = plus === 'r' ? Array.from({ length: 8 }, (_, n) => opcode + n) : [opcode];
  if (opcodes.some(Number.isNaN)) throw new Error(`bad encoding ${row.encoding}`);
  return { map, opcodes, candidate: { row, prefix, rexW, digit, modrm, hasModrm } };
}

/** Where a register operand's number comes from and how it is kept. Numbers, because they are gone by for each instruction. */
export const REGISTER_BYTE = 0;
export const REGISTER_GENERAL = 1;
export const REGISTER_SEGMENT = 2;
export const REGISTER_CONTROL = 3;
export const REGISTER_DEBUG = 4;
export const REGISTER_XMM = 5;
export const REGISTER_MM = 6;
export const RM_BYTE = 7;
export const RM_GENERAL = 8;
export const RM_MM = 9;
export const RM_STACK = 10;

const REGISTER_OPERANDS: Partial<Record<OperandSpec, number>> = {
  rb: REGISTER_BYTE, rw: REGISTER_GENERAL, rd: REGISTER_GENERAL, rq: REGISTER_GENERAL, rv: REGISTER_GENERAL, ry: REGISTER_GENERAL,
  Sreg: REGISTER_SEGMENT, CR: REGISTER_CONTROL, DR: REGISTER_DEBUG, xmm: REGISTER_XMM, mm: REGISTER_MM,
  'r/mb': RM_BYTE, 'r/mw': RM_GENERAL, 'r/md': RM_GENERAL, 'r/mq': RM_GENERAL, 'r/mv': RM_GENERAL, 'r/my': RM_GENERAL, Rd: RM_GENERAL, Rq: RM_GENERAL, Ry: RM_GENERAL,
  'mm/m64': RM_MM, 'mm/m32': RM_MM, Mm: RM_MM, 'ST(i)': RM_STACK,
};

/** Operands that are bytes of the instruction. */
export const IMMEDIATE_8 = 0;
export const IMMEDIATE_8_SIGNED = 1;
export const IMMEDIATE_16 = 2;
/** 16 or 32 bits. */
export const IMMEDIATE_Z = 3;
/** As wide as the operand. */
export const IMMEDIATE_V = 4;
export const RELATIVE_8 = 5;
export const RELATIVE_Z = 6;
export const FAR_POINTER = 7;
export const MEMORY_OFFSET = 8;

const IMMEDIATE_OPERANDS: Partial<Record<OperandSpec, number>> = {
  imm8: IMMEDIATE_8, imm8s: IMMEDIATE_8_SIGNED, imm16: IMMEDIATE_16, immz: IMMEDIATE_Z, immv: IMMEDIATE_V, rel8: RELATIVE_8, relz: RELATIVE_Z, ptr: FAR_POINTER,
  moffs: MEMORY_OFFSET,
};

/** One row under one opcode, with all that can be known of it before the bytes are. */
export class OpcodeEntry {
  readonly row: InstructionRow;
  readonly hasModrm: boolean;
  /** Whether ModRM is an opcode byte of its own. */
  readonly exactModrm: boolean;
  /** Whether the r/m operand may be memory, or a register. */
  readonly memoryForm: boolean;
  readonly registerForm: boolean;
  /** Moves of control and debug registers, which take mod as 3 whatever it says. */
  readonly alwaysRegister: boolean;
  /** A mandatory 66 doesn't change the operand size. */
  readonly ignoresSizePrefix: boolean;
  readonly isRelative: boolean;
  readonly isMemoryOffset: boolean;
  readonly namesControlRegister: boolean;
  /** Loads of segment registers can't name CS. */
  readonly loadsSegment: boolean;
  readonly isString: boolean;
  /** XLATB, whose address has no ModRM. */
  readonly isTableLookup: boolean;
  /** The condition code of a Jcc, -1 for others. */
  readonly condition: number;
  /** All six flags change whatever the operands are, and none is read. */
  readonly overwritesFlags: boolean;
  /** What follows in memory is not what follows in time. */
  readonly neverFallsThrough: boolean;
  readonly registers: readonly number[];
  readonly immediates: readonly number[];
  /** Rows of which more must be right go before others. */
  readonly precedence: number;
  private readonly prefix: number;
  private readonly rexW: number;
  private readonly digit: number;
  private readonly firstModrm: number;
  private readonly lastModrm: number;
  private readonly only64: boolean;
  private readonly no64: boolean;
  /** 90 is NOP unless REX.B makes it XCHG R8, rAX. */
  private readonly withoutRexB: boolean;
  /** By code size, operand size prefix and REX.W. */
  private readonly operandWidths: readonly Width[];

  constructor({ row, prefix, rexW, digit, modrm, hasModrm }: Encoding) {
    const { operands, encoding } = row;
    this.row = row;
    this.hasModrm = hasModrm;
    this.exactModrm = modrm !== undefined;
    this.memoryForm = hasMemoryForm(operands);
    this.registerForm = hasRegisterForm(operands);
    this.alwaysRegister = operands.some((o) => o === 'CR' || o === 'DR');
    this.ignoresSizePrefix = prefix === 0x66 && !row.widths.includes(16);
    this.isRelative = operands.some((o) => o === 'rel8' || o === 'relz');
    this.isMemoryOffset = operands.includes('moffs');
    this.namesControlRegister = operands.includes('CR');
    this.loadsSegment = encoding.startsWith('8E');
    this.isString = /^(A[4-7AB-F]|6[C-F])$/.test(encoding);
    this.isTableLookup = row.mnemonic === 'XLATB';
    const condition = /^(?:7|0F 8)([0-9A-F])$/.exec(encoding)?.[1];
    this.condition = condition === undefined ? -1 : Number.parseInt(condition, 16);
    this.overwritesFlags = /^(ADD|SUB|CMP|TEST|AND|OR|XOR|NEG)$/.test(row.mnemonic);
    this.neverFallsThrough = /^(JMP|JMP_FAR|RET|RETF|IRET|UD2|SYSRET|SYSEXIT|HLT|INT3)$/.test(row.mnemonic);
    this.registers = operands.map((o) => REGISTER_OPERANDS[o]).filter((code) => code !== undefined);
    this.immediates = operands.map((o) => IMMEDIATE_OPERANDS[o]).filter((code) => code !== undefined);
    this.prefix = prefix ?? -1;
    this.rexW = rexW === undefined ? -1 : Number(rexW);
    this.digit = digit ?? -1;
    this.firstModrm = modrm?.[0] ?? -1;
    this.lastModrm = modrm?.[1] ?? -1;
    this.only64 = row.modes === 'only64';
    this.no64 = row.modes === 'no64';
    this.withoutRexB = encoding === '90' || encoding === 'F3 90';
    this.precedence = (prefix === 0xf3 || prefix === 0xf2 ? 8 : prefix === 0x66 ? 4 : 0) + (rexW !== undefined ? 2 : 0) + (modrm !== undefined ? 1 : 0) + (encoding === '90' ? 1 : 0);
    this.operandWidths = Array.from({ length: 12 }, (_, n) => operandWidth(row, n >> 2, (n & 2) !== 0, (n & 1) !== 0));
  }

  /** `rep`: the last of F3 and F2, or 0; `modrm`: the byte behind the opcode, -1 where there is none. */
  matches(long: boolean, rep: number, sizePrefix: boolean, rex: number, modrm: number): boolean {
    if (long ? this.no64 : this.only64) return false;
    if (this.digit >= 0 && ((modrm >> 3) & 7) !== this.digit) return false;
    if (this.exactModrm && (modrm < this.firstModrm || modrm > this.lastModrm)) return false;
    if (this.rexW >= 0 && this.rexW !== ((rex >> 3) & 1)) return false;
    if (this.prefix >= 0) {
      if (this.prefix === 0 ? rep !== 0 || sizePrefix : this.prefix === 0x66 ? !sizePrefix : rep !== this.prefix) return false;
    }
    // A memory-only row doesn't take register forms, which may be another row's exact ModRM.
    if (this.hasModrm && !this.exactModrm && !this.alwaysRegister) {
      if (modrm >= 0xc0 ? this.memoryForm && !this.registerForm : this.registerForm && !this.memoryForm) return false;
    }
    return !(this.withoutRexB && rex & 1);
  }

  /** `size`: MODE_CODE_SIZE bits. */
  width(size: number, sizePrefix: boolean, rex: number): Width {
    return this.operandWidths[size * 4 + (sizePrefix && !this.ignoresSizePrefix ? 2 : 0) + ((rex >> 3) & 1)] as Width;
  }
}

function operandWidth(row: InstructionRow, size: number, override: boolean, rexW: boolean): Width {
  const { widths } = row;
  if (widths.length === 1) return widths[0] as Width;
  let width: Width;
  if (size === MODE_CODE_64) {
    if (row.in64 === 'f64') width = 64;
    else if (rexW) width = 64;
    else if (override) width = 16;
    else width = row.in64 === 'd64' ? 64 : 32;
  } else width = (size === MODE_CODE_16) !== override ? 16 : 32;
  if (widths.includes(width)) return width;
  return widths.includes(32) ? 32 : (widths[0] as Width);
}

/** Entries by map (0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A) and opcode, in the order in which they are to be tried. */
export class OpcodeMap {
  private readonly entries: (readonly OpcodeEntry[] | undefined)[];
  private readonly wantModrm: readonly boolean[];
  readonly first: OpcodeEntry;

  private static readonly made = new WeakMap<readonly InstructionRow[], OpcodeMap>();

  /** Made once for each table. */
  static of(rows: readonly InstructionRow[]): OpcodeMap {
    let map = this.made.get(rows);
    if (map === undefined) this.made.set(rows, map = new OpcodeMap(rows));
    return map;
  }

  private constructor(rows: readonly InstructionRow[]) {
    const lists = new Array<OpcodeEntry[] | undefined>(4 * 256).fill(undefined);
    for (const row of rows) {
      const { map, opcodes, candidate } = parseEncoding(row);
      const entry = new OpcodeEntry(candidate);
      for (const opcode of opcodes) (lists[map * 256 + opcode] ??= []).push(entry);
    }
    const first = lists.find((list) => list)?.[0];
    if (!first) throw new Error('empty table');
    this.first = first;
    for (const list of lists) list?.sort((a, b) => b.precedence - a.precedence);
    this.entries = lists;
    this.wantModrm = lists.map((list) => list?.some(({ hasModrm }) => hasModrm) ?? false);
  }

  at(map: number, opcode: number): readonly OpcodeEntry[] | undefined {
    return this.entries[map * 256 + opcode];
  }
  /** Whether one of the entries there has a ModRM byte. */
  needsModrm(map: number, opcode: number): boolean {
    return this.wantModrm[map * 256 + opcode] as boolean;
  }
}
