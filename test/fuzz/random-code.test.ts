import { beforeAll, describe, expect, it } from 'vitest';
import { CODE_ARENA, CODE_ARENA_BYTES, CPU_BLOCKS, GLOBAL_CODE_ARENA_NEXT } from '../../src/emulator/cpu/memory-layout.ts';
import { instructionTable } from '../../src/emulator/cpu/isa/table.ts';
import { COUNT_EXCEPTIONS } from '../../src/emulator/cpu/state-layout.ts';
import { parseEncoding } from '../../src/emulator/cpu/opcode-map.ts';
import { difference, digestOf, scramble, stateOf } from '../differential/machine-state.ts';
import { Random } from '../isa/random.ts';
import { CpuRig, RIG_RAM_BYTES, type RigMode } from '../support/cpu-rig.ts';

/** Streams of random code per mode. */
const STREAMS = Number(process.env['GUESTHOUSE_FUZZ_STREAMS'] ?? 200);
const SEED = Number(process.env['GUESTHOUSE_FUZZ_SEED'] ?? 1);
const INSTRUCTIONS = 120;

const MODES: readonly (RigMode & { readonly name: string })[] = [
  { name: 'real mode', bits: 16 },
  { name: '16-bit protected mode, CPL 0', bits: 16, cpl: 0 },
  { name: '16-bit protected mode, CPL 3', bits: 16, cpl: 3 },
  { name: '32-bit code, CPL 0', bits: 32, cpl: 0 },
  { name: '32-bit code, CPL 3', bits: 32, cpl: 3 },
  { name: '64-bit code, CPL 0', bits: 64, cpl: 0 },
  { name: '64-bit code, CPL 3', bits: 64, cpl: 3 },
];
const opcodes = instructionTable.map((row) => parseEncoding(row));

/** Bytes that are random, or random behind an opcode that exists. */
function code(random: Random, length: number): Uint8Array {
  const bytes = random.bytes(length);
  for (let at = 0; at < length - 8;) {
    const { map, opcodes: list, candidate } = random.pick(opcodes);
    if (random.below(6) === 0) bytes[at++] = random.pick([0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x64, 0x48, 0x41]);
    if (candidate.prefix) bytes[at++] = candidate.prefix;
    if (map) bytes[at++] = 0x0f;
    if (map > 1) bytes[at++] = map === 2 ? 0x38 : 0x3a;
    bytes[at++] = random.pick(list);
    if (candidate.modrm) bytes[at++] = candidate.modrm[0];
    else if (candidate.hasModrm && random.below(2)) bytes[at++] = 0xc0 | random.below(64);
    at += random.below(6);
  }
  return bytes;
}

const ZEROS = new Uint8Array(RIG_RAM_BYTES);
let rig: CpuRig;
let translator: CpuRig;
beforeAll(() => {
  rig = new CpuRig();
  translator = new CpuRig({ translateAfter: 1 });
});

/** A machine that is the same every time the seed is. */
function begin(mode: RigMode, seed: number, rig: CpuRig): number {
  const random = new Random(seed);
  rig.load(0, ZEROS);
  // The machine loop gets its turn after so many exceptions.
  rig.view.setUint32(CPU_BLOCKS + COUNT_EXCEPTIONS, 0, true);
  const at = mode.bits === 16 ? 0x6e00 + random.below(0x200) : 0x10e00 + random.below(0x200);
  rig.start(mode, at);
  scramble(rig, random, mode);
  if (random.below(3) === 0) rig.flags = rig.flags | random.pick([0x100, 0x400, 0x3000, 0x4000, 0x40000]);
  rig.load(at, code(random, 700));
  rig.onWrite = () => {
    if (rig.log.length % 3 === 0) rig.cpu.attend();
  };
  return at;
}

