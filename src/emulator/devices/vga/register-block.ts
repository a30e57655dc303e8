/**
 * The adapter's registers as bytes of the shared memory: the device writes them, the rasterizer on another thread
 * reads them. Register names and bits are those of the IBM VGA (PS/2 Hardware Interface Technical Reference, 1992,
 * "Video Subsystem") and of the Bochs VBE extension ("VBE DISPI", Bochs iodev/display/vbe.h, version 0xB0C5).
 */

/** Bytes to allocate for the block; aligned to 4. */
export const registerBlockBytes = 0x400;

/** Where each register lies in the block. */
export const Reg = {
  miscOutput: 0x00,
  featureControl: 0x01,
  videoEnable: 0x02,
  sequencerIndex: 0x03,
  crtcIndex: 0x04,
  graphicsIndex: 0x05,
  /** Bits 0-4 index, bit 5 PAS (palette address source: 1 shows the picture). */
  attributeIndex: 0x06,
  /** 0: the next write to 3C0h is an index, 1: data. */
  attributeFlipFlop: 0x07,
  dacMask: 0x08,
  dacWriteIndex: 0x09,
  dacReadIndex: 0x0a,
  /** Which of R, G, B comes next: 0 to 2. */
  dacComponent: 0x0b,
  /** 0 after a write of 3C8h, 3 after a write of 3C7h: what a read of 3C7h returns. */
  dacState: 0x0c,
  dacLatchRed: 0x0d,
  dacLatchGreen: 0x0e,
  sequencer: 0x10,
  /** 32-bit: one latch byte per plane, plane 0 lowest. */
  latch: 0x18,
  crtc: 0x20,
  graphics: 0x40,
  attribute: 0x50,
  /** 16-bit, little-endian. */
  dispiIndex: 0x70,
  /** 16 registers of 16 bits, little-endian. */
  dispi: 0x80,
  /** 256 times R, G, B as the guest wrote them: 6 bits each, or 8 with DispiEnable.dac8Bit. */
  palette: 0x100,
} as const;

export const Misc = { ioAddressColor: 0x01, ramEnable: 0x02, clockSelect: 0x0c } as const;

export const Seq = { reset: 0, clockingMode: 1, mapMask: 2, characterMapSelect: 3, memoryMode: 4 } as const;
export const SeqClocking = { eightDots: 0x01, halfDotClock: 0x08, screenOff: 0x20 } as const;
export const SeqMemoryMode = { oddEvenDisable: 0x04, chain4: 0x08 } as const;

export const Crtc = {
  horizontalTotal: 0x00, horizontalDisplayEnd: 0x01, verticalTotal: 0x06, overflow: 0x07, presetRowScan: 0x08,
  maximumScanLine: 0x09, cursorStart: 0x0a, cursorEnd: 0x0b, startAddressHigh: 0x0c, startAddressLow: 0x0d,
  cursorLocationHigh: 0x0e, cursorLocationLow: 0x0f, verticalRetraceStart: 0x10, verticalRetraceEnd: 0x11,
  verticalDisplayEnd: 0x12, offset: 0x13, underlineLocation: 0x14, modeControl: 0x17, lineCompare: 0x18,
} as const;
export const CrtcMaxScan = { lineCompare9: 0x40, doubleScan: 0x80 } as const;
export const CrtcUnderline = { countByFour: 0x20, doubleword: 0x40 } as const;
export const CrtcMode = {
  /** 0: address bit 13 is row scan bit 0 (CGA's two banks). */
  compatibilityCga: 0x01,
  /** 0: address bit 14 is row scan bit 1 (Hercules' four banks). */
  compatibilityHercules: 0x02,
  countByTwo: 0x08, addressWrap: 0x20, byteMode: 0x40, syncEnable: 0x80,
} as const;

export const Gc = {
  setReset: 0, enableSetReset: 1, colorCompare: 2, dataRotate: 3, readMapSelect: 4, mode: 5, miscellaneous: 6,
  colorDontCare: 7, bitMask: 8,
} as const;
export const GcMode = { writeMode: 0x03, readMode1: 0x08, oddEven: 0x10, interleavedShift: 0x20, shift256: 0x40 } as const;
export const GcMisc = { graphics: 0x01, memoryMap: 0x0c } as const;

export const Attr = { modeControl: 0x10, overscan: 0x11, colorPlaneEnable: 0x12, pixelPanning: 0x13, colorSelect: 0x14 } as const;
export const AttrMode = {
  lineGraphics: 0x04, blink: 0x08, panningCompatibility: 0x20, pixelWidth8: 0x40, paletteBits54: 0x80,
} as const;
export const attributePaletteAddressSource = 0x20;

export const Dispi = {
  id: 0, xres: 1, yres: 2, bpp: 3, enable: 4, bank: 5, virtualWidth: 6, virtualHeight: 7, xOffset: 8, yOffset: 9,
  videoMemory64K: 10,
} as const;
export const DispiEnable = { enabled: 0x01, getCapabilities: 0x02, dac8Bit: 0x20, linearFrameBuffer: 0x40, noClearMemory: 0x80 } as const;
/** The largest mode the adapter offers; 2560 * 1600 * 4 bytes just fit 16 MiB. */
export const dispiMaximum = { xres: 2560, yres: 1600, bpp: 32 } as const;

export function readDispi(block: Uint8Array, index: number): number {
  const at = Reg.dispi + index * 2;
  return block[at]! | (block[at + 1]! << 8);
}

export function storeDispi(block: Uint8Array, index: number, value: number): void {
  const at = Reg.dispi + index * 2;
  block[at] = value & 0xff;
  block[at + 1] = (value >> 8) & 0xff;
}

export function dispiEnabled(block: Uint8Array): boolean {
  return (block[Reg.dispi + Dispi.enable * 2]! & DispiEnable.enabled) !== 0;
}

/** The ten-bit vertical display end: the number of scan lines shown, minus one. */
export function verticalDisplayEnd(block: Uint8Array): number {
  const overflow = block[Reg.crtc + Crtc.overflow]!;
  return block[Reg.crtc + Crtc.verticalDisplayEnd]! | ((overflow & 0x02) << 7) | ((overflow & 0x40) << 3);
}
