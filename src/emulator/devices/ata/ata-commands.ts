/** Command codes of ATA disks and what moves sectors among them (ATA/ATAPI-7 volume 1, annex B; ACS-2). */
import type { TransferMode } from './ata-identify.ts';

export const ATA_COMMAND = {
  nop: 0x00,
  dataSetManagement: 0x06,
  recalibrateFirst: 0x10,
  recalibrateLast: 0x1f,
  readSectors: 0x20,
  readSectorsNoRetry: 0x21,
  readSectorsExt: 0x24,
  readDmaExt: 0x25,
  readNativeMaxAddressExt: 0x27,
  readMultipleExt: 0x29,
  readLogExt: 0x2f,
  writeSectors: 0x30,
  writeSectorsNoRetry: 0x31,
  writeSectorsExt: 0x34,
  writeDmaExt: 0x35,
  writeMultipleExt: 0x39,
  writeDmaFuaExt: 0x3d,
  readVerify: 0x40,
  readVerifyNoRetry: 0x41,
  readVerifyExt: 0x42,
  seekFirst: 0x70,
  seekLast: 0x7f,
  initializeDeviceParameters: 0x91,
  standbyImmediateOld: 0x94,
  idleImmediateOld: 0x95,
  standbyOld: 0x96,
  idleOld: 0x97,
  checkPowerModeOld: 0x98,
  sleepOld: 0x99,
  readMultiple: 0xc4,
  writeMultiple: 0xc5,
  setMultipleMode: 0xc6,
  readDma: 0xc8,
  readDmaNoRetry: 0xc9,
  writeDma: 0xca,
  writeDmaNoRetry: 0xcb,
  writeMultipleFuaExt: 0xce,
  standbyImmediate: 0xe0,
  idleImmediate: 0xe1,
  standby: 0xe2,
  idle: 0xe3,
  checkPowerMode: 0xe5,
  sleep: 0xe6,
  flushCache: 0xe7,
  flushCacheExt: 0xea,
  identifyDevice: 0xec,
  setFeatures: 0xef,
  readNativeMaxAddress: 0xf8,
} as const;

export const SET_FEATURES = {
  enableWriteCache: 0x02,
  setTransferMode: 0x03,
  disableLookAhead: 0x55,
  disableRevert: 0x66,
  disableWriteCache: 0x82,
  enableLookAhead: 0xaa,
  enableRevert: 0xcc,
} as const;
const TRANSFER_MODE_MWDMA = 0x20;
const TRANSFER_MODE_UDMA = 0x40;

/** A command that moves sectors or looks at them. */
export interface AtaTransferCommand {
  readonly operation: 'read' | 'write' | 'verify';
  readonly path: 'pio' | 'dma' | 'none';
  readonly extended: boolean;
  readonly multiple: boolean;
  /** On stable storage before the command ends (FUA). */
  readonly forced: boolean;
}

function transfer(operation: AtaTransferCommand['operation'], path: AtaTransferCommand['path'], flags: Partial<AtaTransferCommand> = {}): AtaTransferCommand {
  return { operation, path, extended: false, multiple: false, forced: false, ...flags };
}

export const ATA_TRANSFERS: ReadonlyMap<number, AtaTransferCommand> = new Map([
  [ATA_COMMAND.readSectors, transfer('read', 'pio')],
  [ATA_COMMAND.readSectorsNoRetry, transfer('read', 'pio')],
  [ATA_COMMAND.readSectorsExt, transfer('read', 'pio', { extended: true })],
  [ATA_COMMAND.readMultiple, transfer('read', 'pio', { multiple: true })],
  [ATA_COMMAND.readMultipleExt, transfer('read', 'pio', { multiple: true, extended: true })],
  [ATA_COMMAND.readDma, transfer('read', 'dma')],
  [ATA_COMMAND.readDmaNoRetry, transfer('read', 'dma')],
  [ATA_COMMAND.readDmaExt, transfer('read', 'dma', { extended: true })],
  [ATA_COMMAND.writeSectors, transfer('write', 'pio')],
  [ATA_COMMAND.writeSectorsNoRetry, transfer('write', 'pio')],
  [ATA_COMMAND.writeSectorsExt, transfer('write', 'pio', { extended: true })],
  [ATA_COMMAND.writeMultiple, transfer('write', 'pio', { multiple: true })],
  [ATA_COMMAND.writeMultipleExt, transfer('write', 'pio', { multiple: true, extended: true })],
  [ATA_COMMAND.writeMultipleFuaExt, transfer('write', 'pio', { multiple: true, extended: true, forced: true })],
  [ATA_COMMAND.writeDma, transfer('write', 'dma')],
  [ATA_COMMAND.writeDmaNoRetry, transfer('write', 'dma')],
  [ATA_COMMAND.writeDmaExt, transfer('write', 'dma', { extended: true })],
  [ATA_COMMAND.writeDmaFuaExt, transfer('write', 'dma', { extended: true, forced: true })],
  [ATA_COMMAND.readVerify, transfer('verify', 'none')],
  [ATA_COMMAND.readVerifyNoRetry, transfer('verify', 'none')],
  [ATA_COMMAND.readVerifyExt, transfer('verify', 'none', { extended: true })],
]);

/** SET FEATURES 03h's sector count; PIO modes leave the DMA mode alone. `undefined` for modes that don't exist. */
export function transferModeOf(count: number, present: TransferMode): TransferMode | undefined {
  const mode = count & 0x07;
  const kind = count & 0xf8;
  if (kind === 0x00 || kind === 0x08) return mode <= 4 ? present : undefined;
  if (kind === TRANSFER_MODE_MWDMA) return mode <= 2 ? { kind: 'mwdma', mode } : undefined;
  if (kind === TRANSFER_MODE_UDMA) return mode <= 5 ? { kind: 'udma', mode } : undefined;
  return undefined;
}
