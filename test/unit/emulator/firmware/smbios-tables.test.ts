import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import type { BoardDescription } from '../../../../src/emulator/firmware/board-description.ts';
import { completeSmbiosAnchor, smbiosFiles } from '../../../../src/emulator/firmware/smbios-tables.ts';
import { isInstalled } from '../../../support/installed-program.ts';

const MIB = 1024 * 1024;
const BOARD: BoardDescription = {
  ramBytes: 3584 * MIB, cpuCount: 2, hasCom2: true, machineName: 'Täst', uuid: Uint8Array.from({ length: 16 }, (_, index) => index * 17),
};

describe('smbiosFiles', () => {
  it('counts its structures and their lengths in the entry point', () => {
    const { tables, anchor } = smbiosFiles(BOARD);
    const types: number[] = [];
    let longest = 0;
    for (let at = 0; at < tables.length;) {
      const start = at;
      types.push(tables[at]!);
      at += tables[at + 1]!;
      while (tables[at] !== 0 || tables[at + 1] !== 0) at++;
      at += 2;
      longest = Math.max(longest, at - start);
    }
    expect(types).toEqual([0, 1, 3, 4, 4, 16, 17, 19, 19, 32, 127]);
    const view = new DataView(anchor.buffer);
    expect([anchor.length, view.getUint16(8, true), view.getUint16(22, true), view.getUint16(28, true)]).toEqual([31, longest, tables.length, types.length]);
  });

  it('has an entry point that adds up once it is completed', () => {
    const anchor = completeSmbiosAnchor(smbiosFiles(BOARD).anchor, 0xf5000);
    const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;
    expect([sum(anchor), sum(anchor.subarray(16))]).toEqual([0, 0]);
  });

  it.skipIf(!isInstalled('dmidecode', '--version'))('is read by dmidecode as it is meant (needs dmidecode)', () => {
    const { tables, anchor } = smbiosFiles(BOARD);
    const folder = mkdtempSync(join(tmpdir(), 'guesthouse-smbios-'));
    try {
      const dump = new Uint8Array(32 + tables.length);
      dump.set(completeSmbiosAnchor(anchor, 32));
      dump.set(tables, 32);
      writeFileSync(join(folder, 'dump'), dump);
      const { stdout } = spawnSync('dmidecode', ['--from-dump', join(folder, 'dump')], { encoding: 'utf8' });
      for (const line of ['SMBIOS 2.8 present.', 'Manufacturer: Guesthouse', 'UUID: 00112233-4455-6677-8899-aabbccddeeff', 'Family: T?st', 'Maximum Capacity: 3584 MB',
        'Size: 3584 MB', 'Range Size: 3 GB', 'Range Size: 512 MB', 'System is a virtual machine', 'Socket Designation: CPU 1', 'Wake-up Type: Power Switch']) expect(stdout).toContain(line);
      expect(stdout).not.toMatch(/out of spec|truncated|invalid|broken|wrong/i);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
