/**
 * A machine's links to the others on a switch: a socket between each two of their processes, so that frames take one hop
 * and pass no other process. All of them listen in one folder that is its user's alone; who joins connects to those that
 * are there. On Windows, pipes whose names begin alike stand for the folder.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { FrameOffload } from '../interfaces/network.ts';
import { encodeGreeting, encodeLeases, frameRecordBytes, MemberReader, writeFrame } from '../network/member-messages.ts';
import type { Lease } from '../network/services/dhcp-server.ts';
import type { Member, SwitchTrunk } from '../network/switch-port.ts';
import { StartError } from './start-error.ts';

const MEMBERS_MAXIMUM = 64;
/** Frames that wait for another process to read them. */
const UNSENT_MAXIMUM_BYTES = 8 << 20;
const BATCH_BYTES = 256 * 1024;
/** A process that is there but says nothing isn't waited for longer. */
const GREETING_MILLIS = 5_000;
const ENDING = '.sock';
const PIPES = '\\\\.\\pipe\\';

export interface SwitchListener {
  frame(from: Member, frame: Uint8Array, offload: FrameOffload): void;
  leases(of: Member, leases: readonly Lease[]): void;
  left(member: Member): void;
}

/** One other machine's process. */
class MemberLink {
  readonly socket: Socket;
  readonly isOurs: boolean;
  id: Member | undefined;
  #batch: Uint8Array | undefined;
  #batchLength = 0;

  /** `isOurs`: this side has connected. */
  constructor(socket: Socket, isOurs: boolean) {
    this.socket = socket;
    this.isOurs = isOurs;
  }

