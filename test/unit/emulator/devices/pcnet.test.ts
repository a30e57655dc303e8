import { describe, expect, it } from 'vitest';

import { Pcnet } from '../../../../src/emulator/devices/pcnet/pcnet.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeGuestMemory } from '../../../support/fake-guest-memory.ts';
import { FakeLine } from '../../../support/fake-line.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';
import { testCable } from '../../../support/test-cable.ts';
import { describeDeviceContract } from './device-contract.ts';

const MAC = [0x52, 0x47, 0x48, 1, 2, 3];
const BROADCAST = [255, 255, 255, 255, 255, 255];
const [RDP, RAP, RESET, BDP] = [0x10, 0x12, 0x14, 0x16];
const BLOCK = 0x1000;
const RECEIVE_RING = 0x2000;
const TRANSMIT_RING = 0x3000;
const RECEIVE_BUFFERS = 0x10000;
const TRANSMIT_BUFFERS = 0x40000;
const BUFFER_BYTES = 0x1000;
const [OWN, ERR, STP, ENP] = [0x8000, 0x4000, 0x0200, 0x0100];
const [INIT, STRT, STOP, TDMD, TXON, RXON, IENA] = [1, 2, 4, 8, 0x10, 0x20, 0x40];
const [INTR, IDON, TINT, RINT, MISS, CERR, BABL] = [0x80, 0x100, 0x200, 0x400, 0x1000, 0x2000, 0x4000];

type Style = 0 | 1 | 2 | 3;

interface Setup {
  readonly style?: Style;
  readonly mode?: number;
  /** Logarithms. */
  readonly receive?: number;
  readonly transmit?: number;
  readonly filter?: readonly number[];
  readonly bufferBytes?: number;
}

