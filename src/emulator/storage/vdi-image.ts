/**
 * VirtualBox's VDI, version 1.1: a header, a table with a 32-bit number for each block (VirtualBox, VDICore.h; QEMU,
 * block/vdi.c), blocks in the order of their writing. Blocks are never given back inside the file: VirtualBox and QEMU
 * append where the count in the header ends. Not read: blocks with extra bytes. A differencing image names its parent by
 * UUID alone: it is looked for in the same folder.
 */
import type { ByteFile, DiskImage } from '../interfaces/disk-image.ts';
import { BlockMapImage, type BlockEntry } from './block-map-image.ts';
import { ByteFields } from './byte-fields.ts';
import { CountedReferences } from './counted-references.ts';
import { damaged, unsupported } from './image-error.ts';
import { Findings, type CheckOptions, type ImageCheck } from './image-check.ts';

const SIGNATURE = 0xbeda107f;
const VERSION = 0x0001_0001;
const HEADER_BYTES = 512;
/** What VirtualBox says the header has, from its own length field on. */
const HEADER_LENGTH = 0x190;
const AT = {
  signature: 64, version: 68, headerLength: 72, type: 76, table: 340, data: 344, sectorBytes: 360, size: 368, blockBytes: 376, blockExtra: 380, blocks: 384, allocated: 388,
  uuid: 392, snapshotUuid: 408, parentUuid: 424, parentSnapshotUuid: 440,
} as const;
const UUID_BYTES = 16;
const TYPES = { 1: 'dynamic', 2: 'fixed', 4: 'differencing' } as const;
const ABSENT = 0xffff_ffff;
const ZEROS = 0xffff_fffe;
const DEFAULT_BLOCK_BYTES = 1 << 20;
const PAGE_BYTES = 4096;
const BLOCKS_MAXIMUM = 1 << 26;

export interface VdiHeader {
  readonly type: (typeof TYPES)[keyof typeof TYPES];
  /** Bytes of the disk. */
  readonly size: number;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly allocated: number;
  readonly tablePosition: number;
  readonly dataPosition: number;
  readonly uuid: string;
  readonly parentUuid: string;
}

/** Throws `ImageError`. */
export async function readVdiHeader(file: ByteFile): Promise<VdiHeader> {
  const head = new ByteFields(new Uint8Array(HEADER_BYTES), 'little-endian');
  await file.read(0, head.bytes);
  if (head.u32(AT.signature) !== SIGNATURE) throw damaged('the file is no VDI image');
  if (head.u32(AT.version) !== VERSION) throw unsupported('the VDI image has a version other than 1.1');
  const type = (TYPES as Readonly<Record<number, VdiHeader['type'] | undefined>>)[head.u32(AT.type)];
  if (type === undefined) throw unsupported(`the VDI image has the type ${head.u32(AT.type)}, which this version doesn't know`);
  const size = head.u64(AT.size, 'size');
  const blockBytes = head.u32(AT.blockBytes);
  const blocks = head.u32(AT.blocks);
  const tablePosition = head.u32(AT.table);
  const dataPosition = head.u32(AT.data);
  if (head.u32(AT.sectorBytes) !== 512) throw unsupported('the VDI image has sectors of other than 512 bytes');
  if (head.u32(AT.blockExtra) !== 0) throw unsupported('the VDI image has extra bytes in its blocks');
  if (blockBytes < 4096 || blockBytes > 1 << 28 || (blockBytes & (blockBytes - 1)) !== 0) throw damaged(`the VDI image has blocks of ${blockBytes} bytes`);
  if (blocks > BLOCKS_MAXIMUM) throw unsupported('the table of the VDI image is larger than 256 MiB');
  if (size > blocks * blockBytes) throw damaged('the table of the VDI image is too short for its size');
  if (tablePosition % 512 !== 0 || dataPosition % 512 !== 0 || tablePosition < HEADER_BYTES || dataPosition < tablePosition + Math.ceil((blocks * 4) / 512) * 512) {
    throw damaged('the parts of the VDI image overlap');
  }
  return {
    type, size, blockBytes, blocks, allocated: head.u32(AT.allocated), tablePosition, dataPosition,
    uuid: uuidText(head.bytes, AT.uuid), parentUuid: uuidText(head.bytes, AT.parentUuid),
  };
}

