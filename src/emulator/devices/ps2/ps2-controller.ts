/**
 * Intel 8042 keyboard controller as on the PS/2 (IBM Personal System/2 Hardware Interface Technical Reference,
 * "Keyboard and Auxiliary Device Controller"). Not emulated: passwords, the keyboard lock, parity and timeout errors,
 * the test inputs.
 */
import { translateToSet1 } from './key-codes.ts';
import { Ps2Keyboard } from './ps2-keyboard.ts';
import type { KeyboardLeds, SavedPs2Keyboard } from './ps2-keyboard.ts';
import { Ps2Mouse } from './ps2-mouse.ts';
import type { SavedPs2Mouse } from './ps2-mouse.ts';
import type { AccessWidth, IoHandler } from '../../interfaces/bus.ts';
import type { Device, ResetKind } from '../../interfaces/device.ts';
import type { InterruptLine } from '../../interfaces/interrupt-line.ts';
import type { DeviceLog } from '../../interfaces/log.ts';

const STATUS_OBF = 0x01;
const STATUS_SYS = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;
const STATUS_AUX_OBF = 0x20;

const COMMAND_KEYBOARD_INTERRUPT = 0x01;
const COMMAND_AUX_INTERRUPT = 0x02;
const COMMAND_SYS = 0x04;
const COMMAND_DISABLE_KEYBOARD = 0x10;
const COMMAND_DISABLE_AUX = 0x20;
const COMMAND_TRANSLATE = 0x40;
const COMMAND_BYTE_BITS = 0x77;

const OUTPUT_NO_RESET = 0x01;
const OUTPUT_A20 = 0x02;
const OUTPUT_KEYBOARD_OBF = 0x10;
const OUTPUT_AUX_OBF = 0x20;
const OUTPUT_POWER_ON = 0xcf;

const READ_RAM = 0x20;
const WRITE_RAM = 0x60;
const RAM_MASK = 0x1f;
const TEST_PASSWORD = 0xa4;
const DISABLE_AUX = 0xa7;
const ENABLE_AUX = 0xa8;
const TEST_AUX = 0xa9;
const SELF_TEST = 0xaa;
const TEST_KEYBOARD = 0xab;
const DISABLE_KEYBOARD = 0xad;
const ENABLE_KEYBOARD = 0xae;
const READ_INPUT_PORT = 0xc0;
const READ_OUTPUT_PORT = 0xd0;
const WRITE_OUTPUT_PORT = 0xd1;
const WRITE_KEYBOARD_BUFFER = 0xd2;
const WRITE_AUX_BUFFER = 0xd3;
const WRITE_AUX_DEVICE = 0xd4;
const A20_OFF = 0xdd;
const A20_ON = 0xdf;
const READ_TEST_INPUTS = 0xe0;
const PULSE = 0xf0;

const NO_PASSWORD = 0xf1;
const SELF_TEST_PASSED = 0x55;
const INPUT_PORT_UNLOCKED = 0x80;
const RELEASE = 0xf0;
const SET1_RELEASE = 0x80;
const NO_COMMAND = 0;
const AUX_FLAG = 0x100;
const RESPONSES_MAXIMUM = 16;

interface ControllerState {
  commandByte: number;
  /** Bytes 1 to 31 of the controller's RAM; byte 0 is the command byte. */
  ram: number[];
  /** The command whose byte comes next at the data port, or NO_COMMAND. */
  awaiting: number;
  lastWriteWasCommand: boolean;
  outputPort: number;
  outputByte: number;
  outputFull: boolean;
  outputFromAux: boolean;
  /** The controller's own bytes that wait for the output buffer; AUX_FLAG marks those for the mouse's interrupt. */
  responses: number[];
  /** A release prefix was swallowed by the translation: the next code gets the release bit. */
  translatingRelease: boolean;
}

export interface SavedPs2 {
  readonly controller: Readonly<ControllerState>;
  readonly keyboard: SavedPs2Keyboard;
  readonly mouse: SavedPs2Mouse;
}

export interface Ps2Options {
  readonly id: string;
  readonly keyboardInterrupt: InterruptLine;
  readonly mouseInterrupt: InterruptLine;
  /** Told when the controller's share in A20 changes. It is on after a reset. */
  readonly a20Changed: (enabled: boolean) => void;
  /** The reset line pulsed: resets the CPU. */
  readonly resetCpu: () => void;
  readonly ledsChanged?: (leds: KeyboardLeds) => void;
  readonly log?: DeviceLog;
}

function powerOnState(): ControllerState {
  return {
    commandByte: COMMAND_KEYBOARD_INTERRUPT | COMMAND_DISABLE_AUX | COMMAND_TRANSLATE,
    ram: new Array<number>(32).fill(0),
    awaiting: NO_COMMAND,
    lastWriteWasCommand: false,
    outputPort: OUTPUT_POWER_ON,
    outputByte: 0,
    outputFull: false,
    outputFromAux: false,
    responses: [],
    translatingRelease: false,
  };
}

