/** OVF descriptors (DSP0243, versions 1.0 to 2.1): the first virtual system, by its CIM resource items. */
import type { ForeignDisk } from '../../../shared/foreign-machine.ts';
import { GIB, KIB, MIB } from '../../../shared/sizes.ts';
import { ImageError, printable } from '../../storage/image-error.ts';
import { adapterModelOf, countOf, diskFormatOf, guestSystemOf, macOf, MachineFacts } from './machine-facts.ts';
import type { NamedFiles } from './named-files.ts';
import { RESOURCE } from './ovf-words.ts';
import { damagedText, parseXml } from './xml-document.ts';
import type { XmlElement } from './xml-document.ts';

/** Finds a file that the descriptor references: beside it, or in the archive that both are in. */
export type FindReferenced = (href: string) => Promise<Pick<ForeignDisk, 'file' | 'bytes'> | undefined>;

interface Referenced {
  readonly href: string;
  readonly compression: string;
  readonly chunkSize: string | undefined;
}

export async function readOvf(text: string, files: NamedFiles, find: FindReferenced): Promise<MachineFacts> {
  const envelope = parseXml(text, 'the OVF descriptor');
  if (envelope.name !== 'Envelope') throw damagedText('the file', 'is no OVF descriptor');
  const collection = envelope.child('VirtualSystemCollection');
  const [system, ...others] = [...envelope.all('VirtualSystem'), ...(collection?.all('VirtualSystem') ?? [])];
  if (system === undefined) throw damagedText('the OVF descriptor', 'describes no machine');
  const facts = new MachineFacts('ovf', files);
  for (const other of others) facts.leaveOut('nested-machines', nameOf(other));
  facts.name = nameOf(system);
  facts.notes = system.at('AnnotationSection', 'Annotation')?.text ?? '';
  const operatingSystem = system.child('OperatingSystemSection');
  const systemName = operatingSystem?.attribute('osType') ?? operatingSystem?.textOf('OSType') ?? operatingSystem?.textOf('Description') ?? '';
  // 64-bit guests have names that say so, in VMware's words and in VirtualBox's.
  facts.architecture = systemName === '' || /64/.test(systemName) ? 'x86_64' : 'i386';
  facts.guestSystem = guestSystemOf(systemName, facts.architecture);
  if (system.child('ProductSection') !== undefined && (system.child('ProductSection')?.all('Property').length ?? 0) > 0) facts.leaveOut('guest-settings', 'ProductSection');
  const hardware = system.child('VirtualHardwareSection');
  if (hardware === undefined) throw damagedText('the OVF descriptor', 'describes no hardware');
  await readItems(hardware, envelope, facts, find);
  for (const config of hardware.all('Config')) if (config.attribute('key') === 'firmware' && config.attribute('value') === 'efi') facts.leaveOut('firmware', 'efi');
  return facts;
}

function nameOf(system: XmlElement): string {
  return system.textOf('Name') ?? system.attribute('id') ?? '';
}

async function readItems(hardware: XmlElement, envelope: XmlElement, facts: MachineFacts, find: FindReferenced): Promise<void> {
  // OVF 2 has items of their own for storage and for Ethernet ports.
  const items = ['Item', 'StorageItem', 'EthernetPortItem'].flatMap((name) => hardware.all(name));
  const controllers = new Map(items.map((item) => [item.textOf('InstanceID') ?? '', item]));
  const inOrder = items.toSorted((one, other) => placeOf(one) - placeOf(other));
  for (const item of inOrder) {
    const type = countOf(item.textOf('ResourceType'), 1000);
    const said = item.textOf('ElementName') ?? item.textOf('Caption') ?? item.textOf('Description') ?? `ResourceType ${type}`;
    switch (type) {
      case RESOURCE.processor:
        facts.processors = countOf(item.textOf('VirtualQuantity'), 1024) || 1;
        break;
      case RESOURCE.memory:
        facts.memoryBytes = countOf(item.textOf('VirtualQuantity'), Number.MAX_SAFE_INTEGER) * unitOf(item.textOf('AllocationUnits') ?? 'MegaBytes');
        break;
      case RESOURCE.disk:
        await readDisk(item, busOf(controllers.get(item.textOf('Parent') ?? '')), envelope, facts, find);
        break;
      case RESOURCE.cdDrive:
      case RESOURCE.dvdDrive: {
        const disc = await discOf(item, envelope, facts, find);
        facts.cdroms.push(disc);
        break;
      }
      case RESOURCE.ethernet: {
        const network = item.textOf('Connection') ?? '';
        const mac = macOf(item.textOf('Address') ?? item.textOf('MACAddress'));
        facts.adapters.push({
          model: adapterModelOf(item.textOf('ResourceSubType') ?? ''), network: /^nat$/i.test(network) ? 'nat' : /host.?only/i.test(network) ? 'host-only' : /bridge/i.test(network) ? 'bridged' : network === '' ? 'nat' : 'other',
          networkName: network.slice(0, 200), connected: item.textOf('AutomaticAllocation')?.toLowerCase() !== 'false', ...(mac !== undefined && { mac }), forwards: [],
        });
        break;
      }
      case RESOURCE.floppyDrive:
        facts.leaveOut('floppy', said);
        break;
      case RESOURCE.usbController:
        if (item.attribute('required') !== 'false') facts.leaveOut('usb', said);
        break;
      case RESOURCE.soundCard:
        if (item.attribute('required') !== 'false') facts.leaveOut('sound', said);
        break;
      case RESOURCE.serialPort:
        facts.leaveOut('serial-port', said);
        break;
      case RESOURCE.parallelPort:
        facts.leaveOut('parallel-port', said);
        break;
    }
  }
}

