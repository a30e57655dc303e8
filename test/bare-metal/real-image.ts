/**
 * As `protected-image.ts`, in real-address mode: the ROM runs pieces of 16-bit code where it lies, at F000:0, and prints, for each, the
 * interrupt it ended in. IRQ 8 to 15 come at 70h, of which only 13 is let in.
 */
import { dword, hex, segment } from './machine-code.ts';

/** `next` and `stack`: SP behind the frame, and SS. */
export const REAL_COLUMNS = ['eax', 'vector', 'ip', 'cs', 'flags', 'next', 'stack'] as const;

export interface RealPiece { readonly name: string; readonly code: readonly number[]; readonly flags?: number }

const IMAGE_BYTES = 0x10000;
const OFFSET = { gdtPointer: 0x100, gdt: 0x110, handler: 0x200, print: 0x280, target: 0x300, vectors: 0x1000, stubs: 0x2000, pieces: 0x4000 } as const;
/** INT 80h. */
export const REAL_TARGET = OFFSET.target;
/** LGDT CS:[GDT_POINTER]: a table whose selector 8 is a flat data segment. */
export const GDT_POINTER = OFFSET.gdtPointer;
const RESET_VECTOR = IMAGE_BYTES - 16;
/** Where the next piece is kept, in segment 0. */
const RECOVERY = 0x600;
const STACK_TOP = 0x7000;
const DEBUG_PORT = 0x402;
const EXIT_PORT = 0xf4;
const VECTORS = 0x82;

export function word(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff];
}

/** Prints EAX and a space; keeps nothing but CX and BP. */
const PRINT = [
  0x51, 0xb9, ...word(8), 0xba, ...word(DEBUG_PORT),
  // ROL EAX,4; its digit; LOOP
  ...hex('66 c1 c0 04 66 50 24 0f 04 30 3c 39 76 02 04 27 ee 66 58 e2 eb'),
  ...hex('b0 20 ee 59 c3'),
];

/** Prints EAX, the vector, IP, CS and FLAGS, then SP and SS, and goes on with the next piece. */
function handler(): number[] {
  const code: number[] = [];
  const add = (...bytes: readonly number[]): void => void code.push(...bytes);
  const print = (): void => add(0xe8, ...word(OFFSET.print - (OFFSET.handler + code.length + 3)));
  // PUSH EAX; MOV BP,SP; MOV EAX,[BP]
  add(...hex('66 50 89 e5 66 8b 46 00'));
  print();
  for (let at = 4; at < 12; at += 2) {
    // MOVZX EAX, word [BP+at]
    add(...hex('66 0f b7 46'), at);
    print();
  }
  // XOR EAX,EAX; LEA AX,[BP+12]
  add(...hex('66 31 c0 8d 46 0c'));
  print();
  // MOV EAX,SS
  add(...hex('66 8c d0'));
  print();
  // A new line; MOV DS,0; JMP [RECOVERY]
  add(...hex('b0 0a ee 31 c0 8e d8 ff 26'), ...word(RECOVERY));
  return code;
}

function pieceCode({ code, flags = 2 }: RealPiece, at: number): number[] {
  // XOR AX,AX; DS, ES, SS and SP; MOV word [RECOVERY],end; XOR EAX,EAX; POPF of the flags
  const start = (end: number): number[] => [
    ...hex('31 c0 8e d8 8e c0 8e d0 bc'), ...word(STACK_TOP), ...hex('c7 06'), ...word(RECOVERY), ...word(end), ...hex('66 31 c0 68'), ...word(flags), 0x9d,
  ];
  const body = [...code, 0xcd, 0x81];
  return [...start(at + start(0).length + body.length), ...body];
}

/** The image with all pieces. */
export function realImage(pieces: readonly RealPiece[]): Buffer {
  const image = Buffer.alloc(IMAGE_BYTES);
  const put = (offset: number, bytes: readonly number[]): void => void image.set(bytes, offset);
  const controllers: readonly (readonly [port: number, value: number])[] = [
    [0x20, 0x11], [0x21, 0x08], [0x21, 0x04], [0x21, 0x01], [0x21, 0xfb], [0xa0, 0x11], [0xa1, 0x70], [0xa1, 0x02], [0xa1, 0x01], [0xa1, 0xdf],
  ];
  // The local APIC is enabled, and its LINT0 lets the controllers' interrupts through: LGDT; CR0.PE; FS flat; CR0.PE off; MOV dword
  // FS:[FEE000F0h],1FFh; MOV dword FS:[FEE00350h],700h
  const virtualWire = [
    ...hex('2e 0f 01 16'), ...word(OFFSET.gdtPointer), ...hex('0f 20 c0 0c 01 0f 22 c0 bb 08 00 8e e3 24 fe 0f 22 c0 31 db 8e e3 66 bb f0 00 e0 fe 64 67 66 c7 03 ff 01 00 00 66 bb 50 03 e0 fe 64 67 66 c7 03 00 07 00 00'),
  ];
  // CLI; copy the vectors to 0:0; the controllers; JMP to the pieces
  const code = [0xfa, ...virtualWire, ...hex('31 c0 8e c0 31 ff be'), ...word(OFFSET.vectors), 0xb9, ...word(VECTORS * 2), ...hex('fc f3 2e a5'), ...controllers.flatMap(([port, value]) => [0xb0, value, 0xe6, port])];
  put(0, [...code, 0xe9, ...word(OFFSET.pieces - (code.length + 3))]);
  put(OFFSET.gdtPointer, [...word(15), ...dword(0xf0000 + OFFSET.gdt)]);
  put(OFFSET.gdt + 8, segment(0, 0xfffff, 0x92, 0xc));
  put(OFFSET.handler, handler());
  put(OFFSET.print, PRINT);
  put(OFFSET.target, [0xcd, 0x80]);
  for (let vector = 0; vector < VECTORS; vector++) {
    const at = OFFSET.stubs + vector * 8;
    put(at, [0x68, ...word(vector), 0xe9, ...word(OFFSET.handler - (at + 6))]);
    put(OFFSET.vectors + vector * 4, [...word(at), ...word(0xf000)]);
  }
  const all: number[] = [];
  for (const piece of pieces) all.push(...pieceCode(piece, OFFSET.pieces + all.length));
  // The end: OUT to the exit port; CLI; HLT
  all.push(0xb0, 0, 0xe6, EXIT_PORT, 0xfa, 0xf4, 0xeb, 0xfd);
  if (OFFSET.pieces + all.length > RESET_VECTOR) throw new Error(`the pieces are too long: ${all.length} bytes`);
  put(OFFSET.pieces, all);
  // JMP FAR to the image's first byte
  put(RESET_VECTOR, [0xea, ...word(0), ...word(0xf000)]);
  return image;
}
