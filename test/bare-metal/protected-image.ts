/**
 * A 64 KiB ROM that runs short pieces of 32-bit code under paging and prints, for each, the exception it ended in. The image copies
 * itself to IMAGE_BASE, where everything lies at fixed places, and every piece ends in INT 81h if in nothing else: one line per piece.
 */
import { dword, gate, hex, segment, WITH_ERROR_CODE } from './machine-code.ts';

export const COLUMNS = ['eax', 'vector', 'error', 'eip', 'cs', 'eflags', 'esp', 'ss', 'cr2', 'dr6'] as const;

/** 32-bit paging, or PAE paging with EFER.NXE. */
export type Paging = 'legacy' | 'pae';

/**
 * Where the pages lie that pieces try; all others below 4 MiB (of PAE paging 2 MiB) are present, writable and the user's. The last
 * two are special under PAE paging only, `largeReserved` under 32-bit paging.
 */
export const PAGE = {
  plain: 0x1a000, absent: 0x1b000, readOnly: 0x1c000, supervisor: 0x1d000, supervisorReadOnly: 0x1e000, large: 0x40_0000, largeReserved: 0x80_0000, absentTable: 0xc0_0000, noExecute: 0x2_0000, reserved: 0x2_1000,
} as const;

export const SELECTOR = {
  code: 0x08, data: 0x10, userCode: 0x1b, userData: 0x23, task: 0x28, short: 0x30, expandDown: 0x38, absentData: 0x40, absentCode: 0x48,
  executeOnly: 0x50, callGate: 0x5b, readOnly: 0x60, absentGate: 0x6b, otherTask: 0x78, conforming: 0x80, shortTask: 0x88, taskOfAbsentData: 0x90, doubleFault: 0x98, localTable: 0xa0, shortCode: 0xa8, gateWithParameters: 0xb3, beyond: 0x200,
} as const;

/** In user mode `code` is entered by IRET at CPL 3, with DS the user's. */
export interface Piece { readonly name: string; readonly code: readonly number[]; readonly user?: boolean; readonly flags?: number }

const IMAGE_BYTES = 0x10000;
const IMAGE_BASE = 0x10000;
const OFFSET = { copied: 0x40, gdtPointer: 0x60, idtPointer: 0x68, gdt: 0x1000, task: 0x1800, otherTask: 0x1900, taskOfAbsentData: 0x1a00, doubleFault: 0x1b00, idt: 0x2000, stubs: 0x3000, handler: 0x4000, print: 0x4100, gateTarget: 0x4200, vm86: 0x4300, pieces: 0x5000, root: 0x8000, table: 0x9000, pointedDirectory: 0xf000 } as const;
const RESET_VECTOR = IMAGE_BYTES - 16;
const RECOVERY = 0x5000;
const STACK_TOP = 0x7000;
const USER_STACK_TOP = 0x6800;
const DEBUG_PORT = 0x402;
const EXIT_PORT = 0xf4;
const VECTORS = 0x82;
/** Comes through a task gate: the stack may be what is bad. */
const DOUBLE_FAULT = 8;
const USER_VECTORS = [3, 4, 0x80, 0x81];

const MOV_EAX = 0xb8;
const movEax = (value: number): number[] => [MOV_EAX, ...dword(value)];

