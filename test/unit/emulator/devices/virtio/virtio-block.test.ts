import { describe, expect, it } from 'vitest';

import { VirtioBlock } from '../../../../../src/emulator/devices/virtio/virtio-block.ts';
import { FakeBlockBackend } from '../../../../support/fake-block-backend.ts';
import { FakeGuestMemory } from '../../../../support/fake-guest-memory.ts';
import { FakeLog } from '../../../../support/fake-log.ts';
import { SeededRandom } from '../../../../support/seeded-random.ts';
import { describeDeviceContract } from '../device-contract.ts';
import { VirtioDriver } from './virtio-driver.ts';

const SECTORS = 2000;
const HEADER = 0x1000;
const DATA = 0x40000;
const STATUS = 0x2000;

function rig(options: { readOnly?: boolean; ramBytes?: number; sectorBytes?: 512 | 2048 } = {}) {
  const memory = new FakeGuestMemory(options.ramBytes ?? 1 << 20);
  const backend = new FakeBlockBackend(memory, {
    sectorCount: SECTORS, readOnly: options.readOnly ?? false, sectorBytes: options.sectorBytes ?? 512, serial: 'GH-VIRTIO',
  });
  const log = new FakeLog();
  const device = new VirtioBlock({ id: 'virtio-disk0', memory, backend, log });
  const driver = new VirtioDriver(device, memory);
  return {
    memory, backend, device, driver, log,
    /** Offers a request of `type` whose descriptors begin at `head`; its header and status byte lie at places of their own. */
    request(head: number, type: number, sector: number, data: readonly { address: number; length: number; writable?: boolean }[]): void {
      memory.write32(HEADER + 16 * head, type);
      memory.write64(HEADER + 16 * head + 8, BigInt(sector));
      memory.write8(STATUS + head, 0xee);
      driver.offer(0, head, [{ address: HEADER + 16 * head, length: 16 }, ...data, { address: STATUS + head, length: 1, writable: true }]);
    },
    status: (head: number) => memory.read8(STATUS + head),
  };
}

describeDeviceContract('VirtioBlock', () => {
  const { device, driver, backend } = rig({ ramBytes: 0, readOnly: true });
  const [legacy, , , , modern] = device.bars;
  if (legacy?.kind !== 'io' || modern?.kind !== 'memory') throw new Error('the BARs moved');
  return {
    device,
    ranges: [
      { name: 'legacy', handler: legacy.handler, length: 0x80, offsets: [0, 4, 8, 0xc, 0xe, 0x10, 0x12, 0x13] },
      { name: 'modern', handler: modern.handler, length: 0x4000, offsets: [0, 4, 8, 0xc, 0x14, 0x16, 0x18, 0x1c, 0x20, 0x24, 0x1000, 0x3000] },
    ],
    observe: () => driver.line.high,
    stimulate: () => backend.completeWaiting(),
  };
});

