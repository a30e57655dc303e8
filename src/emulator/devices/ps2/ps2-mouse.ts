/**
 * A PS/2 mouse (IBM Personal System/2 Hardware Interface Technical Reference, "Mouse") with Microsoft's IntelliMouse
 * (wheel) and IntelliMouse Explorer (two more buttons) extensions. Packets go as fast as the guest takes them: the
 * sample rate is kept for the guest to read, and the resolution too.
 */

const SCALING_1_TO_1 = 0xe6;
const SCALING_2_TO_1 = 0xe7;
const SET_RESOLUTION = 0xe8;
const STATUS_REQUEST = 0xe9;
const SET_STREAM_MODE = 0xea;
const READ_DATA = 0xeb;
const RESET_WRAP_MODE = 0xec;
const SET_WRAP_MODE = 0xee;
const SET_REMOTE_MODE = 0xf0;
const READ_ID = 0xf2;
const SET_SAMPLE_RATE = 0xf3;
const ENABLE = 0xf4;
const DISABLE = 0xf5;
const SET_DEFAULT = 0xf6;
const RESEND = 0xfe;
const RESET = 0xff;
const ACK = 0xfa;
const ERROR = 0xfc;
const TEST_PASSED = 0xaa;

const ID_STANDARD = 0;
const ID_WHEEL = 3;
const ID_EXPLORER = 4;
/** Sample rates set one after the other that switch the extensions on. */
const KNOCK_WHEEL = '200,100,80';
const KNOCK_EXPLORER = '200,200,80';
const SAMPLE_RATES: readonly number[] = [10, 20, 40, 60, 80, 100, 200];

const STATUS_REMOTE = 0x40;
const STATUS_ENABLED = 0x20;
const STATUS_SCALED = 0x10;
const PACKET_ALWAYS = 0x08;
const PACKET_X_NEGATIVE = 0x10;
const PACKET_Y_NEGATIVE = 0x20;

const NO_COMMAND = 0;
const PACKET_BYTES_MAXIMUM = 16 * 4;
const RESPONSE_BYTES = 16;
/** Movement that no packet has told yet is kept up to this. */
const PENDING_MAXIMUM = 8192;

interface MouseState {
  /** Answers to commands: they go before packets. */
  responses: number[];
  packets: number[];
  lastByte: number;
  awaiting: number;
  mode: 'stream' | 'remote';
  wrap: boolean;
  reporting: boolean;
  scaled: boolean;
  resolution: number;
  sampleRate: number;
  /** The latest three sample rates. */
  knock: number[];
  deviceId: number;
  /** Movement since the latest packet: right, up, wheel towards the user. */
  x: number;
  y: number;
  z: number;
  /** Bit 0 left, 1 right, 2 middle, 3 back, 4 forward. */
  buttons: number;
  toldButtons: number;
}

export type SavedPs2Mouse = Readonly<MouseState>;

function powerOnState(): MouseState {
  return {
    responses: [],
    packets: [],
    lastByte: 0,
    awaiting: NO_COMMAND,
    mode: 'stream',
    wrap: false,
    reporting: false,
    scaled: false,
    resolution: 2,
    sampleRate: 100,
    knock: [],
    deviceId: ID_STANDARD,
    x: 0,
    y: 0,
    z: 0,
    buttons: 0,
    toldButtons: 0,
  };
}

function limited(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, Math.trunc(value)));
}

/** 2:1 scaling of the reference's table. */
function scale(value: number): number {
  const size = Math.abs(value);
  const scaled = size > 5 ? size * 2 : ([0, 1, 1, 3, 6, 9][size] as number);
  return Math.sign(value) * scaled;
}

export class Ps2Mouse {
  readonly #dataReady: () => void;
  #state = powerOnState();

  /** `dataReady` is called when a byte waits that didn't before. */
  constructor(options: { readonly dataReady: () => void }) {
    this.#dataReady = options.dataReady;
  }

