/** From a machine's description to what its VM process needs, everything checked that main may check. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import type { BootDevice } from '../../shared/boot-order.ts';
import { DISK_BUSES, DRIVES_MAXIMUM } from '../../shared/disk-bus.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { macAddressOf, type AdapterConfig } from '../../shared/network-config.ts';
import { isAbsoluteMediumPath } from '../../shared/machine-config.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { DiskAttachment, EmptyDrive, NetworkAdapterStart, NetworkSettings, VmStart } from '../../shared/vm-protocol.ts';
import type { AppPaths } from '../app-paths.ts';
import { isInBundle, type InPlace } from '../library/in-place-record.ts';
import { checkHostMemory } from './host-memory.ts';
import { checkMedium, hasNameOfFormat } from './media-check.ts';

/** Direct boot of a guest that comes with the app, resolved by the caller from `config.bundledGuest`. */
export interface ResolvedDirectBoot { readonly kernelPath: string; readonly initrdPath: string | undefined; readonly commandLine: string }

/** `folder` is the VM folder that relative media are in. Errors: those of `checkVmStart`, and `media.outside-folder`. */
export function vmStartOf(name: string, config: MachineConfig, folder: string, bundledBoot: ResolvedDirectBoot | undefined, paths: AppPaths, inPlace?: InPlace): Result<VmStart> {
  const disks: (DiskAttachment | EmptyDrive)[] = [];
  for (const disk of config.disks) {
    const path = mediumPath(folder, disk.path);
    if (!path.ok) return path;
    disks.push({ path: path.value, format: disk.format, bus: disk.bus, kind: 'disk', readOnly: disk.readOnly, discardChanges: disk.discardChanges, backingFolders: disk.backingFolders, bytesPerSecondMaximum: disk.bytesPerSecondMaximum });
  }
  for (const cdrom of config.cdroms) {
    const path = cdrom.path === undefined ? ok(undefined) : mediumPath(folder, cdrom.path);
    if (!path.ok) return path;
    disks.push({ path: path.value, format: 'iso', bus: cdrom.bus, kind: 'cdrom', readOnly: true, discardChanges: false, backingFolders: [] });
  }
  let directBoot: ResolvedDirectBoot | undefined = bundledBoot;
  if (config.directBoot !== undefined) {
    const kernel = mediumPath(folder, config.directBoot.kernel);
    if (!kernel.ok) return kernel;
    let initrdPath: string | undefined;
    if (config.directBoot.initrd !== undefined) {
      const initrd = mediumPath(folder, config.directBoot.initrd);
      if (!initrd.ok) return initrd;
      initrdPath = initrd.value;
    }
    directBoot = { kernelPath: kernel.value, initrdPath, commandLine: config.directBoot.commandLine };
  }
  return checkVmStart({
    name,
    memoryBytes: config.memoryBytes,
    architecture: config.architecture,
    accelerator: config.accelerator,
    biosPath: paths.bios,
    vgaBiosPath: paths.vgaBios,
    directBoot,
    disks,
    bootOrder: config.bootOrder,
    adapters: config.adapters.map((adapter, index) => adapterStartOf(name, index, adapter, undefined, config.bootOrder, paths)),
    time: config.time.mode,
    rtcEpochSeconds: config.time.rtcEpochSeconds,
    seed: config.time.seed,
    exitPort: undefined,
    debugPort: undefined,
    onReset: config.onReset,
    cpuLimitPercent: config.cpuLimitPercent,
    bundle: inPlace?.bundle,
  }, inPlace);
}

/** `capturePath` is a pcapng file for the adapter's frames. The adapter has a boot ROM where the order wants one: it costs time at each start. */
export function adapterStartOf(machine: string, index: number, config: AdapterConfig, capturePath: string | undefined, bootOrder: readonly BootDevice[], paths: AppPaths): NetworkAdapterStart {
  const { model, mac, mode, network } = config;
  const isShared = mode === 'nat-network' || mode === 'internal';
  return {
    model, mac: mac ?? macAddressOf(machine, index), ...networkSettingsOf(config), capturePath,
    bootRomPath: bootOrder.includes('net') ? paths.bootRom(model) : undefined,
    sharedSwitch: isShared ? { place: paths.switchPlace(mode, network), hasGateway: mode === 'nat-network' } : undefined,
  };
}

/** What of an adapter's description can change while the machine is on. */
export function networkSettingsOf({ model: _model, mac: _mac, mode, network: _network, ...settings }: AdapterConfig): NetworkSettings {
  return mode === 'host-only' ? { ...settings, reach: 'nothing', allow: [] } : settings;
}

/**
 * Everything that can be known before a process is started.
 * Errors: those of `checkMedium` and `checkHostMemory`, `firmware.missing`, `machines.no-kvm`, `machines.too-many-drives`, `media.twice`,
 * `network.instruction-time`, `network.no-boot-folder`, `network.no-boot-server`, `network.no-gateway`, `network.port-twice`.
 */
