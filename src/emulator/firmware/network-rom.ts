/** iPXE as it sits on a network card: an expansion ROM that names the card it is for. PCI Firmware Specification 3.0, chapter 5.1. */

const SIGNATURE = 0xaa55;
const LENGTH_IN_BLOCKS = 2;
const BLOCK_BYTES = 512;
/** iPXE's own place for the byte that makes the sum of the image zero. */
const CHECKSUM = 6;
const DATA_STRUCTURE_POINTER = 0x18;
/** "PCIR" */
const DATA_STRUCTURE_SIGNATURE = 0x52494350;
const DATA_STRUCTURE_BYTES = 24;
const VENDOR_ID = 4;
const DEVICE_ID = 6;

/**
 * A copy of the image that names this card: firmware starts no other, and one image serves several chips of a kind (virtio's
 * is made for another of its numbers). `undefined` for what is no expansion ROM.
 */
export function networkRomFor(image: Uint8Array, card: { readonly vendorId: number; readonly deviceId: number }): Uint8Array | undefined {
  const rom = image.slice();
  const view = new DataView(rom.buffer);
  if (rom.length < BLOCK_BYTES || view.getUint16(0, true) !== SIGNATURE) return undefined;
  const length = rom[LENGTH_IN_BLOCKS]! * BLOCK_BYTES;
  const at = view.getUint16(DATA_STRUCTURE_POINTER, true);
  if (length === 0 || length > rom.length || at + DATA_STRUCTURE_BYTES > length || view.getUint32(at, true) !== DATA_STRUCTURE_SIGNATURE) return undefined;
  view.setUint16(at + VENDOR_ID, card.vendorId, true);
  view.setUint16(at + DEVICE_ID, card.deviceId, true);
  rom[CHECKSUM] = 0;
  rom[CHECKSUM] = -rom.subarray(0, length).reduce((sum, byte) => sum + byte, 0);
  return rom;
}
