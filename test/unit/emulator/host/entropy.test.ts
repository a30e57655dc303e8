import { describe, expect, it } from 'vitest';
import { HostEntropy, SeededEntropy } from '../../../../src/emulator/host/entropy.ts';

function bytesOf(source: { fill(target: Uint8Array): void }, length: number): string {
  const target = new Uint8Array(new SharedArrayBuffer(length));
  source.fill(target);
  return Buffer.from(target).toString('hex');
}

describe('Entropy', () => {
  it('repeats itself for the same seed and differs for another', () => {
    expect(bytesOf(new SeededEntropy(5), 33)).toBe(bytesOf(new SeededEntropy(5), 33));
    expect(bytesOf(new SeededEntropy(5), 32)).not.toBe(bytesOf(new SeededEntropy(6), 32));
    expect(bytesOf(new SeededEntropy(0), 32)).not.toBe('00'.repeat(32));
  });

  it('fills shared memory from the host', () => {
    expect(bytesOf(new HostEntropy(), 32)).not.toBe(bytesOf(new HostEntropy(), 32));
  });
});