const FLAT = 0xfffff;
const GATE_TARGET = IMAGE_BASE + OFFSET.gateTarget;
const GDT: readonly (readonly number[])[] = [
  dword(0).concat(dword(0)),
  segment(0, FLAT, 0x9a, 0xc), segment(0, FLAT, 0x92, 0xc), segment(0, FLAT, 0xfa, 0xc), segment(0, FLAT, 0xf2, 0xc),
  segment(IMAGE_BASE + OFFSET.task, 0x67, 0x89, 0),
  segment(PAGE.plain, 0xf, 0xf2, 4), segment(PAGE.plain, 0xff, 0xf6, 4),
  segment(0, FLAT, 0x72, 0xc), segment(0, FLAT, 0x7a, 0xc), segment(0, FLAT, 0xf8, 0xc),
  gate(SELECTOR.code, GATE_TARGET, 0xec), segment(0, FLAT, 0xf0, 0xc), gate(SELECTOR.code, GATE_TARGET, 0x6c),
  dword(0).concat(dword(0)),
  segment(IMAGE_BASE + OFFSET.otherTask, 0x67, 0x89, 0), segment(0, FLAT, 0x9e, 0xc),
  segment(IMAGE_BASE + OFFSET.otherTask, 0x66, 0x89, 0), segment(IMAGE_BASE + OFFSET.taskOfAbsentData, 0x67, 0x89, 0),
  segment(IMAGE_BASE + OFFSET.doubleFault, 0x67, 0x89, 0), segment(PAGE.plain, 0xf, 0x82, 0), segment(PAGE.plain, 0xf, 0x9a, 4),
  gate(SELECTOR.code, GATE_TARGET, 0xec).map((byte, at) => (at === 4 ? 2 : byte)),
];

/** A task-state segment: its stack for CPL 0, and what a switch to it loads (SDM 3A §9.2.1). */
function taskState({ entry = GATE_TARGET, data = SELECTOR.data }: { readonly entry?: number; readonly data?: number } = {}): number[] {
  const words = new Array<number>(26).fill(0);
  words[1] = STACK_TOP;
  words[2] = SELECTOR.data;
  words[7] = IMAGE_BASE + OFFSET.root;
  words[8] = entry;
  words[9] = 2;
  words[14] = STACK_TOP;
  for (const index of [18, 20]) words[index] = SELECTOR.data;
  words[21] = data;
  words[19] = SELECTOR.code;
  words[25] = 104 << 16;
  return words.flatMap(dword);
}

/** What runs in virtual-8086 mode, 16 bytes apart: INT 81h, CLI, HLT, PUSHF, MOV EAX,CR0, a load beyond the limit of DS. */
const VM86_CODE: readonly (readonly number[])[] = [[], [0xfa], [0xf4], [0x9c], [0x0f, 0x20, 0xc0], [0x66, 0xa1, 0xfd, 0xff]];

/** At CPL 0: IRET into the virtual-8086 code of that number. */
export function enterVm86(index: number, ioPrivilege: number): number[] {
  const frame = [0, 0, 0, 0, 0, USER_STACK_TOP, 0x2_0002 | (ioPrivilege << 12), IMAGE_BASE >> 4, OFFSET.vm86 + index * 16];
  return [...frame.flatMap((value) => [0x68, ...dword(value)]), 0xcf];
}

/** Prints EAX and a space; keeps nothing but ECX and EBP. */
const PRINT = [
  0x51, 0xb9, ...dword(8), 0xba, ...dword(DEBUG_PORT),
  // ROL EAX,4; its digit; LOOP
  ...hex('c1 c0 04 50 24 0f 04 30 3c 39 76 02 04 27 ee 58 e2 ee'),
  ...hex('b0 20 ee 59 c3'),
];

/** CALL PRINT for the handler, `at` bytes into it. */
function callPrint(at: number): number[] {
  return [0xe8, ...dword(OFFSET.print - (OFFSET.handler + at + 5))];
}

/** Prints EAX, the eight values above it, CR2 and DR6, and goes on with the next piece. */
function handler(): number[] {
  const code: number[] = [];
  const add = (...bytes: number[]): void => void code.push(...bytes);
  // PUSH EAX; MOV AX,data; MOV DS,AX; MOV ES,AX; CLD; MOV EBP,ESP; MOV ECX,8
  add(...hex('50 66 b8 10 00 8e d8 8e c0 fc 89 e5'), 0xb9, ...dword(8));
  const loop = code.length;
  add(...hex('8b 45 00'));
  add(...callPrint(code.length), ...hex('83 c5 04 e2 00'));
  // LOOP counts from its end.
  code[code.length - 1] = (loop - code.length) & 0xff;
  add(...hex('0f 20 d0'));
  add(...callPrint(code.length), ...hex('0f 21 f0'));
  add(...callPrint(code.length));
  // A new line; CR2 and DR6 cleared
  add(...hex('b0 0a ee 31 c0 0f 22 d0 0f 23 f0'), 0xff, 0x25, ...dword(RECOVERY));
  return code;
}

