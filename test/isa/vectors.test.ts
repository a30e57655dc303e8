import { beforeAll, describe, expect, it } from 'vitest';
import { instructionTable } from '../../src/emulator/cpu/isa/table.ts';
import { differences } from './compare.ts';
import { testedForms } from './encode-form.ts';
import { EngineUnderTest } from './engine-under-test.ts';
import { keyOf, readVectors, type Vector } from './vectors.ts';

describe('recorded outcomes of a host CPU', () => {
  let vectors: Vector[];
  beforeAll(() => {
    vectors = readVectors();
  });

  it('there are some for every form', () => {
    const recorded = new Set(vectors.map((one) => one.formKey));
    const missing = testedForms(instructionTable).map(keyOf).filter((key) => !recorded.has(key));
    if (missing.length > 0) expect.fail(`run \`node test/isa/record-vectors.ts\` on an x86-64 Linux host: ${missing.slice(0, 5).join('; ')} and ${missing.length} in all have none`);
  });

  it.each([['interpreter', false], ['translator', true]] as const)('are what the %s does too', (_, translates) => {
    const engine = new EngineUnderTest({ translates });
    const forms = new Map(testedForms(instructionTable).map((form) => [keyOf(form), form]));
    const failures: string[] = [];
    let replayed = 0;
    for (const { formKey, input, outcome } of vectors) {
      // A row that is no longer there.
      const form = forms.get(formKey);
      if (!form) continue;
      replayed++;
      const found = differences(form, input, outcome, engine.run(input));
      if (found.length > 0) failures.push(`${formKey}: ${Buffer.from(input.code).toString('hex')}: ${found.join(', ')}`);
    }
    if (failures.length > 0) expect.fail(`host / ours, ${failures.length} of ${replayed}:\n${failures.slice(0, 20).join('\n')}`);
    expect(replayed).toBeGreaterThan(4000);
    // The rest are instructions of the interpreter's, and accesses that regions leave to it.
    if (translates) expect(engine.translated.instructions - engine.translated.refused).toBeGreaterThan(replayed * 0.8);
  });
});
