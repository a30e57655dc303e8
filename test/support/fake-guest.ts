/**
 * A guest that is a program: a text screen of 80 × 25 in the firmware's font, a few boot messages, and a shell that can
 * `echo`. Enough to develop and test a window without a machine behind it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { KeyChange, DisplayFrame } from '../../src/shared/vm-protocol.ts';

const COLUMNS = 80;
const ROWS = 25;
const CELL_WIDTH = 9;
const CELL_HEIGHT = 16;
const WIDTH = COLUMNS * CELL_WIDTH;
const HEIGHT = ROWS * CELL_HEIGHT;
const PROMPT = '~ # ';
const BOOT_LINES = [
  'SeaBIOS (version 1.16.2-debian-1.16.2-1)', '', 'Booting from ROM...', 'Linux version 6.1.0-amd64 (fake guest)',
  'Command line: console=ttyS0 console=tty0', 'BIOS-provided physical RAM map:', 'Memory: 240120K/261624K available',
  'clocksource: tsc: mask: 0xffffffffffffffff', 'virtio_blk virtio0: [vda] 131072 512-byte logical blocks',
  'EXT4-fs (vda): mounted filesystem', '', 'Welcome to Guesthouse Linux', '',
];

const US_KEYS: Readonly<Record<string, readonly [string, string]>> = {
  Space: [' ', ' '], Minus: ['-', '_'], Equal: ['=', '+'], BracketLeft: ['[', '{'], BracketRight: [']', '}'], Backslash: ['\\', '|'],
  Semicolon: [';', ':'], Quote: ['\'', '"'], Backquote: ['`', '~'], Comma: [',', '<'], Period: ['.', '>'], Slash: ['/', '?'],
  ...Object.fromEntries([...'1234567890'].map((digit, index) => [`Digit${digit}`, [digit, '!@#$%^&*()'[index] ?? '']])),
  ...Object.fromEntries([...'abcdefghijklmnopqrstuvwxyz'].map((letter) => [`Key${letter.toUpperCase()}`, [letter, letter.toUpperCase()]])),
};

/** The 8 × 16 glyphs of the VGA firmware, found by those of a capital A. */
function loadFont(): Uint8Array {
  const file = join(import.meta.dirname, '../../assets/firmware/vgabios-stdvga.bin');
  const letterA = Buffer.from([0, 0, 0x10, 0x38, 0x6c, 0xc6, 0xc6, 0xfe, 0xc6, 0xc6, 0xc6, 0xc6, 0, 0, 0, 0]);
  const firmware = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  const at = firmware.indexOf(letterA) - 0x41 * 16;
  if (at >= 0) return firmware.subarray(at, at + 256 * 16);
  // Without firmware every character is a pattern of its own: the tests compare pictures, they don't read.
  return Uint8Array.from({ length: 256 * 16 }, (_, index) => ((index >> 4) <= 0x20 || index % 16 > 12 ? 0 : ((index >> 4) * (index % 16 + 3)) & 0xfe));
}

export class FakeGuest {
  readonly keysSeen: KeyChange[] = [];
  readonly pointerSeen: { dx: number; dy: number; wheel: number; buttons: number }[] = [];
  readonly down = new Set<string>();
  readonly #onSerial: (bytes: Uint8Array) => void;
  readonly #font = loadFont();
  readonly #viewers = new Set<{ send: (frame: DisplayFrame) => void; isDrawing: boolean; isDirty: boolean; isFirst: boolean }>();
  #rows: string[] = [''];
  #line = '';
  #timer: ReturnType<typeof setInterval> | undefined;
  #bootAt = 0;
  #showsCursor = true;
  #ticks = 0;
  isPaused = false;

  constructor(onSerial: (bytes: Uint8Array) => void) {
    this.#onSerial = onSerial;
  }

