/** Bytes of machine code and descriptors, for the images. */

/** Exceptions that push an error code. */
export const WITH_ERROR_CODE: readonly number[] = [8, 10, 11, 12, 13, 14, 17];

export function dword(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

export function hex(text: string): number[] {
  return text.split(' ').map((byte) => parseInt(byte, 16));
}

/** `access`: descriptor bits 40–47; `flags`: bits 52–55. */
export function segment(base: number, limit: number, access: number, flags: number): number[] {
  return [limit & 0xff, (limit >> 8) & 0xff, base & 0xff, (base >> 8) & 0xff, (base >> 16) & 0xff, access, (flags << 4) | (limit >> 16), base >>> 24];
}

/** A gate of 8 bytes. */
export function gate(selector: number, target: number, access: number): number[] {
  return [target & 0xff, (target >> 8) & 0xff, selector, 0, 0, access, (target >> 16) & 0xff, target >>> 24];
}
