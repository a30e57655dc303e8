import type { Width } from './isa/emitter.ts';
import type { InstructionRow } from './isa/row.ts';
import {
  FAR_POINTER, IMMEDIATE_16, IMMEDIATE_8, IMMEDIATE_8_SIGNED, IMMEDIATE_V, IMMEDIATE_Z, OpcodeMap, REGISTER_BYTE, REGISTER_CONTROL, REGISTER_DEBUG, REGISTER_GENERAL, REGISTER_MM, REGISTER_SEGMENT,
  REGISTER_XMM, RELATIVE_8, RELATIVE_Z, RM_BYTE, RM_GENERAL, RM_MM, RM_STACK, type OpcodeEntry,
} from './opcode-map.ts';
import { MODE_CODE_32, MODE_CODE_64, MODE_CODE_SIZE, MODE_FLAT, SLOT_RIP_PAGE, SLOT_ZERO } from './state-layout.ts';
import type { FormKind } from './interpreter/forms.ts';

/** Longest instruction: SDM volume 2, §2.3.11. */
export const LONGEST_INSTRUCTION = 15;

/** An instruction taken apart. One object is reused by a Decoder; copy what you keep. */
export interface DecodedInstruction {
  row: InstructionRow;
  /** What is known of the row beforehand. */
  entry: OpcodeEntry;
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

/** [base, index] slots of 16-bit addressing by ModRM.rm; 16 is the zero slot. */
const ADDRESS_16: readonly (readonly [number, number])[] = [[3, 6], [3, 7], [5, 6], [5, 7], [6, 16], [7, 16], [5, 16], [3, 16]];

/** Decodes instructions of one table from bytes. */
export class Decoder {
  private readonly opcodes: OpcodeMap;
  private readonly result: DecodedInstruction;

