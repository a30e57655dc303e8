/**
 * `npm run bench -- --disks`: what a guest reads and writes on its disks, past its own cache, beside QEMU's TCG: the same guest, on a
 * copy of the same image, written back in the host's cache until the guest flushes. The image's first half holds data, its
 * second nothing. The guest's end is kernels/disk.c.
 */
import { randomFillSync } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../scripts/build/folders.mjs';
import { BUS_NAMES, type DiskBus } from '../../src/shared/disk-bus.ts';
import { guestInitrd, guestKernel } from '../support/guest-images.ts';
import { qemuImg } from '../support/qemu-img.ts';
import { engines, type Engine } from './engines.ts';
import { kernelProgram, kernelsMissing } from './kernels.ts';
import type { BenchDiskFormat, BenchOptions } from './options.ts';
import { SerialSession, type EngineCommand } from './serial-session.ts';

const FLAVOUR = 'amd64';
const HALF_MEBIBYTES = 512;
/** The first turn is for the guest's code to become known. */
const TURNS = 3;

/** Of the number that the program is given. */
const KIND = { write: 1, anywhere: 2, fourAtOnce: 4, flush: 8, secondHalf: 16 } as const;
const COUNT_UNIT = 32;

type Work = { readonly id: string; readonly title: string; readonly kinds: number; readonly count: number; readonly unit: 'MiB/s' | 'per s'; readonly once?: true };

function works(scale: number): readonly Work[] {
  const work = (id: string, title: string, kinds: number, count: number): Work => (
    { id, title, kinds, count: Math.ceil(count / scale), unit: (kinds & KIND.anywhere) === 0 ? 'MiB/s' : 'per s' });
  return [
    work('read', 'read 1 MiB one after another', 0, 256),
    work('write', 'write 1 MiB one after another', KIND.write, 256),
    { ...work('fill', 'write 1 MiB one after another where nothing is', KIND.write | KIND.secondHalf, 256), once: true },
    work('random-read', 'read 4 KiB anywhere', KIND.anywhere, 4000),
    work('random-write', 'write 4 KiB anywhere', KIND.anywhere | KIND.write, 4000),
    work('random-read-4', 'read 4 KiB anywhere, four at once', KIND.anywhere | KIND.fourAtOnce, 8000),
    work('random-write-4', 'write 4 KiB anywhere, four at once', KIND.anywhere | KIND.write | KIND.fourAtOnce, 8000),
    work('flush', 'write 4 KiB anywhere and flush', KIND.anywhere | KIND.write | KIND.flush, 100),
  ];
}

function init(all: readonly Work[]): string {
  const run = ({ id, kinds, count }: Work): string => `echo "@@$((6*7)) ${id} begin"; result=$(disk ${count * COUNT_UNIT + kinds} <>"$disk"); echo "@@$((6*7)) ${id} end $result"`;
  return `
for disk in /dev/vda /dev/sda; do [ -b "$disk" ] && break; done
${all.filter(({ once }) => once).map(run).join('\n')}
i=0; while [ $i -lt ${TURNS} ]; do
${all.filter(({ once }) => !once).map(run).join('\n')}
i=$((i+1))
done
poweroff -f
`;
}

function command(engine: Engine, options: BenchOptions, all: readonly Work[], disk: readonly string[]): EngineCommand {
  const program = { kind: 'file' as const, path: 'bin/disk', contents: readFileSync(kernelProgram({ source: 'disk.c' }, 64)), executable: true };
  const base = engine.linux({
    flavour: FLAVOUR, kernel: guestKernel(FLAVOUR).file, memoryMebibytes: options.memoryMebibytes, accelerator: options.accelerator,
    initrd: guestInitrd({ flavour: FLAVOUR, modules: ['virtio_pci', 'virtio_blk', 'ata_piix', 'ahci', 'sd_mod'], files: [program], init: init(all) }),
    commandLine: 'console=ttyS0,115200 quiet cryptomgr.notests',
  });
  return { ...base, args: [...base.args, ...disk] };
}

