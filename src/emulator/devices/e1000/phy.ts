/** The internal copper PHY by its management registers (8254x manual §13.4.4, IEEE 802.3 clause 22): at 1000 Mbit/s, where a cable is plugged in. */

export const PHY_ADDRESS = 1;
export const PHY_REGISTERS = 32;
const CONTROL = 0;
const CONTROL_RESET = 0x8000;
const CONTROL_RESTART = 0x0200;

/** What the registers hold after a reset. */
const RESET_VALUES: Readonly<Record<number, number>> = {
  [CONTROL]: 0x1140,
  // Status: all speeds, negotiation complete, link up. Identity: Marvell's, as in the 82540EM.
  1: 0x796d, 2: 0x0141, 3: 0x0c20,
  // What both sides offer.
  4: 0x0de1, 5: 0xcde1, 6: 0x0001, 9: 0x0e00, 10: 0x3c00, 15: 0x3000,
  // Marvell: control; status with speed and link resolved.
  16: 0x0360, 17: 0xaf00, 20: 0x0d60,
};
const WRITABLE: ReadonlySet<number> = new Set([0, 4, 7, 9, 16, 18, 20, 24, 29, 30]);

export function resetPhy(): Uint16Array {
  return Uint16Array.from({ length: PHY_REGISTERS }, (_, index) => RESET_VALUES[index] ?? 0);
}

const PHY_STATUS = 1;
const STATUS_COMPLETE = 0x0020;
const STATUS_LINK = 0x0004;
const MARVELL_STATUS = 17;
const MARVELL_LINK = 0x0400;
const MARVELL_RESOLVED = 0x0800;

export function readPhy(registers: Uint16Array, index: number, isLinkUp: boolean): number {
  const value = registers[index]!;
  if (isLinkUp) return value;
  if (index === PHY_STATUS) return value & ~(STATUS_COMPLETE | STATUS_LINK);
  return index === MARVELL_STATUS ? value & ~(MARVELL_LINK | MARVELL_RESOLVED) : value;
}

/** Returns whether the link was negotiated anew. */
export function writePhy(registers: Uint16Array, index: number, value: number): boolean {
  if (!WRITABLE.has(index)) return false;
  if (index !== CONTROL) {
    registers[index] = value;
    return false;
  }
  if ((value & CONTROL_RESET) !== 0) registers.set(resetPhy());
  else registers[CONTROL] = value & ~CONTROL_RESTART;
  return (value & (CONTROL_RESET | CONTROL_RESTART)) !== 0;
}
