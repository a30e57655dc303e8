import { AtaDisk } from '../../../../../src/emulator/devices/ata/ata-disk.ts';
import { AtapiDrive } from '../../../../../src/emulator/devices/ata/atapi-drive.ts';
import { Piix3Ide } from '../../../../../src/emulator/devices/ata/ide.ts';
import type { IdeDrive } from '../../../../../src/emulator/devices/ata/ide-drive.ts';
import { FakeBlockBackend } from '../../../../support/fake-block-backend.ts';
import { FakeGuestMemory } from '../../../../support/fake-guest-memory.ts';
import { FakeLine } from '../../../../support/fake-line.ts';

export const DISK_SECTORS = 5_000;
export const DISC_SECTORS = 300;

/** A controller as a driver sees it: a disk as primary device 0, a CD drive as secondary device 0. */
export class IdeRig {
  readonly memory: FakeGuestMemory;
  readonly disk: FakeBlockBackend;
  readonly disc: FakeBlockBackend;
  readonly cd: AtapiDrive;
  readonly irqs = [new FakeLine('irq14'), new FakeLine('irq15')] as const;
  readonly ide: Piix3Ide;
  /** Open or not, each time that the guest moved it. */
  readonly trayMoves: boolean[] = [];

  constructor(options: { ramBytes?: number; readOnly?: boolean; withDisc?: boolean; slaveOnly?: boolean } = {}) {
    this.memory = new FakeGuestMemory(options.ramBytes ?? 1 << 20);
    this.disk = new FakeBlockBackend(this.memory, { sectorCount: DISK_SECTORS, readOnly: options.readOnly ?? false, serial: 'GH-DISK-7' });
    this.disc = new FakeBlockBackend(this.memory, { sectorCount: DISC_SECTORS, sectorBytes: 2048, readOnly: true });
    const ata = new AtaDisk({ id: 'ide0.disk0', memory: this.memory, backend: this.disk });
    this.cd = new AtapiDrive({ id: 'ide1.disk0', memory: this.memory, serial: 'GH-DISC-1', trayMoved: (open) => { this.trayMoves.push(open); }, ...(options.withDisc === false ? {} : { medium: this.disc }) });
    const drives: [IdeDrive | undefined, IdeDrive | undefined, IdeDrive | undefined, IdeDrive | undefined] = options.slaveOnly === true
      ? [undefined, ata, undefined, undefined] : [ata, undefined, this.cd, undefined];
    this.ide = new Piix3Ide({
      id: 'ide', revision: 0, subsystemVendorId: 0x1af4, subsystemId: 0x1100, memory: this.memory, interrupts: this.irqs, drives,
    });
    this.ide.reset('power-on');
  }

  settle(): void {
    for (let rounds = 0; this.disk.waiting + this.disc.waiting > 0; rounds++) {
      this.disk.settle();
      this.disc.settle();
    }
  }

  out(channel: number, register: number, value: number): void {
    this.ide.channels[channel]!.commandBlock.write(register, 1, value);
  }

  in(channel: number, register: number): number {
    return this.ide.channels[channel]!.commandBlock.read(register, 1);
  }

  /** Alternate status. */
  status(channel: number): number {
    return this.ide.channels[channel]!.controlBlock.read(0, 1);
  }

  control(channel: number, value: number): void {
    this.ide.channels[channel]!.controlBlock.write(0, 1, value);
  }

  /** A 28-bit LBA command. */
  command28(opcode: number, sector: number, count: number): void {
    this.out(0, 6, 0xe0 | ((sector >>> 24) & 15));
    this.out(0, 2, count & 0xff);
    for (const register of [3, 4, 5]) this.out(0, register, (sector >>> (8 * (register - 3))) & 0xff);
    this.out(0, 7, opcode);
  }

