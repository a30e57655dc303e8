/**
 * One port of an AHCI controller and the device on it (Serial ATA AHCI 1.3.1, section 3.3 and chapter 5). The drive is the
 * same that hangs on an IDE channel: the port writes its registers as a FIS says and moves its data blocks between the data
 * port and the command's regions. Queued commands go past the drive's registers.
 *
 * Not emulated: port multipliers, power management of the link, cold presence, hot plug.
 */
import { openRegions, readCommandFis, readHeader, readPacket, readRegions, releaseRegions, writeByteCount, writeRegions, COMMAND_SLOTS, type CommandHeader } from './ahci-command.ts';
import {
  deviceBitsFis, dmaSetupFis, FIS_HOST_TO_DEVICE, HOST_FIS, HOST_FIS_IS_COMMAND, pioSetupFis, RECEIVED_DEVICE_BITS, RECEIVED_DMA_SETUP, RECEIVED_PIO_SETUP,
  RECEIVED_REGISTERS, registersFis, type DeviceRegisters,
} from './ahci-fis.ts';
import type { DmaWindow } from './bus-master.ts';
import { REGISTER_ERROR, STAGING_BYTES, STATUS_BSY, STATUS_DRDY, STATUS_DRQ, STATUS_DSC, STATUS_ERR, type IdeDrive, type SavedDrive } from './ide-drive.ts';
import { NativeQueue, QUEUE_DEPTH, queuedCommand, type QueuedCommand, type QueueFailure, type SavedQueue } from './native-queue.ts';
import type { BlockBackend } from '../../interfaces/block-backend.ts';
import type { GuestMemory } from '../../interfaces/guest-memory.ts';

/** Registers, as offsets from the port's own. */
const REGISTER = {
  commandList: 0x00, commandListUpper: 0x04, receivedFis: 0x08, receivedFisUpper: 0x0c, interruptStatus: 0x10, interruptEnable: 0x14,
  command: 0x18, taskFile: 0x20, signature: 0x24, linkStatus: 0x28, linkControl: 0x2c, linkError: 0x30, active: 0x34, issue: 0x38,
} as const;
export const PORT_BYTES = 0x80;

/** PxCMD. */
const COMMAND_START = 1 << 0;
const COMMAND_SPIN_UP = 1 << 1;
const COMMAND_POWER_ON = 1 << 2;
const COMMAND_LIST_OVERRIDE = 1 << 3;
const COMMAND_RECEIVE = 1 << 4;
const COMMAND_SLOT_SHIFT = 8;
const COMMAND_RECEIVING = 1 << 14;
const COMMAND_RUNNING = 1 << 15;
const COMMAND_IS_PACKET = 1 << 24;
const COMMAND_ACTIVITY_LED = 1 << 25;
const COMMAND_WRITABLE = COMMAND_START | COMMAND_SPIN_UP | COMMAND_POWER_ON | COMMAND_RECEIVE | COMMAND_IS_PACKET | COMMAND_ACTIVITY_LED;

/** PxIS. */
const INTERRUPT_REGISTERS = 1 << 0;
const INTERRUPT_PIO_SETUP = 1 << 1;
const INTERRUPT_DEVICE_BITS = 1 << 3;
const INTERRUPT_OVERFLOW = 1 << 24;
const INTERRUPT_FATAL = 1 << 27;
const INTERRUPT_TASK_FILE_ERROR = 1 << 30;
const INTERRUPTS = 0xfdc0_00ff;

/** PxSCTL and PxSSTS: what the link is told to do, and that a device answers at 3 Gbit/s. */
const LINK_DETECT_MASK = 0x0f;
const LINK_RESET = 0x01;
const LINK_CONTROL_WRITABLE = 0xfff;
const LINK_UP = 0x123;
const NO_DEVICE_TASK_FILE = 0x7f;
const NO_SIGNATURE = 0xffff_ffff;
/** PxTFD while the link is being reset. */
const RESETTING_TASK_FILE = 0x80;

