import type { AccessWidth, IoHandler } from '../interfaces/bus.ts';

/** The inside of a chip on an 8-bit bus. Offsets are below `length`, values 0 to 255. */
export interface ByteRegisters {
  readonly length: number;
  read(offset: number): number;
  write(offset: number, value: number): void;
  /** Like `read`, without side effects. */
  peek(offset: number): number;
}

/**
 * Puts an 8-bit chip on a wider bus: an access of 2 or 4 bytes becomes byte accesses at consecutive offsets, lowest
 * first. Bytes past the chip's range read 0xFF and take no writes.
 */
export function byteWideHandler(registers: ByteRegisters): IoHandler {
  const gather = (offset: number, width: AccessWidth, one: (offset: number) => number): number => {
    let value = 0;
    for (let byte = 0; byte < width; byte++) {
      const at = offset + byte;
      value += (at < registers.length ? one(at) & 0xff : 0xff) * 2 ** (8 * byte);
    }
    return value;
  };
  return {
    read(offset, width) {
      if (width === 1 && offset < registers.length) return registers.read(offset) & 0xff;
      return gather(offset, width, (at) => registers.read(at));
    },
    write(offset, width, value) {
      for (let byte = 0; byte < width; byte++) {
        if (offset + byte < registers.length) registers.write(offset + byte, (value >>> (8 * byte)) & 0xff);
      }
    },
    peek(offset, width) {
      return gather(offset, width, (at) => registers.peek(at));
    },
  };
}
