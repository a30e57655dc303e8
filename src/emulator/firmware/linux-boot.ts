/**
 * Plans the direct boot of a Linux kernel (Documentation/arch/x86/boot.rst, protocol 2.02 and later, bzImage): checks
 * the files against the machine and decides what lies where. 32- and 64-bit kernels are entered the same way, by their
 * real-mode code; `direct-boot-rom.ts` does it in the guest.
 */
import type { Result } from '../../shared/result.ts';
import { fail, ok } from '../../shared/result.ts';
import type { FwCfgItem } from '../interfaces/fw-cfg-item.ts';
import { lowRamBytes } from '../machine/pc-layout.ts';
import { FW_CFG_KEYS } from './fw-cfg-keys.ts';

/** Offsets of the setup header's fields in the file. */
const SETUP_SECTS = 0x1f1;
const SYSSIZE = 0x1f4;
const VID_MODE = 0x1fa;
const BOOT_FLAG = 0x1fe;
const HEADER_MAGIC = 0x202;
const VERSION = 0x206;
const KERNEL_VERSION = 0x20e;
const TYPE_OF_LOADER = 0x210;
const LOADFLAGS = 0x211;
const RAMDISK_IMAGE = 0x218;
const RAMDISK_SIZE = 0x21c;
const HEAP_END_PTR = 0x224;
const CMD_LINE_PTR = 0x228;
const INITRD_ADDR_MAX = 0x22c;
const XLOADFLAGS = 0x236;
const CMDLINE_SIZE = 0x238;
const PREF_ADDRESS = 0x258;
const INIT_SIZE = 0x260;
const HEADER_END = 0x264;

const BOOT_FLAG_VALUE = 0xaa55;
const HEADER_MAGIC_VALUE = 0x53726448; // "HdrS"
const OLDEST_VERSION = 0x0202;
const LOADED_HIGH = 0x01;
const CAN_USE_HEAP = 0x80;
const XLF_KERNEL_64 = 0x01;
const LOADER_UNDEFINED = 0xff;
const VIDEO_MODES: Readonly<Record<string, number>> = { normal: 0xffff, ext: 0xfffe, ask: 0xfffd };

const SECTOR_BYTES = 512;
const PARAGRAPH_BYTES = 16;
const PAGE_BYTES = 4096;
const MEBIBYTE = 1024 * 1024;
/** Where the real-mode code goes, with 64 KiB for itself, its heap and its stack, then the command line. */
const SETUP_ADDRESS = 0x10000;
const SETUP_MAXIMUM_BYTES = 0x8200;
const COMMAND_LINE_ADDRESS = 0x20000;
/** The heap ends 0x200 bytes below the stack's top; offset from SETUP_ADDRESS. */
const HEAP_END = COMMAND_LINE_ADDRESS - SETUP_ADDRESS - 0x200;
const KERNEL_ADDRESS = 0x100000;
/** SeaBIOS keeps its tables in the topmost 256 KiB of low RAM; other firmware may take more. */
const FIRMWARE_RESERVED_BYTES = MEBIBYTE;
const OLD_INITRD_ADDR_MAX = 0x37ffffff;
const OLD_CMDLINE_SIZE = 255;

export interface LinuxBootFiles {
  /** A bzImage (vmlinuz). */
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array | undefined;
  readonly commandLine: string;
}

export interface LinuxBootPlan {
  /** For fw_cfg, beside the ROM. They refer to the files' bytes. */
  readonly items: readonly FwCfgItem[];
  /** As the kernel's header gives it, such as "6.1.0-50-amd64 (…) #1 SMP …"; empty where it doesn't. */
  readonly kernelVersion: string;
  readonly is64Bit: boolean;
  readonly initrdAddress: number;
}

/**
 * Errors: `kernel.not-a-kernel`, `kernel.truncated`, `kernel.damaged`, `kernel.too-old`, `kernel.command-line-too-long`,
 * `kernel.command-line-invalid`, `memory.too-small-for-kernel`, `memory.too-small-for-initrd`.
 */
