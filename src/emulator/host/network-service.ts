/** The control thread's end of one network adapter: its cable, and the network behind it. */
import type { NetworkAdapterStart, NetworkSettings } from '../../shared/vm-protocol.ts';
import { NETWORK_RING_BYTES, NETWORK_RINGS } from '../cpu/memory-layout.ts';
import type { MemorySegment } from '../interfaces/guest-memory.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import { FrameLink } from '../network/frame-link.ts';
import { forwardKey, NatNetwork, type NetworkFigures, type PortForward } from '../network/nat-network.ts';
import { ShapedLink } from '../network/shaped-link.ts';
import { CaptureFile } from './capture-file.ts';
import { HostClock } from './host-clock.ts';
import { NodeNetwork } from './node-network.ts';
import { StartError } from './start-error.ts';

/** An adapter's two rings: of what it sends, and of what it receives. */
function ringsOf(adapter: number): { readonly sent: MemorySegment; readonly received: MemorySegment } {
  const offset = NETWORK_RINGS + 2 * adapter * NETWORK_RING_BYTES;
  return { sent: { offset, length: NETWORK_RING_BYTES }, received: { offset: offset + NETWORK_RING_BYTES, length: NETWORK_RING_BYTES } };
}

/** The machine thread's end of an adapter's cable. `ring` makes the control thread call `NetworkService.rung`. */
export function adapterLink(shared: ArrayBufferLike, adapter: number, ring: () => void): FrameLink {
  const { sent, received } = ringsOf(adapter);
  return new FrameLink(shared, sent, received, ring);
}

export class NetworkService {
  readonly #link: FrameLink;
  readonly #shaped: ShapedLink;
  readonly #clock = new HostClock();
  readonly #network: NatNetwork;
  readonly #capture: CaptureFile | undefined;
  readonly #ports: Promise<void>;
  #settings: NetworkSettings;
  #waiting: WaitingPorts;

  /** `ring` makes the machine thread call `rung` of its end. */
  constructor(shared: ArrayBufferLike, adapter: number, start: NetworkAdapterStart, ring: () => void, log: DeviceLog) {
    const { sent, received } = ringsOf(adapter);
    this.#link = new FrameLink(shared, received, sent, ring);
    this.#shaped = new ShapedLink(this.#link, this.#clock);
    this.#shape(start);
    this.#settings = start;
    this.#waiting = new WaitingPorts(start.forwards);
    this.#ports = this.#waiting.settled;
    const host = new NodeNetwork();
    this.#network = new NatNetwork({
      link: this.#shaped, host, log,
      clock: this.#clock,
      reach: start.reach,
      allow: start.allow,
      forwards: start.forwards,
      routesIpv6: () => host.routesIpv6(),
      forwardSettled: (forward, problem) => { this.#waiting.settle(forward, problem); },
    });
    if (start.capturePath === undefined) return;
    const capture = new CaptureFile(start.capturePath, `adapter ${adapter}`, (why) => { log.log('warning', 'network-capture', `the network capture can't be written: ${why}`); });
    this.#capture = capture;
    this.#network.capture = (frame, offload, direction) => { capture.frame(frame, offload, direction); };
  }

  /** Settles when all forwarded ports listen. Error: StartError `network.port-unusable`. */
  get ports(): Promise<void> {
    return this.#ports;
  }

  /** Error: StartError `network.port-unusable`, and then all is as it was. */
  async change(settings: NetworkSettings): Promise<void> {
    const before = this.#settings;
    const known = new Set(before.forwards.map(forwardKey));
    this.#waiting = new WaitingPorts(settings.forwards.filter((forward) => !known.has(forwardKey(forward))));
    this.#network.changeForwards(settings.forwards);
    try {
      await this.#waiting.settled;
    } catch (error) {
      this.#waiting = new WaitingPorts([]);
      this.#network.changeForwards(before.forwards);
      throw error;
    }
    this.#settings = settings;
    this.#network.changeReach(settings.reach, settings.allow);
    this.#shape(settings);
  }

  rung(): void {
    this.#link.rung();
  }

  #shape({ connected = true, bytesPerSecondMaximum }: NetworkSettings): void {
    this.#shaped.limit(bytesPerSecondMaximum);
    this.#shaped.connect(connected);
  }

  pause(): void {
    this.#clock.pause();
  }

  resume(): void {
    this.#clock.resume();
  }

  guestReset(): void {
    this.#network.guestReset();
  }

  /** Leases: the rest is the guest's to begin anew. */
  save(): unknown {
    return this.#network.save();
  }

  restore(saved: unknown): void {
    this.#network.restore(saved);
  }

  figures(): NetworkFigures {
    return this.#network.figures();
  }

  async close(): Promise<void> {
    this.#network.close();
    this.#shaped.close();
    this.#clock.pause();
    await this.#capture?.close();
  }
}

/** Ports of the host that were asked for, until all of them listen or one can't be had. */
class WaitingPorts {
  readonly settled: Promise<void>;
  readonly #unsettled: Set<string>;
  #open!: () => void;
  #missing!: (error: StartError) => void;

  constructor(forwards: readonly PortForward[]) {
    this.#unsettled = new Set(forwards.map(forwardKey));
    this.settled = new Promise((resolve, reject) => {
      this.#open = resolve;
      this.#missing = reject;
    });
    // Whoever waits for them hears of it.
    this.settled.catch(() => {});
    if (this.#unsettled.size === 0) this.#open();
  }

  settle(forward: PortForward, problem: string | undefined): void {
    this.#unsettled.delete(forwardKey(forward));
    const { protocol, host } = forward;
    if (problem !== undefined) this.#missing(new StartError('network.port-unusable', `the host's ${protocol} port ${host.address}:${host.port} ${problem}`, 'forward another port, or end what uses this one'));
    else if (this.#unsettled.size === 0) this.#open();
  }
}
