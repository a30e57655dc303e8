/**
 * A 105-key PS/2 keyboard (IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard (101- and
 * 102-key)"). Not emulated: the shift codes that original keyboards put around the cursor keys for programs of the
 * 83-key PC; in scan set 3 every key tells press, repeat and release, whatever commands F7 to FD ask.
 */
import { KEY_CODES, PREFIX_E0, PREFIX_E1, translateToSet1 } from './key-codes.ts';

const SET_LEDS = 0xed;
const ECHO = 0xee;
const SCAN_SET = 0xf0;
const READ_ID = 0xf2;
const SET_TYPEMATIC = 0xf3;
const ENABLE = 0xf4;
const DEFAULT_DISABLE = 0xf5;
const SET_DEFAULT = 0xf6;
const FIRST_ALL_KEYS_COMMAND = 0xf7;
const LAST_ALL_KEYS_COMMAND = 0xfa;
const FIRST_ONE_KEY_COMMAND = 0xfb;
const LAST_ONE_KEY_COMMAND = 0xfd;
const RESEND = 0xfe;
const RESET = 0xff;
const ACK = 0xfa;
const TEST_PASSED = 0xaa;
const ID: readonly number[] = [0xab, 0x83];
const RELEASE = 0xf0;
const SET1_RELEASE = 0x80;

const NO_COMMAND = 0;
/** 10.9 characters a second after half a second. */
const DEFAULT_TYPEMATIC = 0x2b;
/**
 * With the one in the controller's output buffer 16, which is what a keyboard holds. Linux takes a controller that still
 * has a byte after 16 reads for none at all. Release prefixes don't count: the controller's translation swallows them.
 */
const SCAN_CODES = 15;
const RESPONSE_BYTES = 16;

const SHIFTS: readonly string[] = ['ShiftLeft', 'ShiftRight'];
const CONTROLS: readonly string[] = ['ControlLeft', 'ControlRight'];
const ALTS: readonly string[] = ['AltLeft', 'AltRight'];

export interface KeyboardLeds {
  readonly scrollLock: boolean;
  readonly numLock: boolean;
  readonly capsLock: boolean;
}

interface KeyboardState {
  /** Answers to commands: they go before scan codes. */
  responses: number[];
  scanCodes: number[];
  lastByte: number;
  /** The command whose parameter comes next, or NO_COMMAND. */
  awaiting: number;
  scanSet: number;
  scanning: boolean;
  leds: number;
  typematic: number;
  /** Keys whose press the guest was told and whose release it wasn't. */
  pressed: string[];
  /** Keys released while there was no room for their codes. */
  owedReleases: string[];
}

export type SavedPs2Keyboard = Readonly<KeyboardState>;

/** One code of a key's sequence, as set 2 has it. */
interface ScanStep {
  readonly prefix: 0 | typeof PREFIX_E0 | typeof PREFIX_E1;
  readonly code: number;
  readonly up: boolean;
}

function powerOnState(): KeyboardState {
  return {
    responses: [],
    scanCodes: [],
    lastByte: 0,
    awaiting: NO_COMMAND,
    scanSet: 2,
    scanning: true,
    leds: 0,
    typematic: DEFAULT_TYPEMATIC,
    pressed: [],
    owedReleases: [],
  };
}

/** Bytes as the guest gets them by translation to set 1. */
function codesIn(bytes: readonly number[]): number {
  return bytes.filter((byte) => byte !== RELEASE).length;
}

export class Ps2Keyboard {
  readonly #dataReady: () => void;
  readonly #ledsChanged: (leds: KeyboardLeds) => void;
  #state = powerOnState();

  /** `dataReady` is called when a byte waits that didn't before. */
  constructor(options: { readonly dataReady: () => void; readonly ledsChanged: (leds: KeyboardLeds) => void }) {
    this.#dataReady = options.dataReady;
    this.#ledsChanged = options.ledsChanged;
  }