const LIST_ALIGNMENT = 1024;
const RECEIVED_ALIGNMENT = 256;
const CONTROL_SRST = 0x04;
const UPPER_MASK = 0xf_ffff;

interface PortRegisters {
  commandList: number;
  receivedFis: number;
  interruptStatus: number;
  interruptEnable: number;
  command: number;
  status: number;
  error: number;
  signature: number;
  linkControl: number;
  linkError: number;
  active: number;
  issued: number;
  /** Slot of the command that the drive works on. */
  slot: number | undefined;
  /** Bytes of its data that have been moved. */
  transferred: number;
  /** Its packet has gone to the drive. */
  packetSent: boolean;
  /** The data of its last block went to the host by PIO: the device says no more of its end. */
  endsSilently: boolean;
  /** A command failed: nothing starts until the port is stopped and started. */
  halted: boolean;
  /** The registers that tell what the device is wait for the port to take FISes. */
  signatureWaits: boolean;
}

export interface SavedPort {
  readonly registers: Readonly<PortRegisters>;
  readonly queue: SavedQueue | undefined;
  readonly drive: SavedDrive | undefined;
}

export interface AhciPortOptions {
  readonly memory: GuestMemory;
  /** What is plugged in; `disk`: its sectors, where it is a disk. */
  readonly device: { readonly drive: IdeDrive; readonly disk: BlockBackend | undefined } | undefined;
  readonly interruptChanged: () => void;
}

export class AhciPort {
  readonly #memory: GuestMemory;
  readonly #drive: IdeDrive | undefined;
  readonly #queue: NativeQueue | undefined;
  readonly #interruptChanged: () => void;
  #state = idleRegisters();
  /** The drive's own turn of events is being followed. */
  #isFollowing = false;

  constructor({ memory, device, interruptChanged }: AhciPortOptions) {
    this.#memory = memory;
    this.#drive = device?.drive;
    this.#interruptChanged = interruptChanged;
    this.#queue = device?.disk === undefined ? undefined : new NativeQueue(device.disk, {
      open: (command, bytes) => this.#openQueued(command, bytes),
      release: (window) => { releaseRegions(memory, window); },
      completed: (command) => { this.#queuedCompleted(command); },
      failed: (failure) => { this.#queuedFailed(failure); },
    });
    const queue = this.#queue;
    this.#drive?.attach({
      busMaster: {
        isStarted: false,
        open: (length, direction) => this.#openData(length, direction),
        release: (window) => { releaseRegions(memory, window); },
        finished: (window) => { this.#state.transferred += window.segments.reduce((sum, { length }) => sum + length, 0); },
      },
      serialLink: { queueDepth: queue === undefined ? 0 : QUEUE_DEPTH, queueErrorLog: () => queue?.errorLog() ?? new Uint8Array(0) },
      interruptChanged: () => { this.#follow(); },
    });
  }