  /** A 48-bit LBA command. */
  command48(opcode: number, sector: number, count: number, feature = 0): void {
    this.out(0, 6, 0xe0);
    this.out(0, 1, 0);
    this.out(0, 1, feature);
    this.out(0, 2, (count >>> 8) & 0xff);
    this.out(0, 2, count & 0xff);
    for (const register of [3, 4, 5]) {
      this.out(0, register, Math.floor(sector / 2 ** (24 + 8 * (register - 3))) & 0xff);
      this.out(0, register, (sector >>> (8 * (register - 3))) & 0xff);
    }
    this.out(0, 7, opcode);
  }

  /** Reads words at the data port. */
  readWords(channel: number, bytes: number): Uint8Array {
    const data = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 2) {
      const word = this.ide.channels[channel]!.commandBlock.read(0, 2);
      data[at] = word;
      if (at + 1 < bytes) data[at + 1] = word >>> 8;
    }
    return data;
  }

  writeBlock(channel: number, data: Uint8Array): number {
    return this.ide.channels[channel]!.commandBlock.writeBlock!(0, 2, data);
  }

  readBlock(channel: number, target: Uint8Array): number {
    return this.ide.channels[channel]!.commandBlock.readBlock!(0, 2, target);
  }

  master(channel: number, register: number): number {
    const bar = this.ide.bars[4];
    return bar?.kind === 'io' ? bar.handler.read(channel * 8 + register, 1) : -1;
  }

  setMaster(channel: number, register: number, width: 1 | 4, value: number): void {
    const bar = this.ide.bars[4];
    if (bar?.kind === 'io') bar.handler.write(channel * 8 + register, width, value);
  }

  /** Writes a table of physical regions at `table` and tells the bus master. */
  describe(channel: number, table: number, regions: readonly (readonly [address: number, bytes: number])[]): void {
    regions.forEach(([address, bytes], index) => {
      this.memory.write32(table + index * 8, address);
      this.memory.write32(table + index * 8 + 4, (bytes & 0xffff) + (index === regions.length - 1 ? 0x8000_0000 : 0));
    });
    this.setMaster(channel, 4, 4, table);
    this.setMaster(channel, 2, 1, 0x06);
  }

  /** Sends a packet; `byteLimit` of a PIO data block. */
  packet(bytes: readonly number[], options: { dma?: boolean; byteLimit?: number } = {}): void {
    const limit = options.byteLimit ?? 0xfffe;
    this.out(1, 6, 0xa0);
    this.out(1, 1, options.dma === true ? 1 : 0);
    this.out(1, 4, limit & 0xff);
    this.out(1, 5, limit >>> 8);
    this.out(1, 7, 0xa0);
    const packet = Uint8Array.from({ length: 12 }, (_, index) => bytes[index] ?? 0);
    for (let at = 0; at < 12; at += 2) this.ide.channels[1].commandBlock.write(0, 2, packet[at]! | (packet[at + 1]! << 8));
  }

  /** Takes a whole PIO answer, block by block. */
  takeReply(): Uint8Array {
    const parts: number[] = [];
    this.settle();
    while ((this.status(1) & 0x08) !== 0) {
      const bytes = this.in(1, 4) | (this.in(1, 5) << 8);
      parts.push(...this.readWords(1, bytes));
      this.settle();
    }
    return Uint8Array.from(parts);
  }

  /** REQUEST SENSE: key, ASC, ASCQ. */
  sense(): number[] {
    this.packet([0x03, 0, 0, 0, 18]);
    const reply = this.takeReply();
    return [reply[2]!, reply[12]!, reply[13]!];
  }
}

export function identifyText(data: Uint8Array, word: number, words: number): string {
  let text = '';
  for (let at = word * 2; at < (word + words) * 2; at++) text += String.fromCharCode(data[at ^ 1]!);
  return text.trim();
}

export function identifyWord(data: Uint8Array, word: number): number {
  return data[word * 2]! | (data[word * 2 + 1]! << 8);
}
