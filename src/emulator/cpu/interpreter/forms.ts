import type { ConditionCode, Width } from '../isa/emitter.ts';
import type { InstructionRow, OperandSpec } from '../isa/row.ts';

/**
 * How a form reaches its r/m operand or its branch target; each gets a handler of its own.
 * - `m64b` base + displacement, `m64` with index, `m64s` with index and FS or GS base: 64-bit addressing
 * - `m32b`, `m32`: 32-bit addressing with flat segments
 * - `abs64`: a 64-bit address in the instruction
 * - `mg`: everything else, through the runtime
 * - `link`: branch within the page, linked to the target's record; `far`: branch to another page, or by lookup
 */
export type FormKind = 'none' | 'reg' | 'm64b' | 'm64' | 'm64s' | 'm32b' | 'm32' | 'mg' | 'abs64' | 'link' | 'far';

export interface Form {
  readonly row: InstructionRow;
  readonly width: Width;
  readonly kind: FormKind;
  readonly handler: number;
  /** The condition (as encoded) of the Jcc after a compare that this handler executes too, by its own record. */
  readonly fusedCondition?: ConditionCode;
  /** Leaves the arithmetic flags alone: for where they are overwritten before anybody can see them. */
  readonly flagless?: boolean;
}

/** Handlers that are no instruction. Their numbers are fixed: the runtime writes some of them into records. */
export const PSEUDO_HANDLERS = ['invalid', 'refetch', 'goto', 'page-end', 'crossing', 'resume', 'stepped', 'undefined', 'too-long', 'count', 'region', 'cold'] as const;
export type PseudoHandler = (typeof PSEUDO_HANDLERS)[number];
export const HANDLER_GOTO = 2;
export const HANDLER_PAGE_END = 3;
export const HANDLER_CROSSING = 4;
export const HANDLER_RESUME = 5;
export const HANDLER_STEPPED = 6;
export const HANDLER_UNDEFINED = 7;
export const HANDLER_TOO_LONG = 8;
export const HANDLER_COUNT = 9;
export const HANDLER_REGION = 10;
export const HANDLER_COLD = 11;
export const FIRST_HANDLER = 12;

const REGISTER_OR_MEMORY = /^(r\/m|xmm\/m|mm\/m)/;

export function hasRegisterForm(operands: readonly OperandSpec[]): boolean {
  return operands.some((o) => REGISTER_OR_MEMORY.test(o) || /^(R[dqy]|Xmm|Mm)$/.test(o));
}
export function hasMemoryForm(operands: readonly OperandSpec[]): boolean {
  return operands.some((o) => REGISTER_OR_MEMORY.test(o) || o === 'm' || o === 'moffs');
}

function kindsOf(row: InstructionRow, width: Width): FormKind[] {
  if (row.operands.some((o) => o === 'rel8' || o === 'relz')) return width === 16 ? ['far'] : ['link', 'far'];
  const kinds: FormKind[] = [];
  if (hasRegisterForm(row.operands)) kinds.push('reg');
  if (row.operands.includes('moffs')) kinds.push('abs64', 'mg');
  else if (hasMemoryForm(row.operands)) {
    if (!row.rare) {
      if (row.modes !== 'no64') kinds.push('m64b', 'm64', 'm64s');
      if (row.modes !== 'only64' && width !== 64) kinds.push('m32b', 'm32');
    }
    kinds.push('mg');
  }
  return kinds.length ? kinds : ['none'];
}

const FUSABLE_KINDS: readonly FormKind[] = ['none', 'reg', 'm64b', 'm32b'];
/** All but overflow and parity, which nobody branches on after a compare. */
const FUSABLE_CONDITIONS: readonly ConditionCode[] = [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15];
const FLAGLESS = /^(ADD|SUB|AND|OR|XOR|INC|DEC|NEG|SHL|SHR|SAR)$/;

function isFusable(row: InstructionRow): boolean {
  return (row.mnemonic === 'CMP' || row.mnemonic === 'TEST') && !row.rare;
}