  /**
   * A key of the host's went down (again, for a repeat) or up. `code` is a DOM `KeyboardEvent.code`. Returns false when
   * the key doesn't exist here or found no room.
   */
  key(code: string, down: boolean): boolean {
    const state = this.#state;
    const special = code === 'PrintScreen' || code === 'Pause';
    if (!special && !KEY_CODES.has(code)) return false;
    if (!state.scanning) return true;
    if (down) {
      const bytes = this.#bytesOf(code, true);
      // Room for the releases is kept from the start: the guest must get them, however many keys are down.
      const releases = [...new Set([...state.pressed, code])].flatMap((key) => this.#bytesOf(key, false));
      if (state.owedReleases.length > 0 || codesIn([...state.scanCodes, ...bytes, ...releases]) > SCAN_CODES) return false;
      if (!state.pressed.includes(code)) state.pressed.push(code);
      this.#send(bytes);
      return true;
    }
    const held = state.pressed.indexOf(code);
    if (held < 0) return true;
    state.pressed.splice(held, 1);
    state.owedReleases.push(code);
    this.#payReleases();
    return true;
  }

  /** Lets go of all keys, as when the window loses the focus. */
  releaseAll(): void {
    for (const code of [...this.#state.pressed]) this.key(code, false);
  }

  /** Bytes of scan codes that the guest hasn't taken yet; a press that finds no room is refused. Pace typed text by it. */
  get queuedBytes(): number {
    return this.#state.scanCodes.length;
  }

  get hasByte(): boolean {
    return this.#state.responses.length > 0 || this.#state.scanCodes.length > 0;
  }

  /** The next byte on the wire; 0 when there is none. */
  takeByte(): number {
    const state = this.#state;
    const byte = state.responses.shift() ?? state.scanCodes.shift() ?? 0;
    state.lastByte = byte;
    this.#payReleases();
    return byte;
  }

  /** A byte from the controller: a command or its parameter. */
  receive(byte: number): void {
    const state = this.#state;
    const { awaiting } = state;
    state.awaiting = NO_COMMAND;
    if (awaiting !== NO_COMMAND && byte < SET_LEDS) this.#takeParameter(awaiting, byte);
    else this.#takeCommand(byte);
    this.#dataReady();
  }

  powerOn(): void {
    this.#state = powerOnState();
    this.#showLeds();
  }

  save(): SavedPs2Keyboard {
    const { responses, scanCodes, lastByte, awaiting, scanSet, scanning, leds, typematic, pressed, owedReleases, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return {
      responses: [...responses], scanCodes: [...scanCodes], lastByte, awaiting, scanSet, scanning, leds, typematic,
      pressed: [...pressed], owedReleases: [...owedReleases],
    };
  }

  restore(saved: SavedPs2Keyboard): void {
    this.#state = {
      ...saved,
      responses: [...saved.responses],
      scanCodes: [...saved.scanCodes],
      pressed: [...saved.pressed],
      owedReleases: [...saved.owedReleases],
    };
    this.#showLeds();
  }

  #held(keys: readonly string[]): boolean {
    return this.#state.pressed.some((code) => keys.includes(code));
  }

  #stepsOf(code: string, down: boolean): readonly ScanStep[] {
    const up = !down;
    if (code === 'Pause') {
      if (up) return [];
      if (this.#held(CONTROLS)) return [{ prefix: PREFIX_E0, code: 0x7e, up: false }, { prefix: PREFIX_E0, code: 0x7e, up: true }];
      return [
        { prefix: PREFIX_E1, code: 0x14, up: false },
        { prefix: 0, code: 0x77, up: false },
        { prefix: PREFIX_E1, code: 0x14, up: true },
        { prefix: 0, code: 0x77, up: true },
      ];
    }
    if (code === 'PrintScreen') {
      if (this.#held(ALTS)) return [{ prefix: 0, code: 0x84, up }];
      const key: ScanStep = { prefix: PREFIX_E0, code: 0x7c, up };
      if (this.#held(SHIFTS) || this.#held(CONTROLS)) return [key];
      const shift: ScanStep = { prefix: PREFIX_E0, code: 0x12, up };
      return down ? [shift, key] : [key, shift];
    }
    const key = KEY_CODES.get(code);
    if (key === undefined || (up && key.makeOnly === true)) return [];
    return [{ prefix: key.extended ? PREFIX_E0 : 0, code: key.set2, up }];
  }

  #bytesOf(code: string, down: boolean): number[] {
    const { scanSet } = this.#state;
    if (scanSet === 3) {
      const set3 = code === 'PrintScreen' ? 0x57 : code === 'Pause' ? 0x62 : KEY_CODES.get(code)?.set3;
      if (set3 === undefined) return [];
      return down ? [set3] : [RELEASE, set3];
    }
    return this.#stepsOf(code, down).flatMap((step) => {
      const prefix = step.prefix === 0 ? [] : [step.prefix];
      if (scanSet === 1) return [...prefix, translateToSet1(step.code) | (step.up ? SET1_RELEASE : 0)];
      return step.up ? [...prefix, RELEASE, step.code] : [...prefix, step.code];
    });
  }

  #send(bytes: readonly number[]): void {
    if (bytes.length === 0) return;
    this.#state.scanCodes.push(...bytes);
    this.#dataReady();
  }

