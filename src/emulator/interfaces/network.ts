/** Longest Ethernet frame on a link, without FCS: a VLAN tag, an IPv6 header and 65,535 bytes, as segmentation offload makes them. */
export const FRAME_MAXIMUM_BYTES = 14 + 4 + 40 + 65_535;

/** What a frame leaves to its receiver. */
export interface FrameOffload {
  /**
   * Where the bytes begin whose Internet checksum is missing, and where in them it belongs (the field holds the sum of the
   * pseudo-header). A start of 0 says that the frame's checksums are all there.
   */
  readonly checksumStart: number;
  readonly checksumOffset: number;
  /** A TCP segment longer than the network's MTU allows, to be cut into such of `segmentBytes` of payload. */
  readonly segmentation: 'none' | 'tcp4' | 'tcp6';
  readonly segmentBytes: number;
}

/** A frame with nothing left to do. */
export const NO_OFFLOAD: FrameOffload = { checksumStart: 0, checksumOffset: 0, segmentation: 'none', segmentBytes: 0 };

/** What a receiver of frames takes on. */
export interface AcceptedOffloads {
  readonly checksum: boolean;
  readonly tcp4: boolean;
  readonly tcp6: boolean;
}

/** A frame from its destination address on, without FCS. Both are valid until `consume`. */
export interface ReceivedFrame {
  readonly bytes: Uint8Array;
  readonly offload: FrameOffload;
}

/**
 * One end of an Ethernet cable: an adapter's, or that of the network it is plugged into. Frames lie in memory that both
 * ends share; each end is used by one thread.
 */
export interface NetworkLink {
  /** Room for a frame of `length` bytes, to be filled and sent with `commit`. `undefined` while there is none: `onWritable` tells of it later. */
  reserve(length: number): Uint8Array | undefined;
  /** Sends the frame that was reserved last. */
  commit(offload: FrameOffload): void;
  /** The oldest frame that has come. `undefined` when there is none: `onReadable` tells of the next. */
  peek(): ReceivedFrame | undefined;
  /** Drops the frame that `peek` shows. */
  consume(): void;
  /** Tells the other end what this one takes on; nothing at first. Frames on their way may still have been made for what held before. */
  accept(offloads: AcceptedOffloads): void;
  onReadable: (() => void) | undefined;
  onWritable: (() => void) | undefined;
}
