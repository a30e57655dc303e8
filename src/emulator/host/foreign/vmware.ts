/** VMware's `.vmx` files: lines of `key = "value"`, keys in any case, `|22` for a character by its number. */
import type { ForeignAdapter, ForeignDisk } from '../../../shared/foreign-machine.ts';
import { MIB } from '../../../shared/sizes.ts';
import { adapterModelOf, countOf, guestSystemOf, macOf, MachineFacts } from './machine-facts.ts';
import type { NamedFiles } from './named-files.ts';
import { damagedText } from './xml-document.ts';

const SETTINGS_MAXIMUM = 20_000;
const BUSES = [['ide', 4, 2], ['sata', 4, 30], ['scsi', 4, 16], ['nvme', 4, 64]] as const;
const ADAPTERS = 10;

type Settings = ReadonlyMap<string, string>;

export async function readVmware(bytes: Uint8Array, files: NamedFiles): Promise<MachineFacts> {
  const settings = settingsOf(bytes);
  const value = (key: string): string | undefined => settings.get(key);
  if (value('config.version') === undefined && value('virtualhw.version') === undefined) throw damagedText('the file', 'is no machine of VMware');
  if (value('encryption.keysafe') !== undefined || value('encryption.data') !== undefined) throw damagedText('the machine', 'is encrypted, which only VMware can undo');
  const facts = new MachineFacts('vmware', files);
  const system = value('guestos') ?? '';
  if (/^arm/i.test(system)) throw damagedText('the machine', 'is one for ARM processors, and a machine here has an x86 processor');
  facts.name = value('displayname') ?? '';
  facts.architecture = /64/.test(system) ? 'x86_64' : 'i386';
  facts.guestSystem = guestSystemOf(system, facts.architecture);
  facts.notes = value('annotation') ?? '';
  // MiB; VMware's own default where nothing is said.
  facts.memoryBytes = (countOf(value('memsize'), 1 << 24) || 256) * MIB;
  facts.processors = countOf(value('numvcpus'), 1024) || 1;
  if (value('firmware')?.toLowerCase() === 'efi') facts.leaveOut('firmware', 'efi');
  if (isTrue(value('uefi.secureboot.enabled'))) facts.leaveOut('secure-boot', '');
  for (const [bus, controllers, devices] of BUSES) {
    for (let controller = 0; controller < controllers; controller++) {
      for (let device = 0; device < devices; device++) await readDevice(`${bus}${controller}:${device}`, bus, value(`${bus}${controller}.virtualdev`), settings, facts);
    }
  }
  for (let number = 0; number < ADAPTERS; number++) readAdapter(`ethernet${number}`, settings, facts);
  readExtras(settings, facts);
  return facts;
}

async function readDevice(prefix: string, bus: ForeignDisk['bus'], controllerModel: string | undefined, settings: Settings, facts: MachineFacts): Promise<void> {
  if (!isTrue(settings.get(`${prefix}.present`))) return;
  const name = settings.get(`${prefix}.filename`) ?? '';
  const kind = settings.get(`${prefix}.devicetype`)?.toLowerCase() ?? 'disk';
  if (kind.includes('cdrom')) {
    // The host's own drive is no file.
    await facts.addDisc(kind === 'cdrom-image' && name !== '' && name !== 'auto detect' ? name : undefined);
    return;
  }
  if (kind === 'rawdisk' || kind.startsWith('scsi-passthru')) {
    facts.leaveOut('disk', `${prefix} ${name}`);
    return;
  }
  const mode = settings.get(`${prefix}.mode`)?.toLowerCase() ?? '';
  await facts.addDisk(name, { bus: controllerModel?.toLowerCase().includes('pvscsi') === true ? 'other' : bus, format: /\.vmdk$/i.test(name) ? 'vmdk' : undefined, discardChanges: mode.includes('nonpersistent') });
  // VMware names the images of snapshots so.
  if (/-\d{6}\.vmdk$/i.test(name)) facts.leaveOut('snapshots', name);
}

function readAdapter(prefix: string, settings: Settings, facts: MachineFacts): void {
  if (!isTrue(settings.get(`${prefix}.present`))) return;
  const mac = macOf(settings.get(`${prefix}.address`) ?? settings.get(`${prefix}.generatedaddress`));
  facts.adapters.push({
    // A PCnet card, where nothing is said.
    model: adapterModelOf(settings.get(`${prefix}.virtualdev`) ?? 'vlance'), network: networkOf(settings.get(`${prefix}.connectiontype`)),
    networkName: (settings.get(`${prefix}.vnet`) ?? settings.get(`${prefix}.networkname`) ?? '').slice(0, 200),
    connected: settings.get(`${prefix}.startconnected`)?.toLowerCase() !== 'false', ...(mac !== undefined && { mac }), forwards: [],
  });
}

function networkOf(type: string | undefined): ForeignAdapter['network'] {
  switch (type?.toLowerCase()) {
    case 'nat': return 'nat';
    case 'hostonly': return 'host-only';
    case 'pvn': return 'internal';
    case undefined:
    case 'bridged': return 'bridged';
    default: return 'other';
  }
}

function readExtras(settings: Settings, facts: MachineFacts): void {
  for (let number = 0; number < 2; number++) {
    const name = settings.get(`floppy${number}.filename`);
    // Present where nothing is said, for the first.
    if (name !== undefined && settings.get(`floppy${number}.present`)?.toLowerCase() !== 'false') facts.leaveOut('floppy', name);
    if (isTrue(settings.get(`serial${number}.present`)) && settings.get(`serial${number}.filetype`) !== 'thinprint') facts.leaveOut('serial-port', settings.get(`serial${number}.filename`) ?? '');
    if (isTrue(settings.get(`parallel${number}.present`))) facts.leaveOut('parallel-port', settings.get(`parallel${number}.filename`) ?? '');
  }
  for (let number = 0; number < 32; number++) if (isTrue(settings.get(`sharedfolder${number}.present`))) facts.leaveOut('shared-folder', `${settings.get(`sharedfolder${number}.guestname`) ?? ''} (${settings.get(`sharedfolder${number}.hostpath`) ?? ''})`);
  if (isTrue(settings.get('sound.present'))) facts.leaveOut('sound', settings.get('sound.virtualdev') ?? '');
  if (isTrue(settings.get('vtpm.present'))) facts.leaveOut('tpm', '');
  if (isTrue(settings.get('mks.enable3d'))) facts.leaveOut('graphics', '3D');
}

function isTrue(value: string | undefined): boolean {
  return value?.toLowerCase() === 'true';
}

/** Keys in lower case. */
function settingsOf(bytes: Uint8Array): Settings {
  const plain = new TextDecoder('latin1').decode(bytes);
  const encoding = /^\s*\.encoding\s*=\s*"([^"]{1,40})"/im.exec(plain)?.[1] ?? 'utf-8';
  let text: string;
  try {
    text = new TextDecoder(encoding).decode(bytes);
  } catch {
    text = new TextDecoder('utf-8').decode(bytes);
  }
  const settings = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*([A-Za-z0-9_.:-]{1,200})\s*=\s*"?(.*?)"?\s*$/.exec(line);
    if (match === null || settings.size >= SETTINGS_MAXIMUM) continue;
    settings.set(match[1]!.toLowerCase(), match[2]!.replace(/\|([0-9A-Fa-f]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16))));
  }
  return settings;
}