const CORE_MNEMONICS = /^(MOV|MOVZX|MOVSX|MOVSXD|ADD|SUB|AND|OR|XOR|CMP|TEST|LEA|SHL|SHR|SAR|INC|DEC|PUSH|POP|CALL|RET|JMP|NOP|J[A-Z]+)$/;
const CORE_KINDS: readonly FormKind[] = ['none', 'reg', 'm64b', 'm64', 'm32b', 'link', 'far'];

/** Whether a form is frequent enough in compiled code for the core, which must stay small enough to be optimized. */
function isCore(form: Omit<Form, 'handler'> | undefined): boolean {
  if (!form || form.row.rare || form.row.notInUserMode || !CORE_MNEMONICS.test(form.row.mnemonic) || !CORE_KINDS.includes(form.kind)) return false;
  const { row, width, kind, fusedCondition } = form;
  if (width === 16 || row.mnemonic === 'JCXZ') return false;
  if (row.operands.some((o) => o === 'Sreg' || o === 'CR' || o === 'DR' || o === 'imm16')) return false;
  if (/^(SHL|SHR|SAR)$/.test(row.mnemonic)) return kind === 'reg' && width >= 32 && /^(C1|D3|D1)/.test(row.encoding);
  if (fusedCondition !== undefined) return kind === 'reg' || ((kind === 'm64b' || kind === 'm32b') && (fusedCondition === 4 || fusedCondition === 5));
  return true;
}

/** Numbers every form of the table; the same table gives the same numbers. */
export class FormTable {
  readonly forms: readonly Form[];
  /** The forms that the interpreter's core executes: the first of `forms`. */
  readonly coreForms: readonly Form[];
  private readonly byRow = new Map<InstructionRow, Map<string, Form>>();

  constructor(rows: readonly InstructionRow[]) {
    const forms: Omit<Form, 'handler'>[] = [];
    const names: { readonly row: InstructionRow; readonly name: string }[] = [];
    for (const row of rows) {
      for (const width of row.widths) {
        for (const kind of kindsOf(row, width)) {
          const add = (variant: Pick<Form, 'fusedCondition' | 'flagless'>, name: string): void => {
            forms.push({ row, width, kind, ...variant });
            names.push({ row, name: `${width}.${kind}${name}` });
          };
          add({}, '');
          if (FUSABLE_KINDS.includes(kind) && isFusable(row)) {
            for (const condition of FUSABLE_CONDITIONS) add({ fusedCondition: condition }, `.j${condition}`);
          }
          if ((kind === 'reg' || kind === 'none') && FLAGLESS.test(row.mnemonic)) add({ flagless: true }, '.flagless');
        }
      }
    }
    // The core's forms come first, so that their numbers are dense.
    const order = forms.map((_, index) => index).sort((a, b) => Number(isCore(forms[b])) - Number(isCore(forms[a])) || a - b);
    this.forms = order.map((index, position) => ({ ...(forms[index] as Omit<Form, 'handler'>), handler: FIRST_HANDLER + position }));
    this.coreForms = this.forms.filter(isCore);
    order.forEach((index, position) => {
      const { row, name } = names[index] as { row: InstructionRow; name: string };
      let own = this.byRow.get(row);
      if (!own) this.byRow.set(row, (own = new Map<string, Form>()));
      own.set(name, this.forms[position] as Form);
    });
  }

  /** The form's handler, or that of the general memory form where there is no special one. */
  handler(row: InstructionRow, width: Width, kind: FormKind): number {
    const own = this.byRow.get(row);
    const form = own?.get(`${width}.${kind}`) ?? own?.get(`${width}.mg`);
    if (!form) throw new Error(`${row.mnemonic} ${row.encoding} has no form ${width}.${kind}`);
    return form.handler;
  }

  /** The handler that executes this compare and a following Jcc with `condition`, if there is one. */
  fusedHandler(row: InstructionRow, width: Width, kind: FormKind, condition: number): number | undefined {
    return this.byRow.get(row)?.get(`${width}.${kind}.j${condition}`)?.handler;
  }

  /** The handler that does not set flags, if there is one. */
  flaglessHandler(row: InstructionRow, width: Width, kind: FormKind): number | undefined {
    return this.byRow.get(row)?.get(`${width}.${kind}.flagless`)?.handler;
  }

  form(handler: number): Form | undefined {
    return this.forms[handler - FIRST_HANDLER];
  }
}