  powerOn(): void {
    this.#rows = [''];
    this.#line = '';
    this.#bootAt = 0;
    this.isPaused = false;
    this.down.clear();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => { this.#tick(); }, 50);
  }

  powerOff(): void {
    clearInterval(this.#timer);
    this.#viewers.clear();
  }

  get rows(): string[] { return this.#screen().map((row) => row.padEnd(COLUMNS)); }

  watch(send: (frame: DisplayFrame) => void): { drawn(): void; end(): void } {
    const viewer = { send, isDrawing: false, isDirty: true, isFirst: true };
    this.#viewers.add(viewer);
    this.#paint();
    return {
      drawn: () => {
        viewer.isDrawing = false;
        this.#paint();
      },
      end: () => { this.#viewers.delete(viewer); },
    };
  }

  keys(events: readonly KeyChange[]): void {
    for (const { code, down } of events) {
      this.keysSeen.push({ code, down });
      if (!down) {
        this.down.delete(code);
        continue;
      }
      this.down.add(code);
      const isShift = this.down.has('ShiftLeft') || this.down.has('ShiftRight');
      const character = US_KEYS[code]?.[isShift ? 1 : 0];
      if (this.down.has('ControlLeft')) {
        if (code === 'KeyU') this.#erase();
      } else if (code === 'Enter') this.type('\n');
      else if (code === 'Backspace') this.type('\x7f');
      else if (character !== undefined) this.type(character);
    }
  }

  type(text: string): void {
    for (const character of text) {
      if (character === '\n' || character === '\r') this.#run();
      else if (character === '\x7f') {
        if (this.#line === '') continue;
        this.#line = this.#line.slice(0, -1);
        this.#setLastRow(this.#lastRow().slice(0, -1));
        this.#serial('\b \b');
      } else if (character >= ' ') {
        this.#line += character;
        this.#print(character);
      }
    }
    this.#changed();
  }

  screenshot(): Uint8Array<ArrayBuffer> {
    const png = new PNG({ width: WIDTH, height: HEIGHT });
    png.data.set(this.#render());
    return new Uint8Array(PNG.sync.write(png));
  }

  #erase(): void {
    this.#setLastRow(PROMPT);
    this.#line = '';
    this.#changed();
  }

  #run(): void {
    const line = this.#line.trim();
    this.#line = '';
    this.#print('\n');
    const sum = /^echo \$\(\((\d+)([*+-])(\d+)\)\)$/.exec(line);
    if (sum !== null) {
      const [left, right] = [Number(sum[1]), Number(sum[3])];
      this.#print(`${sum[2] === '*' ? left * right : sum[2] === '+' ? left + right : left - right}\n`);
    } else if (line.startsWith('echo ')) this.#print(`${line.slice(5)}\n`);
    else if (line !== '') this.#print(`sh: ${line.split(' ')[0] ?? ''}: not found\n`);
    this.#print(PROMPT);
  }

  #tick(): void {
    if (this.isPaused) return;
    this.#ticks++;
    if (this.#bootAt < BOOT_LINES.length) {
      this.#print(`${BOOT_LINES[this.#bootAt++] ?? ''}\n`);
      if (this.#bootAt === BOOT_LINES.length) this.#print(PROMPT);
      this.#changed();
    } else if (this.#ticks % 8 === 0) {
      this.#showsCursor = !this.#showsCursor;
      this.#changed();
    }
  }

  #lastRow(): string { return this.#rows.at(-1) ?? ''; }
  #setLastRow(row: string): void { this.#rows[this.#rows.length - 1] = row; }

  #print(text: string): void {
    this.#serial(text.replaceAll('\n', '\r\n'));
    for (const character of text) {
      if (character === '\n' || this.#lastRow().length === COLUMNS) this.#rows.push('');
      if (character !== '\n') this.#setLastRow(this.#lastRow() + character);
    }
    this.#rows = this.#rows.slice(-ROWS);
  }

  #serial(text: string): void { this.#onSerial(new TextEncoder().encode(text)); }

  #screen(): string[] { return [...this.#rows, ...Array.from({ length: ROWS - this.#rows.length }, () => '')]; }

  #changed(): void {
    for (const viewer of this.#viewers) viewer.isDirty = true;
    this.#paint();
  }

  #paint(): void {
    for (const viewer of this.#viewers) {
      if (viewer.isDrawing || !viewer.isDirty) continue;
      viewer.isDrawing = true;
      viewer.isDirty = false;
      const rgba = this.#render();
      // After the first, only the rows from the middle on and those before as two rectangles: both halves must land right.
      const split = viewer.isFirst ? HEIGHT : 12 * CELL_HEIGHT;
      viewer.isFirst = false;
      const rectangles = [{ x: 0, y: 0, width: WIDTH, height: split, rgba: rgba.subarray(0, split * WIDTH * 4) }];
      if (split < HEIGHT) rectangles.push({ x: 0, y: split, width: WIDTH, height: HEIGHT - split, rgba: rgba.subarray(split * WIDTH * 4) });
      viewer.send({ screenWidth: WIDTH, screenHeight: HEIGHT, rectangles });
    }
  }

  #render(): Uint8Array<ArrayBuffer> {
    const rgba = new Uint8Array(WIDTH * HEIGHT * 4);
    const pixels = new Uint32Array(rgba.buffer);
    pixels.fill(0xff000000);
    this.#screen().forEach((text, row) => {
      for (let column = 0; column < text.length; column++) {
        const glyph = text.charCodeAt(column) & 0xff;
        for (let y = 0; y < CELL_HEIGHT; y++) {
          const bits = this.#font[glyph * 16 + y] ?? 0;
          for (let x = 0; x < 8; x++) if ((bits & (0x80 >> x)) !== 0) pixels[(row * CELL_HEIGHT + y) * WIDTH + column * CELL_WIDTH + x] = 0xffaaaaaa;
        }
      }
    });
    if (this.#showsCursor) {
      const row = this.#rows.length - 1;
      const column = Math.min(this.#lastRow().length, COLUMNS - 1);
      for (let y = 13; y < 15; y++) pixels.fill(0xffaaaaaa, (row * CELL_HEIGHT + y) * WIDTH + column * CELL_WIDTH, (row * CELL_HEIGHT + y) * WIDTH + column * CELL_WIDTH + 8);
    }
    return rgba;
  }
}
