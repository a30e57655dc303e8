/** The control thread's end of one network adapter: its cable, and the network behind it. */
import type { NetworkAdapterStart, NetworkFigures, NetworkSettings } from '../../shared/vm-protocol.ts';
import { NETWORK_RING_BYTES, NETWORK_RINGS } from '../cpu/memory-layout.ts';
import type { MemorySegment } from '../interfaces/guest-memory.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import { FrameLink } from '../network/frame-link.ts';
import type { Connection } from '../network/connection-list.ts';
import type { CapableLink } from '../network/guest-wire.ts';
import { ImpairedLink } from '../network/impaired-link.ts';
import { forwardKey, NatNetwork, type BootOffer, type PortForward } from '../network/nat-network.ts';
import type { Lease, SharedLeases } from '../network/services/dhcp-server.ts';
import { ShapedLink } from '../network/shaped-link.ts';
import { SwitchPort, type Member } from '../network/switch-port.ts';
import { TappedLink } from '../network/tapped-link.ts';
import { BootFolder } from './boot-folder.ts';
import { CaptureFile } from './capture-file.ts';
import { HostClock } from './host-clock.ts';
import { NodeNetwork } from './node-network.ts';
import { StartError } from './start-error.ts';
import { SwitchMembers } from './switch-members.ts';

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
  readonly #adapter: number;
  readonly #link: FrameLink;
  readonly #shaped: ShapedLink;
  readonly #tapped: TappedLink;
  readonly #impaired: ImpairedLink;
  readonly #clock = new HostClock();
  readonly #log: DeviceLog;
  /** Absent where machines have a switch and nothing else. */
  readonly #network: NatNetwork | undefined;
  readonly #switch: SharedSwitch | undefined;
  readonly #ready: Promise<void>;
  #capture: CaptureFile | undefined;
  #settings: NetworkSettings;
  #waiting: WaitingPorts;

  /** `ring` makes the machine thread call `rung` of its end. */
  constructor(shared: ArrayBufferLike, adapter: number, start: NetworkAdapterStart, ring: () => void, log: DeviceLog) {
    this.#adapter = adapter;
    this.#log = log;
    const { sent, received } = ringsOf(adapter);
    // From the guest on: what it may send, what passes, what happens on the way, and who else is there.
    this.#link = new FrameLink(shared, received, sent, ring);
    this.#shaped = new ShapedLink(this.#link, this.#clock);
    this.#tapped = new TappedLink(this.#shaped);
    const host = new NodeNetwork();
    this.#impaired = new ImpairedLink(this.#tapped, this.#clock, () => host.random32() / 2 ** 32);
    this.#shape(start);
    this.#settings = start;
    this.#waiting = new WaitingPorts(start.forwards);
    const { sharedSwitch } = start;
    this.#switch = sharedSwitch === undefined ? undefined : new SharedSwitch(this.#impaired, sharedSwitch, (task) => { host.later(task); });
    this.#network = sharedSwitch?.hasGateway === false ? undefined : new NatNetwork({
      link: this.#switch?.port ?? this.#impaired, host, log,
      clock: this.#clock,
      reach: start.reach,
      allow: start.allow,
      forwards: start.forwards,
      boot: bootOffer(start),
      leases: this.#switch,
      routesIpv6: () => host.routesIpv6(),
      forwardSettled: (forward, problem) => { this.#waiting.settle(forward, problem); },
    });
    this.#ready = Promise.all([this.#waiting.settled, this.#switch?.join()]).then(() => {});
    // Whoever waits for it hears of it.
    this.#ready.catch(() => {});
    if (start.capturePath !== undefined) this.#startCapture(start.capturePath);
  }

  /** Settles when all forwarded ports listen and the shared switch has been joined. Errors: StartError `network.port-unusable`, `network.switch-unusable`. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** Error: StartError `network.port-unusable`, and then all is as it was. */
  async change(settings: NetworkSettings): Promise<void> {
    const before = this.#settings;
    const known = new Set(before.forwards.map(forwardKey));
    if (this.#network !== undefined) {
      this.#waiting = new WaitingPorts(settings.forwards.filter((forward) => !known.has(forwardKey(forward))));
      this.#network.changeForwards(settings.forwards);
      try {
        await this.#waiting.settled;
      } catch (error) {
        this.#waiting = new WaitingPorts([]);
        this.#network.changeForwards(before.forwards);
        throw error;
      }
    }
    if (settings.bootFolder !== before.bootFolder || settings.bootFile !== before.bootFile) this.#network?.changeBoot(bootOffer(settings));
    this.#settings = settings;
    this.#network?.changeReach(settings.reach, settings.allow);
    this.#shape(settings);
  }

  /** Writes all frames from now on to a pcapng file, in place of another, or to none. Error: StartError `network.capture-unusable`. */
  async captureTo(path: string | undefined): Promise<void> {
    const before = this.#capture;
    this.#capture = undefined;
    this.#tapped.capture = undefined;
    await before?.close();
    if (path === undefined) return;
    const capture = this.#startCapture(path);
    try {
      await capture.opened;
    } catch (error) {
      this.#capture = undefined;
      this.#tapped.capture = undefined;
      throw new StartError('network.capture-unusable', `the network capture ${path} can't be written (${error instanceof Error ? error.message : String(error)})`, 'name another file');
    }
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
    this.#network?.guestReset();
  }

  /** Leases: the rest is the guest's to begin anew. */
  save(): unknown {
    return this.#network?.save() ?? [];
  }

  restore(saved: unknown): void {
    this.#network?.restore(saved);
  }

  figures(): NetworkFigures {
    const nat = this.#network?.figures();
    return {
      ...this.#tapped.counters,
      dropped: (nat?.dropped ?? 0) + (this.#switch?.port.dropped ?? 0),
      lost: this.#impaired.lost,
      machines: this.#switch?.machines ?? 0,
      tcpConnections: nat?.tcpConnections ?? 0,
      tcpOpened: nat?.tcpOpened ?? 0,
      tcpHeldBytes: nat?.tcpHeldBytes ?? 0,
      udpFlows: nat?.udpFlows ?? 0,
      captureMissed: this.#capture?.missed ?? 0,
      ...(this.#capture === undefined ? {} : { capturePath: this.#capture.path }),
    };
  }

  connections(maximum: number): Connection[] {
    return this.#network?.connections(maximum) ?? [];
  }

  async close(): Promise<void> {
    this.#network?.close();
    this.#switch?.close();
    this.#impaired.close();
    this.#shaped.close();
    this.#clock.pause();
    await this.#capture?.close();
  }

  #shape({ connected = true, bytesPerSecondMaximum, delayMillis = 0, jitterMillis = 0, lossPercent = 0 }: NetworkSettings): void {
    this.#shaped.limit(bytesPerSecondMaximum);
    this.#shaped.connect(connected);
    this.#impaired.impair({ delayMillis, jitterMillis, lossPercent });
  }

  #startCapture(path: string): CaptureFile {
    const capture = new CaptureFile(path, `adapter ${this.#adapter}`, (why) => { this.#log.log('warning', 'network-capture', `the network capture can't be written: ${why}`); });
    this.#capture = capture;
    this.#tapped.capture = (frame, offload, direction) => { capture.frame(frame, offload, direction); };
    return capture;
  }
}

function bootOffer({ bootFolder, bootFile }: NetworkSettings): BootOffer | undefined {
  return bootFolder === undefined ? undefined : { files: new BootFolder(bootFolder), file: bootFile };
}

/** The switch that the adapter shares with those of other machines, and what their gateways have told. */
class SharedSwitch implements SharedLeases {
  readonly port: SwitchPort;
  readonly #members: SwitchMembers;
  readonly #leases = new Map<Member, readonly Lease[]>();

  constructor(cable: CapableLink, { place, hasGateway }: NonNullable<NetworkAdapterStart['sharedSwitch']>, later: (task: () => void) => void) {
    this.#members = new SwitchMembers(place, {
      frame: (from, frame, offload) => { this.port.receive(from, frame, offload); },
      leases: (of, leases) => { this.#leases.set(of, leases); },
      left: (member) => {
        this.#leases.delete(member);
        this.port.forget(member);
      },
    });
    this.port = new SwitchPort({ cable, trunk: this.#members, hasGateway, later });
  }

  /** Others that are there. */
  get machines(): number {
    return this.#members.size;
  }

  join(): Promise<void> {
    return this.#members.join();
  }

  others(): readonly Lease[] {
    return [...this.#leases.values()].flat();
  }

  tell(leases: readonly Lease[]): void {
    this.#members.tellLeases(leases);
  }

  close(): void {
    this.#members.close();
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
