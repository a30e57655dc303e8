/**
 * What is on a CD image: ISO 9660 (ECMA-119) volume descriptor and root directory, El Torito boot catalog, and from these
 * which system it installs. Everything read is hostile: every loop ends, and what makes no sense is not there.
 */
import type { MediumFacts } from '../../shared/medium-facts.ts';
import { asciiAt } from './medium-text.ts';

const SECTOR_BYTES = 2048;
const PRIMARY_DESCRIPTOR = 16;
const DESCRIPTORS_MAXIMUM = 16;
const DIRECTORY_BYTES_MAXIMUM = 256 * 1024;
const TEXT_FILE_BYTES_MAXIMUM = 2048;
const BOOT_ENTRIES_MAXIMUM = 64;

/** Reads bytes of the medium; what is past its end reads as zeros. */
export type ReadBytes = (position: number, length: number) => Promise<Uint8Array>;

interface DirectoryEntry { readonly name: string; readonly isFolder: boolean; readonly position: number; readonly bytes: number }

/** `undefined` when it is no ISO 9660 volume. */
export async function recognizeDisc(read: ReadBytes): Promise<Omit<MediumFacts, 'bytes' | 'format'> | undefined> {
  const primary = await read(PRIMARY_DESCRIPTOR * SECTOR_BYTES, SECTOR_BYTES);
  if (primary[0] !== 1 || asciiAt(primary, 1, 5) !== 'CD001') return undefined;
  const volumeId = asciiAt(primary, 40, 32).trim();
  const root = await listDirectory(read, entryAt(primary, 156));
  const startsFrom = await bootPlatforms(read);
  const info = await diskInfo(read, root);
  const names = new Set(root.map(({ name }) => name));
  const guess = guessSystem(volumeId, names, info);
  return {
    kind: 'disc', startsFrom, partitions: [], partitionTable: 'none',
    ...(volumeId === '' ? {} : { volumeId }), ...guess,
  };
}

function entryAt(bytes: Uint8Array, at: number): DirectoryEntry {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nameBytes = bytes[at + 32] ?? 0;
  return {
    // Version numbers (`;1`) and the dot of names without an extension say nothing.
    name: asciiAt(bytes, at + 33, nameBytes).replace(/;\d*$/, '').replace(/\.$/, '').toUpperCase(),
    isFolder: ((bytes[at + 25] ?? 0) & 2) !== 0,
    position: view.getUint32(at + 2, true) * SECTOR_BYTES,
    bytes: view.getUint32(at + 10, true),
  };
}

