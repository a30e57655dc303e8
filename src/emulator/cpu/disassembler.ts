import type { DecodedInstruction, Decoder } from './decoder.ts';
import type { OperandSpec } from './isa/row.ts';
import { SLOT_RIP_PAGE, SLOT_ZERO } from './state-layout.ts';

const NAMES_64 = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];
const NAMES_16 = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const NAMES_8 = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'];
const NAMES_HIGH = ['ah', 'ch', 'dh', 'bh'];
const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const SIZE_NAMES: Readonly<Record<number, string>> = { 8: 'byte', 16: 'word', 32: 'dword', 64: 'qword', 128: 'xmmword' };

/** Name of the general register at a byte offset of the register file, `bits` wide. */
function registerName(offset: number, bits: number): string {
  const number = offset >> 3;
  if (bits === 8 && offset & 1) return NAMES_HIGH[number] as string;
  if (number >= 8) return `r${number}${bits === 8 ? 'b' : bits === 16 ? 'w' : bits === 32 ? 'd' : ''}`;
  if (bits === 8) return NAMES_8[number] as string;
  if (bits === 16) return NAMES_16[number] as string;
  return bits === 32 ? `e${NAMES_16[number] as string}` : (NAMES_64[number] as string);
}

function hexadecimal(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

function bitsOf(spec: OperandSpec, width: number): number {
  if (/m128$/.test(spec)) return 128;
  if (/m64$/.test(spec)) return 64;
  if (/m32$/.test(spec)) return 32;
  if (/m16$/.test(spec)) return 16;
  const letter = spec.at(-1);
  return letter === 'b' ? 8 : letter === 'w' ? 16 : letter === 'd' ? 32 : letter === 'q' ? 64 : width;
}

function memoryText(decoded: DecodedInstruction, bits: number): string {
  const parts: string[] = [];
  const slot = (number: number): string => registerName(number * 8, decoded.addressBits);
  if (decoded.base === SLOT_RIP_PAGE) parts.push('rip');
  else if (decoded.base !== SLOT_ZERO) parts.push(slot(decoded.base));
  if (decoded.index !== SLOT_ZERO) parts.push(`${slot(decoded.index)}${decoded.scale ? `*${1 << decoded.scale}` : ''}`);
  let text = parts.join('+');
  const displacement = decoded.displacement;
  if (!text) text = hexadecimal(BigInt(displacement >>> 0));
  else if (displacement) text += (displacement < 0 ? '-' : '+') + `0x${Math.abs(displacement).toString(16)}`;
  // BP and SP address the stack segment unless a prefix says otherwise.
  const usual = decoded.base === 4 || decoded.base === 5 ? 2 : 3;
  const segment = decoded.segment === usual ? '' : `${SEGMENT_NAMES[decoded.segment] as string}:`;
  const size = SIZE_NAMES[bits];
  return `${size ? `${size} ` : ''}${segment}[${text}]`;
}

function operandText(decoded: DecodedInstruction, spec: OperandSpec, at: bigint): string {
  const { width } = decoded;
  switch (spec) {
    case '1': return '1';
    case 'AL': case 'CL': case 'DX': return spec.toLowerCase();
    case 'rAX': return registerName(0, width);
    case 'Sreg': return SEGMENT_NAMES[decoded.a] as string;
    case 'CR': return `cr${decoded.a}`;
    case 'DR': return `dr${decoded.a}`;
    case 'ST(i)': return `st(${decoded.b})`;
    case '<XMM0>': return 'xmm0';
    case 'xmm': return `xmm${decoded.a}`;
    case 'Xmm': return `xmm${decoded.b}`;
    case 'mm': return `mm${decoded.a}`;
    case 'Mm': return `mm${decoded.b}`;
    case 'rel8': case 'relz': {
      const target = at + BigInt(decoded.length) + BigInt(decoded.relative);
      return hexadecimal(BigInt.asUintN(width || 64, target));
    }
    case 'ptr': return `${hexadecimal(decoded.immediate >> 32n)}:${hexadecimal(decoded.immediate & 0xffffffffn)}`;
    case 'moffs': return decoded.addressBits === 64 ? `[${hexadecimal(BigInt.asUintN(64, decoded.immediate))}]` : memoryText(decoded, width);
    case 'm': return memoryText(decoded, 0);
    default:
  }
  if (spec.startsWith('imm')) return hexadecimal(decoded.immediate);
  const bits = bitsOf(spec, width);
  if (spec.includes('/m') && decoded.kind !== 'reg') return memoryText(decoded, bits);
  if (spec.startsWith('xmm')) return `xmm${decoded.b}`;
  if (spec.startsWith('mm')) return `mm${decoded.b}`;
  return registerName(/^(r\/m|R)/.test(spec) ? decoded.b : decoded.a, bits);
}

/** One disassembled instruction. */
export interface DisassembledInstruction {
  /** Intel syntax; `(bad)` for bytes that are no instruction. */
  readonly text: string;
  readonly length: number;
}

/** Disassembles the instruction at `bytes[offset]`, which lies at address `at`. `mode` holds MODE_* bits. */
export function disassemble(decoder: Decoder, bytes: Uint8Array, offset: number, at: bigint, mode: number): DisassembledInstruction {
  const decoded = decoder.decode(bytes, offset, bytes.length, mode);
  if (typeof decoded === 'string') return { text: '(bad)', length: 1 };
  const { row } = decoded;
  let name = row.mnemonic.toLowerCase();
  if (/^(A[4-7AB-F]|6[C-F])$/.test(row.encoding)) {
    const suffix = { 8: 'b', 16: 'w', 32: 'd', 64: 'q' }[decoded.width as 8 | 16 | 32 | 64];
    name = `${decoded.repeat === 1 ? 'rep ' : decoded.repeat === 2 ? 'repne ' : ''}${name.replace(/b$/, '')}${suffix}`;
  }
  const operands = row.operands.map((spec) => operandText(decoded, spec, at)).join(', ');
  return { text: `${decoded.lock && row.lock ? 'lock ' : ''}${name.replaceAll('_', ' ')}${operands ? ` ${operands}` : ''}`, length: decoded.length };
}
