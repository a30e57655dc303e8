import { Worker } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';

import { FRAME_MAXIMUM_BYTES, NO_OFFLOAD } from '../../../../src/emulator/interfaces/network.ts';
import { FrameLink } from '../../../../src/emulator/network/frame-link.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';

const RING_BYTES = 0x81000;

function ends() {
  const shared = new SharedArrayBuffer(2 * RING_BYTES);
  const first = { offset: 0, length: RING_BYTES };
  const second = { offset: RING_BYTES, length: RING_BYTES };
  const rings = { left: 0, right: 0 };
  return {
    rings,
    left: new FrameLink(shared, first, second, () => { rings.right++; }),
    right: new FrameLink(shared, second, first, () => { rings.left++; }),
  };
}

function send(link: FrameLink, frame: Uint8Array): boolean {
  const room = link.reserve(frame.length);
  room?.set(frame);
  if (room !== undefined) link.commit(NO_OFFLOAD);
  return room !== undefined;
}

describe('FrameLink', () => {
  it('carries frames in order with what they leave to the receiver', () => {
    const { left, right } = ends();
    left.reserve(5)!.set([1, 2, 3, 4, 5]);
    left.commit({ checksumStart: 34, checksumOffset: 16, segmentation: 'tcp6', segmentBytes: 1440 });
    send(left, Uint8Array.of(9));
    expect(right.peek()).toEqual({ bytes: Uint8Array.of(1, 2, 3, 4, 5), offload: { checksumStart: 34, checksumOffset: 16, segmentation: 'tcp6', segmentBytes: 1440 } });
    right.consume();
    expect(right.peek()).toEqual({ bytes: Uint8Array.of(9), offload: NO_OFFLOAD });
    right.consume();
    expect(right.peek()).toBeUndefined();
  });

  it('carries any lengths through its end, the longest frame among them', () => {
    const { left, right } = ends();
    const random = new SeededRandom(1);
    const waiting: Uint8Array[] = [];
    let carried = 0;
    for (let step = 0; step < 3000; step++) {
      const length = random.below(10) === 0 ? FRAME_MAXIMUM_BYTES : 1 + random.below(3000);
      const frame = Uint8Array.from({ length: Math.min(length, 64) }, () => random.below(256));
      const whole = new Uint8Array(length);
      whole.set(frame);
      whole[length - 1] = step & 0xff;
      if (send(left, whole)) waiting.push(whole);
      if (random.below(2) === 0) continue;
      for (let count = random.below(4); count > 0 && waiting.length > 0; count--) {
        expect(Buffer.compare(right.peek()!.bytes, waiting.shift()!)).toBe(0);
        right.consume();
        carried++;
      }
    }
    expect(carried).toBeGreaterThan(500);
  });

  it('rings once for a reader that waits, and not for one that is busy', () => {
    const { left, right, rings } = ends();
    send(left, Uint8Array.of(1));
    send(left, Uint8Array.of(2));
    expect(rings.right).toBe(1);
    right.peek();
    right.consume();
    send(left, Uint8Array.of(3));
    expect(rings.right).toBe(1);
    while (right.peek() !== undefined) right.consume();
    send(left, Uint8Array.of(4));
    expect(rings.right).toBe(2);
  });

  it('tells a writer that found it full once it is half empty', () => {
    const { left, right, rings } = ends();
    const frame = new Uint8Array(60_000);
    let sent = 0;
    while (send(left, frame)) sent++;
    expect(sent).toBe(8);
    expect(rings.left).toBe(0);
    for (let taken = 0; taken < 4; taken++) {
      expect(rings.left).toBe(0);
      right.peek();
      right.consume();
    }
    expect(rings.left).toBe(1);
    expect(send(left, frame)).toBe(true);
  });

  /** What the other thread does in the last moment before one says in the ring that it waits, when it can't see that yet. */
  function inTheLastMoment(happens: () => void): void {
    const store = Atomics.store.bind(Atomics) as (words: Int32Array, index: number, value: number) => number;
    const spy = vi.spyOn(Atomics, 'store').mockImplementation(((words: Int32Array, index: number, value: number) => {
      if (value === 1) {
        spy.mockRestore();
        happens();
      }
      return store(words, index, value);
    }) as typeof Atomics.store);
  }

  it('shows a reader that goes to wait the frame that came in that moment', () => {
    const { left, right, rings } = ends();
    send(left, Uint8Array.of(1));
    right.peek();
    right.consume();
    const before = rings.right;
    inTheLastMoment(() => { send(left, Uint8Array.of(7)); });
    // Nobody has rung for it, so that it must be found.
    expect([right.peek()?.bytes[0], rings.right]).toEqual([7, before]);
    right.consume();
    expect(right.peek()).toBeUndefined();
    send(left, Uint8Array.of(8));
    expect(rings.right).toBe(before + 1);
  });

  it('gives a writer that goes to wait the room that was made in that moment', () => {
    const { left, right, rings } = ends();
    const frame = new Uint8Array(60_000);
    for (let sent = 0; sent < 8; sent++) expect(send(left, frame)).toBe(true);
    inTheLastMoment(() => { while (right.peek() !== undefined) right.consume(); });
    expect([send(left, frame), rings.left]).toEqual([true, 0]);
  });

  it('says what the other end takes on, nothing at first', () => {
    const { left, right } = ends();
    expect(left.accepted).toEqual({ checksum: false, tcp4: false, tcp6: false });
    right.accept({ checksum: true, tcp4: true, tcp6: false });
    expect(left.accepted).toEqual({ checksum: true, tcp4: true, tcp6: false });
    expect(right.accepted).toEqual({ checksum: false, tcp4: false, tcp6: false });
  });

  it('between two threads loses no frame and no bell', async () => {
    const count = 30_000;
    const shared = new SharedArrayBuffer(2 * RING_BYTES);
    const worker = new Worker(new URL('../../../support/frame-sender.ts', import.meta.url), { workerData: { shared, ringBytes: RING_BYTES, count } });
    const link = new FrameLink(shared, { offset: RING_BYTES, length: RING_BYTES }, { offset: 0, length: RING_BYTES }, () => { worker.postMessage('ring'); });
    let next = 0;
    await new Promise<void>((resolve, reject) => {
      link.onReadable = () => {
        for (let frame = link.peek(); frame !== undefined; frame = link.peek()) {
          const number = new DataView(frame.bytes.buffer, frame.bytes.byteOffset).getUint32(0);
          if (number !== next) reject(new Error(`frame ${number} came for ${next}`));
          next++;
          link.consume();
        }
        if (next === count) resolve();
      };
      worker.on('message', () => { link.rung(); });
      worker.on('error', reject);
      link.rung();
    });
    await worker.terminate();
    expect(next).toBe(count);
  });
});
