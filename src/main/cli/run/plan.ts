/** `guesthouse run`'s options, read and checked: from text to a `RunPlan`, or wrong usage. */
import { resolve } from 'node:path';
import { BOOT_DEVICES, BOOT_ORDER_DEFAULT, bootOrderFrom, type BootDevice } from '../../../shared/boot-order.ts';
import { DISC_BUSES, DISK_BUSES, type DiscBus } from '../../../shared/disk-bus.ts';
import { DISK_FORMATS } from '../../../shared/disk-format.ts';
import { ACCELERATORS, ARCHITECTURES } from '../../../shared/machine-config.ts';
import { parseMemorySize } from '../../../shared/sizes.ts';
import type { DiskAttachment, VmStart } from '../../../shared/vm-protocol.ts';
import type { AppPaths } from '../../app-paths.ts';
import { adapterStartOf } from '../../machines/vm-start.ts';
import { EXIT_USAGE, unwrap, usageFailure } from '../outcome.ts';
import { planAdapters, type PlannedAdapter } from './network-options.ts';

/** As commander collects them. */
export interface RunOptions {
  memory: string; cpus: string; accel: string; arch: string;
  kernel?: string; initrd?: string; append?: string;
  disk: string[]; cdrom: string[]; floppy?: string; boot?: string; bios?: string;
  net: string[]; nic?: string; forward: string[]; share: string[];
  serial: string; debugPort?: string; screenshot?: string; screenshotOnExit?: string;
  time: string; rtc?: string; seed?: string; onReset: string; exitPort?: string;
  typeWhen: string[]; exitOn: string[]; failOn: string[]; timeout?: string; stats?: string; regions?: string; verbose?: boolean;
}

export interface TypeRule { readonly text: string; readonly keys: string }

export interface RunPlan {
  readonly start: VmStart;
  readonly serial: { readonly to: 'stdio' | 'none' } | { readonly to: 'file'; readonly path: string };
  readonly debug: { readonly to: 'stdio' } | { readonly to: 'file'; readonly path: string } | undefined;
  /** Renewed every second while the machine is on. */
  readonly screenshotPath: string | undefined;
  readonly screenshotOnExitPath: string | undefined;
  readonly typeWhen: readonly TypeRule[];
  readonly exitOn: readonly string[];
  readonly failOn: readonly string[];
  readonly timeoutSeconds: number | undefined;
  readonly statsPath: string | undefined;
  readonly verbose: boolean;
}

/** Every file that the run will write. */
export function outputFiles({ start, serial, debug, screenshotPath, screenshotOnExitPath, statsPath }: RunPlan): string[] {
  const captures = (start.adapters ?? []).map(({ capturePath }) => capturePath);
  const streams = [serial, debug].flatMap((output) => (output?.to === 'file' ? [output.path] : []));
  return [...streams, ...[screenshotPath, screenshotOnExitPath, statsPath, start.regionListingPath, ...captures].filter((path) => path !== undefined)];
}

const MACHINE_NAME = 'run';
/** What `--time instructions` means without a number: guest time as on a PC of 50 MIPS. */
const INSTRUCTIONS_PER_MICROSECOND_DEFAULT = 50;
const TIMEOUT_SECONDS_MAXIMUM = 2_000_000;

