/** VirtualBox's `.vbox` files: settings versions 1.12 and later (VirtualBox 3.2), in which a machine names its own media. */
import type { BootDevice } from '../../../shared/boot-order.ts';
import type { ForeignAdapter, ForeignDisk } from '../../../shared/foreign-machine.ts';
import { MIB } from '../../../shared/sizes.ts';
import { adapterModelOf, countOf, diskFormatOf, guestSystemOf, macOf, MachineFacts, portOf } from './machine-facts.ts';
import type { NamedFiles } from './named-files.ts';
import { damagedText, parseXml } from './xml-document.ts';
import type { XmlElement } from './xml-document.ts';

const MEDIA_MAXIMUM = 10_000;

interface Medium {
  readonly location: string;
  readonly format: string;
  readonly type: string;
  /** It was made on another one. */
  readonly isDifference: boolean;
}

export async function readVirtualBox(text: string, files: NamedFiles): Promise<MachineFacts> {
  const root = parseXml(text, 'the .vbox file');
  const machine = root.name === 'VirtualBox' ? root.child('Machine') : undefined;
  const hardware = machine?.child('Hardware');
  if (machine === undefined || hardware === undefined) throw damagedText('the file', 'is no machine of VirtualBox');
  if (machine.attribute('encryption') !== undefined || machine.child('MachineEncrypted') !== undefined) throw damagedText('the machine', 'is encrypted, which only VirtualBox can undo');
  const facts = new MachineFacts('virtualbox', files);
  facts.name = machine.attribute('name') ?? '';
  const system = machine.attribute('OSType') ?? '';
  const longMode = hardware.at('CPU', 'LongMode')?.attribute('enabled');
  facts.architecture = longMode === 'false' || (longMode === undefined && !/_64$/.test(system)) ? 'i386' : 'x86_64';
  if (/arm/i.test(hardware.child('Platform')?.attribute('architecture') ?? machine.child('Platform')?.attribute('architecture') ?? '')) throw damagedText('the machine', 'is one for ARM processors, and a machine here has an x86 processor');
  facts.guestSystem = guestSystemOf(system, facts.architecture);
  facts.notes = machine.textOf('Description') ?? '';
  facts.memoryBytes = countOf(hardware.child('Memory')?.attribute('RAMSize'), 1 << 24) * MIB;
  facts.processors = countOf(hardware.child('CPU')?.attribute('count'), 1024) || 1;
  readBoot(hardware, facts);
  readExtras(machine, hardware, facts);
  readAdapters(hardware, facts);
  const media = mediaOf(machine);
  for (const controller of (hardware.child('StorageControllers') ?? machine.child('StorageControllers'))?.all('StorageController') ?? []) await readController(controller, media, facts);
  return facts;
}

const BOOT_DEVICE_OF: Readonly<Record<string, BootDevice>> = { HardDisk: 'hd', DVD: 'cd', Network: 'net' };

function readBoot(hardware: XmlElement, facts: MachineFacts): void {
  const order = (hardware.child('Boot')?.all('Order') ?? []).toSorted((one, other) => countOf(one.attribute('position'), 9) - countOf(other.attribute('position'), 9))
    .flatMap((entry) => BOOT_DEVICE_OF[entry.attribute('device') ?? ''] ?? []);
  if (order.length > 0) facts.bootOrder = [...new Set(order)];
}

function readExtras(machine: XmlElement, hardware: XmlElement, facts: MachineFacts): void {
  const firmware = hardware.child('Firmware')?.attribute('type') ?? 'BIOS';
  if (firmware !== 'BIOS') facts.leaveOut('firmware', firmware);
  const tpm = hardware.child('TrustedPlatformModule')?.attribute('type') ?? 'None';
  if (tpm !== 'None') facts.leaveOut('tpm', tpm);
  if (machine.child('Snapshot') !== undefined) facts.leaveOut('snapshots', machine.child('Snapshot')?.attribute('name') ?? '');
  for (const folder of hardware.child('SharedFolders')?.all('SharedFolder') ?? []) facts.leaveOut('shared-folder', `${folder.attribute('name') ?? ''} (${folder.attribute('hostPath') ?? ''})`);
  for (const filter of hardware.at('USB', 'DeviceFilters')?.all('DeviceFilter') ?? []) facts.leaveOut('usb', filter.attribute('name') ?? '');
  if (hardware.child('AudioAdapter')?.attribute('enabled') === 'true') facts.leaveOut('sound', hardware.child('AudioAdapter')?.attribute('controller') ?? 'AC97');
  for (const port of hardware.child('UART')?.all('Port') ?? []) if (port.attribute('enabled') === 'true') facts.leaveOut('serial-port', `${port.attribute('hostMode') ?? ''} ${port.attribute('path') ?? ''}`.trim());
  for (const port of hardware.child('LPT')?.all('Port') ?? []) if (port.attribute('enabled') === 'true') facts.leaveOut('parallel-port', port.attribute('path') ?? '');
  if (hardware.child('Display')?.attribute('accelerate3D') === 'true') facts.leaveOut('graphics', '3D');
}