function uuidText(bytes: Uint8Array, at: number): string {
  return [...bytes.subarray(at, at + UUID_BYTES)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class VdiImage extends BlockMapImage {
  readonly format = 'vdi';
  readonly header: VdiHeader;
  protected override readonly storedBytes: number;
  #isCountDirty = false;

  private constructor(file: ByteFile, header: VdiHeader, backing: DiskImage | undefined, fileBytes: number) {
    const { blockBytes, dataPosition } = header;
    // Never inside what is there, whatever the header counts.
    const used = Math.max(header.allocated, Math.ceil(Math.max(0, fileBytes - dataPosition) / blockBytes));
    super({
      file, readOnly: file.readOnly, sectorCount: Math.ceil(header.size / 512), blockBytes, backing,
      tablePosition: header.tablePosition, pageBytes: PAGE_BYTES, entryBytes: 4, fileEnd: dataPosition + used * blockBytes,
    });
    this.header = header;
    this.storedBytes = blockBytes;
  }

  /** Takes the file over. */
  static async open(file: ByteFile, header: VdiHeader, backing: DiskImage | undefined): Promise<VdiImage> {
    return new VdiImage(file, header, backing, await file.size());
  }

  protected override decode(view: DataView, at: number): BlockEntry {
    const number = view.getUint32(at, true);
    if (number === ABSENT) return { kind: 'absent' };
    if (number === ZEROS) return { kind: 'zeros' };
    return { kind: 'data', position: this.header.dataPosition + number * this.blockBytes };
  }

  protected override encode(view: DataView, at: number, position: number): void {
    view.setUint32(at, (position - this.header.dataPosition) / this.blockBytes, true);
  }

  protected override newBlock(): ReturnType<BlockMapImage['newBlock']> {
    if ((this.fileEnd - this.header.dataPosition) / this.blockBytes >= ZEROS) throw unsupported('the VDI image can\'t become larger');
    this.#isCountDirty = true;
    return super.newBlock();
  }

  /** The count is raised before a table names the block: VirtualBox appends where it ends. */
  protected override async beforeTables(): Promise<void> {
    if (!this.#isCountDirty) return;
    const count = new ByteFields(new Uint8Array(4), 'little-endian');
    count.setU32(0, (this.fileEnd - this.header.dataPosition) / this.blockBytes);
    await this.file.write(AT.allocated, count.bytes);
    this.#isCountDirty = false;
  }
}

export interface NewVdi {
  readonly bytes: number;
  readonly subformat: 'dynamic' | 'fixed' | 'differencing';
  readonly blockBytes?: number | undefined;
  /** 16 random bytes. */
  readonly uuid: Uint8Array;
  readonly parentUuid?: Uint8Array | undefined;
}

/** Into an empty file. Throws `ImageError`. */
export async function createVdi(file: ByteFile, wanted: NewVdi): Promise<void> {
  const blockBytes = wanted.blockBytes ?? DEFAULT_BLOCK_BYTES;
  if (blockBytes < 65536 || blockBytes > 1 << 28 || (blockBytes & (blockBytes - 1)) !== 0) throw unsupported(`a VDI image can't have blocks of ${blockBytes} bytes`, 'leave the size of blocks out: 1M is what all programs read');
  const blocks = Math.ceil(wanted.bytes / blockBytes);
  if (blocks > BLOCKS_MAXIMUM) throw unsupported('the disk is too large for a VDI image', 'choose larger blocks, or qcow2');
  const tablePosition = HEADER_BYTES;
  // Data at a whole MiB, as VirtualBox has it.
  const dataPosition = Math.ceil((tablePosition + blocks * 4) / DEFAULT_BLOCK_BYTES) * DEFAULT_BLOCK_BYTES;
  const isFixed = wanted.subformat === 'fixed';
  const table = new Uint32Array(Math.ceil(blocks / 128) * 128).fill(ABSENT);
  if (isFixed) for (let block = 0; block < blocks; block++) table[block] = block;
  const head = new ByteFields(new Uint8Array(HEADER_BYTES), 'little-endian');
  head.setText(0, '<<< Oracle VM VirtualBox Disk Image >>>\n');
  head.setU32(AT.signature, SIGNATURE);
  head.setU32(AT.version, VERSION);
  head.setU32(AT.headerLength, HEADER_LENGTH);
  head.setU32(AT.type, wanted.subformat === 'dynamic' ? 1 : isFixed ? 2 : 4);
  head.setU32(AT.table, tablePosition);
  head.setU32(AT.data, dataPosition);
  head.setU32(AT.sectorBytes, 512);
  head.setU64(AT.size, wanted.bytes);
  head.setU32(AT.blockBytes, blockBytes);
  head.setU32(AT.blocks, blocks);
  head.setU32(AT.allocated, isFixed ? blocks : 0);
  head.bytes.set(wanted.uuid, AT.uuid);
  head.bytes.set(wanted.uuid.toReversed(), AT.snapshotUuid);
  if (wanted.parentUuid !== undefined) head.bytes.set(wanted.parentUuid, AT.parentUuid);
  await file.write(tablePosition, littleEndian(table));
  await file.truncate(dataPosition + (isFixed ? blocks * blockBytes : 0));
  await file.flush();
  await file.write(0, head.bytes);
  await file.flush();
}

/** The bytes of a `VdiHeader`'s UUID. */
export function uuidBytes(text: string): Uint8Array {
  return Uint8Array.from({ length: UUID_BYTES }, (_, index) => parseInt(text.slice(index * 2, index * 2 + 2), 16));
}

function littleEndian(words: Uint32Array): Uint8Array {
  const fields = new ByteFields(new Uint8Array(words.length * 4), 'little-endian');
  for (const [index, word] of words.entries()) fields.setU32(index * 4, word);
  return fields.bytes;
}

/** A repair corrects the count of blocks, and takes away entries that lead out of the file or to another's block. Throws `ImageError`. */
export async function checkVdi(file: ByteFile, { repair, progress }: CheckOptions): Promise<ImageCheck> {
  const header = await readVdiHeader(file);
  const findings = new Findings();
  const counted = new CountedReferences();
  const fileBlocks = Math.ceil(Math.max(0, await file.size() - header.dataPosition) / header.blockBytes);
  let allocated = 0;
  let repaired = 0;
  for (let block = 0; block < header.blocks;) {
    progress(block / header.blocks);
    const count = Math.min(65536, header.blocks - block);
    const entries = new ByteFields(new Uint8Array(count * 4), 'little-endian');
    await file.read(header.tablePosition + block * 4, entries.bytes);
    for (let index = 0; index < count; index++) {
      const number = entries.u32(index * 4);
      if (number >= ZEROS) continue;
      const wrong = number >= fileBlocks ? 'lies behind the end of the file' : counted.get(number) > 0 ? 'is that of another block, too' : undefined;
      if (wrong === undefined) {
        counted.add(number, 1);
        allocated++;
      } else if (repair) {
        entries.setU32(index * 4, ABSENT);
        await file.write(header.tablePosition + (block + index) * 4, entries.bytes.subarray(index * 4, index * 4 + 4));
        repaired++;
      } else {
        findings.add(`the place of block ${block + index} ${wrong}`);
      }
    }
    block += count;
  }
  if (header.allocated < counted.end) findings.add(`the header counts ${header.allocated} blocks, and there are ${counted.end}`);
  let leakedUnits = Math.max(0, header.allocated - allocated);
  if (repair && header.allocated !== counted.end) {
    const field = new ByteFields(new Uint8Array(4), 'little-endian');
    field.setU32(0, counted.end);
    await file.flush();
    await file.write(AT.allocated, field.bytes);
    repaired++;
    if (header.allocated < counted.end) findings.errorCount = findings.errors.length = 0;
    leakedUnits = counted.end - allocated;
    // What was given room and never named.
    await file.truncate(header.dataPosition + counted.end * header.blockBytes);
  }
  if (repair) await file.flush();
  return {
    errors: findings.errors, errorCount: findings.errorCount, leakedUnits, repaired,
    allocatedUnits: allocated, totalUnits: header.blocks, unitBytes: header.blockBytes,
  };
}
