/** Frame information structures between a serial port and its device (Serial ATA 3.2, section 10.5). */

export const FIS_HOST_TO_DEVICE = 0x27;
const FIS_DEVICE_TO_HOST = 0x34;
const FIS_SET_DEVICE_BITS = 0xa1;
const FIS_PIO_SETUP = 0x5f;
const FIS_DMA_SETUP = 0x41;

const INTERRUPT = 0x40;
const TO_HOST = 0x20;

/** Where each kind arrives in a port's receive area (AHCI 1.3.1, section 4.2.1). */
export const RECEIVED_DMA_SETUP = 0x00;
export const RECEIVED_PIO_SETUP = 0x20;
export const RECEIVED_REGISTERS = 0x40;
export const RECEIVED_DEVICE_BITS = 0x58;

/** Registers of a device as a FIS carries them. */
export interface DeviceRegisters {
  readonly status: number;
  readonly error: number;
  /** LBA bits 0 to 47, lowest first. */
  readonly lba: readonly [number, number, number, number, number, number];
  readonly device: number;
  readonly count: readonly [low: number, high: number];
}

/** Offsets of the fields of a host-to-device register FIS. */
export const HOST_FIS = {
  type: 0, flags: 1, command: 2, feature: 3, lbaLow: 4, lbaMid: 5, lbaHigh: 6, device: 7,
  previousLbaLow: 8, previousLbaMid: 9, previousLbaHigh: 10, previousFeature: 11, count: 12, previousCount: 13, control: 15,
} as const;
/** The FIS carries a command; otherwise its control register counts. */
export const HOST_FIS_IS_COMMAND = 0x80;

export function registersFis({ status, error, lba, device, count }: DeviceRegisters): Uint8Array {
  const [low, middle, high, ...upper] = lba;
  return Uint8Array.from([FIS_DEVICE_TO_HOST, INTERRUPT, status, error, low, middle, high, device, ...upper, 0, ...count, 0, 0, 0, 0, 0, 0]);
}

/** Announces `bytes` of PIO data; `endStatus` is what the status will be when they have gone over. */
export function pioSetupFis(registers: DeviceRegisters, toHost: boolean, endStatus: number, bytes: number): Uint8Array {
  const fis = registersFis(registers);
  fis[0] = FIS_PIO_SETUP;
  fis[1] = INTERRUPT | (toHost ? TO_HOST : 0);
  fis[15] = endStatus;
  fis[16] = bytes;
  fis[17] = bytes >> 8;
  return fis;
}

/** Announces the data of a queued command. */
export function dmaSetupFis(tag: number, toHost: boolean, bytes: number): Uint8Array {
  const fis = new Uint8Array(28);
  fis.set([FIS_DMA_SETUP, toHost ? TO_HOST : 0, 0, 0, tag]);
  new DataView(fis.buffer).setUint32(20, bytes, true);
  return fis;
}

/** `completed`: a bit for each queued command that has ended well. */
export function deviceBitsFis(status: number, error: number, completed: number): Uint8Array {
  const fis = Uint8Array.of(FIS_SET_DEVICE_BITS, INTERRUPT, status & 0x77, error, 0, 0, 0, 0);
  new DataView(fis.buffer).setUint32(4, completed, true);
  return fis;
}
