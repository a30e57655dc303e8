/** What a guest may reach through its network. Everything that isn't allowed is refused, and tells the guest so. */
import { canonicalIp, isIpv4, parseIp, parsePrefix, prefixHolds, type IpAddress, type Prefix } from './frames/addresses.ts';
import type { Endpoint } from './host-network.ts';
import { DNS_IPV4, DNS_IPV6, GATEWAY_IPV4, GATEWAY_IPV6, GATEWAY_LINK_LOCAL, IPV4_NETWORK, IPV6_NETWORK } from './nat-addresses.ts';

/** `nothing`; what is listed; or the internet too, which is every public address that isn't of the host's own networks. */
export type Reach = 'nothing' | 'listed' | 'internet';

/** Something a guest may reach besides. */
export interface AllowedTarget {
  /** `loopback` (the host's, by the gateway's address), an address, a block `ADDRESS/LENGTH`, a name, or `*.NAME` for all names below. */
  readonly host: string;
  /** Every port where it isn't given. */
  readonly port?: number | undefined;
}

/** Addresses that are no hosts of the internet (IANA's special-purpose registries, RFC 6890), multicast among them. */
const SPECIAL_IPV4 = [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24',
  '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
].map((text) => parsePrefix(text)!);
const GLOBAL_IPV6 = parsePrefix('2000::/3')!;
/** Of the global block: protocol assignments and Teredo, documentation, and 6to4, behind which any IPv4 address may be. */
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map((text) => parsePrefix(text)!);
const LOOPBACK = ['127.0.0.0/8', '::1/128', '::ffff:127.0.0.0/104'].map((text) => parsePrefix(text)!);
/** Never through a socket of the host, whatever is listed. */
const UNREACHABLE = [
  '0.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32', '::/128', 'fe80::/10', 'ff00::/8', '::ffff:0:0/96',
  // Clouds' own services for the machine that asks, outside the link-local blocks: Azure's, Amazon's.
  '168.63.129.16/32', 'fd00:ec2::254/128',
].map((text) => parsePrefix(text)!);

/** Addresses that a name stood for are allowed for as long, at least. */
const NAME_MINIMUM_SECONDS = 300;
const NAMED_ADDRESSES_MAXIMUM = 1024;

export class ReachPolicy {
  #reach!: Reach;
  #allowed!: readonly AllowedTarget[];
  readonly #localNetworks: () => readonly string[];
  readonly #nowSeconds: () => number;
  /** Addresses of allowed names, oldest first: what allows them, and until when. */
  readonly #named = new Map<IpAddress, { readonly ports: Set<number | undefined>; until: number }>();

  constructor(reach: Reach, allowed: readonly AllowedTarget[], localNetworks: () => readonly string[], nowSeconds: () => number) {
    this.#localNetworks = localNetworks;
    this.#nowSeconds = nowSeconds;
    this.change(reach, allowed);
  }

  /** What names stood for has to be asked anew. */
  change(reach: Reach, allowed: readonly AllowedTarget[]): void {
    this.#reach = reach;
    this.#allowed = reach === 'nothing' ? [] : allowed;
    this.#named.clear();
  }

  /** Where on the host a packet to `target` goes; `undefined` where the guest may not reach it. */
  resolve({ address, port }: Endpoint): Endpoint | undefined {
    if (address === GATEWAY_IPV4 || address === GATEWAY_IPV6 || address === GATEWAY_LINK_LOCAL) {
      const isAllowed = this.#allowed.some((target) => target.host === 'loopback' && holdsPort(target, port));
      return isAllowed ? { address: isIpv4(address) ? '127.0.0.1' : '::1', port } : undefined;
    }
    if (address === DNS_IPV4 || address === DNS_IPV6) return undefined;
    const bytes = parseIp(address);
    if (bytes === undefined || isIn(UNREACHABLE, bytes) || isIn(LOOPBACK, bytes) || prefixHolds(IPV4_NETWORK, bytes) || prefixHolds(IPV6_NETWORK, bytes)) return undefined;
    if (this.#isListed(address, bytes, port) || (this.#reach === 'internet' && this.#isInternet(bytes))) return { address, port };
    return undefined;
  }

  /** Whether the guest may ask for a name of the outside: asking tells somebody what is asked for. */
  allowsName(name: string): boolean {
    return this.#reach === 'internet' || this.#targetsNamed(name).length > 0;
  }

  /**
   * A name stands for an address, says the host's resolver. Who listed `*.NAME` does not know who may register names below
   * it, and what addresses they give them: such names open the internet only, never the host's own networks.
   */
  nameResolved(name: string, addressText: string, ttlSeconds: number): void {
    const address = canonicalIp(addressText);
    const bytes = address === undefined ? undefined : parseIp(address);
    if (address === undefined || bytes === undefined) return;
    const isPublic = this.#isInternet(bytes);
    const targets = this.#targetsNamed(name).filter(({ host }) => isPublic || !isWildcard(host));
    if (targets.length === 0) return;
    const known = this.#named.get(address) ?? { ports: new Set<number | undefined>(), until: 0 };
    for (const { port } of targets) known.ports.add(port);
    known.until = Math.max(known.until, this.#nowSeconds() + Math.max(ttlSeconds, NAME_MINIMUM_SECONDS));
    this.#named.delete(address);
    this.#named.set(address, known);
    if (this.#named.size > NAMED_ADDRESSES_MAXIMUM) this.#named.delete(this.#named.keys().next().value!);
  }

  #targetsNamed(name: string): readonly AllowedTarget[] {
    const asked = name.toLowerCase();
    return this.#allowed.filter(({ host }) => {
      // These name no names.
      if (host === 'loopback' || parsePrefix(host) !== undefined) return false;
      const wanted = host.toLowerCase();
      return isWildcard(wanted) ? asked.endsWith(wanted.slice(1)) : asked === wanted;
    });
  }

  #isListed(address: IpAddress, bytes: Uint8Array, port: number): boolean {
    const named = this.#named.get(address);
    if (named !== undefined && named.until >= this.#nowSeconds() && (named.ports.has(undefined) || named.ports.has(port))) return true;
    return this.#allowed.some((target) => {
      const prefix = parsePrefix(target.host);
      return prefix !== undefined && prefixHolds(prefix, bytes) && holdsPort(target, port);
    });
  }

  #isInternet(bytes: Uint8Array): boolean {
    const isPublic = bytes.length === 4 ? !isIn(SPECIAL_IPV4, bytes) : prefixHolds(GLOBAL_IPV6, bytes) && !isIn(SPECIAL_IPV6, bytes);
    if (!isPublic) return false;
    return !this.#localNetworks().some((text) => {
      const prefix = parsePrefix(text);
      return prefix !== undefined && prefixHolds(prefix, bytes);
    });
  }
}

function isWildcard(host: string): boolean {
  return host.startsWith('*.');
}

function holdsPort(target: AllowedTarget, port: number): boolean {
  return target.port === undefined || target.port === port;
}

function isIn(prefixes: readonly Prefix[], address: Uint8Array): boolean {
  return prefixes.some((prefix) => prefixHolds(prefix, address));
}
