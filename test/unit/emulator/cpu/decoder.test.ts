import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Decoder, LONGEST_INSTRUCTION } from '../../../../src/emulator/cpu/decoder.ts';
import { parseEncoding } from '../../../../src/emulator/cpu/opcode-map.ts';
import { hasMemoryForm, hasRegisterForm } from '../../../../src/emulator/cpu/operands.ts';
import { disassemble } from '../../../../src/emulator/cpu/disassembler.ts';
import { FormTable, PSEUDO_HANDLERS } from '../../../../src/emulator/cpu/interpreter/forms.ts';
import type { InstructionRow } from '../../../../src/emulator/cpu/isa/row.ts';
import { instructionTable } from '../../../../src/emulator/cpu/isa/table.ts';
import { MODE_CODE_16, MODE_CODE_32, MODE_CODE_64, MODE_FLAT } from '../../../../src/emulator/cpu/state-layout.ts';
import { encodeForm, type TestedForm } from '../../../isa/encode-form.ts';
import { Random } from '../../../isa/random.ts';
import { isInstalled } from '../../../support/installed-program.ts';

const decoder = new Decoder(instructionTable);
const MODES = { 16: MODE_CODE_16, 32: MODE_CODE_32, 64: MODE_CODE_64 } as const;
type Bits = keyof typeof MODES;
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(hex.split(' '), (byte) => Number.parseInt(byte, 16));

describe('disassembly', () => {
  it.each<readonly [Bits, string, string]>([
    [64, '01 c8', 'add eax, ecx'],
    [64, '48 01 c8', 'add rax, rcx'],
    [64, '66 01 c8', 'add ax, cx'],
    [64, '4d 01 c8', 'add r8, r9'],
    [64, '00 e0', 'add al, ah'],
    [64, '40 00 e0', 'add al, spl'],
    [64, '48 8b 05 10 00 00 00', 'mov rax, qword [rip+0x10]'],
    [32, '8b 05 10 00 00 00', 'mov eax, dword [0x10]'],
    [64, '8b 04 25 10 00 00 00', 'mov eax, dword [0x10]'],
    [64, '42 8b 44 a5 f0', 'mov eax, dword [rbp+r12*4-0x10]'],
    [64, '41 8b 04 24', 'mov eax, dword [r12]'],
    [64, '41 8b 45 00', 'mov eax, dword [r13]'],
    [64, '67 8b 04 24', 'mov eax, dword [esp]'],
    [64, '64 8b 00', 'mov eax, dword fs:[rax]'],
    [64, '2e 8b 00', 'mov eax, dword [rax]'],
    [64, '2e 64 8b 00', 'mov eax, dword fs:[rax]'],
    [16, '8b 00', 'mov ax, word [bx+si]'],
    [16, '8b 46 fe', 'mov ax, word [bp-0x2]'],
    [16, '3e 8b 46 fe', 'mov ax, word ds:[bp-0x2]'],
    [16, '8b 06 34 12', 'mov ax, word [0x1234]'],
    [16, '66 8b 06 34 12', 'mov eax, dword [0x1234]'],
    [16, '67 8b 04 24', 'mov ax, word [esp]'],
    [32, '66 67 8b 00', 'mov ax, word [bx+si]'],
    [32, '40', 'inc eax'],
    [64, '40 90', 'nop'],
    [64, '41 90', 'xchg r8d, eax'],
    [64, 'f3 90', 'pause'],
    [64, 'f3 48 a5', 'rep movsq'],
    [32, 'f2 ae', 'repne scasb'],
    [64, 'f0 0f b1 0b', 'lock cmpxchg dword [rbx], ecx'],
    [64, '48 b8 88 77 66 55 44 33 22 11', 'mov rax, 0x1122334455667788'],
    [64, '48 c7 c0 ff ff ff ff', 'mov rax, -0x1'],
    [64, '6a ff', 'push -0x1'],
    [64, '50', 'push rax'],
    [64, '66 50', 'push ax'],
    [64, 'eb fe', 'jmp 0x1000'],
    [64, '0f 84 00 01 00 00', 'je 0x1106'],
    [16, 'e8 fd ff', 'call 0x1000'],
    [32, 'ea 78 56 34 12 08 00', 'jmp 0x8:0x12345678'],
    [64, '0f 20 d8', 'mov rax, cr3'],
    [32, 'f0 0f 20 c0', 'mov eax, cr8'],
    [64, '44 0f 20 c0', 'mov rax, cr8'],
    [64, '66 0f 6f c1', 'movdqa xmm0, xmm1'],
    [64, '66 44 0f 6f 0b', 'movdqa xmm9, xmmword [rbx]'],
    [64, '0f 6f c1', 'movq mm0, mm1'],
    [64, 'd8 c1', 'fadd st(1)'],
    [64, 'a1 88 77 66 55 44 33 22 11', 'mov eax, [0x1122334455667788]'],
    [64, '06', '(bad)'],
    [64, '0f ff', '(bad)'],
    // LOCK wants a destination in memory that can be locked.
    [64, 'f0 01 c8', '(bad)'],
    [64, 'f0 8b 00', '(bad)'],
    // REX counts only right before the opcode.
    [64, '48 66 01 c8', 'add ax, cx'],
  ])('in %s-bit code, %s is %s', (bits, hex, text) => {
    const found = disassemble(decoder, bytesOf(hex), 0, 0x1000n, MODES[bits]);
    expect(found.text).toBe(text);
    if (text !== '(bad)') expect(found.length).toBe(bytesOf(hex).length);
  });
});

