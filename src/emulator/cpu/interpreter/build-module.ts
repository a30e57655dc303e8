import { FunctionBody, type Label } from '../../wasm/function-body.ts';
import { i32, load, sub } from '../../wasm/expression.ts';
import { ModuleBuilder } from '../../wasm/module-builder.ts';
import { instructionTable } from '../isa/table.ts';
import { RECORD_HANDLER, REGION_ELEMENTS } from '../memory-layout.ts';
import { Flow, type Dispatch } from './flow.ts';
import { FIRST_HANDLER, FormTable, type Form } from './forms.ts';
import { InterpreterEmitter, type SecondFunctions } from './interpreter-emitter.ts';

/** The forms of the product's instruction table. */
export function instructionForms(): FormTable {
  return new FormTable(instructionTable);
}

/** Table elements behind the handlers' own, given out as forms ask for them. */
class SecondFunctionElements implements SecondFunctions {
  readonly forms: Form[] = [];
  private readonly first: number;

  constructor(first: number) {
    this.first = first;
  }

  elementFor(form: Form): number {
    let index = this.forms.indexOf(form);
    if (index < 0) index = this.forms.push(form) - 1;
    return this.first + index;
  }
}

/** Encodes the interpreter for the CPU whose block begins at `cpuBase`. */
export function buildInterpreterModule(table: FormTable, cpuBase: number): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory(1, 65536);
  const flow = new Flow(module, cpuBase);
  const elements = flow.definePseudoHandlers();
  const second = new SecondFunctionElements(FIRST_HANDLER + table.forms.length);
  const core = module.declare(['i32', 'i32'], [], 'core');
  module.define(core, emitCore(table.coreForms, flow, cpuBase, second));
  for (const form of table.forms) {
    elements.push(form.handler < FIRST_HANDLER + table.coreForms.length ? core : named(form, () => new InterpreterEmitter(form, flow, cpuBase, second).define()));
  }
  for (const form of second.forms) elements.push(named(form, () => new InterpreterEmitter(form, flow, cpuBase, undefined).define()));
  module.setTable(flow.handlerType, elements);
  module.setOpenTable('regions', flow.regionType, REGION_ELEMENTS, flow.noRegion);
  module.export('noRegion', flow.noRegion);
  return module.encode();
}

/**
 * The handlers of the most frequent forms, in one function: a loop around a branch table. Going from one to the next there
 * costs no call, and what a call would have to fetch anew stays in registers. Every other handler is a function of its own
 * that the loop tail-calls, and that tail-calls the loop again.
 */
function emitCore(forms: readonly Form[], flow: Flow, cpuBase: number, second: SecondFunctions): FunctionBody {
  const body = new FunctionBody(['i32', 'i32']);
  const [record, budget] = [body.parameter(0), body.parameter(1)];
  body.loop((again) => {
    const dispatch: Dispatch = (to, rest) => {
      const [nextRecord, nextBudget] = [to, rest];
      body.set(budget, nextBudget);
      body.set(record, nextRecord);
      body.br(again);
    };
    const labels: Label[] = [];
    const nest = (index: number): void => {
      if (index < 0) {
        body.brTable(labels, otherwise as Label, sub(load('i32', 'u16', record, RECORD_HANDLER), i32(FIRST_HANDLER)));
        return;
      }
      body.block((label) => {
        labels[index] = label;
        nest(index - 1);
      });
      body.releaseLocals();
      named(forms[index] as Form, () => new InterpreterEmitter(forms[index] as Form, flow, cpuBase, second, { body, dispatch }).emit());
    };
    let otherwise: Label | undefined;
    body.block((label) => {
      otherwise = label;
      nest(forms.length - 1);
    });
    flow.dispatch(body, record, budget);
  });
  body.unreachable();
  return body;
}

function named<T>(form: Form, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new Error(`${form.row.mnemonic} ${form.row.encoding} ${form.width} ${form.kind}: ${String(error)}`, { cause: error });
  }
}
