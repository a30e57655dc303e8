/**
 * As `protected-image.ts`, in long mode: the ROM runs pieces of 64-bit and 32-bit code at CPL 0 and 3 under 4-level paging and
 * prints, for each, the exception it ended in. All of it is mapped twice: the first 2 MiB are the user's, and again at ALIAS the
 * supervisor's, from where CPL 0 works.
 */
import { dword, gate, hex, segment, WITH_ERROR_CODE } from './machine-code.ts';

export const LONG_COLUMNS = ['rax', 'vector', 'error', 'rip', 'cs', 'rflags', 'rsp', 'ss', 'cr2'] as const;

/** The supervisor's view of the first 2 MiB. */
export const ALIAS = 0x20_0000;

/** Linear addresses that pieces try; the rest of the first 2 MiB is present, writable and the user's. */
export const LONG_PAGE = {
  plain: 0x3_0000, absent: 0x3_1000, readOnly: 0x3_2000, supervisor: 0x3_3000, supervisorReadOnly: 0x3_4000, noExecute: 0x3_5000, reserved: 0x3_6000,
  absentTable: 0x40_0000, largeReserved: 0x60_0000, absentDirectory: 0x4000_0000,
} as const;

export const LONG_SELECTOR = {
  code: 0x08, data: 0x10, userCode32: 0x1b, userData: 0x23, userCode: 0x2b, code32: 0x30, task: 0x38, absentData: 0x48, absentCode: 0x50, callGate: 0x5b,
  absentGate: 0x6b, short: 0x7b, conforming: 0x80, both: 0x88, gateTo32: 0x93, localTable: 0xa0, beyond: 0x200,
} as const;

/** Which code runs it: 64-bit at CPL 0 unless said otherwise; 32-bit code is compatibility mode. */
export interface LongPiece { readonly name: string; readonly code: readonly number[]; readonly bits?: 32; readonly user?: boolean; readonly flags?: number }

const IMAGE_BYTES = 0x10000;
const IMAGE_BASE = 0x10000;
const OFFSET = {
  copied: 0x40, gdtPointer: 0x60, gdtPointer64: 0x70, idtPointer: 0x80, compatible: 0x100, long: 0x180, gdt: 0x1000, task: 0x1800, idt: 0x2000, stubs: 0x3000, handler: 0x4000,
  print: 0x4100, target: 0x4200, roots: 0x8000, pointers: 0x9000, directory: 0xa000, table: 0xb000, pieces: 0xc000,
} as const;
const RESET_VECTOR = IMAGE_BYTES - 16;
const RECOVERY = ALIAS + 0x5000;
const STACK_TOP = ALIAS + 0x7000;
const USER_STACK_TOP = 0x6800;
const DOUBLE_FAULT_STACK = ALIAS + 0x6400;
const DEBUG_PORT = 0x402;
const EXIT_PORT = 0xf4;
const VECTORS = 0x82;
const USER_VECTORS = [3, 4, 0x80, 0x81];
const SUPERVISOR_BASE = ALIAS + IMAGE_BASE;
/** INT 80h, at the supervisor's address and the user's. */
export const TARGET = { supervisor: SUPERVISOR_BASE + OFFSET.target, user: IMAGE_BASE + OFFSET.target } as const;
/** Where the TSS keeps the stack pointer for CPL 0, and what it is. */
export const INNER_STACK = { field: SUPERVISOR_BASE + OFFSET.task + 4, pointer: STACK_TOP } as const;
const FLAT = 0xfffff;

/** A system descriptor or gate of 16 bytes whose upper half is 0. */
const wide = (bytes: readonly number[]): number[] => [...bytes, ...dword(0), ...dword(0)];
const GDT: readonly (readonly number[])[] = [
  [...dword(0), ...dword(0)],
  segment(0, FLAT, 0x9a, 0xa), segment(0, FLAT, 0x92, 0xc), segment(0, FLAT, 0xfa, 0xc), segment(0, FLAT, 0xf2, 0xc), segment(0, FLAT, 0xfa, 0xa), segment(0, FLAT, 0x9a, 0xc),
  wide(segment(SUPERVISOR_BASE + OFFSET.task, 0x67, 0x89, 0)),
  segment(0, FLAT, 0x72, 0xc), segment(0, FLAT, 0x1a, 0xa),
  wide(gate(LONG_SELECTOR.code, TARGET.supervisor, 0xec)), wide(gate(LONG_SELECTOR.code, TARGET.supervisor, 0x6c)),
  segment(LONG_PAGE.plain, 0xf, 0xf2, 4), segment(0, FLAT, 0x9e, 0xa), segment(0, FLAT, 0x9a, 0xe),
  wide(gate(LONG_SELECTOR.code32, TARGET.supervisor, 0xec)), wide(segment(LONG_PAGE.plain, 0xf, 0x82, 0)),
];