/** Forms of a row that its own encoding can select, in a code size. */
function formsOf(row: InstructionRow, bits: 32 | 64): TestedForm[] {
  if (row.modes === (bits === 64 ? 'no64' : 'only64')) return [];
  return row.widths.flatMap((width): TestedForm[] => {
    const several = row.widths.length > 1;
    if (bits === 32 && (width === 64 && (several || row.encoding.includes('REX.W')))) return [];
    if (several && bits === 64 && row.in64 === 'f64' && width !== 64) return [];
    if (several && bits === 64 && row.in64 === 'd64' && width === 32) return [];
    // Without a prefix that selects it, a width is out of reach.
    if (several && width === 16 && bits === 64 && !row.widths.includes(32)) return [];
    const found: TestedForm[] = [];
    const forced = row.operands.some((o) => o === 'CR' || o === 'DR');
    if (hasRegisterForm(row.operands) || forced || !hasMemoryForm(row.operands)) found.push({ row, width, memory: false, bits });
    if (hasMemoryForm(row.operands)) found.push({ row, width, memory: true, bits });
    return found;
  });
}

function adjust(form: TestedForm, bytes: number[]): number[] {
  const { row } = form;
  // Fields that not every number fits: make them one that does.
  const at = bytes.length - 1;
  if (row.operands.some((o) => o === 'CR' || o === 'DR' || o === 'Sreg')) {
    const modrm = form.memory ? bytes.findIndex((byte, index) => byte === Number.parseInt(row.encoding.slice(0, 2), 16) && index < 3) + 1 : at;
    bytes[modrm] = ((bytes[modrm] as number) & 0xc7) | (row.operands.includes('DR') ? 0x30 : 0x18);
    for (let i = 0; i < 2; i++) if (form.bits === 64 && ((bytes[i] as number) & 0xf4) === 0x44) bytes[i] = (bytes[i] as number) & ~4;
  }
  return bytes;
}