function readAdapters(hardware: XmlElement, facts: MachineFacts): void {
  for (const adapter of hardware.child('Network')?.all('Adapter') ?? []) {
    if (adapter.attribute('enabled') !== 'true') continue;
    const [network, networkName] = networkOf(adapter);
    const mac = macOf(adapter.attribute('MACAddress'));
    facts.adapters.push({
      // A PCnet card is what VirtualBox means where it says nothing.
      model: adapterModelOf(adapter.attribute('type') ?? 'Am79C970A'), network, networkName: networkName.slice(0, 200), connected: adapter.attribute('cable') !== 'false',
      ...(mac !== undefined && { mac }), forwards: forwardsOf(adapter.child('NAT'), facts),
    });
  }
}

function networkOf(adapter: XmlElement): [ForeignAdapter['network'], string] {
  const named = (child: string): string | undefined => adapter.child(child)?.attribute('name');
  if (adapter.child('NAT') !== undefined) return ['nat', ''];
  if (adapter.child('NATNetwork') !== undefined) return ['nat-network', named('NATNetwork') ?? ''];
  if (adapter.child('InternalNetwork') !== undefined) return ['internal', named('InternalNetwork') ?? ''];
  if (adapter.child('HostOnlyInterface') !== undefined || adapter.child('HostOnlyNetwork') !== undefined) return ['host-only', named('HostOnlyInterface') ?? named('HostOnlyNetwork') ?? ''];
  if (adapter.child('BridgedInterface') !== undefined) return ['bridged', named('BridgedInterface') ?? ''];
  return adapter.child('GenericInterface') === undefined && adapter.child('CloudNetwork') === undefined ? ['none', ''] : ['other', ''];
}

function forwardsOf(nat: XmlElement | undefined, facts: MachineFacts): ForeignAdapter['forwards'] {
  return (nat?.all('Forwarding') ?? []).flatMap((rule) => {
    const [hostPort, guestPort] = [portOf(rule.attribute('hostport')), portOf(rule.attribute('guestport'))];
    if (hostPort === undefined || guestPort === undefined) {
      facts.leaveOut('forward', `${rule.attribute('name') ?? ''} ${rule.attribute('hostport') ?? ''} ${rule.attribute('guestport') ?? ''}`);
      return [];
    }
    const address = rule.attribute('guestip');
    // An empty host address means every address of the host; here a forward is the host's own until somebody says otherwise.
    const hostAddress = rule.attribute('hostip') ?? '';
    return [{ protocol: rule.attribute('proto') === '0' ? 'udp' as const : 'tcp' as const, host: { address: hostAddress === '' ? '127.0.0.1' : hostAddress, port: hostPort }, guest: { ...(address !== undefined && address !== '' && { address }), port: guestPort } }];
  });
}

/** By UUID: disks, with those that were made on them, and discs. */
function mediaOf(machine: XmlElement): Map<string, Medium> {
  const media = new Map<string, Medium>();
  const add = (element: XmlElement, isDifference: boolean): void => {
    const uuid = element.attribute('uuid');
    if (uuid === undefined || media.size >= MEDIA_MAXIMUM) return;
    media.set(uuid, { location: element.attribute('location') ?? '', format: element.attribute('format') ?? '', type: element.attribute('type') ?? 'Normal', isDifference });
    for (const child of element.all('HardDisk')) add(child, true);
  };
  const registry = machine.child('MediaRegistry');
  for (const disk of registry?.child('HardDisks')?.all('HardDisk') ?? []) add(disk, false);
  for (const disc of registry?.child('DVDImages')?.all('Image') ?? []) add(disc, false);
  return media;
}

async function readController(controller: XmlElement, media: ReadonlyMap<string, Medium>, facts: MachineFacts): Promise<void> {
  const bus = busOf(controller.attribute('type') ?? '');
  for (const device of controller.all('AttachedDevice')) {
    const uuid = device.child('Image')?.attribute('uuid');
    const medium = uuid === undefined ? undefined : media.get(uuid);
    switch (device.attribute('type')) {
      case 'HardDisk':
        if (medium === undefined) facts.leaveOut('disk', uuid ?? controller.attribute('name') ?? '');
        else await facts.addDisk(medium.location, { bus, format: diskFormatOf(medium.format), readOnly: medium.type === 'Readonly', discardChanges: medium.type === 'Immutable' && !medium.isDifference });
        break;
      case 'DVD':
        await facts.addDisc(medium?.location);
        break;
      case 'Floppy':
        if (device.child('Image') !== undefined) facts.leaveOut('floppy', medium?.location ?? uuid ?? '');
        break;
      case undefined:
        break;
    }
  }
}

function busOf(controllerType: string): ForeignDisk['bus'] {
  switch (controllerType) {
    case 'PIIX3':
    case 'PIIX4':
    case 'ICH6': return 'ide';
    case 'AHCI': return 'sata';
    case 'LsiLogic':
    case 'LsiLogicSas':
    case 'BusLogic': return 'scsi';
    case 'NVMe': return 'nvme';
    case 'VirtioSCSI':
    case 'VirtioBlk': return 'virtio';
    case 'USB': return 'usb';
    default: return 'other';
  }
}
