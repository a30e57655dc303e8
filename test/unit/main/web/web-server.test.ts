import { request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { createAppServices } from '../../../../src/main/app-services.ts';
import { ForkLauncher } from '../../../../src/main/machines/fork-launcher.ts';
import { startWebServer } from '../../../../src/main/web/web-server.ts';
import { createApiClient } from '../../../../src/shared/api.ts';
import type { ApiClient, ConsoleDown, DisplayDown } from '../../../../src/shared/api.ts';
import { MIB } from '../../../../src/shared/sizes.ts';
import { decodeWire, encodeWire } from '../../../../src/shared/wire.ts';
import { testHome } from '../../../support/main-fixtures.ts';

async function serve() {
  const home = testHome();
  const core = await createAppServices({ shell: 'browser', paths: home.paths, launcher: new ForkLauncher(home.paths.vmProcess) });
  if (!core.ok) throw new Error(core.error.message);
  const server = await startWebServer(core.value, home.paths.rendererFolder, 0);
  if (!server.ok) throw new Error(server.error.message);
  onTestFinished(async () => {
    await server.value.close();
    await core.value.close();
  });
  const { address, port } = server.value;
  const cookie = (await get(address)).headers['set-cookie']![0]!.split(';')[0]!;
  return { ...home, core: core.value, address, port, cookie };
}

function get(address: string, headers: Record<string, string> = {}): Promise<{ status: number; headers: Record<string, string | string[] | undefined>; body: string }> {
  return new Promise((resolve, reject) => {
    request(address, { headers }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => { body += text; }).on('end', () => { resolve({ status: response.statusCode!, headers: response.headers, body }); });
    }).on('error', reject).end();
  });
}

function open(port: number, path: string, headers: Record<string, string>): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers });
  return new Promise((resolve, reject) => {
    socket.once('open', () => { resolve(socket); });
    socket.once('error', reject);
  });
}

function clientOf(socket: WebSocket): ApiClient {
  let nextId = 1;
  return createApiClient((method, input) => new Promise((resolve) => {
    const id = nextId++;
    socket.on('message', (data: Buffer) => {
      const message = decodeWire(data) as { id?: number; result?: unknown };
      if (message.id === id) resolve(message.result);
    });
    socket.send(encodeWire({ id, method, input }));
  }));
}

const next = <T>(socket: WebSocket): Promise<T> => new Promise((resolve) => { socket.once('message', (data: Buffer) => { resolve(decodeWire(data) as T); }); });

test('the address with the token opens the page once and leaves a cookie; without either there is nothing', async () => {
  const { address, port, cookie } = await serve();
  const page = `http://127.0.0.1:${port}/`;
  expect(await get(address)).toMatchObject({ status: 303, headers: { location: '/' } });
  expect(await get(page, { cookie })).toMatchObject({ status: 200, body: expect.stringContaining('A page') });
  for (const [url, headers] of [[page, {}], [`${page}?token=wrong`, {}], [page, { cookie: `${cookie}x` }], [page, { cookie, host: 'rebound.example' }], [page, { cookie, host: `rebound.example:${port}` }]] as const) {
    expect((await get(url, headers)).status).toBe(403);
  }
  expect((await get(`${page}..%2f..%2f..%2f..%2fetc%2fpasswd`, { cookie })).status).toBe(404);
  expect((await get(`${page}%00`, { cookie })).status).toBe(404);
});

test('a WebSocket needs the cookie and our own page as its origin', async () => {
  const { port, cookie } = await serve();
  const origin = `http://127.0.0.1:${port}`;
  for (const headers of [{ origin }, { cookie }, { cookie, origin: 'http://evil.example' }, { cookie, origin: 'null' }]) await expect(open(port, '/api', headers as Record<string, string>)).rejects.toThrow('403');
  await expect(open(port, '/other', { cookie, origin })).rejects.toThrow('404');
  const socket = await open(port, '/api', { cookie, origin });
  expect(await clientOf(socket).host.info({})).toMatchObject({ ok: true, value: { shell: 'browser' } });
  socket.close();
});

test('a machine is made, started, seen and heard over WebSockets', async () => {
  const { port, cookie, kernel } = await serve();
  const headers = { cookie, origin: `http://127.0.0.1:${port}` };
  const socket = await open(port, '/api', headers);
  const client = clientOf(socket);
  await client.library.create({ name: 'red one', memoryBytes: 64 * MIB, directBoot: { kernel, commandLine: 'print=hello echo' } });
  expect(await client.machines.start({ name: 'red one' })).toMatchObject({ ok: true, value: { state: 'running' } });

  const display = await open(port, '/channel/display/red%20one', headers);
  const frame = next<DisplayDown>(display);
  display.send(encodeWire({ kind: 'watch-display', watch: true }));
  const { screenWidth, rectangles } = (await frame).frame;
  expect([screenWidth, ...rectangles[0]!.rgba.subarray(0, 4)]).toEqual([16, 255, 0, 0, 255]);

  const serial = new WebSocket(`ws://127.0.0.1:${port}/channel/console/red%20one`, { headers });
  const heard = (text: string): Promise<boolean[]> => new Promise((resolve) => {
    const replays: boolean[] = [];
    let all = '';
    serial.on('message', (data: Buffer) => {
      const { bytes, replay } = decodeWire(data) as ConsoleDown;
      replays.push(replay);
      all += new TextDecoder().decode(bytes);
      if (all.endsWith(text)) resolve(replays);
    });
  });
  expect((await heard('hello\r\n'))[0]).toBe(true);
  const echo = heard('ls');
  serial.send(encodeWire({ kind: 'serial-input', bytes: new TextEncoder().encode('ls') }));
  expect(await echo).toEqual([false]);

  const ended = new Promise((resolve) => { display.once('close', resolve); });
  await client.machines.stop({ name: 'red one', how: 'force' });
  expect(await ended).toBe(4000);
  expect(serial.readyState).toBe(WebSocket.OPEN);
});

test('nonsense on a connection closes it and harms nothing', async () => {
  const { port, cookie } = await serve();
  const headers = { cookie, origin: `http://127.0.0.1:${port}` };
  const socket = await open(port, '/api', headers);
  const closed = new Promise((resolve) => { socket.once('close', resolve); });
  socket.send(Buffer.from([1, 2]));
  expect(await closed).toBe(1003);
  const again = await open(port, '/api', headers);
  again.send(encodeWire({ id: 'x' }));
  expect(await clientOf(again).library.list({})).toMatchObject({ ok: true });
});

test('a port in use is a clear error', async () => {
  const { core, paths, port } = await serve();
  expect(await startWebServer(core, paths.rendererFolder, port)).toMatchObject({ ok: false, error: { code: 'serve.port-in-use' } });
});
