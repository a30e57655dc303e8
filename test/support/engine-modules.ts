/** The CPU engine as tests run it: the built runtime, and the interpreter as the instruction table has it now. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildInterpreterModule, instructionForms } from '../../src/emulator/cpu/interpreter/build-module.ts';
import { CPU_BLOCKS } from '../../src/emulator/cpu/memory-layout.ts';

export const forms = instructionForms();

let modules: { readonly runtime: WebAssembly.Module; readonly interpreter: WebAssembly.Module } | undefined;

/** Compiled when first asked for. */
export function engineModules(): NonNullable<typeof modules> {
  modules ??= {
    runtime: new WebAssembly.Module(readFileSync(join(import.meta.dirname, '../../dist/wasm/runtime.wasm'))),
    interpreter: new WebAssembly.Module(buildInterpreterModule(forms, CPU_BLOCKS)),
  };
  return modules;
}
