/** Gathers mouse motion into one message for each frame of the page; buttons go out at once, so that no click is lost. */
export interface PointerChange { readonly dx: number; readonly dy: number; readonly wheel: number; readonly buttons: number }

/** `WheelEvent.deltaY` of one click of a wheel, by `deltaMode` (pixels, lines, pages). */
const WHEEL_CLICK = [100, 3, 1] as const;

export class PointerStream {
  readonly #send: (change: PointerChange) => void;
  readonly #schedule: (flush: () => void) => void;
  #dx = 0;
  #dy = 0;
  #wheel = 0;
  #buttons = 0;
  #isScheduled = false;

  /** `schedule` calls back once, a little later. */
  constructor(send: (change: PointerChange) => void, schedule: (flush: () => void) => void) {
    this.#send = send;
    this.#schedule = schedule;
  }

  /** Motion in counts, fractions kept for later. */
  move(dx: number, dy: number): void {
    this.#dx += dx;
    this.#dy += dy;
    this.#flushSoon();
  }

  turn(deltaY: number, deltaMode: number): void {
    this.#wheel += deltaY / (WHEEL_CLICK[deltaMode] ?? WHEEL_CLICK[0]);
    this.#flushSoon();
  }

  /** 1 left, 2 right, 4 middle, as in `MouseEvent.buttons`; others are dropped. */
  press(buttons: number): void {
    const known = buttons & 7;
    if (known === this.#buttons) return;
    this.#flush();
    this.#buttons = known;
    this.#send({ dx: 0, dy: 0, wheel: 0, buttons: known });
  }

  #flushSoon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#schedule(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const [dx, dy, wheel] = [Math.trunc(this.#dx), Math.trunc(this.#dy), Math.trunc(this.#wheel)];
    this.#dx -= dx;
    this.#dy -= dy;
    this.#wheel -= wheel;
    if (dx !== 0 || dy !== 0 || wheel !== 0) this.#send({ dx, dy, wheel, buttons: this.#buttons });
  }
}
