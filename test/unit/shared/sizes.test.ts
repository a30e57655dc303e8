import { describe, expect, test } from 'vitest';
import { checkMemoryBytes, formatSize, GIB, MIB, parseDiskSize, parseMemorySize, parseSize } from '../../../src/shared/sizes.ts';

describe('sizes', () => {
  test.each([['256M', 256 * MIB], ['1.5 GiB', 1.5 * GIB], ['4096k', 4 * MIB], ['1048576', MIB], ['64MB', 64 * MIB]])('%s is read as people mean it', (text, bytes) => {
    expect(parseSize(text)).toEqual({ ok: true, value: bytes });
  });

  test.each([['', 'size.malformed'], ['M', 'size.malformed'], ['0x10M', 'size.malformed'], ['1e9', 'size.malformed'], ['-5M', 'size.negative'], ['99999999999T', 'size.absurd'], ['0.3', 'size.absurd'], ['NaN', 'size.malformed']])('"%s" is refused', (text, code) => {
    expect(parseSize(text)).toMatchObject({ ok: false, error: { code } });
  });

  test('memory without a unit is in MiB, as other programs have it, unless it is plainly bytes', () => {
    expect(parseMemorySize('512')).toEqual({ ok: true, value: 512 * MIB });
    expect(parseMemorySize('268435456')).toEqual({ ok: true, value: 256 * MIB });
  });

  test.each([[0, 'memory.too-small'], [-MIB, 'memory.too-small'], [Number.NaN, 'memory.too-small'], [64 * GIB, 'memory.too-large'], [4 * MIB + 1, 'memory.not-whole']])('%d bytes of memory are refused', (bytes, code) => {
    expect(checkMemoryBytes(bytes)).toMatchObject({ ok: false, error: { code } });
  });

  test('a disk is at least a MiB and whole sectors', () => {
    expect(parseDiskSize('10G')).toEqual({ ok: true, value: 10 * GIB });
    expect(parseDiskSize('100')).toMatchObject({ ok: false, error: { code: 'disk.too-small' } });
    expect(parseDiskSize('2097153')).toMatchObject({ ok: false, error: { code: 'disk.not-whole' } });
    expect(parseDiskSize('1000T')).toMatchObject({ ok: false, error: { code: 'disk.too-large' } });
  });

  test('sizes are shown with one decimal at most', () => {
    expect([formatSize(512), formatSize(256 * MIB), formatSize(1.25 * GIB)]).toEqual(['512 bytes', '256 MiB', '1.3 GiB']);
  });
});