export function planLinuxBoot(files: LinuxBootFiles, ramBytes: number): Result<LinuxBootPlan> {
  const { kernel } = files;
  const checked = checkKernel(kernel);
  if (!checked.ok) return checked;
  const header = checked.value;
  const commandLine = encodeCommandLine(files.commandLine, header.commandLineMaximum);
  if (!commandLine.ok) return commandLine;

  const availableEnd = lowRamBytes(ramBytes) - FIRMWARE_RESERVED_BYTES;
  if (header.runtimeEnd > availableEnd) {
    return fail('memory.too-small-for-kernel', `the kernel needs ${mebibytes(header.runtimeEnd + FIRMWARE_RESERVED_BYTES)} MiB of memory to start, the machine has ${mebibytes(ramBytes)} MiB`, 'give the machine more memory');
  }
  const initrd = files.initrd ?? new Uint8Array(0);
  const initrdEnd = Math.min(availableEnd, header.initrdAddressMaximum + 1, memoryParameter(files.commandLine) ?? Infinity);
  const initrdAddress = initrd.length === 0 ? 0 : Math.floor((initrdEnd - initrd.length) / PAGE_BYTES) * PAGE_BYTES;
  if (initrd.length > 0 && initrdAddress < header.runtimeEnd) {
    return fail('memory.too-small-for-initrd', `the initial RAM disk (${mebibytes(initrd.length)} MiB) does not fit beside the kernel in ${mebibytes(ramBytes)} MiB of memory`, 'give the machine more memory or use a smaller initial RAM disk');
  }

  const setup = kernel.slice(0, header.setupBytes);
  const view = new DataView(setup.buffer);
  view.setUint16(VID_MODE, videoMode(files.commandLine), true);
  view.setUint8(TYPE_OF_LOADER, LOADER_UNDEFINED);
  view.setUint8(LOADFLAGS, view.getUint8(LOADFLAGS) | CAN_USE_HEAP);
  view.setUint32(RAMDISK_IMAGE, initrdAddress, true);
  view.setUint32(RAMDISK_SIZE, initrd.length, true);
  view.setUint16(HEAP_END_PTR, HEAP_END, true);
  view.setUint32(CMD_LINE_PTR, COMMAND_LINE_ADDRESS, true);
  const items = [
    ...part(SETUP_ADDRESS, setup, FW_CFG_KEYS.setupAddress, FW_CFG_KEYS.setupSize, FW_CFG_KEYS.setupData),
    ...part(KERNEL_ADDRESS, kernel.subarray(header.setupBytes), FW_CFG_KEYS.kernelAddress, FW_CFG_KEYS.kernelSize, FW_CFG_KEYS.kernelData),
    ...part(initrdAddress, initrd, FW_CFG_KEYS.initrdAddress, FW_CFG_KEYS.initrdSize, FW_CFG_KEYS.initrdData),
    ...part(COMMAND_LINE_ADDRESS, commandLine.value, FW_CFG_KEYS.commandLineAddress, FW_CFG_KEYS.commandLineSize, FW_CFG_KEYS.commandLineData),
  ];
  return ok({ items, kernelVersion: header.kernelVersion, is64Bit: header.is64Bit, initrdAddress });
}

interface KernelFacts {
  readonly setupBytes: number;
  readonly kernelVersion: string;
  readonly is64Bit: boolean;
  /** Bytes of the command line without its terminator. */
  readonly commandLineMaximum: number;
  readonly initrdAddressMaximum: number;
  /** Where the memory ends that the kernel needs before it knows what is free. */
  readonly runtimeEnd: number;
}

function checkKernel(kernel: Uint8Array): Result<KernelFacts> {
  const view = new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  const holds = (end: number): boolean => kernel.length >= end;
  if (!holds(HEADER_MAGIC + 4) || view.getUint16(BOOT_FLAG, true) !== BOOT_FLAG_VALUE || view.getUint32(HEADER_MAGIC, true) !== HEADER_MAGIC_VALUE) {
    return notAKernel(kernel);
  }
  if (!holds(HEADER_END)) return truncated();
  const version = view.getUint16(VERSION, true);
  if (version < OLDEST_VERSION || (view.getUint8(LOADFLAGS) & LOADED_HIGH) === 0) {
    return fail('kernel.too-old', `the kernel speaks boot protocol ${version >> 8}.${String(version & 0xff).padStart(2, '0')}, or is a zImage; direct boot needs a bzImage of 2.02 or later`, 'start it from a disk with a boot loader of its time');
  }
  const setupBytes = ((view.getUint8(SETUP_SECTS) || 4) + 1) * SECTOR_BYTES;
  if (setupBytes > SETUP_MAXIMUM_BYTES) return fail('kernel.damaged', `the kernel's header gives its real-mode code ${setupBytes} bytes, more than the boot protocol allows`, 'get the kernel file again');
  // Before 2.04 the upper half of syssize means something else.
  const payloadBytes = version >= 0x0204 ? view.getUint32(SYSSIZE, true) * PARAGRAPH_BYTES : 1;
  if (!holds(setupBytes + payloadBytes)) return truncated(setupBytes + payloadBytes, kernel.length);
  const loadedEnd = KERNEL_ADDRESS + kernel.length - setupBytes;
  const runtimeStart = version >= 0x020a ? Math.max(KERNEL_ADDRESS, Number(view.getBigUint64(PREF_ADDRESS, true))) : KERNEL_ADDRESS;
  const runtimeEnd = version >= 0x020a ? runtimeStart + view.getUint32(INIT_SIZE, true) : loadedEnd;
  return ok({
    setupBytes,
    kernelVersion: versionText(kernel, view.getUint16(KERNEL_VERSION, true), setupBytes),
    is64Bit: version >= 0x020c && (view.getUint16(XLOADFLAGS, true) & XLF_KERNEL_64) !== 0,
    commandLineMaximum: version >= 0x0206 ? view.getUint32(CMDLINE_SIZE, true) : OLD_CMDLINE_SIZE,
    initrdAddressMaximum: version >= 0x0203 ? view.getUint32(INITRD_ADDR_MAX, true) : OLD_INITRD_ADDR_MAX,
    runtimeEnd: Math.max(runtimeEnd, loadedEnd),
  });
}

