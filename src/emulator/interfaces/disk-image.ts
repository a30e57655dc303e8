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

/** A disk as an array of sectors, whatever the format of the file behind it. */
export interface DiskImage extends AsyncDisposable {
  readonly format: string;
  readonly sectorBytes: 512 | 2048 | 4096;
  readonly sectorCount: number;
  readonly readOnly: boolean;
  /** `target` / `source` hold whole sectors. */
  read(sector: number, target: Uint8Array): Promise<void>;
  write(sector: number, source: Uint8Array): Promise<void>;
  flush(): Promise<void>;
  discard(sector: number, sectorCount: number): Promise<void>;
}