/** Throws wrong usage. Whether files exist is looked at later. */
export function planRun(options: RunOptions, paths: AppPaths): RunPlan {
  refuseWhatIsNotThereYet(options);
  if (options.kernel === undefined && (options.initrd !== undefined || options.append !== undefined)) throw usageFailure('--initrd and --append need a kernel', 'give --kernel FILE');
  const disks = [...options.disk.map(parseDiskOption), ...options.cdrom.map(parseCdromOption)];
  const debug = options.debugPort === undefined ? undefined : parseDebugPort(options.debugPort);
  const planned = planAdapters(options);
  const bootOrder = planBootOrder(options.boot, planned);
  const start: VmStart = {
    name: MACHINE_NAME,
    memoryBytes: unwrap(parseMemorySize(options.memory), EXIT_USAGE),
    architecture: oneOf(options.arch, ARCHITECTURES, '--arch'),
    accelerator: oneOf(options.accel, ACCELERATORS, '--accel'),
    biosPath: options.bios === undefined ? paths.bios : resolve(nonEmpty(options.bios, '--bios')),
    vgaBiosPath: paths.vgaBios,
    directBoot: options.kernel === undefined ? undefined : {
      kernelPath: resolve(nonEmpty(options.kernel, '--kernel')),
      initrdPath: options.initrd === undefined ? undefined : resolve(nonEmpty(options.initrd, '--initrd')),
      commandLine: options.append ?? '',
    },
    disks,
    bootOrder,
    adapters: planned.map(({ config, capturePath }, index) => adapterStartOf(MACHINE_NAME, index, config, capturePath, bootOrder, paths)),
    time: parseTime(options.time),
    rtcEpochSeconds: options.rtc === undefined ? undefined : parseRtc(options.rtc),
    seed: options.seed === undefined ? undefined : wholeNumber(options.seed, '--seed', 0, 0xffff_ffff),
    exitPort: options.exitPort === undefined ? undefined : parsePort(options.exitPort, '--exit-port'),
    debugPort: debug?.port,
    onReset: oneOf(options.onReset, ['reboot', 'stop'] as const, '--on-reset'),
    regionListingPath: options.regions === undefined ? undefined : resolve(nonEmpty(options.regions, '--regions')),
    finalScreen: options.screenshotOnExit !== undefined || options.screenshot !== undefined || options.exitOn.length + options.failOn.length > 0,
  };
  if (start.exitPort !== undefined && start.exitPort === start.debugPort) throw usageFailure('--exit-port and --debug-port are the same port', 'give one of them another');
  const serial = parseSerial(options.serial);
  for (const text of [...options.exitOn, ...options.failOn]) if (text === '') throw usageFailure('--exit-on and --fail-on need a text', 'give the text to wait for');
  return {
    start,
    serial,
    debug: debug?.output,
    screenshotPath: options.screenshot === undefined ? undefined : resolve(nonEmpty(options.screenshot, '--screenshot')),
    screenshotOnExitPath: options.screenshotOnExit === undefined ? undefined : resolve(nonEmpty(options.screenshotOnExit, '--screenshot-on-exit')),
    typeWhen: options.typeWhen.map(parseTypeWhen),
    exitOn: options.exitOn,
    failOn: options.failOn,
    timeoutSeconds: options.timeout === undefined ? undefined : parseTimeout(options.timeout),
    statsPath: options.stats === undefined ? undefined : resolve(nonEmpty(options.stats, '--stats')),
    verbose: options.verbose ?? false,
  };
}

/** Never silently ignored: a script must not believe in what this version doesn't do. */
function refuseWhatIsNotThereYet(options: RunOptions): void {
  if (options.cpus !== '1') {
    wholeNumber(options.cpus, '--cpus', 1, 64);
    throw usageFailure(`--cpus ${options.cpus}: this version gives a machine one CPU`, 'leave --cpus out');
  }
  if (options.accel === 'kvm') throw usageFailure(`--accel ${options.accel} is not available in this version`, 'use --accel auto');
  if (options.share.length > 0) throw usageFailure('--share is not available in this version', 'put the files on a disk or CD image');
  if (options.floppy !== undefined) throw usageFailure('--floppy is not available in this version', 'use a disk or CD image');
  if (options.boot === 'floppy') throw usageFailure(`--boot ${options.boot} is not available in this version`, `use --boot ${BOOT_DEVICES.join(', ')}`);
}

/** `FILE[,format=NAME][,bus=ide|ahci|virtio][,readonly][,discard-changes][,backing-folder=FOLDER]`; a comma in the file's name is written twice. */
export function parseDiskOption(text: string): DiskAttachment {
  const [file = '', ...settings] = text.replaceAll(',,', '\0').split(',').map((part) => part.replaceAll('\0', ','));
  let bus: DiskAttachment['bus'] = 'ide';
  let readOnly = false;
  let discardChanges = false;
  let format: DiskAttachment['format'];
  const backingFolders: string[] = [];
  for (const setting of settings) {
    const [key = '', value] = setting.split('=', 2);
    if (key === 'format') {
      format = oneOf(value ?? '', DISK_FORMATS, '--disk format');
    } else if (key === 'backing-folder') {
      backingFolders.push(resolve(nonEmpty(value ?? '', '--disk backing-folder')));
    } else if (key === 'bus') {
      bus = oneOf(value ?? '', DISK_BUSES, '--disk bus');
    } else if (setting === 'readonly') {
      readOnly = true;
    } else if (setting === 'discard-changes') {
      discardChanges = true;
    } else {
      throw usageFailure(`--disk knows no setting "${setting}"`, 'use format=, bus=, readonly, discard-changes or backing-folder=');
    }
  }
  return { path: resolve(nonEmpty(file, '--disk')), format, bus, kind: 'disk', readOnly, discardChanges, backingFolders };
}

/** `FILE[,bus=ide|ahci]`: other commas belong to the file's name. */
export function parseCdromOption(text: string): DiskAttachment & { readonly bus: DiscBus } {
  const [, file = '', bus] = /^(.*?)(?:,bus=([^,]*))?$/s.exec(text) ?? [];
  return {
    path: resolve(nonEmpty(file, '--cdrom')), format: 'iso', bus: bus === undefined ? 'ide' : oneOf(bus, DISC_BUSES, '--cdrom bus'),
    kind: 'cdrom', readOnly: true, discardChanges: false, backingFolders: [],
  };
}

