import { describe, expect, it } from 'vitest';
import { GUEST_RAM } from '../../src/emulator/cpu/memory-layout.ts';
import { Random } from '../isa/random.ts';
import { CpuRig } from '../support/cpu-rig.ts';
import { difference, digestOf, scramble, stateOf } from './machine-state.ts';
import { listing, randomProgram, type RandomProgram } from './random-program.ts';

const PROGRAMS = Number(process.env['GUESTHOUSE_DIFFERENTIAL_PROGRAMS'] ?? 120);
const SEED = Number(process.env['GUESTHOUSE_DIFFERENTIAL_SEED'] ?? 1);
const INSTRUCTIONS = 160;

const interpreter = new CpuRig();
const translator = new CpuRig({ translateAfter: 1 });

function begin(rig: CpuRig, program: RandomProgram, cpl: 0 | 3, seed: number): void {
  const mode = { bits: program.bits, cpl } as const;
  rig.start(mode, program.start);
  rig.load(program.start, program.bytes);
  scramble(rig, new Random(seed), mode);
  // Returns that nothing was called for begin anew.
  const top = Number(rig.register(4));
  for (let slot = 0; slot < 16; slot++) rig.view.setUint32(GUEST_RAM + top + slot * (program.bits / 8), program.start, true);
  if (program.bits === 64) for (let slot = 0; slot < 16; slot++) rig.view.setUint32(GUEST_RAM + top + slot * 8 + 4, 0, true);
}

describe.each([[64, 3], [32, 3], [64, 0], [32, 0]] as const)('random programs of %s-bit code at CPL %s, translated from the first execution', (bits, cpl) => {
  it(`do what the interpreter does, in slices of any length (${PROGRAMS} programs, seed ${SEED})`, () => {
    for (let number = 0; number < PROGRAMS; number++) {
      const seed = SEED * 300_000 + number;
      const program = randomProgram(bits, new Random(seed), cpl);
      for (const [round, random] of [[0, undefined], [1, new Random(seed)], [2, new Random(seed + 1)]] as const) {
        begin(interpreter, program, cpl, seed);
        begin(translator, program, cpl, seed);
        while (translator.cpu.instructions < INSTRUCTIONS) {
          const left = INSTRUCTIONS - translator.cpu.instructions;
          const exit = translator.run(random ? Math.min(left, 1 + random.below(40)) : left);
          while (interpreter.cpu.instructions < translator.cpu.instructions && interpreter.run(translator.cpu.instructions - interpreter.cpu.instructions) !== 'halted');
          expect(interpreter.cpu.instructions, `seed ${seed}, round ${round}\n${listing(program)}`).toBe(translator.cpu.instructions);
          if (digestOf(interpreter) !== digestOf(translator)) {
            expect.fail(`seed ${seed}, round ${round}, after ${translator.cpu.instructions} instructions (interpreter / translator): ${difference(stateOf(interpreter), stateOf(translator)).join('; ')}\n${listing(program)}`);
          }
          if (exit === 'halted') break;
        }
      }
    }
  });
});
