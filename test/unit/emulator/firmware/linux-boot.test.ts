import { describe, expect, it } from 'vitest';

import { FW_CFG_KEYS } from '../../../../src/emulator/firmware/fw-cfg-keys.ts';
import type { LinuxBootPlan } from '../../../../src/emulator/firmware/linux-boot.ts';
import { planLinuxBoot } from '../../../../src/emulator/firmware/linux-boot.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';
import { tinyKernel } from './tiny-kernel.ts';

const MIB = 1024 * 1024;
const RAM = 64 * MIB;

function plan(files: { kernel?: Uint8Array; initrd?: Uint8Array; commandLine?: string } = {}, ramBytes = RAM): ReturnType<typeof planLinuxBoot> {
  return planLinuxBoot({ kernel: files.kernel ?? tinyKernel(), initrd: files.initrd, commandLine: files.commandLine ?? '' }, ramBytes);
}

function planned(...parameters: Parameters<typeof plan>): LinuxBootPlan {
  const result = plan(...parameters);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

function errorCode(...parameters: Parameters<typeof plan>): string | undefined {
  const result = plan(...parameters);
  return result.ok ? undefined : result.error.code;
}

function item(of: LinuxBootPlan, key: number): Uint8Array {
  const found = of.items.find((candidate) => 'key' in candidate && candidate.key === key);
  if (found === undefined) throw new Error(`no item ${key}`);
  return found.bytes;
}

function number(bytes: Uint8Array, offset = 0): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
}

describe('planLinuxBoot', () => {
  it('splits the kernel at the end of its real-mode code', () => {
    const kernel = tinyKernel();
    const boot = planned({ kernel });
    expect(item(boot, FW_CFG_KEYS.setupData)).toHaveLength(5 * 512);
    expect(number(item(boot, FW_CFG_KEYS.setupAddress))).toBe(0x10000);
    expect(number(item(boot, FW_CFG_KEYS.kernelAddress))).toBe(0x100000);
    expect([...item(boot, FW_CFG_KEYS.kernelData)]).toEqual([...kernel.subarray(5 * 512)]);
    expect(boot.kernelVersion).toBe('1.2.3-tiny (test)');
    expect(boot.is64Bit).toBe(true);
  });

  it('tells the kernel where its command line, heap and RAM disk are, and leaves the file alone', () => {
    const kernel = tinyKernel();
    const before = kernel.slice();
    const boot = planned({ kernel, initrd: new Uint8Array(5000), commandLine: 'quiet' });
    const setup = item(boot, FW_CFG_KEYS.setupData);
    expect(setup[0x210]).toBe(0xff);
    expect(setup[0x211]).toBe(0x81);
    expect(number(setup, 0x228)).toBe(number(item(boot, FW_CFG_KEYS.commandLineAddress)));
    expect(number(setup, 0x218)).toBe(boot.initrdAddress);
    expect(number(setup, 0x21c)).toBe(5000);
    expect(new TextDecoder().decode(item(boot, FW_CFG_KEYS.commandLineData))).toBe('quiet\0');
    expect([...kernel]).toEqual([...before]);
  });

  it.each([
    ['high in RAM, below what the firmware keeps', RAM, {}, '', 63 * MIB - 8192],
    ['below 3 GiB where RAM goes on above 4 GiB', 3584 * MIB, { initrdAddressMaximum: 0xffffffff }, '', 3071 * MIB - 8192],
    ['below the kernel\'s own limit', 3584 * MIB, { initrdAddressMaximum: 0x37ffffff }, '', 0x38000000 - 8192],
    ['below mem=', RAM, {}, 'mem=9M quiet mem=32M', 32 * MIB - 8192],
  ] as const)('puts the RAM disk %s', (_, ramBytes, fields, commandLine, address) => {
    expect(planned({ kernel: tinyKernel(fields), initrd: new Uint8Array(5000), commandLine }, ramBytes).initrdAddress).toBe(address);
  });

  it.each([['', 0xffff], ['vga=ask', 0xfffd], ['vga=791', 791], ['vga=0x317', 0x317], ['vga=nonsense', 0xffff]])('takes the video mode from "%s"', (commandLine, mode) => {
    const setup = item(planned({ commandLine }), FW_CFG_KEYS.setupData);
    expect(setup[0x1fa]! + setup[0x1fb]! * 256).toBe(mode);
  });

  it.each([
    ['an empty file', new Uint8Array(0)],
    ['zeros', new Uint8Array(100_000)],
    ['an ELF program', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, ...new Uint8Array(10_000))],
    ['a boot sector', tinyKernel().fill(0, 0x202)],
  ])('refuses %s as a kernel', (_, kernel) => {
    expect(errorCode({ kernel })).toBe('kernel.not-a-kernel');
  });

  it('tells an ELF file, a RAM disk and a CD image by name', () => {
    const advice = (kernel: Uint8Array): string => {
      const result = plan({ kernel });
      return result.ok ? '' : result.error.message;
    };
    expect(advice(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46))).toContain('vmlinux');
    expect(advice(Uint8Array.of(0x1f, 0x8b))).toContain('RAM disk');
    const cd = new Uint8Array(0x9000);
    cd.set(new TextEncoder().encode('CD001'), 0x8001);
    expect(advice(cd)).toContain('CD image');
  });

  it('refuses a kernel cut off anywhere', () => {
    const kernel = tinyKernel();
    for (const length of [0x206, 0x263, 1000, kernel.length - 1]) expect(errorCode({ kernel: kernel.slice(0, length) })).toBe('kernel.truncated');
  });

  it('refuses protocols before 2.02 and zImages', () => {
    expect(errorCode({ kernel: tinyKernel({ version: 0x0201 }) })).toBe('kernel.too-old');
    expect(errorCode({ kernel: tinyKernel({ loadFlags: 0 }) })).toBe('kernel.too-old');
  });

  it('takes a command line as long as the kernel allows and no longer', () => {
    expect(errorCode({ commandLine: 'x'.repeat(2047) })).toBeUndefined();
    expect(errorCode({ commandLine: 'x'.repeat(2048) })).toBe('kernel.command-line-too-long');
    expect(errorCode({ commandLine: 'ü'.repeat(1024) })).toBe('kernel.command-line-too-long');
    expect(errorCode({ commandLine: 'a\0b' })).toBe('kernel.command-line-invalid');
  });

  it('says how much memory a kernel needs', () => {
    const result = plan({ kernel: tinyKernel({ initBytes: 70 * MIB }) });
    expect(result).toMatchObject({ ok: false, error: { code: 'memory.too-small-for-kernel' } });
    if (!result.ok) expect(result.error.message).toContain('72 MiB');
  });

  it('refuses a RAM disk that does not fit beside the kernel', () => {
    expect(errorCode({ initrd: new Uint8Array(62 * MIB) })).toBe('memory.too-small-for-initrd');
    expect(errorCode({ initrd: new Uint8Array(2 * MIB), commandLine: 'mem=2M' })).toBe('memory.too-small-for-initrd');
  });

  it('never throws over damaged headers', () => {
    const random = new SeededRandom(7);
    for (let round = 0; round < 2000; round++) {
      const kernel = tinyKernel();
      for (let flips = 0; flips < 8; flips++) kernel[0x1f1 + random.below(0x73)] = random.below(256);
      expect(() => plan({ kernel, initrd: new Uint8Array(3), commandLine: 'vga=1 mem=1k' })).not.toThrow();
    }
  });
});
