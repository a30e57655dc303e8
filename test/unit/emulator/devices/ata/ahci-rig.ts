import { Ich9Ahci } from '../../../../../src/emulator/devices/ata/ahci.ts';
import { AtaDisk } from '../../../../../src/emulator/devices/ata/ata-disk.ts';
import { AtapiDrive } from '../../../../../src/emulator/devices/ata/atapi-drive.ts';
import type { IoHandler } from '../../../../../src/emulator/interfaces/bus.ts';
import { FakeBlockBackend } from '../../../../support/fake-block-backend.ts';
import { FakeGuestMemory } from '../../../../support/fake-guest-memory.ts';
import { FakeLine } from '../../../../support/fake-line.ts';
import { DISC_SECTORS, DISK_SECTORS } from './ide-rig.ts';

/** What a driver of one port keeps in memory; ports lie 64 KiB apart. */
const PORT_MEMORY_BYTES = 0x1_0000;
const LIST = 0;
const RECEIVED = 0x400;
const TABLES = 0x1000;
const TABLE_BYTES = 0x400;

export const DISK_PORT = 0;
export const DISC_PORT = 1;
export const EMPTY_PORT = 2;

export const PORT = { is: 0x10, ie: 0x14, cmd: 0x18, tfd: 0x20, sig: 0x24, ssts: 0x28, sctl: 0x2c, sact: 0x34, ci: 0x38 } as const;

export interface SataCommand {
  readonly opcode: number;
  readonly sector?: number;
  readonly count?: number;
  readonly feature?: number;
  readonly device?: number;
  readonly lbaMid?: number;
  readonly packet?: readonly number[];
  readonly regions?: readonly (readonly [address: number, bytes: number])[];
}

/** An AHCI controller as a driver sees it: a disk on port 0, a CD drive on port 1. */
export class AhciRig {
  readonly memory: FakeGuestMemory;
  readonly disk: FakeBlockBackend;
  readonly disc: FakeBlockBackend;
  readonly cd: AtapiDrive;
  readonly line = new FakeLine('inta');
  readonly ahci: Ich9Ahci;
  readonly registers: IoHandler;

  constructor(options: { ramBytes?: number; readOnly?: boolean } = {}) {
    this.memory = new FakeGuestMemory(options.ramBytes ?? 2 << 20);
    this.disk = new FakeBlockBackend(this.memory, { sectorCount: DISK_SECTORS, readOnly: options.readOnly ?? false, serial: 'GH-DISK-7' });
    this.disc = new FakeBlockBackend(this.memory, { sectorCount: DISC_SECTORS, sectorBytes: 2048, readOnly: true });
    this.cd = new AtapiDrive({ id: 'ahci.1', memory: this.memory, serial: 'GH-DISC-1', medium: this.disc });
    this.ahci = new Ich9Ahci({
      id: 'ahci', subsystemVendorId: 0x1af4, subsystemId: 0x1100, memory: this.memory,
      drives: [{ drive: new AtaDisk({ id: 'ahci.0', memory: this.memory, backend: this.disk }), disk: this.disk }, { drive: this.cd, disk: undefined }],
    });
    this.ahci.connectInterrupt(this.line);
    this.ahci.reset('power-on');
    const bar = this.ahci.bars[5];
    if (bar?.kind !== 'memory') throw new Error('BAR 5 is the controller\'s registers');
    this.registers = bar.handler;
  }

  /** What a driver does before the first command. */
  start(port: number): void {
    this.setPort(port, 0x00, this.#base(port) + LIST);
    this.setPort(port, 0x08, this.#base(port) + RECEIVED);
    this.setPort(port, PORT.cmd, 0x16);
    this.setPort(port, PORT.is, 0xffff_ffff);
    this.setPort(port, PORT.ie, 0x7dc0_007f);
    this.setPort(port, PORT.cmd, 0x17);
    this.registers.write(0x08, 4, 0xff);
    this.registers.write(0x04, 4, 0x02);
  }

  get(register: number): number {
    return this.registers.read(register, 4);
  }

  port(port: number, register: number): number {
    return this.registers.read(0x100 + port * 0x80 + register, 4);
  }

  setPort(port: number, register: number, value: number): void {
    this.registers.write(0x100 + port * 0x80 + register, 4, value);
  }

  settle(): void {
    while (this.disk.waiting + this.disc.waiting > 0) {
      this.disk.settle();
      this.disc.settle();
    }
  }

  /** Fills a slot's header and table. */
  prepare(port: number, slot: number, { opcode, sector = 0, count = 0, feature = 0, device = 0x40, lbaMid, packet, regions = [] }: SataCommand): void {
    const upper = Math.floor(sector / 2 ** 24);
    const lba = [sector & 0xff, lbaMid ?? (sector >>> 8) & 0xff, (sector >>> 16) & 0xff];
    this.fill(port, slot, [
      0x27, 0x80, opcode, feature & 0xff, ...lba, device, upper & 0xff, (upper >>> 8) & 0xff, (upper >>> 16) & 0xff, feature >>> 8, count & 0xff, count >>> 8, 0, 0,
    ], packet, regions);
  }

  fill(port: number, slot: number, fis: readonly number[], packet: readonly number[] = [], regions: readonly (readonly [number, number])[] = []): void {
    const header = this.#base(port) + LIST + slot * 32;
    const table = this.#base(port) + TABLES + slot * TABLE_BYTES;
    this.memory.write32(header, 5 | (packet.length > 0 ? 0x20 : 0) | (regions.length << 16));
    this.memory.write32(header + 4, 0);
    this.memory.write32(header + 8, table);
    this.memory.write32(header + 12, 0);
    this.memory.writeBlock(table, Uint8Array.from({ length: 0x60 }, (_, at) => (at < 0x40 ? fis[at] : packet[at - 0x40]) ?? 0));
    regions.forEach(([address, bytes], index) => {
      this.memory.write32(table + 0x80 + index * 16, address);
      this.memory.write32(table + 0x84 + index * 16, 0);
      this.memory.write32(table + 0x8c + index * 16, bytes - 1);
    });
  }

  run(port: number, command: SataCommand, slot = 0): void {
    this.prepare(port, slot, command);
    this.setPort(port, PORT.ci, 1 << slot);
    this.settle();
  }

  /** A queued read or write: sectors in FEATURES, the tag in COUNT. */
  prepareQueued(slot: number, kind: 'read' | 'write', sector: number, sectors: number, address: number, device = 0x40): void {
    this.prepare(DISK_PORT, slot, { opcode: kind === 'read' ? 0x60 : 0x61, sector, feature: sectors, count: slot << 3, device, regions: [[address, sectors * 512]] });
  }

  issueQueued(bits: number): void {
    this.setPort(DISK_PORT, PORT.sact, bits);
    this.setPort(DISK_PORT, PORT.ci, bits);
  }

  /** PRDBC of a slot. */
  moved(port: number, slot = 0): number {
    return this.memory.read32(this.#base(port) + LIST + slot * 32 + 4);
  }

  /** A received FIS, by its place in the receive area. */
  received(port: number, at: number, length: number): Uint8Array {
    const fis = new Uint8Array(length);
    this.memory.readBlock(this.#base(port) + RECEIVED + at, fis);
    return fis;
  }

  #base(port: number): number {
    return 0x10_0000 + port * PORT_MEMORY_BYTES;
  }
}