const QEMU_DEVICES: Readonly<Record<DiskBus, readonly string[]>> = {
  virtio: ['-device', 'virtio-blk-pci,drive=disk'],
  ide: ['-device', 'ide-hd,drive=disk,bus=ide.0'],
  ahci: ['-device', 'ich9-ahci,id=sata', '-device', 'ide-hd,drive=disk,bus=sata.0'],
};

function attach(engine: Engine, bus: DiskBus, format: BenchDiskFormat, path: string): readonly string[] {
  return engine.name === 'ours' ? ['--disk', `${path},bus=${bus},format=${format}`]
    : ['-drive', `if=none,id=disk,file=${path},format=${format},cache=writeback,discard=unmap`, ...QEMU_DEVICES[bus]];
}

async function measure(engine: Engine, options: BenchOptions, all: readonly Work[], disk: readonly string[], add: (id: string, value: number) => void): Promise<void> {
  const session = new SerialSession(command(engine, options, all, disk));
  const timed = async ({ id, count }: Work): Promise<number> => {
    const begin = await session.waitFor(new RegExp(`@@42 ${id} begin`), options.timeoutSeconds);
    const end = await session.waitFor(new RegExp(`@@42 ${id} end ([0-9a-f]*)\\s`), options.timeoutSeconds);
    if (parseInt(end.match[1]!, 16) !== count) throw new Error(`${engine.title}: ${id} failed`);
    return count / (end.atSeconds - begin.atSeconds);
  };
  try {
    for (const work of all.filter(({ once }) => once)) add(work.id, await timed(work));
    for (let turn = 0; turn < TURNS; turn++) {
      for (const work of all.filter(({ once }) => !once)) {
        const rate = await timed(work);
        if (turn > 0) add(work.id, rate);
      }
    }
  } finally {
    await session.end(5);
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1]!;
}

/** Prints medians and ratios; above 1 is in our favour. */
export async function benchDisks(options: BenchOptions, say: (text: string) => void): Promise<void> {
  const missing = kernelsMissing();
  if (missing !== undefined) throw new Error(`the guest's program can't be made: ${missing}`);
  const all = works(options.size === 'quick' ? 8 : 1);
  const wanted = [engines.ours, engines.tcg].filter(({ name, missing: why }) => options.columns.includes(name) && why() === undefined);
  // On the checkout's file system: what is temporary may lie in memory.
  const folder = mkdtempSync(join(cacheFolder, 'bench-disks-'));
  process.on('exit', () => { rmSync(folder, { recursive: true, force: true }); });
  const model = { raw: join(folder, 'model.raw'), qcow2: join(folder, 'model.qcow2') };
  writeFileSync(model.raw, randomFillSync(new Uint8Array(HALF_MEBIBYTES << 20)));
  qemuImg('resize', '-q', '-f', 'raw', model.raw, `${2 * HALF_MEBIBYTES}M`);
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-S', '0', model.raw, model.qcow2);
  for (const bus of options.buses) {
    for (const format of options.formats) {
      const values: Record<string, Record<string, number[]>> = {};
      for (let run = 0; run < options.runs; run++) {
        for (const engine of run % 2 === 0 ? wanted : [...wanted].reverse()) {
          say(`disks, ${BUS_NAMES[bus]}, ${format}, run ${run + 1}, ${engine.title}…`);
          const path = join(folder, `${engine.name}.${format}`);
          copyFileSync(model[format], path);
          await measure(engine, options, all, attach(engine, bus, format, path), (id, value) => { ((values[id] ??= {})[engine.name] ??= []).push(value); });
          rmSync(path);
        }
      }
      process.stdout.write(`\n${BUS_NAMES[bus]}, ${format}\n`);
      for (const { id, title, unit } of all) {
        const [our, their] = (['ours', 'tcg'] as const).map((name) => (values[id]?.[name] === undefined ? undefined : median(values[id][name])));
        const shown = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(0)).padStart(9);
        process.stdout.write(`${title.padEnd(48)}${shown(our)}${shown(their)} ${unit.padEnd(6)}${our !== undefined && their !== undefined ? (our / their).toFixed(2).padStart(7) : ''}\n`);
      }
    }
  }
}
