/** The page's side of the worker that draws guests' screens. */
import type { DisplayUp } from '../../shared/api.ts';
import type { ChannelEnd } from '../channel.ts';
import type { FromDisplayWorker, ToDisplayWorker } from './worker-messages.ts';

export interface ScreenListener {
  /** The first frame has come, or one of another size. */
  resized(width: number, height: number): void;
  /** The other side ended the channel. */
  closed(): void;
}

class WorkerDisplay {
  readonly #worker = new Worker(new URL('./display-worker.ts', import.meta.url), { type: 'module', name: 'display' });
  /** A canvas can be given away once only, and is shown on many times. */
  readonly #screens = new WeakMap<HTMLCanvasElement, number>();
  readonly #gone = new FinalizationRegistry<number>((screen) => { this.#post({ kind: 'forget', screen }); });
  readonly #listeners = new Map<number, ScreenListener>();
  #lastScreen = 0;

  constructor() {
    this.#worker.onmessage = ({ data: message }: MessageEvent<FromDisplayWorker>) => {
      const listener = this.#listeners.get(message.screen);
      if (message.kind === 'resized') listener?.resized(message.width, message.height);
      else listener?.closed();
    };
  }

  adopt(canvas: HTMLCanvasElement): number {
    const known = this.#screens.get(canvas);
    if (known !== undefined) return known;
    const screen = ++this.#lastScreen;
    this.#screens.set(canvas, screen);
    this.#gone.register(canvas, screen);
    const offscreen = canvas.transferControlToOffscreen();
    this.#post({ kind: 'adopt', screen, canvas: offscreen }, [offscreen]);
    return screen;
  }

  show(screen: number, end: ChannelEnd, millisPerFrame: number, listener: ScreenListener): void {
    this.#listeners.set(screen, listener);
    this.#post({ kind: 'show', screen, end, millisPerFrame }, end.kind === 'port' ? [end.port] : []);
  }

  send(screen: number, message: DisplayUp): void {
    this.#post({ kind: 'send', screen, message });
  }

  hide(screen: number): void {
    this.#listeners.delete(screen);
    this.#post({ kind: 'hide', screen });
  }

  #post(message: ToDisplayWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
}

let display: WorkerDisplay | undefined;

/** One worker for all screens of the page, from the first on. */
export function workerDisplay(): WorkerDisplay {
  return display ??= new WorkerDisplay();
}