  get interruptPending(): boolean {
    return (this.#state.interruptStatus & this.#state.interruptEnable) !== 0;
  }

  read(register: number): number {
    const state = this.#state;
    switch (register) {
      case REGISTER.commandList: return state.commandList % 2 ** 32;
      case REGISTER.commandListUpper: return Math.floor(state.commandList / 2 ** 32);
      case REGISTER.receivedFis: return state.receivedFis % 2 ** 32;
      case REGISTER.receivedFisUpper: return Math.floor(state.receivedFis / 2 ** 32);
      case REGISTER.interruptStatus: return state.interruptStatus;
      case REGISTER.interruptEnable: return state.interruptEnable;
      case REGISTER.command: return this.#commandRegister();
      case REGISTER.taskFile: return state.status | (state.error << 8);
      case REGISTER.signature: return state.signature;
      case REGISTER.linkStatus: return this.#linkIsUp ? LINK_UP : 0;
      case REGISTER.linkControl: return state.linkControl;
      case REGISTER.linkError: return state.linkError;
      case REGISTER.active: return state.active;
      case REGISTER.issue: return state.issued;
      default: return 0;
    }
  }

  write(register: number, value: number): void {
    const state = this.#state;
    switch (register) {
      case REGISTER.commandList: state.commandList = withLower(state.commandList, value, LIST_ALIGNMENT); break;
      case REGISTER.commandListUpper: state.commandList = withUpper(state.commandList, value); break;
      case REGISTER.receivedFis: state.receivedFis = withLower(state.receivedFis, value, RECEIVED_ALIGNMENT); break;
      case REGISTER.receivedFisUpper: state.receivedFis = withUpper(state.receivedFis, value); break;
      case REGISTER.interruptStatus:
        state.interruptStatus = (state.interruptStatus & ~value) >>> 0;
        this.#interruptChanged();
        break;
      case REGISTER.interruptEnable:
        state.interruptEnable = (value & INTERRUPTS) >>> 0;
        this.#interruptChanged();
        break;
      case REGISTER.command: this.#writeCommand(value); break;
      case REGISTER.linkControl: this.#writeLinkControl(value); break;
      case REGISTER.linkError: state.linkError = (state.linkError & ~value) >>> 0; break;
      case REGISTER.active: if (this.#isStarted) state.active = (state.active | value) >>> 0; break;
      case REGISTER.issue:
        if (!this.#isStarted) break;
        state.issued = (state.issued | value) >>> 0;
        this.#startCommands();
        break;
      default:
    }
  }

  /** The controller's own reset: where the lists lie stays. */
  resetLink(): void {
    const { commandList, receivedFis } = this.#state;
    this.#state = { ...idleRegisters(), commandList, receivedFis };
    this.#resetDevice();
  }

  reset(): void {
    this.#state = idleRegisters();
    this.#resetDevice();
  }

  save(): SavedPort {
    const {
      commandList, receivedFis, interruptStatus, interruptEnable, command, status, error, signature, linkControl, linkError, active, issued, slot, transferred,
      packetSent, endsSilently, halted, signatureWaits, ...rest
    } = this.#state;
    rest satisfies Record<string, never>;
    return {
      registers: {
        commandList, receivedFis, interruptStatus, interruptEnable, command, status, error, signature, linkControl, linkError, active, issued, slot, transferred,
        packetSent, endsSilently, halted, signatureWaits,
      },
      queue: this.#queue?.save(),
      drive: this.#drive?.save(),
    };
  }

  /** Guest memory holds its saved contents before this is called: unfinished commands are read from it again. */
  restore(saved: SavedPort): void {
    if ((this.#drive === undefined) !== (saved.drive === undefined)) {
      this.reset();
      return;
    }
    this.#state = { ...saved.registers };
    if (saved.drive !== undefined) this.#drive?.restore(saved.drive);
    if (saved.queue !== undefined) this.#queue?.restore(saved.queue);
  }

  get #isStarted(): boolean {
    return (this.#state.command & COMMAND_START) !== 0;
  }

  get #linkIsUp(): boolean {
    return this.#drive !== undefined && (this.#state.linkControl & LINK_DETECT_MASK) !== LINK_RESET;
  }

  #commandRegister(): number {
    const { command, slot } = this.#state;
    const running = (command & COMMAND_START) === 0 ? 0 : COMMAND_RUNNING;
    const receiving = (command & COMMAND_RECEIVE) === 0 ? 0 : COMMAND_RECEIVING;
    return command | running | receiving | ((slot ?? 0) << COMMAND_SLOT_SHIFT);
  }

  #writeCommand(value: number): void {
    const state = this.#state;
    const before = state.command;
    state.command = value & COMMAND_WRITABLE;
    if ((before & COMMAND_START) !== 0 && !this.#isStarted) this.#stop();
    if ((value & COMMAND_LIST_OVERRIDE) !== 0 && !this.#isStarted) state.status &= ~(STATUS_BSY | STATUS_DRQ);
    this.#tellSignature();
    this.#startCommands();
  }

  /** What was issued is forgotten (§10.3.2). */
  #stop(): void {
    const state = this.#state;
    if (state.slot !== undefined) this.#drive?.abandonCommand();
    this.#queue?.abandon();
    Object.assign(state, { active: 0, issued: 0, slot: undefined, halted: false });
  }

  #writeLinkControl(value: number): void {
    const state = this.#state;
    const wasReset = (state.linkControl & LINK_DETECT_MASK) === LINK_RESET;
    state.linkControl = value & LINK_CONTROL_WRITABLE;
    const isReset = (value & LINK_DETECT_MASK) === LINK_RESET;
    if (isReset && !wasReset) {
      this.#stop();
      Object.assign(state, { status: this.#drive === undefined ? NO_DEVICE_TASK_FILE : RESETTING_TASK_FILE, error: 0, signature: NO_SIGNATURE });
    }
    if (wasReset && !isReset) this.#resetDevice();
  }

  /** The device starts over and tells what it is. */
  #resetDevice(): void {
    this.#queue?.reset();
    if (this.#drive === undefined) {
      this.#interruptChanged();
      return;
    }
    this.#drive.reset('soft');
    this.#announceDevice();
    this.#interruptChanged();
  }

  #announceDevice(): void {
    const { status, error, lba: [low, middle, high], count } = this.#deviceRegisters();
    Object.assign(this.#state, { status, error, signature: (count[0] | (low << 8) | (middle << 16) | (high << 24)) >>> 0, signatureWaits: true });
    this.#tellSignature();
  }

  #tellSignature(): void {
    const state = this.#state;
    if (!state.signatureWaits || (state.command & COMMAND_RECEIVE) === 0 || !this.#linkIsUp) return;
    state.signatureWaits = false;
    this.#receive(RECEIVED_REGISTERS, registersFis(this.#deviceRegisters()), INTERRUPT_REGISTERS);
  }

  /** Takes issued commands, lowest slot first: queued ones all at once, others one after the other, never both together. */
  #startCommands(): void {
    for (let slot = 0; slot < COMMAND_SLOTS; slot++) {
      const state = this.#state;
      if (!this.#isStarted || state.halted || state.slot !== undefined || !this.#linkIsUp || state.issued === 0) return;
      const bit = 1 << slot;
      if ((state.issued & bit) === 0) continue;
      const header = readHeader(this.#memory, state.commandList, slot);
      const fis = readCommandFis(this.#memory, header);
      if (fis[HOST_FIS.type] !== FIS_HOST_TO_DEVICE) {
        this.#halt(INTERRUPT_FATAL);
        return;
      }
      const queued = this.#queue === undefined ? undefined : queuedCommand(fis);
      const isCommand = (fis[HOST_FIS.flags]! & HOST_FIS_IS_COMMAND) !== 0;
      if (isCommand && queued !== undefined) {
        state.issued = (state.issued & ~bit) >>> 0;
        this.#queue?.start(queued);
        continue;
      }
      if (this.#queue?.isEmpty === false) return;
      if (isCommand) this.#startCommand(slot, fis);
      else this.#writeControl(slot, fis[HOST_FIS.control]!);
    }
  }

  #startCommand(slot: number, fis: Uint8Array): void {
    const drive = this.#drive!;
    Object.assign(this.#state, { slot, transferred: 0, packetSent: false, endsSilently: false, status: STATUS_BSY });
    const byte = (field: keyof typeof HOST_FIS): number => fis[HOST_FIS[field]]!;
    // The upper halves first, as a driver writes the registers of a 48-bit command.
    drive.writeRegister(1, byte('previousFeature'));
    drive.writeRegister(1, byte('feature'));
    drive.writeRegister(2, byte('previousCount'));
    drive.writeRegister(2, byte('count'));
    drive.writeRegister(3, byte('previousLbaLow'));
    drive.writeRegister(3, byte('lbaLow'));
    drive.writeRegister(4, byte('previousLbaMid'));
    drive.writeRegister(4, byte('lbaMid'));
    drive.writeRegister(5, byte('previousLbaHigh'));
    drive.writeRegister(5, byte('lbaHigh'));
    drive.writeRegister(6, byte('device'));
    this.#isFollowing = true;
    drive.command(byte('command'));
    this.#isFollowing = false;
    this.#follow();
  }

  /** A FIS without a command sets and clears the software reset. */
  #writeControl(slot: number, control: number): void {
    const state = this.#state;
    const drive = this.#drive!;
    state.issued = (state.issued & ~(1 << slot)) >>> 0;
    if ((control & CONTROL_SRST) !== 0) {
      drive.holdInReset();
      state.status = STATUS_BSY;
    } else if (drive.isBusy) {
      this.#queue?.reset();
      drive.finishReset();
      this.#announceDevice();
    }
  }

  /** Does what the drive waits for, until it works by itself or the command has ended. */
  #follow(): void {
    if (this.#isFollowing || this.#state.slot === undefined) return;
    const drive = this.#drive!;
    this.#isFollowing = true;
    while (this.#state.slot !== undefined && drive.phase !== 'busy') {
      switch (drive.phase) {
        case 'data-in': this.#takeBlock(drive); break;
        case 'data-out': this.#giveBlock(drive); break;
        case 'wait-dma': drive.dmaStarted(); break;
        case 'idle': this.#endCommand(drive);
      }
    }
    this.#isFollowing = false;
    this.#startCommands();
  }

  #header(): CommandHeader {
    return readHeader(this.#memory, this.#state.commandList, this.#state.slot ?? 0);
  }

  #takeBlock(drive: IdeDrive): void {
    const state = this.#state;
    const block = new Uint8Array(drive.blockRemaining);
    const registers = this.#deviceRegisters();
    drive.readDataBlock(1, block);
    this.#receive(RECEIVED_PIO_SETUP, pioSetupFis(registers, true, drive.status, block.length), 0);
    const room = writeRegions(this.#memory, this.#header(), state.transferred, block);
    if (room < block.length) state.interruptStatus = (state.interruptStatus | INTERRUPT_OVERFLOW) >>> 0;
    state.transferred += room;
    state.endsSilently = true;
  }

  #giveBlock(drive: IdeDrive): void {
    const state = this.#state;
    const header = this.#header();
    state.endsSilently = false;
    if (header.isPacket && !state.packetSent) {
      state.packetSent = true;
      drive.writeDataBlock(1, readPacket(this.#memory, header));
      return;
    }
    const block = new Uint8Array(Math.min(drive.blockRemaining, STAGING_BYTES));
    this.#receive(RECEIVED_PIO_SETUP, pioSetupFis(this.#deviceRegisters(), false, STATUS_BSY, block.length), 0);
    if (readRegions(this.#memory, header, state.transferred, block) < block.length) {
      // The device waits for data that the driver never described.
      drive.abandonCommand();
      this.#halt(INTERRUPT_FATAL);
      return;
    }
    state.transferred += block.length;
    drive.writeDataBlock(1, block);
  }

  #endCommand(drive: IdeDrive): void {
    const state = this.#state;
    const header = this.#header();
    const registers = this.#deviceRegisters();
    const isError = (registers.status & STATUS_ERR) !== 0;
    writeByteCount(this.#memory, header, state.transferred);
    state.issued = (state.issued & ~(1 << state.slot!)) >>> 0;
    state.slot = undefined;
    drive.clearInterrupt();
    state.halted = isError;
    Object.assign(state, { status: registers.status, error: registers.error });
    if (state.endsSilently && !isError && !header.isPacket) this.#raise(INTERRUPT_PIO_SETUP);
    else this.#receive(RECEIVED_REGISTERS, registersFis(registers), INTERRUPT_REGISTERS | (isError ? INTERRUPT_TASK_FILE_ERROR : 0));
  }

  #halt(cause: number): void {
    Object.assign(this.#state, { halted: true, slot: undefined, status: STATUS_DRDY | STATUS_DSC });
    this.#raise(cause);
  }

  #openData(length: number, direction: 'to-memory' | 'from-memory'): DmaWindow | undefined {
    const window = openRegions(this.#memory, this.#header(), this.#state.transferred, length, direction);
    if (window === undefined) this.#state.interruptStatus = (this.#state.interruptStatus | INTERRUPT_OVERFLOW) >>> 0;
    return window;
  }

  /** A queued command's slot is its tag. */
  #openQueued({ tag, operation }: QueuedCommand, bytes: number): DmaWindow | undefined {
    const isRead = operation === 'read';
    this.#receive(RECEIVED_DMA_SETUP, dmaSetupFis(tag, isRead, bytes), 0);
    return openRegions(this.#memory, readHeader(this.#memory, this.#state.commandList, tag), 0, bytes, isRead ? 'to-memory' : 'from-memory');
  }

  #queuedCompleted({ tag }: QueuedCommand): void {
    const state = this.#state;
    const bit = (1 << tag) >>> 0;
    state.active = (state.active & ~bit) >>> 0;
    Object.assign(state, { status: STATUS_DRDY | STATUS_DSC, error: 0 });
    this.#receive(RECEIVED_DEVICE_BITS, deviceBitsFis(state.status, 0, bit), INTERRUPT_DEVICE_BITS);
    this.#startCommands();
  }

  #queuedFailed({ status, error }: QueueFailure): void {
    const state = this.#state;
    Object.assign(state, { status, error, halted: true });
    this.#receive(RECEIVED_DEVICE_BITS, deviceBitsFis(status, error, 0), INTERRUPT_DEVICE_BITS | INTERRUPT_TASK_FILE_ERROR);
  }

  #receive(at: number, fis: Uint8Array, cause: number): void {
    if ((this.#state.command & COMMAND_RECEIVE) !== 0) this.#memory.writeBlock(this.#state.receivedFis + at, fis);
    if (cause !== 0) this.#raise(cause);
  }

  #raise(cause: number): void {
    this.#state.interruptStatus = (this.#state.interruptStatus | cause) >>> 0;
    this.#interruptChanged();
  }

  #deviceRegisters(): DeviceRegisters {
    const drive = this.#drive!;
    const lower = (register: number): number => drive.readRegister(register, false);
    const upper = (register: number): number => drive.readRegister(register, true);
    return {
      status: drive.status, error: lower(REGISTER_ERROR), lba: [lower(3), lower(4), lower(5), upper(3), upper(4), upper(5)], device: lower(6), count: [lower(2), upper(2)],
    };
  }
}

function idleRegisters(): PortRegisters {
  return {
    commandList: 0, receivedFis: 0, interruptStatus: 0, interruptEnable: 0, command: COMMAND_SPIN_UP | COMMAND_POWER_ON, status: NO_DEVICE_TASK_FILE, error: 0,
    signature: NO_SIGNATURE, linkControl: 0, linkError: 0, active: 0, issued: 0, slot: undefined, transferred: 0, packetSent: false, endsSilently: false,
    halted: false, signatureWaits: false,
  };
}

function withLower(address: number, value: number, alignment: number): number {
  return Math.floor(address / 2 ** 32) * 2 ** 32 + value - (value % alignment);
}

function withUpper(address: number, value: number): number {
  return (address % 2 ** 32) + (value & UPPER_MASK) * 2 ** 32;
}
