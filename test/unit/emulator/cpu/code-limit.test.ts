import { beforeEach, describe, expect, it } from 'vitest';
import { CPU_BLOCKS, GUEST_RAM } from '../../../../src/emulator/cpu/memory-layout.ts';
import { CS, SEGMENT_BASE, SEGMENT_LIMIT } from '../../../../src/emulator/cpu/state-layout.ts';
import { CpuRig, type RigMode } from '../../../support/cpu-rig.ts';

const LONG: RigMode = { bits: 64, cpl: 0 };
const FLAT: RigMode = { bits: 32, cpl: 0 };
const REAL: RigMode = { bits: 16 };
const NOP = 0x90;
const HLT = 0xf4;
const INC_EAX = [0xff, 0xc0];

let rig: CpuRig;
let interpreted: CpuRig | undefined;
let translated: CpuRig | undefined;

/** Code at `physical` in a segment with that base and limit, entered at its offset `at`. */
function start(mode: RigMode, { base = 0, limit, at, code }: { base?: number; limit: number; at: number; code: readonly number[] }): void {
  rig.start(mode, at);
  rig.setState64(CS + SEGMENT_BASE, BigInt(base));
  rig.view.setUint32(CPU_BLOCKS + CS + SEGMENT_LIMIT, limit, true);
  rig.load(base + at, code);
  rig.follow();
}
/** The exception that the code ends in, with its error code and the offset at which it was raised, as 32-bit handlers find them. */
function outcome(): { readonly vector: number | undefined; readonly error: number; readonly at: number } {
  expect(rig.run(1000)).toBe('halted');
  const stack = Number(rig.register(4));
  return { vector: rig.handled, error: rig.read32(stack), at: rig.read32(stack + 4) };
}
const generalProtection = (at: number): ReturnType<typeof outcome> => ({ vector: 13, error: 0, at });

