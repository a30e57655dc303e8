/** UTM's `.utm` packages: a folder with `config.plist` (configuration version 4, UTM 4 and later) and its images in `Data`. */
import { parse } from 'plist';
import { z } from 'zod';
import type { ForeignAdapter, ForeignDisk } from '../../../shared/foreign-machine.ts';
import { MIB } from '../../../shared/sizes.ts';
import { printable } from '../../storage/image-error.ts';
import { adapterModelOf, guestSystemOf, macOf, MachineFacts, portOf } from './machine-facts.ts';
import type { NamedFiles } from './named-files.ts';
import { damagedText } from './xml-document.ts';

const text = z.string().max(10_000).optional().catch(undefined);
const number = z.number().nonnegative().optional().catch(undefined);
const flag = z.boolean().optional().catch(undefined);

/** What is read of it; UTM writes more. */
const configSchema = z.object({
  Backend: text,
  ConfigurationVersion: z.number(),
  Information: z.object({ Name: text, Notes: text, Icon: text }).optional().catch(undefined),
  System: z.object({ Architecture: text, CPUCount: number, MemorySize: number }).optional().catch(undefined),
  QEMU: z.object({ UEFIBoot: flag, TPMDevice: flag, AdditionalArguments: z.array(z.string()).max(200).optional().catch(undefined) }).optional().catch(undefined),
  Drive: z.array(z.object({ ImageName: text, ImageType: text, Interface: text, ReadOnly: flag })).max(64).default([]),
  Network: z.array(z.object({
    Mode: text, Hardware: text, MacAddress: text, IsolateFromHost: flag,
    PortForward: z.array(z.object({ Protocol: text, HostAddress: text, HostPort: z.unknown(), GuestAddress: text, GuestPort: z.unknown() })).max(64).optional().catch(undefined),
  })).max(64).default([]),
  Serial: z.array(z.object({ Mode: text })).max(64).default([]),
  Sound: z.array(z.object({ Hardware: text })).max(64).default([]),
  Sharing: z.object({ DirectoryShareMode: text }).optional().catch(undefined),
});
type UtmConfig = z.infer<typeof configSchema>;

export async function readUtm(plist: string, files: NamedFiles): Promise<MachineFacts> {
  const config = configOf(plist);
  const facts = new MachineFacts('utm', files);
  const architecture = config.System?.Architecture ?? 'x86_64';
  if (architecture !== 'x86_64' && architecture !== 'i386') throw damagedText('the machine', `is one for ${printable(architecture)} processors, and a machine here has an x86 processor`);
  facts.name = config.Information?.Name ?? '';
  facts.notes = config.Information?.Notes ?? '';
  facts.architecture = architecture;
  facts.guestSystem = guestSystemOf(config.Information?.Icon ?? '', architecture);
  facts.memoryBytes = Math.floor(config.System?.MemorySize ?? 512) * MIB;
  facts.processors = Math.floor(config.System?.CPUCount ?? 0) || 1;
  for (const drive of config.Drive) await readDrive(drive, facts);
  for (const network of config.Network) readNetwork(network, facts);
  if (config.QEMU?.UEFIBoot === true) facts.leaveOut('firmware', 'UEFI');
  if (config.QEMU?.TPMDevice === true) facts.leaveOut('tpm', '');
  for (const given of config.QEMU?.AdditionalArguments ?? []) facts.leaveOut('setting', given);
  // Every machine here has one.
  for (const { Mode: mode } of config.Serial.slice(1)) facts.leaveOut('serial-port', mode ?? '');
  for (const { Hardware: hardware } of config.Sound) facts.leaveOut('sound', hardware ?? '');
  const sharing = config.Sharing?.DirectoryShareMode ?? 'None';
  if (sharing !== 'None') facts.leaveOut('shared-folder', sharing);
  return facts;
}

function configOf(plist: string): UtmConfig {
  // Such files name Apple's document type, and never have one of their own.
  if (/<!ENTITY|<!DOCTYPE[^>]*\[/i.test(plist)) throw damagedText('config.plist', 'declares entities, which such a file never does');
  let parsed: unknown;
  try {
    parsed = parse(plist);
  } catch (error) {
    throw damagedText('config.plist', `can't be read as a property list (${printable(error instanceof Error ? error.message : String(error))})`);
  }
  const checked = configSchema.safeParse(parsed);
  if (!checked.success) throw damagedText('config.plist', 'is no configuration of UTM');
  if (checked.data.ConfigurationVersion < 4) throw damagedText('the machine', 'was made by a UTM before version 4: open it once in a newer one, which brings it up to date');
  if (checked.data.Backend === 'Apple') throw damagedText('the machine', 'uses Apple\'s own virtualization, whose machines have no PC hardware');
  return checked.data;
}

async function readDrive({ ImageName: name, ImageType: type, Interface: bus, ReadOnly: readOnly }: UtmConfig['Drive'][number], facts: MachineFacts): Promise<void> {
  switch (type) {
    case 'Disk':
      if (name === undefined) facts.leaveOut('disk', bus ?? '');
      else if (bus === 'Floppy') facts.leaveOut('floppy', name);
      else await facts.addDisk(name, { bus: busOf(bus), readOnly: readOnly ?? false });
      return;
    case 'CD':
      if (bus === 'Floppy') facts.leaveOut('floppy', name ?? '');
      else await facts.addDisc(name);
      return;
    case undefined:
    case 'None': return;
    default: facts.leaveOut('disk', `${type} ${name ?? ''}`);
  }
}

function busOf(bus: string | undefined): ForeignDisk['bus'] {
  switch (bus) {
    case 'IDE': return 'ide';
    case 'SCSI': return 'scsi';
    case 'NVMe': return 'nvme';
    case 'VirtIO': return 'virtio';
    case 'USB': return 'usb';
    default: return 'other';
  }
}

function readNetwork({ Mode: mode, Hardware: hardware, MacAddress: address, PortForward: forwards = [] }: UtmConfig['Network'][number], facts: MachineFacts): void {
  const network: ForeignAdapter['network'] = mode === 'Emulated' || mode === 'Shared' ? 'nat' : mode === 'Host' ? 'host-only' : mode === 'Bridged' ? 'bridged' : 'other';
  const mac = macOf(address);
  facts.adapters.push({
    model: adapterModelOf(hardware ?? 'virtio'), network, networkName: '', connected: true, ...(mac !== undefined && { mac }),
    forwards: forwards.flatMap(({ Protocol: protocol, HostAddress: hostAddress, HostPort: hostPort, GuestAddress: guestAddress, GuestPort: guestPort }) => {
      const [host, guest] = [portOf(hostPort), portOf(guestPort)];
      if (host === undefined || guest === undefined) {
        facts.leaveOut('forward', `${String(hostPort)} ${String(guestPort)}`);
        return [];
      }
      const given = (text: string | undefined): text is string => text !== undefined && text !== '';
      return [{ protocol: protocol === 'UDP' ? 'udp' as const : 'tcp' as const, host: { address: given(hostAddress) ? hostAddress : '127.0.0.1', port: host }, guest: { ...(given(guestAddress) && { address: guestAddress }), port: guest } }];
    }),
  });
}