describe('the instruction table', () => {
  it('gives every row back from its own encoding: none is hidden by another', () => {
    const problems: string[] = [];
    for (const row of instructionTable) {
      let forms = 0;
      for (const bits of [32, 64] as const) {
        for (const form of formsOf(row, bits)) {
          forms++;
          for (let seed = 0; seed < 4; seed++) {
            let bytes: number[];
            try {
              bytes = adjust(form, encodeForm(form, new Random(seed)).bytes);
            } catch (error) {
              problems.push(`${row.mnemonic} ${row.encoding}: ${String(error)}`);
              continue;
            }
            if (row.operands.includes('ptr')) bytes.push(...new Array<number>(form.width === 16 ? 4 : 6).fill(1));
            const decoded = decoder.decode(Uint8Array.from(bytes), 0, bytes.length, MODES[bits]);
            const what = `${row.mnemonic} ${row.operands.join(', ')} (${row.encoding}) width ${form.width} ${form.memory ? 'memory' : 'register'} in ${bits}-bit code: ${Buffer.from(bytes).toString('hex')}`;
            if (typeof decoded === 'string') problems.push(`${what}: ${decoded}`);
            // XCHG EAX, EAX is NOP.
            else if (row.encoding === '90+r' && decoded.row.encoding === '90') continue;
            else if (decoded.row !== row) problems.push(`${what} is ${decoded.row.mnemonic} ${decoded.row.encoding}`);
            else if (decoded.width !== form.width) problems.push(`${what} has width ${decoded.width}`);
            else if (decoded.length !== bytes.length) problems.push(`${what} has length ${decoded.length}`);
          }
        }
      }
      if (forms === 0) problems.push(`${row.mnemonic} ${row.encoding} can't be reached in any mode`);
    }
    if (problems.length > 0) expect.fail(problems.slice(0, 40).join('\n'));
  });

  it('has no two rows with the same encoding where both exist', () => {
    const seen = new Map<string, InstructionRow>();
    for (const row of instructionTable) {
      for (const long of row.modes === 'no64' ? [false] : row.modes === 'only64' ? [true] : [false, true]) {
        const shape = row.operands.some((o) => /^(r\/m|xmm\/m|mm\/m)/.test(o)) ? '' : hasMemoryForm(row.operands) ? 'm' : hasRegisterForm(row.operands) ? 'r' : '';
        const key = `${row.encoding} ${shape} ${long}`;
        const other = seen.get(key);
        expect(other && `${other.mnemonic} and ${row.mnemonic}: ${key}`).toBeUndefined();
        seen.set(key, row);
      }
    }
  });

  it('has a handler for every form the decoder can make of random bytes', () => {
    const forms = new FormTable(instructionTable);
    const random = new Random(5);
    for (let n = 0; n < 60_000; n++) {
      const bytes = random.bytes(16);
      if (n & 1) bytes[0] = 0x0f;
      const mode = random.pick([MODE_CODE_16, MODE_CODE_32, MODE_CODE_64, MODE_CODE_32 | MODE_FLAT | 4, MODE_CODE_16 | MODE_FLAT]);
      const decoded = decoder.decode(bytes, 0, 16, mode);
      if (typeof decoded === 'string') continue;
      try {
        forms.handler(decoded.row, decoded.width, decoded.kind);
      } catch (error) {
        expect.fail(`${Buffer.from(bytes).toString('hex')}: ${String(error)}`);
      }
    }
  });

  it('numbers forms the same way each time, above the handlers that are no instruction', () => {
    const [one, two] = [new FormTable(instructionTable), new FormTable(instructionTable)];
    expect(one.forms.map((form) => form.handler)).toEqual(two.forms.map((form) => form.handler));
    expect(one.forms[0]?.handler).toBe(PSEUDO_HANDLERS.length);
    // Records hold the number in 16 bits.
    expect(one.forms.at(-1)?.handler).toBeLessThan(0x10000);
  });

  it('has encodings that can be taken apart', () => {
    for (const row of instructionTable) expect(() => parseEncoding(row), row.encoding).not.toThrow();
  });
});

describe('instructions that end early or late', () => {
  it('are incomplete at every length short of their own, and nothing else', () => {
    const random = new Random(9);
    let tested = 0;
    for (let n = 0; n < 20_000; n++) {
      const bytes = random.bytes(16);
      const mode = random.pick([MODE_CODE_16, MODE_CODE_32, MODE_CODE_64]);
      const whole = decoder.decode(bytes, 0, 16, mode);
      if (typeof whole === 'string') continue;
      const { length } = whole;
      tested++;
      for (let end = 0; end < length; end++) {
        if (decoder.decode(bytes, 0, end, mode) !== 'incomplete') expect.fail(`${Buffer.from(bytes.subarray(0, length)).toString('hex')} cut to ${end}`);
      }
      // What lies behind it does not matter.
      const exact = decoder.decode(bytes, 0, length, mode);
      if (typeof exact === 'string' || exact.length !== length) expect.fail(Buffer.from(bytes.subarray(0, length)).toString('hex'));
    }
    expect(tested).toBeGreaterThan(5000);
  });

  it('may be 15 bytes long, and not 16', () => {
    const prefixed = (prefixes: number, rest: readonly number[]): Uint8Array => Uint8Array.from([...new Array<number>(prefixes).fill(0x2e), ...rest, 0, 0, 0, 0]);
    const decoded = decoder.decode(prefixed(14, [0x90]), 0, 30, MODE_CODE_64);
    expect(typeof decoded === 'string' ? decoded : decoded.length).toBe(LONGEST_INSTRUCTION);
    for (const [prefixes, rest] of [[15, [0x90]], [13, [0x0f, 0x1f, 0x00]], [12, [0xc7, 0x00, 1, 2, 3, 4]], [11, [0x8b, 0x84, 0x24, 0, 0, 0, 0]], [14, [0x01, 0xc8]]] as const) {
      expect(decoder.decode(prefixed(prefixes, rest), 0, 30, MODE_CODE_64), `${prefixes} ${rest.join()}`).toBe('too-long');
      // Also where the page ends behind byte 15.
      expect(decoder.decode(prefixed(prefixes, rest), 0, 15, MODE_CODE_64), `${prefixes} ${rest.join()}, 15 bytes`).toBe('too-long');
    }
  });
});

