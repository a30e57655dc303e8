/** DHCPv4 server (RFC 2131, options of RFC 2132) with a lease for every client, by its MAC address. */
import type { Clock } from '../../interfaces/clock.ts';
import { ANY_IPV4, BROADCAST_MAC, parseMac, readIpv4, readMac, writeIp, type IpAddress, type MacAddress } from '../frames/addresses.ts';
import { DNS_IPV4, DOMAIN, GATEWAY_IPV4, IPV4_BROADCAST, IPV4_MASK, LEASE_FIRST, LEASE_LAST, LEASE_PREFIX, MTU } from '../nat-addresses.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

const FIXED_BYTES = 236;
const COOKIE = 0x6382_5363;
const BOOT_REQUEST = 1;
const BOOT_REPLY = 2;
const FLAG_BROADCAST = 0x8000;
/** The smallest message that every client takes (RFC 2131 §2). */
const REPLY_BYTES = 300;

const TYPE = { discover: 1, offer: 2, request: 3, decline: 4, acknowledge: 5, refuse: 6, release: 7, inform: 8 } as const;
const OPTION = {
  pad: 0, mask: 1, router: 3, resolver: 6, hostName: 12, domain: 15, mtu: 26, broadcast: 28, requestedAddress: 50, leaseSeconds: 51, overload: 52, type: 53,
  server: 54, renewalSeconds: 58, rebindingSeconds: 59, bootServer: 66, bootFile: 67, ipxe: 175, end: 255,
} as const;

/** iPXE's own (its DHCP option 176 within 175): no other server will say what to boot, so that it needn't wait for one. */
const IPXE_NO_PROXY = 176;

const LEASES = LEASE_LAST - LEASE_FIRST + 1;
const LEASE_SECONDS = 86_400;
/** An offer is kept as long, and an address that somebody else uses isn't given. */
const OFFER_SECONDS = 60;
const DECLINED_SECONDS = 600;
const SECOND = 1_000_000_000;
const HOST_NAME_MAXIMUM = 63;

/** An address in use, with the name that its client gave itself. */
export interface Lease {
  readonly address: IpAddress;
  readonly mac: MacAddress;
  readonly hostName?: string | undefined;
}

interface HeldLease {
  readonly address: IpAddress;
  /** `undefined`: somebody answers at the address who has no lease. */
  readonly mac: MacAddress | undefined;
  until: number;
  hostName: string | undefined;
}

/** Other servers of the same network, each with clients of its own: no address may be given by two. */
export interface SharedLeases {
  /** What the others have given. */
  others(): readonly Lease[];
  /** Tells them what this one has. */
  tell(leases: readonly Lease[]): void;
}

/** A lease as it is saved. */
export interface SavedLease {
  readonly address: IpAddress;
  readonly mac: MacAddress | undefined;
  readonly leftNanos: number;
  readonly hostName: string | undefined;
}

export interface DhcpReply {
  readonly to: { readonly address: IpAddress; readonly mac: MacAddress };
  readonly message: Uint8Array;
}

export interface DhcpOptions {
  readonly clock: Clock;
  readonly shared?: SharedLeases | undefined;
}

export class DhcpServer {
  /** What PXE clients load from the gateway by TFTP. */
  bootFile: string | undefined;
  readonly #clock: Clock;
  readonly #shared: SharedLeases | undefined;
  readonly #leases = new Map<IpAddress, HeldLease>();

  constructor(options: DhcpOptions) {
    this.#shared = options.shared;
    this.#clock = options.clock;
  }