  #payReleases(): void {
    const state = this.#state;
    for (let code = state.owedReleases[0]; code !== undefined; code = state.owedReleases[0]) {
      const bytes = this.#bytesOf(code, false);
      if (codesIn([...state.scanCodes, ...bytes]) > SCAN_CODES) return;
      state.owedReleases.shift();
      this.#send(bytes);
    }
  }

  #answer(...bytes: readonly number[]): void {
    const { responses } = this.#state;
    for (const byte of bytes) if (responses.length < RESPONSE_BYTES) responses.push(byte);
  }

  #forgetKeys(): void {
    const state = this.#state;
    state.scanCodes = [];
    state.pressed = [];
    state.owedReleases = [];
  }

  #setDefaults(): void {
    const state = this.#state;
    state.scanSet = 2;
    state.typematic = DEFAULT_TYPEMATIC;
    this.#forgetKeys();
  }

  #takeParameter(command: number, parameter: number): void {
    const state = this.#state;
    this.#answer(ACK);
    if (command === SET_LEDS) {
      state.leds = parameter & 7;
      this.#showLeds();
    } else if (command === SET_TYPEMATIC) {
      state.typematic = parameter & 0x7f;
    } else if (command === SCAN_SET) {
      if (parameter === 0) this.#answer(state.scanSet);
      if (parameter < 1 || parameter > 3) return;
      this.#forgetKeys();
      state.scanSet = parameter;
    }
  }

  #takeCommand(command: number): void {
    const state = this.#state;
    if (command >= FIRST_ALL_KEYS_COMMAND && command <= LAST_ALL_KEYS_COMMAND) {
      this.#answer(ACK);
      return;
    }
    if (command >= FIRST_ONE_KEY_COMMAND && command <= LAST_ONE_KEY_COMMAND) {
      state.awaiting = command;
      this.#answer(ACK);
      return;
    }
    switch (command) {
      case SET_LEDS:
      case SCAN_SET:
      case SET_TYPEMATIC:
        state.awaiting = command;
        this.#answer(ACK);
        break;
      case ECHO:
        this.#answer(ECHO);
        break;
      case READ_ID:
        this.#answer(ACK, ...ID);
        break;
      case ENABLE:
        this.#forgetKeys();
        state.scanning = true;
        this.#answer(ACK);
        break;
      case DEFAULT_DISABLE:
        this.#setDefaults();
        state.scanning = false;
        this.#answer(ACK);
        break;
      case SET_DEFAULT:
        this.#setDefaults();
        this.#answer(ACK);
        break;
      case RESEND:
        this.#answer(state.lastByte);
        break;
      case RESET:
        this.powerOn();
        this.#answer(ACK, TEST_PASSED);
        break;
      default:
        this.#answer(RESEND);
    }
  }

  #showLeds(): void {
    const { leds } = this.#state;
    this.#ledsChanged({ scrollLock: (leds & 1) !== 0, numLock: (leds & 2) !== 0, capsLock: (leds & 4) !== 0 });
  }
}
