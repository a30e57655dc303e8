import { describe, expect, it } from 'vitest';
import { ETHERNET_HEADER_BYTES } from '../../../../src/emulator/network/frames/ip.ts';
import { GATEWAY_MAC } from '../../../../src/emulator/network/nat-addresses.ts';
import { readIp, readTcp, ip, tcp, ACK, FIN, PSH } from './frames-by-hand.ts';
import { SwitchRig } from './switch-rig.ts';

const mac = (text: string): number[] => text.split(':').map((byte) => parseInt(byte, 16));
const FIRST = mac('52:47:48:00:00:01');
const SECOND_MACHINE = mac('52:47:48:00:00:02');
const BROADCAST = [255, 255, 255, 255, 255, 255];
const frame = (to: readonly number[], from: readonly number[], ...payload: readonly number[]): number[] => [...to, ...from, 0x88, 0xb5, ...payload];

describe('a switch', () => {
  it('sends what it knows no place for to all, and what it knows to one', () => {
    const rig = new SwitchRig(3, false);
    rig.send(0, frame(SECOND_MACHINE, FIRST, 1));
    rig.send(1, frame(FIRST, SECOND_MACHINE, 2));
    rig.send(0, frame(SECOND_MACHINE, FIRST, 3));
    expect(rig.sent).toEqual([{ from: '0', to: undefined }, { from: '1', to: '0' }, { from: '0', to: '1' }]);
    expect(rig.received(1).map(({ bytes }) => bytes[14])).toEqual([1, 3]);
    expect(rig.received(2).map(({ bytes }) => bytes[14])).toEqual([1]);
  });

  it('sends groups to all, and knows of no machine that is a group', () => {
    const rig = new SwitchRig(3, false);
    rig.send(0, frame(BROADCAST, FIRST, 1));
    rig.send(0, frame([1, 0, 0x5e, 0, 0, 1], FIRST, 2));
    rig.send(1, frame(BROADCAST, [1, 2, 3, 4, 5, 6], 3));
    expect(rig.received(2).map(({ bytes }) => bytes[14])).toEqual([1, 2]);
  });

  it('follows a machine that moves, and forgets one that leaves', () => {
    const rig = new SwitchRig(3, false);
    rig.send(1, frame(BROADCAST, SECOND_MACHINE));
    rig.send(2, frame(BROADCAST, SECOND_MACHINE));
    rig.send(0, frame(SECOND_MACHINE, FIRST));
    expect(rig.sent.at(-1)).toEqual({ from: '0', to: '2' });
    rig.ports[0]!.forget('2');
    rig.send(0, frame(SECOND_MACHINE, FIRST));
    expect(rig.sent.at(-1)).toEqual({ from: '0', to: undefined });
  });

  it('knows a bounded number of addresses, of a flood the latest', () => {
    const rig = new SwitchRig(2, false);
    for (let index = 0; index < 3000; index++) {
      rig.send(1, frame(BROADCAST, [2, 0, 0, 0, index >> 8, index & 255]));
      rig.received(0);
    }
    rig.send(0, frame([2, 0, 0, 0, 2999 >> 8, 2999 & 255], FIRST));
    expect(rig.sent.at(-1)!.to).toBe('1');
    rig.send(0, frame([2, 0, 0, 0, 0, 5], FIRST));
    expect(rig.sent.at(-1)!.to).toBe(undefined);
  });

  it('holds frames for a slow guest, in order and not without bound', () => {
    const rig = new SwitchRig(2, false);
    const large = new Uint8Array(60_000);
    large.set(frame(BROADCAST, FIRST));
    for (let index = 0; index < 200; index++) {
      large[20] = index;
      rig.send(0, large);
    }
    expect(rig.ports[1]!.dropped).toBeGreaterThan(40);
    const received = rig.received(1).map(({ bytes }) => bytes[20]);
    expect(received).toEqual(Array.from({ length: 200 - rig.ports[1]!.dropped }, (_, index) => index));
  });
});

