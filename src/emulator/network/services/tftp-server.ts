/**
 * TFTP for guests that boot from the network (RFC 1350 with the options of RFC 2347, 2348, 2349 and 7440): it reads out one
 * folder's files, and takes none. A guest may ask for anything in any way: transfers are few, each holds one buffer, and ends
 * by itself where its client says no more.
 */
import type { Clock, Timer } from '../../interfaces/clock.ts';
import type { IpAddress } from '../frames/addresses.ts';
import { ipHeaderBytes } from '../frames/ip.ts';
import { UDP_HEADER_BYTES } from '../frames/udp.ts';
import type { Endpoint } from '../host-network.ts';
import { MTU } from '../nat-addresses.ts';

export const TFTP_PORT = 69;

export const TRANSFERS_MAXIMUM = 16;
/** RFC 2347: a request fits into 512 bytes. */
const REQUEST_MAXIMUM_BYTES = 512;
const OPCODE = { read: 1, write: 2, data: 3, acknowledge: 4, error: 5, optionAcknowledge: 6 } as const;
const ERROR = { undefined: 0, notFound: 1, accessViolation: 2, illegalOperation: 4 } as const;
const HEADER_BYTES = 4;
const BLOCK_DEFAULT_BYTES = 512;
const BLOCK_MINIMUM_BYTES = 8;
const BLOCK_MAXIMUM_BYTES = 65_464;
/** Blocks that are under way at once, at most. */
const WINDOW_MAXIMUM = 32;
/** Below the ports that stand for who comes in by a forwarded one. */
const FIRST_PORT = 32_768;
const PORTS = 16_384;
const SECOND = 1_000_000_000;
const TIMEOUT_SECONDS_MAXIMUM = 30;
/** How often something is sent before its client is given up. */
const TRIES = 6;
/** What is read from a file at once. */
const CHUNK_BYTES = 64 * 1024;

/** A file that is being read out. */
export interface BootFile {
  readonly bytes: number;
  /** Less than `length` only where the file has been cut. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): void;
}

/** `refused`: what the name leads to isn't the folder's to give. */
export type BootFileProblem = 'not-found' | 'refused' | 'too-large';

export interface BootFiles {
  /** Never rejects. `name` is what a guest says. */
  open(name: string): Promise<BootFile | BootFileProblem>;
}

export interface TftpOptions {
  readonly files: BootFiles;
  readonly clock: Clock;
  readonly random32: () => number;
  /** From the gateway's address that the client knows. */
  readonly send: (from: Endpoint, to: Endpoint, message: Uint8Array) => void;
}

interface Transfer {
  readonly client: Endpoint;
  /** The gateway's end. */
  readonly server: Endpoint;
  /** Word for word: the same once more is a client that has heard nothing yet. */
  readonly request: string;
  readonly options: ReadOptions;
  file: BootFile | undefined;
  /** What the client has been told of its options, until it says that it knows. */
  optionReply: Uint8Array | undefined;
  /** Blocks, counted from 1 and past 65,535, where their numbers begin at 0 again. */
  acknowledged: number;
  sent: number;
  chunk: { readonly offset: number; readonly bytes: Uint8Array } | undefined;
  isReading: boolean;
  tries: number;
  deadline: number;
}

interface ReadOptions {
  readonly blockBytes: number;
  readonly window: number;
  readonly timeoutSeconds: number;
  /** By name, as they are acknowledged; the file's size isn't known yet. */
  readonly acknowledged: readonly (readonly [string, string | undefined])[];
}

export class TftpServer {
  readonly #options: TftpOptions;
  readonly #transfers = new Map<string, Transfer>();
  readonly #timer: Timer;
  /** Files that are being opened, also for clients that have asked for another since. */
  #opening = 0;
  #nextPort: number;

  constructor(options: TftpOptions) {
    this.#options = options;
    this.#nextPort = FIRST_PORT + (options.random32() >>> 0) % PORTS;
    this.#timer = options.clock.timer('network.tftp', () => { this.#repeat(); });
  }

  get transfers(): number {
    return this.#transfers.size;
  }

  /** `false`: the datagram has nothing to do with this. */
  receive(client: Endpoint, gateway: Endpoint, message: Uint8Array): boolean {
    if (gateway.port === TFTP_PORT) {
      this.#request(client, gateway.address, message);
      return true;
    }
    const key = keyOf(client);
    const transfer = this.#transfers.get(key);
    if (transfer?.server.port !== gateway.port || transfer.server.address !== gateway.address) return false;
    if (message.length < HEADER_BYTES) return true;
    const number = (message[2]! << 8) | message[3]!;
    switch (message[1]) {
      case OPCODE.acknowledge:
        this.#acknowledged(transfer, number);
        break;
      case OPCODE.error:
        // Also how a client says that it only wanted to know the size.
        this.#end(transfer);
        break;
      default:
        this.#fail(transfer, ERROR.illegalOperation, 'only acknowledgments are expected here');
    }
    return true;
  }

