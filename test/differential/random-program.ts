import { Decoder } from '../../src/emulator/cpu/decoder.ts';
import { disassemble } from '../../src/emulator/cpu/disassembler.ts';
import { instructionTable } from '../../src/emulator/cpu/isa/table.ts';
import { MODE_CODE_32, MODE_CODE_64 } from '../../src/emulator/cpu/state-layout.ts';
import { encodeForm, testedForms, type TestedForm } from '../isa/encode-form.ts';
import type { Random } from '../isa/random.ts';

/** Where memory operands lie: around a page boundary. */
export const WINDOW = 0x20f00;
/** Where programs begin at the latest; they may run over the end of the page. */
export const CODE = 0x10000;

export interface RandomProgram {
  readonly bits: 32 | 64;
  readonly start: number;
  readonly bytes: Uint8Array;
}

const decoder = new Decoder(instructionTable);
const all = testedForms(instructionTable).filter((form) => {
  const { row, memory } = form;
  // Faults by design, or wandering stack pointers and addresses, would end most programs at their first instructions.
  if (row.ends && /^(J|LOOP|CALL|RET)/.test(row.mnemonic)) return false;
  if (/^(ENTER|LEAVE|DIV|IDIV|BOUND|INT|INT1|INT3|INTO|UD|POPF?|IRET|HLT|LEA|FRSTOR|FLDENV|FLDCW|FXRSTOR|LDMXCSR)/.test(row.mnemonic) && !/^(POP|LEA)$/.test(row.mnemonic)) return false;
  if (/^BT/.test(row.mnemonic) && memory && row.operands.some((o) => o === 'rv')) return false;
  return !row.operands.includes('moffs');
});
const arithmetic = all.filter(({ row }) => /^(ADD|SUB|AND|OR|XOR|CMP|TEST|INC|DEC|NEG|SHL|SHR|SAR|ADC|SBB|MOV)$/.test(row.mnemonic));
const comparing = all.filter(({ row }) => /^(CMP|TEST)$/.test(row.mnemonic));
const of = (forms: readonly TestedForm[], bits: 32 | 64): TestedForm[] => forms.filter((form) => form.bits === bits);
const pools = { 32: [of(all, 32), of(arithmetic, 32), of(comparing, 32)], 64: [of(all, 64), of(arithmetic, 64), of(comparing, 64)] } as const;

const bytes32 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];

/** MOV register, imm32 (sign-extended). */
function moveTo(register: number, value: number, bits: 32 | 64): number[] {
  if (bits === 32) return [0xb8 + register, ...bytes32(value)];
  return [0x48 | (register >> 3), 0xc7, 0xc0 | (register & 7), ...bytes32(value)];
}

function immediateBytes({ row, width }: TestedForm): number {
  let count = 0;
  for (const operand of row.operands) {
    if (operand === 'imm8' || operand === 'imm8s') count += 1;
    else if (operand === 'imm16') count += 2;
    else if (operand === 'immz') count += width === 16 ? 2 : 4;
  }
  return count;
}

/** One instruction with what must come before it; its address in the program is needed for RIP-relative operands. */
function instruction(form: TestedForm, random: Random, at: number): number[] {
  const { row, bits } = form;
  for (;;) {
    const { bytes, address } = encodeForm(form, random);
    // Most accesses of 16 bytes must be aligned.
    const target = (WINDOW + 128 + random.below(256)) & (row.operands.includes('xmm/m128') || random.below(2) ? ~15 : ~0);
    const before: number[] = [];
    if (/^(MOVS|STOS|LODS|CMPS|SCAS)B?$/.test(row.mnemonic) && row.operands.length === 0) {
      before.push(...moveTo(6, WINDOW + random.below(300), bits), ...moveTo(7, WINDOW + random.below(300), bits), ...moveTo(1, random.below(6), bits));
      if (random.below(2)) before.push(random.pick([0xf3, 0xf2]));
    }
    if (row.mnemonic === 'XLATB') before.push(...moveTo(3, target - 128, bits));
    if (/^MASKMOV/.test(row.mnemonic)) before.push(...moveTo(7, target, bits));
    if (address) {
      const fixed = bytes.length - 4 - immediateBytes(form);
      if (address.base === undefined) {
        const value = address.ripRelative ? target - (at + before.length + bytes.length) : target;
        bytes.splice(fixed, 4, ...bytes32(value));
      } else {
        let rest = target - address.displacement;
        if (address.index !== undefined) {
          const index = random.below(0x2000) - 0x1000;
          before.push(...moveTo(address.index, index, bits));
          rest -= index << address.scale;
        }
        before.push(...moveTo(address.base, rest, bits));
      }
    }
    const decoded = decoder.decode(Uint8Array.from(bytes), 0, bytes.length, bits === 64 ? MODE_CODE_64 : MODE_CODE_32);
    // The stack pointer stays where it is.
    if (typeof decoded !== 'string' && decoded.a !== 32 && decoded.b !== 32) return [...before, ...bytes];
  }
}

