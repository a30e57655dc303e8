/** The words of an 82540EM's EEPROM (8254x manual §5.6). */
import { EEPROM_WORDS } from '../microwire-eeprom.ts';

/** All words add up to this. */
const CHECKSUM = 0xbaba;

export function eepromContents(mac: Uint8Array, deviceId: number, vendorId: number): Uint16Array {
  const words = new Uint16Array(EEPROM_WORDS);
  for (let index = 0; index < 3; index++) words[index] = mac[2 * index]! | (mac[2 * index + 1]! << 8);
  // Compatibility, board number, init control, subsystem, subsystem vendor, device, vendor, init control 2.
  words.set([0x0000, 0x0000, 0xffff, 0xffff, 0xffff, 0x3000, 0x1000, 0x6400 | 0x000a, deviceId, vendorId, deviceId, vendorId, 0x6cb3], 3);
  let sum = 0;
  for (let index = 0; index < EEPROM_WORDS - 1; index++) sum += words[index]!;
  words[EEPROM_WORDS - 1] = (CHECKSUM - sum) & 0xffff;
  return words;
}
