import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import type { AcpiFiles } from '../../../../src/emulator/firmware/acpi-tables.ts';
import { ACPI_RSDP_FILE, ACPI_TABLES_FILE, acpiFiles } from '../../../../src/emulator/firmware/acpi-tables.ts';
import type { BoardDescription } from '../../../../src/emulator/firmware/board-description.ts';
import { isInstalled } from '../../../support/installed-program.ts';

const MIB = 1024 * 1024;
const BOARD: BoardDescription = { ramBytes: 256 * MIB, cpuCount: 2, hasCom2: true, machineName: 'test', uuid: new Uint8Array(16) };
const TABLES_ADDRESS = 0x0ffe0000;
const RSDP_ADDRESS = 0xf5000;

function ascii(bytes: Uint8Array): string {
  const text = String.fromCharCode(...bytes);
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => total + byte, 0) & 0xff;
}

/** Carries out the loader's script as a firmware does. */
function load(files: AcpiFiles): { tables: Uint8Array; rsdp: Uint8Array } {
  const loaded = { tables: files.tables.slice(), rsdp: files.rsdp.slice() };
  const places = new Map([[ACPI_TABLES_FILE, { bytes: loaded.tables, address: TABLES_ADDRESS }], [ACPI_RSDP_FILE, { bytes: loaded.rsdp, address: RSDP_ADDRESS }]]);
  const allocated = new Set<string>();
  const place = (name: string): { bytes: Uint8Array; address: number } => {
    if (!allocated.has(name)) throw new Error(`${name} is not allocated yet`);
    return places.get(name)!;
  };
  expect(files.loader.length % 128).toBe(0);
  for (let at = 0; at < files.loader.length; at += 128) {
    const entry = files.loader.slice(at, at + 128);
    const view = new DataView(entry.buffer);
    const file = ascii(entry.subarray(4, 60));
    switch (view.getUint32(0, true)) {
      case 1:
        expect(places.has(file)).toBe(true);
        allocated.add(file);
        break;
      case 2: {
        const target = place(file);
        const source = place(ascii(entry.subarray(60, 116)));
        const offset = view.getUint32(116, true);
        const targetView = new DataView(target.bytes.buffer);
        if (entry[120] === 4) targetView.setUint32(offset, targetView.getUint32(offset, true) + source.address, true);
        else targetView.setBigUint64(offset, targetView.getBigUint64(offset, true) + BigInt(source.address), true);
        break;
      }
      case 3: {
        const { bytes } = place(file);
        const start = view.getUint32(64, true);
        const offset = view.getUint32(60, true);
        bytes[offset] = bytes[offset]! - sum(bytes.subarray(start, start + view.getUint32(68, true)));
        break;
      }
      default:
        throw new Error('unknown command');
    }
  }
  return loaded;
}

/** The tables that the XSDT leads to, by signature, and the DSDT behind the FADT. */
function tablesOf(files: AcpiFiles): Map<string, Uint8Array> {
  const { tables, rsdp } = load(files);
  const view = new DataView(tables.buffer);
  const tableAt = (address: number): Uint8Array => {
    const offset = address - TABLES_ADDRESS;
    return tables.slice(offset, offset + view.getUint32(offset + 4, true));
  };
  const rsdpView = new DataView(rsdp.buffer);
  const xsdt = tableAt(Number(rsdpView.getBigUint64(24, true)));
  const rsdt = tableAt(rsdpView.getUint32(16, true));
  const found = new Map([['XSDT', xsdt], ['RSDT', rsdt]]);
  for (let at = 36, index = 0; at < xsdt.length; at += 8, index++) {
    const address = Number(new DataView(xsdt.buffer).getBigUint64(at, true));
    expect(new DataView(rsdt.buffer).getUint32(36 + 4 * index, true)).toBe(address);
    const table = tableAt(address);
    found.set(ascii(table.subarray(0, 4)), table);
  }
  const fadt = new DataView(found.get('FACP')!.buffer);
  expect(Number(fadt.getBigUint64(140, true))).toBe(fadt.getUint32(40, true));
  found.set('DSDT', tableAt(fadt.getUint32(40, true)));
  found.set('FACS', tableAt(fadt.getUint32(36, true)));
  expect(fadt.getUint32(36, true) % 64).toBe(0);
  return found;
}