describe('a switch with gateways', () => {
  it('keeps what is for the gateway at the machine, and shows it groups', () => {
    const rig = new SwitchRig(2, true);
    const seen: number[] = [];
    rig.ports[0]!.onReadable = () => {
      for (let frames = rig.ports[0]!.peek(); frames !== undefined; frames = rig.ports[0]!.peek()) {
        seen.push(frames.bytes[14]!);
        rig.ports[0]!.consume();
      }
    };
    rig.send(0, frame(mac(GATEWAY_MAC), FIRST, 1));
    rig.send(0, frame(BROADCAST, FIRST, 2));
    rig.send(0, frame(SECOND_MACHINE, FIRST, 3));
    expect(seen).toEqual([1, 2]);
    expect(rig.received(1).map(({ bytes }) => bytes[14])).toEqual([2, 3]);
  });

  it('lets no machine be another one\'s gateway', () => {
    const rig = new SwitchRig(2, true);
    rig.ports[0]!.onReadable = () => { while (rig.ports[0]!.peek() !== undefined) rig.ports[0]!.consume(); };
    rig.send(0, frame(FIRST, mac(GATEWAY_MAC), 1));
    rig.ports[1]!.receive('0', Uint8Array.from(frame(SECOND_MACHINE, mac(GATEWAY_MAC), 2)), { checksumStart: 0, checksumOffset: 0, segmentation: 'none', segmentBytes: 0 });
    rig.ports[1]!.receive('0', Uint8Array.from(frame(mac(GATEWAY_MAC), FIRST, 3)), { checksumStart: 0, checksumOffset: 0, segmentation: 'none', segmentBytes: 0 });
    expect(rig.received(1)).toEqual([]);
  });
});

describe('a frame that leaves work to its receiver', () => {
  const payload = Array.from({ length: 4000 }, (_, index) => index & 255);
  const fields = { from: '10.0.2.15', to: '10.0.2.16', fromPort: 1, toPort: 2, sequence: 0xffff_ff00, acknowledgment: 7, flags: ACK | PSH | FIN };
  /** The field holds the sum of the pseudo-header, as drivers leave it. */
  function segmentationFrame(): Uint8Array {
    const segment = tcp(fields, payload);
    const sum = [0x0a00, 0x020f, 0x0a00, 0x0210, 6, segment.length].reduce((total, value) => total + value, 0);
    const folded = (sum & 0xffff) + (sum >> 16);
    segment[16] = folded >> 8;
    segment[17] = folded & 255;
    return Uint8Array.from([...SECOND_MACHINE, ...FIRST, 8, 0, ...ip({ from: fields.from, to: fields.to, protocol: 6 }, segment)]);
  }
  const offload = { checksumStart: 34, checksumOffset: 16, segmentation: 'tcp4', segmentBytes: 1460 } as const;

  it('goes as it is to an adapter that takes that on', () => {
    const rig = new SwitchRig(2, false);
    rig.adapters[1]!.accept({ checksum: true, tcp4: true, tcp6: true });
    rig.send(0, segmentationFrame(), offload);
    expect(rig.received(1)).toEqual([{ bytes: segmentationFrame(), offload }]);
  });

  it('is cut into sound segments for one that does not', () => {
    const rig = new SwitchRig(2, false);
    rig.send(0, segmentationFrame(), offload);
    const frames = rig.received(1);
    // `readIp` and `readTcp` check every checksum.
    const segments = frames.map(({ bytes }) => readTcp(readIp(bytes)));
    expect(segments.map(({ payload: part }) => part.length)).toEqual([1460, 1460, 1080]);
    expect(segments.flatMap(({ payload: part }) => part)).toEqual(payload);
    expect(segments.map(({ sequence }) => sequence)).toEqual([0xffff_ff00, 1204, 2664]);
    expect(segments.map(({ flags }) => flags)).toEqual([ACK, ACK, ACK | PSH | FIN]);
    expect(frames.every(({ bytes }) => bytes.length <= ETHERNET_HEADER_BYTES + 1500)).toBe(true);
  });

  it('gets its checksum where only that is missing', () => {
    const rig = new SwitchRig(2, false);
    const whole = segmentationFrame();
    rig.send(0, whole, { ...offload, segmentation: 'none', segmentBytes: 0 });
    const [seen] = rig.received(1);
    expect(readTcp(readIp(seen!.bytes)).payload).toEqual(payload);
    expect(seen!.offload.checksumStart).toBe(0);
  });
});