function pieceCode(piece: Piece, at: number): number[] {
  const flags = piece.flags ?? 2;
  const body = [...piece.code, 0xcd, 0x81];
  // MOV [RECOVERY],end; MOV ESP,top; XOR EAX,EAX; the flags; the piece
  const start = [0xbc, ...dword(STACK_TOP - 0x40), 0x31, 0xc0];
  const enter = piece.user
    ? [0x6a, SELECTOR.userData, 0x1f, 0x6a, SELECTOR.userData, 0x68, ...dword(USER_STACK_TOP), 0x68, ...dword(flags), 0x6a, SELECTOR.userCode]
    : [0x68, ...dword(flags), 0x9d];
  const intoUser = piece.user ? 6 : 0;
  const end = at + 10 + start.length + enter.length + intoUser + body.length;
  const bodyAt = end - body.length;
  return [0xc7, 0x05, ...dword(RECOVERY), ...dword(end), ...start, ...enter, ...(piece.user ? [0x68, ...dword(bodyAt), 0xcf] : []), ...body];
}

/** Physical addresses of what maps an address: its entry in the page table, and the directory's entries of the first table and PAGE.large. */
export function entriesOf(paging: Paging): { readonly page: (address: number) => number; readonly table: number; readonly large: number } {
  const [bytes, directory] = paging === 'pae' ? [8, OFFSET.pointedDirectory] : [4, OFFSET.root];
  return { page: (address) => IMAGE_BASE + OFFSET.table + (address >>> 12) * bytes, table: IMAGE_BASE + directory, large: IMAGE_BASE + directory + (paging === 'pae' ? 2 * bytes : bytes) };
}
/** CR4 as pieces find it. */
export const CR4: Readonly<Record<Paging, number>> = { legacy: 0x10, pae: 0x20 };

function writeTables(image: Buffer, paging: Paging): void {
  const NO_EXECUTE = 1n << 63n;
  const special = new Map<number, bigint>([[PAGE.absent, 0n], [PAGE.readOnly, 5n], [PAGE.supervisor, 3n], [PAGE.supervisorReadOnly, 1n]]);
  const rights = (page: number): bigint => special.get(page << 12) ?? 7n;
  if (paging === 'legacy') {
    for (let page = 0; page < 1024; page++) image.writeUInt32LE((page << 12) | Number(rights(page)), OFFSET.table + page * 4);
    image.writeUInt32LE((IMAGE_BASE + OFFSET.table) | 7, OFFSET.root);
    image.writeUInt32LE(PAGE.large | 0x87, OFFSET.root + 4);
    image.writeUInt32LE(0x20_0087, OFFSET.root + 8);
    return;
  }
  special.set(PAGE.noExecute, 7n | NO_EXECUTE).set(PAGE.reserved, 7n | (1n << 51n));
  for (let page = 0; page < 512; page++) image.writeBigUInt64LE(BigInt(page << 12) | rights(page), OFFSET.table + page * 8);
  image.writeBigUInt64LE(BigInt(IMAGE_BASE + OFFSET.pointedDirectory) | 1n, OFFSET.root);
  image.writeBigUInt64LE(BigInt(IMAGE_BASE + OFFSET.table) | 7n, OFFSET.pointedDirectory);
  image.writeBigUInt64LE(BigInt(PAGE.large | 0x87), OFFSET.pointedDirectory + 16);
}

