import { beforeAll, describe, expect, it } from 'vitest';
import { instructionTable } from '../../src/emulator/cpu/isa/table.ts';
import { LONG_TESTS } from '../guest/run-guest.ts';
import { differences } from './compare.ts';
import { testedForms, type TestedForm } from './encode-form.ts';
import { EngineUnderTest } from './engine-under-test.ts';
import { generateCase } from './generate-cases.ts';
import { hostCpuMissing, runOnHost } from './host-cpu.ts';
import { Random } from './random.ts';

/** States per form: a sample in the ordinary run, 2,000 and more in the long one. */
const CASES = Number(process.env['GUESTHOUSE_ORACLE_CASES'] ?? 24);
const SEED = Number(process.env['GUESTHOUSE_ORACLE_SEED'] ?? 1);

const missing = hostCpuMissing();

function nameOf(form: TestedForm): string {
  const { row, width, memory, bits } = form;
  return `${row.mnemonic} ${row.operands.join(', ')} (${row.encoding}), operand size ${width}, ${memory ? 'memory' : 'registers'}, ${bits}-bit code`;
}

const ALIGNMENT_CHECK = 0x4_0000n;
const STACK = /^(PUSH|POP|CALL|RET|ENTER|LEAVE|MOVS|STOS|LODS|CMPS|SCAS)/;

/** The translator does all recorded outcomes in the ordinary run (vectors.test.ts). */
const ENGINES = LONG_TESTS ? ['interpreter', 'translator'] : ['interpreter'];

describe.skipIf(missing !== undefined).each(ENGINES)(`instructions do on the %s what they do on the host's own CPU, ${CASES} states each, seed ${SEED}`, (name) => {
  const families = new Map<string, TestedForm[]>();
  for (const form of testedForms(instructionTable)) {
    const { mnemonic } = form.row;
    families.set(mnemonic, [...(families.get(mnemonic) ?? []), form]);
  }
  let engine: EngineUnderTest;
  beforeAll(() => {
    engine = new EngineUnderTest({ translates: name === 'translator' });
  });

  it('operands that are not aligned where that is checked', () => {
    const failures: string[] = [];
    let checked = 0;
    const forms = [...families.values()].flat().filter(({ memory, row }) => memory || STACK.test(row.mnemonic));
    const random = new Random(SEED + 1);
    const cases = forms.flatMap((form) => Array.from({ length: 8 }, () => {
      const one = generateCase(form, random);
      one.rflags |= ALIGNMENT_CHECK;
      return { form, one };
    }));
    const hosts = runOnHost(cases.map(({ one }) => one));
    cases.forEach(({ form, one }, index) => {
      const host = hosts[index];
      if (!host) return;
      if (host.trap === 17) checked++;
      const found = differences(form, one, host, engine.run(one));
      if (found.length > 0) failures.push(`${nameOf(form)}: ${Buffer.from(one.code).toString('hex')}: ${found.join(', ')}`);
    });
    expect(failures, 'host / ours').toEqual([]);
    expect(checked).toBeGreaterThan(cases.length / 4);
  });

  it.each([...families])('%s', (_name, forms) => {
    const failures: string[] = [];
    for (const form of forms) {
      const random = new Random(SEED);
      const cases = Array.from({ length: CASES }, () => generateCase(form, random));
      const hosts = runOnHost(cases);
      cases.forEach((one, index) => {
        const host = hosts[index];
        if (!host || failures.length >= 5) return;
        const found = differences(form, one, host, engine.run(one));
        if (found.length > 0) failures.push(`${nameOf(form)}: ${Buffer.from(one.code).toString('hex')}: ${found.join(', ')}`);
      });
    }
    expect(failures, 'host / ours').toEqual([]);
  });
});