describe.each(MODES)('random code in $name', (mode) => {
  it(`neither throws nor hangs nor grows (${STREAMS} streams, seed ${SEED})`, () => {
    for (let number = 0; number < STREAMS; number++) {
      const seed = SEED * 1_000_000 + number;
      begin(mode, seed, rig);
      const random = new Random(seed + 0.5e9);
      let left = 300;
      try {
        for (let slice = 0; slice < 25 && left > 0; slice++) {
          const before = rig.cpu.instructions;
          const budget = 1 + random.below(40);
          const exact = random.below(2) === 0;
          const exit = rig.run(budget, exact);
          const ran = rig.cpu.instructions - before;
          expect(ran).toBeLessThanOrEqual(budget);
          left -= ran;
          if (exit === 'triple-fault') break;
          if (random.below(3) === 0) rig.interrupt(0x20 + random.below(0xe0));
          if (random.below(10) === 0) rig.cpu.nmi();
          if (random.below(10) === 0) rig.cpu.setA20(random.below(2) === 0);
        }
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      rig.cpu.setA20(true);
    }
    expect(rig.view.getUint32(GLOBAL_CODE_ARENA_NEXT, true)).toBeLessThanOrEqual(CODE_ARENA + CODE_ARENA_BYTES);
  });

  it('does the same in blocks as step by step', () => {
    for (let number = 0; number < STREAMS / 4; number++) {
      const seed = SEED * 2_000_000 + number;
      const at = begin(mode, seed, rig);
      rig.onWrite = undefined;
      let exit = rig.run(INSTRUCTIONS);
      // Many exceptions make a pause, and nothing else here.
      while (exit === 'attention') exit = rig.run(INSTRUCTIONS - rig.cpu.instructions);
      const count = rig.cpu.instructions;
      const found = stateOf(rig);
      const digest = digestOf(rig);
      begin(mode, seed, rig);
      rig.onWrite = undefined;
      let last: string = 'budget';
      while (/budget|attention/.test(last) && rig.cpu.instructions < count) last = rig.run(1);
      // What follows the last instruction without one of its own: a halt, or shutdown.
      while (exit !== 'budget' && /budget|attention/.test(last)) last = rig.run(1);
      const where = `seed ${seed}, code at ${at.toString(16)}, ${exit} after ${count}, ${last} after ${rig.cpu.instructions}`;
      if (digestOf(rig) !== digest) expect.fail(`${where} (steps / blocks): ${difference(stateOf(rig), found).join('; ')}`);
      expect(last, where).toBe(exit);
    }
  });

  it('does the same translated from the first execution as interpreted, with interrupts between any two slices', () => {
    for (let number = 0; number < STREAMS / 2; number++) {
      const seed = SEED * 3_000_000 + number;
      const at = begin(mode, seed, rig);
      begin(mode, seed, translator);
      const random = new Random(seed + 0.5e9);
      for (let slice = 0; slice < 12; slice++) {
        const budget = 1 + random.below(40);
        // What device writes ask for ends a slice early, on both.
        const exits = [rig, translator].map((one) => one.run(budget));
        const where = `seed ${seed}, code at ${at.toString(16)}, slice ${slice}, after ${rig.cpu.instructions} / ${translator.cpu.instructions}`;
        expect(exits[1], where).toBe(exits[0]);
        expect(translator.cpu.instructions, where).toBe(rig.cpu.instructions);
        if (digestOf(rig) !== digestOf(translator)) expect.fail(`${where} (interpreter / translator): ${difference(stateOf(rig), stateOf(translator)).join('; ')}`);
        expect(translator.log, where).toEqual(rig.log);
        if (exits[0] === 'triple-fault') break;
        const [vector, nmi, a20] = [random.below(3) === 0 ? 0x20 + random.below(0xe0) : undefined, random.below(10) === 0, random.below(10)];
        for (const one of [rig, translator]) {
          if (vector !== undefined) one.interrupt(vector);
          if (nmi) one.cpu.nmi();
          if (a20 < 2) one.cpu.setA20(a20 === 0);
        }
      }
      for (const one of [rig, translator]) one.cpu.setA20(true);
    }
  });
});
