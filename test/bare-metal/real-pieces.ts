import { hex } from './machine-code.ts';
import { GDT_POINTER, REAL_TARGET, word, type RealPiece } from './real-image.ts';

const SINGLE_STEP = 0x102;
const INTERRUPTS = 0x202;
const notInRealMode = (name: string, bytes: string): RealPiece => ({ name, code: hex(bytes) });
const push = (value: number): number[] => [0x68, ...word(value)];
/** FNINIT; PUSH 0; FLDCW [SP]; FLD1; FLDZ; FDIVP: a division by zero is pending. */
const DIVIDE_BY_ZERO = hex('db e3 6a 00 89 e5 d9 6e 00 d9 e8 d9 ee de f9');
/** OUT F0h,AL; EOI to both controllers */
const ANSWER_ERROR = hex('e6 f0 b0 20 e6 a0 e6 20');

export const REAL_PIECES: readonly RealPiece[] = [
  { name: 'INT 81h', code: [] },
  { name: 'DIV by zero', code: hex('31 c9 f7 f1') },
  { name: 'IDIV that overflows', code: hex('b8 00 80 99 b9 ff ff f7 f9') },
  { name: 'AAM 0', code: hex('d4 00') },
  { name: 'INT3', code: [0xcc] },
  { name: 'INTO with OF', code: [0xce], flags: 0x802 },
  { name: 'INTO without OF', code: [0xce] },
  { name: 'BOUND', code: [...push(6), ...push(8), ...hex('b8 05 00 89 e3 62 07')] },
  { name: 'UD2', code: hex('0f 0b') },
  { name: 'LOCK before a register', code: hex('f0 01 c0') },
  { name: 'MOV CS,AX', code: hex('8e c8') },
  { name: 'LEA of a register', code: hex('8d c0') },
  { name: 'TF', code: hex('90 90'), flags: SINGLE_STEP },
  { name: 'TF before MOV SS', code: hex('8e d0 90 90'), flags: SINGLE_STEP },
  { name: 'TF over INT', code: hex('cd 80'), flags: SINGLE_STEP },
  { name: '15 prefixes', code: [...new Array<number>(15).fill(0x66), 0x90] },
  notInRealMode('SLDT', '0f 00 c0'), notInRealMode('STR', '0f 00 c8'), notInRealMode('LLDT', '0f 00 d0'), notInRealMode('LTR', '0f 00 d8'), notInRealMode('VERR', '0f 00 e0'), notInRealMode('ARPL', '63 c8'),
  notInRealMode('LAR', '0f 02 c1'), notInRealMode('LSL', '0f 03 c1'), notInRealMode('SYSCALL', '0f 05'), notInRealMode('SYSENTER', '0f 34'), notInRealMode('SYSEXIT', '0f 35'), notInRealMode('RSM', '0f aa'),
  { name: 'SMSW', code: hex('0f 01 e0') },
  { name: 'MOV EAX,CR0', code: hex('0f 20 c0') },
  { name: 'PUSH SP', code: hex('54 66 31 c0 58') },
  { name: 'PUSHF', code: hex('9c 66 31 c0 58'), flags: 0x7fd5 & ~0x100 },
  { name: 'PUSHFD', code: hex('66 9c 66 58'), flags: 0x32d7 },
  { name: 'POPFD', code: hex('66 68 d5 0a 3f 00 66 9d 66 9c 66 58') },
  { name: 'PUSHA and POPA', code: hex('b8 34 12 60 31 c0 61') },
  { name: 'PUSH of a segment register', code: hex('0e 66 31 c0 58') },
  { name: 'ENTER and LEAVE', code: hex('c8 10 00 02 89 e8 c9') },
  { name: 'far jump', code: [0xea, ...word(REAL_TARGET), ...word(0xf000)] },
  { name: 'far jump to another paragraph', code: [0xea, ...word(REAL_TARGET - 0x100), ...word(0xf010)] },
  { name: 'far call', code: [0x9a, ...word(REAL_TARGET), ...word(0xf000)] },
  { name: 'far call with 32-bit operands', code: [0x66, 0x9a, ...word(REAL_TARGET), 0, 0, ...word(0xf000)] },
  { name: 'RETF', code: [...push(0xf000), ...push(REAL_TARGET), 0xcb] },
  { name: 'RETF imm16', code: [...push(0xf000), ...push(REAL_TARGET), 0xca, 8, 0] },
  { name: 'IRET', code: [...push(0x7ed7), ...push(0xf000), ...push(REAL_TARGET), 0xcf] },
  { name: 'IRETD', code: [...hex('66 68 d7 3c 24 00 66 68 00 f0 00 00 66 68'), ...word(REAL_TARGET), 0, 0, 0x66, 0xcf] },
  { name: 'near call and its return', code: hex('e8 01 00 90 58 66 0f b7 c0') },
  { name: 'PUSH with SP 0', code: hex('31 e4 50 89 e0') },
  { name: 'wrap of a branch', code: hex('b8 00 03 ff e0') },
  { name: 'LGDT, SGDT', code: [...hex('2e 0f 01 16'), ...word(GDT_POINTER), ...hex('83 ec 08 89 e3 0f 01 07 66 8b 47 02')] },
  { name: 'protected mode and back', code: hex('0f 20 c0 0c 01 0f 22 c0 24 fe 0f 22 c0') },
  { name: 'limits of protected mode kept', code: hex('0f 20 c0 0c 01 0f 22 c0 bb 08 00 8e e3 24 fe 0f 22 c0 31 db 8e e3 66 bb 00 00 1f 00 64 67 66 c7 03 78 56 34 12 64 67 66 8b 03') },
  { name: 'LIDT with a short table', code: [...push(0), ...push(0), ...push(0x1ff), ...hex('89 e3 0f 01 1f cd 80')] },
  { name: 'LIDT back', code: [...push(0), ...push(0), ...push(0x3ff), ...hex('89 e3 0f 01 1f')] },
  { name: 'WRMSR of reserved bits', code: hex('66 b9 80 00 00 c0 66 b8 00 00 00 00 66 ba 01 00 00 00 0f 30 31 c0') },
  { name: '#MF', code: [...hex('0f 20 c0 0c 20 0f 22 c0'), ...DIVIDE_BY_ZERO, 0x9b] },
  { name: '#MF cleared', code: hex('db e3 9b 0f 20 c0 24 df 0f 22 c0') },
];