  /** This server's own. */
  leases(): Lease[] {
    const now = this.#clock.now();
    return [...this.#leases.values()].flatMap(({ address, mac, until, hostName }) => (mac === undefined || until < now ? [] : [{ address, mac, hostName }]));
  }

  save(): SavedLease[] {
    const now = this.#clock.now();
    return [...this.#leases.values()].map(({ address, mac, until, hostName }) => ({ address, mac, leftNanos: until - now, hostName }));
  }

  /** Throws for what no `save` returned. */
  restore(saved: unknown): void {
    if (!Array.isArray(saved) || saved.length > LEASE_LAST - LEASE_FIRST + 1) throw new Error('these are no leases');
    this.#leases.clear();
    for (const { address, mac, leftNanos, hostName } of saved as SavedLease[]) {
      const host = typeof address === 'string' && address.startsWith(LEASE_PREFIX) ? Number(address.slice(LEASE_PREFIX.length)) : Number.NaN;
      const isSound = host >= LEASE_FIRST && host <= LEASE_LAST && Number.isFinite(leftNanos)
        && (mac === undefined || /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) && (hostName === undefined || hostName === hostNameOf(ascii(hostName)));
      if (!isSound) throw new Error('these are no leases');
      this.#leases.set(address, { address, mac, until: this.#clock.now() + leftNanos, hostName });
    }
    this.#shared?.tell(this.leases());
  }

  /** The answer to a client's message, if it gets one. What is malformed gets none. */
  receive(message: Uint8Array): DhcpReply | undefined {
    const request = decodeRequest(message);
    if (request === undefined) return undefined;
    const { mac } = request;
    switch (request.type) {
      case TYPE.discover: {
        const lease = this.#leaseFor(request.mac, request.requestedAddress);
        if (lease === undefined) return undefined;
        lease.until = Math.max(lease.until, this.#clock.now() + OFFER_SECONDS * SECOND);
        this.#shared?.tell(this.leases());
        return this.#reply(request, TYPE.offer, lease.address);
      }
      case TYPE.request:
        return this.#request(request);
      case TYPE.decline: {
        const address = request.requestedAddress;
        const lease = address === undefined ? undefined : this.#leases.get(address);
        if (lease?.mac === mac) this.#leases.set(lease.address, { address: lease.address, mac: undefined, until: this.#clock.now() + DECLINED_SECONDS * SECOND, hostName: undefined });
        return undefined;
      }
      case TYPE.release: {
        const lease = this.#leases.get(request.clientAddress);
        if (lease?.mac === mac) lease.until = this.#clock.now();
        return undefined;
      }
      case TYPE.inform:
        return request.clientAddress === ANY_IPV4 ? undefined : this.#reply(request, TYPE.acknowledge, undefined);
      default:
        return undefined;
    }
  }

  #request(request: DhcpRequest): DhcpReply | undefined {
    // Another server's offer was taken.
    if (request.server !== undefined && request.server !== GATEWAY_IPV4) {
      for (const lease of this.#leases.values()) if (lease.mac === request.mac) lease.until = this.#clock.now();
      return undefined;
    }
    const wanted = request.requestedAddress ?? request.clientAddress;
    const lease = this.#leaseFor(request.mac, wanted);
    if (lease?.address !== wanted) return this.#reply(request, TYPE.refuse, undefined);
    lease.until = this.#clock.now() + LEASE_SECONDS * SECOND;
    lease.hostName = request.hostName;
    this.#shared?.tell(this.leases());
    return this.#reply(request, TYPE.acknowledge, lease.address);
  }

  /** The client's own lease, else the address it asks for, else the first that is free, else the one that ran out first. */
  #leaseFor(mac: MacAddress, wanted: IpAddress | undefined): HeldLease | undefined {
    const now = this.#clock.now();
    const elsewhere = new Map(this.#shared?.others().map((lease) => [lease.address, lease.mac]));
    const own = [...this.#leases.values()].find((lease) => lease.mac === mac);
    if (own !== undefined) {
      // Two servers may have given the same address at the same time: one of the two clients has to take another.
      const rival = elsewhere.get(own.address);
      if (rival === undefined || rival >= mac) return own;
      this.#leases.delete(own.address);
    }
    const isFree = (address: IpAddress): boolean => {
      const lease = this.#leases.get(address);
      return !elsewhere.has(address) && (lease === undefined || lease.until < now);
    };
    let chosen: IpAddress | undefined;
    // Where others give addresses too, each begins elsewhere, and a client comes back to where it was.
    const first = this.#shared === undefined ? 0 : parseMac(mac) % LEASES;
    for (let index = 0; index < LEASES; index++) {
      const address = `${LEASE_PREFIX}${LEASE_FIRST + ((first + index) % LEASES)}`;
      if (!isFree(address)) continue;
      if (address === wanted) {
        chosen = address;
        break;
      }
      // An address that never was anybody's is better than one whose client may come back.
      if (chosen === undefined || (this.#leases.has(chosen) && !this.#leases.has(address))) chosen = address;
    }
    if (chosen === undefined) return undefined;
    const lease: HeldLease = { address: chosen, mac, until: now + OFFER_SECONDS * SECOND, hostName: undefined };
    this.#leases.set(chosen, lease);
    return lease;
  }

  #reply(request: DhcpRequest, type: number, address: IpAddress | undefined): DhcpReply {
    const message = new Uint8Array(1024);
    const view = new DataView(message.buffer);
    message.set([BOOT_REPLY, 1, 6, 0]);
    view.setUint32(4, request.transaction);
    view.setUint16(10, request.flags);
    const isRefusal = type === TYPE.refuse;
    if (!isRefusal) writeIp(message, 12, request.clientAddress);
    if (address !== undefined) writeIp(message, 16, address);
    if (!isRefusal && this.bootFile !== undefined) writeIp(message, 20, GATEWAY_IPV4);
    message.set(request.hardwareAddress, 28);
    if (!isRefusal && this.bootFile !== undefined) message.set(ascii(this.bootFile).subarray(0, 127), 108);
    view.setUint32(FIXED_BYTES, COOKIE);
    let at = FIXED_BYTES + 4;
    const put = (option: number, ...bytes: readonly number[]): void => {
      message.set([option, bytes.length, ...bytes], at);
      at += 2 + bytes.length;
    };
    const putSeconds = (option: number, seconds: number): void => put(option, seconds >>> 24, (seconds >>> 16) & 0xff, (seconds >>> 8) & 0xff, seconds & 0xff);
    const putAddress = (option: number, text: IpAddress): void => put(option, ...text.split('.').map(Number));
    put(OPTION.type, type);
    putAddress(OPTION.server, GATEWAY_IPV4);
    if (!isRefusal) {
      if (address !== undefined) {
        putSeconds(OPTION.leaseSeconds, LEASE_SECONDS);
        putSeconds(OPTION.renewalSeconds, LEASE_SECONDS / 2);
        putSeconds(OPTION.rebindingSeconds, (LEASE_SECONDS / 8) * 7);
      }
      putAddress(OPTION.mask, IPV4_MASK);
      putAddress(OPTION.broadcast, IPV4_BROADCAST);
      putAddress(OPTION.router, GATEWAY_IPV4);
      putAddress(OPTION.resolver, DNS_IPV4);
      put(OPTION.domain, ...ascii(DOMAIN));
      put(OPTION.mtu, MTU >> 8, MTU & 0xff);
      if (this.bootFile !== undefined) {
        put(OPTION.bootServer, ...ascii(GATEWAY_IPV4));
        put(OPTION.bootFile, ...ascii(this.bootFile).subarray(0, 127));
      }
      if (request.isIpxe) put(OPTION.ipxe, IPXE_NO_PROXY, 1, 1);
    }
    message[at++] = OPTION.end;
    // RFC 2131 §4.1: to the address the client has, to everybody where it asked for that or was refused, else by its MAC address.
    const hasAddress = request.clientAddress !== ANY_IPV4 && !isRefusal;
    const isBroadcast = !hasAddress && ((request.flags & FLAG_BROADCAST) !== 0 || isRefusal || address === undefined);
    return {
      to: {
        address: hasAddress ? request.clientAddress : isBroadcast || address === undefined ? '255.255.255.255' : address,
        mac: isBroadcast ? BROADCAST_MAC : request.mac,
      },
      message: message.subarray(0, Math.max(REPLY_BYTES, at)),
    };
  }
}

interface DhcpRequest {
  readonly type: number;
  readonly transaction: number;
  readonly flags: number;
  readonly clientAddress: IpAddress;
  readonly mac: MacAddress;
  readonly hardwareAddress: Uint8Array;
  readonly requestedAddress: IpAddress | undefined;
  readonly server: IpAddress | undefined;
  readonly hostName: string | undefined;
  readonly isIpxe: boolean;
}

function decodeRequest(message: Uint8Array): DhcpRequest | undefined {
  if (message.length < FIXED_BYTES + 4) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const isRequest = message[0] === BOOT_REQUEST && message[1] === 1 && message[2] === 6 && view.getUint32(FIXED_BYTES) === COOKIE;
  if (!isRequest) return undefined;
  const options = readOptions(message, FIXED_BYTES + 4, message.length);
  // Options may go on in the fields for file and server names (RFC 2132 §9.3).
  const overload = options.get(OPTION.overload)?.[0] ?? 0;
  if ((overload & 1) !== 0) readOptions(message, 108, 236, options);
  if ((overload & 2) !== 0) readOptions(message, 44, 108, options);
  const type = options.get(OPTION.type);
  if (type?.length !== 1) return undefined;
  const address = (option: number): IpAddress | undefined => {
    const bytes = options.get(option);
    return bytes?.length === 4 ? readIpv4(bytes, 0) : undefined;
  };
  return {
    type: type[0]!,
    transaction: view.getUint32(4),
    flags: view.getUint16(10),
    clientAddress: readIpv4(message, 12),
    mac: readMac(message, 28),
    hardwareAddress: message.slice(28, 44),
    requestedAddress: address(OPTION.requestedAddress),
    server: address(OPTION.server),
    hostName: hostNameOf(options.get(OPTION.hostName)),
    isIpxe: options.has(OPTION.ipxe),
  };
}

function readOptions(message: Uint8Array, from: number, to: number, found = new Map<number, Uint8Array>()): Map<number, Uint8Array> {
  for (let at = from; at < to; ) {
    const option = message[at]!;
    if (option === OPTION.end) break;
    if (option === OPTION.pad) {
      at++;
      continue;
    }
    const length = message[at + 1] ?? 0;
    if (at + 2 + length > to) break;
    if (!found.has(option)) found.set(option, message.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return found;
}

/** A label that DNS can hold, lower case; `undefined` for anything else. */
function hostNameOf(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const name = [...bytes].map((byte) => String.fromCharCode(byte)).join('').replace(/\0+$/, '').split('.')[0]!.toLowerCase();
  return name.length <= HOST_NAME_MAXIMUM && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(name) ? name : undefined;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 0x7f);
}