export function checkVmStart(start: VmStart, inPlace?: InPlace): Result<VmStart> {
  if (start.accelerator === 'kvm') return fail('machines.no-kvm', 'the accelerator kvm is not available in this version', 'use the accelerator auto');
  const memory = checkHostMemory(start.memoryBytes, 0);
  if (!memory.ok) return memory;
  for (const path of [start.biosPath, start.vgaBiosPath, ...(start.adapters ?? []).map(({ bootRomPath }) => bootRomPath)]) {
    const checked = path === undefined ? ok(0) : checkMedium(path, 'firmware', false);
    if (!checked.ok) return checked.error.code === 'media.missing' ? fail('firmware.missing', checked.error.message, 'run "npm run setup", or give another with --bios') : checked;
  }
  const { directBoot } = start;
  if (directBoot !== undefined) {
    const kernel = checkMedium(directBoot.kernelPath, 'kernel', false);
    if (!kernel.ok) return kernel;
    const initrd = directBoot.initrdPath === undefined ? ok(0) : checkMedium(directBoot.initrdPath, 'initrd', false);
    if (!initrd.ok) return initrd;
    if (initrd.value >= start.memoryBytes) return fail('memory.too-small', `the initrd ${directBoot.initrdPath ?? ''} does not fit into the machine's memory`, 'give the machine more memory');
  }
  const full = DISK_BUSES.find((bus) => start.disks.filter((disk) => disk.bus === bus).length > DRIVES_MAXIMUM[bus]);
  if (full !== undefined) return fail('machines.too-many-drives', `more than ${DRIVES_MAXIMUM[full]} drives don't fit on the bus ${full}`, `attach some with another bus: ${DISK_BUSES.join(', ')}`);
  const adapters = start.adapters ?? [];
  if (adapters.length > 0 && start.time !== 'host') {
    return fail('network.instruction-time', 'a machine in instruction time can have no network: what comes from outside can\'t be repeated', 'give it host time, or no network');
  }
  if (adapters.some(({ sharedSwitch, forwards }) => sharedSwitch?.hasGateway === false && forwards.length > 0)) {
    return fail('network.no-gateway', 'no port leads into an internal network', 'leave its forwards out, or use a NAT network');
  }
  if (adapters.some(({ sharedSwitch, bootFolder }) => sharedSwitch?.hasGateway === false && bootFolder !== undefined)) {
    return fail('network.no-boot-server', 'nobody gives out a boot folder on an internal network', 'leave it out, or use a NAT network');
  }
  const noFolder = adapters.find(({ bootFolder }) => bootFolder !== undefined && !isFolder(bootFolder))?.bootFolder;
  if (noFolder !== undefined) return fail('network.no-boot-folder', `the boot folder ${noFolder} isn't there, or is no folder`, 'name a folder with what the guest is to boot');
  const ports = adapters.flatMap(({ forwards }) => forwards.map(({ protocol, host }) => `${protocol} port ${host.address}:${host.port}`));
  const twice = ports.find((port, index) => ports.indexOf(port) < index);
  if (twice !== undefined) return fail('network.port-twice', `the host's ${twice} is forwarded twice`, 'forward it once');
  const written = new Set<string>();
  for (const disk of start.disks) {
    if (disk.path === undefined || isInBundle(inPlace, disk.path)) continue;
    const writable = !disk.readOnly && !disk.discardChanges;
    const checked = checkMedium(disk.path, disk.kind === 'cdrom' ? 'CD image' : isTakenAsRaw(disk) ? 'raw disk' : 'disk', writable);
    if (!checked.ok) return checked;
    if (!writable) continue;
    const real = realpathSync(disk.path);
    if (written.has(real)) return fail('media.twice', `the disk ${disk.path} is attached twice`, 'attach it once');
    written.add(real);
  }
  return ok(start);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function isTakenAsRaw({ format, path }: DiskAttachment): boolean {
  return format === 'raw' || (format === undefined && !hasNameOfFormat(path));
}

/** Absolute path of a medium. One inside the VM folder may not lead out of it, not by a link either. */
export function mediumPath(folder: string, path: string): Result<string> {
  if (isAbsoluteMediumPath(path)) return ok(path);
  const inside = resolve(folder, ...path.split(/[\\/]/));
  const outside = fail('media.outside-folder', `the medium ${path} leads out of the VM folder`, 'attach it by its full path instead');
  if (!inside.startsWith(folder + sep)) return outside;
  if (!existsSync(inside)) return ok(inside);
  const real = realpathSync(inside);
  return real.startsWith(join(realpathSync(folder), sep)) ? ok(inside) : outside;
}
