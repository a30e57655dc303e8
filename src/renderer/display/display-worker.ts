/**
 * Receives and draws the frames of all guests' screens of this page, so that the page's own thread sees none of them. What
 * is sent to a guest goes through here too: it shares the frames' channel.
 */
import '../zod-without-code.ts';
import type { DisplayDown, DisplayUp } from '../../shared/api.ts';
import { openChannel, parseDisplay } from '../channel.ts';
import type { Channel } from '../channel.ts';
import { ScreenPainter } from './screen-painter.ts';
import type { FromDisplayWorker, ToDisplayWorker } from './worker-messages.ts';

interface ShownScreen { readonly channel: Channel<DisplayUp>; end(): void }

const canvases = new Map<number, OffscreenCanvas>();
const shown = new Map<number, ShownScreen>();

function tell(message: FromDisplayWorker): void {
  globalThis.postMessage(message);
}

function show({ screen, end, millisPerFrame }: Extract<ToDisplayWorker, { kind: 'show' }>): void {
  const canvas = canvases.get(screen);
  if (canvas === undefined) return;
  hide(screen);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const askForNext = (): void => { channel.send({ kind: 'frame-drawn' }); };
  const painter = new ScreenPainter(canvas, {
    resized: (width, height) => { tell({ kind: 'resized', screen, width, height }); },
    drawn: () => {
      if (millisPerFrame === 0) askForNext();
      else timer = setTimeout(askForNext, millisPerFrame);
    },
  });
  const channel = openChannel<DisplayUp, DisplayDown>(end, parseDisplay, {
    message: ({ frame }) => { painter.show(frame); },
    closed: () => { tell({ kind: 'closed', screen }); },
  });
  channel.send({ kind: 'watch-display', watch: true });
  shown.set(screen, {
    channel,
    end: () => {
      clearTimeout(timer);
      painter.end();
      channel.close();
    },
  });
}

function hide(screen: number): void {
  shown.get(screen)?.end();
  shown.delete(screen);
  const canvas = canvases.get(screen);
  if (canvas === undefined) return;
  // Nobody sees it, and a large one is megabytes.
  canvas.width = 1;
  canvas.height = 1;
}

globalThis.addEventListener('message', ({ data: message }: MessageEvent<ToDisplayWorker>) => {
  switch (message.kind) {
    case 'adopt': canvases.set(message.screen, message.canvas); break;
    case 'show': show(message); break;
    case 'send': shown.get(message.screen)?.channel.send(message.message); break;
    case 'hide': hide(message.screen); break;
    case 'forget':
      hide(message.screen);
      canvases.delete(message.screen);
      break;
  }
});
