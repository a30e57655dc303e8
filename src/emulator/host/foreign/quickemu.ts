/** quickemu's `.conf` files: assignments of a shell script, which are read and never run. */
import type { ForeignAdapter } from '../../../shared/foreign-machine.ts';
import { parseSize } from '../../../shared/sizes.ts';
import { countOf, guestSystemOf, macOf, MachineFacts, portOf } from './machine-facts.ts';
import type { NamedFiles } from './named-files.ts';
import { damagedText } from './xml-document.ts';

const SETTINGS_MAXIMUM = 1000;
/** Systems that quickemu gives an IDE disk, as they have no drivers for virtio. */
const WITHOUT_VIRTIO = /^(?:freedos|kolibrios|reactos|batocera)$/;
const MEMORY_DEFAULT = 2 * 2 ** 30;

type Value = string | readonly string[];

export async function readQuickemu(text: string, name: string, files: NamedFiles): Promise<MachineFacts> {
  const facts = new MachineFacts('quickemu', files);
  const settings = settingsOf(text, facts);
  const value = (key: string): string | undefined => { const found = settings.get(key); return typeof found === 'string' && found !== '' ? found : undefined; };
  const disk = value('disk_img');
  if (disk === undefined && value('iso') === undefined && value('img') === undefined) throw damagedText('the file', 'is no machine of quickemu: it names neither disk_img nor iso');
  const architecture = value('arch') ?? 'x86_64';
  if (architecture !== 'x86_64') throw damagedText('the machine', 'is not one for x86 processors');
  const system = value('guest_os') ?? 'linux';
  if (system === 'macos') facts.leaveOut('guest-settings', 'macOS');
  facts.name = name;
  facts.guestSystem = guestSystemOf(system, 'x86_64');
  const memory = parseSize(value('ram') ?? '');
  facts.memoryBytes = memory.ok ? memory.value : MEMORY_DEFAULT;
  facts.processors = countOf(value('cpu_cores'), 1024) || 1;
  const bus = WITHOUT_VIRTIO.test(system) ? 'ide' : 'virtio';
  if (disk !== undefined) {
    if (await files.find(disk) !== undefined) await facts.addDisk(disk, { bus, format: value('disk_format') === 'raw' ? 'raw' : undefined });
    else {
      // quickemu makes it at the first start.
      const size = parseSize(value('disk_size') ?? '16G');
      facts.disks.push({ bytes: size.ok ? size.value : 16 * 2 ** 30, bus, readOnly: false, discardChanges: false });
    }
  }
  if (value('img') !== undefined) await facts.addDisk(value('img')!, { bus });
  for (const key of ['iso', 'fixed_iso']) if (value(key) !== undefined) await facts.addDisc(value(key));
  if (value('floppy') !== undefined) facts.leaveOut('floppy', value('floppy')!);
  if ((value('boot') ?? 'efi') !== 'legacy') facts.leaveOut('firmware', value('boot') ?? 'efi');
  if (value('secureboot') === 'on') facts.leaveOut('secure-boot', '');
  if (value('tpm') === 'on') facts.leaveOut('tpm', '');
  const shared = value('public_dir');
  if (shared !== undefined && shared !== 'none') facts.leaveOut('shared-folder', shared);
  const devices = settings.get('usb_devices');
  for (const device of typeof devices === 'string' ? [devices] : devices ?? []) facts.leaveOut('usb', device);
  readNetwork(value('network'), value('macaddr'), settings.get('port_forwards'), system, facts);
  return facts;
}

function readNetwork(network: string | undefined, address: string | undefined, forwards: Value | undefined, system: string, facts: MachineFacts): void {
  if (network === 'none') return;
  const mac = macOf(address);
  const kind: ForeignAdapter['network'] = network === undefined ? 'nat' : network === 'restrict' ? 'host-only' : 'bridged';
  facts.adapters.push({
    model: WITHOUT_VIRTIO.test(system) ? 'rtl8139' : 'virtio', network: kind, networkName: (kind === 'bridged' ? network ?? '' : '').slice(0, 200), connected: true, ...(mac !== undefined && { mac }),
    forwards: (typeof forwards === 'string' ? [forwards] : forwards ?? []).slice(0, 64).flatMap((rule) => {
      const [host, guest] = rule.split(':').map(portOf);
      if (host !== undefined && guest !== undefined) return [{ protocol: 'tcp' as const, host: { address: '127.0.0.1', port: host }, guest: { port: guest } }];
      facts.leaveOut('forward', rule);
      return [];
    }),
  });
}

/** What can only be known by running the script is told of and left out. */
function settingsOf(text: string, facts: MachineFacts): Map<string, Value> {
  const settings = new Map<string, Value>();
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:#|$)/.test(line) || settings.size >= SETTINGS_MAXIMUM) continue;
    const match = /^\s*(?:export\s+)?([A-Za-z_]\w{0,63})=(.*)$/.exec(line);
    const value = match === null ? undefined : valueOf(match[2]!);
    if (match === null || value === undefined) facts.leaveOut('setting', line.trim());
    else settings.set(match[1]!, value);
  }
  return settings;
}

/** `"text"`, `'text'`, `text`, or `("one" "two")`; `undefined` for anything that a shell would have to work out. */
function valueOf(written: string): Value | undefined {
  const list = /^\((.*)\)\s*(?:#.*)?$/.exec(written.trim());
  if (list !== null) {
    const words = list[1]!.match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? [];
    const values = words.map(wordOf);
    return values.includes(undefined) ? undefined : values as string[];
  }
  const word = /^("[^"]*"|'[^']*'|[^\s"';&|<>()]*)\s*(?:#.*)?$/.exec(written.trim());
  return word === null ? undefined : wordOf(word[1]!);
}

function wordOf(word: string): string | undefined {
  if (word.startsWith('\'')) return word.slice(1, -1);
  const plain = word.startsWith('"') ? word.slice(1, -1) : word;
  return /[$`\\]/.test(plain) ? undefined : plain;
}
