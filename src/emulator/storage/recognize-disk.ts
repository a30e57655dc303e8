/**
 * What is on a disk: partition table (MBR, or GPT by UEFI 2.10 §5), boot sectors, and from these which system starts
 * there. Everything read is hostile: every loop ends, and what makes no sense is not there.
 */
import type { MediumFacts } from '../../shared/medium-facts.ts';
import { asciiAt } from './medium-text.ts';
import type { ReadBytes } from './recognize-disc.ts';

const SECTOR_BYTES = 512;
const PARTITIONS_MAXIMUM = 32;
const GPT_ENTRIES_MAXIMUM = 128;

type Partition = MediumFacts['partitions'][number] & { readonly position: number };
type PartitionKind = Partition['kind'];

/** Partition types of MBRs that say something. */
const MBR_KINDS: Readonly<Record<number, PartitionKind>> = {
  0x01: 'fat', 0x04: 'fat', 0x06: 'fat', 0x0b: 'fat', 0x0c: 'fat', 0x0e: 'fat', 0x07: 'ntfs', 0x05: 'extended', 0x0f: 'extended', 0x85: 'extended',
  0x82: 'swap', 0x83: 'linux', 0x8e: 'linux', 0xfd: 'linux', 0xa5: 'bsd', 0xa6: 'bsd', 0xa9: 'bsd', 0xef: 'efi',
};

/** Partition types of GPTs, by the first two fields of their GUID. */
const GPT_KINDS: Readonly<Record<string, PartitionKind>> = {
  'c12a7328-f81f': 'efi', '21686148-6449': 'bios-boot', 'ebd0a0a2-b9e5': 'ntfs', '0fc63daf-8483': 'linux', '4f68bce3-e8cd': 'linux', '44479540-f297': 'linux',
  'e6d6d379-f507': 'linux', '0657fd6d-a4ab': 'swap', '516e7cb4-6ecf': 'bsd', '516e7cb6-6ecf': 'bsd', '516e7cba-6ecf': 'bsd', '83bd6b9d-7f41': 'bios-boot', '824cc7a0-36a8': 'bsd',
};

export async function recognizeDisk(read: ReadBytes): Promise<Omit<MediumFacts, 'bytes' | 'format'>> {
  const first = await read(0, SECTOR_BYTES);
  const hasSignature = first[510] === 0x55 && first[511] === 0xaa;
  const nothing: Omit<MediumFacts, 'bytes' | 'format'> = { kind: 'disk', startsFrom: [], partitions: [], partitionTable: 'none' };
  if (!hasSignature) return nothing;
  if (isBootSectorOfVolume(first)) return { ...nothing, startsFrom: ['bios'], ...systemOf([first], []) };

  const gpt = await readGpt(read);
  const table = gpt ?? readMbr(first);
  const partitions = table.slice(0, PARTITIONS_MAXIMUM);
  const sectors = [first];
  // The first sectors of volumes, and GRUB's name, which it keeps behind the partition table's sector.
  for (const { kind, position } of partitions) if (kind === 'fat' || kind === 'ntfs' || kind === 'efi') sectors.push(await read(position, SECTOR_BYTES));
  const startsFrom: ('bios' | 'uefi')[] = [];
  if (partitions.some(({ isActive, kind }) => isActive || kind === 'bios-boot') || asciiAt(first, 0, 440).includes('GRUB')) startsFrom.push('bios');
  if (partitions.some(({ kind }) => kind === 'efi')) startsFrom.push('uefi');
  return {
    kind: 'disk', startsFrom, partitionTable: partitions.length === 0 ? 'none' : gpt === undefined ? 'mbr' : 'gpt',
    partitions: partitions.map(({ kind, bytes, isActive }) => ({ kind, bytes, isActive })), ...systemOf(sectors, partitions),
  };
}