  clear(): void {
    for (const transfer of [...this.#transfers.values()]) this.#end(transfer);
    this.#timer.disarm();
  }

  #request(client: Endpoint, address: IpAddress, message: Uint8Array): void {
    const server = { address, port: this.#newPort() };
    const refuse = (code: number, text: string): void => { this.#options.send(server, client, errorMessage(code, text)); };
    const opcode = message.length >= 2 ? (message[0]! << 8) | message[1]! : 0;
    // Two errors would answer each other for ever.
    if (opcode === OPCODE.error) return;
    if (opcode === OPCODE.write) {
      refuse(ERROR.accessViolation, 'files are only read here');
      return;
    }
    const words = opcode === OPCODE.read && message.length <= REQUEST_MAXIMUM_BYTES ? wordsOf(message.subarray(2)) : undefined;
    if (words === undefined || words.length < 2) {
      refuse(ERROR.illegalOperation, 'this is no request for a file');
      return;
    }
    const [name = '', mode = '', ...options] = words;
    if (mode.toLowerCase() !== 'octet') {
      refuse(ERROR.undefined, 'files are sent in mode octet only');
      return;
    }
    const key = keyOf(client);
    const request = words.join('\0');
    const earlier = this.#transfers.get(key);
    if (earlier !== undefined) {
      if (earlier.request === request && earlier.server.address === address && earlier.acknowledged === 0) return;
      this.#end(earlier);
    }
    const open = [...this.#transfers.values()].filter(({ file }) => file !== undefined).length;
    if (open + this.#opening >= TRANSFERS_MAXIMUM) {
      refuse(ERROR.undefined, 'too many files at once, try again later');
      return;
    }
    const transfer: Transfer = {
      client, server, request, options: readOptions(options, MTU - ipHeaderBytes(address) - UDP_HEADER_BYTES - HEADER_BYTES),
      file: undefined, optionReply: undefined, acknowledged: 0, sent: 0, chunk: undefined, isReading: false, tries: 0, deadline: Infinity,
    };
    this.#transfers.set(key, transfer);
    this.#opening++;
    void this.#options.files.open(name).then((file) => {
      this.#opening--;
      this.#opened(transfer, file);
    });
  }

  #opened(transfer: Transfer, file: BootFile | BootFileProblem): void {
    if (!this.#isOn(transfer)) {
      if (typeof file !== 'string') file.close();
      return;
    }
    switch (file) {
      case 'not-found':
        this.#fail(transfer, ERROR.notFound, 'there is no such file');
        return;
      case 'refused':
        this.#fail(transfer, ERROR.accessViolation, 'this is no file of the boot folder');
        return;
      case 'too-large':
        this.#fail(transfer, ERROR.undefined, 'the file is too large to be booted');
        return;
      default:
    }
    transfer.file = file;
    const { acknowledged } = transfer.options;
    if (acknowledged.length > 0) transfer.optionReply = optionMessage(acknowledged.map(([name, value]) => [name, value ?? String(file.bytes)]));
    this.#send(transfer);
  }

  #acknowledged(transfer: Transfer, number: number): void {
    if (transfer.file === undefined) return;
    if (transfer.optionReply !== undefined) {
      if (number !== 0) return;
      transfer.optionReply = undefined;
    } else {
      const more = (number - transfer.acknowledged) & 0xffff;
      // Nothing new is no reason to send again: answers to answers would double for ever (RFC 1123 §4.2.3.1).
      if (more === 0 || more > transfer.sent - transfer.acknowledged) return;
      transfer.acknowledged += more;
      if (transfer.acknowledged === lastBlock(transfer)) {
        this.#end(transfer);
        return;
      }
    }
    transfer.tries = 0;
    this.#send(transfer);
  }

  /** What the client is to have next: options, or the window after what it has acknowledged. */
  #send(transfer: Transfer): void {
    const { file, options, client, server } = transfer;
    if (file === undefined || transfer.isReading) return;
    transfer.deadline = this.#options.clock.now() + options.timeoutSeconds * SECOND;
    this.#arm();
    if (transfer.optionReply !== undefined) {
      this.#options.send(server, client, transfer.optionReply);
      return;
    }
    const first = transfer.acknowledged + 1;
    const last = Math.min(transfer.acknowledged + options.window, lastBlock(transfer));
    const offset = (first - 1) * options.blockBytes;
    const end = Math.min(last * options.blockBytes, file.bytes);
    const { chunk } = transfer;
    if (end > offset && (chunk === undefined || offset < chunk.offset || end > chunk.offset + chunk.bytes.length)) {
      this.#read(transfer, file, offset);
      return;
    }
    for (let block = first; block <= last; block++) {
      const from = (block - 1) * options.blockBytes - (chunk?.offset ?? 0);
      const payload = chunk?.bytes.subarray(from, Math.min(from + options.blockBytes, file.bytes - chunk.offset)) ?? new Uint8Array();
      const message = new Uint8Array(HEADER_BYTES + payload.length);
      message.set([0, OPCODE.data, (block >> 8) & 0xff, block & 0xff]);
      message.set(payload, HEADER_BYTES);
      this.#options.send(server, client, message);
    }
    transfer.sent = last;
  }

