import { arithmeticRows } from './arithmetic.ts';
import { bitInstructionRows } from './bits.ts';
import { controlFlowRows } from './control-flow.ts';
import { dataTransferRows } from './data-transfer.ts';
import type { InstructionRow } from './row.ts';
import { shiftRows } from './shifts.ts';
import { systemRows } from './system.ts';
import { vectorFloatRows } from './vector-float.ts';
import { vectorIntegerRows } from './vector-integer.ts';
import { x87Rows } from './x87.ts';

/** The instruction table: everything the decoder, the disassembler, the engines and the tests know of x86 is here. */
export const instructionTable: readonly InstructionRow[] = [
  ...arithmeticRows, ...shiftRows, ...bitInstructionRows, ...dataTransferRows, ...controlFlowRows, ...systemRows, ...vectorIntegerRows, ...x87Rows, ...vectorFloatRows,
];