/** objdump's view of each of many 16-byte cells: [length, text]; it starts anew in each since they are symbols. */
function objdump(cells: readonly Uint8Array[], bits: Bits): { length: number; text: string }[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'objdump-'));
  try {
    const file = path.join(folder, 'code');
    const gap = 32;
    const whole = Buffer.alloc(cells.length * gap, 0x90);
    cells.forEach((cell, index) => whole.set(cell, index * gap));
    writeFileSync(file, whole);
    const machine = { 16: 'i8086', 32: 'i386', 64: 'i386:x86-64' }[bits];
    const result: { length: number; text: string }[] = [];
    const text = execFileSync('objdump', ['-D', '-b', 'binary', '-m', machine, '-M', 'intel', '--insn-width=16', '-z', file], { encoding: 'utf8', maxBuffer: 1 << 28 });
    // A cell's first instruction is found where a line begins at its address; garbage before it may have swallowed that.
    for (const line of text.split('\n')) {
      const match = /^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(.*)$/.exec(line);
      if (!match) continue;
      const [, address = '', hex = '', what = ''] = match;
      const at = Number.parseInt(address, 16);
      if (at % gap === 0) result[at / gap] = { length: hex.split(' ').length, text: what.trim() };
    }
    return result;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const CELLS = Number(process.env['GUESTHOUSE_OBJDUMP_CELLS'] ?? 12_000);
describe.skipIf(!isInstalled('objdump', '--version'))(`lengths of ${CELLS} random instructions are those of binutils' objdump`, () => {
  it.each([16, 32, 64] as const)('in %s-bit code', (bits) => {
    const random = new Random(bits);
    const cells = Array.from({ length: CELLS }, (_, n) => {
      const cell = random.bytes(16);
      if (n % 3 === 0) cell[0] = 0x0f;
      if (n % 9 === 1) cell[0] = random.pick([0x66, 0x67, 0xf3, 0xf2, 0x48, 0x41]);
      if (n % 18 === 1) cell[1] = 0x0f;
      return cell;
    });
    const theirs = objdump(cells, bits);
    const differences: string[] = [];
    let compared = 0;
    cells.forEach((cell, index) => {
      const other = theirs[index];
      const own = decoder.decode(cell, 0, 16, MODES[bits]);
      // It joins FWAIT with the instruction behind it.
      if (typeof own === 'string' || own.row.mnemonic === 'FWAIT' || !other || /\(bad\)|^(data16|addr32|rex|lock|repz?|repnz|[c-gs]s) *$/.test(other.text)) return;
      // objdump takes prefixes that it can't place for instructions of their own.
      if (/(^| )(rex|data16|addr|lock|rep|cs|ds|es|fs|gs|ss)[.A-Za-z0-9]*$/.test(other.text)) return;
      // Near branches in 64-bit code ignore 66 as Intel's processors do; it reads them as AMD's.
      if (bits === 64 && own.row.in64 === 'f64' && cell.subarray(0, own.length).includes(0x66)) return;
      compared++;
      if (own.length !== other.length) differences.push(`${Buffer.from(cell.subarray(0, Math.max(own.length, other.length))).toString('hex')}: ${own.length} ${own.row.mnemonic} / ${other.length} ${other.text}`);
    });
    expect(compared).toBeGreaterThan(CELLS / 3);
    if (differences.length > 0) expect.fail(`ours / objdump:\n${differences.slice(0, 40).join('\n')}`);
  });
});