describe('acpiFiles', () => {
  it('makes tables that link up and add up once the script has run', () => {
    const { rsdp } = load(acpiFiles(BOARD));
    expect(ascii(rsdp.subarray(0, 8))).toBe('RSD PTR ');
    expect(sum(rsdp.subarray(0, 20))).toBe(0);
    expect(sum(rsdp)).toBe(0);
    const tables = tablesOf(acpiFiles(BOARD));
    expect([...tables.keys()].sort()).toEqual(['APIC', 'DSDT', 'FACP', 'FACS', 'RSDT', 'WAET', 'XSDT']);
    for (const [signature, table] of tables) {
      expect(ascii(table.subarray(0, 4))).toBe(signature);
      if (signature !== 'FACS') expect(sum(table), signature).toBe(0);
    }
  });

  it('describes the power management block, the SCI and the reset register', () => {
    const fadt = new DataView(tablesOf(acpiFiles(BOARD)).get('FACP')!.buffer);
    expect(fadt.byteLength).toBe(244);
    expect(fadt.getUint16(46, true)).toBe(9);
    expect([56, 64, 76].map((offset) => fadt.getUint32(offset, true))).toEqual([0x600, 0x604, 0x608]);
    expect([fadt.getBigUint64(120, true), fadt.getUint8(128)]).toEqual([0xcf9n, 6]);
  });

  it('lists every CPU, the I/O APIC and the interrupts that differ from ISA in the MADT', () => {
    const madt = tablesOf(acpiFiles(BOARD)).get('APIC')!;
    const kinds: string[] = [];
    for (let at = 44; at < madt.length; at += madt[at + 1]!) kinds.push([...madt.subarray(at, at + madt[at + 1]!)].join(' '));
    expect(kinds).toEqual([
      '0 8 0 0 1 0 0 0', '0 8 1 1 1 0 0 0',
      '1 12 0 0 0 0 192 254 0 0 0 0',
      '2 10 0 0 2 0 0 0 0 0', '2 10 0 5 5 0 0 0 13 0', '2 10 0 9 9 0 0 0 13 0', '2 10 0 10 10 0 0 0 13 0', '2 10 0 11 11 0 0 0 13 0',
      '4 6 255 0 0 1',
    ]);
  });

  it.skipIf(!isInstalled('iasl', '-v')).each([
    ['one CPU and little memory', { ...BOARD, cpuCount: 1, hasCom2: false }, '0x80000000'],
    ['two CPUs and much memory', { ...BOARD, ramBytes: 3584 * MIB }, '0xC0000000'],
  ])('passes through iasl with %s (needs acpica-tools)', (_, board, windowBase) => {
    const folder = mkdtempSync(join(tmpdir(), 'guesthouse-acpi-'));
    try {
      for (const [signature, table] of tablesOf(acpiFiles(board))) writeFileSync(join(folder, `${signature}.dat`), table);
      const run = (...words: string[]): string => {
        const { stdout, stderr } = spawnSync('iasl', words, { cwd: folder, encoding: 'utf8' });
        return stdout + stderr;
      };
      for (const signature of ['FACP', 'APIC', 'WAET', 'XSDT', 'RSDT', 'FACS']) expect(run('-d', `${signature}.dat`)).not.toMatch(/error|invalid|incorrect|warning/i);
      expect(run('-d', 'DSDT.dat')).toContain('Disassembly completed');
      const source = readFileSync(join(folder, 'DSDT.dsl'), 'utf8');
      for (const name of ['PNP0A03', 'PNP0C0F', 'PNP0303', 'PNP0F13', 'PNP0B00', 'PNP0501', 'PNP0C02', 'QEMU0002', '_S5', windowBase]) expect(source).toContain(name);
      expect(source.includes('COM2')).toBe(board.hasCom2);
      const compiled = run('-tc', 'DSDT.dsl');
      expect(compiled).toContain('0 Errors');
      // The only warning is about Processor(), which systems before ACPI 6 need.
      expect(compiled.match(/^Warning\s.*$/gm)?.every((line) => line.includes('3168'))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