  /**
   * The host's mouse moved: counts to the right, down, and of the wheel towards the user; `buttons` as DOM
   * `MouseEvent.buttons` (1 left, 2 right, 4 middle, 8 back, 16 forward).
   */
  move(dx: number, dy: number, wheel: number, buttons: number): void {
    const state = this.#state;
    if (state.mode === 'stream' && !state.reporting) {
      state.buttons = buttons & 0x1f;
      return;
    }
    // A click must not vanish because press and release lie between two packets.
    if ((buttons & 0x1f) !== state.buttons && state.mode === 'stream' && state.buttons !== state.toldButtons) this.#queuePacket();
    state.x = limited(state.x + dx, PENDING_MAXIMUM);
    state.y = limited(state.y - dy, PENDING_MAXIMUM);
    state.z = limited(state.z + wheel, PENDING_MAXIMUM);
    state.buttons = buttons & 0x1f;
    if (this.hasByte) this.#dataReady();
  }

  get hasByte(): boolean {
    return this.#state.responses.length > 0 || this.#state.packets.length > 0 || this.#wantsPacket();
  }

  /** The next byte on the wire; 0 when there is none. */
  takeByte(): number {
    const state = this.#state;
    if (state.responses.length === 0 && state.packets.length === 0 && this.#wantsPacket()) this.#queuePacket();
    const byte = state.responses.shift() ?? state.packets.shift() ?? 0;
    state.lastByte = byte;
    return byte;
  }

  /** A byte from the controller: a command or its parameter. */
  receive(byte: number): void {
    const state = this.#state;
    state.packets = [];
    const { awaiting } = state;
    state.awaiting = NO_COMMAND;
    if (awaiting !== NO_COMMAND) this.#takeParameter(awaiting, byte);
    else if (state.wrap && byte !== RESET_WRAP_MODE && byte !== RESET) this.#answer(byte);
    else this.#takeCommand(byte);
    this.#dataReady();
  }

  powerOn(): void {
    this.#state = powerOnState();
  }

  save(): SavedPs2Mouse {
    const {
      responses, packets, lastByte, awaiting, mode, wrap, reporting, scaled, resolution, sampleRate, knock, deviceId,
      x, y, z, buttons, toldButtons, ...rest
    } = this.#state;
    rest satisfies Record<string, never>;
    return {
      responses: [...responses], packets: [...packets], lastByte, awaiting, mode, wrap, reporting, scaled, resolution,
      sampleRate, knock: [...knock], deviceId, x, y, z, buttons, toldButtons,
    };
  }

  restore(saved: SavedPs2Mouse): void {
    this.#state = { ...saved, responses: [...saved.responses], packets: [...saved.packets], knock: [...saved.knock] };
  }

  /** Buttons that packets of the present kind can tell. */
  #visibleButtons(buttons: number): number {
    return this.#state.deviceId === ID_EXPLORER ? buttons : buttons & 7;
  }

