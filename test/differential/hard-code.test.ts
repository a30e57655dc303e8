import { expect, it } from 'vitest';
import { GUEST_RAM } from '../../src/emulator/cpu/memory-layout.ts';
import { DEFAULT_GROWTH } from '../../src/emulator/cpu/translator/guest-code.ts';
import { RegionBuilder } from '../../src/emulator/cpu/translator/region-compiler.ts';
import { Random } from '../isa/random.ts';
import { CpuRig, RIG_RAM_BYTES } from '../support/cpu-rig.ts';
import { LateCompiler } from '../support/late-compiler.ts';
import { difference, digestOf, scramble, stateOf } from './machine-state.ts';
import { SlotProgram } from './slot-program.ts';

const PROGRAMS = Number(process.env['GUESTHOUSE_DIFFERENTIAL_PROGRAMS'] ?? 24);
const SEED = Number(process.env['GUESTHOUSE_DIFFERENTIAL_SEED'] ?? 1);
const INSTRUCTIONS = 600;

const interpreter = new CpuRig();
const dice = new Random(SEED);
const TRANSLATORS = [
  ['from the first execution', new CpuRig({ translateAfter: 1 })],
  ['in small regions', new CpuRig({ translateAfter: 2, compiler: (memory, base) => new LateCompiler(new RegionBuilder(memory, base, () => 0, { ...DEFAULT_GROWTH, arrivals: 0, instructions: 12, blockInstructions: 3 }), () => true) })],
  ['some time after it was asked for', new CpuRig({ translateAfter: 3, compiler: (memory, base) => new LateCompiler(new RegionBuilder(memory, base, () => 0, { ...DEFAULT_GROWTH, arrivals: 2 }), () => dice.below(4) === 0) })],
] as const;

const EMPTY = new Uint8Array(RIG_RAM_BYTES);
const codeOf = (rig: CpuRig): Buffer => Buffer.from(rig.bytes.buffer, GUEST_RAM + 0x10000, 0x6000);

it.each(TRANSLATORS.flatMap(([when, rig]) => ([[64, 0], [64, 3], [32, 0], [32, 3]] as const).map(([bits, cpl]) => ({ when, rig, bits, cpl }))))(
  `code that is changed, exchanged, entered in its middle and interrupted, of $bits bits at CPL $cpl, translated $when (${PROGRAMS} programs, seed ${SEED})`, ({ rig: translator, bits, cpl }) => {
    let executed = 0;
    for (let number = 0; number < PROGRAMS; number++) {
      const seed = SEED * 400_000 + number;
      const mode = { bits, cpl };
      const program = new SlotProgram(mode, new Random(seed));
      for (const rig of [interpreter, translator]) {
        rig.load(0, EMPTY);
        rig.start(mode, program.start);
        scramble(rig, new Random(seed), mode);
        program.place(rig);
      }
      const random = new Random(seed + 1);
      for (let turn = 0; translator.cpu.instructions < INSTRUCTIONS; turn++) {
        const budget = 1 + random.below(random.below(3) ? 50 : 200);
        // What ends somewhere may have delivered a fault or interrupt there; what ends exactly has begun nothing.
        if (random.below(4) === 0) translator.run(budget, false);
        const exit = translator.run(budget, true);
        const count = translator.cpu.instructions;
        let other: string;
        do other = interpreter.run(count - interpreter.cpu.instructions);
        while (interpreter.cpu.instructions < count && /budget|attention/.test(other));
        // What follows the last instruction without one of its own: a halt, or shutdown.
        for (let tries = 0; /halted|triple/.test(exit) && other !== exit && tries < 3; tries++) other = interpreter.run(1);
        const where = `seed ${seed}, turn ${turn}, ${exit} / ${other}`;
        expect(interpreter.cpu.instructions, where).toBe(count);
        if (digestOf(interpreter) !== digestOf(translator)) expect.fail(`${where}, after ${count} instructions (interpreter / translator): ${difference(stateOf(interpreter), stateOf(translator)).join('; ')}`);
        expect(translator.log, where).toEqual(interpreter.log);
        if (exit === 'halted' || exit === 'triple-fault') break;
        const event = program.event();
        if (event) for (const rig of [interpreter, translator]) event(rig);
      }
      expect(codeOf(translator).equals(codeOf(interpreter)), `seed ${seed}: code`).toBe(true);
      executed += translator.cpu.instructions;
    }
    expect(executed).toBeGreaterThan((PROGRAMS * INSTRUCTIONS) / 4);
    const { translated = 0, regionsDropped = 0 } = translator.cpu.counters().exits;
    expect(Math.min(translated, regionsDropped)).toBeGreaterThan(PROGRAMS);
  });
