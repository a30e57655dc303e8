/** Places of group addresses in the 64-bit filters of network adapters: six bits of the Ethernet CRC-32 of the address. */

const POLYNOMIAL = 0x04c1_1db7;
const ADDRESS_BYTES = 6;

/** The upper six bits of the CRC register, as adapters have it that shift towards the highest bit. `frame` begins with the address. */
export function multicastHash(frame: Uint8Array): number {
  return addressCrc(frame) >>> 26;
}

/** The same of the register that shifts towards the lowest bit, as the LANCE and its kin have it: its highest bit is the other's lowest. */
export function logicalAddressHash(frame: Uint8Array): number {
  const crc = addressCrc(frame);
  let hash = 0;
  for (let bit = 0; bit < 6; bit++) hash |= ((crc >>> bit) & 1) << (5 - bit);
  return hash;
}

function addressCrc(frame: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let index = 0; index < ADDRESS_BYTES; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const isSet = ((crc >>> 31) ^ (frame[index]! >> bit)) & 1;
      crc = ((crc << 1) ^ (isSet !== 0 ? POLYNOMIAL : 0)) >>> 0;
    }
  }
  return crc;
}
