/**
 * Guest-physical memory: pages that lie directly in the machine's shared memory (RAM, ROM, linear frame buffers) and
 * ranges that chips answer. The bus keeps the page map the CPU reads without asking anybody; whatever the map doesn't
 * serve comes to `read` and `write` here. Where a page is mapped directly, the mapping hides a chip at that address,
 * except that writes to a read-only page reach the chip (ROM shadowing needs it).
 */
import type { AccessWidth, IoHandler, MmioBus, Registration } from '../interfaces/bus.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import { MAP_READABLE, MAP_WRITABLE, PAGE_BYTES } from '../cpu/memory-layout.ts';
import { invariant } from './invariant.ts';

/** Unclaimed pages named in the log, each once. */
const MAX_LOGGED_PAGES = 64;

interface Claim {
  readonly owner: string;
  readonly base: number;
  readonly end: number;
  readonly handler: IoHandler;
}

interface DirectMapping {
  readonly owner: string;
  readonly firstPage: number;
  readonly pageCount: number;
  readonly memoryOffset: number;
  readonly flags: number;
}

export class PhysicalMemoryBus implements MmioBus {
  readonly #pageMap: Uint32Array;
  readonly #mappingChanged: (firstPage: number, pages: number) => void;
  readonly #log: DeviceLog;
  /** By base address; ranges don't overlap. */
  readonly #claims: Claim[] = [];
  #lastHit: Claim | undefined;
  /** Oldest first: a later mapping hides an earlier one. */
  readonly #mappings: DirectMapping[] = [];
  readonly #logged = new Set<number>();

  /**
   * `pageMap` has one entry for each 4 KiB page of guest-physical memory (`PHYS_MAP` of the memory layout); what lies
   * beyond it can't be mapped directly. `mappingChanged` is called after entries changed, so that the CPU forgets cached translations.
   */
  constructor(pageMap: Uint32Array, mappingChanged: (firstPage: number, pages: number) => void, log: DeviceLog) {
    this.#pageMap = pageMap;
    this.#mappingChanged = mappingChanged;
    this.#log = log;
  }

  claim(owner: string, base: number, length: number, handler: IoHandler): Registration {
    invariant(Number.isSafeInteger(base) && base >= 0 && length > 0, `${owner} claims addresses that exist`);
    const claims = this.#claims;
    const at = this.#firstEndingAfter(base);
    const next = claims[at];
    if (next !== undefined && next.base < base + length) {
      throw new Error(`${owner} and ${next.owner} both claim physical address 0x${Math.max(base, next.base).toString(16)}`);
    }
    const claim: Claim = { owner, base, end: base + length, handler };
    claims.splice(at, 0, claim);
    return {
      dispose: () => {
        const index = claims.indexOf(claim);
        if (index < 0) return;
        claims.splice(index, 1);
        if (this.#lastHit === claim) this.#lastHit = undefined;
      },
    };
  }

  mapDirect(owner: string, base: number, length: number, memoryOffset: number, access: 'read-write' | 'read-only'): Registration {
    invariant(base % PAGE_BYTES === 0 && length % PAGE_BYTES === 0 && memoryOffset % PAGE_BYTES === 0, `${owner} maps whole pages`);
    const mapping: DirectMapping = {
      owner,
      firstPage: base / PAGE_BYTES,
      pageCount: length / PAGE_BYTES,
      memoryOffset,
      flags: access === 'read-write' ? MAP_READABLE | MAP_WRITABLE : MAP_READABLE,
    };
    this.#mappings.push(mapping);
    this.#fill(mapping, mapping.firstPage, mapping.firstPage + mapping.pageCount);
    this.#announce(mapping);
    return {
      dispose: () => {
        const index = this.#mappings.indexOf(mapping);
        if (index < 0) return;
        this.#mappings.splice(index, 1);
        const first = mapping.firstPage;
        const end = first + mapping.pageCount;
        this.#pageMap.fill(0, first, end);
        for (const remaining of this.#mappings) this.#fill(remaining, first, end);
        this.#announce(mapping);
      },
    };
  }

  ownerOf(physical: number): string | undefined {
    const page = Math.floor(physical / PAGE_BYTES);
    for (let index = this.#mappings.length - 1; index >= 0; index--) {
      const mapping = this.#mappings[index]!;
      if (page >= mapping.firstPage && page < mapping.firstPage + mapping.pageCount) return mapping.owner;
    }
    return this.#find(physical)?.owner;
  }

  /** An access that the page map doesn't serve. Values are unsigned. */
  read(physical: number, width: AccessWidth): number {
    const claim = this.#find(physical);
    if (claim === undefined) {
      if (width === 1) return this.#unclaimed(physical, 0xff);
    } else if (physical + width <= claim.end) {
      return claim.handler.read(physical - claim.base, width);
    }
    const half = (width >> 1) as AccessWidth;
    const low = this.read(physical, half);
    return (low | (this.read(physical + half, half) << (half * 8))) >>> 0;
  }

  write(physical: number, width: AccessWidth, value: number): void {
    const claim = this.#find(physical);
    if (claim === undefined) {
      if (width === 1) {
        this.#unclaimed(physical, 0);
        return;
      }
    } else if (physical + width <= claim.end) {
      claim.handler.write(physical - claim.base, width, value);
      return;
    }
    const half = (width >> 1) as AccessWidth;
    this.write(physical, half, half === 1 ? value & 0xff : value & 0xffff);
    this.write(physical + half, half, value >>> (half * 8));
  }

  peek(physical: number, width: AccessWidth): number | undefined {
    const claim = this.#find(physical);
    if (claim === undefined || physical + width > claim.end) return undefined;
    return claim.handler.peek?.(physical - claim.base, width);
  }

  #find(physical: number): Claim | undefined {
    const last = this.#lastHit;
    if (last !== undefined && physical >= last.base && physical < last.end) return last;
    const claim = this.#claims[this.#firstEndingAfter(physical)];
    if (claim === undefined || physical < claim.base) return undefined;
    this.#lastHit = claim;
    return claim;
  }

  /** Index of the first claim that ends after `physical`. */
  #firstEndingAfter(physical: number): number {
    let low = 0;
    let high = this.#claims.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#claims[middle]!.end <= physical) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #fill(mapping: DirectMapping, firstPage: number, endPage: number): void {
    const first = Math.max(firstPage, mapping.firstPage);
    const end = Math.min(endPage, mapping.firstPage + mapping.pageCount, this.#pageMap.length);
    const map = this.#pageMap;
    let entry = mapping.memoryOffset + (first - mapping.firstPage) * PAGE_BYTES + mapping.flags;
    for (let page = first; page < end; page++, entry += PAGE_BYTES) map[page] = entry;
  }

  #announce(mapping: DirectMapping): void {
    const end = Math.min(mapping.firstPage + mapping.pageCount, this.#pageMap.length);
    if (end > mapping.firstPage) this.#mappingChanged(mapping.firstPage, end - mapping.firstPage);
  }

  #unclaimed(physical: number, result: number): number {
    const page = Math.floor(physical / PAGE_BYTES);
    if (this.#logged.size < MAX_LOGGED_PAGES && !this.#logged.has(page)) {
      this.#logged.add(page);
      this.#log.log('debug', 'unclaimed-memory', `nothing answers at physical address 0x${physical.toString(16)}`);
    }
    return result;
  }
}
