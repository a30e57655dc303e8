import type { Width } from './isa/emitter.ts';
import type { InstructionRow, OperandSpec } from './isa/row.ts';
import { MODE_CODE_16, MODE_CODE_32, MODE_CODE_64, MODE_CODE_SIZE, MODE_FLAT, SLOT_RIP_PAGE, SLOT_ZERO } from './state-layout.ts';
import { hasMemoryForm, hasRegisterForm, type FormKind } from './interpreter/forms.ts';

/** Longest instruction: SDM volume 2, §2.3.11. */
export const LONGEST_INSTRUCTION = 15;

/** An instruction taken apart. One object is reused by a Decoder; copy what you keep. */
export interface DecodedInstruction {
  row: InstructionRow;
  width: Width;
  kind: FormKind;
  length: number;
  /** Register fields as records hold them: byte offset of a general register, else a register number. */
  a: number;
  b: number;
  base: number;
  index: number;
  /** log2 of the scale. */
  scale: number;
  /** 16, 32 or 64. */
  addressBits: 16 | 32 | 64;
  /** 0–5: ES CS SS DS FS GS. */
  segment: number;
  displacement: number;
  immediate: bigint;
  /** For `rel` operands: distance from the next instruction. */
  relative: number;
  /** 0 none, 1 REP or REPE, 2 REPNE. */
  repeat: number;
  lock: boolean;
  prefixRex: number;
}

export type DecodeFailure =
  /** The bytes end before the instruction does. */
  | 'incomplete'
  /** #UD. */
  | 'undefined'
  /** Longer than 15 bytes: #GP(0). */
  | 'too-long';

