import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../isa/random.ts';
import { CpuRig } from '../support/cpu-rig.ts';
import { difference, digestOf, scramble, stateOf } from './machine-state.ts';
import { listing, randomProgram, type RandomProgram } from './random-program.ts';

/** Programs per code size. */
const PROGRAMS = Number(process.env['GUESTHOUSE_DIFFERENTIAL_PROGRAMS'] ?? 120);
const SEED = Number(process.env['GUESTHOUSE_DIFFERENTIAL_SEED'] ?? 1);
const INSTRUCTIONS = 160;

let rig: CpuRig;
beforeAll(() => {
  rig = new CpuRig();
});

function begin(program: RandomProgram, seed: number): void {
  const mode = { bits: program.bits, cpl: 3 } as const;
  rig.start(mode, program.start);
  rig.load(program.start, program.bytes);
  scramble(rig, new Random(seed), mode);
}

/** States after 0, 1, 2 … instructions, one at a time, up to the first halt. */
function trajectory(program: RandomProgram, seed: number): string[] {
  begin(program, seed);
  const digests = [digestOf(rig)];
  while (digests.length <= INSTRUCTIONS) {
    if (rig.run(1) === 'halted') {
      // The handler's HLT is an instruction too.
      digests[rig.cpu.instructions] = digestOf(rig);
      break;
    }
    digests[rig.cpu.instructions] = digestOf(rig);
  }
  return digests;
}

/** Fails with the program and what differs when the rig is not where single steps led. */
function expectOnTrajectory(program: RandomProgram, seed: number, digests: readonly string[], how: string): void {
  const count = rig.cpu.instructions;
  if (digestOf(rig) === digests[count]) return;
  const found = stateOf(rig);
  begin(program, seed);
  while (rig.cpu.instructions < count && rig.run(1) !== 'halted');
  expect.fail(`${how}, after ${count} instructions (steps / blocks): ${difference(stateOf(rig), found).join('; ')}\n${listing(program)}`);
}

describe.each([64, 32] as const)('random programs of %s-bit code', (bits) => {
  it(`do the same in whole blocks as step by step (${PROGRAMS} programs, seed ${SEED})`, () => {
    let faults = 0;
    for (let number = 0; number < PROGRAMS; number++) {
      const seed = SEED * 100_000 + number;
      const program = randomProgram(bits, new Random(seed), 3);
      const digests = trajectory(program, seed);
      const last = digests.length - 1;
      if (last < INSTRUCTIONS) faults++;
      begin(program, seed);
      const exit = rig.run(INSTRUCTIONS);
      expect(rig.cpu.instructions, `${exit}\n${listing(program)}`).toBe(last);
      expectOnTrajectory(program, seed, digests, `seed ${seed}, all at once`);
      // Inexact budgets end at a block's beginning, wherever that is.
      begin(program, seed);
      const random = new Random(seed);
      while (rig.cpu.instructions < last) {
        const before = rig.cpu.instructions;
        const exact = random.below(2) === 0;
        if (rig.run(Math.min(1 + random.below(40), last - before), exact) === 'halted') break;
        expectOnTrajectory(program, seed, digests, `seed ${seed}, in slices, from ${before}, ${exact ? 'exact' : 'inexact'}`);
      }
    }
    // A generator that only makes faulting programs would test little.
    expect(faults).toBeLessThan(PROGRAMS * 0.6);
  });

  it('stop exactly where a budget ends, wherever that is', () => {
    for (let number = 0; number < PROGRAMS / 12; number++) {
      const seed = SEED * 200_000 + number;
      const program = randomProgram(bits, new Random(seed), 3, 4, 5);
      const digests = trajectory(program, seed);
      for (let budget = 1; budget < Math.min(digests.length, 70); budget++) {
        begin(program, seed);
        const exit = rig.run(budget);
        if (exit !== 'halted') expect(rig.cpu.instructions).toBe(budget);
        expectOnTrajectory(program, seed, digests, `seed ${seed}, budget ${budget}`);
      }
    }
  });
});
