/**
 * One TCP connection of the guest, which ends here and is continued by a stream of the host (RFC 9293; names as in its
 * §3.3.1). Window scaling, retransmission with NewReno's recovery (RFC 6582), persist and keep-alive timers, half-close,
 * resets checked as in RFC 5961. Back-pressure: the guest's window follows what the host has taken, and the host is read
 * only while the guest keeps up.
 *
 * Not emulated: selective acknowledgment and timestamps (the link loses nothing but what the guest drops), urgent data.
 */
import type { Clock, Timer } from '../../interfaces/clock.ts';
import type { IpAddress } from '../frames/addresses.ts';
import { ipHeaderBytes } from '../frames/ip.ts';
import { TCP_ACK, TCP_FIN, TCP_HEADER_BYTES, TCP_PSH, TCP_RST, TCP_SYN, type TcpSegment } from '../frames/tcp-segment.ts';
import type { GuestWire, SendResult } from '../guest-wire.ts';
import type { HostStream, StreamEnd, StreamEvents } from '../host-network.ts';
import { MTU } from '../nat-addresses.ts';
import type { BufferBudget } from './buffer-budget.ts';
import { Reassembly } from './reassembly.ts';
import { RoundTrip } from './round-trip.ts';
import { SendQueue } from './send-queue.ts';
import { sequenceAdd, sequenceDistance } from './sequence.ts';

const SECOND = 1_000_000_000;
/** Bytes for the guest beyond which the host isn't read, and below which it is again. */
const SEND_HIGH_BYTES = 512 * 1024;
const SEND_LOW_BYTES = 256 * 1024;
/** What the guest may send ahead of the host. */
const RECEIVE_WINDOW_BYTES = 1024 * 1024;
/** Once the budget isn't comfortable. */
const TIGHT_WINDOW_BYTES = 32 * 1024;
const OUR_WINDOW_SCALE = 5;
/** RFC 9293 §3.7.1, where the guest names none. */
const DEFAULT_SEGMENT_BYTES = 536;
const SMALLEST_SEGMENT_BYTES = 64;
/** Tries before a silent guest is given up: with the timeouts doubling, some five minutes. */
const RETRIES_MAXIMUM = 9;
/** RFC 9293 §3.8.3: a SYN is tried for at least three minutes. */
const SYN_LIFE_NANOS = 180 * SECOND;
const DUPLICATES_FOR_LOSS = 3;
/** Short, as the link delays nothing: long enough to answer a FIN that comes again. */
const TIME_WAIT_NANOS = 10 * SECOND;
/** For a guest that doesn't close what its peer has left, and for a peer that doesn't take what the guest has left. */
const ORPHAN_SECONDS = 120;
const ORPHAN_NANOS = ORPHAN_SECONDS * SECOND;
/** RFC 9293 §3.8.4, RFC 5382 §5. */
const KEEP_ALIVE_NANOS = 7200 * SECOND;
const KEEP_ALIVE_INTERVAL_NANOS = 75 * SECOND;
const KEEP_ALIVE_PROBES = 9;

/** `connecting`: the guest's SYN waits for the host's side. `established` covers all the closing states up to TIME-WAIT. */
type State = 'connecting' | 'syn-received' | 'syn-sent' | 'established' | 'time-wait' | 'closed';

export interface TcpSide {
  readonly address: IpAddress;
  readonly port: number;
}

/** What connections share. */
export interface TcpSurroundings {
  readonly wire: GuestWire;
  readonly clock: Clock;
  readonly budget: BufferBudget;
  /** Says something to the guest when the frames at hand have been looked at. */
  flushLater(connection: TcpConnection): void;
  /** Calls `acknowledgeOverdue` in a moment. */
  acknowledgeSoon(connection: TcpConnection): void;
  /** The link is full, or nobody has said yet who has the guest's address. */
  waitForSpace(connection: TcpConnection): void;
  /** The guest's side is over: its ports may be used again. */
  closed(connection: TcpConnection): void;
  /** The host's side is over too. */
  released(connection: TcpConnection): void;
}

