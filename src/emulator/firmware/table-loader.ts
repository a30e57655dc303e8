/**
 * Writes the script by which the firmware puts tables where it wants them, links them and corrects their checksums
 * (fw_cfg file "etc/table-loader"; QEMU's BIOS linker/loader). Each command takes 128 bytes.
 */
import { ByteWriter } from './byte-writer.ts';

const COMMAND_BYTES = 128;
const FILE_NAME_BYTES = 56;
const ALLOCATE = 1;
const ADD_POINTER = 2;
const ADD_CHECKSUM = 3;

/** Where the firmware allocates: below 4 GiB, or in 0xF0000 to 0xFFFFF, where the RSDP is looked for. */
export type LoaderZone = 'high' | 'f-segment';
const ZONES: Record<LoaderZone, number> = { high: 1, 'f-segment': 2 };

export class TableLoaderScript {
  readonly #writer = new ByteWriter();

  /** Copies the whole fw_cfg file. Once per file, before it is named otherwise. `alignment`: a power of two, in bytes. */
  allocate(file: string, alignment: number, zone: LoaderZone): this {
    return this.#command(ALLOCATE, () => this.#file(file).u32(alignment).u8(ZONES[zone]));
  }

  /** Adds the address of `source` to the little-endian number at `offset` in `file`. */
  addPointer(file: string, offset: number, size: 4 | 8, source: string): this {
    return this.#command(ADD_POINTER, () => this.#file(file, source).u32(offset).u8(size));
  }

  /** Subtracts from the byte at `offset` the sum of `length` bytes from `start` on, all in `file`. */
  addChecksum(file: string, offset: number, start: number, length: number): this {
    return this.#command(ADD_CHECKSUM, () => this.#file(file).u32(offset).u32(start).u32(length));
  }

  bytes(): Uint8Array {
    return this.#writer.bytes();
  }

  #file(...names: string[]): ByteWriter {
    for (const name of names) this.#writer.ascii(name, FILE_NAME_BYTES);
    return this.#writer;
  }

  #command(kind: number, operands: () => void): this {
    this.#writer.u32(kind);
    operands();
    this.#writer.alignTo(COMMAND_BYTES);
    return this;
  }
}