interface Candidate {
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
export function parseEncoding(row: InstructionRow): { map: number; opcodes: readonly number[]; candidate: Candidate } {
  const tokens = row.encoding.split(' ');
  let prefix: Candidate['prefix'];
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
  let modrm: Candidate['modrm'];
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

/** [base, index] slots of 16-bit addressing by ModRM.rm; 16 is the zero slot. */
const ADDRESS_16: readonly (readonly [number, number])[] = [[3, 6], [3, 7], [5, 6], [5, 7], [6, 16], [7, 16], [5, 16], [3, 16]];

/** Decodes instructions of one table from bytes. */
export class Decoder {
  private readonly maps: (Candidate[] | undefined)[] = new Array<Candidate[] | undefined>(4 * 256).fill(undefined);
  private readonly result: DecodedInstruction;

  constructor(rows: readonly InstructionRow[]) {
    for (const row of rows) {
      const { map, opcodes, candidate } = parseEncoding(row);
      for (const opcode of opcodes) (this.maps[map * 256 + opcode] ??= []).push(candidate);
    }
    const [row] = rows;
    if (!row) throw new Error('empty table');
    this.result = {
      row, width: 0, kind: 'none', length: 0, a: 0, b: 0, base: SLOT_ZERO, index: SLOT_ZERO, scale: 0, addressBits: 32, segment: 3, displacement: 0,
      immediate: 0n, relative: 0, repeat: 0, lock: false, prefixRex: 0,
    };
  }

  /**
   * Decodes the instruction at `bytes[at]`, of which bytes before `end` exist. `mode` holds MODE_* bits. RIP-relative
   * displacements are left relative to the next instruction, with SLOT_RIP_PAGE as base.
   */
  decode(bytes: Uint8Array, at: number, end: number, mode: number): DecodedInstruction | DecodeFailure {
    const out = this.result;
    const size = mode & MODE_CODE_SIZE;
    const long = size === MODE_CODE_64;
    let position = at;
    let operandOverride = false;
    let addressOverride = false;
    let rep = 0;
    let lock = false;
    let segmentOverride = -1;
    let rex = 0;
    let byte: number;
    for (;;) {
      if (position - at >= LONGEST_INSTRUCTION) return 'too-long';
      if (position >= end) return 'incomplete';
      byte = bytes[position++] as number;
      if (long && (byte & 0xf0) === 0x40) {
        rex = byte;
        continue;
      }
      let prefix = true;
      switch (byte) {
        case 0x66: operandOverride = true; break;
        case 0x67: addressOverride = true; break;
        case 0xf0: lock = true; break;
        case 0xf2: rep = 0xf2; break;
        case 0xf3: rep = 0xf3; break;
        case 0x26: if (!long) segmentOverride = 0; break;
        case 0x2e: if (!long) segmentOverride = 1; break;
        case 0x36: if (!long) segmentOverride = 2; break;
        case 0x3e: if (!long) segmentOverride = 3; break;
        case 0x64: segmentOverride = 4; break;
        case 0x65: segmentOverride = 5; break;
        default: prefix = false;
      }
      if (!prefix) break;
      // A REX prefix counts only right before the opcode.
      rex = 0;
    }
    let map = 0;
    if (byte === 0x0f) {
      if (position >= end) return this.short(at, position);
      byte = bytes[position++] as number;
      map = 1;
      if (byte === 0x38 || byte === 0x3a) {
        map = byte === 0x38 ? 2 : 3;
        if (position >= end) return this.short(at, position);
        byte = bytes[position++] as number;
      }
    }
    const candidates = this.maps[map * 256 + byte];
    if (!candidates) return 'undefined';
    const modrmByte = position < end ? (bytes[position] as number) : -1;
    const needsModrm = candidates.some((c) => c.hasModrm);
    if (needsModrm && modrmByte < 0) return this.short(at, position);
    const found = choose(candidates, { rep, operandOverride, rexW: (rex & 8) !== 0, rexB: (rex & 1) !== 0, modrm: modrmByte, long });
    if (!found) return 'undefined';
    const { row } = found;
    const { operands } = row;
    // A mandatory 66 prefix doesn't change the operand size.
    const sizeOverride = operandOverride && !(found.prefix === 0x66 && !row.widths.includes(16));
    const width = operandWidth(row, size, sizeOverride, (rex & 8) !== 0);
    const addressBits = long ? (addressOverride ? 32 : 64) : (size === MODE_CODE_32) !== addressOverride ? 32 : 16;
    out.row = row;
    out.width = width;
    out.addressBits = addressBits;
    out.repeat = rep === 0xf3 ? 1 : rep === 0xf2 ? 2 : 0;
    out.lock = lock;
    out.prefixRex = rex;
    out.a = 0;
    out.b = 0;
    out.base = SLOT_ZERO;
    out.index = SLOT_ZERO;
    out.scale = 0;
    out.displacement = 0;
    out.immediate = 0n;
    out.relative = 0;
    let defaultSegment = 3;
    let memory = false;
    let modrm = -1;
    if (found.hasModrm) {
      modrm = modrmByte;
      position++;
      const mod = modrm >> 6;
      const rm = modrm & 7;
      // Control and debug register moves take mod as 3 whatever it says.
      const forcedRegister = operands.some((o) => o === 'CR' || o === 'DR');
      memory = mod !== 3 && !forcedRegister && !(found.modrm !== undefined && mod === 3);
      if (memory && addressBits === 16) {
        const pair = ADDRESS_16[rm] as readonly [number, number];
        [out.base, out.index] = pair;
        if (rm === 2 || rm === 3 || (rm === 6 && mod !== 0)) defaultSegment = 2;
        if (mod === 0 && rm === 6) {
          out.base = SLOT_ZERO;
          if (position + 2 > end) return this.short(at, position + 1);
          out.displacement = (bytes[position] as number) | ((bytes[position + 1] as number) << 8);
          position += 2;
        } else if (mod === 1) {
          if (position >= end) return this.short(at, position);
          out.displacement = ((bytes[position++] as number) << 24) >> 24;
        } else if (mod === 2) {
          if (position + 2 > end) return this.short(at, position + 1);
          out.displacement = (bytes[position] as number) | ((bytes[position + 1] as number) << 8);
          position += 2;
        }
      } else if (memory) {
        let base = rm;
        let noBase = false;
        if (rm === 4) {
          if (position >= end) return this.short(at, position);
          const sib = bytes[position++] as number;
          base = sib & 7;
          const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
          if (index !== 4) {
            out.index = index;
            out.scale = sib >> 6;
          }
          if (base === 5 && mod === 0) noBase = true;
        } else if (rm === 5 && mod === 0) {
          if (long) out.base = SLOT_RIP_PAGE;
          noBase = true;
        }
        if (!noBase) {
          if (base === 4 || base === 5) defaultSegment = 2;
          out.base = base | ((rex & 1) << 3);
          if (rex & 1) defaultSegment = 3;
        }
        if (mod === 1) {
          if (position >= end) return this.short(at, position);
          out.displacement = ((bytes[position++] as number) << 24) >> 24;
        } else if (mod === 2 || noBase) {
          if (position + 4 > end) return this.short(at, position + 3);
          out.displacement = read32(bytes, position);
          position += 4;
        }
      }
      if (!memory) out.b = rm | ((rex & 1) << 3);
    }
    if (memory ? !hasMemoryForm(operands) && found.modrm === undefined : modrm >= 0 && found.modrm === undefined && !hasRegisterForm(operands) && hasMemoryForm(operands)) return 'undefined';
    // Registers.
    const reg = modrm >= 0 ? ((modrm >> 3) & 7) | ((rex & 4) << 1) : (byte & 7) | ((rex & 1) << 3);
    for (const operand of operands) {
      switch (operand) {
        case 'rb': out.a = byteRegister(reg, rex !== 0); break;
        case 'rw': case 'rd': case 'rq': case 'rv': case 'ry': out.a = reg * 8; break;
        case 'Sreg':
          out.a = reg & 7;
          if (out.a > 5 || (row.encoding.startsWith('8E') && out.a === 1)) return 'undefined';
          break;
        case 'CR':
          out.a = reg;
          if (lock && reg === 0) out.a = 8;
          if (![0, 2, 3, 4, 8].includes(out.a)) return 'undefined';
          break;
        case 'DR': out.a = reg; if (reg > 7) return 'undefined'; break;
        case 'xmm': out.a = reg; break;
        case 'mm': out.a = reg & 7; break;
        case 'r/mb': if (!memory) out.b = byteRegister(out.b, rex !== 0); break;
        case 'r/mw': case 'r/md': case 'r/mq': case 'r/mv': case 'r/my': case 'Rd': case 'Rq': case 'Ry': if (!memory) out.b *= 8; break;
        case 'mm/m64': case 'mm/m32': case 'Mm': if (!memory) out.b &= 7; break;
        case 'ST(i)': out.b = modrm & 7; break;
        default:
      }
    }
    out.segment = segmentOverride >= 0 ? segmentOverride : defaultSegment;
    // Immediates.
    let shift = 0n;
    for (const operand of operands) {
      const bytesNeeded = immediateBytes(operand, width, addressBits);
      if (!bytesNeeded) continue;
      if (position + bytesNeeded > end) return this.short(at, position + bytesNeeded - 1);
      switch (operand) {
        case 'rel8': out.relative = ((bytes[position] as number) << 24) >> 24; break;
        case 'relz': out.relative = bytesNeeded === 2 ? (read16(bytes, position) << 16) >> 16 : read32(bytes, position); break;
        case 'imm8': out.immediate |= BigInt(bytes[position] as number) << shift; break;
        case 'imm8s': out.immediate = BigInt(((bytes[position] as number) << 24) >> 24); break;
        case 'imm16': out.immediate = BigInt(read16(bytes, position)); break;
        case 'immz': case 'immv':
          out.immediate = bytesNeeded === 2 ? BigInt(read16(bytes, position)) : bytesNeeded === 4 ? BigInt(read32(bytes, position)) : BigInt.asIntN(64, read64(bytes, position));
          break;
        case 'ptr': {
          const offset = bytesNeeded === 4 ? read16(bytes, position) : read32(bytes, position) >>> 0;
          out.immediate = BigInt(offset) | (BigInt(read16(bytes, position + bytesNeeded - 2)) << 32n);
          break;
        }
        default: // moffs
          if (bytesNeeded === 8) out.immediate = BigInt.asIntN(64, read64(bytes, position));
          else out.displacement = bytesNeeded === 2 ? read16(bytes, position) : read32(bytes, position);
      }
      position += bytesNeeded;
      shift += BigInt(bytesNeeded * 8);
    }
    out.length = position - at;
    if (out.length > LONGEST_INSTRUCTION) return 'too-long';
    if (lock && !(row.lock && memory) && !operands.includes('CR')) return 'undefined';
    if (long ? row.modes === 'no64' : row.modes === 'only64') return 'undefined';
    out.kind = kindOf(row, out, memory, mode);
    return out;
  }

  /** The bytes ran out at `position`: too long where 15 had been there. */
  private short(at: number, position: number): DecodeFailure {
    return position - at >= LONGEST_INSTRUCTION ? 'too-long' : 'incomplete';
  }
}

function choose(
  candidates: readonly Candidate[],
  have: { rep: number; operandOverride: boolean; rexW: boolean; rexB: boolean; modrm: number; long: boolean },
): Candidate | undefined {
  let best: Candidate | undefined;
  let bestScore = -1;
  for (const candidate of candidates) {
    const { row, prefix, rexW, digit, modrm } = candidate;
    if (have.long ? row.modes === 'no64' : row.modes === 'only64') continue;
    if (digit !== undefined && ((have.modrm >> 3) & 7) !== digit) continue;
    if (modrm !== undefined && (have.modrm < modrm[0] || have.modrm > modrm[1])) continue;
    if (rexW !== undefined && rexW !== have.rexW) continue;
    if (prefix === 0xf3 && have.rep !== 0xf3) continue;
    if (prefix === 0xf2 && have.rep !== 0xf2) continue;
    if (prefix === 0x66 && !have.operandOverride) continue;
    if (prefix === 0 && (have.rep !== 0 || have.operandOverride)) continue;
    // A memory-only row doesn't take register forms, which may be another row's exact ModRM.
    if (have.modrm >= 0xc0 && candidate.hasModrm && modrm === undefined && hasMemoryForm(row.operands) && !hasRegisterForm(row.operands)) continue;
    if (have.modrm < 0xc0 && candidate.hasModrm && modrm === undefined && !hasMemoryForm(row.operands) && hasRegisterForm(row.operands) && !row.operands.some((o) => o === 'CR' || o === 'DR')) continue;
    // 90 is NOP unless REX.B makes it XCHG R8, rAX.
    if (row.encoding === '90' && have.rexB) continue;
    if (row.encoding === 'F3 90' && have.rexB) continue;
    const score = (prefix === 0xf3 || prefix === 0xf2 ? 8 : prefix === 0x66 ? 4 : 0) + (rexW !== undefined ? 2 : 0) + (modrm !== undefined ? 1 : 0) + (row.encoding === '90' ? 1 : 0);
    if (score > bestScore) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
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

function byteRegister(number: number, rex: boolean): number {
  return rex || number < 4 ? number * 8 : (number - 4) * 8 + 1;
}

function immediateBytes(operand: OperandSpec, width: Width, addressBits: number): number {
  switch (operand) {
    case 'imm8': case 'imm8s': case 'rel8': return 1;
    case 'imm16': return 2;
    case 'immz': case 'relz': return width === 16 ? 2 : 4;
    case 'immv': return width / 8;
    case 'ptr': return width === 16 ? 4 : 6;
    case 'moffs': return addressBits / 8;
    default: return 0;
  }
}

function kindOf(row: InstructionRow, decoded: DecodedInstruction, memory: boolean, mode: number): FormKind {
  if (row.operands.includes('moffs')) return decoded.addressBits === 64 ? 'abs64' : 'mg';
  if (row.operands.some((o) => o === 'rel8' || o === 'relz')) return 'far';
  if (!memory) return hasRegisterForm(row.operands) ? 'reg' : 'none';
  if (decoded.addressBits === 64) {
    if (decoded.segment >= 4) return 'm64s';
    return decoded.index === SLOT_ZERO ? 'm64b' : 'm64';
  }
  if (mode & MODE_FLAT && decoded.addressBits === 32 && (mode & MODE_CODE_SIZE) !== MODE_CODE_64 && decoded.segment !== 1 && decoded.segment < 4) {
    return decoded.index === SLOT_ZERO ? 'm32b' : 'm32';
  }
  return 'mg';
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}
function read32(bytes: Uint8Array, at: number): number {
  return read16(bytes, at) | (read16(bytes, at + 2) << 16);
}
function read64(bytes: Uint8Array, at: number): bigint {
  return BigInt(read32(bytes, at) >>> 0) | (BigInt(read32(bytes, at + 4) >>> 0) << 32n);
}
