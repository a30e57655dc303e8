/** A two-way pipe to a machine's display or console, over a WebSocket or a MessagePort alike. What comes in is checked. */
import { displayDownSchema } from '../shared/api.ts';
import type { DisplayDown } from '../shared/api.ts';
import { decodeWire, encodeWire } from '../shared/wire.ts';

/** Where a channel's other end is reached; it can be given to a worker. */
export type ChannelEnd = { readonly kind: 'socket'; readonly address: string } | { readonly kind: 'port'; readonly port: MessagePort };

export interface Channel<Up> {
  /** What is sent before the channel is open goes out when it opens; after its end it goes nowhere. */
  send(message: Up): void;
  close(): void;
}

export interface ChannelListener<Down> {
  message(message: Down): void;
  /** The other side ended it, or it could not be opened. Not called after `close()`. */
  closed(): void;
}

/** `undefined` for what isn't such a message. */
export type Parser<Down> = (data: unknown) => Down | undefined;

/** Rectangles of a parsed frame lie inside its screen and have all their bytes. */
export const parseDisplay: Parser<DisplayDown> = (data) => {
  const checked = displayDownSchema.safeParse(data);
  if (!checked.success) return undefined;
  const { screenWidth, screenHeight, rectangles } = checked.data.frame;
  const fits = rectangles.every(({ x, y, width, height, rgba }) => x + width <= screenWidth && y + height <= screenHeight && rgba.byteLength === width * height * 4);
  return fits ? checked.data : undefined;
};

export function openChannel<Up, Down>(end: ChannelEnd, parse: Parser<Down>, listener: ChannelListener<Down>): Channel<Up> {
  return end.kind === 'socket' ? openSocket(end.address, parse, listener) : openPort(end.port, parse, listener);
}

function openSocket<Up, Down>(address: string, parse: Parser<Down>, listener: ChannelListener<Down>): Channel<Up> {
  const socket = new WebSocket(address);
  socket.binaryType = 'arraybuffer';
  const early: Uint8Array<ArrayBuffer>[] = [];
  socket.onopen = () => { for (const message of early) socket.send(message); };
  socket.onmessage = ({ data }) => {
    const message = data instanceof ArrayBuffer ? parse(decodeWire(new Uint8Array(data))) : undefined;
    if (message !== undefined) listener.message(message);
  };
  socket.onclose = () => { listener.closed(); };
  return {
    send: (message) => {
      const encoded = encodeWire(message);
      if (socket.readyState === WebSocket.OPEN) socket.send(encoded);
      else if (socket.readyState === WebSocket.CONNECTING) early.push(encoded);
    },
    close: () => {
      socket.onclose = null;
      socket.onmessage = null;
      socket.close();
    },
  };
}

function openPort<Up, Down>(port: MessagePort, parse: Parser<Down>, listener: ChannelListener<Down>): Channel<Up> {
  let isClosed = false;
  port.onmessage = ({ data }) => {
    const message = parse(data);
    if (message !== undefined && !isClosed) listener.message(message);
  };
  port.addEventListener('close', () => { if (!isClosed) listener.closed(); });
  return {
    send: (message) => { port.postMessage(message); },
    close: () => {
      isClosed = true;
      port.close();
    },
  };
}
