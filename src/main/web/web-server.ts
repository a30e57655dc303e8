/** The browser shell's server, on loopback only: the renderer's files, the calls at `/api`, displays and consoles at `/channel/KIND/NAME`. */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { CHANNEL_KINDS, clientMessageSchema } from '../../shared/api.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { decodeWire, encodeWire } from '../../shared/wire.ts';
import type { AppCore, ChannelUp } from '../app-core.ts';
import { AccessGuard, TOKEN_PARAMETER } from './access.ts';
import { CONTENT_SECURITY_POLICY, serveStaticFile } from './static-files.ts';

const LOOPBACK = '127.0.0.1';
/** What a page may send at once: typed text and settings, no more. */
const UP_BYTES_MAXIMUM = 4 * 1024 * 1024;
/** A page that doesn't take what it asked for is cut off. */
const BEHIND_BYTES_MAXIMUM = 256 * 1024 * 1024;
/** WebSocket close codes of our own. */
const CHANNEL_ENDED = 4000;
const CHANNEL_REFUSED = 4001;

export interface WebServer {
  readonly port: number;
  /** With the token: whoever has it has the machines. */
  readonly address: string;
  close(): Promise<void>;
}

/** `port` 0 takes a free one. Errors: `serve.port-in-use`, `serve.port-forbidden`, `serve.failed`. */
export async function startWebServer(core: AppCore, rendererFolder: string, port: number): Promise<Result<WebServer>> {
  const server = createServer();
  const listening = await new Promise<Result<number>>((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(fail('serve.port-in-use', `the port ${port} is in use`, 'choose another with --port, or leave --port out'));
      else if (error.code === 'EACCES') resolve(fail('serve.port-forbidden', `you may not listen at port ${port}`, 'choose one above 1023 with --port'));
      else resolve(fail('serve.failed', `no server could be started at port ${port} (${error.message})`, 'choose another with --port'));
    });
    server.listen({ host: LOOPBACK, port }, () => { resolve(ok((server.address() as { port: number }).port)); });
  });
  if (!listening.ok) return listening;
  const guard = new AccessGuard(listening.value);
  const sockets = new WebSocketServer({ noServer: true, maxPayload: UP_BYTES_MAXIMUM, perMessageDeflate: false });

  server.on('request', (request, response) => { void answer(guard, rendererFolder, request, response); });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head) => {
    socket.on('error', () => {});
    const { pathname } = new URL(request.url ?? '/', `http://${LOOPBACK}`);
    const channel = /^\/channel\/([a-z]+)\/([^/]+)$/.exec(pathname);
    const known = pathname === '/api' || channel !== null;
    if (!guard.hostIsOurs(request) || !guard.originIsOurs(request) || !guard.cookieMatches(request) || !known) {
      socket.end(`HTTP/1.1 ${known ? '403 Forbidden' : '404 Not Found'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      if (channel === null) serveCalls(core, webSocket);
      else serveChannel(core, webSocket, channel[1]!, channel[2]!);
    });
  });
  return ok({
    port: listening.value,
    address: `http://${LOOPBACK}:${listening.value}/?${TOKEN_PARAMETER}=${guard.token}`,
    async close() {
      for (const client of sockets.clients) client.terminate();
      const closed = new Promise<void>((resolve) => { server.close(() => { resolve(); }); });
      server.closeAllConnections();
      await closed;
    },
  });
}

async function answer(guard: AccessGuard, rendererFolder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const refuse = (status: number, text: string): void => { response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`); };
  response.setHeader('content-security-policy', CONTENT_SECURITY_POLICY);
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  response.setHeader('cross-origin-opener-policy', 'same-origin');
  if (!guard.hostIsOurs(request)) return refuse(403, 'Guesthouse answers at its own address only.');
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'Only GET is understood here.');
  const url = new URL(request.url ?? '/', `http://${LOOPBACK}`);
  if (guard.tokenMatches(url.searchParams.get(TOKEN_PARAMETER))) {
    url.searchParams.delete(TOKEN_PARAMETER);
    response.writeHead(303, { 'set-cookie': guard.cookie, 'location': url.pathname + url.search, 'cache-control': 'no-store' }).end();
    return undefined;
  }
  if (!guard.cookieMatches(request)) return refuse(403, 'Open Guesthouse with the address that it printed: it holds a token that this address lacks.');
  return serveStaticFile(rendererFolder, url.pathname, response, request.method === 'HEAD');
}

function serveCalls(core: AppCore, webSocket: WebSocket): void {
  const unsubscribe = core.onEvent((event) => { sendTo(webSocket, event); });
  onMessage(webSocket, (message) => {
    const checked = clientMessageSchema.safeParse(message);
    if (!checked.success) return;
    const { id, method, input } = checked.data;
    void core.call(method, input).then((result) => { sendTo(webSocket, { id, result }); });
  });
  webSocket.on('close', unsubscribe);
}

function serveChannel(core: AppCore, webSocket: WebSocket, kindText: string, encodedName: string): void {
  const kind = CHANNEL_KINDS.find((candidate) => candidate === kindText);
  const machine = decoded(encodedName);
  if (kind === undefined || machine === undefined) {
    webSocket.close(CHANNEL_REFUSED, 'api.unknown-method');
    return;
  }
  let channel: ChannelUp | undefined;
  let isClosed = false;
  // What the page says before the channel is open waits for it.
  let early: unknown[] | undefined = [];
  onMessage(webSocket, (message) => {
    if (early === undefined) channel?.send(message);
    else if (early.length < 100) early.push(message);
  });
  webSocket.on('close', () => {
    isClosed = true;
    channel?.close();
  });
  void core.openChannel(kind, machine, {
    message: (message) => { sendTo(webSocket, message); },
    closed: () => { webSocket.close(CHANNEL_ENDED, 'ended'); },
  }).then((opened) => {
    if (!opened.ok) {
      webSocket.close(CHANNEL_REFUSED, opened.error.code);
      return;
    }
    channel = opened.value;
    for (const message of early ?? []) channel.send(message);
    early = undefined;
    if (isClosed) channel.close();
  });
}

function onMessage(webSocket: WebSocket, listener: (message: unknown) => void): void {
  webSocket.binaryType = 'nodebuffer';
  webSocket.on('error', () => {});
  webSocket.on('message', (data: Buffer, isBinary: boolean) => {
    const message = isBinary ? decodeWire(data) : undefined;
    if (message === undefined) webSocket.close(1003, 'not a message of ours');
    else listener(message);
  });
}

function sendTo(webSocket: WebSocket, message: unknown): void {
  if (webSocket.readyState !== webSocket.OPEN) return;
  webSocket.send(encodeWire(message));
  if (webSocket.bufferedAmount > BEHIND_BYTES_MAXIMUM) webSocket.terminate();
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