async function listDirectory(read: ReadBytes, folder: DirectoryEntry): Promise<DirectoryEntry[]> {
  const length = Math.min(folder.bytes, DIRECTORY_BYTES_MAXIMUM);
  const bytes = await read(folder.position, length);
  const entries: DirectoryEntry[] = [];
  for (let at = 0; at + 34 <= length;) {
    const recordBytes = bytes[at] ?? 0;
    if (recordBytes < 34) {
      // The rest of this sector is padding.
      at = (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES;
      continue;
    }
    if (at + recordBytes <= length) entries.push(entryAt(bytes, at));
    at += recordBytes;
  }
  return entries;
}

/** Debian and its descendants say in `.disk/info` what they are; ISO 9660 without extensions writes the dot as `_`. */
async function diskInfo(read: ReadBytes, root: readonly DirectoryEntry[]): Promise<string | undefined> {
  const folder = root.find(({ name, isFolder }) => isFolder && /^[._]DISK$/.test(name));
  if (folder === undefined) return undefined;
  const file = (await listDirectory(read, folder)).find(({ name, isFolder }) => !isFolder && name === 'INFO');
  if (file === undefined) return undefined;
  const line = asciiAt(await read(file.position, Math.min(file.bytes, TEXT_FILE_BYTES_MAXIMUM)), 0, TEXT_FILE_BYTES_MAXIMUM).split('\n')[0]?.trim();
  return line === undefined || line === '' ? undefined : line.slice(0, 200);
}

/** El Torito 1.0 §2: the boot record's catalog has an entry of its own for each platform. */
async function bootPlatforms(read: ReadBytes): Promise<('bios' | 'uefi')[]> {
  for (let sector = PRIMARY_DESCRIPTOR + 1; sector < PRIMARY_DESCRIPTOR + DESCRIPTORS_MAXIMUM; sector++) {
    const descriptor = await read(sector * SECTOR_BYTES, SECTOR_BYTES);
    if (asciiAt(descriptor, 1, 5) !== 'CD001' || descriptor[0] === 255) return [];
    if (descriptor[0] !== 0 || asciiAt(descriptor, 7, 23) !== 'EL TORITO SPECIFICATION') continue;
    const catalog = await read(new DataView(descriptor.buffer, descriptor.byteOffset).getUint32(71, true) * SECTOR_BYTES, SECTOR_BYTES);
    if (catalog[0] !== 1 || catalog[30] !== 0x55 || catalog[31] !== 0xaa) return [];
    const found = new Set<'bios' | 'uefi'>();
    const add = (platform: number | undefined): void => {
      if (platform === 0) found.add('bios');
      else if (platform === 0xef) found.add('uefi');
    };
    if (catalog[32] === 0x88) add(catalog[1]);
    let platform = 0;
    for (let entry = 2; entry < BOOT_ENTRIES_MAXIMUM; entry++) {
      const at = entry * 32;
      const indicator = catalog[at];
      if (indicator === 0x90 || indicator === 0x91) platform = catalog[at + 1] ?? 0;
      else if (indicator === 0x88) add(platform);
      else if (indicator === 0) break;
    }
    return [...found];
  }
  return [];
}

type Guess = Pick<MediumFacts, 'system' | 'architecture' | 'title'>;

const SIGNS: readonly { readonly volume?: RegExp; readonly name?: RegExp; readonly guess: Guess }[] = [
  { name: /^WIN95$/, guess: { system: 'windows-9x', title: 'Windows 95', architecture: 'i386' } },
  { name: /^WIN98$/, guess: { system: 'windows-9x', title: 'Windows 98', architecture: 'i386' } },
  { name: /^WIN9X$/, guess: { system: 'windows-9x', title: 'Windows Me', architecture: 'i386' } },
  { volume: /^WIN[ _]?9[58]/i, guess: { system: 'windows-9x', architecture: 'i386' } },
  { name: /^CDROM_N(?:T|TS)\.5$|^CDROM_[IS][AP]\.5$/, guess: { system: 'windows-xp', title: 'Windows 2000', architecture: 'i386' } },
  { name: /^WIN51(?:I[CP]|IP\.SP\d)?$/, guess: { system: 'windows-xp', title: 'Windows XP', architecture: 'i386' } },
  { volume: /^(?:W(?:XP|2[PSA])|GRTM[A-Z]*VOL|VX2P|XP)/i, guess: { system: 'windows-xp', architecture: 'i386' } },
  { volume: /^(?:CCCOMA|CPBA|CPRA|CCSA|CENA|SSS|GRMC|J_)[A-Z]*_X64/i, guess: { system: 'windows', architecture: 'x86_64' } },
  { volume: /^(?:CCCOMA|CPBA|CPRA|CCSA|CENA|SSS|GRMC|J_)[A-Z]*_X86/i, guess: { system: 'windows', architecture: 'i386' } },
  { name: /^BOOTMGR$/, guess: { system: 'windows' } },
  { volume: /^OpenBSD\/(?:amd64|i386)/i, guess: { system: 'bsd', title: 'OpenBSD' } },
  { volume: /^(?:NETBSD|DragonFly|GhostBSD)/i, guess: { system: 'bsd' } },
  { volume: /^\d+_\d+_(?:RELEASE|STABLE|CURRENT|RC\d|BETA\d)_/i, guess: { system: 'bsd', title: 'FreeBSD' } },
  { volume: /^(?:FD\d|FREEDOS|MSDOS|DRDOS)/i, guess: { system: 'dos', architecture: 'i386' } },
  { name: /^FREEDOS$/, guess: { system: 'dos', title: 'FreeDOS', architecture: 'i386' } },
  { name: /^(?:INSTALL\.AMD|ISOLINUX|CASPER|LIVE|LIVEOS|ARCH|SYSLINUX|BOOT\.CATALOG|EXTLINUX)$/, guess: { system: 'linux-64' } },
  { volume: /(?:debian|ubuntu|fedora|mint|arch[ _]|suse|alpine|centos|rocky|alma|gentoo|slackware|knoppix|manjaro|kali|linux)/i, guess: { system: 'linux-64' } },
];

function guessSystem(volumeId: string, names: ReadonlySet<string>, info: string | undefined): Guess {
  const sign = SIGNS.find(({ volume, name }) => volume?.test(volumeId) === true || (name !== undefined && [...names].some((found) => name.test(found))));
  const told = `${volumeId} ${info ?? ''}`;
  const architecture = sign?.guess.architecture ?? (/amd64|x86[-_]64|x64/i.test(told) || names.has('INSTALL.AMD') ? 'x86_64' : /i[3-6]86|[-_ ]x86\b|\b32[- ]?bit/i.test(told) || names.has('INSTALL.386') ? 'i386' : undefined);
  const system = sign?.guess.system ?? (info === undefined ? undefined : 'linux-64');
  return {
    ...(system === undefined ? {} : { system: system === 'linux-64' && architecture === 'i386' ? 'linux-32' : system }),
    ...(architecture === undefined ? {} : { architecture }),
    ...(info !== undefined ? { title: titleOf(info) } : sign?.guess.title === undefined ? {} : { title: sign.guess.title }),
  };
}

/** `Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST …` → `Debian GNU/Linux 12.5.0`. */
function titleOf(info: string): string {
  return info.split(/ ["-]/)[0]?.trim() ?? info;
}
