/**
 * Resolves names for the guest: those of the network itself and of its machines, and all others through the host's
 * resolver, as far as the policy lets the guest ask. What comes back is remembered by the policy, for targets listed by name.
 */
import { readIpv4, readIpv6, parseIp, type IpAddress } from '../frames/addresses.ts';
import type { HostNetwork, NameAnswer, NameRecord, RecordType } from '../host-network.ts';
import { DNS_IPV4, DNS_IPV6, DOMAIN, GATEWAY_IPV4 } from '../nat-addresses.ts';
import type { ReachPolicy } from '../policy.ts';
import { decodeQuery, DNS_CLASS_INTERNET, DNS_CODE, DNS_TYPE, encodeAnswer, encodeError, encodeName, type DnsQuery } from './dns-message.ts';

export const DNS_PORT = 53;
/** Questions that the host's resolver has at a time; more are answered as failures. */
const PENDING_MAXIMUM = 64;
const OWN_TTL_SECONDS = 60;
/** By TCP only its 16-bit length bounds a message. */
export const DNS_TCP_MAXIMUM_BYTES = 0xffff;
const REVERSE_IPV4 = '.in-addr.arpa';

export interface DnsServerOptions {
  readonly host: Pick<HostNetwork, 'resolve'>;
  readonly policy: ReachPolicy;
  /** Machines of the network, by their names. */
  readonly machines: () => readonly { readonly hostName?: string | undefined; readonly address: IpAddress }[];
}

export class DnsServer {
  readonly #options: DnsServerOptions;
  #pending = 0;

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  /** `reply` is called once, at once or later, by UDP with no more than the client said it takes. `false`: there is nothing to answer. */
  receive(message: Uint8Array, transport: 'udp' | 'tcp', reply: (message: Uint8Array) => void): boolean {
    const decoded = decodeQuery(message);
    if (decoded === undefined) return false;
    if ('query' in decoded) this.#answer(decoded.query, transport, reply);
    else reply(encodeError(decoded.id, decoded.code));
    return true;
  }

  #answer(query: DnsQuery, transport: 'udp' | 'tcp', reply: (message: Uint8Array) => void): void {
    const answer = (code: number, records: readonly NameRecord[] = []): void => {
      reply(encodeAnswer(query, code, records, transport === 'tcp' ? DNS_TCP_MAXIMUM_BYTES : query.maximumBytes));
    };
    const type = typeOf(query);
    const own = this.#ownRecords(query.name, type);
    if (own !== undefined) {
      answer(own === 'no-such-name' ? DNS_CODE.noSuchName : DNS_CODE.ok, own === 'no-such-name' ? [] : own);
      return;
    }
    if (query.class !== DNS_CLASS_INTERNET || query.name === '' || !this.#options.policy.allowsName(query.name)) {
      answer(DNS_CODE.refused);
      return;
    }
    // There are no records of a kind that the host's resolver can't be asked for.
    if (type === undefined) answer(DNS_CODE.ok);
    else this.#askHost(query.name, type, answer);
  }

  #askHost(name: string, type: RecordType, answer: (code: number, records?: readonly NameRecord[]) => void): void {
    if (this.#pending >= PENDING_MAXIMUM) {
      answer(DNS_CODE.failure);
      return;
    }
    this.#pending++;
    this.#options.host.resolve(name, type, (found: NameAnswer) => {
      this.#pending--;
      if ('failure' in found) {
        answer(found.failure === 'no-such-name' ? DNS_CODE.noSuchName : found.failure === 'no-data' ? DNS_CODE.ok : DNS_CODE.failure);
        return;
      }
      for (const { type: found4or6, data, ttlSeconds } of found.records) {
        if (found4or6 === 'A') this.#options.policy.nameResolved(name, readIpv4(data, 0), ttlSeconds);
        if (found4or6 === 'AAAA') this.#options.policy.nameResolved(name, readIpv6(data, 0), ttlSeconds);
      }
      answer(DNS_CODE.ok, found.records);
    });
  }

  /** Records of names that are the network's own; `undefined` where the name isn't. */
  #ownRecords(name: string, type: RecordType | undefined): readonly NameRecord[] | 'no-such-name' | undefined {
    if (name === 'localhost') return addressRecords(type, '127.0.0.1', '::1');
    if (name.endsWith(REVERSE_IPV4)) return this.#reverse(name, type);
    if (name !== DOMAIN && !name.endsWith(`.${DOMAIN}`)) return undefined;
    if (name === DOMAIN) return [];
    const label = name.slice(0, -DOMAIN.length - 1);
    // Servers on the host's loopback often listen at 127.0.0.1 only, and guests would try IPv6 first.
    if (label === 'gateway' || label === 'host') return addressRecords(type, GATEWAY_IPV4, undefined);
    if (label === 'dns') return addressRecords(type, DNS_IPV4, DNS_IPV6);
    const machine = this.#options.machines().find(({ hostName }) => hostName === label);
    return machine === undefined ? 'no-such-name' : addressRecords(type, machine.address, undefined);
  }

  #reverse(name: string, type: RecordType | undefined): readonly NameRecord[] | 'no-such-name' | undefined {
    const address = name.slice(0, -REVERSE_IPV4.length).split('.').reverse().join('.');
    if (!address.startsWith('10.0.2.')) return undefined;
    const known = address === GATEWAY_IPV4 ? 'gateway' : address === DNS_IPV4 ? 'dns' : this.#options.machines().find((machine) => machine.address === address)?.hostName;
    if (known === undefined) return 'no-such-name';
    const data = type === 'PTR' ? encodeName(`${known}.${DOMAIN}`) : undefined;
    return data === undefined ? [] : [{ type: 'PTR', ttlSeconds: OWN_TTL_SECONDS, data }];
  }
}

function typeOf(query: DnsQuery): RecordType | undefined {
  return (Object.keys(DNS_TYPE) as RecordType[]).find((type) => DNS_TYPE[type] === query.type);
}

function addressRecords(type: RecordType | undefined, ipv4: IpAddress, ipv6: IpAddress | undefined): readonly NameRecord[] {
  const address = type === 'A' ? ipv4 : type === 'AAAA' ? ipv6 : undefined;
  if (address === undefined || (type !== 'A' && type !== 'AAAA')) return [];
  return [{ type, ttlSeconds: OWN_TTL_SECONDS, data: parseIp(address)! }];
}
