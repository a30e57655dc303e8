/** IDENTIFY DEVICE and IDENTIFY PACKET DEVICE data (ATA/ATAPI-7 volume 1, §6.16, §6.17; words from 100 on: ACS-3). */

export const IDENTIFY_BYTES = 512;
/** Most sectors of a data block of READ and WRITE MULTIPLE. */
export const MULTIPLE_MAXIMUM = 16;
/** Most 512-byte pages of ranges of one DATA SET MANAGEMENT command. */
export const TRIM_MAXIMUM_PAGES = 8;
export const LBA28_SECTORS = 0x0fff_ffff;

const MODEL_DISK = 'Guesthouse Disk';
const MODEL_DISC = 'Guesthouse DVD-ROM';
export const FIRMWARE_REVISION = '1.0';

/** Major versions 4 to 7. */
const VERSIONS = 0x00f0;
/** MWDMA 0 to 2 and UDMA 0 to 5 can be chosen; the controller decides which make sense. */
const MWDMA_MODES = 0x07;
const UDMA_MODES = 0x3f;
/** Bit 14 one and bit 15 zero say that a word is valid. */
const VALID = 0x4000;
const COMMAND_SET_WRITE_CACHE = 0x0020;
const COMMAND_SET_LOOK_AHEAD = 0x0040;
const COMMAND_SET_NOP = 0x4000;
const COMMAND_SET_LBA48 = 0x0400;
const COMMAND_SET_FLUSH = 0x1000;
const COMMAND_SET_FLUSH_EXT = 0x2000;
const COMMAND_SET_FUA = 0x0040;
const COMMAND_SET_LOGS = 0x0020;
/** Hardware reset result of a parallel device: 80-conductor cable, device 0 passed. A serial one has none. */
const PARALLEL_RESET_RESULT = VALID | 0x2001;
/** Generations 1 and 2 of the serial link. */
const SERIAL_SPEEDS = 0x0006;
const SERIAL_QUEUING = 0x0100;
/** Non-rotating medium: guests then don't sort requests by head position. */
const ROTATION_NONE = 1;

/** What SET FEATURES chose: bit n of the one word in use. */
export interface TransferMode {
  readonly kind: 'mwdma' | 'udma';
  readonly mode: number;
}

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

export interface DiskIdentity {
  readonly sectorCount: number;
  readonly serial: string;
  readonly readOnly: boolean;
  readonly defaultGeometry: Geometry;
  readonly currentGeometry: Geometry;
  readonly multipleSectors: number;
  readonly writeCache: boolean;
  readonly lookAhead: boolean;
  readonly transferMode: TransferMode;
  /** Of a disk on a serial link; 0 is none. */
  readonly queueDepth: number | undefined;
}