export class TcpConnection implements StreamEvents {
  readonly guest: TcpSide;
  readonly remote: TcpSide;
  /** Whether the guest opened it. */
  readonly isOutgoing: boolean;
  /** Payload that the guest has acknowledged, and that it has sent. */
  bytesIn = 0;
  bytesOut = 0;
  readonly #around: TcpSurroundings;
  readonly #timer: Timer;
  readonly #longTimer: Timer;
  readonly #roundTrip = new RoundTrip();
  readonly #queue = new SendQueue();
  readonly #reassembly = new Reassembly();
  readonly #relieved = (): void => { this.#resumePeer(); };
  #peer: HostStream | undefined;
  #state: State;

  /** SND.UNA, SND.NXT, and the highest SND.NXT there was. */
  #unacknowledged: number;
  #next: number;
  #highest: number;
  /** Sequence of the queue's first byte. */
  #queueAt: number;
  #sendWindow = 0;
  #largestWindow = 0;
  #windowSequence = 0;
  #windowAcknowledgment = 0;
  #guestWindowScale = 0;
  #segmentBytes = DEFAULT_SEGMENT_BYTES;
  #congestionWindow = Infinity;
  #slowStartThreshold = Infinity;
  #duplicates = 0;
  /** While losses are made good: what was the highest sequence then. */
  #recoverUntil: number | undefined;
  #retries = 0;
  /** The SYN, or its answer, couldn't be sent yet. */
  #isSynUnsent = false;
  /** The host's side has ended: a FIN follows the queue. */
  #isFinQueued = false;
  /** The host's side is broken: a reset follows when the guest has taken the queue. */
  #isResetQueued = false;

  /** RCV.NXT, and the first sequence that was never offered. */
  #receiveNext = 0;
  #receiveEdge = 0;
  #ourWindowScale = 0;
  #guestFinSequence: number | undefined;
  #isGuestFinished = false;
  /** `soon`: with the next segment, or when that takes too long. */
  #acknowledge: 'no' | 'soon' | 'now' = 'no';
  /** RCV.NXT as the guest was last told. */
  #toldNext = 0;

  #isPeerGone = false;
  #isPeerPaused = false;
  #heldBytes = 0;
  readonly #began: number;
  #lastHeard: number;
  /** When the guest last acknowledged something new. */
  #lastTaken: number;
  #probes = 0;

  /** `syn` is the guest's; without it the connection is opened towards the guest. */
  constructor(around: TcpSurroundings, guest: TcpSide, remote: TcpSide, initialSequence: number, syn: TcpSegment | undefined) {
    this.#around = around;
    this.guest = guest;
    this.remote = remote;
    const label = `tcp ${guest.port}-${remote.address}:${remote.port}`;
    this.#timer = around.clock.timer(`${label}.retransmit`, () => { this.#timedOut(); });
    this.#longTimer = around.clock.timer(`${label}.life`, () => { this.#lifeTimer(); });
    this.#unacknowledged = this.#next = this.#highest = initialSequence;
    this.#queueAt = sequenceAdd(initialSequence, 1);
    this.#began = this.#lastHeard = this.#lastTaken = around.clock.now();
    this.isOutgoing = syn !== undefined;
    this.#state = syn === undefined ? 'syn-sent' : 'connecting';
    if (syn !== undefined) this.#takeSyn(syn);
  }

  get state(): State {
    return this.#state;
  }