/** The card and a driver that does what drivers of it do. */
function rig(clock = new FakeClock(), ramBytes = 1 << 20) {
  const memory = new FakeGuestMemory(ramBytes);
  const { adapter, network } = testCable();
  const line = new FakeLine('inta');
  const device = new Pcnet({ id: 'network0', memory, clock, mac: Uint8Array.from(MAC), link: adapter, subsystemVendorId: 0x1af4, subsystemId: 0x1100 });
  device.connectInterrupt(line);
  device.reset('power-on');
  const [ports] = device.bars;
  if (ports?.kind !== 'io') throw new Error('the BARs moved');
  const { handler } = ports;
  let style: Style = 0;
  const csr = (register: number, value?: number): number => {
    handler.write(RAP, 2, register);
    if (value !== undefined) handler.write(RDP, 2, value);
    return handler.read(RDP, 2);
  };
  const bcr = (register: number, value?: number): number => {
    handler.write(RAP, 2, register);
    if (value !== undefined) handler.write(BDP, 2, value);
    return handler.read(BDP, 2);
  };
  const at = (ring: number, index: number): number => ring + index * (style === 0 ? 8 : 16);
  /** A descriptor as the documents have it, by style. */
  const describe = (place: number, address: number, bytes: number, flags: number): void => {
    const count = (0x1000 - bytes) & 0xfff;
    if (style === 0) {
      memory.write16(place, address & 0xffff);
      memory.write16(place + 2, (flags & 0xff00) | (address >>> 16));
      memory.write16(place + 4, 0xf000 | count);
      memory.write16(place + 6, 0);
    } else {
      memory.write32(place + (style === 3 ? 8 : 0), address);
      memory.write32(place + 4, (flags * 0x10000) + (0xf000 | count));
      memory.write32(place + (style === 3 ? 0 : 8), 0);
    }
  };
  const flagsAt = (place: number): number => (style === 0 ? memory.read16(place + 2) & 0xff00 : memory.read16(place + 6));
  const statusAt = (place: number): number => (style === 0 ? memory.read16(place + 6) : memory.read32(place + (style === 3 ? 0 : 8)));
  const receiveAt = (index: number): number => at(RECEIVE_RING, index);
  const transmitAt = (index: number): number => at(TRANSMIT_RING, index);
  const give = (index: number, bytes = BUFFER_BYTES): void => { describe(receiveAt(index), RECEIVE_BUFFERS + index * BUFFER_BYTES, bytes, OWN); };
  return {
    clock, memory, device, line, network, handler, csr, bcr, describe, flagsAt, statusAt, receiveAt, transmitAt, give,
    start({ style: wanted = 2, mode = 0, receive = 2, transmit = 2, filter = [0, 0, 0, 0], bufferBytes = BUFFER_BYTES }: Setup = {}): void {
      style = wanted;
      csr(0, STOP);
      bcr(20, style);
      memory.write16(BLOCK, mode);
      const words = (from: number, values: readonly number[]): void => { values.forEach((value, index) => { memory.write16(BLOCK + from + 2 * index, value); }); };
      const mac = [0, 2, 4].map((byte) => MAC[byte]! | (MAC[byte + 1]! << 8));
      if (style === 0) {
        words(2, [...mac, ...filter]);
        memory.write32(BLOCK + 16, RECEIVE_RING + receive * 2 ** 29);
        memory.write32(BLOCK + 20, TRANSMIT_RING + transmit * 2 ** 29);
      } else {
        memory.write8(BLOCK + 2, receive << 4);
        memory.write8(BLOCK + 3, transmit << 4);
        words(4, [...mac, 0, ...filter]);
        memory.write32(BLOCK + 20, RECEIVE_RING);
        memory.write32(BLOCK + 24, TRANSMIT_RING);
      }
      for (let index = 0; index < 1 << receive; index++) give(index, bufferBytes);
      for (let index = 0; index < 1 << transmit; index++) describe(transmitAt(index), 0, 0, 0);
      csr(1, BLOCK & 0xffff);
      csr(2, BLOCK >>> 16);
      csr(4, 0x0915);
      csr(0, INIT);
      expect(csr(0) & IDON).toBe(IDON);
      csr(0, IDON | STRT | IENA);
    },
    /** Puts a part of a frame into a descriptor. */
    fill(index: number, bytes: readonly number[], flags = STP | ENP): void {
      memory.writeBlock(TRANSMIT_BUFFERS + index * BUFFER_BYTES, Uint8Array.from(bytes));
      describe(transmitAt(index), TRANSMIT_BUFFERS + index * BUFFER_BYTES, bytes.length, OWN | flags);
    },
    received: (index: number, length: number): number[] => [...memory.ram.subarray(RECEIVE_BUFFERS + index * BUFFER_BYTES, RECEIVE_BUFFERS + index * BUFFER_BYTES + length)],
    arrive(frame: readonly number[]): void {
      network.reserve(frame.length)!.set(frame);
      network.commit({ checksumStart: 0, checksumOffset: 0, segmentation: 'none', segmentBytes: 0 });
    },
    sent(): number[][] {
      const frames: number[][] = [];
      for (let seen = network.peek(); seen !== undefined; seen = network.peek()) {
        frames.push([...seen.bytes]);
        network.consume();
      }
      return frames;
    },
  };
}

const frameTo = (mac: readonly number[], length: number): number[] => [...mac, ...Array.from({ length: length - 6 }, (_, index) => (index + 100) & 0xff)];

describeDeviceContract('Pcnet', (clock) => {
  const { device, line, handler, sent } = rig(clock, 0);
  return { device, ranges: [{ name: 'ports', handler, length: 32, offsets: [0, 4, RDP, RDP, RAP, RAP, RESET, BDP, 0x18, 0x1c] }], observe: () => [line.high, sent()] };
}, { manyTwins: true });

describeDeviceContract('Pcnet that runs', (clock) => {
  const { device, line, handler, sent, start } = rig(clock);
  return {
    device, ranges: [{ name: 'ports', handler, length: 32, offsets: [RDP, RDP, RAP] }], observe: () => [line.high, sent()],
    stimulate: (random) => { if (random.below(4) === 0) start({ style: random.pick([0, 1, 2, 3] as const) }); },
  };
});

