/** Firmware of a few 16-bit instructions, put together byte by byte: what a machine does before there is any system. */
import { writeFileSync } from 'node:fs';
import { textMode3 } from '../support/vga-modes.ts';
import { scratchFile } from './run-guest.ts';

const ROM_BYTES = 0x1000;
/** The CPU starts 16 bytes below the end of the image (SDM 3A §11.1.4), at offset FFF0h of its code segment. */
const RESET_VECTOR = ROM_BYTES - 16;
/** Offset of the image's first byte in the code segment. */
const ROM_SEGMENT_OFFSET = 0x10000 - ROM_BYTES;

const COM1 = 0x3f8;
const SEQUENCER = 0x3c4;
const GRAPHICS = 0x3ce;
const CRTC = 0x3d4;
const ATTRIBUTE = 0x3c0;
const MISCELLANEOUS = 0x3c2;
const DAC_WRITE_INDEX = 0x3c8;
const DAC_DATA = 0x3c9;

const word = (value: number): number[] => [value & 0xff, value >> 8];

/** MOV DX,port; MOV AL,value; OUT DX,AL */
export function outByte(port: number, value: number): number[] {
  return [0xba, ...word(port), 0xb0, value, 0xee];
}

/** MOV AX,segment; MOV ES,AX; MOV BYTE PTR ES:[offset],value */
export function storeByte(segment: number, offset: number, value: number): number[] {
  return [0xb8, ...word(segment), 0x8e, 0xc0, 0x26, 0xc6, 0x06, ...word(offset), value];
}

/** CLI; HLT; JMP back to the HLT */
export const HALT: readonly number[] = [0xfa, 0xf4, 0xeb, 0xfd];

/** LIDT CS:[six zeros behind it]; INT3: no table for interrupts, nor for the faults that follow. `at` is its offset in the code. */
export function tripleFault(at: number): number[] {
  const table = at + 7;
  return [0x2e, 0x0f, 0x01, 0x1e, ...word(ROM_SEGMENT_OFFSET + table), 0xcc, 0, 0, 0, 0, 0, 0];
}

/** MOV CX,n; MOV AX,1; then n times ADD AX,AX; ADC AX,AX; LOOP: instructions to count. */
export function countedLoop(times: number): number[] {
  return [0xb9, ...word(times), 0xb8, 1, 0, 0x01, 0xc0, 0x11, 0xc0, 0xe2, 0xfa];
}

export function printOnSerial(text: string): number[] {
  return [...text].flatMap((character) => outByte(COM1, character.charCodeAt(0)));
}

/** The VGA from its power-on state to 80 x 25 characters, with one glyph in its font, shown white at the left of the first row. */
export function showCharacter(character: string, glyph: readonly number[]): number[] {
  const code = character.charCodeAt(0);
  const indexed = (port: number, values: readonly number[]): number[] => values.flatMap((value, index) => [...outByte(port, index), ...outByte(port + 1, value)]);
  const registers = (port: number, pairs: readonly (readonly [number, number])[]): number[] => pairs.flatMap(([index, value]) => [...outByte(port, index), ...outByte(port + 1, value)]);
  return [
    ...outByte(MISCELLANEOUS, textMode3.misc),
    ...indexed(SEQUENCER, textMode3.sequencer),
    ...registers(CRTC, [[0x11, 0]]),
    ...indexed(CRTC, textMode3.crtc),
    // No cursor.
    ...registers(CRTC, [[0x0a, 0x20]]),
    ...indexed(GRAPHICS, textMode3.graphics),
    // Each of the attribute controller's registers through its one port: index, then data.
    ...textMode3.attribute.flatMap((value, index) => [...outByte(ATTRIBUTE, index), ...outByte(ATTRIBUTE, value)]),
    ...outByte(ATTRIBUTE, 0x20),
    ...outByte(DAC_WRITE_INDEX, 0), ...[0, 0, 0].flatMap((part) => outByte(DAC_DATA, part)),
    ...outByte(DAC_WRITE_INDEX, 7), ...[63, 63, 63].flatMap((part) => outByte(DAC_DATA, part)),
    // The font is in plane 2: one plane at a time, in the window at A0000h.
    ...registers(SEQUENCER, [[2, 4], [4, 6]]),
    ...registers(GRAPHICS, [[5, 0], [6, 4]]),
    ...glyph.flatMap((row, line) => storeByte(0xa000, code * 32 + line, row)),
    ...registers(SEQUENCER, [[2, textMode3.sequencer[2]!], [4, textMode3.sequencer[4]!]]),
    ...registers(GRAPHICS, [[5, textMode3.graphics[5]!], [6, textMode3.graphics[6]!]]),
    ...storeByte(0xb800, 0, code),
    ...storeByte(0xb800, 1, 0x07),
  ];
}

/** A small disk whose first sector is `code`, which the BIOS starts at 7C00h. @returns path of a raw image */
export function bootSectorDisk(name: string, code: readonly number[]): string {
  const image = Buffer.alloc(1024 * 1024);
  if (code.length > 510) throw new Error(`the boot sector's code is too long: ${code.length} bytes`);
  image.set(code, 0);
  image.writeUInt16LE(0xaa55, 510);
  const path = scratchFile(`${name}.img`);
  writeFileSync(path, image);
  return path;
}

/** Writes an image whose code runs from the reset vector on. @returns its path, for --bios */
export function romFile(name: string, code: readonly number[]): string {
  if (code.length > RESET_VECTOR) throw new Error(`the ROM's code is too long: ${code.length} bytes`);
  const image = Buffer.alloc(ROM_BYTES, 0xff);
  image.set(code, 0);
  // JMP NEAR to the image's first byte.
  image.set([0xe9, ...word((0x10000 - (RESET_VECTOR + 3)) & 0xffff)], RESET_VECTOR);
  const path = scratchFile(`${name}.rom`);
  writeFileSync(path, image);
  return path;
}
