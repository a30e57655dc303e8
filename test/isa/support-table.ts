/**
 * `node test/isa/support-table.ts`: writes the list of instructions, src/emulator/cpu/isa/SUPPORT.md, from the instruction
 * table. support-table.test.ts tells when that was forgotten.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { arithmeticRows } from '../../src/emulator/cpu/isa/arithmetic.ts';
import { bitInstructionRows } from '../../src/emulator/cpu/isa/bits.ts';
import { controlFlowRows } from '../../src/emulator/cpu/isa/control-flow.ts';
import { dataTransferRows } from '../../src/emulator/cpu/isa/data-transfer.ts';
import type { InstructionRow } from '../../src/emulator/cpu/isa/row.ts';
import { shiftRows } from '../../src/emulator/cpu/isa/shifts.ts';
import { systemRows } from '../../src/emulator/cpu/isa/system.ts';
import { instructionTable } from '../../src/emulator/cpu/isa/table.ts';
import { vectorFloatRows } from '../../src/emulator/cpu/isa/vector-float.ts';
import { vectorIntegerRows } from '../../src/emulator/cpu/isa/vector-integer.ts';
import { x87Rows } from '../../src/emulator/cpu/isa/x87.ts';

export const supportTableFile = path.join(import.meta.dirname, '../../src/emulator/cpu/isa/SUPPORT.md');

const FAMILIES: readonly (readonly [heading: string, rows: readonly InstructionRow[]])[] = [
  ['Integer arithmetic and logic', arithmeticRows],
  ['Shifts and rotates', shiftRows],
  ['Bits', bitInstructionRows],
  ['Data transfer', dataTransferRows],
  ['Control flow and stack', controlFlowRows],
  ['Strings, segments, ports, system', systemRows],
  ['MMX and SSE: integers and moves', vectorIntegerRows],
  ['x87', x87Rows],
  ['SSE: floating point', vectorFloatRows],
];

const MODES = { all: 'all', no64: '16, 32', only64: '64' } as const;

function checkedBy({ notInUserMode }: InstructionRow): string {
  return notInUserMode ? `nothing (${notInUserMode})` : 'host CPU';
}

function line(row: InstructionRow): string {
  const operands = row.operands.join(', ');
  const widths = row.widths.filter((width) => width !== 0).join(' ');
  return `| ${row.mnemonic.replaceAll('_', ' ')} | ${operands} | \`${row.encoding}\` | ${widths} | ${MODES[row.modes ?? 'all']} | ${row.feature ?? ''} | ${checkedBy(row)} |`;
}

/** The document. Throws where a row of the table belongs to no family. */
export function supportTable(): string {
  const known = new Set(FAMILIES.flatMap(([, rows]) => rows));
  const missing = instructionTable.find((row) => !known.has(row));
  if (missing) throw new Error(`${missing.mnemonic} ${missing.encoding} belongs to no family of the support table`);
  const checked = instructionTable.filter((row) => !row.notInUserMode).length;
  const parts = [
    '# Instructions',
    '',
    'Written by `node test/isa/support-table.ts` from the instruction table; don\'t edit. Encodings and operands are in the',
    'notation of `row.ts`. "Checked by" says against what an instruction\'s results are compared for random operands',
    '(`test/isa`); instructions that user mode cannot run are tested by hand-written cases (`test/unit/emulator/cpu`)',
    'and by the systems that boot.',
    '',
    `${instructionTable.length} rows, ${checked} of them checked by the host's CPU.`,
  ];
  for (const [heading, rows] of FAMILIES) {
    parts.push('', `## ${heading}`, '', '| Mnemonic | Operands | Encoding | Operand sizes | Code sizes | CPUID feature | Checked by |', '|---|---|---|---|---|---|---|');
    for (const row of rows) parts.push(line(row));
  }
  return `${parts.join('\n')}\n`;
}

if (import.meta.main) writeFileSync(supportTableFile, supportTable());