export function identifyDevice(disk: DiskIdentity): Uint8Array {
  const words = new IdentifyWords();
  const { defaultGeometry, currentGeometry } = disk;
  words.put(0, 0x0040);
  words.put(1, defaultGeometry.cylinders);
  words.put(3, defaultGeometry.heads);
  words.put(6, defaultGeometry.sectorsPerTrack);
  words.putText(10, 10, disk.serial);
  words.putText(23, 4, FIRMWARE_REVISION);
  words.putText(27, 20, MODEL_DISK);
  words.put(47, 0x8000 | MULTIPLE_MAXIMUM);
  words.put(48, 1);
  // Capabilities: DMA, LBA, IORDY that may be disabled.
  words.put(49, 0x0f00);
  words.put(50, VALID);
  words.put(51, 0x0200);
  words.put(52, 0x0200);
  words.put(53, 0x0007);
  words.put(54, currentGeometry.cylinders);
  words.put(55, currentGeometry.heads);
  words.put(56, currentGeometry.sectorsPerTrack);
  words.put32(57, Math.min(disk.sectorCount, currentGeometry.cylinders * currentGeometry.heads * currentGeometry.sectorsPerTrack));
  words.put(59, disk.multipleSectors === 0 ? 0 : 0x0100 | disk.multipleSectors);
  words.put32(60, Math.min(disk.sectorCount, LBA28_SECTORS));
  putTransferModes(words, disk.transferMode);
  words.put(80, VERSIONS);
  const supported82 = COMMAND_SET_NOP | COMMAND_SET_WRITE_CACHE | COMMAND_SET_LOOK_AHEAD;
  const supported83 = COMMAND_SET_LBA48 | COMMAND_SET_FLUSH | COMMAND_SET_FLUSH_EXT;
  words.put(82, supported82);
  words.put(83, VALID | supported83);
  const supported84 = COMMAND_SET_FUA | ((disk.queueDepth ?? 0) > 0 ? COMMAND_SET_LOGS : 0);
  words.put(84, VALID | supported84);
  words.put(85, COMMAND_SET_NOP | (disk.writeCache ? COMMAND_SET_WRITE_CACHE : 0) | (disk.lookAhead ? COMMAND_SET_LOOK_AHEAD : 0));
  words.put(86, supported83);
  words.put(87, VALID | supported84);
  putLink(words, disk.queueDepth);
  words.put32(100, disk.sectorCount % 2 ** 32);
  words.put32(102, Math.floor(disk.sectorCount / 2 ** 32));
  words.put(106, VALID);
  words.put(217, ROTATION_NONE);
  if (!disk.readOnly) {
    words.put(105, TRIM_MAXIMUM_PAGES);
    words.put(169, 1);
  }
  return words.bytes;
}

/** `queueDepth`: `undefined` on a parallel cable. */
export function identifyPacketDevice(serial: string, transferMode: TransferMode, queueDepth: number | undefined): Uint8Array {
  const words = new IdentifyWords();
  // Packet device, CD/DVD, removable, DRQ within 50 µs, 12-byte packets.
  words.put(0, 0x85c0);
  words.putText(10, 10, serial);
  words.putText(23, 4, FIRMWARE_REVISION);
  words.putText(27, 20, MODEL_DISC);
  words.put(48, 1);
  words.put(49, 0x0f00);
  words.put(53, 0x0007);
  putTransferModes(words, transferMode);
  words.put(80, VERSIONS);
  // PACKET and DEVICE RESET.
  words.put(82, 0x0210 | COMMAND_SET_NOP);
  words.put(83, VALID);
  words.put(84, VALID);
  words.put(85, 0x0210 | COMMAND_SET_NOP);
  words.put(87, VALID);
  putLink(words, queueDepth);
  return words.bytes;
}

function putTransferModes(words: IdentifyWords, { kind, mode }: TransferMode): void {
  words.put(63, MWDMA_MODES | (kind === 'mwdma' ? 0x100 << mode : 0));
  words.put(64, 0x0003);
  for (const cycleTime of [65, 66, 67, 68]) words.put(cycleTime, 120);
  words.put(88, UDMA_MODES | (kind === 'udma' ? 0x100 << mode : 0));
}

function putLink(words: IdentifyWords, queueDepth: number | undefined): void {
  if (queueDepth === undefined) {
    words.put(93, PARALLEL_RESET_RESULT);
    return;
  }
  words.put(75, Math.max(0, queueDepth - 1));
  words.put(76, SERIAL_SPEEDS | (queueDepth > 0 ? SERIAL_QUEUING : 0));
}

class IdentifyWords {
  readonly bytes = new Uint8Array(IDENTIFY_BYTES);

  put(word: number, value: number): void {
    this.bytes[word * 2] = value;
    this.bytes[word * 2 + 1] = value >>> 8;
  }

  put32(word: number, value: number): void {
    this.put(word, value & 0xffff);
    this.put(word + 1, Math.floor(value / 0x10000) & 0xffff);
  }

  /** ATA strings: padded with spaces, the two characters of a word swapped. */
  putText(word: number, words: number, text: string): void {
    for (let index = 0; index < words * 2; index++) {
      const code = index < text.length ? text.charCodeAt(index) : 0x20;
      this.bytes[(word * 2 + index) ^ 1] = code >= 0x20 && code < 0x7f ? code : 0x20;
    }
  }
}