/** `--boot`: what is tried before the rest of the usual order. */
export function planBootOrder(first: string | undefined, adapters: readonly PlannedAdapter[]): BootDevice[] {
  if (first === undefined) return [...BOOT_ORDER_DEFAULT];
  const device = oneOf(first, BOOT_DEVICES, '--boot');
  if (device === 'net' && adapters.every(({ config }) => config.model === 'ne2000-isa')) {
    throw usageFailure('--boot net needs a network adapter that has a boot ROM', 'give --net nat,boot-folder=FOLDER,boot-file=NAME');
  }
  return bootOrderFrom(device);
}

function parseTime(text: string): VmStart['time'] {
  if (text === 'host') return 'host';
  const match = /^instructions(?::(.*))?$/s.exec(text);
  if (match === null) throw usageFailure(`--time ${text} is neither host nor instructions`, 'give host, instructions or instructions:NUMBER');
  return { instructionsPerMicrosecond: match[1] === undefined ? INSTRUCTIONS_PER_MICROSECOND_DEFAULT : wholeNumber(match[1], '--time instructions', 1, 100_000) };
}

function parseRtc(text: string): number {
  const iso = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/.exec(text);
  const millis = iso === null ? Number.NaN : Date.parse(iso[1] === undefined && text.length > 10 ? `${text}Z` : text);
  if (!(millis >= 0 && millis <= 4_102_444_799_000)) throw usageFailure(`--rtc "${text}" is not a time between 1970 and 2099`, 'give one such as 2026-11-23T12:00:00Z');
  return Math.floor(millis / 1000);
}

function parseSerial(text: string): RunPlan['serial'] {
  if (text === 'stdio' || text === 'none') return { to: text };
  if (text.startsWith('file:')) return { to: 'file', path: resolve(nonEmpty(text.slice(5), '--serial file:')) };
  throw usageFailure(`--serial ${text} is not known`, 'give stdio, file:PATH or none');
}

function parseDebugPort(text: string): { port: number; output: NonNullable<RunPlan['debug']> } {
  const [port = '', ...rest] = text.split('=');
  const target = rest.join('=');
  const output = target === 'stdio' ? { to: 'stdio' as const } : target.startsWith('file:') ? { to: 'file' as const, path: resolve(nonEmpty(target.slice(5), '--debug-port')) } : undefined;
  if (output === undefined) throw usageFailure(`--debug-port ${text} is not known`, 'give PORT=stdio or PORT=file:PATH');
  return { port: parsePort(port, '--debug-port'), output };
}

function parsePort(text: string, option: string): number {
  const port = /^(?:0x[0-9a-f]{1,4}|\d{1,5})$/i.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 0 && port <= 0xffff)) throw usageFailure(`${option} "${text}" is not an I/O port`, 'give a number up to 0xffff');
  return port;
}

function parseTypeWhen(text: string): TypeRule {
  // In a run of colons the last two divide, so that `login:::root` waits for `login:`.
  const match = /^(.+?)::(?!:)(.*)$/s.exec(text);
  if (match === null) throw usageFailure(`--type-when "${text}" has no text and keys`, 'give "TEXT::keys to type"');
  return { text: match[1]!, keys: unescapeKeys(match[2]!) };
}

/** `\n` Enter, `\t` Tab, `\e` Escape, `\b` Backspace, `\xHH` any character, `\\` a backslash. */
export function unescapeKeys(text: string): string {
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|(.))/gs, (all, hex: string | undefined, letter: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
    switch (letter) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case 'e': return '\x1b';
      case 'b': return '\b';
      case '\\': return '\\';
      default: throw usageFailure(`"${all}" is not an escape of keys`, 'use \\n, \\r, \\t, \\e, \\b, \\xHH or \\\\');
    }
  });
}

function parseTimeout(text: string): number {
  const seconds = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds > 0 && seconds <= TIMEOUT_SECONDS_MAXIMUM)) throw usageFailure(`--timeout "${text}" is not a time in seconds`, `give a number above 0 and up to ${TIMEOUT_SECONDS_MAXIMUM}`);
  return seconds;
}

function wholeNumber(text: string, option: string, minimum: number, maximum: number): number {
  const value = /^(?:0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value >= minimum && value <= maximum)) throw usageFailure(`${option} "${text}" is not a whole number from ${minimum} to ${maximum}`, 'give another');
  return value;
}

export function oneOf<const T extends string>(text: string, allowed: readonly T[], option: string): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw usageFailure(`${option} "${text}" is not known`, `give one of ${allowed.join(', ')}`);
  return found;
}

function nonEmpty(text: string, option: string): string {
  if (text === '' || text.includes('\0')) throw usageFailure(`${option} needs a file`, 'give its path');
  return text;
}
