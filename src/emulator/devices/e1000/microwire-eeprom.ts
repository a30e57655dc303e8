/**
 * The 64 words of a 93C46 EEPROM behind the four wires of EECD (8254x manual §5.4): a start bit, two bits of opcode, six of
 * address, then 16 bits of data. Only reading does anything; writes are clocked through and lost, as with the write
 * protection on.
 */

const WORD_COUNT = 64;
const COMMAND_BITS = 9;
const OPCODE_READ = 0b110;
const ADDRESS_BITS = 6;
/** All words add up to this (§5.6). */
const CHECKSUM = 0xbaba;

export interface MicrowireState {
  chipSelected: boolean;
  clockHigh: boolean;
  /** Bits taken since the chip was selected, from the start bit on. */
  bitCount: number;
  command: number;
  dataOut: number;
}

export function idleMicrowire(): MicrowireState {
  return { chipSelected: false, clockHigh: false, bitCount: 0, command: 0, dataOut: 1 };
}

/** What an 82540EM's EEPROM says, with its MAC address. */
export function eepromContents(mac: Uint8Array, deviceId: number, vendorId: number): Uint16Array {
  const words = new Uint16Array(WORD_COUNT);
  for (let index = 0; index < 3; index++) words[index] = mac[2 * index]! | (mac[2 * index + 1]! << 8);
  // Compatibility, board number, init control, subsystem, subsystem vendor, device, vendor, init control 2 (§5.6).
  words.set([0x0000, 0x0000, 0xffff, 0xffff, 0xffff, 0x3000, 0x1000, 0x6400 | 0x000a, deviceId, vendorId, deviceId, vendorId, 0x6cb3], 3);
  let sum = 0;
  for (let index = 0; index < WORD_COUNT - 1; index++) sum += words[index]!;
  words[WORD_COUNT - 1] = (CHECKSUM - sum) & 0xffff;
  return words;
}

/** The wires have new levels; `state` follows. */
export function driveMicrowire(state: MicrowireState, words: Uint16Array, chipSelect: boolean, clock: boolean, dataIn: boolean): void {
  const isRising = clock && !state.clockHigh;
  state.clockHigh = clock;
  if (!chipSelect || !state.chipSelected) {
    state.chipSelected = chipSelect;
    state.bitCount = 0;
    state.command = 0;
    state.dataOut = 1;
    return;
  }
  if (!isRising) return;
  if (state.bitCount < COMMAND_BITS) {
    // Zeros before the start bit don't count.
    if (state.bitCount === 0 && !dataIn) return;
    state.command = (state.command << 1) | (dataIn ? 1 : 0);
    state.bitCount++;
    // A zero goes before the data.
    if (state.bitCount === COMMAND_BITS && state.command >> ADDRESS_BITS === OPCODE_READ) state.dataOut = 0;
    return;
  }
  if (state.command >> ADDRESS_BITS !== OPCODE_READ) return;
  // Reading goes on with the next word while the clock does.
  const bit = state.bitCount - COMMAND_BITS;
  const word = words[((state.command & (WORD_COUNT - 1)) + (bit >> 4)) % WORD_COUNT]!;
  state.dataOut = (word >> (15 - (bit & 15))) & 1;
  state.bitCount = COMMAND_BITS + ((bit + 1) % (16 * WORD_COUNT));
}
