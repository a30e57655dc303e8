/** The addresses of a machine's own network: those that users of QEMU and VirtualBox know. */
import { parsePrefix, type IpAddress, type MacAddress, type Prefix } from './frames/addresses.ts';

export const GATEWAY_MAC: MacAddress = '52:47:00:00:00:02';
export const MTU = 1500;

export const IPV4_NETWORK: Prefix = parsePrefix('10.0.2.0/24')!;
export const IPV4_MASK: IpAddress = '255.255.255.0';
export const IPV4_BROADCAST: IpAddress = '10.0.2.255';
export const GATEWAY_IPV4: IpAddress = '10.0.2.2';
export const DNS_IPV4: IpAddress = '10.0.2.3';
/** Leases are given from here up. */
export const LEASE_PREFIX = '10.0.2.';
export const LEASE_FIRST = 15;
export const LEASE_LAST = 254;

/** A unique local prefix (RFC 4193): the same for all machines, as the IPv4 network is. */
export const IPV6_PREFIX: IpAddress = 'fd47:6865:7374::';
export const IPV6_NETWORK: Prefix = parsePrefix(`${IPV6_PREFIX}/64`)!;
export const IPV6_LINK_LOCAL: Prefix = parsePrefix('fe80::/10')!;
export const GATEWAY_IPV6: IpAddress = 'fd47:6865:7374::2';
export const DNS_IPV6: IpAddress = 'fd47:6865:7374::3';
export const GATEWAY_LINK_LOCAL: IpAddress = 'fe80::2';
export const ALL_NODES: IpAddress = 'ff02::1';

/** Addresses that answer on the network besides machines. */
export const OWN_ADDRESSES: ReadonlySet<IpAddress> = new Set([GATEWAY_IPV4, DNS_IPV4, GATEWAY_IPV6, DNS_IPV6, GATEWAY_LINK_LOCAL]);
/** The domain of machines' names. `.internal` is for private use. */
export const DOMAIN = 'guesthouse.internal';
