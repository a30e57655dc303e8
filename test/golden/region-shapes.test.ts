/** What typical code becomes, as text that is reviewed when it changes: `npm run bless` writes it anew. */
import { expect, test } from 'vitest';
import { Decoder } from '../../src/emulator/cpu/decoder.ts';
import { instructionTable } from '../../src/emulator/cpu/isa/table.ts';
import { CPU_BLOCKS, PAGE_BYTES } from '../../src/emulator/cpu/memory-layout.ts';
import { MODE_CODE_32, MODE_CODE_64, MODE_FLAT, MODE_STACK_32, MODE_USER } from '../../src/emulator/cpu/state-layout.ts';
import type { CodeSource } from '../../src/emulator/cpu/translator/code-source.ts';
import { growRegion } from '../../src/emulator/cpu/translator/guest-code.ts';
import { listRegion } from '../../src/emulator/cpu/translator/region-listing.ts';

/** Name, code size, code, and a second place where control comes in. What the instructions are stands in the golden file. */
const SHAPES: readonly (readonly [name: string, bits: 32 | 64, code: string, entry?: number])[] = [
  ['copy-loop', 64, '488b064889074883c6084883c7084883e90175ecc3'],
  ['struct-fields', 64, '488b0748034708480faf471048894718c7472001000000c3'],
  ['string-operations', 64, 'fcf3a431c0b910000000f348abf2aeacc3'],
  ['calls-and-returns', 64, 'e8070000004883eb0175f5c3554889e5488d47015dc3'],
  ['flags', 64, '4839f70f92c04811d14d19c149ffc272074585db450f48ec9f4180fe05770649f7df7001c39c58c3'],
  ['narrow-registers', 64, 'b40100e06689c30fb6cb480fbed16683c203668917803e2f7400c3'],
  ['shifts', 64, '48c1e003d3fbd1eac1c6074d0fa4c104740349d1dac3'],
  ['multiply-divide', 64, '480fafc3f7e131d248f7f64899f7ffc3'],
  ['bits', 64, '0fa3c3721a480fbae905480fbcf2f3480fbcf2f34d0fb8c8490fca480fa307c3'],
  ['atomics', 64, 'f0ff07f0480fc106f0480fb10a4187180faef0c3'],
  ['jump-table', 64, '0fb60648ffc6ff24c5000800004883c301ebed', 13],
  ['two-ways-into-a-loop', 64, '4885ff74044883c0014883c3024883e90175f24839c372f1c3'],
  ['kernel-code', 64, '9c58fa65488b142528000000488b4a0865ff4008a9000200007401fb0f01cb488b1e0f01cac3'],
  ['sse-double', 64, 'f20f1004cef20f5904cff20f58c84883c1014839d175e9660f2ed1770ef2480f2cc1f2480f2ad8f20f51dbc3'],
  ['sse-integer', 64, 'f30f6f06660f74c1660fd7c0660ffeda660f70e31b660f60f5660f73fe04660f7f27440f28c766450fefc966440f6ed0c3'],
  ['x87', 32, 'dd06dc0fdec1d9c0d9fad9c9dfe97a08dd1b83c6084975e8db02db1ac3'],
  ['stack-frame-32', 32, '5589e583ec108b45088945fc50e80c00000083c404648b0d00000000c9c38b5424048d0452c3'],
];

const decoder = new Decoder(instructionTable);

function listingOf(bits: 32 | 64, code: string, entry: number | undefined, name: string, part: 'whole' | 'inside'): string {
  const bytes = new Uint8Array(PAGE_BYTES).fill(0xcc);
  bytes.set(Buffer.from(code, 'hex'));
  const source: CodeSource = {
    page: (delta) => (delta === 0 ? { delta, descriptor: 1, memoryOffset: 0, bytes } : undefined),
    isTaken: () => false, canEnter: () => false, absorb: () => undefined, arrivals: () => Infinity,
  };
  const user = name === 'kernel-code' ? 0 : MODE_USER;
  const mode = (bits === 64 ? MODE_CODE_64 : MODE_CODE_32 | MODE_STACK_32 | MODE_FLAT) | user;
  const region = growRegion(decoder, source, entry === undefined ? [0] : [0, entry], mode);
  if (!region) throw new Error('no region was made');
  return listRegion(region, CPU_BLOCKS, part);
}

test.each(SHAPES.map(([name, bits, code, entry]) => ({ name, bits, code, entry })))('$name of $bits-bit code', async ({ name, bits, code, entry }) => {
  await expect(listingOf(bits, code, entry, name, 'inside')).toMatchFileSnapshot(`${name}.txt`);
});

test('the frame around every region', async () => {
  await expect(listingOf(64, '4801c8c3', undefined, 'frame', 'whole')).toMatchFileSnapshot('frame.txt');
});
