import { describe, expect, it } from 'vitest';
import { SerialChannel } from '../../../../src/emulator/host/serial-channel.ts';

describe('SerialChannel', () => {
  it('collects output until it is flushed', () => {
    const posted: number[][] = [];
    const channel = new SerialChannel((bytes) => posted.push([...bytes]));
    channel.send(Uint8Array.of(1, 2));
    channel.send(new Uint8Array(5_000).fill(3));
    expect(posted).toEqual([]);
    channel.flush();
    channel.flush();
    expect(posted).toHaveLength(1);
    expect(posted[0]!.length).toBe(5_002);
    expect(posted[0]!.slice(0, 3)).toEqual([1, 2, 3]);
  });

  it('is congested while a megabyte waits for its receiver', () => {
    const channel = new SerialChannel(() => {});
    channel.send(new Uint8Array((1 << 20) + 1));
    channel.flush();
    expect(channel.congested).toBe(true);
    channel.drained(100);
    expect(channel.congested).toBe(false);
  });

  it('gives input in the portions that are asked for', () => {
    const channel = new SerialChannel(() => {});
    let told = 0;
    channel.onReadable = () => told++;
    channel.deliver(Uint8Array.of(1, 2, 3));
    channel.deliver(Uint8Array.of(4, 5));
    expect(told).toBe(2);
    expect(channel.available).toBe(5);
    expect([...channel.receive(2)]).toEqual([1, 2]);
    expect([...channel.receive(2)]).toEqual([3, 4]);
    expect([...channel.receive(9)]).toEqual([5]);
    expect([...channel.receive(9)]).toEqual([]);
  });
});
