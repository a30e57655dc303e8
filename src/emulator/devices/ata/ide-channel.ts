/**
 * One IDE channel: device selection, device control, the interrupt line and the bus master between two drives
 * (ATA/ATAPI-7, §9.16 for what a missing device looks like).
 */
import { BusMaster, idleBusMaster, type BusMasterState } from './bus-master.ts';
import { DEVICE_DEV, REGISTER_ERROR, type IdeDrive, type SavedDrive } from './ide-drive.ts';
import type { AccessWidth, IoHandler } from '../../interfaces/bus.ts';
import type { ResetKind } from '../../interfaces/device.ts';
import type { GuestMemory } from '../../interfaces/guest-memory.ts';
import type { InterruptLine } from '../../interfaces/interrupt-line.ts';

const DATA = 0;
const DEVICE = 6;
const STATUS = 7;
const COMMAND_BLOCK_LENGTH = 8;
const COMMAND_EXECUTE_DEVICE_DIAGNOSTIC = 0x90;
const COMMAND_DEVICE_RESET = 0x08;

/** Device control register. */
const CONTROL_NIEN = 0x02;
const CONTROL_SRST = 0x04;
const CONTROL_HOB = 0x80;

interface ChannelState {
  control: number;
  /** The device register as last written: selects device 0 or 1 by DEV. */
  device: number;
}

export interface SavedChannel extends Readonly<ChannelState> {
  readonly busMaster: Readonly<BusMasterState>;
  /** Missing where the place is empty. */
  readonly drives: readonly (SavedDrive | undefined)[];
}

export interface IdeChannelOptions {
  readonly memory: GuestMemory;
  readonly interrupt: InterruptLine;
  /** Device 0 and device 1. */
  readonly drives: readonly [IdeDrive | undefined, IdeDrive | undefined];
}

export class IdeChannel {
  /** Eight ports: data, error/features, count, LBA, device, status/command. */
  readonly commandBlock: IoHandler;
  /** One port: alternate status and device control. */
  readonly controlBlock: IoHandler;
  readonly busMaster: BusMaster;
  readonly #interrupt: InterruptLine;
  readonly #drives: readonly [IdeDrive | undefined, IdeDrive | undefined];
  #state: ChannelState = { control: 0, device: 0 };
  #interruptHigh = false;