  get phase(): 'opening' | 'open' | 'closing' {
    if (this.#state === 'connecting' || this.#state === 'syn-received' || this.#state === 'syn-sent') return 'opening';
    return this.#state === 'established' && !this.#isFinQueued && !this.#isGuestFinished && !this.#isResetQueued ? 'open' : 'closing';
  }

  /** Memory held for either side. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The host's side of it; before anything else happens. */
  attach(peer: HostStream): void {
    this.#peer = peer;
    if (this.#state === 'syn-sent') this.#sendSyn();
  }

  /** A TIME-WAIT connection makes room for a new one from the same port (RFC 9293 §3.10.7.4). */
  canBeReplacedBy(segment: TcpSegment): boolean {
    return this.#state === 'time-wait' && (segment.flags & TCP_SYN) !== 0 && sequenceDistance(segment.sequence, this.#receiveNext) > 0;
  }

  // ---- From the host

  connected(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'syn-received';
    this.#sendSyn();
  }

  data(bytes: Uint8Array): void {
    if (this.#state === 'closed' || this.#state === 'time-wait') return;
    this.#queue.push(bytes);
    this.#account();
    if (!this.#isPeerPaused && (this.#queue.length >= SEND_HIGH_BYTES || !this.#around.budget.isComfortable)) {
      this.#isPeerPaused = true;
      this.#peer?.pause();
      if (this.#queue.length < SEND_LOW_BYTES) this.#around.budget.waitForRoom(this.#relieved);
    }
    this.flush();
  }

  ended(): void {
    this.#isFinQueued = true;
    this.flush();
  }

  drained(): void {
    this.#account();
    const promised = sequenceDistance(this.#receiveEdge, this.#receiveNext);
    const possible = this.#windowLimit();
    if (this.#state === 'established' && promised < RECEIVE_WINDOW_BYTES / 4 && possible - promised >= Math.min(2 * this.#segmentBytes, possible / 2)) {
      this.#acknowledge = 'now';
      this.flush();
    }
  }

  closed(end: StreamEnd): void {
    this.#peerGone();
    if (this.#state === 'closed') return;
    if (this.#state === 'connecting' || this.#state === 'syn-sent') {
      this.#reset();
      return;
    }
    if (end === 'closed') this.#isFinQueued = true;
    else if (this.#queue.length === 0) this.#reset();
    else this.#isResetQueued = true;
    this.flush();
    if (this.#state === 'established') this.#armLife();
  }

  // ---- From the guest

  receive(segment: TcpSegment): void {
    this.#lastHeard = this.#around.clock.now();
    this.#probes = 0;
    switch (this.#state) {
      case 'connecting':
        if ((segment.flags & TCP_RST) !== 0) this.#finish();
        return;
      case 'syn-sent':
        this.#receiveInSynSent(segment);
        return;
      case 'closed':
        return;
      default:
        this.#receiveSynchronized(segment);
    }
  }

  /** Sends what there is to be sent. */
  flush(): void {
    if (this.#isSynUnsent) this.#sendSyn();
    if (this.#state === 'established') this.#output();
    const isSynchronized = this.#state === 'syn-received' || this.#state === 'established' || this.#state === 'time-wait';
    if (this.#acknowledge === 'now' && isSynchronized) this.#sendEmpty(TCP_ACK);
  }

  /** No segment has gone to the guest that could have carried the acknowledgment. */
  acknowledgeOverdue(): void {
    if (this.#acknowledge === 'no') return;
    this.#acknowledge = 'now';
    this.flush();
  }

  /** Drops it without a word: the guest has restarted, or the network is taken down. */
  abandon(): void {
    this.#finish();
  }

  /** Breaks it with a reset. */
  abort(): void {
    this.#reset();
  }

  #takeSyn(syn: TcpSegment): void {
    const mtuBytes = MTU - ipHeaderBytes(this.remote.address) - TCP_HEADER_BYTES;
    this.#segmentBytes = Math.min(mtuBytes, Math.max(SMALLEST_SEGMENT_BYTES, syn.maximumSegmentBytes ?? DEFAULT_SEGMENT_BYTES));
    this.#receiveNext = sequenceAdd(syn.sequence, 1);
    this.#receiveEdge = this.#receiveNext;
    if (syn.windowScale !== undefined) {
      this.#guestWindowScale = syn.windowScale;
      this.#ourWindowScale = OUR_WINDOW_SCALE;
    }
    // The window of a SYN is never scaled.
    this.#sendWindow = this.#largestWindow = syn.window;
    this.#windowSequence = syn.sequence;
    this.#windowAcknowledgment = syn.acknowledgment;
  }

  #receiveInSynSent(segment: TcpSegment): void {
    const acknowledges = (segment.flags & TCP_ACK) !== 0;
    if (acknowledges && segment.acknowledgment !== sequenceAdd(this.#unacknowledged, 1)) return;
    if ((segment.flags & TCP_RST) !== 0) {
      if (acknowledges) this.#finish();
      return;
    }
    if ((segment.flags & TCP_SYN) === 0 || !acknowledges) return;
    this.#takeSyn(segment);
    this.#establish(segment.acknowledgment);
    this.#acknowledge = 'now';
    this.#around.flushLater(this);
  }

  #establish(acknowledgment: number): void {
    this.#unacknowledged = acknowledgment;
    if (sequenceDistance(this.#next, acknowledgment) < 0) this.#next = acknowledgment;
    this.#highest = this.#next;
    this.#state = 'established';
    this.#isSynUnsent = false;
    this.#retries = 0;
    this.#timer.disarm();
    this.#armLife();
  }

  #receiveSynchronized(segment: TcpSegment): void {
    // The guest's own SYN once more: its answer was lost.
    if (this.#state === 'syn-received' && (segment.flags & (TCP_SYN | TCP_ACK | TCP_RST)) === TCP_SYN && segment.sequence === sequenceAdd(this.#receiveNext, -1)) {
      this.#sendSyn();
      return;
    }
    if (!this.#isAcceptable(segment)) {
      if ((segment.flags & TCP_RST) === 0) this.#acknowledgeLater();
      return;
    }
    if ((segment.flags & TCP_RST) !== 0) {
      // RFC 5961 §3.2: only the exact next sequence resets; others may be guesses.
      if (segment.sequence === this.#receiveNext) this.#finish();
      else this.#acknowledgeLater();
      return;
    }
    if ((segment.flags & TCP_SYN) !== 0) {
      // RFC 5961 §4.2: a guest that really has begun anew answers by a reset that counts.
      this.#acknowledgeLater();
      return;
    }
    if ((segment.flags & TCP_ACK) === 0) return;
    if (this.#state === 'syn-received') {
      if (segment.acknowledgment !== sequenceAdd(this.#unacknowledged, 1)) {
        this.#sendReset(segment.acknowledgment);
        return;
      }
      this.#establish(segment.acknowledgment);
      this.#takeWindow(segment);
    }
    if (!this.#takeAcknowledgment(segment)) return;
    if (this.#state !== 'closed') this.#takePayload(segment);
    if (this.#state !== 'closed') this.#around.flushLater(this);
  }

  /** RFC 9293 §3.10.7.4: some of it lies in the window. Old segments and probes for keep-alive don't. */
  #isAcceptable({ sequence, payload, flags }: TcpSegment): boolean {
    const length = payload.length + ((flags & TCP_FIN) !== 0 ? 1 : 0);
    const window = Math.max(0, sequenceDistance(this.#receiveEdge, this.#receiveNext));
    const from = sequenceDistance(sequence, this.#receiveNext);
    if (length === 0) return from === 0 || (from > 0 && from < window);
    return from < window && from + length > 0;
  }

  #takeAcknowledgment(segment: TcpSegment): boolean {
    const { acknowledgment } = segment;
    const newly = sequenceDistance(acknowledgment, this.#unacknowledged);
    // RFC 5961 §5.2: what was never sent can't be acknowledged, nor what was long ago.
    if (sequenceDistance(acknowledgment, this.#highest) > 0 || newly < -Math.max(this.#largestWindow, DEFAULT_SEGMENT_BYTES)) {
      this.#acknowledgeLater();
      return false;
    }
    if (newly > 0) {
      this.#acknowledged(acknowledgment, newly);
    } else if (newly === 0 && segment.payload.length === 0 && (segment.flags & TCP_FIN) === 0
      && segment.window << this.#guestWindowScale === this.#sendWindow && this.#inFlight > 0) {
      this.#duplicates++;
      if (this.#duplicates === DUPLICATES_FOR_LOSS && this.#recoverUntil === undefined) this.#recover();
    }
    // A guest that answers isn't silent, however long its window stays closed.
    if (this.#inFlight === 0) this.#retries = 0;
    this.#takeWindow(segment);
    return true;
  }

  get #inFlight(): number {
    return sequenceDistance(this.#next, this.#unacknowledged);
  }

  /** The sequence behind everything that is queued, where the FIN is. */
  get #queueEnd(): number {
    return sequenceAdd(this.#queueAt, this.#queue.length);
  }

  #acknowledged(acknowledgment: number, newly: number): void {
    this.#roundTrip.acknowledged(this.#around.clock.now(), (sequence) => sequenceDistance(acknowledgment, sequence) >= 0);
    const bytes = Math.min(this.#queue.length, Math.max(0, sequenceDistance(acknowledgment, this.#queueAt)));
    const isFinAcknowledged = this.#isFinQueued && sequenceDistance(acknowledgment, this.#queueEnd) > 0;
    this.#queue.drop(bytes);
    this.bytesIn += bytes;
    this.#queueAt = sequenceAdd(this.#queueAt, bytes);
    this.#unacknowledged = acknowledgment;
    if (sequenceDistance(this.#next, acknowledgment) < 0) this.#next = acknowledgment;
    this.#lastTaken = this.#around.clock.now();
    this.#duplicates = 0;
    this.#retries = 0;
    this.#grow(newly);
    if (this.#recoverUntil !== undefined) {
      if (sequenceDistance(acknowledgment, this.#recoverUntil) >= 0) this.#recoverUntil = undefined;
      else this.#retransmitFirst();
    }
    if (this.#inFlight > 0) this.#armRetransmission();
    else this.#timer.disarm();
    this.#account();
    this.#resumePeer();
    if (this.#isResetQueued && this.#queue.length === 0) this.#reset();
    if (isFinAcknowledged) this.#finAcknowledged();
  }

  #grow(newly: number): void {
    if (this.#congestionWindow === Infinity || this.#recoverUntil !== undefined) return;
    this.#congestionWindow += this.#congestionWindow < this.#slowStartThreshold
      ? newly
      : Math.max(1, Math.floor((this.#segmentBytes * this.#segmentBytes) / this.#congestionWindow));
    // Beyond the largest window it bounds nothing: as good as no loss ever.
    if (this.#congestionWindow > Math.max(this.#largestWindow, 4 * this.#segmentBytes)) this.#congestionWindow = Infinity;
  }

  #finAcknowledged(): void {
    if (!this.#isGuestFinished) return;
    this.#finish();
  }

  #takeWindow({ sequence, acknowledgment, window, flags }: TcpSegment): void {
    const newer = sequenceDistance(sequence, this.#windowSequence);
    if (newer < 0 || (newer === 0 && sequenceDistance(acknowledgment, this.#windowAcknowledgment) < 0)) return;
    this.#sendWindow = (flags & TCP_SYN) !== 0 ? window : window << this.#guestWindowScale;
    this.#largestWindow = Math.max(this.#largestWindow, this.#sendWindow);
    this.#windowSequence = sequence;
    this.#windowAcknowledgment = acknowledgment;
  }

  #takePayload({ sequence, payload, flags }: TcpSegment): void {
    const skip = Math.max(0, sequenceDistance(this.#receiveNext, sequence));
    const room = sequenceDistance(this.#receiveEdge, sequence);
    const part = payload.subarray(Math.min(skip, payload.length), Math.max(skip, Math.min(payload.length, room)));
    const hasFin = (flags & TCP_FIN) !== 0 && payload.length <= room;
    if (hasFin) this.#guestFinSequence = sequenceAdd(sequence, payload.length);
    if (payload.length > 0 || hasFin) this.#oweAcknowledgment(part.length === payload.length && skip === 0 && sequence === this.#receiveNext && !hasFin ? part.length : undefined);
    if (part.length > 0) {
      // Nobody is there to take it. What came from the host before it broke goes to the guest before it hears of that.
      if (this.#isGuestFinished || (this.#isPeerGone && !this.#isResetQueued)) {
        this.#reset();
        return;
      }
      if (this.#around.budget.isExhausted) return;
      const at = sequenceAdd(sequence, skip);
      if (at === this.#receiveNext) this.#deliver(part.slice());
      else this.#reassembly.add(at, part);
      for (let more = this.#reassembly.take(this.#receiveNext); more !== undefined; more = this.#reassembly.take(this.#receiveNext)) this.#deliver(more);
      this.#account();
    }
    if (this.#guestFinSequence === this.#receiveNext && !this.#isGuestFinished) this.#guestFinished();
  }

  /**
   * RFC 9293 §3.8.6.3: a little that came in order is acknowledged with the answer to it, which spares the guest an
   * interrupt and a run through its network stack. All else at once.
   */
  #oweAcknowledgment(inOrderBytes: number | undefined): void {
    if (this.#acknowledge === 'now') return;
    const canWait = inOrderBytes !== undefined && this.#reassembly.bytes === 0
      && sequenceDistance(this.#receiveNext, this.#toldNext) + inOrderBytes < 2 * this.#segmentBytes;
    if (!canWait) this.#acknowledge = 'now';
    else if (this.#acknowledge === 'no') {
      this.#acknowledge = 'soon';
      this.#around.acknowledgeSoon(this);
    }
  }

  #deliver(bytes: Uint8Array): void {
    this.#receiveNext = sequenceAdd(this.#receiveNext, bytes.length);
    this.bytesOut += bytes.length;
    if (!this.#isPeerGone) this.#peer?.write(bytes);
  }

  #guestFinished(): void {
    this.#receiveNext = sequenceAdd(this.#receiveNext, 1);
    this.#isGuestFinished = true;
    const isFinAcknowledged = this.#isFinQueued && sequenceDistance(this.#unacknowledged, this.#queueEnd) > 0;
    if (!this.#isPeerGone) this.#peer?.end();
    if (!isFinAcknowledged) return;
    this.#state = 'time-wait';
    this.#timer.disarm();
    this.#longTimer.arm(this.#around.clock.now() + TIME_WAIT_NANOS);
    this.#release();
  }

  #acknowledgeLater(): void {
    this.#acknowledge = 'now';
    this.#around.flushLater(this);
  }

  // ---- To the guest

  #output(): void {
    for (;;) {
      const sent = sequenceDistance(this.#next, this.#queueAt);
      const unsent = this.#queue.length - sent;
      if (unsent <= 0) break;
      const room = Math.min(this.#sendWindow, this.#congestionWindow) - this.#inFlight;
      const size = this.#payloadSize(unsent, room);
      if (size <= 0) {
        // Nothing is under way whose acknowledgment could bring a window: ask for one in time.
        if (this.#inFlight === 0 && this.#timer.deadline === undefined) this.#armRetransmission();
        return;
      }
      if (!this.#sendData(this.#next, sent, size)) return;
      this.#advance(size);
    }
    if (this.#isFinQueued && this.#next === this.#queueEnd) {
      if (this.#transmit(TCP_FIN | TCP_ACK, this.#next, 0) !== 'sent') {
        this.#around.waitForSpace(this);
        return;
      }
      this.#advance(1);
    }
  }

  /** RFC 9293 §3.8.6.2.1: no small segments but for the last one. */
  #payloadSize(unsent: number, room: number): number {
    const size = Math.min(unsent, room, this.#around.wire.tcpPayloadMaximum(this.remote.address, this.#segmentBytes));
    if (size === unsent) return size;
    if (size >= this.#segmentBytes) return size - (size % this.#segmentBytes);
    return size >= this.#largestWindow / 2 ? size : 0;
  }

  #sendData(sequence: number, from: number, size: number): boolean {
    const isLast = from + size === this.#queue.length;
    const result = this.#transmit(TCP_ACK | (isLast ? TCP_PSH : 0), sequence, size, (payload) => { this.#queue.copy(from, payload); });
    if (result === 'sent') return true;
    this.#around.waitForSpace(this);
    return false;
  }

  #advance(length: number): void {
    const isFirstTime = sequenceDistance(this.#next, this.#highest) >= 0;
    const wasIdle = this.#inFlight === 0;
    this.#next = sequenceAdd(this.#next, length);
    if (sequenceDistance(this.#next, this.#highest) > 0) this.#highest = this.#next;
    if (isFirstTime) this.#roundTrip.sent(this.#next, this.#around.clock.now());
    if (wasIdle || this.#timer.deadline === undefined) this.#armRetransmission();
  }

  #sendSyn(): void {
    const isAnswer = this.#state === 'syn-received';
    this.#isSynUnsent = this.#transmit(isAnswer ? TCP_SYN | TCP_ACK : TCP_SYN, this.#unacknowledged, 0) !== 'sent';
    if (this.#isSynUnsent) this.#around.waitForSpace(this);
    this.#next = this.#highest = sequenceAdd(this.#unacknowledged, 1);
    this.#timer.arm(Math.min(this.#began + SYN_LIFE_NANOS, this.#around.clock.now() + this.#roundTrip.timeoutNanos));
  }

  #sendEmpty(flags: number): void {
    if (this.#transmit(flags, this.#next, 0) !== 'sent') this.#around.waitForSpace(this);
  }

  #transmit(flags: number, sequence: number, payloadBytes: number, fill?: (payload: Uint8Array) => void): SendResult {
    const isSyn = (flags & TCP_SYN) !== 0;
    const acknowledges = (flags & TCP_ACK) !== 0;
    const window = acknowledges || isSyn ? this.#offerWindow(isSyn) : 0;
    const mtuBytes = MTU - ipHeaderBytes(this.remote.address) - TCP_HEADER_BYTES;
    const isActive = isSyn && !acknowledges;
    const result = this.#around.wire.sendTcp(this.remote.address, this.guest.address, {
      sourcePort: this.remote.port, destinationPort: this.guest.port, sequence, acknowledgment: acknowledges ? this.#receiveNext : 0, flags, window,
      ...(isSyn ? { options: { maximumSegmentBytes: mtuBytes, windowScale: isActive ? OUR_WINDOW_SCALE : this.#ourWindowScale || undefined } } : {}),
    }, payloadBytes, this.#segmentBytes, fill);
    if (result === 'sent' && acknowledges) {
      this.#acknowledge = 'no';
      this.#toldNext = this.#receiveNext;
    }
    return result;
  }

  /** What may be offered to the guest at all. */
  #windowLimit(): number {
    const limit = this.#around.budget.isComfortable ? RECEIVE_WINDOW_BYTES : TIGHT_WINDOW_BYTES;
    const largest = this.#ourWindowScale === 0 ? 0xffff : RECEIVE_WINDOW_BYTES;
    return Math.min(largest, Math.max(0, limit - (this.#peer?.unsentBytes ?? 0) - this.#reassembly.bytes));
  }

  /** The header's window field. What was offered once is not taken back. */
  #offerWindow(isSyn: boolean): number {
    const promised = Math.max(0, sequenceDistance(this.#receiveEdge, this.#receiveNext));
    const possible = this.#windowLimit();
    const gain = possible - promised;
    // RFC 9293 §3.8.6.2.2: the window opens in large steps.
    const offered = gain >= Math.min(RECEIVE_WINDOW_BYTES / 2, 2 * this.#segmentBytes) ? possible : promised;
    const scale = isSyn ? 0 : this.#ourWindowScale;
    const field = Math.min(0xffff, (offered + (1 << scale) - 1) >>> scale);
    this.#receiveEdge = sequenceAdd(this.#receiveNext, Math.max(promised, field * 2 ** scale));
    return field;
  }

  #armRetransmission(): void {
    this.#timer.arm(this.#around.clock.now() + this.#roundTrip.timeoutNanos);
  }

  /** Nothing was heard of what was sent last. */
  #timedOut(): void {
    this.#roundTrip.forget();
    if (this.#state === 'syn-received' || this.#state === 'syn-sent') {
      if (this.#around.clock.now() - this.#began >= SYN_LIFE_NANOS) {
        this.#reset();
        return;
      }
      this.#roundTrip.backOff();
      this.#sendSyn();
      return;
    }
    this.#retries++;
    if (this.#retries > RETRIES_MAXIMUM) {
      this.#reset();
      return;
    }
    if (this.#state !== 'established') return;
    this.#roundTrip.backOff();
    if (this.#inFlight === 0) {
      this.#probeWindow();
      return;
    }
    this.#slowStartThreshold = Math.max(Math.floor(this.#inFlight / 2), 2 * this.#segmentBytes);
    this.#congestionWindow = this.#segmentBytes;
    this.#recoverUntil = undefined;
    this.#duplicates = 0;
    this.#next = this.#unacknowledged;
    this.#armRetransmission();
    this.flush();
  }

  /**
   * A byte beyond the guest's closed window, whose answer says what the window is now; or, where it is open but too small
   * to have been worth a segment, what fits (RFC 9293 §3.8.6.2.1, the override timeout).
   */
  #probeWindow(): void {
    const sent = sequenceDistance(this.#next, this.#queueAt);
    if (sent >= this.#queue.length) return;
    if (this.#sendWindow > 0) {
      const size = Math.min(this.#queue.length - sent, this.#sendWindow, this.#around.wire.tcpPayloadMaximum(this.remote.address, this.#segmentBytes), this.#segmentBytes);
      if (this.#sendData(this.#next, sent, size)) this.#advance(size);
    } else if (this.#sendData(this.#next, sent, 1)) {
      const probed = sequenceAdd(this.#next, 1);
      if (sequenceDistance(probed, this.#highest) > 0) this.#highest = probed;
    }
    this.#armRetransmission();
  }

  #recover(): void {
    this.#slowStartThreshold = Math.max(Math.floor(this.#inFlight / 2), 2 * this.#segmentBytes);
    this.#congestionWindow = this.#slowStartThreshold;
    this.#recoverUntil = this.#highest;
    this.#roundTrip.forget();
    this.#retransmitFirst();
  }

  #retransmitFirst(): void {
    const from = sequenceDistance(this.#unacknowledged, this.#queueAt);
    const size = Math.min(this.#segmentBytes, this.#queue.length - from);
    if (size > 0) this.#sendData(this.#unacknowledged, from, size);
    else if (this.#isFinQueued) this.#transmit(TCP_FIN | TCP_ACK, this.#unacknowledged, 0);
  }

  // ---- Its life

  #armLife(): void {
    const nanos = this.#isPeerGone ? ORPHAN_NANOS : this.#probes > 0 ? KEEP_ALIVE_INTERVAL_NANOS : KEEP_ALIVE_NANOS;
    const since = this.#probes > 0 ? this.#around.clock.now() : this.#isResetQueued ? this.#lastTaken : this.#lastHeard;
    this.#longTimer.arm(since + nanos);
  }

  #lifeTimer(): void {
    const now = this.#around.clock.now();
    if (this.#state === 'time-wait') {
      this.#finish();
      return;
    }
    if (this.#state !== 'established') return;
    if (this.#isPeerGone) {
      // A guest that goes on talking to nobody, but takes nothing, isn't waited for.
      if (now - (this.#isResetQueued ? this.#lastTaken : this.#lastHeard) >= ORPHAN_NANOS) this.#reset();
      else this.#armLife();
      return;
    }
    if (this.#probes === 0 && now - this.#lastHeard < KEEP_ALIVE_NANOS) {
      this.#armLife();
      return;
    }
    if (this.#probes >= KEEP_ALIVE_PROBES) {
      this.#reset();
      return;
    }
    this.#probes++;
    this.#transmit(TCP_ACK, sequenceAdd(this.#unacknowledged, -1), 0);
    this.#armLife();
  }

  #peerGone(): void {
    if (this.#isPeerGone) return;
    this.#isPeerGone = true;
    this.#account();
    if (this.#state === 'closed') this.#around.released(this);
  }

  #resumePeer(): void {
    if (!this.#isPeerPaused || this.#queue.length > SEND_LOW_BYTES) return;
    if (!this.#around.budget.isComfortable) {
      this.#around.budget.waitForRoom(this.#relieved);
      return;
    }
    this.#isPeerPaused = false;
    this.#peer?.resume();
  }

  #account(): void {
    const held = this.#queue.heldBytes + this.#reassembly.heldBytes + (this.#isPeerGone ? 0 : this.#peer?.unsentBytes ?? 0);
    const change = held - this.#heldBytes;
    this.#heldBytes = held;
    if (change !== 0) this.#around.budget.change(change);
  }

  #reset(): void {
    if (this.#state === 'closed') return;
    if (this.#state !== 'time-wait') this.#sendReset(this.#state === 'connecting' ? 0 : this.#next);
    this.#finish();
  }

  #sendReset(sequence: number): void {
    this.#transmit(this.#state === 'syn-sent' ? TCP_RST : TCP_RST | TCP_ACK, sequence, 0);
  }

  /** What is held for a connection that has nothing more to say. */
  #release(): void {
    this.#queue.clear();
    this.#reassembly.clear();
    this.#around.budget.forget(this.#relieved);
    this.#account();
  }

  #finish(): void {
    if (this.#state === 'closed') return;
    const isOrderly = this.#isGuestFinished && this.#isFinQueued;
    this.#state = 'closed';
    this.#timer.disarm();
    this.#longTimer.disarm();
    this.#release();
    this.#around.closed(this);
    if (this.#isPeerGone) {
      this.#around.released(this);
    } else if (isOrderly) {
      // The host's side may still have bytes to send.
      this.#peer?.breakWhenIdle(ORPHAN_SECONDS);
    } else {
      this.#peer?.destroy();
      this.#peerGone();
    }
  }
}