/** The image with all pieces. */
export function protectedImage(pieces: readonly Piece[], paging: Paging = 'legacy'): Buffer {
  const image = Buffer.alloc(IMAGE_BYTES);
  const put = (offset: number, bytes: readonly number[]): void => void image.set(bytes, offset);
  // CLI; copy 64 KiB to 1000:0; go on there
  put(0, hex('fa b8 00 10 8e c0 31 f6 31 ff b9 00 80 fc f3 2e a5 ea 40 00 00 10'));
  // LGDT; LIDT; CR0.PE; JMP code:pieces
  put(OFFSET.copied, [...hex('2e 66 0f 01 16 60 00 2e 66 0f 01 1e 68 00 0f 20 c0 0c 01 0f 22 c0 66 ea'), ...dword(IMAGE_BASE + OFFSET.pieces), SELECTOR.code, 0]);
  put(OFFSET.gdtPointer, [GDT.length * 8 - 1, 0, ...dword(IMAGE_BASE + OFFSET.gdt)]);
  put(OFFSET.idtPointer, [(VECTORS * 8 - 1) & 0xff, (VECTORS * 8 - 1) >> 8, ...dword(IMAGE_BASE + OFFSET.idt)]);
  put(OFFSET.gdt, GDT.flat());
  put(OFFSET.task, taskState());
  put(OFFSET.otherTask, taskState());
  put(OFFSET.taskOfAbsentData, taskState({ data: SELECTOR.absentData }));
  put(OFFSET.doubleFault, taskState({ entry: IMAGE_BASE + OFFSET.stubs + DOUBLE_FAULT * 16 }));
  for (let vector = 0; vector < VECTORS; vector++) {
    const at = OFFSET.stubs + vector * 16;
    const stub = [...(WITH_ERROR_CODE.includes(vector) ? [] : [0x6a, 0]), 0x68, ...dword(vector)];
    put(at, [...stub, 0xe9, ...dword(OFFSET.handler - (at + stub.length + 5))]);
    put(OFFSET.idt + vector * 8, vector === DOUBLE_FAULT ? gate(SELECTOR.doubleFault, 0, 0x85) : gate(SELECTOR.code, IMAGE_BASE + at, USER_VECTORS.includes(vector) ? 0xee : 0x8e));
  }
  put(OFFSET.handler, handler());
  put(OFFSET.print, PRINT);
  put(OFFSET.gateTarget, [0xcd, 0x80]);
  VM86_CODE.forEach((code, index) => put(OFFSET.vm86 + index * 16, [...code, 0xcd, 0x81]));
  writeTables(image, paging);
  // Flat data segments, a stack, CR4, EFER.NXE, the tables, CR0.PG WP NE, the task register
  let code = [
    ...hex('66 b8 10 00 8e d8 8e c0 8e d0 8e e0 8e e8'), 0xbc, ...dword(STACK_TOP), ...movEax(CR4[paging]), ...hex('0f 22 e0'),
    ...(paging === 'pae' ? hex('b9 80 00 00 c0 b8 00 08 00 00 31 d2 0f 30') : []),
    ...movEax(IMAGE_BASE + OFFSET.root), ...hex('0f 22 d8'), ...movEax(0x8001_0031), ...hex('0f 22 c0'), ...movEax(SELECTOR.task), ...hex('0f 00 d8'),
  ];
  for (const piece of pieces) code = code.concat(pieceCode(piece, IMAGE_BASE + OFFSET.pieces + code.length));
  // The end: OUT to the exit port; CLI; HLT
  code = code.concat([0xb0, 0, 0xe6, EXIT_PORT, 0xfa, 0xf4, 0xeb, 0xfd]);
  if (OFFSET.pieces + code.length > OFFSET.root) throw new Error(`the pieces are too long: ${code.length} bytes`);
  put(OFFSET.pieces, code);
  // JMP NEAR to the image's first byte
  put(RESET_VECTOR, [0xe9, ...dword(IMAGE_BYTES - (RESET_VECTOR + 3)).slice(0, 2)]);
  return image;
}