  constructor(options: IdeChannelOptions) {
    this.#interrupt = options.interrupt;
    this.#drives = options.drives;
    this.busMaster = new BusMaster(options.memory, () => { this.#selected?.dmaStarted(); });
    for (const drive of this.#drives) drive?.attach({ busMaster: this.busMaster, interruptChanged: () => { this.#driveInterrupt(); } });
    this.commandBlock = {
      read: (offset, width) => this.#read(offset, width),
      write: (offset, width, value) => { this.#write(offset, width, value); },
      readBlock: (offset, width, target) => (offset === DATA && width !== 1 ? (this.#selected?.readDataBlock(width, target) ?? 0) : 0),
      writeBlock: (offset, width, source) => (offset === DATA && width !== 1 ? (this.#selected?.writeDataBlock(width, source) ?? 0) : 0),
      peek: (offset, width) => gather(offset, width, (at) => (at === DATA ? 0xff : this.#peekRegister(at))),
    };
    this.controlBlock = {
      read: (offset, width) => gather(offset, width, (at) => (at === 0 ? this.#peekRegister(STATUS) : 0xff)),
      write: (offset, _width, value) => { if (offset === 0) this.#writeControl(value & 0xff); },
      peek: (offset, width) => gather(offset, width, (at) => (at === 0 ? this.#peekRegister(STATUS) : 0xff)),
    };
  }

  reset(kind: ResetKind): void {
    this.#state = { control: 0, device: 0 };
    this.busMaster.state = idleBusMaster();
    for (const drive of this.#drives) drive?.reset(kind);
    this.#driveInterrupt();
  }

  save(): SavedChannel {
    const { control, device, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    const { command, status, table, ...restOfMaster } = this.busMaster.state;
    restOfMaster satisfies Record<string, never>;
    return { control, device, busMaster: { command, status, table }, drives: this.#drives.map((drive) => drive?.save()) };
  }

  restore(saved: SavedChannel): void {
    this.#state = { control: saved.control, device: saved.device };
    this.busMaster.state = { ...saved.busMaster };
    this.#drives.forEach((drive, index) => {
      const own = saved.drives[index];
      if (own === undefined) drive?.reset('power-on');
      else drive?.restore(own);
    });
    // The rising edge was seen before the state was saved: the bus master's bit comes from the saved state alone.
    this.#interruptHigh = this.#interruptWanted();
    this.#interrupt.set(this.#interruptHigh);
  }

  get #selected(): IdeDrive | undefined {
    return this.#drives[(this.#state.device & DEVICE_DEV) === 0 ? 0 : 1];
  }

  get #isEmpty(): boolean {
    return this.#drives[0] === undefined && this.#drives[1] === undefined;
  }

  #interruptWanted(): boolean {
    return (this.#state.control & CONTROL_NIEN) === 0 && this.#selected?.interruptPending === true;
  }

  #driveInterrupt(): void {
    const high = this.#interruptWanted();
    if (high && !this.#interruptHigh) this.busMaster.interruptRaised();
    this.#interruptHigh = high;
    this.#interrupt.set(high);
  }

  #read(offset: number, width: AccessWidth): number {
    if (offset === DATA) return this.#selected?.readData(width) ?? allOnes(width);
    return gather(offset, width, (at) => {
      const value = this.#peekRegister(at);
      if (at === STATUS) this.#selected?.clearInterrupt();
      return value;
    });
  }

  #write(offset: number, width: AccessWidth, value: number): void {
    if (offset === DATA) {
      this.#selected?.writeData(width, value);
      return;
    }
    for (let byte = 0; byte < width && offset + byte < COMMAND_BLOCK_LENGTH; byte++) {
      this.#writeRegister(offset + byte, (value >>> (8 * byte)) & 0xff);
    }
  }

  /**
   * An empty channel floats: all ones. Where only the other device exists, it answers for the missing one, with status 0,
   * so that a host sees at once that nothing is there.
   */
  #peekRegister(register: number): number {
    if (register >= COMMAND_BLOCK_LENGTH || this.#isEmpty) return 0xff;
    const drive = this.#selected;
    if (drive === undefined) return register === DEVICE ? this.#state.device | 0xa0 : 0;
    if (drive.isBusy) return drive.status;
    return drive.readRegister(register, (this.#state.control & CONTROL_HOB) !== 0);
  }

  #writeRegister(register: number, value: number): void {
    // Any write to the command block shows the most recent register contents again (§6.2).
    this.#state.control &= ~CONTROL_HOB;
    if (register === STATUS) {
      this.#writeCommand(value);
      return;
    }
    if (this.#selected?.isBusy === true) return;
    if (register === DEVICE) this.#state.device = value;
    for (const drive of this.#drives) if (drive?.isBusy === false && register >= REGISTER_ERROR) drive.writeRegister(register, value);
    if (register === DEVICE) this.#driveInterrupt();
  }

  #writeCommand(command: number): void {
    if ((this.#state.control & CONTROL_SRST) !== 0) return;
    if (command === COMMAND_EXECUTE_DEVICE_DIAGNOSTIC) {
      this.#diagnose();
      return;
    }
    const drive = this.#selected;
    // DEVICE RESET is the one command that a busy packet device takes (§6.12).
    if (drive === undefined || (drive.isBusy && command !== COMMAND_DEVICE_RESET)) return;
    drive.command(command);
  }

  /** Goes to both devices, whichever is selected; device 0 reports. */
  #diagnose(): void {
    if (this.#drives.some((drive) => drive?.isBusy === true)) return;
    this.#resetDrives();
    this.#drives[0]?.diagnosed();
    this.#driveInterrupt();
  }

  #writeControl(value: number): void {
    const before = this.#state.control;
    this.#state.control = value & (CONTROL_NIEN | CONTROL_SRST | CONTROL_HOB);
    const rises = (value & CONTROL_SRST) !== 0 && (before & CONTROL_SRST) === 0;
    const falls = (value & CONTROL_SRST) === 0 && (before & CONTROL_SRST) !== 0;
    if (rises) for (const drive of this.#drives) drive?.holdInReset();
    if (falls) this.#resetDrives();
    this.#driveInterrupt();
  }

  /** Device 0 is selected afterwards. */
  #resetDrives(): void {
    this.#state.device = 0;
    for (const drive of this.#drives) {
      drive?.writeRegister(DEVICE, 0);
      drive?.finishReset();
    }
  }
}

function gather(offset: number, width: AccessWidth, one: (offset: number) => number): number {
  let value = 0;
  for (let byte = 0; byte < width; byte++) value += one(offset + byte) * 2 ** (8 * byte);
  return value;
}

function allOnes(width: AccessWidth): number {
  return width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff;
}
