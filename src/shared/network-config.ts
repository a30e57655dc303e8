/** Network adapters in a machine's description: what a guest's network is, what it may reach, and what leads into it. */
import { z } from 'zod';
import { fail, ok } from './result.ts';
import type { Result } from './result.ts';
import { KIB } from './sizes.ts';

export const ADAPTER_MODELS = ['virtio', 'e1000', 'rtl8139', 'pcnet', 'ne2000-pci', 'ne2000-isa'] as const;
export type AdapterModel = (typeof ADAPTER_MODELS)[number];
export const REACHES = ['internet', 'listed', 'nothing'] as const;
/**
 * `nat`: a network of the machine's own, translated to the host's addresses. `host-only`: the same without a way out, so
 * that only forwards lead in. `nat-network`: a NAT that several machines share. `internal`: a switch between machines and
 * nothing else. The last two are known by a name.
 */
export const NETWORK_MODES = ['nat', 'host-only', 'nat-network', 'internal'] as const;
export type NetworkMode = (typeof NETWORK_MODES)[number];
export const ADAPTERS_MAXIMUM = 4;
const FORWARDS_MAXIMUM = 64;
const ALLOWED_MAXIMUM = 256;
/** Ports of the host are opened to the host alone, where nothing else is said. */
const FORWARD_ADDRESS_DEFAULT = '127.0.0.1';

const portSchema = z.number().int().min(1).max(65_535);
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const ipv4Schema = z.string().regex(IPV4, 'is no IPv4 address');
const ipv6Schema = z.ipv6();
const addressSchema = z.union([ipv4Schema, ipv6Schema]);

/**
 * What a guest may reach: `loopback` is the host's loopback, by the gateway's address; else an address, a block
 * `ADDRESS/LENGTH`, a name, or `*.NAME` for all names below it. Every port where there is none.
 */
export const allowedTargetSchema = z.object({
  host: z.union([addressSchema, z.cidrv4(), z.cidrv6(), z.string().max(253).regex(/^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/i, 'is no address and no name')]),
  port: portSchema.optional(),
});
export type AllowedTargetConfig = z.infer<typeof allowedTargetSchema>;

export const portForwardSchema = z.object({
  protocol: z.enum(['tcp', 'udp']),
  host: z.object({ address: addressSchema.default(FORWARD_ADDRESS_DEFAULT), port: portSchema }),
  /** The guest's first lease where there is no address. */
  guest: z.object({ address: ipv4Schema.optional(), port: portSchema }),
});
export type PortForwardConfig = z.infer<typeof portForwardSchema>;

export const networkNameSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/, 'is no name of a network');

/** DHCP's field for it holds 127 letters. */
export const bootFileSchema = z.string().regex(/^[\x21-\x7e]{1,127}$/, 'is no name of a boot file');

export const adapterConfigSchema = z.object({
  model: z.enum(ADAPTER_MODELS).default('virtio'),
  mode: z.enum(NETWORK_MODES).default('nat'),
  /** Of a `nat-network` or `internal` network: the same name is the same network, of machines of the same user. */
  network: networkNameSchema.default('default'),
  /** Absent: one that follows from the machine's name. */
  mac: z.string().regex(/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/, 'is no MAC address').refine((mac) => (parseInt(mac.slice(0, 2), 16) & 1) === 0, 'is a group address').optional(),
  reach: z.enum(REACHES).default('internet'),
  allow: z.array(allowedTargetSchema).max(ALLOWED_MAXIMUM).default([]),
  forwards: z.array(portForwardSchema).max(FORWARDS_MAXIMUM).default([]),
  /** A folder of this host that guests load by TFTP what they boot, and what they are told to load first. */
  bootFolder: z.string().min(1).max(4096).refine((path) => /^(?:[\\/]|[A-Za-z]:[\\/])/.test(path) && !path.includes('\0'), 'is no whole path').optional(),
  bootFile: bootFileSchema.optional(),
  /** The cable is plugged in. */
  connected: z.boolean().default(true),
  /** Each way; no limit where it isn't given. */
  bytesPerSecondMaximum: z.number().int().min(8 * KIB).max(1e12).optional(),
  /** As on a link to somewhere far: each way, in milliseconds and in percent of the frames. */
  delayMillis: z.number().min(0).max(10_000).default(0),
  jitterMillis: z.number().min(0).max(10_000).default(0),
  lossPercent: z.number().min(0).max(100).default(0),
});
export type AdapterConfig = z.infer<typeof adapterConfigSchema>;

/** `HOST`, `HOST:PORT`, `[IPV6]:PORT`. Error: `network.bad-target`. */
export function parseAllowedTarget(text: string): Result<AllowedTargetConfig> {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const candidate = match === null ? { host: text } : { host: match[1] ?? match[2], ...(match[3] === undefined ? {} : { port: Number(match[3]) }) };
  const checked = allowedTargetSchema.safeParse(candidate);
  return checked.success ? ok(checked.data) : fail('network.bad-target', `"${text}" is nothing that a guest can be allowed to reach`, 'give loopback:PORT, an address, ADDRESS/LENGTH or a name, with :PORT for one port only');
}

/** `PROTOCOL:[ADDRESS:]HOSTPORT:[GUESTADDRESS:]GUESTPORT`, IPv6 in brackets. Error: `network.bad-forward`. */
export function parsePortForward(text: string): Result<PortForwardConfig> {
  const address = String.raw`(?:(\[[^\]]+\]|[^:\[\]]*):)?`;
  const match = new RegExp(`^(tcp|udp):${address}(\\d{1,5}):(?:([^:]+):)?(\\d{1,5})$`).exec(text);
  const checked = portForwardSchema.safeParse(match === null ? undefined : {
    protocol: match[1],
    host: { ...(match[2] === undefined || match[2] === '' ? {} : { address: match[2].replace(/^\[|\]$/g, '') }), port: Number(match[3]) },
    guest: { ...(match[4] === undefined ? {} : { address: match[4] }), port: Number(match[5]) },
  });
  return checked.success ? ok(checked.data) : fail('network.bad-forward', `"${text}" is no forwarded port`, 'give tcp:HOSTPORT:GUESTPORT or udp:ADDRESS:HOSTPORT:GUESTPORT');
}

/** The MAC address of a machine's adapter that has none of its own: locally administered, the same at each start. */
export function macAddressOf(machine: string, adapter: number): string {
  let hash = 0x811c9dc5;
  for (const character of `${adapter} ${machine}`) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  const bytes = [0x52, 0x47, 0x48, (hash >>> 16) & 0xff, (hash >>> 8) & 0xff, hash & 0xff];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