/** A disk without partitions begins with the file system: a jump, and a plausible BIOS parameter block. */
function isBootSectorOfVolume(sector: Uint8Array): boolean {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  const [sectorBytes, clusterSectors, copies] = [view.getUint16(11, true), sector[13] ?? 0, sector[16] ?? 0];
  const hasJump = sector[0] === 0xe9 || (sector[0] === 0xeb && sector[2] === 0x90);
  return hasJump && [512, 1024, 2048, 4096].includes(sectorBytes) && clusterSectors !== 0 && (clusterSectors & (clusterSectors - 1)) === 0 && copies <= 2;
}

function readMbr(sector: Uint8Array): Partition[] {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  const partitions: Partition[] = [];
  for (let at = 446; at < 510; at += 16) {
    const [status, type] = [sector[at] ?? 0, sector[at + 4] ?? 0];
    const sectors = view.getUint32(at + 12, true);
    if (type === 0 || sectors === 0 || (status & 0x7f) !== 0) continue;
    partitions.push({ kind: MBR_KINDS[type] ?? 'other', bytes: sectors * SECTOR_BYTES, isActive: status === 0x80, position: view.getUint32(at + 8, true) * SECTOR_BYTES });
  }
  return partitions;
}

async function readGpt(read: ReadBytes): Promise<Partition[] | undefined> {
  const header = await read(SECTOR_BYTES, SECTOR_BYTES);
  if (asciiAt(header, 0, 8) !== 'EFI PART') return undefined;
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const [entries, entryBytes] = [Math.min(view.getUint32(80, true), GPT_ENTRIES_MAXIMUM), view.getUint32(84, true)];
  if (entryBytes < 128 || entryBytes > 4096) return [];
  const array = await read(Number(view.getBigUint64(72, true)) * SECTOR_BYTES, entries * entryBytes);
  const at = new DataView(array.buffer, array.byteOffset, array.byteLength);
  const partitions: Partition[] = [];
  for (let index = 0; index < entries; index++) {
    const start = index * entryBytes;
    const type = `${at.getUint32(start, true).toString(16).padStart(8, '0')}-${at.getUint16(start + 4, true).toString(16).padStart(4, '0')}`;
    if (type === '00000000-0000') continue;
    const [from, to] = [Number(at.getBigUint64(start + 32, true)), Number(at.getBigUint64(start + 40, true))];
    if (to < from || to > 2 ** 43) continue;
    // Attribute bit 2: legacy BIOS bootable.
    partitions.push({ kind: GPT_KINDS[type] ?? 'other', bytes: (to - from + 1) * SECTOR_BYTES, isActive: (at.getUint32(start + 48, true) & 4) !== 0, position: from * SECTOR_BYTES });
  }
  return partitions;
}

/** What boot sectors call the file that they load, newest first: a newer system keeps an older one's file system. */
const LOADERS: readonly [RegExp, Pick<MediumFacts, 'system' | 'title' | 'architecture'>][] = [
  [/BOOTMGR/, { system: 'windows' }],
  [/NTLDR/, { system: 'windows-xp', architecture: 'i386' }],
  [/WINBOOT SYS|MSWIN4\.\d/, { system: 'windows-9x', architecture: 'i386' }],
  [/KERNEL {2}SYS|FRDOS/, { system: 'dos', title: 'FreeDOS', architecture: 'i386' }],
  [/IO {6}SYS|IBMBIO {2}COM|MSDOS5\.0/, { system: 'dos', architecture: 'i386' }],
];

function systemOf(sectors: readonly Uint8Array[], partitions: readonly Partition[]): Pick<MediumFacts, 'system' | 'title' | 'architecture'> {
  const has = (kind: PartitionKind): boolean => partitions.some((partition) => partition.kind === kind);
  const text = sectors.map((sector) => asciiAt(sector, 0, SECTOR_BYTES)).join('\n');
  if (has('bsd')) return { system: 'bsd' };
  if (has('linux') || text.includes('GRUB')) return { system: 'linux-64' };
  return LOADERS.find(([sign]) => sign.test(text))?.[1] ?? {};
}