/** Disks of a controller in the order of their numbers on it. */
function placeOf(item: XmlElement): number {
  return countOf(item.textOf('Parent'), 1e6) * 1000 + countOf(item.textOf('AddressOnParent'), 999);
}

function busOf(controller: XmlElement | undefined): ForeignDisk['bus'] {
  const model = controller?.textOf('ResourceSubType')?.toLowerCase() ?? '';
  switch (countOf(controller?.textOf('ResourceType'), 1000)) {
    case RESOURCE.ideController: return 'ide';
    case RESOURCE.scsiController: return model.includes('virtio') ? 'virtio' : 'scsi';
    case RESOURCE.otherStorage: return model.includes('nvme') ? 'nvme' : model.includes('virtio') ? 'virtio' : 'sata';
    default: return 'other';
  }
}

async function readDisk(item: XmlElement, bus: ForeignDisk['bus'], envelope: XmlElement, facts: MachineFacts, find: FindReferenced): Promise<void> {
  const id = /^(?:ovf:)?\/disk\/(.+)$/.exec((item.textOf('HostResource') ?? '').trim())?.[1];
  const disk = envelope.child('DiskSection')?.all('Disk').find((candidate) => candidate.attribute('diskId') === id);
  if (disk === undefined) throw damagedText('the OVF descriptor', `has a drive with the disk "${printable(id ?? '')}", which it doesn't describe`);
  if (disk.attribute('parentRef') !== undefined) throw new ImageError('image.unsupported', 'the OVF package has a disk that lies on another one', 'export the machine anew, without its snapshots');
  const capacity = countOf(disk.attribute('capacity'), Number.MAX_SAFE_INTEGER) * unitOf(disk.attribute('capacityAllocationUnits') ?? 'byte');
  const reference = disk.attribute('fileRef');
  if (reference === undefined) {
    facts.disks.push({ bytes: capacity, bus, readOnly: false, discardChanges: false });
    return;
  }
  const referenced = referencedFile(envelope, reference);
  if (referenced.chunkSize !== undefined) throw new ImageError('image.unsupported', `the OVF package has the disk ${printable(referenced.href)} in several pieces`, 'export the machine anew, each disk as one file');
  if (referenced.compression !== '' && referenced.compression !== 'identity') throw new ImageError('image.unsupported', `the OVF package has the disk ${printable(referenced.href)} compressed with ${printable(referenced.compression)}`, 'export the machine anew, without that compression');
  const found = await find(referenced.href);
  if (found === undefined) throw damagedText('the OVF package', `lacks the disk ${printable(referenced.href)}`);
  const format = disk.attribute('format') ?? '';
  facts.disks.push({
    ...found, bus, readOnly: false, discardChanges: false,
    format: /vmdk/i.test(format) ? 'vmdk' : diskFormatOf(/([a-z0-9]+)(?:\.html)?(?:#.*)?$/i.exec(format)?.[1]),
  });
}

async function discOf(item: XmlElement, envelope: XmlElement, facts: MachineFacts, find: FindReferenced): Promise<{ path?: string }> {
  const reference = /^(?:ovf:)?\/file\/(.+)$/.exec((item.textOf('HostResource') ?? '').trim())?.[1];
  if (reference === undefined) return {};
  const { href } = referencedFile(envelope, reference);
  const { file } = await find(href) ?? {};
  if (file !== undefined && file.within === undefined) return { path: file.path };
  facts.leaveOut('disc', href);
  return {};
}

function referencedFile(envelope: XmlElement, id: string): Referenced {
  const file = envelope.child('References')?.all('File').find((candidate) => candidate.attribute('id') === id);
  const href = file?.attribute('href');
  if (file === undefined || href === undefined) throw damagedText('the OVF descriptor', `names the file "${printable(id)}", which it doesn't reference`);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(href)) throw new ImageError('image.unsupported', `the OVF package has its disk at ${printable(href)}`, 'download it, and name it by its file name in the descriptor');
  return { href, compression: file.attribute('compression') ?? '', chunkSize: file.attribute('chunkSize') };
}

/** `byte * 2^20`, and the words of drafts. */
function unitOf(text: string): number {
  const power = /^\s*byte\s*\*\s*(2|10)\s*\^\s*(\d{1,2})\s*$/i.exec(text);
  if (power !== null) return Number(power[1]) ** Number(power[2]);
  const word = text.trim().toLowerCase();
  return word === 'gigabytes' ? GIB : word === 'megabytes' ? MIB : word === 'kilobytes' ? KIB : 1;
}
