/** A boot sector that triple-faults: no table for interrupts, nor for the faults that follow the INT3. */
export function tripleFaultSector(): Uint8Array {
  const sector = new Uint8Array(512);
  // The BIOS loads it at 7C00h. XOR AX,AX; MOV DS,AX; LIDT [7C0Ah]; INT3; the six zeros
  sector.set([0x31, 0xc0, 0x8e, 0xd8, 0x0f, 0x01, 0x1e, 0x0a, 0x7c, 0xcc]);
  sector.set([0x55, 0xaa], 510);
  return sector;
}