describe('Pcnet', () => {
  it('is an Am79C970A with its address in a PROM that says so', () => {
    const { device, handler, csr } = rig();
    expect([device.vendorId, device.deviceId, device.classCode]).toEqual([0x1022, 0x2000, 0x020000]);
    const prom = Array.from({ length: 16 }, (_, offset) => handler.read(offset, 1));
    expect(prom.slice(0, 6)).toEqual(MAC);
    expect(prom.slice(6, 12)).toEqual([0, 0, 0, 0x11, 0, 0]);
    expect(prom.slice(14)).toEqual([0x57, 0x57]);
    expect(prom[12]! | (prom[13]! << 8)).toBe([...prom.slice(0, 12), 0x57, 0x57].reduce((sum, byte) => sum + byte));
    expect(handler.read(0, 4)).toBe(0x01484752);
    expect(((csr(89) << 16 | csr(88)) >>> 12) & 0xffff).toBe(0x2621);
    expect([csr(0), csr(12), csr(13), csr(14)]).toEqual([STOP, 0x4752, 0x0148, 0x0302]);
  });

  it('lets its PROM be written only where it is allowed to', () => {
    const { handler, bcr } = rig();
    handler.write(0, 2, 0x1234);
    expect(handler.read(0, 2)).toBe(0x4752);
    bcr(2, 0x0102);
    handler.write(0, 2, 0x1234);
    handler.write(14, 4, 0x9999_5858);
    expect([handler.read(0, 2), handler.read(14, 2)]).toEqual([0x1234, 0x5858]);
  });

  it('is read by words until a doubleword is written, and then by doublewords', () => {
    const { handler, csr, device } = rig();
    csr(88);
    expect([handler.read(RAP, 2), handler.read(RDP, 2), handler.read(RDP, 4), handler.read(RDP, 1)]).toEqual([88, 0x1003, 0xffff_ffff, 0xff]);
    handler.write(RDP, 4, 0);
    expect(handler.read(RDP, 2)).toBe(0xffff);
    handler.write(0x14, 4, 88);
    expect([handler.read(0x14, 4), handler.read(RDP, 4)]).toEqual([88, 0x0262_1003]);
    handler.write(0x14, 4, 18);
    expect(handler.read(0x1c, 4) & 0x80).toBe(0x80);
    // The reset register stops the chip, and keeps the width.
    expect(handler.read(0x18, 4)).toBe(0);
    expect([handler.read(0x14, 4), handler.read(RDP, 4)]).toEqual([0, STOP]);
    device.reset('soft');
    expect(csr(0)).toBe(STOP);
  });

  it('is reset by its reset register, which leaves the bus registers', () => {
    const { handler, csr, bcr, start, line } = rig();
    start({ style: 3 });
    csr(4, 0x0080 | 0x0115);
    expect(line.high).toBe(true);
    expect(handler.read(RESET, 2)).toBe(0);
    expect([csr(0), csr(4), csr(15), bcr(20), line.high]).toEqual([STOP, 0x0115, 0, 0x0303, false]);
  });

  it('takes its four software styles, while it is stopped', () => {
    const { bcr, csr, start } = rig();
    expect([0, 1, 2, 3].map((style) => bcr(20, style))).toEqual([0x0200, 0x0101, 0x0302, 0x0303]);
    bcr(20, 4);
    expect([bcr(20), csr(58)]).toEqual([0x0303, 0x0303]);
    start({ style: 2 });
    expect(bcr(20, 0)).toBe(0x0302);
  });

  it.each([0, 1, 2, 3] as const)('sends and receives in software style %i', (style) => {
    const { csr, start, fill, sent, flagsAt, statusAt, transmitAt, receiveAt, arrive, received, line, memory } = rig();
    start({ style, receive: 2, transmit: 1 });
    expect(csr(0)).toBe(INIT | STRT | TXON | RXON | IENA);
    for (let round = 0; round < 3; round++) {
      const frame = frameTo(BROADCAST, 100 + round);
      fill(round % 2, frame);
      csr(0, TDMD | IENA);
      expect(sent()).toEqual([frame]);
      expect(flagsAt(transmitAt(round % 2))).toBe(STP | ENP);
      expect([line.high, csr(0) & (TINT | INTR)]).toEqual([true, TINT | INTR]);
      csr(0, TINT | IENA);
      expect(line.high).toBe(false);
    }
    const frame = frameTo(MAC, 77);
    arrive(frame);
    expect(received(0, 81)).toEqual([...frame, 0, 0, 0, 0]);
    expect(flagsAt(receiveAt(0))).toBe(STP | ENP | (style >= 2 ? 0x40 : 0));
    expect([statusAt(receiveAt(0)), csr(0) & RINT, line.high]).toEqual([81, RINT, true]);
    // What the driver wrote into it stays.
    expect(memory.read32(receiveAt(0) + (style === 3 ? 8 : 0)) & 0xff_ffff).toBe(RECEIVE_BUFFERS);
    csr(0, RINT | IENA);
    arrive(frameTo(BROADCAST, 30));
    expect([flagsAt(receiveAt(1)), statusAt(receiveAt(1))]).toEqual([STP | ENP | (style >= 2 ? 0x10 : 0), 64]);
  });

  it('takes addresses of 24 bits with the upper byte of the block\'s', () => {
    const { csr, device } = rig();
    csr(2, 0x1200);
    csr(1, 0x1000);
    csr(0, INIT);
    // Nothing is there: all ones.
    expect([csr(24), csr(25), csr(76)]).toEqual([0xfff8, 0x12ff, 0x10000 - 128]);
    expect(device.save().csr[15]).toBe(0xffff);
  });

  it('sends frames that lie in several buffers, padded', () => {
    const { csr, start, fill, sent, flagsAt, transmitAt } = rig();
    start({ transmit: 3 });
    const frame = frameTo(BROADCAST, 700);
    fill(0, frame.slice(0, 300), STP);
    fill(1, frame.slice(300, 301), 0);
    fill(2, frame.slice(301), ENP);
    fill(3, frame.slice(0, 20));
    csr(0, TDMD | IENA);
    expect(sent()).toEqual([frame, [...frame.slice(0, 20), ...new Array<number>(40).fill(0)]]);
    expect([0, 1, 2, 3].map((index) => flagsAt(transmitAt(index)))).toEqual([STP, 0, ENP, STP | ENP]);
    // What begins in the middle of a frame is skipped.
    fill(4, frame.slice(0, 60), ENP);
    fill(5, frame.slice(0, 61));
    csr(0, TDMD | IENA);
    expect(sent()).toEqual([frame.slice(0, 61)]);
    expect(flagsAt(transmitAt(4)) & OWN).toBe(0);
  });

  it('says so when a frame has no end, and stops sending unless it is told to go on', () => {
    const { csr, start, fill, sent, flagsAt, statusAt, transmitAt } = rig();
    start();
    fill(0, frameTo(BROADCAST, 60), STP);
    csr(0, TDMD | IENA);
    expect([sent(), flagsAt(transmitAt(0)), statusAt(transmitAt(0))]).toEqual([[], ERR | STP, 0xc000_0000]);
    expect(csr(0) & (TXON | RXON | TINT)).toBe(RXON | TINT);
    start();
    csr(3, 0x40);
    fill(0, frameTo(BROADCAST, 60), STP);
    csr(0, TDMD | IENA);
    expect(csr(0) & TXON).toBe(TXON);
    fill(1, frameTo(BROADCAST, 60));
    csr(0, TDMD | IENA);
    expect(sent().length).toBe(1);
  });

  it('leaves out the FCS that a driver brings', () => {
    const { csr, start, fill, sent } = rig();
    start({ mode: 0x0008 });
    csr(4, 0x0115);
    const frame = frameTo(BROADCAST, 100);
    fill(0, [...frame, 1, 2, 3, 4]);
    fill(1, frame, STP | ENP | 0x2000);
    csr(0, TDMD | IENA);
    expect(sent()).toEqual([frame, frame]);
  });

  it('finds what lies in its ring without a word, sooner when something happens', () => {
    const { clock, start, csr, fill, sent } = rig();
    start();
    fill(0, frameTo(BROADCAST, 60));
    clock.advance(2_000_000);
    expect(sent().length).toBe(1);
    clock.advance(1_000_000_000);
    fill(1, frameTo(BROADCAST, 60));
    clock.advance(64_000_000);
    expect(sent().length).toBe(1);
    csr(4, 0x1915);
    fill(2, frameTo(BROADCAST, 60));
    clock.advance(1_000_000_000);
    expect(sent().length).toBe(0);
    csr(0, TDMD | IENA);
    expect(sent().length).toBe(1);
  });

  it('keeps frames in their descriptors while the link is full', () => {
    const { csr, start, fill, sent, flagsAt, transmitAt } = rig();
    start({ transmit: 2 });
    let given = 0;
    for (;; given++) {
      if ((flagsAt(transmitAt(given % 4)) & OWN) !== 0) break;
      fill(given % 4, frameTo(BROADCAST, 1500));
      csr(0, TDMD | IENA);
    }
    expect(given).toBeGreaterThan(300);
    expect(sent().length).toBe(given);
    expect([0, 1, 2, 3].map((index) => flagsAt(transmitAt(index)) & OWN)).toEqual([0, 0, 0, 0]);
  });

  it('interrupts for what was sent as it is asked to', () => {
    const { csr, start, fill, line } = rig();
    start();
    csr(5, 0xc000);
    fill(0, frameTo(BROADCAST, 60));
    csr(0, TDMD | IENA);
    expect(csr(0) & TINT).toBe(0);
    fill(1, frameTo(BROADCAST, 60), STP | ENP | 0x1000);
    csr(0, TDMD | IENA);
    expect([csr(0) & TINT, line.high]).toEqual([TINT, true]);
    csr(3, TINT);
    expect([line.high, csr(0) & (TINT | INTR)]).toEqual([false, TINT]);
    csr(3, 0);
    csr(0, 0);
    expect([line.high, csr(0) & (TINT | INTR)]).toEqual([false, TINT | INTR]);
  });

  it('spreads frames over buffers, and waits for them', () => {
    const { csr, clock, start, arrive, received, flagsAt, statusAt, receiveAt, give } = rig();
    start({ bufferBytes: 512, receive: 2 });
    const frame = frameTo(MAC, 1200);
    arrive(frame);
    expect([0, 1, 2, 3].map((index) => flagsAt(receiveAt(index)) & ~0x40)).toEqual([STP, 0, ENP, OWN]);
    expect([...received(0, 512), ...received(1, 512), ...received(2, 176)]).toEqual(frame);
    expect(statusAt(receiveAt(2))).toBe(1204);
    arrive(frame);
    expect(flagsAt(receiveAt(3))).toBe(OWN);
    csr(0, RINT | IENA);
    for (let index = 0; index < 3; index++) give(index, 512);
    expect(csr(0) & RINT).toBe(0);
    clock.advance(2_000_000);
    expect(csr(0) & (RINT | MISS)).toBe(RINT);
    expect([3, 0, 1, 2].map((index) => flagsAt(receiveAt(index)) & ~0x40)).toEqual([STP, 0, ENP, OWN]);
  });

  it('gives frames that waited when the driver has said that it is done', () => {
    const { csr, start, arrive, flagsAt, receiveAt, give, line } = rig();
    start({ receive: 1 });
    for (let count = 0; count < 3; count++) arrive(frameTo(MAC, 60));
    give(0);
    csr(0, RINT | IENA);
    expect([flagsAt(receiveAt(0)) & OWN, csr(0) & RINT, line.high]).toEqual([0, RINT, true]);
  });

  it('cuts a frame that its whole ring can\'t hold', () => {
    const { start, arrive, flagsAt, receiveAt } = rig();
    start({ receive: 1, bufferBytes: 100 });
    arrive(frameTo(MAC, 300));
    expect([flagsAt(receiveAt(0)), flagsAt(receiveAt(1))]).toEqual([STP, ERR | 0x0400]);
  });

  it('lets in what its filters say, groups by their hash', () => {
    const group = [0x01, 0x00, 0x5e, 0, 0, 1];
    const [ours, other] = [MAC, [2, 9, 9, 9, 9, 9]];
    const accepted = (mode: number, filter: readonly number[] = [0, 0, 0, 0]): boolean[] => [ours, other, group, BROADCAST].map((mac) => {
      const { start, arrive, csr } = rig();
      start({ mode, filter });
      arrive(frameTo(mac, 60));
      return (csr(0) & RINT) !== 0;
    });
    expect(accepted(0)).toEqual([true, false, false, true]);
    expect(accepted(0x8000)).toEqual([true, true, true, true]);
    expect(accepted(0x4000)).toEqual([true, false, false, false]);
    expect(accepted(0x2000)).toEqual([false, false, false, true]);
    expect(accepted(0x0001)).toEqual([false, false, false, false]);
    // Broadcasts are a group like others where they aren't let in as such.
    expect(accepted(0x4000, [0xffff, 0xffff, 0xffff, 0xffff])).toEqual([true, false, true, true]);
    const matching = Array.from({ length: 64 }, (_, bit) => (accepted(0, [0, 1, 2, 3].map((word) => (bit >> 4 === word ? 1 << (bit & 15) : 0)))[2]! ? [bit] : [])).flat();
    // ether_crc_le(01:00:5e:00:00:01) >> 26, as drivers compute it.
    expect(matching).toEqual([littleEndianCrc(group) >>> 26]);
  });

  it('stops, and begins at its rings\' first descriptors when it is started again', () => {
    const { csr, start, fill, sent, arrive, flagsAt, receiveAt, give } = rig();
    start();
    fill(0, frameTo(BROADCAST, 60));
    csr(0, TDMD | IENA);
    arrive(frameTo(MAC, 60));
    expect([csr(28), csr(34)]).toEqual([RECEIVE_RING + 16, TRANSMIT_RING + 16]);
    csr(0, STOP);
    expect(csr(0)).toBe(STOP);
    fill(0, frameTo(BROADCAST, 61));
    csr(0, TDMD);
    arrive(frameTo(MAC, 60));
    expect([sent().length, flagsAt(receiveAt(1))]).toEqual([1, OWN]);
    give(0);
    csr(0, STRT | IENA);
    expect(flagsAt(receiveAt(0)) & OWN).toBe(0);
    csr(0, TDMD | IENA);
    expect(sent().map((frame) => frame.length)).toEqual([61]);
    // Without INIT the block is not read again, and STOP wins over all.
    csr(0, STOP | STRT | INIT);
    expect(csr(0)).toBe(STOP);
  });

  it('holds still while it is suspended, and goes on where it was', () => {
    const { csr, clock, start, fill, sent, arrive, flagsAt, receiveAt } = rig();
    start();
    arrive(frameTo(MAC, 60));
    csr(8, 0xffff);
    expect(csr(8)).toBe(0);
    csr(5, 1);
    expect(csr(5)).toBe(1);
    csr(8, 0xffff);
    expect(csr(8)).toBe(0xffff);
    arrive(frameTo(MAC, 60));
    fill(0, frameTo(BROADCAST, 60));
    csr(0, TDMD | IENA);
    clock.advance(1_000_000_000);
    expect([flagsAt(receiveAt(1)), sent()]).toEqual([OWN, []]);
    csr(5, 0);
    expect(flagsAt(receiveAt(1)) & OWN).toBe(0);
    clock.advance(2_000_000);
    expect(sent().length).toBe(1);
  });

  it('can be programmed without a block, with rings of any length', () => {
    const { csr, bcr, fill, sent, arrive, flagsAt, receiveAt, give, start } = rig();
    start();
    csr(0, STOP);
    bcr(20, 2);
    for (const [register, value] of [[15, 0], [24, RECEIVE_RING], [25, 0], [30, TRANSMIT_RING], [31, 0], [76, 0x10000 - 3], [78, 0x10000 - 3]] as const) csr(register, value);
    for (let index = 0; index < 3; index++) give(index);
    csr(0, STRT | IENA);
    expect([csr(72), csr(74)]).toEqual([0x10000 - 2, 0x10000 - 2]);
    for (let count = 0; count < 7; count++) {
      fill(count % 3, frameTo(BROADCAST, 60 + count));
      csr(0, TDMD | IENA);
      arrive(frameTo(MAC, 60));
      expect(flagsAt(receiveAt(count % 3)) & OWN).toBe(0);
      give(count % 3);
    }
    expect(sent().length).toBe(7);
  });

  it('hears itself, and nobody else, while it loops', () => {
    const { csr, start, fill, sent, arrive, received, flagsAt, receiveAt } = rig();
    start({ mode: 0x8044, receive: 0 });
    arrive(frameTo(MAC, 60));
    expect(csr(0) & RINT).toBe(0);
    const frame = frameTo(MAC, 90);
    fill(0, frame);
    csr(0, TDMD | IENA);
    expect([sent(), received(0, 90), csr(0) & (RINT | TINT)]).toEqual([[], frame, RINT | TINT]);
    expect(flagsAt(receiveAt(0)) & OWN).toBe(0);
    fill(1, frame);
    csr(0, TDMD | IENA);
    expect([csr(0) & MISS, csr(112)]).toEqual([MISS, 1]);
  });

  it('shows its link by its first LED, and loses the carrier without', () => {
    const { device, bcr, csr, start, fill, sent, flagsAt, statusAt, transmitAt } = rig();
    expect(bcr(4)).toBe(0x80c0);
    device.setLink(false);
    expect(bcr(4)).toBe(0x00c0);
    start();
    fill(0, frameTo(BROADCAST, 60));
    csr(0, TDMD | IENA);
    expect([sent(), flagsAt(transmitAt(0)) & ERR, statusAt(transmitAt(0)), csr(0) & CERR]).toEqual([[], ERR, 0x0800_0000, CERR]);
  });

  it('drops what is too long or too short to be a frame', () => {
    const { csr, start, fill, describe: put, transmitAt, sent } = rig();
    start({ transmit: 3 });
    fill(0, frameTo(BROADCAST, 1519));
    csr(0, TDMD | IENA);
    expect([sent(), csr(0) & BABL]).toEqual([[], BABL]);
    put(transmitAt(1), TRANSMIT_BUFFERS, 13, OWN | STP | ENP);
    csr(0, TDMD | IENA);
    expect(sent()).toEqual([]);
  });

  it('strips what pads a frame that says its length', () => {
    const { csr, start, arrive, statusAt, receiveAt } = rig();
    start();
    csr(4, 0x0c00 | 0x0115);
    arrive([...MAC, ...MAC, 0, 20, ...new Array<number>(46).fill(7)]);
    arrive([...MAC, ...MAC, 8, 0, ...new Array<number>(46).fill(7)]);
    expect([statusAt(receiveAt(0)), statusAt(receiveAt(1))]).toEqual([34, 64]);
  });

  it('interrupts for its user, and for SINT without leave', () => {
    const { csr, line } = rig();
    csr(4, 0x0195);
    expect([line.high, csr(4) & 0xc0]).toEqual([false, 0x40]);
    csr(0, IENA);
    expect(line.high).toBe(true);
    csr(4, 0x0155);
    expect([line.high, csr(4)]).toEqual([false, 0x0115]);
  });

  it('comes back from a saved state in the middle of its rings', () => {
    const first = rig();
    first.start({ style: 3 });
    first.arrive(frameTo(MAC, 60));
    first.fill(0, frameTo(BROADCAST, 60));
    first.csr(0, TDMD | RINT | IENA);
    const second = rig();
    second.start({ style: 3 });
    second.memory.ram.set(first.memory.ram);
    second.device.restore(structuredClone(first.device.save()));
    second.arrive(frameTo(MAC, 99));
    expect(second.statusAt(second.receiveAt(1))).toBe(103);
    second.fill(1, frameTo(BROADCAST, 80));
    second.csr(0, TDMD | IENA);
    expect(second.sent().map((frame) => frame.length)).toEqual([80]);
  });

  it('survives rings that are nowhere, rings that never end, and noise with frames both ways', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { handler, csr, bcr, arrive, sent, start, memory, clock } = rig();
      const random = new SeededRandom(seed);
      expect(() => {
        for (let count = 0; count < 100; count++) {
          start({ style: random.pick([0, 1, 2, 3] as const), mode: random.below(4) === 0 ? random.below(0x10000) : 0 });
          csr(5, 1);
          if (random.below(2) === 0) csr(random.pick([24, 25, 30, 31, 47, 76, 78] as const), random.below(0x10000));
          csr(5, 0);
          for (let at = 0; at < 64; at++) memory.write8(random.pick([RECEIVE_RING, TRANSMIT_RING]) + random.below(0x80), random.below(256));
          for (let access = 0; access < 5; access++) handler.write(random.below(32), random.pick([1, 2] as const), random.below(0x10000));
          bcr(random.below(32), random.below(0x10000));
          csr(0, TDMD | STRT | IENA);
          arrive([...MAC, ...new Array<number>(54 + random.below(1400)).fill(1)]);
          clock.advance(5_000_000);
          sent();
          csr(0, 0x7f00 | IENA);
        }
      }, `seed ${seed}`).not.toThrow();
    }
  });
});

/** As IEEE 802.3 has it, from the lowest bit on, without the final inversion. */
function littleEndianCrc(bytes: readonly number[]): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * 0xedb8_8320);
  }
  return crc >>> 0;
}
