/** The host's resolver for guests: addresses by the system's own way (hosts file, search order), other records by DNS. */
import { lookup, Resolver } from 'node:dns';
import type { NameAnswer, NameRecord, RecordType } from '../network/host-network.ts';
import { parseIp } from '../network/frames/addresses.ts';
import { encodeName } from '../network/services/dns-message.ts';

/** The system's way tells no lifetimes. */
const ADDRESS_TTL_SECONDS = 60;
const RECORD_TTL_SECONDS = 300;
/** Look-ups occupy threads that disk images need too: a resolver that doesn't answer must not take them all. */
const LOOKUPS_MAXIMUM = 2;
/** Both families come with one look-up, and clients ask for them one after the other. */
const REMEMBERED_MILLIS = 5_000;
const REMEMBERED_MAXIMUM = 256;

type Found = { readonly addresses: readonly { readonly address: string; readonly family: number }[] } | { readonly failure: 'no-such-name' | 'server' };

export class HostNames {
  readonly #resolver = new Resolver({ timeout: 3_000, tries: 2 });
  readonly #remembered = new Map<string, { readonly found: Promise<Found>; readonly at: number }>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  resolve(name: string, type: RecordType, answered: (answer: NameAnswer) => void): void {
    if (type === 'A' || type === 'AAAA') void this.#addresses(name, type).then(answered);
    else this.#records(name, type, answered);
  }

  async #addresses(name: string, type: 'A' | 'AAAA'): Promise<NameAnswer> {
    const found = await this.#found(name);
    if ('failure' in found) return found;
    const family = type === 'A' ? 4 : 6;
    const records = found.addresses.flatMap(({ address, family: its }): NameRecord[] => {
      // A link-local address may carry a zone, which means nothing elsewhere.
      const data = its === family ? parseIp(address) : undefined;
      return data === undefined ? [] : [{ type, ttlSeconds: ADDRESS_TTL_SECONDS, data }];
    });
    return records.length === 0 ? { failure: 'no-data' } : { records };
  }

  #found(name: string): Promise<Found> {
    const now = performance.now();
    const known = this.#remembered.get(name);
    if (known !== undefined && now - known.at < REMEMBERED_MILLIS) return known.found;
    const found = this.#lookUp(name);
    this.#remembered.delete(name);
    this.#remembered.set(name, { found, at: now });
    if (this.#remembered.size > REMEMBERED_MAXIMUM) this.#remembered.delete(this.#remembered.keys().next().value!);
    return found;
  }

  async #lookUp(name: string): Promise<Found> {
    if (this.#running >= LOOKUPS_MAXIMUM) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      return await new Promise<Found>((resolve) => {
        lookup(name, { all: true, order: 'verbatim' }, (error, addresses) => {
          if (error === null) resolve({ addresses });
          else resolve({ failure: error.code === 'ENOTFOUND' || error.code === 'ENODATA' ? 'no-such-name' : 'server' });
        });
      });
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  #records(name: string, type: Exclude<RecordType, 'A' | 'AAAA'>, answered: (answer: NameAnswer) => void): void {
    this.#resolver.resolve(name, type, (error, found) => {
      if (error !== null) {
        answered({ failure: error.code === 'ENOTFOUND' ? 'no-such-name' : error.code === 'ENODATA' ? 'no-data' : 'server' });
        return;
      }
      const all: readonly unknown[] = Array.isArray(found) ? found : [found];
      const records = all.flatMap((one): NameRecord[] => {
        const data = encodeRecord(type, one);
        return data === undefined ? [] : [{ type, ttlSeconds: RECORD_TTL_SECONDS, data }];
      });
      answered(records.length === 0 ? { failure: 'no-data' } : { records });
    });
  }
}

/** What Node's resolver gives for a record, as DNS has it on the wire. */
function encodeRecord(type: Exclude<RecordType, 'A' | 'AAAA'>, found: unknown): Uint8Array | undefined {
  const numbers = (...pairs: readonly (readonly [value: number, bytes: 2 | 4])[]): number[] =>
    pairs.flatMap(([value, bytes]) => (bytes === 2 ? [(value >>> 8) & 0xff, value & 0xff] : [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]));
  const joined = (head: readonly number[], ...names: readonly string[]): Uint8Array | undefined => {
    const encoded = names.map(encodeName);
    return encoded.some((name) => name === undefined) ? undefined : Uint8Array.from([...head, ...encoded.flatMap((name) => [...name!])]);
  };
  switch (type) {
    case 'MX': {
      const { exchange, priority } = found as { exchange: string; priority: number };
      return joined(numbers([priority, 2]), exchange);
    }
    case 'SRV': {
      const { name, port, priority, weight } = found as { name: string; port: number; priority: number; weight: number };
      return joined(numbers([priority, 2], [weight, 2], [port, 2]), name);
    }
    case 'SOA': {
      const soa = found as { nsname: string; hostmaster: string; serial: number; refresh: number; retry: number; expire: number; minttl: number };
      const names = joined([], soa.nsname, soa.hostmaster);
      return names && Uint8Array.from([...names, ...numbers([soa.serial, 4], [soa.refresh, 4], [soa.retry, 4], [soa.expire, 4], [soa.minttl, 4])]);
    }
    case 'TXT': {
      const texts = (found as readonly string[]).map((text) => Buffer.from(text).subarray(0, 255));
      return Uint8Array.from(texts.flatMap((text) => [text.length, ...text]));
    }
    default:
      return joined([], found as string);
  }
}
