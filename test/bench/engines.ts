/** The three engines as programs that speak on standard output: how each is started for each thing that is measured. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assetsFolder, distFolder, projectFolder } from '../../scripts/build/folders.mjs';
import { findCommand } from '../../scripts/setup/host-tools.mjs';
import type { KernelFlavour } from '../support/guest-images.ts';
import { commandLineFile, vmProcessFile } from './frozen-build.ts';
import type { Accelerator, EngineName } from './options.ts';
import { childRunning } from './process-figures.ts';
import type { EngineCommand } from './serial-session.ts';
import type { V86Settings } from './v86-machine.ts';

export type MachineSettings = {
  readonly memoryMebibytes: number;
  /** Of ours; the others have one. */
  readonly accelerator: Accelerator;
};

export type LinuxGuest = MachineSettings & {
  readonly flavour: KernelFlavour;
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
};

export type DiskGuest = MachineSettings & {
  readonly flavour: KernelFlavour;
  /** Raw image; it stays as it is. */
  readonly disk: string;
};

export type Engine = {
  readonly name: EngineName;
  readonly title: string;
  /** Why it can't be measured here, and how that is changed. */
  readonly missing: () => string | undefined;
  readonly version: () => string;
  readonly runs32BitGuestsOnly: boolean;
  readonly linux: (guest: LinuxGuest) => EngineCommand;
  /** Firmware, and what lies on the disk. */
  readonly disk: (guest: DiskGuest) => EngineCommand;
  /** Firmware without anything to boot; what it says, or what is on its screen, is printed. */
  readonly firmware: (machine: MachineSettings) => EngineCommand;
  /** Prints READY_LINE once the machine is built; `undefined` when that is measured in another way. */
  readonly ready: ((memoryMebibytes: number) => EngineCommand) | undefined;
  /** The process that holds the machine, from that of `linux`. */
  readonly machineProcess: (pid: number) => number | undefined;
};

/** QEMU's answer to a new monitor connection; the machine is built by then. */
export const READY_LINE = /^ready|"QMP"/m;

/** The same firmware in all three. */
export const firmwareFiles = {
  bios: join(assetsFolder, 'firmware/bios-256k.bin'),
  vgaBios: join(assetsFolder, 'firmware/vgabios-stdvga.bin'),
};

/** SeaBIOS prints its messages there when it finds the port. */
const SEABIOS_DEBUG_PORT = '0x402';
const MEBIBYTE = 1024 * 1024;

export function is32Bit(flavour: KernelFlavour): boolean {
  return flavour.startsWith('686');
}

function architectureOf(flavour: KernelFlavour): string {
  return is32Bit(flavour) ? 'i386' : 'x86_64';
}

function ourRun({ memoryMebibytes, accelerator }: MachineSettings, more: readonly string[]): EngineCommand {
  return {
    program: process.execPath,
    environment: { GUESTHOUSE_VM_PROCESS: vmProcessFile() },
    args: [commandLineFile(), 'run', '--memory', `${memoryMebibytes}M`, '--accel', accelerator, ...more],
  };
}

const ours: Engine = {
  name: 'ours',
  title: 'Guesthouse',
  missing: () => (existsSync(join(distFolder, 'cli.js')) ? undefined : 'dist/cli.js is missing: npm run build'),
  version: () => spawnSync('git', ['describe', '--always', '--dirty'], { cwd: projectFolder, encoding: 'utf8' }).stdout.trim(),
  runs32BitGuestsOnly: false,
  linux: (guest) => ourRun(guest, ['--arch', architectureOf(guest.flavour), '--kernel', guest.kernel, '--initrd', guest.initrd, '--append', guest.commandLine]),
  disk: (guest) => ourRun(guest, ['--arch', architectureOf(guest.flavour), '--bios', firmwareFiles.bios, '--disk', `${guest.disk.replaceAll(',', ',,')},discard-changes`]),
  firmware: (machine) => ourRun(machine, ['--bios', firmwareFiles.bios, '--serial', 'none', '--debug-port', `${SEABIOS_DEBUG_PORT}=stdio`]),
  ready: undefined,
  machineProcess: (pid) => childRunning(pid, 'vm-process'),
};

const qemuCommon = ['-accel', 'tcg', '-smp', '1', '-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'std', '-no-reboot'];

function qemu(memoryMebibytes: number, more: readonly string[], flavour?: KernelFlavour): EngineCommand {
  const program = flavour !== undefined && is32Bit(flavour) ? 'qemu-system-i386' : 'qemu-system-x86_64';
  return { program: findCommand([program]) ?? program, args: [...qemuCommon, '-bios', firmwareFiles.bios, '-m', String(memoryMebibytes), ...more] };
}

const tcg: Engine = {
  name: 'tcg',
  title: 'QEMU TCG',
  missing: () => (findCommand(['qemu-system-x86_64']) !== undefined && findCommand(['qemu-system-i386']) !== undefined ? undefined
    : 'qemu-system-x86_64 and qemu-system-i386 are not installed: sudo apt-get install qemu-system-x86'),
  version: () => spawnSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' }).stdout.split('\n', 1)[0] ?? '',
  runs32BitGuestsOnly: false,
  linux: (guest) => qemu(guest.memoryMebibytes,
    ['-serial', 'stdio', '-kernel', guest.kernel, '-initrd', guest.initrd, '-append', guest.commandLine], guest.flavour),
  disk: (guest) => qemu(guest.memoryMebibytes,
    ['-serial', 'stdio', '-drive', `file=${guest.disk.replaceAll(',', ',,')},format=raw,if=ide,snapshot=on`], guest.flavour),
  firmware: ({ memoryMebibytes }) => qemu(memoryMebibytes,
    ['-chardev', 'stdio,id=debug', '-device', `isa-debugcon,iobase=${SEABIOS_DEBUG_PORT},chardev=debug`]),
  ready: (memoryMebibytes) => qemu(memoryMebibytes, ['-S', '-qmp', 'stdio']),
  machineProcess: (pid) => pid,
};

/** Beside the library that the package's name stands for. */
function v86Folder(): string | undefined {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve('v86')));
  } catch {
    return undefined;
  }
}

function v86Machine(show: V86Settings['show'], memoryMebibytes: number, { boot, disk }: Partial<Pick<V86Settings, 'boot' | 'disk'>> = {}): EngineCommand {
  const settings: V86Settings = {
    show, boot, disk, memoryBytes: memoryMebibytes * MEBIBYTE, biosPath: firmwareFiles.bios, vgaBiosPath: firmwareFiles.vgaBios,
  };
  return { program: process.execPath, args: [fileURLToPath(new URL('./v86-machine.ts', import.meta.url)), JSON.stringify(settings)] };
}

const v86: Engine = {
  name: 'v86',
  title: 'v86',
  missing: () => (v86Folder() === undefined ? 'the npm package v86 is not installed: npm ci' : undefined),
  version: () => (JSON.parse(readFileSync(join(v86Folder() ?? '', 'package.json'), 'utf8')) as { version: string }).version,
  runs32BitGuestsOnly: true,
  linux: (guest) => v86Machine('serial', guest.memoryMebibytes, { boot: guest }),
  disk: (guest) => v86Machine('serial', guest.memoryMebibytes, { disk: guest.disk }),
  firmware: ({ memoryMebibytes }) => v86Machine('screen', memoryMebibytes),
  ready: (memoryMebibytes) => v86Machine('ready', memoryMebibytes),
  machineProcess: (pid) => pid,
};

export const engines: Readonly<Record<EngineName, Engine>> = { ours, tcg, v86 };