describe.each([false, true])('the limit of the code segment, translator %s', (translator) => {
  beforeEach(() => {
    rig = translator ? (translated ??= new CpuRig({ translateAfter: 1 })) : (interpreted ??= new CpuRig());
  });

  // ADD EAX, imm32 of 5 bytes whose last byte is at, before or behind the limit.
  it.each([[0x104, undefined], [0x103, 0x100], [0x100, 0x100], [0xff, 0x100]])('an instruction of five bytes at 100h with the limit at %i', (limit, at) => {
    start(FLAT, { base: 0x20000, limit, at: 0xff, code: [NOP, 0x05, 1, 0, 0, 0, HLT] });
    expect(outcome()).toEqual(generalProtection(at ?? 0x105));
    expect(rig.register(0)).toBe(at === undefined ? 1n : 0n);
  });

  it('holds for the last byte of a prefix, an opcode, an address and an immediate', () => {
    for (const code of [[0x66, NOP], [0x0f, 0xc8], [0x8b, 0x05, 0, 0, 0, 0], [0x81, 0x45, 0, 1, 2, 3, 4]]) {
      start(FLAT, { base: 0x20000, limit: 0x200 + code.length - 2, at: 0x200, code });
      expect(outcome(), code.join()).toEqual(generalProtection(0x200));
    }
  });

  it('comes before the bytes beyond it: #UD needs what is within, a missing page is not touched', () => {
    // 0F | FF; then an instruction across into a page that is not there.
    start(FLAT, { base: 0x20000, limit: 0x300, at: 0x300, code: [0x0f, 0xff] });
    expect(outcome()).toEqual(generalProtection(0x300));
    start(FLAT, { base: 0x20000, limit: 0xfff, at: 0xffd, code: [0x05, 1, 0, 0, 0, HLT] });
    rig.mapPage(0x21000, undefined, FLAT);
    expect(outcome()).toEqual(generalProtection(0xffd));
    start(FLAT, { base: 0x20000, limit: 0x1000, at: 0xffd, code: [0x05, 1, 0, 0, 0, HLT] });
    rig.mapPage(0x21000, undefined, FLAT);
    expect(outcome()).toMatchObject({ vector: 14, at: 0xffd });
    start(FLAT, { base: 0x20000, limit: 0x300, at: 0x2ff, code: [0x0f, 0xff] });
    expect(outcome()).toMatchObject({ vector: 6 });
  });

  it('follows the segment, whatever was executed of the page before', () => {
    // A loop of two blocks: INC EAX; JMP +1; NOP; DEC ECX; JNZ back; HLT
    const code = [...INC_EAX, 0xeb, 0x01, NOP, 0xff, 0xc9, 0x75, 0xf7, HLT];
    for (const limit of [0x1fff, 0x409, 0x1fff, 0x405, 0x403, 0x409]) {
      start(FLAT, { base: 0x20000, limit, at: 0x400, code });
      rig.setRegister(1, 5);
      if (limit >= 0x409) {
        expect(rig.run(1000)).toBe('halted');
        expect([rig.rip, rig.register(0)]).toEqual([0x40an, 5n]);
      } else expect(outcome()).toEqual(generalProtection(limit === 0x403 ? 0x402 : 0x405));
    }
  });

  it('is no limit before a base that is not at a page: addresses below it are 4 GiB away', () => {
    // JMP to 100h before the base, which is in the same page.
    const code = [0xe9, 0xeb, 0xfe, 0xff, 0xff];
    rig.load(0x20700, [HLT]);
    start(FLAT, { base: 0x20800, limit: 0xffff, at: 0x10, code });
    expect(outcome()).toEqual(generalProtection(0x10));
    start(FLAT, { base: 0x20800, limit: 0xffff_ffff, at: 0x10, code });
    expect(rig.run(10)).toBe('halted');
    expect(rig.rip).toBe(0xffff_ff01n);
  });

  it('stops a branch before it changes anything', () => {
    const far = [0x00, 0x20, 0x00, 0x00];
    const cases: readonly (readonly number[])[] = [
      [0xe9, ...far], [0xe8, ...far], [0x74, 0x7f], [0x0f, 0x84, ...far], [0xff, 0xe3], [0xff, 0xd3], [0xe2, 0x7f], [0xe1, 0x7f],
      // JMP and CALL [ESI]
      [0xff, 0x26], [0xff, 0x16],
    ];
    for (const code of cases) {
      start(FLAT, { base: 0x20000, limit: 0x157f, at: 0x1500, code });
      rig.load(0x28000, [0, 0x30, 0, 0]);
      rig.flags = 0x42;
      rig.setRegister(3, 0x3000);
      rig.setRegister(1, 7);
      rig.setRegister(6, 0x28000);
      rig.load(0x17ffc, [1, 2, 3, 4]);
      expect(outcome(), code.map((byte) => byte.toString(16)).join(' ')).toEqual(generalProtection(0x1500));
      expect(rig.register(1)).toBe(7n);
      // Error code, EIP, CS and EFLAGS, and nothing else.
      expect(rig.register(4)).toBe(0x18000n - 16n);
    }
  });

  it('leaves branches alone that are not taken', () => {
    for (const code of [[0x75, 0x7f, HLT], [0xe2, 0x7f, HLT]]) {
      start(FLAT, { base: 0x20000, limit: 0x157f, at: 0x1500, code });
      rig.flags = 0x42;
      rig.setRegister(1, 1);
      expect(rig.run(10)).toBe('halted');
      expect(rig.rip).toBe(0x1503n);
    }
  });

  it('stops RET with its operand still on the stack', () => {
    for (const code of [[0xc3], [0xc2, 8, 0]]) {
      start(FLAT, { base: 0x20000, limit: 0x157f, at: 0x1500, code });
      rig.load(0x18000, [0, 0x30, 0, 0]);
      expect(outcome()).toEqual(generalProtection(0x1500));
      expect(rig.register(4)).toBe(0x18000n - 16n);
    }
  });

  it('is 64 KiB in real mode: an instruction may end there and not go beyond', () => {
    // The error code of real mode is none: FLAGS, CS and IP, two bytes each.
    start(REAL, { base: 0x20010, limit: 0xffff, at: 0xfffe, code: [...INC_EAX] });
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(13);
    expect(rig.register(0)).toBe(1n);
    start(REAL, { base: 0x20010, limit: 0xffff, at: 0xffff, code: [...INC_EAX] });
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(13);
    expect(rig.register(0)).toBe(0n);
    expect(rig.view.getUint16(GUEST_RAM + Number(rig.register(4)), true)).toBe(0xffff);
  });

  it('lets a 16-bit branch wrap, and a 32-bit one in 16-bit code not', () => {
    start(REAL, { base: 0x20000, limit: 0xffff, at: 0xfff0, code: [0xeb, 0x20] });
    rig.load(0x20012, [HLT]);
    expect(rig.run(10)).toBe('halted');
    expect(rig.rip).toBe(0x13n);
    start(REAL, { base: 0x20000, limit: 0xffff, at: 0xfff0, code: [0x66, 0xe9, 0x1a, 0, 0, 0] });
    expect(rig.run(10)).toBe('halted');
    expect(rig.handled).toBe(13);
    expect(rig.view.getUint16(GUEST_RAM + Number(rig.register(4)), true)).toBe(0xfff0);
  });
});

describe.each([false, true])('canonical addresses, translator %s', (translator) => {
  beforeEach(() => {
    rig = translator ? (translated ??= new CpuRig({ translateAfter: 1 })) : (interpreted ??= new CpuRig());
  });

  it.each([['JMP RBX', [0xff, 0xe3]], ['CALL RBX', [0xff, 0xd3]], ['JMP [RSI]', [0xff, 0x26]], ['CALL [RSI]', [0xff, 0x16]], ['PUSH RBX, RET', [0x53, 0xc3]]])('%s to none is #GP(0) of the branch', (_name, code) => {
    // Every high half that isn't the address' own, over code that can be found by the low one.
    for (const target of [0x1_0000_0001_0000n, 0x8000_0000_0000n, 0x8000_0000_0001_0000n]) {
      rig.start(LONG, 0x20000);
      rig.load(0x20000, [0xff, 0xc9, 0x75, 0xfc, ...code]);
      rig.load(0x10000, [0x0f, 0x0b]);
      rig.setRegister(1, 50);
      rig.setRegister(3, target);
      rig.setRegister(6, 0x28000);
      rig.set64(0x28000, target);
      expect(rig.run(1000)).toBe('halted');
      expect(rig.handled).toBe(13);
      const stack = Number(rig.register(4));
      expect([rig.read32(stack), rig.read32(stack + 8)]).toEqual([0, 0x20004 + code.length - (code.length === 2 && code[1] === 0xc3 ? 1 : code.length)]);
    }
  });
});
