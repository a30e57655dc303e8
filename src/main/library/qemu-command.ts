/** A machine as the command line of a QEMU that starts the same: its disks as they are now, its firmware's order, its networks. */
import { BOOT_ORDER_DEFAULT } from '../../shared/boot-order.ts';
import type { LeftOut } from '../../shared/foreign-machine.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { ISA_ADAPTER_PLACES } from '../../shared/isa-adapter-places.ts';
import { MIB } from '../../shared/sizes.ts';
import type { DiskAttachment, EmptyDrive, NetworkAdapterStart, VmStart } from '../../shared/vm-protocol.ts';

export interface QemuCommand {
  readonly program: string;
  readonly arguments: readonly string[];
  /** What QEMU has no option for, or none that means the same. */
  readonly leftOut: readonly LeftOut[];
}

/** Places on the two channels, as the machine's board gives them: the guest knows its disks by them. */
const DISK_PLACES = [[0, 0], [0, 1], [1, 1], [1, 0]] as const;
const DISC_PLACES = [[1, 0], [1, 1], [0, 1], [0, 0]] as const;

export function qemuCommand(name: string, start: VmStart, config: MachineConfig): QemuCommand {
  const leftOut: LeftOut[] = [];
  const given: string[] = [
    '-name', escaped(name), '-machine', 'pc',
    // Where nothing is said QEMU translates, as this machine does.
    ...(start.accelerator === 'kvm' ? ['-accel', 'kvm'] : []), '-m', `${start.memoryBytes / MIB}M`, '-vga', 'std',
    ...driveOptions(start), ...(start.adapters ?? []).flatMap((adapter, index) => adapterOptions(adapter, index, startDevices(start).indexOf(adapter), config, leftOut)),
    '-device', 'virtio-rng-pci', '-serial', 'stdio',
  ];
  const { directBoot, rtcEpochSeconds } = start;
  if (directBoot !== undefined) {
    given.push('-kernel', directBoot.kernelPath, ...(directBoot.initrdPath === undefined ? [] : ['-initrd', directBoot.initrdPath]), ...(directBoot.commandLine === '' ? [] : ['-append', directBoot.commandLine]));
  }
  if (rtcEpochSeconds !== undefined) given.push('-rtc', `base=${new Date(rtcEpochSeconds * 1000).toISOString().slice(0, 19)}`);
  if (start.onReset === 'stop') given.push('-no-reboot');
  if (start.time !== 'host') leftOut.push({ what: 'setting', detail: 'time: instructions' });
  if ((start.cpuLimitPercent ?? 100) < 100) leftOut.push({ what: 'setting', detail: `cpuLimitPercent: ${start.cpuLimitPercent ?? 100}` });
  return { program: start.architecture === 'i386' ? 'qemu-system-i386' : 'qemu-system-x86_64', arguments: given, leftOut };
}

/** What is started from, as it is tried. */
function startDevices({ disks, bootOrder, adapters = [] }: VmStart): readonly (VmStart['disks'][number] | NetworkAdapterStart)[] {
  const order = bootOrder.length > 0 ? bootOrder : BOOT_ORDER_DEFAULT;
  return order.flatMap((device): readonly (VmStart['disks'][number] | NetworkAdapterStart)[] => (device === 'net' ? adapters.filter(({ bootRomPath }) => bootRomPath !== undefined) : disks.filter(({ kind }) => kind === (device === 'hd' ? 'disk' : 'cdrom'))));
}

