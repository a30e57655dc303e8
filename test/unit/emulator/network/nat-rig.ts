import type { AcceptedOffloads, FrameOffload } from '../../../../src/emulator/interfaces/network.ts';
import { NO_OFFLOAD } from '../../../../src/emulator/interfaces/network.ts';
import type { FrameLink } from '../../../../src/emulator/network/frame-link.ts';
import { NatNetwork, type NatOptions } from '../../../../src/emulator/network/nat-network.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeHostNetwork } from '../../../support/fake-host-network.ts';
import { FakeLog } from '../../../support/fake-log.ts';
import { testCable } from '../../../support/test-cable.ts';
import { ACK, ethernet, ip, readIp, readTcp, readUdp, RST, SYN, tcp, udp, type SeenPacket, type SeenSegment, type TcpFields } from './frames-by-hand.ts';

export const SECOND = 1_000_000_000;

export interface SeenFrame { bytes: Uint8Array; offload: FrameOffload }

/** A guest of hand-made frames at a network. */
export class NatRig {
  readonly clock = new FakeClock();
  readonly host = new FakeHostNetwork();
  readonly log = new FakeLog();
  readonly network: NatNetwork;
  readonly #adapter: FrameLink;

  constructor(options: Partial<Pick<NatOptions, 'reach' | 'allow' | 'forwards' | 'leases' | 'routesIpv6' | 'boot'>> = {}) {
    const { adapter, network } = testCable();
    this.#adapter = adapter;
    this.network = new NatNetwork({
      link: network, host: this.host, clock: this.clock, log: this.log, reach: 'internet', allow: [], forwards: [], routesIpv6: () => true, forwardSettled: () => {}, ...options,
    });
  }

  accept(offloads: AcceptedOffloads): void {
    this.#adapter.accept(offloads);
  }

  send(frame: readonly number[] | Uint8Array, offload: FrameOffload = NO_OFFLOAD): void {
    const room = this.#adapter.reserve(frame.length);
    if (room === undefined) throw new Error('the ring is full');
    room.set(frame);
    this.#adapter.commit(offload);
    this.host.settle();
  }

  sendIp(fields: Parameters<typeof ip>[0], payload: readonly number[]): void {
    this.send(ethernet(fields.from?.includes(':') === true ? 0x86dd : 0x0800, ip(fields, payload)));
  }

  sendUdp(to: string, fromPort: number, toPort: number, payload: readonly number[], from = '10.0.2.15'): void {
    this.sendIp({ from, to, protocol: 17 }, udp({ from, to, fromPort, toPort }, payload));
  }

  sendTcp(fields: TcpFields, payload: readonly number[] = []): void {
    this.sendIp({ from: fields.from ?? '10.0.2.15', to: fields.to, protocol: 6 }, tcp(fields, payload));
  }

  /** Frames that came for the guest, at most `limit`. */
  frames(limit = Infinity): SeenFrame[] {
    const seen: SeenFrame[] = [];
    while (seen.length < limit) {
      const frame = this.#adapter.peek();
      if (frame === undefined) break;
      seen.push({ bytes: frame.bytes.slice(), offload: frame.offload });
      this.#adapter.consume();
    }
    return seen;
  }

  packets(): SeenPacket[] {
    return this.frames().map(({ bytes }) => readIp(bytes));
  }

  segments(): SeenSegment[] {
    return this.frames().flatMap(({ bytes, offload }) => {
      const packet = readIp(bytes);
      return packet.protocol === 6 ? [readTcp(packet, offload.checksumStart > 0)] : [];
    });
  }

  datagrams(): (ReturnType<typeof readUdp> & { from: string; to: string })[] {
    return this.packets().flatMap((packet) => (packet.protocol === 17 ? [{ ...readUdp(packet), from: packet.from, to: packet.to }] : []));
  }
}

/** The guest's end of one connection that it opened. */
export class GuestConnection {
  readonly rig: NatRig;
  readonly to: string;
  readonly toPort: number;
  readonly fromPort: number;
  /** What the guest sends next, and what it expects next. */
  next = 5001;
  expected = 0;
  window = 0xffff;
  isReset = false;

  constructor(rig: NatRig, { to = '93.184.216.34', toPort = 80, fromPort = 40_000 } = {}) {
    this.rig = rig;
    this.to = to;
    this.toPort = toPort;
    this.fromPort = fromPort;
  }

  get host() {
    return this.rig.host.streams.at(-1)!;
  }

  send(flags: number, payload: readonly number[] = [], changes: Partial<TcpFields> = {}): void {
    this.rig.sendTcp({
      to: this.to, fromPort: this.fromPort, toPort: this.toPort, sequence: this.next, acknowledgment: (flags & ACK) === 0 ? 0 : this.expected, flags, window: this.window, ...changes,
    }, payload);
  }

  syn(options: readonly number[] = [2, 4, 5, 0xb4]): void {
    this.send(SYN, [], { sequence: 5000, options });
  }

  /** Opens it, up to the guest's acknowledgment. */
  open(options?: readonly number[]): this {
    this.syn(options);
    this.host.events.connected();
    const [answer] = this.rig.segments();
    if (answer === undefined || (answer.flags & RST) !== 0) throw new Error('the connection was not answered');
    this.expected = (answer.sequence + 1) >>> 0;
    this.send(ACK);
    return this;
  }

  data(payload: readonly number[], changes: Partial<TcpFields> = {}): void {
    this.send(ACK, payload, changes);
    this.next = (this.next + payload.length) >>> 0;
  }

  /** Takes what came and acknowledges it, as long as something comes but a reset; returns all payload in order. */
  receiveAll(): number[] {
    const received: number[] = [];
    for (let segments = this.rig.segments(); segments.length > 0; segments = this.rig.segments()) {
      for (const { sequence, payload, flags } of segments) {
        this.isReset ||= (flags & RST) !== 0;
        if (sequence !== this.expected) continue;
        for (const byte of payload) received.push(byte);
        this.expected = (this.expected + payload.length + (flags & 1)) >>> 0;
      }
      if (this.isReset) break;
      this.send(ACK);
    }
    return received;
  }
}
