/** Build step: writes the interpreter of the first CPU to the file named by the first argument. */
import { writeFileSync } from 'node:fs';
import { argv } from 'node:process';
import { CPU_BLOCKS } from '../memory-layout.ts';
import { buildInterpreterModule, instructionForms } from './build-module.ts';

const target = argv[2];
if (!target) throw new Error('usage: generate.ts FILE');
writeFileSync(target, buildInterpreterModule(instructionForms(), CPU_BLOCKS));
