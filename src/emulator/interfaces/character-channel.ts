/** The other end of a serial port or virtio console port, outside the machine. */
export interface CharacterChannel {
  /** Bytes leaving the guest. Never blocks. */
  send(bytes: Uint8Array): void;
  /** Called on the machine thread when bytes for the guest arrive; the device takes what fits from `receive`. */
  onReadable: (() => void) | undefined;
  /** Takes up to `limit` waiting bytes (possibly none). */
  receive(limit: number): Uint8Array;
  /** Waiting bytes. */
  readonly available: number;
}

/** Random bytes: the host's, or a seeded generator's where the machine is to be deterministic. */
export interface EntropySource {
  fill(target: Uint8Array): void;
}
