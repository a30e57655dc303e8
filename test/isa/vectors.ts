/**
 * Recorded outcomes of the host's CPU, for machines that have none to ask. The file is gzip over a u32 length and JSON
 * (`VectorHeader`), then one image of equal size for each case. An image holds the state before, and the state after as
 * XOR with it: mostly zeros, which cost nothing compressed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { TestedForm } from './encode-form.ts';
import { WINDOW_BYTES, type HostCase, type HostOutcome, type MachineState } from './host-cpu.ts';

const FILE = path.join(import.meta.dirname, 'vectors/host-outcomes.bin.gz');
const FX_BYTES = 512;
/** Registers, RFLAGS, FXSAVE image, memory. */
const STATE_BYTES = 16 * 8 + 8 + FX_BYTES + WINDOW_BYTES;
/** Form u16, pool entry u16, code length u8, code size u8, trap u8, pad u8, code, RIP; then the two states. */
const CASE_BYTES = 8 + 16 + 8 + STATE_BYTES * 2;

interface VectorHeader {
  readonly version: 1;
  /** Keys of forms, which cases name by number. */
  readonly forms: readonly string[];
  /** FXSAVE images and memories that cases share, XORed out of their states before: base64. */
  readonly pool: readonly string[];
}

export interface Vector {
  readonly formKey: string;
  readonly input: HostCase;
  readonly outcome: HostOutcome;
}

/** What names a form across versions of the table. */
export function keyOf({ row, width, memory, bits }: TestedForm): string {
  return `${row.mnemonic} ${row.operands.join(',')} | ${row.encoding} | ${width} ${memory ? 'm' : 'r'} ${bits}`;
}

function stateImage(state: MachineState): Uint8Array {
  const image = new Uint8Array(STATE_BYTES);
  const view = new DataView(image.buffer);
  state.registers.forEach((value, index) => view.setBigUint64(index * 8, value, true));
  view.setBigUint64(128, state.rflags, true);
  image.set(state.fx, 136);
  image.set(state.window, 136 + FX_BYTES);
  return image;
}
function stateOf(image: Uint8Array): MachineState {
  const view = new DataView(image.buffer, image.byteOffset, STATE_BYTES);
  return {
    registers: BigUint64Array.from({ length: 16 }, (_, index) => view.getBigUint64(index * 8, true)),
    rflags: view.getBigUint64(128, true),
    fx: image.slice(136, 136 + FX_BYTES),
    window: image.slice(136 + FX_BYTES, STATE_BYTES),
  };
}
function xorInto(target: Uint8Array, source: Uint8Array, at = 0): void {
  for (let i = 0; i < source.length; i++) target[at + i] = (target[at + i] as number) ^ (source[i] as number);
}

/** Writes the file. Cases whose fx and window are a pool entry's own take next to no room. */
export function writeVectors(vectors: readonly Vector[], pool: readonly Pick<MachineState, 'fx' | 'window'>[]): number {
  const forms = [...new Set(vectors.map((one) => one.formKey))];
  const poolImages = pool.map(({ fx, window }) => Buffer.concat([fx, window]));
  const header: VectorHeader = { version: 1, forms, pool: poolImages.map((image) => image.toString('base64')) };
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);
  const numbers = new Map(forms.map((key, index) => [key, index]));
  const images = vectors.map(({ formKey, input, outcome }) => {
    const image = Buffer.alloc(CASE_BYTES);
    const shared = Math.max(0, pool.findIndex((entry) => entry.fx === input.fx));
    image.writeUInt16LE(numbers.get(formKey) as number, 0);
    image.writeUInt16LE(shared, 2);
    image.set([input.code.length, input.bits, outcome.trap], 4);
    image.set(input.code, 8);
    image.writeBigUInt64LE(outcome.rip, 24);
    const before = stateImage(input);
    const after = stateImage(outcome);
    xorInto(after, before);
    xorInto(before, poolImages[shared] as Uint8Array, 136);
    image.set(before, 32);
    image.set(after, 32 + STATE_BYTES);
    return image;
  });
  const file = gzipSync(Buffer.concat([size, text, ...images]), { level: 9 });
  writeFileSync(FILE, file);
  return file.length;
}

export function readVectors(): Vector[] {
  const whole = gunzipSync(readFileSync(FILE));
  const start = 4 + whole.readUInt32LE(0);
  const header = JSON.parse(whole.toString('utf8', 4, start)) as VectorHeader;
  const pool = header.pool.map((text) => Buffer.from(text, 'base64'));
  const vectors: Vector[] = [];
  for (let at = start; at < whole.length; at += CASE_BYTES) {
    const before = new Uint8Array(whole.subarray(at + 32, at + 32 + STATE_BYTES));
    const after = new Uint8Array(whole.subarray(at + 32 + STATE_BYTES, at + CASE_BYTES));
    xorInto(before, pool[whole.readUInt16LE(at + 2)] as Uint8Array, 136);
    xorInto(after, before);
    const code = new Uint8Array(whole.subarray(at + 8, at + 8 + whole.readUInt8(at + 4)));
    const bits = whole.readUInt8(at + 5) === 64 ? 64 : 32;
    vectors.push({
      formKey: header.forms[whole.readUInt16LE(at)] as string,
      input: { ...stateOf(before), code, bits },
      outcome: { ...stateOf(after), trap: whole.readUInt8(at + 6), rip: whole.readBigUInt64LE(at + 24), error: 0n, address: 0n },
    });
  }
  return vectors;
}