/** The TSS: the stack for CPL 0, and that of double faults (IST 1). */
function taskState(): number[] {
  const bytes = new Array<number>(104).fill(0);
  bytes.splice(4, 4, ...dword(STACK_TOP));
  bytes.splice(0x24, 4, ...dword(DOUBLE_FAULT_STACK));
  bytes.splice(0x66, 2, 104, 0);
  return bytes;
}

/** Prints RAX and a space; keeps nothing but RCX and RBP. */
const PRINT = [
  0x51, 0xb9, ...dword(16), 0xba, ...dword(DEBUG_PORT),
  // ROL RAX,4; its digit; LOOP
  ...hex('48 c1 c0 04 50 24 0f 04 30 3c 39 76 02 04 27 ee 58 e2 ed'),
  ...hex('b0 20 ee 59 c3'),
];

/** Prints RAX, the seven values above it and CR2, and goes on with the next piece. */
function handler(): number[] {
  const code: number[] = [];
  const add = (...bytes: readonly number[]): void => void code.push(...bytes);
  const print = (): void => add(0xe8, ...dword(OFFSET.print - (OFFSET.handler + code.length + 5)));
  // PUSH RAX; MOV RBP,RSP; MOV ECX,8
  add(...hex('50 48 89 e5'), 0xb9, ...dword(8));
  const loop = code.length;
  add(...hex('48 8b 45 00'));
  print();
  add(...hex('48 83 c5 08'));
  // LOOP counts from its end.
  add(0xe2, (loop - (code.length + 2)) & 0xff);
  add(...hex('0f 20 d0'));
  print();
  // A new line; CR2 cleared; JMP [RECOVERY]
  add(...hex('b0 0a ee 31 c0 0f 22 d0 ff 24 25'), ...dword(RECOVERY));
  return code;
}

/** The piece between what comes before and after it; `at` is where it is put, as the supervisor sees it. */
function pieceCode({ code, bits, user, flags = 2 }: LongPiece, at: number): number[] {
  const body = [...code, 0xcd, 0x81];
  const frame = (selector: number, stackSelector: number, stack: number): number[] => [
    0x6a, stackSelector, 0x68, ...dword(stack), 0x68, ...dword(flags), 0x6a, selector,
  ];
  const { code32, data, userCode, userCode32, userData } = LONG_SELECTOR;
  // Data segments; RSP, which isn't a multiple of 16; RAX 0
  const start = [0xb8, ...dword(userData), ...hex('8e d8 8e c0'), 0xbc, ...dword(STACK_TOP - 0x48), 0x31, 0xc0];
  const byReturn = user === true || bits === 32;
  const enter = !byReturn ? [0x68, ...dword(flags), 0x9d] : user ? frame(bits === 32 ? userCode32 : userCode, userData, USER_STACK_TOP) : frame(code32, data, STACK_TOP - 0x48);
  const recovery = (end: number): number[] => [0x48, 0xc7, 0x04, 0x25, ...dword(RECOVERY), ...dword(end)];
  // PUSH RIP; IRETQ
  const before = recovery(0).length + start.length + enter.length + (byReturn ? 7 : 0);
  const end = at + before + body.length;
  const bodyAt = at + before - (user ? ALIAS : 0);
  return [...recovery(end), ...start, ...enter, ...(byReturn ? [0x68, ...dword(bodyAt), 0x48, 0xcf] : []), ...body];
}

