import { FrameLink } from '../../src/emulator/network/frame-link.ts';

const RING_BYTES = 0x81000;

/** Both ends of a cable on one thread: their bells ring at once. */
export function testCable(): { readonly adapter: FrameLink; readonly network: FrameLink } {
  const shared = new SharedArrayBuffer(2 * RING_BYTES);
  const [first, second] = [{ offset: 0, length: RING_BYTES }, { offset: RING_BYTES, length: RING_BYTES }];
  const ends: { adapter?: FrameLink; network?: FrameLink } = {};
  ends.adapter = new FrameLink(shared, first, second, () => ends.network?.rung());
  ends.network = new FrameLink(shared, second, first, () => ends.adapter?.rung());
  return { adapter: ends.adapter, network: ends.network };
}
