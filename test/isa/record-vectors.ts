/** `node test/isa/record-vectors.ts`: asks the host's CPU about a few states of every form and records its answers. */
import { instructionTable } from '../../src/emulator/cpu/isa/table.ts';
import { testedForms } from './encode-form.ts';
import { generateCase } from './generate-cases.ts';
import { hostCpuMissing, runOnHost, type HostCase } from './host-cpu.ts';
import { Random } from './random.ts';
import { keyOf, writeVectors } from './vectors.ts';

const CASES_A_FORM = { 64: 2, 32: 1 } as const;
const POOL = 48;

const missing = hostCpuMissing();
if (missing) throw new Error(`vectors are recorded on an x86-64 Linux host: ${missing}`);

const forms = testedForms(instructionTable);
const random = new Random(2026);
const [first] = forms;
if (!first) throw new Error('empty table');
const pool = Array.from({ length: POOL }, () => generateCase(first, random));
const cases: { key: string; input: HostCase }[] = [];
for (const form of forms) {
  for (let n = 0; n < CASES_A_FORM[form.bits]; n++) {
    const own = generateCase(form, random);
    const shared = pool[cases.length % POOL] as HostCase;
    // Branches through memory need targets there.
    const keepsWindow = /^(JMP|CALL|RET)/.test(form.row.mnemonic);
    cases.push({ key: keyOf(form), input: { ...own, fx: shared.fx, window: keepsWindow ? own.window : shared.window } });
  }
}
const outcomes = runOnHost(cases.map(({ input }) => input));
const bytes = writeVectors(cases.map(({ key, input }, index) => ({ formKey: key, input, outcome: outcomes[index] as (typeof outcomes)[number] })), pool);
process.stdout.write(`${cases.length} cases of ${forms.length} forms in ${bytes} bytes\n`);