/** What kernels are full of: CLI, STI, PUSHF and POPF, RDTSC, CLTS, IN, OUT; SWAPGS in 64-bit code. */
const SYSTEM_CODE: readonly (readonly number[])[] = [[0xfa], [0xfb], [0x9c, 0x9d], [0x9c, 0xfa, 0x9d], [0x0f, 0x31], [0x0f, 0x06], [0xec], [0xee], [0x0f, 0x01, 0xf8]];

/**
 * A program of a few blocks that branch to each other, mostly after compares, and call each other; for CPL 0 with system instructions
 * too. It never ends by itself.
 */
export function randomProgram(bits: 32 | 64, random: Random, cpl: 0 | 3, blocks = 2 + random.below(8), longest = 7): RandomProgram {
  const [any, plain, compares] = pools[bits];
  // Half of them lie across a page boundary.
  const start = CODE + (random.below(2) ? 0xfff - random.below(blocks * 30) : random.below(0x800));
  const bodies: { code: number[]; branch: number[]; target: number }[] = [];
  let at = start;
  for (let block = 0; block < blocks; block++) {
    const code: number[] = [];
    const emit = (form: TestedForm): void => {
      code.push(...instruction(form, random, at + code.length));
    };
    for (let count = random.below(longest); count > 0; count--) {
      if (cpl === 0 && random.below(3) === 0) code.push(...random.pick(bits === 64 ? SYSTEM_CODE : SYSTEM_CODE.slice(0, -1)));
      emit(random.pick(random.below(2) ? plain : any));
    }
    // Comparisons that often find equality, or any.
    const value = random.below(3) - 1;
    if (random.below(2)) code.push(...moveTo(3, value, bits), ...(bits === 64 && random.below(2) ? [0x48] : []), 0x83, 0xfb, (value + random.below(3) - 1) & 0xff);
    else if (random.below(3)) emit(random.pick(compares));
    const kind = random.below(13);
    const condition = random.below(4) ? random.pick([2, 3, 4, 5, 6, 7, 12, 13, 14, 15]) : random.below(16);
    const branch = kind === 0 ? [] : kind === 1 ? [0xe9] : kind === 2 ? [0xe2] : kind === 10 || kind === 11 ? [0xe8] : kind === 12 ? [0xc3] : kind < 6 ? [0x70 + condition] : [0x0f, 0x80 + condition];
    bodies.push({ code, branch, target: random.below(blocks) });
    // Long branches are laid out first; a short one that reaches is as long all the same, by NOPs.
    at += code.length + (branch.length ? 6 : 0);
  }
  const starts: number[] = [];
  let position = start;
  for (const { code, branch } of bodies) {
    starts.push(position);
    position += code.length + (branch.length ? 6 : 0);
  }
  const bytes: number[] = [];
  bodies.forEach(({ code, branch, target }, block) => {
    bytes.push(...code);
    const [opcode] = branch;
    if (opcode === undefined) return;
    const from = (starts[block] as number) + code.length;
    const to = starts[target] as number;
    if (opcode === 0xc3) bytes.push(opcode, 0x90, 0x90, 0x90, 0x90, 0x90);
    else if (opcode !== 0x0f && opcode !== 0xe9 && opcode !== 0xe8) {
      const distance = to - from - 2;
      if (distance >= -128 && distance <= 127) bytes.push(opcode, distance & 0xff, 0x90, 0x90, 0x90, 0x90);
      else bytes.push(0x0f, 0x80 + (opcode & 15), ...bytes32(to - from - 6));
    } else if (opcode !== 0x0f) bytes.push(opcode, ...bytes32(to - from - 5), 0x90);
    else bytes.push(...branch, ...bytes32(to - from - 6));
  });
  // Falling off the end leads back to the beginning.
  bytes.push(0xe9, ...bytes32(start - (start + bytes.length) - 5));
  return { bits, start, bytes: Uint8Array.from(bytes) };
}

/** The program as text, for messages. */
export function listing({ bits, start, bytes }: RandomProgram): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const { text, length } = disassemble(decoder, bytes, at, BigInt(start + at), bits === 64 ? MODE_CODE_64 : MODE_CODE_32);
    lines.push(`${(start + at).toString(16)}: ${Buffer.from(bytes.subarray(at, at + length)).toString('hex').padEnd(24)} ${text}`);
    at += length;
  }
  return lines.join('\n');
}
