import { ModuleBuilder } from '../../wasm/module-builder.ts';
import { instructionTable } from '../isa/table.ts';
import { Flow } from './flow.ts';
import { FormTable } from './forms.ts';
import { InterpreterEmitter } from './interpreter-emitter.ts';

/** The forms of the product's instruction table. */
export function instructionForms(): FormTable {
  return new FormTable(instructionTable);
}

/** Encodes the interpreter for the CPU whose block begins at `cpuBase`. */
export function buildInterpreterModule(table: FormTable, cpuBase: number): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory(1, 65536);
  const flow = new Flow(module, cpuBase);
  const elements = flow.definePseudoHandlers();
  for (const form of table.forms) {
    try {
      elements.push(new InterpreterEmitter(form, flow, cpuBase).define());
    } catch (error) {
      throw new Error(`${form.row.mnemonic} ${form.row.encoding} ${form.width} ${form.kind}: ${String(error)}`, { cause: error });
    }
  }
  module.setTable(flow.handlerType, elements);
  return module.encode();
}
