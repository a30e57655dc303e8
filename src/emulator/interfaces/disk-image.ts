/** Random access to the bytes of one host file. Implemented in `host/`, injected everywhere else. */
export interface ByteFile extends AsyncDisposable {
  readonly readOnly: boolean;
  size(): Promise<number>;
  /** Fills `target` from `position`; bytes past the end read as zeros. */
  read(position: number, target: Uint8Array): Promise<void>;
  write(position: number, source: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Returns when everything written is on stable storage. */
  flush(): Promise<void>;
  /** Gives the range's storage back where the host can; it reads as zeros afterwards. */
  punchHole(position: number, length: number): Promise<void>;
}

/** What lies at a place of an image. */
export interface Extent {
  readonly sectorCount: number;
  /** `zeros` is known without reading; `data` may still be zeros. */
  readonly kind: 'data' | 'zeros';
  /** The image itself says so; otherwise one below it does, or nobody does and it reads as zeros. */
  readonly own: boolean;
  /** The image itself keeps it compressed. */
  readonly isPacked?: boolean;
}

/** A disk as an array of sectors, whatever the format of the file behind it. */
export interface DiskImage extends AsyncDisposable {
  readonly format: string;
  readonly sectorBytes: 512 | 2048 | 4096;
  readonly sectorCount: number;
  readonly readOnly: boolean;
  /** `target` / `source` hold whole sectors. */
  read(sector: number, target: Uint8Array): Promise<void>;
  write(sector: number, source: Uint8Array): Promise<void>;
  /** The sectors read as zeros afterwards; takes no storage where the format can say so. */
  writeZeroes(sector: number, sectorCount: number): Promise<void>;
  /** All that was completed before is on stable storage when it returns. */
  flush(): Promise<void>;
  /** The sectors are no longer needed. They read as zeros afterwards. */
  discard(sector: number, sectorCount: number): Promise<void>;
  /** What lies at `sector`: at least one sector, at most `maxSectors`. */
  extentAt(sector: number, maxSectors: number): Promise<Extent>;
}

/** Compression, injected like files. All reject when the data is damaged or would become longer than `outputBytes`. */
export interface Compression {
  /** RFC 1951 with a window of 4 KiB (what readers of qcow2 expect at most). */
  deflateRaw(source: Uint8Array): Promise<Uint8Array>;
  /** What follows the end of the stream is ignored. */
  inflateRaw(source: Uint8Array, outputBytes: number): Promise<Uint8Array>;
  /** RFC 1950. */
  deflate(source: Uint8Array): Promise<Uint8Array>;
  inflate(source: Uint8Array, outputBytes: number): Promise<Uint8Array>;
  /** RFC 8878; exactly one frame. */
  zstdCompress(source: Uint8Array): Promise<Uint8Array>;
  zstdDecompress(source: Uint8Array, outputBytes: number): Promise<Uint8Array>;
}
