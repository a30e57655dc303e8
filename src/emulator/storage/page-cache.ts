/**
 * A bounded write-back cache of a file's tables, in pages of one size at any position. Pages are changed in memory and
 * written by `writeDirty`; only the sectors between the first and the last change of a page are written.
 */
import type { ByteFile } from '../interfaces/disk-image.ts';

const SECTOR_BYTES = 512;

export interface Page {
  readonly position: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

interface CachedPage extends Page {
  /** Changed bytes lie between these; nothing is changed while `dirtyEnd` is 0. */
  dirtyStart: number;
  dirtyEnd: number;
}

export interface PageCacheOptions {
  readonly file: ByteFile;
  readonly pageBytes: number;
  /** Pages kept at most, dirty ones aside. */
  readonly maximumPages: number;
}

export class PageCache {
  readonly #file: ByteFile;
  readonly #pageBytes: number;
  readonly #maximumPages: number;
  /** By position; the least recently used first. */
  readonly #pages = new Map<number, CachedPage>();
  readonly #loading = new Map<number, Promise<Page>>();
  readonly #dirty = new Set<CachedPage>();
  #latest: CachedPage | undefined;

  constructor(options: PageCacheOptions) {
    this.#file = options.file;
    this.#pageBytes = options.pageBytes;
    this.#maximumPages = options.maximumPages;
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  /** Dirty pages take so much of the cache that they should be written soon. */
  get isCrowded(): boolean {
    return this.#dirty.size * 2 > this.#maximumPages;
  }

  /** The page at once where it is in memory. Don't keep it over an `await`: it may be dropped meanwhile. */
  get(position: number): Page | Promise<Page> {
    const latest = this.#latest;
    if (latest?.position === position) return latest;
    const page = this.#pages.get(position);
    if (page === undefined) return this.#loading.get(position) ?? this.#load(position);
    this.#pages.delete(position);
    this.#pages.set(position, page);
    this.#latest = page;
    return page;
  }

  /** A page that is new in the file: its old contents don't matter. Dirty as a whole. */
  create(position: number, contents?: Uint8Array): Page {
    const page = this.#add(position, contents ?? new Uint8Array(this.#pageBytes));
    page.dirtyStart = 0;
    page.dirtyEnd = this.#pageBytes;
    this.#dirty.add(page);
    return page;
  }

  /** Bytes `start` to `end` of a page, just got from here, were changed. */
  changed(page: Page, start: number, end: number): void {
    const cached = page as CachedPage;
    if (this.#pages.get(cached.position) !== cached) this.#pages.set(cached.position, cached);
    if (cached.dirtyEnd === 0) {
      cached.dirtyStart = start;
      cached.dirtyEnd = end;
      this.#dirty.add(cached);
      return;
    }
    if (start < cached.dirtyStart) cached.dirtyStart = start;
    if (end > cached.dirtyEnd) cached.dirtyEnd = end;
  }

  /** Forgets a page whose place in the file is free again. */
  forget(position: number): void {
    const page = this.#pages.get(position);
    if (page === undefined) return;
    this.#pages.delete(position);
    this.#dirty.delete(page);
    if (this.#latest === page) this.#latest = undefined;
  }

  /** Writes every change. Where that fails the pages stay dirty. */
  async writeDirty(): Promise<void> {
    const pages = [...this.#dirty].sort((one, other) => one.position - other.position);
    for (const page of pages) {
      const start = page.dirtyStart - (page.dirtyStart % SECTOR_BYTES);
      const end = Math.min(this.#pageBytes, Math.ceil(page.dirtyEnd / SECTOR_BYTES) * SECTOR_BYTES);
      await this.#file.write(page.position + start, page.bytes.subarray(start, end));
      page.dirtyEnd = 0;
      this.#dirty.delete(page);
    }
    this.#shrink();
  }

  async #load(position: number): Promise<Page> {
    const loading = (async () => {
      const bytes = new Uint8Array(this.#pageBytes);
      await this.#file.read(position, bytes);
      // Somebody may have created it meanwhile.
      return this.#pages.get(position) ?? this.#add(position, bytes);
    })();
    this.#loading.set(position, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(position);
    }
  }

  #add(position: number, bytes: Uint8Array): CachedPage {
    const page: CachedPage = { position, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), dirtyStart: 0, dirtyEnd: 0 };
    this.#pages.set(position, page);
    this.#latest = page;
    this.#shrink();
    return page;
  }

  #shrink(): void {
    if (this.#pages.size <= this.#maximumPages) return;
    for (const page of this.#pages.values()) {
      if (page.dirtyEnd > 0 || page === this.#latest) continue;
      this.#pages.delete(page.position);
      if (this.#pages.size <= this.#maximumPages) return;
    }
  }
}