/** One byte-wide port. */
function portHandler(read: () => number, write: (value: number) => void, peek: () => number): IoHandler {
  const widen = (value: number, width: AccessWidth): number => (width === 1 ? value : value + (2 ** (8 * width) - 0x100));
  return {
    read: (offset, width) => widen(offset === 0 ? read() : 0xff, width),
    write: (offset, _width, value) => { if (offset === 0) write(value & 0xff); },
    peek: (offset, width) => widen(offset === 0 ? peek() : 0xff, width),
  };
}

export class Ps2Controller8042 implements Device<SavedPs2> {
  readonly id: string;
  readonly savedVersion = 1;
  /** Port 0x60. */
  readonly data: IoHandler;
  /** Port 0x64: status when read, commands when written. */
  readonly command: IoHandler;
  readonly keyboard: Ps2Keyboard;
  readonly mouse: Ps2Mouse;
  readonly #options: Ps2Options;
  #state = powerOnState();

  constructor(options: Ps2Options) {
    this.id = options.id;
    this.#options = options;
    this.keyboard = new Ps2Keyboard({
      dataReady: () => { this.#fillOutput(); },
      ledsChanged: options.ledsChanged ?? (() => undefined),
    });
    this.mouse = new Ps2Mouse({ dataReady: () => { this.#fillOutput(); } });
    this.data = portHandler(() => this.#readData(), (value) => { this.#writeData(value); }, () => this.#state.outputByte);
    this.command = portHandler(() => this.#status(), (value) => { this.#writeCommand(value); }, () => this.#status());
  }

  reset(_kind: ResetKind): void {
    this.#state = powerOnState();
    this.keyboard.powerOn();
    this.mouse.powerOn();
    this.#options.a20Changed(true);
    this.#showInterrupts();
  }

  save(): SavedPs2 {
    const {
      commandByte, ram, awaiting, lastWriteWasCommand, outputPort, outputByte, outputFull, outputFromAux, responses,
      translatingRelease, ...rest
    } = this.#state;
    rest satisfies Record<string, never>;
    return {
      controller: {
        commandByte, ram: [...ram], awaiting, lastWriteWasCommand, outputPort, outputByte, outputFull, outputFromAux,
        responses: [...responses], translatingRelease,
      },
      keyboard: this.keyboard.save(),
      mouse: this.mouse.save(),
    };
  }

  restore(saved: SavedPs2): void {
    this.#state = { ...saved.controller, ram: [...saved.controller.ram], responses: [...saved.controller.responses] };
    this.keyboard.restore(saved.keyboard);
    this.mouse.restore(saved.mouse);
    this.#options.a20Changed((this.#state.outputPort & OUTPUT_A20) !== 0);
    this.#showInterrupts();
  }

  #commandBit(bit: number): boolean {
    return (this.#state.commandByte & bit) !== 0;
  }

  #status(): number {
    const state = this.#state;
    return STATUS_UNLOCKED | (state.outputFull ? STATUS_OBF : 0) | (state.outputFull && state.outputFromAux ? STATUS_AUX_OBF : 0)
      | (this.#commandBit(COMMAND_SYS) ? STATUS_SYS : 0) | (state.lastWriteWasCommand ? STATUS_COMMAND : 0);
  }

  #showInterrupts(): void {
    const { outputFull, outputFromAux } = this.#state;
    this.#options.keyboardInterrupt.set(outputFull && !outputFromAux && this.#commandBit(COMMAND_KEYBOARD_INTERRUPT));
    this.#options.mouseInterrupt.set(outputFull && outputFromAux && this.#commandBit(COMMAND_AUX_INTERRUPT));
  }

  #readData(): number {
    const state = this.#state;
    const value = state.outputByte;
    if (!state.outputFull) return value;
    state.outputFull = false;
    // The lines fall between two bytes: each byte is an edge.
    this.#showInterrupts();
    this.#fillOutput();
    return value;
  }

  /** Puts the next byte that waits into the output buffer, if that is free. */
  #fillOutput(): void {
    const state = this.#state;
    while (!state.outputFull) {
      const response = state.responses.shift();
      if (response !== undefined) this.#put(response & 0xff, (response & AUX_FLAG) !== 0);
      else if (!this.#commandBit(COMMAND_DISABLE_KEYBOARD) && this.keyboard.hasByte) this.#putFromKeyboard(this.keyboard.takeByte());
      else if (!this.#commandBit(COMMAND_DISABLE_AUX) && this.mouse.hasByte) this.#put(this.mouse.takeByte(), true);
      else break;
    }
    this.#showInterrupts();
  }

  #put(byte: number, fromAux: boolean): void {
    const state = this.#state;
    state.outputByte = byte;
    state.outputFromAux = fromAux;
    state.outputFull = true;
  }

  #putFromKeyboard(byte: number): void {
    const state = this.#state;
    if (!this.#commandBit(COMMAND_TRANSLATE)) {
      this.#put(byte, false);
    } else if (byte === RELEASE) {
      state.translatingRelease = true;
    } else {
      this.#put(translateToSet1(byte) | (state.translatingRelease ? SET1_RELEASE : 0), false);
      state.translatingRelease = false;
    }
  }

  #respond(byte: number, aux = false): void {
    const { responses } = this.#state;
    if (responses.length < RESPONSES_MAXIMUM) responses.push(byte | (aux ? AUX_FLAG : 0));
  }

  #setCommandByte(value: number): void {
    this.#state.commandByte = value & COMMAND_BYTE_BITS;
    if (!this.#commandBit(COMMAND_TRANSLATE)) this.#state.translatingRelease = false;
  }

  #setOutputPort(value: number): void {
    const state = this.#state;
    const changed = state.outputPort ^ value;
    // The buffer bits are outputs of the controller's own.
    state.outputPort = value & ~(OUTPUT_KEYBOARD_OBF | OUTPUT_AUX_OBF);
    if ((changed & OUTPUT_A20) !== 0) this.#options.a20Changed((value & OUTPUT_A20) !== 0);
    if ((value & OUTPUT_NO_RESET) === 0) {
      state.outputPort |= OUTPUT_NO_RESET;
      this.#options.resetCpu();
    }
  }

  #outputPortNow(): number {
    const { outputPort, outputFull, outputFromAux } = this.#state;
    return outputPort | (outputFull ? (outputFromAux ? OUTPUT_AUX_OBF : OUTPUT_KEYBOARD_OBF) : 0);
  }

