/** OVF 1.1 descriptors (DSP0243) as VirtualBox and VMware read them. */
import { XMLBuilder } from 'fast-xml-parser';
import type { ExportedMachine } from '../../../shared/media-protocol.ts';
import { MIB } from '../../../shared/sizes.ts';
import { RESOURCE, SYSTEM_NUMBERS, VMDK_STREAM_FORMAT } from './ovf-words.ts';

const OVF = 'http://schemas.dmtf.org/ovf/envelope/1';
const CIM = 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2';
/** Two channels of two drives. */
const IDE_CHANNELS = 2;

export interface DescribedDisk {
  readonly href: string;
  readonly fileBytes: number;
  readonly capacityBytes: number;
  readonly bus: 'ide' | 'sata';
}

type Item = Readonly<Record<string, string | number>>;

export function ovfDescriptor(machine: ExportedMachine, disks: readonly DescribedDisk[]): string {
  const networks = [...new Set(machine.adapters.map(({ network }) => network))];
  const [systemNumber, vmwareSystem] = SYSTEM_NUMBERS[machine.guestSystem ?? 'other'][machine.architecture];
  const envelope = {
    '?xml': { '@_version': '1.0', '@_encoding': 'UTF-8' },
    Envelope: {
      '@_ovf:version': '1.0', '@_xml:lang': 'en-US', '@_xmlns': OVF, '@_xmlns:ovf': OVF, '@_xmlns:rasd': `${CIM}/CIM_ResourceAllocationSettingData`,
      '@_xmlns:vssd': `${CIM}/CIM_VirtualSystemSettingData`, '@_xmlns:vmw': 'http://www.vmware.com/schema/ovf', '@_xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance',
      References: { File: disks.map(({ href, fileBytes }, index) => ({ '@_ovf:id': `file${index + 1}`, '@_ovf:href': encodeURI(href), '@_ovf:size': fileBytes })) },
      DiskSection: {
        Info: 'The machine\'s disks',
        Disk: disks.map(({ capacityBytes }, index) => ({ '@_ovf:diskId': `vmdisk${index + 1}`, '@_ovf:capacity': capacityBytes, '@_ovf:capacityAllocationUnits': 'byte', '@_ovf:fileRef': `file${index + 1}`, '@_ovf:format': VMDK_STREAM_FORMAT })),
      },
      NetworkSection: { Info: 'The networks that the machine is on', Network: networks.map((name) => ({ '@_ovf:name': name, Description: `The network ${name}` })) },
      VirtualSystem: {
        '@_ovf:id': machine.name, Info: 'A machine', Name: machine.name,
        ...(machine.notes === '' ? {} : { AnnotationSection: { Info: 'Notes', Annotation: machine.notes } }),
        OperatingSystemSection: { '@_ovf:id': systemNumber, '@_vmw:osType': vmwareSystem, Info: 'The system that is installed' },
        VirtualHardwareSection: {
          Info: 'The hardware that the machine needs',
          System: { 'vssd:ElementName': 'Virtual Hardware Family', 'vssd:InstanceID': 0, 'vssd:VirtualSystemIdentifier': machine.name, 'vssd:VirtualSystemType': 'vmx-07 virtualbox-2.2' },
          Item: hardwareItems(machine, disks).map(inSchemaOrder),
        },
      },
    },
  };
  return `${new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: '@_', format: true, suppressEmptyNode: true, suppressBooleanAttributes: false }).build(envelope)}`;
}

function hardwareItems(machine: ExportedMachine, disks: readonly DescribedDisk[]): Item[] {
  let next = 1;
  const add = (items: Item[], item: Item): number => {
    items.push({ ...item, InstanceID: next });
    return next++;
  };
  const items: Item[] = [];
  add(items, { ElementName: '1 virtual CPU', Description: 'Number of virtual CPUs', ResourceType: RESOURCE.processor, VirtualQuantity: 1, AllocationUnits: 'hertz * 10^6' });
  const megabytes = machine.memoryBytes / MIB;
  add(items, { ElementName: `${megabytes} MB of memory`, Description: 'Memory Size', ResourceType: RESOURCE.memory, VirtualQuantity: megabytes, AllocationUnits: 'byte * 2^20' });
  const ideChannels = Array.from({ length: IDE_CHANNELS }, (_, channel) => add(items, { ElementName: `IDE ${channel}`, Description: 'IDE Controller', Address: channel, ResourceSubType: 'PIIX4', ResourceType: RESOURCE.ideController }));
  const sata = disks.some(({ bus }) => bus === 'sata') ? add(items, { ElementName: 'SATA 0', Description: 'SATA Controller', Address: 0, ResourceSubType: 'AHCI', ResourceType: RESOURCE.otherStorage }) : 0;
  let [idePlace, sataPlace] = [0, 0];
  const idePlaceNext = (): Item => {
    const place = idePlace++;
    return { Parent: ideChannels[Math.floor(place / 2)]!, AddressOnParent: place % 2 };
  };
  for (const [index, { bus }] of disks.entries()) {
    add(items, { ElementName: `Disk ${index + 1}`, Description: 'Hard disk', HostResource: `ovf:/disk/vmdisk${index + 1}`, ResourceType: RESOURCE.disk, ...(bus === 'ide' ? idePlaceNext() : { Parent: sata, AddressOnParent: sataPlace++ }) });
  }
  for (let drive = 0; drive < machine.cdDrives && idePlace < 2 * IDE_CHANNELS; drive++) {
    add(items, { ElementName: `CD drive ${drive + 1}`, Description: 'CD drive', AutomaticAllocation: 'false', ResourceType: RESOURCE.cdDrive, ...idePlaceNext() });
  }
  for (const [index, { network, isConnected, mac }] of machine.adapters.entries()) {
    add(items, { ElementName: `Ethernet ${index + 1}`, Description: 'E1000 Ethernet adapter', AutomaticAllocation: String(isConnected), Connection: network, ResourceSubType: 'E1000', ResourceType: RESOURCE.ethernet, ...(mac !== undefined && { Address: mac }) });
  }
  return items;
}

/** The schema of the CIM class wants its properties in the order of the alphabet. */
function inSchemaOrder(item: Item): Item {
  return Object.fromEntries(Object.entries(item).toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([name, value]) => [`rasd:${name}`, value]));
}