  #wantsPacket(): boolean {
    const state = this.#state;
    if (state.mode !== 'stream' || !state.reporting || state.wrap) return false;
    return state.x !== 0 || state.y !== 0 || (state.z !== 0 && state.deviceId !== ID_STANDARD)
      || this.#visibleButtons(state.buttons) !== this.#visibleButtons(state.toldButtons);
  }

  /** Takes up to a packet's worth of the movement that waits. */
  #makePacket(): number[] {
    const state = this.#state;
    // 2:1 scaling doubles at most, and holds in stream mode only.
    const scales = state.scaled && state.mode === 'stream';
    const limit = scales ? 127 : 255;
    const takenX = limited(state.x, limit);
    const takenY = limited(state.y, limit);
    state.x -= takenX;
    state.y -= takenY;
    const x = scales ? scale(takenX) : takenX;
    const y = scales ? scale(takenY) : takenY;
    state.toldButtons = state.buttons;
    const packet = [
      PACKET_ALWAYS | (state.buttons & 7) | (x < 0 ? PACKET_X_NEGATIVE : 0) | (y < 0 ? PACKET_Y_NEGATIVE : 0),
      x & 0xff,
      y & 0xff,
    ];
    if (state.deviceId === ID_STANDARD) {
      state.z = 0;
      return packet;
    }
    const z = limited(state.z, 7);
    state.z -= z;
    packet.push(state.deviceId === ID_WHEEL ? z & 0xff : (z & 0x0f) | (state.buttons & 0x18) << 1);
    return packet;
  }

  #queuePacket(): void {
    if (this.#state.packets.length + 4 <= PACKET_BYTES_MAXIMUM) this.#state.packets.push(...this.#makePacket());
  }

  #answer(...bytes: readonly number[]): void {
    const { responses } = this.#state;
    for (const byte of bytes) if (responses.length < RESPONSE_BYTES) responses.push(byte);
  }

  #clearMovement(): void {
    const state = this.#state;
    state.x = 0;
    state.y = 0;
    state.z = 0;
    state.toldButtons = state.buttons;
  }

  #setDefaults(): void {
    const state = this.#state;
    state.mode = 'stream';
    state.wrap = false;
    state.reporting = false;
    state.scaled = false;
    state.resolution = 2;
    state.sampleRate = 100;
    this.#clearMovement();
  }

  #takeParameter(command: number, parameter: number): void {
    const state = this.#state;
    if (command === SET_RESOLUTION) {
      if (parameter > 3) {
        this.#answer(ERROR);
        return;
      }
      state.resolution = parameter;
    } else {
      if (!SAMPLE_RATES.includes(parameter)) {
        this.#answer(ERROR);
        return;
      }
      state.sampleRate = parameter;
      state.knock = [...state.knock, parameter].slice(-3);
      const knock = state.knock.join(',');
      if (knock === KNOCK_WHEEL && state.deviceId === ID_STANDARD) state.deviceId = ID_WHEEL;
      else if (knock === KNOCK_EXPLORER) state.deviceId = ID_EXPLORER;
    }
    this.#answer(ACK);
  }

  #takeCommand(command: number): void {
    const state = this.#state;
    switch (command) {
      case SCALING_1_TO_1:
      case SCALING_2_TO_1:
        state.scaled = command === SCALING_2_TO_1;
        break;
      case SET_RESOLUTION:
      case SET_SAMPLE_RATE:
        state.awaiting = command;
        break;
      case STATUS_REQUEST:
        this.#answer(ACK, this.#status(), state.resolution, state.sampleRate);
        return;
      case SET_STREAM_MODE:
        state.mode = 'stream';
        this.#clearMovement();
        break;
      case SET_REMOTE_MODE:
        state.mode = 'remote';
        this.#clearMovement();
        break;
      case READ_DATA:
        this.#answer(ACK, ...this.#makePacket());
        return;
      case SET_WRAP_MODE:
        state.wrap = true;
        break;
      case RESET_WRAP_MODE:
        state.wrap = false;
        break;
      case READ_ID:
        this.#answer(ACK, state.deviceId);
        return;
      case ENABLE:
        state.reporting = true;
        this.#clearMovement();
        break;
      case DISABLE:
        state.reporting = false;
        break;
      case SET_DEFAULT:
        this.#setDefaults();
        break;
      case RESEND:
        this.#answer(state.lastByte);
        return;
      case RESET: {
        const { buttons } = state;
        this.#state = { ...powerOnState(), buttons, toldButtons: buttons };
        this.#answer(ACK, TEST_PASSED, ID_STANDARD);
        return;
      }
      default:
        this.#answer(RESEND);
        return;
    }
    this.#answer(ACK);
  }

  #status(): number {
    const { mode, reporting, scaled, buttons } = this.#state;
    // Left and right lie the other way round here than in packets.
    return (mode === 'remote' ? STATUS_REMOTE : 0) | (reporting ? STATUS_ENABLED : 0) | (scaled ? STATUS_SCALED : 0)
      | (buttons & 1) << 2 | (buttons & 4) >> 1 | (buttons & 2) >> 1;
  }
}
