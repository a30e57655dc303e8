/** Messages over a byte stream: u32 little-endian length, then a message of `wire.ts`. */
import type { Socket } from 'node:net';
import { decodeWire, encodeWire, WIRE_MESSAGE_BYTES_MAXIMUM } from '../../shared/wire.ts';

const LENGTH_BYTES = 4;

export class MessageSocket {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** Listeners are called in order of arrival; `closed` once. A peer that sends nonsense is cut off. */
  constructor(socket: Socket, listener: { message(message: unknown): void; closed(): void }) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#bytes += chunk.byteLength;
      for (let message = this.#take(); message !== undefined; message = this.#take()) {
        const decoded = decodeWire(message);
        if (decoded === undefined) socket.destroy();
        else listener.message(decoded);
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => { listener.closed(); });
  }

  send(message: unknown): void {
    if (this.#socket.destroyed) return;
    const encoded = encodeWire(message);
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(encoded.byteLength);
    this.#socket.cork();
    this.#socket.write(length);
    this.#socket.write(encoded);
    this.#socket.uncork();
  }

  /** Bytes that the peer hasn't taken. */
  get bytesBehind(): number {
    return this.#socket.writableLength;
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(): Uint8Array | undefined {
    if (this.#bytes < LENGTH_BYTES) return undefined;
    if (this.#chunks[0]!.byteLength < LENGTH_BYTES) this.#join();
    const length = this.#chunks[0]!.readUInt32LE(0);
    if (length > WIRE_MESSAGE_BYTES_MAXIMUM) {
      this.#socket.destroy();
      this.#chunks = [];
      this.#bytes = 0;
      return undefined;
    }
    if (this.#bytes < LENGTH_BYTES + length) return undefined;
    this.#join();
    const all = this.#chunks[0]!;
    const rest = all.subarray(LENGTH_BYTES + length);
    this.#chunks = rest.byteLength === 0 ? [] : [rest];
    this.#bytes = rest.byteLength;
    return all.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
  }

  #join(): void {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
  }
}