  #read(transfer: Transfer, file: BootFile, offset: number): void {
    transfer.isReading = true;
    const wanted = Math.min(CHUNK_BYTES, file.bytes - offset);
    const done = (bytes: Uint8Array | undefined): void => {
      if (!this.#isOn(transfer)) return;
      transfer.isReading = false;
      if (bytes?.length !== wanted) {
        this.#fail(transfer, ERROR.undefined, 'the file can\'t be read any more');
        return;
      }
      transfer.chunk = { offset, bytes };
      this.#send(transfer);
    };
    file.read(offset, wanted).then(done, () => { done(undefined); });
  }

  /** Who has said nothing for too long hears it again, and in the end no more. */
  #repeat(): void {
    const now = this.#options.clock.now();
    for (const transfer of [...this.#transfers.values()]) {
      if (transfer.deadline > now || transfer.isReading) continue;
      transfer.tries++;
      if (transfer.tries >= TRIES) this.#end(transfer);
      else this.#send(transfer);
    }
    this.#arm();
  }

  #arm(): void {
    const next = Math.min(...[...this.#transfers.values()].map(({ deadline, isReading }) => (isReading ? Infinity : deadline)));
    if (next === Infinity) this.#timer.disarm();
    else this.#timer.arm(next);
  }

  #fail(transfer: Transfer, code: number, text: string): void {
    this.#options.send(transfer.server, transfer.client, errorMessage(code, text));
    this.#end(transfer);
  }

  #end(transfer: Transfer): void {
    transfer.file?.close();
    if (this.#isOn(transfer)) this.#transfers.delete(keyOf(transfer.client));
  }

  #isOn(transfer: Transfer): boolean {
    return this.#transfers.get(keyOf(transfer.client)) === transfer;
  }

  /** A transfer's own (RFC 1350 §4: a transfer identifier). */
  #newPort(): number {
    const port = this.#nextPort;
    this.#nextPort = FIRST_PORT + (port + 1 - FIRST_PORT) % PORTS;
    return port;
  }
}

/** The last is shorter than the others, if only by being empty. */
function lastBlock({ file, options }: Transfer): number {
  return Math.floor((file?.bytes ?? 0) / options.blockBytes) + 1;
}

/** Texts that each end with a zero; `undefined` where the last doesn't, or there is more than letters in one. */
function wordsOf(bytes: Uint8Array): string[] | undefined {
  if (bytes.at(-1) !== 0) return undefined;
  const words = new TextDecoder().decode(bytes.subarray(0, -1)).split('\0');
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return words.some((word) => /[\u0000-\u001f\u007f\ufffd]/.test(word)) ? undefined : words;
}

/** Those that are understood; others, and such with a value that they can't have, are passed over in silence (RFC 2347). */
function readOptions(words: readonly string[], blockMaximumBytes: number): ReadOptions {
  let blockBytes = BLOCK_DEFAULT_BYTES;
  let window = 1;
  let timeoutSeconds = 1;
  const acknowledged = new Map<string, string | undefined>();
  for (let index = 0; index + 1 < words.length; index += 2) {
    const name = words[index]!.toLowerCase();
    const value = /^\d{1,10}$/.test(words[index + 1]!) ? Number(words[index + 1]) : -1;
    if (acknowledged.has(name)) continue;
    if (name === 'blksize' && value >= BLOCK_MINIMUM_BYTES && value <= BLOCK_MAXIMUM_BYTES) {
      blockBytes = Math.min(value, blockMaximumBytes);
      acknowledged.set(name, String(blockBytes));
    } else if (name === 'windowsize' && value >= 1 && value <= 0xffff) {
      window = Math.min(value, WINDOW_MAXIMUM);
      acknowledged.set(name, String(window));
    } else if (name === 'timeout' && value >= 1 && value <= TIMEOUT_SECONDS_MAXIMUM) {
      timeoutSeconds = value;
      acknowledged.set(name, String(value));
    } else if (name === 'tsize' && value >= 0) {
      acknowledged.set(name, undefined);
    }
  }
  return { blockBytes, window, timeoutSeconds, acknowledged: [...acknowledged] };
}

function optionMessage(options: readonly (readonly [string, string])[]): Uint8Array {
  return Uint8Array.of(0, OPCODE.optionAcknowledge, ...ascii(options.map(([name, value]) => `${name}\0${value}\0`).join('')));
}

function errorMessage(code: number, text: string): Uint8Array {
  return Uint8Array.of(0, OPCODE.error, 0, code, ...ascii(text), 0);
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 0x7f);
}

function keyOf({ address, port }: Endpoint): string {
  return `${port}|${address}`;
}
