/**
 * 0xC0000 to 0xFFFFF: for each piece the host bridge's attributes decide whether RAM or the bus answers reads and takes
 * writes. On the bus lies the top of the firmware image, at 0xE0000.
 */
import type { IoHandler, MmioBus, Registration } from '../interfaces/bus.ts';
import type { MemorySegment } from '../interfaces/guest-memory.ts';
import { GUEST_RAM } from '../cpu/memory-layout.ts';
import { BIOS_LOW, SHADOW_AREA } from './pc-layout.ts';

export interface ShadowPiece {
  readonly base: number;
  readonly length: number;
  readonly readsRam: boolean;
  readonly writesRam: boolean;
}

export class ShadowMemory {
  readonly #bus: MmioBus;
  readonly #shared: Uint8Array;
  readonly #codeChanged: (memoryOffset: number, length: number) => void;
  readonly #pieces = new Map<number, { piece: ShadowPiece; mapping: Registration | undefined }>();

  /** `firmware` is the image as it lies in the shared memory, ending at 1 MiB. */
  constructor(bus: MmioBus, shared: Uint8Array, firmware: MemorySegment, codeChanged: (memoryOffset: number, length: number) => void) {
    this.#bus = bus;
    this.#shared = shared;
    this.#codeChanged = codeChanged;
    const visible = Math.min(firmware.length, BIOS_LOW.length);
    const end = BIOS_LOW.base + BIOS_LOW.length;
    bus.mapDirect('firmware.low', end - visible, visible, firmware.offset + firmware.length - visible, 'read-only');
    bus.claim('shadow', SHADOW_AREA.base, SHADOW_AREA.length, this.#handler());
  }

  /** The host bridge's attributes of a piece are now these. */
  set(piece: ShadowPiece): void {
    this.#pieces.get(piece.base)?.mapping?.dispose();
    const mapping = piece.readsRam
      ? this.#bus.mapDirect('shadow', piece.base, piece.length, GUEST_RAM + piece.base, piece.writesRam ? 'read-write' : 'read-only')
      : undefined;
    this.#pieces.set(piece.base, { piece, mapping });
  }

  /** What the page map doesn't serve: reads where nothing lies, and writes where reads come from the bus. */
  #handler(): IoHandler {
    return {
      read: (_offset, width) => 2 ** (8 * width) - 1,
      write: (offset, width, value) => {
        if (!this.#writesRam(SHADOW_AREA.base + offset)) return;
        const at = GUEST_RAM + SHADOW_AREA.base + offset;
        for (let byte = 0; byte < width; byte++) this.#shared[at + byte] = value >>> (8 * byte);
        this.#codeChanged(at, width);
      },
      peek: (_offset, width) => 2 ** (8 * width) - 1,
    };
  }

  #writesRam(physical: number): boolean {
    for (const { piece } of this.#pieces.values()) {
      if (physical >= piece.base && physical < piece.base + piece.length) return piece.writesRam && !piece.readsRam;
    }
    return false;
  }
}
