/** The control thread's end of one network adapter: its cable, and the network behind it. */
import type { NetworkAdapterStart } from '../../shared/vm-protocol.ts';
import { NETWORK_RING_BYTES, NETWORK_RINGS } from '../cpu/memory-layout.ts';
import type { MemorySegment } from '../interfaces/guest-memory.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import { FrameLink } from '../network/frame-link.ts';
import { NatNetwork, type NetworkFigures, type PortForward } from '../network/nat-network.ts';
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
  readonly #clock = new HostClock();
  readonly #network: NatNetwork;
  readonly #capture: CaptureFile | undefined;
  readonly #ports: Promise<void>;

  /** `ring` makes the machine thread call `rung` of its end. */
  constructor(shared: ArrayBufferLike, adapter: number, start: NetworkAdapterStart, ring: () => void, log: DeviceLog) {
    const { sent, received } = ringsOf(adapter);
    this.#link = new FrameLink(shared, received, sent, ring);
    const host = new NodeNetwork();
    const unsettled = new Set<PortForward>(start.forwards);
    let portsOpen!: () => void;
    let portMissing!: (error: StartError) => void;
    this.#ports = new Promise((resolve, reject) => {
      portsOpen = resolve;
      portMissing = reject;
    });
    // Whoever waits for them hears of it.
    this.#ports.catch(() => {});
    if (unsettled.size === 0) portsOpen();
    this.#network = new NatNetwork({
      link: this.#link, host, log,
      clock: this.#clock,
      reach: start.reach,
      allow: start.allow,
      forwards: start.forwards,
      routesIpv6: () => host.routesIpv6(),
      forwardSettled: (forward, problem) => {
        unsettled.delete(forward);
        const { protocol, host: at } = forward;
        if (problem !== undefined) portMissing(new StartError('network.port-unusable', `the host's ${protocol} port ${at.address}:${at.port} ${problem}`, 'forward another port, or end what uses this one'));
        else if (unsettled.size === 0) portsOpen();
      },
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

  rung(): void {
    this.#link.rung();
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
    this.#clock.pause();
    await this.#capture?.close();
  }
}