/**
 * By the manual: limits (SDM 3B §20.1.4, table 20-1), of which TCG checks none, and x87 errors with CR0.NE = 0 (SDM 1 §8.7.2), over
 * which QEMU 7.2 aborts.
 */
export const REAL_MANUAL_PIECES: readonly (RealPiece & { readonly vector: number })[] = [
  { name: 'x87 error as IRQ 13', code: [...DIVIDE_BY_ZERO, ...hex('9b 90')], flags: INTERRUPTS, vector: 0x75 },
  { name: 'x87 error ignored', code: [...ANSWER_ERROR, ...hex('d9 e8 9b db e3')], flags: INTERRUPTS, vector: 0x81 },
  { name: 'x87 error as IRQ 13 once more', code: [...DIVIDE_BY_ZERO, ...hex('d9 e8 90')], flags: INTERRUPTS, vector: 0x75 },
  { name: 'x87 error cleared', code: [...ANSWER_ERROR, ...hex('db e2 9b')], flags: INTERRUPTS, vector: 0x81 },
  { name: 'x87 error masked by the controller', code: [...hex('b0 ff e6 a1'), ...DIVIDE_BY_ZERO, ...hex('db e2 9b b0 df e6 a1')], flags: INTERRUPTS, vector: 0x81 },
  { name: 'word at FFFFh', code: hex('bb ff ff 8b 07'), vector: 13 },
  { name: 'doubleword at FFFDh', code: hex('bb fd ff 66 8b 07'), vector: 13 },
  { name: 'word of the stack at FFFFh', code: hex('bd ff ff 8b 46 00'), vector: 12 },
  { name: 'POP with SP FFFFh', code: hex('bc ff ff 58'), vector: 12 },
  { name: 'address beyond 64 KiB', code: hex('66 bb 00 00 01 00 67 8a 03'), vector: 13 },
  { name: 'LODSW at FFFFh', code: hex('be ff ff ad'), vector: 13 },
  { name: 'jump beyond 64 KiB', code: hex('66 b8 00 00 01 00 66 ff e0'), vector: 13 },
];