/** What people hand over instead of a bzImage. */
const OTHER_FILES: readonly { readonly magic: readonly number[]; readonly offset: number; readonly what: string; readonly advice: string }[] = [
  { magic: [0x7f, 0x45, 0x4c, 0x46], offset: 0, what: 'an ELF program (perhaps vmlinux)', advice: 'give the compressed kernel that belongs to it, bzImage or vmlinuz' },
  { magic: [0x1f, 0x8b], offset: 0, what: 'gzip data (perhaps an initial RAM disk)', advice: 'give a bzImage or vmlinuz file, and the RAM disk as initrd' },
  { magic: [0x30, 0x37, 0x30, 0x37], offset: 0, what: 'a cpio archive (perhaps an initial RAM disk)', advice: 'give a bzImage or vmlinuz file, and the RAM disk as initrd' },
  { magic: [0x41, 0x52, 0x4d, 0x64], offset: 0x38, what: 'a kernel for 64-bit ARM', advice: 'give a kernel for x86' },
  { magic: [0x43, 0x44, 0x30, 0x30, 0x31], offset: 0x8001, what: 'a CD image', advice: 'attach it as a CD and boot from that' },
];
const ANY_KERNEL_ADVICE = 'give a Linux bzImage, usually called vmlinuz';

function notAKernel(kernel: Uint8Array): Result<never> {
  if (kernel.length === 0) return fail('kernel.not-a-kernel', 'the kernel file is empty', ANY_KERNEL_ADVICE);
  const other = OTHER_FILES.find(({ magic, offset }) => magic.every((byte, index) => kernel[offset + index] === byte));
  if (other !== undefined) return fail('kernel.not-a-kernel', `the kernel file is ${other.what}, not a Linux kernel for x86`, other.advice);
  return fail('kernel.not-a-kernel', 'the kernel file is not a Linux kernel for x86 (no boot protocol header)', ANY_KERNEL_ADVICE);
}

function truncated(neededBytes?: number, actualBytes?: number): Result<never> {
  const sizes = neededBytes === undefined ? '' : `: ${actualBytes} of ${neededBytes} bytes are there`;
  return fail('kernel.truncated', `the kernel file is cut off${sizes}`, 'get the kernel file again');
}

/** `pointer` counts from 0x200, 0 = none. */
function versionText(kernel: Uint8Array, pointer: number, setupBytes: number): string {
  if (pointer === 0) return '';
  const start = pointer + 0x200;
  const zero = kernel.subarray(0, setupBytes).indexOf(0, start);
  const characters = kernel.subarray(start, zero < 0 ? start : Math.min(zero, start + 200));
  return String.fromCharCode(...characters).replace(/[^\x20-\x7e]/g, '?');
}

function encodeCommandLine(text: string, maximumBytes: number): Result<Uint8Array> {
  if (text.includes('\0')) return fail('kernel.command-line-invalid', 'the kernel command line has a zero character in it', 'leave it out');
  const bytes = new TextEncoder().encode(`${text}\0`);
  if (bytes.length - 1 > maximumBytes) {
    return fail('kernel.command-line-too-long', `the kernel command line has ${bytes.length - 1} bytes, this kernel takes ${maximumBytes}`, 'shorten it');
  }
  return ok(bytes);
}

/** The last value of a parameter, as the kernel's own parser would find it. */
function parameter(commandLine: string, of: string): string | undefined {
  const value = commandLine.split(/\s+/).findLast((word) => word.startsWith(`${of}=`));
  return value?.slice(of.length + 1);
}

/** `vga=` is the loader's to understand. */
function videoMode(commandLine: string): number {
  const value = parameter(commandLine, 'vga') ?? 'normal';
  const mode = VIDEO_MODES[value] ?? Number(value);
  return Number.isInteger(mode) && mode >= 0 && mode <= 0xffff ? mode : VIDEO_MODES['normal']!;
}

/** `mem=` is the loader's too: the RAM disk must lie below. */
function memoryParameter(commandLine: string): number | undefined {
  const match = /^(0x[0-9a-f]+|\d+)([kmg]?)$/i.exec(parameter(commandLine, 'mem') ?? '');
  if (match === null) return undefined;
  return Number(match[1]) * { '': 1, k: 1024, m: MEBIBYTE, g: 1024 * MEBIBYTE }[match[2]!.toLowerCase() as '' | 'k' | 'm' | 'g'];
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / MEBIBYTE);
}

function part(address: number, bytes: Uint8Array, addressKey: number, sizeKey: number, dataKey: number): FwCfgItem[] {
  return [{ key: addressKey, bytes: littleEndian32(address) }, { key: sizeKey, bytes: littleEndian32(bytes.length) }, { key: dataKey, bytes }];
}

function littleEndian32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