  constructor(rows: readonly InstructionRow[]) {
    this.opcodes = OpcodeMap.of(rows);
    const { first } = this.opcodes;
    this.result = {
      row: first.row, entry: first, width: 0, kind: 'none', length: 0, a: 0, b: 0, base: SLOT_ZERO, index: SLOT_ZERO, scale: 0, addressBits: 32, segment: 3, displacement: 0,
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
    const entries = this.opcodes.at(map, byte);
    if (!entries) return 'undefined';
    const modrmByte = position < end ? (bytes[position] as number) : -1;
    if (modrmByte < 0 && this.opcodes.needsModrm(map, byte)) return this.short(at, position);
    let entry: OpcodeEntry | undefined;
    for (let n = 0; n < entries.length; n++) {
      const one = entries[n] as OpcodeEntry;
      if (one.matches(long, rep, operandOverride, rex, modrmByte)) {
        entry = one;
        break;
      }
    }
    if (!entry) return 'undefined';
    const { row } = entry;
    const width = entry.width(size, operandOverride, rex);
    const addressBits = long ? (addressOverride ? 32 : 64) : (size === MODE_CODE_32) !== addressOverride ? 32 : 16;
    out.row = row;
    out.entry = entry;
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
    if (entry.hasModrm) {
      modrm = modrmByte;
      position++;
      const mod = modrm >> 6;
      const rm = modrm & 7;
      memory = mod !== 3 && !entry.alwaysRegister;
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
    if (!entry.exactModrm && (memory ? !entry.memoryForm : modrm >= 0 && !entry.registerForm && entry.memoryForm)) return 'undefined';
    // Registers.
    const reg = modrm >= 0 ? ((modrm >> 3) & 7) | ((rex & 4) << 1) : (byte & 7) | ((rex & 1) << 3);
    for (let n = 0; n < entry.registers.length; n++) {
      switch (entry.registers[n]) {
        case REGISTER_BYTE: out.a = byteRegister(reg, rex !== 0); break;
        case REGISTER_GENERAL: out.a = reg * 8; break;
        case REGISTER_SEGMENT:
          out.a = reg & 7;
          if (out.a > 5 || (entry.loadsSegment && out.a === 1)) return 'undefined';
          break;
        case REGISTER_CONTROL:
          out.a = reg;
          if (lock && reg === 0) out.a = 8;
          if (![0, 2, 3, 4, 8].includes(out.a)) return 'undefined';
          break;
        case REGISTER_DEBUG: out.a = reg; if (reg > 7) return 'undefined'; break;
        case REGISTER_XMM: out.a = reg; break;
        case REGISTER_MM: out.a = reg & 7; break;
        case RM_BYTE: if (!memory) out.b = byteRegister(out.b, rex !== 0); break;
        case RM_GENERAL: if (!memory) out.b *= 8; break;
        case RM_MM: if (!memory) out.b &= 7; break;
        case RM_STACK: out.b = modrm & 7; break;
        default:
      }
    }
    out.segment = segmentOverride >= 0 ? segmentOverride : defaultSegment;
    // Immediates.
    let immediate = 0;
    let shift = 0;
    for (let n = 0; n < entry.immediates.length; n++) {
      const operand = entry.immediates[n] as number;
      const bytesNeeded = immediateBytes(operand, width, addressBits);
      if (position + bytesNeeded > end) return this.short(at, position + bytesNeeded - 1);
      switch (operand) {
        case RELATIVE_8: out.relative = ((bytes[position] as number) << 24) >> 24; break;
        case RELATIVE_Z: out.relative = bytesNeeded === 2 ? (read16(bytes, position) << 16) >> 16 : read32(bytes, position); break;
        case IMMEDIATE_8: immediate |= (bytes[position] as number) << shift; break;
        case IMMEDIATE_8_SIGNED: immediate = ((bytes[position] as number) << 24) >> 24; break;
        case IMMEDIATE_16: immediate = read16(bytes, position); break;
        case IMMEDIATE_Z: case IMMEDIATE_V:
          if (bytesNeeded === 8) out.immediate = BigInt.asIntN(64, read64(bytes, position));
          else immediate = bytesNeeded === 1 ? (bytes[position] as number) : bytesNeeded === 2 ? read16(bytes, position) : read32(bytes, position);
          break;
        case FAR_POINTER: {
          const offset = bytesNeeded === 4 ? read16(bytes, position) : read32(bytes, position) >>> 0;
          out.immediate = BigInt(offset) | (BigInt(read16(bytes, position + bytesNeeded - 2)) << 32n);
          break;
        }
        default: // MEMORY_OFFSET
          if (bytesNeeded === 8) out.immediate = BigInt.asIntN(64, read64(bytes, position));
          else out.displacement = bytesNeeded === 2 ? read16(bytes, position) : read32(bytes, position);
      }
      position += bytesNeeded;
      shift += bytesNeeded * 8;
    }
    if (immediate !== 0) out.immediate = BigInt(immediate);
    out.length = position - at;
    if (out.length > LONGEST_INSTRUCTION) return 'too-long';
    if (lock && !(row.lock && memory) && !entry.namesControlRegister) return 'undefined';
    out.kind = kindOf(entry, out, memory, mode);
    return out;
  }

  /** The bytes ran out at `position`: too long where 15 had been there. */
  private short(at: number, position: number): DecodeFailure {
    return position - at >= LONGEST_INSTRUCTION ? 'too-long' : 'incomplete';
  }
}

function byteRegister(number: number, rex: boolean): number {
  return rex || number < 4 ? number * 8 : (number - 4) * 8 + 1;
}

function immediateBytes(operand: number, width: Width, addressBits: number): number {
  switch (operand) {
    case IMMEDIATE_8: case IMMEDIATE_8_SIGNED: case RELATIVE_8: return 1;
    case IMMEDIATE_16: return 2;
    case IMMEDIATE_Z: case RELATIVE_Z: return width === 16 ? 2 : 4;
    case IMMEDIATE_V: return width / 8;
    case FAR_POINTER: return width === 16 ? 4 : 6;
    default: return addressBits / 8;
  }
}

function kindOf(entry: OpcodeEntry, decoded: DecodedInstruction, memory: boolean, mode: number): FormKind {
  if (entry.isMemoryOffset) return decoded.addressBits === 64 ? 'abs64' : 'mg';
  if (entry.isRelative) return 'far';
  if (!memory) return entry.registerForm ? 'reg' : 'none';
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