describe('VirtioBlock', () => {
  it('is a transitional block device', () => {
    const { device, driver } = rig();
    expect([device.vendorId, device.deviceId, device.subsystemId, device.revision]).toEqual([0x1af4, 0x1001, 2, 0]);
    expect(driver.offered & (1n << 32n)).not.toBe(0n);
    expect([driver.config(0, 4), driver.config(4, 4), driver.config(20, 4)]).toEqual([SECTORS, 0, 512]);
    driver.setCommon(0x16, 2, 0);
    expect(driver.common(0x18, 2)).toBe(256);
    driver.setCommon(0x16, 2, 4);
    expect(driver.common(0x18, 2)).toBe(0);
  });

  it('completes writes of a driver that took no flush only once they are on stable storage', () => {
    const { backend, driver, request, status } = rig();
    driver.start({ without: [9] });
    request(0, 1, 50, [{ address: DATA, length: 512 }]);
    driver.notify(0);
    const kinds: string[] = [];
    const submit = backend.submit.bind(backend);
    backend.submit = (wanted, done) => { kinds.push(wanted.kind); submit(wanted, done); };
    backend.completeWaiting();
    expect([status(0), kinds]).toEqual([0xee, ['flush']]);
    backend.completeWaiting();
    expect(status(0)).toBe(0);
  });

  it('reads and writes, several requests at a time', () => {
    const { backend, driver, memory, request, status } = rig();
    driver.start({ without: [29] });
    memory.ram.fill(0x77, DATA + 0x2000, DATA + 0x2400);
    request(0, 0, 10, [{ address: DATA + 0x10, length: 512, writable: true }, { address: DATA + 0xff0, length: 1024, writable: true }]);
    request(4, 1, 50, [{ address: DATA + 0x2000, length: 1024 }]);
    request(8, 4, 0, []);
    driver.notify(0);
    expect(backend.waiting).toBe(3);
    expect(driver.line.high).toBe(false);
    backend.settle();
    expect(driver.takeUsed(0)).toEqual([[0, 1537], [4, 1], [8, 1]]);
    expect([status(0), status(4), status(8)]).toEqual([0, 0, 0]);
    expect([...memory.ram.slice(DATA + 0x10, DATA + 0x210), ...memory.ram.slice(DATA + 0xff0, DATA + 0x13f0)]).toEqual([...backend.sector(10, 3)]);
    expect(backend.sector(50, 2).every((byte) => byte === 0x77)).toBe(true);
    expect(driver.line.high).toBe(true);
    expect(driver.isr()).toBe(1);
    expect(driver.line.high).toBe(false);
    expect(memory.openPins).toBe(0);
  });

  it('takes headers and status bytes in any layout, also through an indirect table', () => {
    const { backend, driver, memory } = rig();
    driver.start({ without: [29] });
    memory.write32(HEADER, 0);
    memory.write64(HEADER + 8, 7n);
    const table = 0x3000;
    driver.describe(0, 0, { address: HEADER, length: 5 }, 1, 1, table);
    driver.describe(0, 1, { address: HEADER + 5, length: 11 }, 1, 2, table);
    driver.describe(0, 2, { address: DATA, length: 513, writable: true }, 0, 0, table);
    driver.describe(0, 3, { address: table, length: 48 }, 4, 0);
    driver.offerHead(0, 3);
    driver.notify(0);
    backend.settle();
    expect(driver.takeUsed(0)).toEqual([[3, 513]]);
    expect(memory.ram.slice(DATA, DATA + 512)).toEqual(backend.sector(7).slice());
    expect(memory.read8(DATA + 512)).toBe(0);
  });

  it('gives its serial number', () => {
    const { driver, memory, request, status } = rig();
    driver.start();
    request(0, 8, 0, [{ address: DATA, length: 20, writable: true }]);
    driver.notify(0);
    expect(status(0)).toBe(0);
    expect(String.fromCharCode(...memory.ram.slice(DATA, DATA + 10))).toBe('GH-VIRTIO\0');
  });

  it('discards ranges', () => {
    const { backend, driver, memory, request, status } = rig();
    driver.start();
    memory.write64(DATA, 100n);
    memory.write32(DATA + 8, 3);
    request(0, 11, 0, [{ address: DATA, length: 16 }]);
    driver.notify(0);
    backend.settle();
    expect(status(0)).toBe(0);
    expect(backend.requests).toMatchObject([{ kind: 'discard', sector: 100, sectorCount: 3 }]);
  });

  it('writes zeroes, giving the place back where the driver says it may, and refuses flags it does not know', () => {
    const { backend, driver, memory, request, status } = rig();
    driver.start();
    expect([48, 52, 56].map((offset) => driver.config(offset, offset === 56 ? 1 : 4))).toEqual([1 << 22, 16, 1]);
    for (const [index, [sector, flags]] of [[100, 0], [200, 1], [300, 2]].entries()) {
      memory.write64(DATA + 16 * index, BigInt(sector!));
      memory.write32(DATA + 16 * index + 8, 3);
      memory.write32(DATA + 16 * index + 12, flags!);
    }
    request(0, 13, 0, [{ address: DATA, length: 32 }]);
    request(4, 13, 0, [{ address: DATA + 32, length: 16 }]);
    request(8, 11, 0, [{ address: DATA + 16, length: 16 }]);
    driver.notify(0);
    backend.settle();
    expect([0, 4, 8].map(status)).toEqual([0, 2, 2]);
    expect(backend.requests).toMatchObject([{ kind: 'zero', sector: 100, sectorCount: 3 }, { kind: 'discard', sector: 200, sectorCount: 3 }]);
    expect([...backend.sector(100, 3), ...backend.sector(200, 3)].every((byte) => byte === 0)).toBe(true);
  });

  it('takes requests from several queues and ends each where it came from, also after a restore', () => {
    const { backend, driver, memory, device, status, log } = rig();
    driver.start();
    expect([driver.config(34, 2), driver.common(0x12, 2)]).toEqual([4, 4]);
    for (const queue of [0, 3]) {
      memory.write32(HEADER + 16 * queue, 0);
      memory.write64(HEADER + 16 * queue + 8, BigInt(queue * 10));
      memory.write8(STATUS + queue, 0xee);
      driver.offer(queue, 0, [{ address: HEADER + 16 * queue, length: 16 }, { address: DATA + queue * 512, length: 512, writable: true }, { address: STATUS + queue, length: 1, writable: true }]);
      driver.notify(queue);
    }
    const twinMemory = new FakeGuestMemory(1 << 20);
    twinMemory.ram.set(memory.ram);
    const twinBackend = new FakeBlockBackend(twinMemory, { sectorCount: SECTORS });
    const twin = new VirtioBlock({ id: 'virtio-disk0', memory: twinMemory, backend: twinBackend, log });
    twin.restore(structuredClone(device.save()));
    backend.settle();
    twinBackend.settle();
    expect([0, 3].map(status)).toEqual([0, 0]);
    expect([0, 3].map((queue) => memory.read16(driver.used(queue) + 2))).toEqual([1, 1]);
    expect(memory.ram.slice(DATA + 3 * 512, DATA + 4 * 512)).toEqual(backend.sector(30).slice());
    expect(twinMemory.ram.slice(DATA, DATA + 4 * 512)).toEqual(memory.ram.slice(DATA, DATA + 4 * 512));
    expect(twinMemory.read16(driver.used(3) + 2)).toBe(1);
  });

  it.each([
    ['beyond the disk', 0, SECTORS, 512],
    ['far beyond the disk', 0, 2 ** 55, 512],
    ['not whole sectors', 0, 0, 500],
    ['nothing', 0, 0, 0],
  ])('answers a read of %s with an I/O error', (_what, type, sector, length) => {
    const { backend, driver, request, status } = rig();
    driver.start();
    request(0, type, sector, [{ address: DATA, length, writable: true }]);
    driver.notify(0);
    expect(status(0)).toBe(1);
    expect(backend.requests.length).toBe(0);
  });

  it('answers unknown requests as unsupported, failed ones and memory that is not there as I/O errors', () => {
    const { backend, driver, memory, request, status } = rig();
    driver.start();
    request(0, 99, 0, []);
    request(3, 0, 0, [{ address: 0x7000_0000, length: 512, writable: true }]);
    backend.failWith = 'io-error';
    request(6, 0, 0, [{ address: DATA, length: 512, writable: true }]);
    driver.notify(0);
    backend.settle();
    expect([status(0), status(3), status(6)]).toEqual([2, 1, 1]);
    expect(memory.openPins).toBe(0);
    const sealed = rig({ readOnly: true });
    expect(sealed.driver.offered & (1n << 5n)).not.toBe(0n);
    sealed.driver.start();
    sealed.request(0, 1, 0, [{ address: DATA, length: 512 }]);
    sealed.driver.notify(0);
    expect(sealed.status(0)).toBe(1);
  });

  it('counts 512-byte sectors on a disc of 2048-byte ones', () => {
    const { backend, driver, memory, request, status } = rig({ sectorBytes: 2048, readOnly: true });
    driver.start();
    expect([driver.config(0, 4), driver.config(20, 4)]).toEqual([SECTORS * 4, 2048]);
    request(0, 0, 8, [{ address: DATA, length: 2048, writable: true }]);
    request(3, 0, 9, [{ address: DATA, length: 2048, writable: true }]);
    driver.notify(0);
    backend.settle();
    expect([status(0), status(3)]).toEqual([0, 1]);
    expect(memory.ram.slice(DATA, DATA + 2048)).toEqual(backend.sector(2).slice());
  });

  it('works through the legacy registers', () => {
    const { backend, driver, memory, request, status } = rig();
    driver.startLegacy();
    expect(driver.legacy(0x14, 4)).toBe(SECTORS);
    expect(driver.legacy(0x0c, 2)).toBe(0);
    request(0, 0, 3, [{ address: DATA, length: 512, writable: true }]);
    driver.setLegacy(0x10, 2, 0);
    backend.settle();
    expect(status(0)).toBe(0);
    expect(memory.ram.slice(DATA, DATA + 512)).toEqual(backend.sector(3).slice());
    expect(driver.line.high).toBe(true);
    expect(driver.legacy(0x13, 1)).toBe(1);
    expect(driver.line.high).toBe(false);
  });

  it('works through the configuration access capability', () => {
    const { device } = rig();
    const access = device.capabilities[4]!;
    const structure = access.bytes.slice();
    const view = new DataView(structure.buffer);
    structure[4] = 4;
    view.setUint32(8, 0x2000, true);
    view.setUint32(12, 4, true);
    access.reading!(structure, 16, 4);
    expect(view.getUint32(16, true)).toBe(SECTORS);
    view.setUint32(8, 0x3ffe, true);
    expect(() => access.reading!(structure, 16, 4)).not.toThrow();
  });

  it('settles features only when they are a subset of its own with VERSION_1', () => {
    const { driver } = rig();
    expect(driver.accept(driver.offered) & 8).toBe(8);
    driver.setCommon(0x14, 1, 0);
    expect(driver.accept(driver.offered & ~(1n << 32n)) & 8).toBe(0);
    driver.setCommon(0x14, 1, 0);
    expect(driver.accept(driver.offered | (1n << 33n)) & 8).toBe(0);
  });

  it('interrupts only when the used index passes the event index, and asks for notifications by it', () => {
    const { backend, driver, request } = rig();
    driver.start();
    driver.setUsedEvent(0, 1);
    request(0, 4, 0, []);
    driver.notify(0);
    backend.settle();
    expect(driver.line.high).toBe(false);
    expect(driver.availableEvent(0)).toBe(1);
    request(3, 4, 0, []);
    driver.notify(0);
    backend.settle();
    expect(driver.line.high).toBe(true);
    expect(driver.availableEvent(0)).toBe(2);
    driver.isr();
    request(6, 4, 0, []);
    driver.notify(0);
    backend.settle();
    expect(driver.line.high, 'the event lies behind').toBe(false);
  });

  it.each([
    ['a loop', (d: VirtioDriver) => { d.describe(0, 0, { address: DATA, length: 16 }, 1, 0); d.offerHead(0, 0); }],
    ['a head outside the table', (d: VirtioDriver) => { d.offerHead(0, 16); }],
    ['a next outside the table', (d: VirtioDriver) => { d.describe(0, 0, { address: DATA, length: 16 }, 1, 99); d.offerHead(0, 0); }],
    ['an indirect table within one', (d: VirtioDriver) => {
      d.describe(0, 0, { address: 0x3000, length: 16 }, 4, 0, 0x3000);
      d.describe(0, 0, { address: 0x3000, length: 16 }, 4, 0);
      d.offerHead(0, 0);
    }],
    ['an indirect table of odd length', (d: VirtioDriver) => { d.describe(0, 0, { address: 0x3000, length: 17 }, 4, 0); d.offerHead(0, 0); }],
    ['writable before readable', (d: VirtioDriver) => { d.offer(0, 0, [{ address: DATA, length: 16, writable: true }, { address: DATA, length: 16 }]); }],
    ['more entries than the queue has', (d: VirtioDriver) => { d.memory.write16(d.available(0) + 2, 17); }],
    ['a chain of gigabytes', (d: VirtioDriver) => { d.offer(0, 0, [{ address: DATA, length: 0xffff_ffff }, { address: DATA, length: 0xffff_ffff }]); }],
  ])('stops and asks for a reset at %s', (_what, misbehave) => {
    const { backend, driver, log, request, status } = rig();
    driver.start();
    misbehave(driver);
    driver.notify(0);
    expect(driver.common(0x14, 1) & 0x40).toBe(0x40);
    expect(driver.isr()).toBe(2);
    expect(log.lines.length).toBe(1);
    driver.notify(0);
    expect(backend.requests.length).toBe(0);
    driver.setCommon(0x14, 1, 0);
    driver.start();
    request(0, 0, 1, [{ address: DATA, length: 512, writable: true }]);
    driver.notify(0);
    backend.settle();
    expect(status(0)).toBe(0);
  });

  it('never has more requests under way than its queue has entries', () => {
    const { backend, driver, request } = rig();
    driver.start();
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 5; index++) request(index * 3, 0, index, [{ address: DATA + 512 * index, length: 512, writable: true }]);
      driver.notify(0);
    }
    expect(backend.waiting).toBe(16);
    backend.settle();
    expect(driver.takeUsed(0).length).toBeLessThanOrEqual(25);
    expect(backend.requests.length).toBe(25);
  });

  it('forgets requests that a reset overtook', () => {
    const { backend, driver, memory, request } = rig();
    driver.start();
    request(0, 0, 1, [{ address: DATA, length: 512, writable: true }]);
    driver.notify(0);
    driver.setCommon(0x14, 1, 0);
    backend.settle();
    expect([driver.line.high, memory.openPins]).toEqual([false, 0]);
    driver.start();
    expect(driver.takeUsed(0)).toEqual([]);
    request(0, 0, 1, [{ address: DATA, length: 512, writable: true }]);
    driver.notify(0);
    driver.setCommon(0x14, 1, 0);
    driver.start();
    request(0, 4, 0, []);
    driver.notify(0);
    backend.settle();
    expect(driver.takeUsed(0), 'the flush, not the read before it').toEqual([[0, 1]]);
  });

  it('issues unfinished requests again after a restore', () => {
    const first = rig();
    const second = rig();
    first.driver.start({ without: [29] });
    second.driver.start({ without: [29] });
    first.request(0, 0, 10, [{ address: DATA, length: 512, writable: true }]);
    first.request(3, 0, 11, [{ address: DATA + 512, length: 512, writable: true }]);
    first.driver.notify(0);
    second.memory.ram.set(first.memory.ram);
    second.device.restore(structuredClone(first.device.save()));
    expect(second.backend.waiting).toBe(2);
    second.backend.settle();
    expect(second.driver.takeUsed(0)).toEqual([[0, 513], [3, 513]]);
    expect(second.memory.ram.slice(DATA, DATA + 1024)).toEqual(second.backend.sector(10, 2).slice());
    expect(second.driver.line.high).toBe(true);
  });

  it('survives rings full of noise', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { backend, driver, memory } = rig();
      const random = new SeededRandom(seed);
      driver.start();
      for (let at = 0x10000; at < 0x14000; at++) memory.write8(at, random.below(3) === 0 ? random.below(256) : 0);
      memory.write16(driver.available(0) + 2, 1 + random.below(16));
      expect(() => { driver.notify(0); backend.settle(); }, `seed ${seed}`).not.toThrow();
      expect(memory.openPins).toBe(0);
    }
  });
});