  /** Frames of one turn are written at once. */
  send(frame: Uint8Array, offload: FrameOffload): void {
    if (this.socket.writableLength > UNSENT_MAXIMUM_BYTES) return;
    const needed = frameRecordBytes(frame.length);
    if (this.#batch !== undefined && this.#batchLength + needed > this.#batch.length) this.#write();
    this.#batch ??= Buffer.allocUnsafeSlow(BATCH_BYTES);
    if (this.#batchLength === 0) process.nextTick(() => { this.#write(); });
    writeFrame(this.#batch.subarray(this.#batchLength, this.#batchLength + needed), frame, offload);
    this.#batchLength += needed;
  }

  /** The socket holds what it can't write yet: a few bytes must not keep a whole batch's memory, which the next ones use. */
  #write(): void {
    if (this.#batch === undefined || this.#batchLength === 0) return;
    const written = this.#batch.subarray(0, this.#batchLength);
    this.#batchLength = 0;
    if (written.length <= BATCH_BYTES / 2) {
      this.socket.write(Buffer.from(written));
      return;
    }
    this.#batch = undefined;
    this.socket.write(written);
  }
}

export class SwitchMembers implements SwitchTrunk {
  readonly #place: string;
  readonly #listener: SwitchListener;
  readonly #id = randomBytes(4).toString('hex');
  readonly #server: Server;
  readonly #links = new Set<MemberLink>();
  readonly #members = new Map<Member, MemberLink>();
  #leases: readonly Lease[] = [];
  /** There is a socket's file to be removed. */
  #isNamed = false;
  #isClosed = false;

  /** `place` is a folder, which is made where it isn't there, or on Windows how the pipes' names begin. */
  constructor(place: string, listener: SwitchListener) {
    this.#place = place;
    this.#listener = listener;
    this.#server = createServer((socket) => { this.#take(socket, false); });
  }

  get size(): number {
    return this.#members.size;
  }

  /** Resolves when everybody who was there has been greeted. Error: StartError `network.switch-unusable`. */
  async join(): Promise<void> {
    try {
      if (!isPipe(this.#place)) makePrivateFolder(this.#place);
      await this.#listen();
      const others = this.#listed().filter((id) => id !== this.#id).slice(0, MEMBERS_MAXIMUM);
      await Promise.all(others.map((id) => this.#greet(id)));
    } catch (error) {
      if (error instanceof StartError) throw error;
      throw new StartError('network.switch-unusable', `the network that machines share can't be joined (${error instanceof Error ? error.message : String(error)})`, `see what is wrong with ${this.#place}`);
    }
  }

  send(to: Member | undefined, frame: Uint8Array, offload: FrameOffload): void {
    if (to === undefined) for (const link of this.#members.values()) link.send(frame, offload);
    else this.#members.get(to)?.send(frame, offload);
  }

  /** Tells the others which addresses this machine has, those who come later too. */
  tellLeases(leases: readonly Lease[]): void {
    this.#leases = leases;
    for (const { socket } of this.#links) socket.write(encodeLeases(leases));
  }

  close(): void {
    this.#isClosed = true;
    this.#server.close();
    for (const { socket } of this.#links) socket.destroy();
    if (this.#isNamed) rmSync(this.#socketOf(this.#id), { force: true });
  }

  /** A socket gets its name only when it listens: who finds a name that doesn't answer knows that its process is dead. */
  #listen(): Promise<void> {
    const final = this.#socketOf(this.#id);
    const first = isPipe(this.#place) ? final : join(this.#place, `.${this.#id}`);
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(first, () => {
        try {
          if (first !== final) {
            renameSync(first, final);
            this.#isNamed = true;
          }
          resolve();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  #listed(): Member[] {
    const names = isPipe(this.#place)
      ? readdirSync(PIPES).flatMap((name) => { const whole = PIPES + name; return whole.startsWith(`${this.#place}-`) ? [whole.slice(this.#place.length + 1)] : []; })
      : readdirSync(this.#place).filter((name) => name.endsWith(ENDING)).map((name) => name.slice(0, -ENDING.length));
    return names.filter((name) => /^[0-9a-f]{8}$/.test(name));
  }

  #socketOf(id: Member): string {
    return isPipe(this.#place) ? `${this.#place}-${id}` : join(this.#place, `${id}${ENDING}`);
  }

  #greet(id: Member): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(this.#socketOf(id));
      const timer = setTimeout(resolve, GREETING_MILLIS);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      socket.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED' && !isPipe(this.#place)) rmSync(this.#socketOf(id), { force: true });
        done();
      });
      socket.once('close', done);
      socket.once('connect', () => { this.#take(socket, true, done); });
    });
  }

  #take(socket: Socket, isOurs: boolean, greeted?: () => void): void {
    if (this.#isClosed || this.#links.size >= MEMBERS_MAXIMUM) {
      socket.destroy();
      return;
    }
    const link = new MemberLink(socket, isOurs);
    this.#links.add(link);
    const reader = new MemberReader((message) => {
      if (message.kind === 'greeting') {
        if (link.id === undefined) this.#greeted(link, message.id);
        greeted?.();
      } else if (link.id !== undefined) {
        if (message.kind === 'frame') this.#listener.frame(link.id, message.frame, message.offload);
        else this.#listener.leases(link.id, message.leases);
      }
    });
    socket.on('data', (bytes: Buffer) => { if (!reader.take(bytes)) socket.destroy(); });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#links.delete(link);
      if (link.id === undefined || this.#members.get(link.id) !== link) return;
      this.#members.delete(link.id);
      this.#listener.left(link.id);
    });
    // Leases first: who has been greeted knows them.
    socket.write(Buffer.concat([encodeGreeting(this.#id), encodeLeases(this.#leases)]));
  }

  /**
   * Two that join at once may connect to each other: both keep the link of the one whose name is smaller. What is under
   * way on the other still arrives.
   */
  #greeted(link: MemberLink, id: Member): void {
    const known = this.#members.get(id);
    link.id = id;
    if (id === this.#id || (known !== undefined && link.isOurs !== this.#id < id)) {
      link.socket.end();
      return;
    }
    this.#members.set(id, link);
    known?.socket.end();
  }
}

function isPipe(place: string): boolean {
  return place.startsWith(PIPES);
}

/** Whoever can reach the sockets is on the network. */
function makePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== process.getuid()) || (process.platform !== 'win32' && (found.mode & 0o077) !== 0)) {
    throw new StartError('network.switch-unusable', `others can use ${folder}, in which machines on one network find each other`, 'remove it, or make it yours alone');
  }
}