function driveOptions(start: VmStart): string[] {
  const { disks } = start;
  const inOrder = startDevices(start);
  const taken = new Set<string>();
  let ports = 0;
  const controller = disks.some(({ bus }) => bus === 'ahci') ? ['-device', 'ich9-ahci,id=sata'] : [];
  return [...controller, ...disks.flatMap((disk, index) => {
    const bootIndex = inOrder.indexOf(disk);
    const device = `drive=drive${index}${bootIndex < 0 ? '' : `,bootindex=${bootIndex + 1}`}`;
    const drive = disk.path === undefined ? [] : ['-drive', driveOf(disk, index)];
    if (disk.bus === 'virtio') return [...drive, '-device', `virtio-blk-pci,${device}`];
    const port = disk.bus === 'ahci' ? `sata.${ports++}` : idePortOf(disk, taken);
    const hardware = `${disk.kind === 'disk' ? 'ide-hd' : 'ide-cd'},bus=${port}`;
    // An empty drive has nothing to start from.
    return [...drive, '-device', disk.path === undefined ? hardware : `${hardware},${device}`];
  })];
}

function idePortOf({ kind }: DiskAttachment | EmptyDrive, taken: Set<string>): string {
  const port = (kind === 'disk' ? DISK_PLACES : DISC_PLACES).map(([channel, unit]) => `ide.${channel},unit=${unit}`).find((candidate) => !taken.has(candidate))!;
  taken.add(port);
  return port;
}

function driveOf({ path, format, kind, readOnly, discardChanges }: DiskAttachment, index: number): string {
  const name = kind === 'cdrom' || format === 'iso' ? 'raw' : format === 'vhd' ? 'vpc' : format ?? 'raw';
  const options = [`file=${escaped(path)}`, `format=${name}`, 'if=none', `id=drive${index}`];
  if (kind === 'cdrom') options.push('media=cdrom');
  if (readOnly) options.push('readonly=on');
  // Of a read-only disk nothing is kept anyway.
  else if (discardChanges) options.push('snapshot=on');
  return options.join(',');
}

const CARDS: Readonly<Record<NetworkAdapterStart['model'], string>> = { virtio: 'virtio-net-pci', e1000: 'e1000', rtl8139: 'rtl8139', pcnet: 'pcnet', 'ne2000-pci': 'ne2k_pci', 'ne2000-isa': 'ne2k_isa' };

function adapterOptions({ model, mac, reach, allow, forwards, connected, bootFolder, bootFile }: NetworkAdapterStart, index: number, bootIndex: number, { adapters }: MachineConfig, leftOut: LeftOut[]): string[] {
  const { mode = 'nat', network = '' } = adapters[index] ?? {};
  if (mode !== 'nat' && mode !== 'host-only') leftOut.push({ what: 'network-mode', detail: `${mode} ${network}` });
  // QEMU's own network with a way out, or without one; a network that machines of ours share is none of its.
  const isRestricted = reach !== 'internet' || mode === 'internal';
  if (reach === 'listed' || allow.length > 0) leftOut.push({ what: 'network-mode', detail: `listed: ${allow.map(({ host }) => host).join(', ')}`.slice(0, 300) });
  if (connected === false) leftOut.push({ what: 'network-mode', detail: 'unplugged' });
  const rules = forwards.map(({ protocol, host, guest }) => `hostfwd=${protocol}:${bracketed(host.address)}:${host.port}-${guest.address ?? ''}:${guest.port}`);
  const boot = [...(bootFolder === undefined ? [] : [`tftp=${escaped(bootFolder)}`]), ...(bootFile === undefined ? [] : [`bootfile=${escaped(bootFile)}`])];
  const place = model === 'ne2000-isa' ? ISA_ADAPTER_PLACES[adapters.slice(0, index).filter((other) => other.model === model).length] : undefined;
  const jumpers = place ? `,iobase=${place.base},irq=${place.irq}` : '';
  return ['-netdev', ['user', `id=net${index}`, ...(isRestricted ? ['restrict=on'] : []), ...boot, ...rules].join(','), '-device', `${CARDS[model]}${jumpers},netdev=net${index},mac=${mac}${bootIndex < 0 ? '' : `,bootindex=${bootIndex + 1}`}`];
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** A comma ends a value of QEMU's; two are one. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}

/** For a POSIX shell. */
export function shellLine({ program, arguments: given }: Pick<QemuCommand, 'program' | 'arguments'>): string {
  return [program, ...given].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll('\'', '\'\\\'\'')}'`)).join(' ');
}
