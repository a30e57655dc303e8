import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { assetsFolder } from '../../../../scripts/build/folders.mjs';
import { directBootRom } from '../../../../src/emulator/firmware/direct-boot-rom.ts';
import { isInstalled } from '../../../support/installed-program.ts';
import { TINY_KERNEL_PAYLOAD, tinyKernel } from './tiny-kernel.ts';

const QEMU = 'qemu-system-x86_64';
const BIOS = join(assetsFolder, 'firmware/bios-256k.bin');
const canRunQemu = isInstalled(QEMU, '--version') && existsSync(BIOS);
const canDisassemble = isInstalled('objdump', '--version');

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => total + byte, 0) & 0xff;
}

function inTemporaryFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'guesthouse-rom-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('directBootRom', () => {
  it('is a Plug and Play option ROM with a bootstrap entry vector', () => {
    const rom = directBootRom();
    const view = new DataView(rom.buffer);
    expect(view.getUint16(0, true)).toBe(0xaa55);
    expect(rom[2]! * 512).toBe(rom.length);
    expect(sum(rom)).toBe(0);
    const pnp = view.getUint16(0x1a, true);
    expect(new TextDecoder().decode(rom.subarray(pnp, pnp + 4))).toBe('$PnP');
    expect(sum(rom.subarray(pnp, pnp + rom[pnp + 5]! * 16))).toBe(0);
    expect(view.getUint16(pnp + 0x1a, true)).toBe(pnp + 32);
    const product = view.getUint16(pnp + 0x10, true);
    expect(new TextDecoder().decode(rom.subarray(product, product + 12))).toBe('Linux kernel');
  });

  it.skipIf(!canDisassemble)('is assembled as its listing says (needs objdump)', () => {
    const listing = inTemporaryFolder((folder) => {
      const file = join(folder, 'rom');
      writeFileSync(file, directBootRom());
      const found = spawnSync('objdump', ['-D', '-b', 'binary', '-m', 'i8086', '-M', 'intel', '--start-address=0x40', '--stop-address=0x101', file], { encoding: 'utf8' });
      return found.stdout.split('\n').flatMap((line) => line.split('\t')[2]?.replace(/\s+/g, ' ').trim() ?? []);
    });
    expect(listing).not.toContain('(bad)');
    expect(listing.slice(0, 8)).toEqual(['cli', 'cld', 'xor ax,ax', 'mov ds,ax', 'mov ss,ax', 'mov sp,0x7c00', 'mov si,0x101', 'mov al,BYTE PTR cs:[si]']);
    expect(listing.at(-1)).toBe('ret');
    expect(listing).toContain('mov eax,0x7c0000');
    expect(listing.filter((line) => line === 'out dx,eax')).toHaveLength(2);
  });

  // QEMU offers a kernel under the same keys; put in the place of QEMU's own ROM, ours must start it.
  it.skipIf(!canRunQemu)('starts a kernel with command line and RAM disk under QEMU (needs qemu-system-x86 and the firmware)', () => {
    inTemporaryFolder((folder) => {
      const path = (name: string): string => join(folder, name);
      writeFileSync(path('linuxboot_dma.bin'), directBootRom());
      writeFileSync(path('kernel'), tinyKernel());
      writeFileSync(path('initrd'), '<the RAM disk!!>'.repeat(300));
      const run = spawnSync(QEMU, ['-M', 'pc', '-accel', 'tcg', '-m', '32', '-L', folder, '-bios', BIOS,
        '-display', 'none', '-nic', 'none', '-no-reboot', '-kernel', path('kernel'), '-initrd', path('initrd'), '-append', 'hello=world',
        '-chardev', `file,id=log,path=${path('log')}`, '-device', 'isa-debugcon,iobase=0x402,chardev=log', '-device', 'isa-debug-exit,iobase=0xf4'], { timeout: 100_000, killSignal: 'SIGKILL', encoding: 'utf8' });
      expect(run.stderr).not.toMatch(/error/i);
      expect(run.status).toBe(1);
      const log = readFileSync(path('log'), 'latin1');
      expect(log).toContain(`hello=world${TINY_KERNEL_PAYLOAD}<the RAM disk!!>`);
    });
  }, 120_000);
});
