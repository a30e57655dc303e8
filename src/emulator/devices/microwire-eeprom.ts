/**
 * A 93C46 EEPROM of 64 words behind its four Microwire wires, as network adapters have one: a start bit, two bits of
 * opcode, six of address, then 16 bits of data. Only reading does anything; writes are clocked through and lost, as with
 * the write protection on.
 */

export const EEPROM_WORDS = 64;
const COMMAND_BITS = 9;
const OPCODE_READ = 0b110;
const ADDRESS_BITS = 6;
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
  const word = words[((state.command & (EEPROM_WORDS - 1)) + (bit >> 4)) % EEPROM_WORDS]!;
  state.dataOut = (word >> (15 - (bit & 15))) & 1;
  state.bitCount = COMMAND_BITS + ((bit + 1) % (16 * EEPROM_WORDS));
}