/** The image with all pieces. */
export function longImage(pieces: readonly LongPiece[]): Buffer {
  const image = Buffer.alloc(IMAGE_BYTES);
  const put = (offset: number, bytes: readonly number[]): void => void image.set(bytes, offset);
  const entry = (table: number, index: number, value: bigint): void => void image.writeBigUInt64LE(value, table + index * 8);
  // CLI; copy 64 KiB to 1000:0; go on there
  put(0, hex('fa b8 00 10 8e c0 31 f6 31 ff b9 00 80 fc f3 2e a5 ea 40 00 00 10'));
  // LGDT; CR0.PE; JMP to 32-bit code
  put(OFFSET.copied, [...hex('2e 66 0f 01 16 60 00 0f 20 c0 0c 01 0f 22 c0 66 ea'), ...dword(IMAGE_BASE + OFFSET.compatible), LONG_SELECTOR.code32, 0]);
  const gdt = GDT.flat();
  const limit = (bytes: number): number[] => [(bytes - 1) & 0xff, (bytes - 1) >> 8];
  put(OFFSET.gdtPointer, [...limit(gdt.length), ...dword(IMAGE_BASE + OFFSET.gdt)]);
  put(OFFSET.gdtPointer64, [...limit(gdt.length), ...dword(SUPERVISOR_BASE + OFFSET.gdt), ...dword(0)]);
  put(OFFSET.idtPointer, [...limit(VECTORS * 16), ...dword(SUPERVISOR_BASE + OFFSET.idt), ...dword(0)]);
  // Data segments; CR4.PAE; the tables; EFER.SCE LME NXE; CR0.PG WP NE PE; JMP to 64-bit code
  put(OFFSET.compatible, [
    ...hex('66 b8 10 00 8e d8 8e c0 8e d0 b8 20 00 00 00 0f 22 e0 b8'), ...dword(IMAGE_BASE + OFFSET.roots), ...hex('0f 22 d8 b9 80 00 00 c0 b8 01 09 00 00 31 d2 0f 30'),
    ...hex('b8 31 00 01 80 0f 22 c0 ea'), ...dword(SUPERVISOR_BASE + OFFSET.long), LONG_SELECTOR.code, 0,
  ]);
  // LGDT; LIDT; LTR; a stack; JMP to the pieces
  put(OFFSET.long, [
    ...hex('0f 01 14 25'), ...dword(SUPERVISOR_BASE + OFFSET.gdtPointer64), ...hex('0f 01 1c 25'), ...dword(SUPERVISOR_BASE + OFFSET.idtPointer),
    0xb8, ...dword(LONG_SELECTOR.task), ...hex('0f 00 d8'), 0xbc, ...dword(STACK_TOP), 0xb8, ...dword(SUPERVISOR_BASE + OFFSET.pieces), 0xff, 0xe0,
  ]);
  put(OFFSET.gdt, gdt);
  put(OFFSET.task, taskState());
  for (let vector = 0; vector < VECTORS; vector++) {
    const at = OFFSET.stubs + vector * 16;
    const stub = [...(WITH_ERROR_CODE.includes(vector) ? [] : [0x6a, 0]), 0x68, ...dword(vector)];
    put(at, [...stub, 0xe9, ...dword(OFFSET.handler - (at + stub.length + 5))]);
    const bytes = wide(gate(LONG_SELECTOR.code, SUPERVISOR_BASE + at, USER_VECTORS.includes(vector) ? 0xee : 0x8e));
    if (vector === 8) bytes[4] = 1;
    put(OFFSET.idt + vector * 16, bytes);
  }
  put(OFFSET.handler, handler());
  put(OFFSET.print, PRINT);
  put(OFFSET.target, [0xcd, 0x80]);
  entry(OFFSET.roots, 0, BigInt(IMAGE_BASE + OFFSET.pointers) | 7n);
  entry(OFFSET.pointers, 0, BigInt(IMAGE_BASE + OFFSET.directory) | 7n);
  entry(OFFSET.directory, 0, BigInt(IMAGE_BASE + OFFSET.table) | 7n);
  entry(OFFSET.directory, 1, 0x83n);
  entry(OFFSET.directory, 3, 0x2087n);
  const NO_EXECUTE = 1n << 63n;
  const special = new Map<number, bigint>([
    [LONG_PAGE.absent, 0n], [LONG_PAGE.readOnly, 5n], [LONG_PAGE.supervisor, 3n], [LONG_PAGE.supervisorReadOnly, 1n], [LONG_PAGE.noExecute, 7n | NO_EXECUTE], [LONG_PAGE.reserved, 7n | (1n << 51n)],
  ]);
  for (let page = 0; page < 512; page++) entry(OFFSET.table, page, BigInt(page << 12) | (special.get(page << 12) ?? 7n));
  const code: number[] = [];
  for (const piece of pieces) code.push(...pieceCode(piece, SUPERVISOR_BASE + OFFSET.pieces + code.length));
  // The end: OUT to the exit port; CLI; HLT
  code.push(0xb0, 0, 0xe6, EXIT_PORT, 0xfa, 0xf4, 0xeb, 0xfd);
  if (OFFSET.pieces + code.length > RESET_VECTOR) throw new Error(`the pieces are too long: ${code.length} bytes`);
  put(OFFSET.pieces, code);
  // JMP NEAR to the image's first byte
  put(RESET_VECTOR, [0xe9, ...dword(IMAGE_BYTES - (RESET_VECTOR + 3)).slice(0, 2)]);
  return image;
}
