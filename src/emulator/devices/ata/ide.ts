/**
 * IDE function of the Intel 82371SB PIIX3 (datasheet 290550, section 2.3): two channels in compatibility mode with bus
 * master DMA. The legacy ports are always decoded; the board claims them.
 *
 * Not emulated: timing (the registers keep what is written), native mode.
 */
import { BUS_MASTER_LENGTH } from './bus-master.ts';
import { IdeChannel, type SavedChannel } from './ide-channel.ts';
import type { IdeDrive } from './ide-drive.ts';
import { byteWideHandler } from '../byte-registers.ts';
import { VendorRegisters } from '../vendor-registers.ts';
import type { AccessWidth } from '../../interfaces/bus.ts';
import type { Device, ResetKind } from '../../interfaces/device.ts';
import type { GuestMemory } from '../../interfaces/guest-memory.ts';
import type { InterruptLine } from '../../interfaces/interrupt-line.ts';
import type { PciBar, PciFunction } from '../../interfaces/pci.ts';

/** IDETIM of the two channels; bit 15 lets a channel decode its ports. */
const IDETIM_PRIMARY = 0x40;
const IDETIM_SECONDARY = 0x42;
const IDETIM_HIGH_DECODE_ENABLE = 0x80;
const SIDETIM = 0x44;
const BUS_MASTER_BAR = 4;
const BUS_MASTER_BAR_LENGTH = 2 * BUS_MASTER_LENGTH;

export interface SavedPiix3Ide {
  readonly registers: Uint8Array;
  readonly channels: readonly SavedChannel[];
}

export interface Piix3IdeOptions {
  readonly id: string;
  readonly revision: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  readonly memory: GuestMemory;
  /** INTRQ of the primary and the secondary channel (IRQ 14 and 15 on a PC). */
  readonly interrupts: readonly [InterruptLine, InterruptLine];
  /** Primary device 0 and 1, secondary device 0 and 1. */
  readonly drives: readonly [IdeDrive | undefined, IdeDrive | undefined, IdeDrive | undefined, IdeDrive | undefined];
}

export class Piix3Ide implements PciFunction, Device<SavedPiix3Ide> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly vendorId = 0x8086;
  readonly deviceId = 0x7010;
  readonly revision: number;
  /** IDE controller, both channels in compatibility mode, bus master. */
  readonly classCode = 0x010180;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  /** In compatibility mode a channel has its ISA interrupt. */
  readonly interruptPin = 0;
  readonly bars: readonly (PciBar | undefined)[];
  readonly capabilities = [];
  /** Primary and secondary: the board claims `commandBlock` (8 ports) and `controlBlock` (1 port) of each. */
  readonly channels: readonly [IdeChannel, IdeChannel];
  readonly #registers: VendorRegisters;

  constructor(options: Piix3IdeOptions) {
    this.id = options.id;
    this.revision = options.revision;
    this.subsystemVendorId = options.subsystemVendorId;
    this.subsystemId = options.subsystemId;
    const { memory, interrupts, drives } = options;
    this.channels = [
      new IdeChannel({ memory, interrupt: interrupts[0], drives: [drives[0], drives[1]] }),
      new IdeChannel({ memory, interrupt: interrupts[1], drives: [drives[2], drives[3]] }),
    ];
    // The chip comes up with both channels off. They are on here, since a kernel started without firmware looks at the
    // bit before it looks at the ports.
    this.#registers = new VendorRegisters([
      { offset: IDETIM_PRIMARY },
      { offset: IDETIM_PRIMARY + 1, reset: IDETIM_HIGH_DECODE_ENABLE },
      { offset: IDETIM_SECONDARY },
      { offset: IDETIM_SECONDARY + 1, reset: IDETIM_HIGH_DECODE_ENABLE },
      { offset: SIDETIM },
    ], () => undefined);
    const master = (offset: number): IdeChannel => this.channels[offset < BUS_MASTER_LENGTH ? 0 : 1];
    const busMaster: PciBar = {
      kind: 'io',
      length: BUS_MASTER_BAR_LENGTH,
      handler: byteWideHandler({
        length: BUS_MASTER_BAR_LENGTH,
        read: (offset) => master(offset).busMaster.read(offset % BUS_MASTER_LENGTH),
        write: (offset, value) => { master(offset).busMaster.write(offset % BUS_MASTER_LENGTH, value); },
        peek: (offset) => master(offset).busMaster.read(offset % BUS_MASTER_LENGTH),
      }),
    };
    this.bars = Array.from({ length: BUS_MASTER_BAR + 1 }, (_, bar) => (bar === BUS_MASTER_BAR ? busMaster : undefined));
  }

  readConfig(offset: number, width: AccessWidth): number | undefined {
    return this.#registers.read(offset, width);
  }

  writeConfig(offset: number, width: AccessWidth, value: number): boolean {
    return this.#registers.write(offset, width, value);
  }

  reset(kind: ResetKind): void {
    this.#registers.reset();
    for (const channel of this.channels) channel.reset(kind);
  }

  save(): SavedPiix3Ide {
    return { registers: this.#registers.bytes.slice(), channels: this.channels.map((channel) => channel.save()) };
  }

  /** Guest memory holds its saved contents before this is called. */
  restore(saved: SavedPiix3Ide): void {
    this.#registers.restore(saved.registers);
    this.channels.forEach((channel, index) => {
      const own = saved.channels[index];
      if (own === undefined) channel.reset('power-on');
      else channel.restore(own);
    });
  }
}
