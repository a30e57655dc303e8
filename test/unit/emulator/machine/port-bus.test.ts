import { describe, expect, it } from 'vitest';
import { IoPortBus } from '../../../../src/emulator/machine/port-bus.ts';
import type { IoHandler } from '../../../../src/emulator/interfaces/bus.ts';

function recorder(values: readonly number[] = []): IoHandler & { calls: string[] } {
  const calls: string[] = [];
  return {
    calls,
    read(offset, width) {
      calls.push(`r${width}@${offset}`);
      return values[offset] ?? 0;
    },
    write(offset, width, value) {
      calls.push(`w${width}@${offset}=${value.toString(16)}`);
    },
  };
}

function newBus() {
  const lines: string[] = [];
  return { lines, bus: new IoPortBus({ log: (_level, topic, message) => lines.push(`${topic}: ${message}`) }) };
}

describe('IoPortBus', () => {
  it('hands an access to the claim with an offset from its base', () => {
    const { bus } = newBus();
    const chip = recorder([0, 0, 0x1234]);
    bus.claim('chip', 0x300, 8, chip);
    expect(bus.read(0x302, 2)).toBe(0x1234);
    bus.write(0x304, 4, 0xdeadbeef);
    expect(chip.calls).toEqual(['r2@2', 'w4@4=deadbeef']);
  });

  it('splits an access that is wider than the claim it begins in', () => {
    const { bus } = newBus();
    const first = recorder([0x11]);
    const second = recorder([0x22, 0x33]);
    bus.claim('first', 0x60, 1, first);
    bus.claim('second', 0x61, 2, second);
    expect(bus.read(0x60, 4)).toBe(0xff332211);
    bus.write(0x60, 4, 0x44332211);
    expect(first.calls).toEqual(['r1@0', 'w1@0=11']);
    expect(second.calls).toEqual(['r1@0', 'r1@1', 'w1@0=22', 'w1@1=33']);
  });

  it('reads all ones where nothing answers, and names each such port once', () => {
    const { bus, lines } = newBus();
    expect(bus.read(0x999, 1)).toBe(0xff);
    expect(bus.read(0x999, 2)).toBe(0xffff);
    expect(bus.read(0x999, 4)).toBe(0xffff_ffff);
    bus.write(0x999, 1, 5);
    expect(lines.filter((line) => line.includes('0x999'))).toHaveLength(1);
    for (let port = 0; port < 0x10000; port++) bus.read(port, 1);
    expect(lines.length).toBeLessThanOrEqual(64);
  });

  it('wraps an access at the last port', () => {
    const { bus } = newBus();
    bus.claim('zero', 0, 1, recorder([0x77]));
    expect(bus.read(0xffff, 2)).toBe(0x77ff);
  });

  it('refuses a second claim of a port and frees ports of a disposed claim', () => {
    const { bus } = newBus();
    const claim = bus.claim('one', 0x10, 4, recorder());
    expect(() => bus.claim('two', 0x13, 1, recorder())).toThrow('two and one both claim port 0x13');
    claim.dispose();
    claim.dispose();
    bus.claim('two', 0x13, 1, recorder([9]));
    expect(bus.read(0x13, 1)).toBe(9);
    expect(bus.ownerOf(0x10)).toBeUndefined();
  });

  it('transfers a block byte by byte where the chip has no block handler', () => {
    const { bus } = newBus();
    let next = 0;
    const written: number[] = [];
    bus.claim('fifo', 0x1f0, 1, { read: () => next++, write: (_offset, _width, value) => written.push(value) });
    const target = new Uint8Array(5);
    expect(bus.readBlock(0x1f0, 1, target)).toBe(5);
    expect([...target]).toEqual([0, 1, 2, 3, 4]);
    expect(bus.writeBlock(0x1f0, 1, Uint8Array.of(7, 8))).toBe(2);
    expect(written).toEqual([7, 8]);
  });
});