  #writeData(value: number): void {
    const state = this.#state;
    const { awaiting } = state;
    state.awaiting = NO_COMMAND;
    state.lastWriteWasCommand = false;
    if (awaiting === NO_COMMAND) {
      // Sending to the keyboard switches its clock on.
      state.commandByte &= ~COMMAND_DISABLE_KEYBOARD;
      this.keyboard.receive(value);
    } else if (awaiting >= WRITE_RAM && awaiting <= (WRITE_RAM | RAM_MASK)) {
      if (awaiting === WRITE_RAM) this.#setCommandByte(value);
      else state.ram[awaiting & RAM_MASK] = value;
    } else if (awaiting === WRITE_OUTPUT_PORT) {
      this.#setOutputPort(value);
    } else if (awaiting === WRITE_KEYBOARD_BUFFER) {
      this.#respond(value);
    } else if (awaiting === WRITE_AUX_BUFFER) {
      this.#respond(value, true);
    } else {
      this.mouse.receive(value);
    }
    this.#fillOutput();
  }

  #writeCommand(command: number): void {
    const state = this.#state;
    state.awaiting = NO_COMMAND;
    state.lastWriteWasCommand = true;
    if (command >= PULSE) {
      if ((command & OUTPUT_NO_RESET) === 0) this.#options.resetCpu();
    } else if (command >= READ_RAM && command <= (READ_RAM | RAM_MASK)) {
      this.#respond(command === READ_RAM ? state.commandByte : (state.ram[command & RAM_MASK] as number));
    } else if (command >= WRITE_RAM && command <= (WRITE_RAM | RAM_MASK)) {
      state.awaiting = command;
    } else {
      this.#perform(command);
    }
    this.#fillOutput();
  }

  #perform(command: number): void {
    const state = this.#state;
    switch (command) {
      case TEST_PASSWORD:
        this.#respond(NO_PASSWORD);
        break;
      case DISABLE_AUX:
        state.commandByte |= COMMAND_DISABLE_AUX;
        break;
      case ENABLE_AUX:
        state.commandByte &= ~COMMAND_DISABLE_AUX;
        break;
      case TEST_AUX:
      case TEST_KEYBOARD:
      case READ_TEST_INPUTS:
        this.#respond(0);
        break;
      case SELF_TEST:
        state.commandByte |= COMMAND_SYS;
        this.#respond(SELF_TEST_PASSED);
        break;
      case DISABLE_KEYBOARD:
        state.commandByte |= COMMAND_DISABLE_KEYBOARD;
        break;
      case ENABLE_KEYBOARD:
        state.commandByte &= ~COMMAND_DISABLE_KEYBOARD;
        break;
      case READ_INPUT_PORT:
        this.#respond(INPUT_PORT_UNLOCKED);
        break;
      case READ_OUTPUT_PORT:
        this.#respond(this.#outputPortNow());
        break;
      case WRITE_OUTPUT_PORT:
      case WRITE_KEYBOARD_BUFFER:
      case WRITE_AUX_BUFFER:
      case WRITE_AUX_DEVICE:
        state.awaiting = command;
        break;
      case A20_OFF:
        this.#setOutputPort(state.outputPort & ~OUTPUT_A20);
        break;
      case A20_ON:
        this.#setOutputPort(state.outputPort | OUTPUT_A20);
        break;
      default:
        this.#options.log?.log('debug', 'ps2.command', `unknown command 0x${command.toString(16)}`);
    }
  }
}
