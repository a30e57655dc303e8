/** The 65,536 I/O ports. Unclaimed ports read all ones and take writes without effect, as an ISA bus does. */
import type { AccessWidth, Bus, IoHandler, Registration } from '../interfaces/bus.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import { invariant } from './invariant.ts';

const PORT_COUNT = 0x10000;
/** Unclaimed ports named in the log, each once: a guest that probes everything doesn't fill it. */
const MAX_LOGGED_PORTS = 64;

interface Claim {
  readonly owner: string;
  readonly base: number;
  readonly end: number;
  readonly handler: IoHandler;
}

export class IoPortBus implements Bus {
  readonly #log: DeviceLog;
  /** Per port the number of its claim; 0 is unclaimed. */
  readonly #claimOfPort = new Uint16Array(PORT_COUNT);
  readonly #claims: (Claim | undefined)[] = [undefined];
  readonly #freeNumbers: number[] = [];
  readonly #logged = new Set<number>();

  constructor(log: DeviceLog) {
    this.#log = log;
  }

  claim(owner: string, base: number, length: number, handler: IoHandler): Registration {
    invariant(Number.isInteger(base) && base >= 0 && length > 0 && base + length <= PORT_COUNT, `${owner} claims ports that exist`);
    for (let port = base; port < base + length; port++) {
      const other = this.#claims[this.#claimOfPort[port]!];
      if (other !== undefined) throw new Error(`${owner} and ${other.owner} both claim port 0x${port.toString(16)}`);
    }
    const number = this.#freeNumbers.pop() ?? this.#claims.length;
    const claim: Claim = { owner, base, end: base + length, handler };
    this.#claims[number] = claim;
    this.#claimOfPort.fill(number, base, base + length);
    return {
      dispose: () => {
        if (this.#claims[number] !== claim) return;
        this.#claims[number] = undefined;
        this.#claimOfPort.fill(0, base, base + length);
        this.#freeNumbers.push(number);
      },
    };
  }

  /** Who answers at `port`, for debuggers and error messages. */
  ownerOf(port: number): string | undefined {
    return this.#claims[this.#claimOfPort[port & 0xffff]!]?.owner;
  }

  read(port: number, width: AccessWidth): number {
    const claim = this.#claims[this.#claimOfPort[port & 0xffff]!];
    if (claim === undefined) {
      if (width === 1) return this.#unclaimed(port, 0xff);
    } else if (port + width <= claim.end) {
      return claim.handler.read(port - claim.base, width);
    }
    const half = (width >> 1) as AccessWidth;
    const shift = half * 8;
    const low = this.read(port, half);
    return (low | (this.read((port + half) & 0xffff, half) << shift)) >>> 0;
  }

  write(port: number, width: AccessWidth, value: number): void {
    const claim = this.#claims[this.#claimOfPort[port & 0xffff]!];
    if (claim === undefined) {
      if (width === 1) {
        this.#unclaimed(port, 0);
        return;
      }
    } else if (port + width <= claim.end) {
      claim.handler.write(port - claim.base, width, value);
      return;
    }
    const half = (width >> 1) as AccessWidth;
    const shift = half * 8;
    this.write(port, half, half === 1 ? value & 0xff : value & 0xffff);
    this.write((port + half) & 0xffff, half, value >>> shift);
  }

  /** REP INS into `target`: returns the bytes filled, a whole number of `width`s (all of them unless the device stops early). */
  readBlock(port: number, width: AccessWidth, target: Uint8Array): number {
    const claim = this.#claims[this.#claimOfPort[port & 0xffff]!];
    if (claim?.handler.readBlock !== undefined && port + width <= claim.end) {
      const filled = claim.handler.readBlock(port - claim.base, width, target);
      if (filled > 0) return filled;
    }
    const end = target.length - (target.length % width);
    for (let at = 0; at < end; at += width) {
      const value = this.read(port, width);
      for (let byte = 0; byte < width; byte++) target[at + byte] = value >>> (8 * byte);
    }
    return end;
  }

  /** REP OUTS from `source`: returns the bytes taken. */
  writeBlock(port: number, width: AccessWidth, source: Uint8Array): number {
    const claim = this.#claims[this.#claimOfPort[port & 0xffff]!];
    if (claim?.handler.writeBlock !== undefined && port + width <= claim.end) {
      const taken = claim.handler.writeBlock(port - claim.base, width, source);
      if (taken > 0) return taken;
    }
    const end = source.length - (source.length % width);
    for (let at = 0; at < end; at += width) {
      let value = 0;
      for (let byte = width - 1; byte >= 0; byte--) value = (value << 8) | source[at + byte]!;
      this.write(port, width, value >>> 0);
    }
    return end;
  }

  peek(port: number, width: AccessWidth): number | undefined {
    const claim = this.#claims[this.#claimOfPort[port & 0xffff]!];
    if (claim === undefined || port + width > claim.end) return undefined;
    return claim.handler.peek?.(port - claim.base, width);
  }

  #unclaimed(port: number, result: number): number {
    if (this.#logged.size < MAX_LOGGED_PORTS && !this.#logged.has(port)) {
      this.#logged.add(port);
      this.#log.log('debug', 'unclaimed-port', `nothing answers at port 0x${port.toString(16)}`);
    }
    return result;
  }
}
