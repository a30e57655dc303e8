import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { networkRomFor } from '../../../../src/emulator/firmware/network-rom.ts';

const firmware = join(import.meta.dirname, '../../../../assets/firmware');
const images = existsSync(firmware) ? readdirSync(firmware).filter((name) => name.startsWith('pxe-')) : [];

test.runIf(images.length > 0).each(images)('%s names the card that it is put on, and its sum is zero', (name) => {
  const image = readFileSync(join(firmware, name));
  const rom = networkRomFor(image, { vendorId: 0x1af4, deviceId: 0x1000 })!;
  expect(rom.length).toBe(image.length);
  const at = rom[0x18]! | (rom[0x19]! << 8);
  expect([...rom.subarray(at, at + 8)]).toEqual([...Buffer.from('PCIR'), 0xf4, 0x1a, 0x00, 0x10]);
  expect(rom.subarray(0, rom[2]! * 512).reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
});

test('what is no expansion ROM is none', () => {
  const rom = new Uint8Array(1024);
  expect(networkRomFor(new Uint8Array(), { vendorId: 1, deviceId: 2 })).toBeUndefined();
  expect(networkRomFor(rom, { vendorId: 1, deviceId: 2 })).toBeUndefined();
  rom.set([0x55, 0xaa, 2]);
  expect(networkRomFor(rom, { vendorId: 1, deviceId: 2 })).toBeUndefined();
  rom.set([0xff, 0xff], 0x18);
  expect(networkRomFor(rom, { vendorId: 1, deviceId: 2 })).toBeUndefined();
  rom.set([0x40, 0], 0x18);
  rom.set(Buffer.from('PCIR'), 0x40);
  expect(networkRomFor(rom, { vendorId: 1, deviceId: 2 })).toBeDefined();
  rom[2] = 3;
  expect(networkRomFor(rom, { vendorId: 1, deviceId: 2 })).toBeUndefined();
});
