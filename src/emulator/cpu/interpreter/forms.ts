import type { ConditionCode, Width } from '../isa/emitter.ts';
import type { InstructionRow } from '../isa/row.ts';
import { hasMemoryForm, hasRegisterForm } from '../operands.ts';

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

/** Whether forms of a row can be in the core. */
function isCoreRow(row: InstructionRow): boolean {
  return !row.rare && !row.notInUserMode && row.mnemonic !== 'JCXZ' && CORE_MNEMONICS.test(row.mnemonic)
    && !row.operands.some((o) => o === 'Sreg' || o === 'CR' || o === 'DR' || o === 'imm16');
}

/** Whether a form of such a row is frequent enough in compiled code for the core, which must stay small enough to be optimized. */
function isCoreForm({ row, width, kind, fusedCondition }: Omit<Form, 'handler'>): boolean {
  if (width === 16 || !CORE_KINDS.includes(kind)) return false;
  if (/^(SHL|SHR|SAR)$/.test(row.mnemonic)) return kind === 'reg' && width >= 32 && /^(C1|D3|D1)/.test(row.encoding);
  if (fusedCondition !== undefined) return kind === 'reg' || ((kind === 'm64b' || kind === 'm32b') && (fusedCondition === 4 || fusedCondition === 5));
  return true;
}

const KINDS: readonly FormKind[] = ['none', 'reg', 'm64b', 'm64', 'm64s', 'm32b', 'm32', 'mg', 'abs64', 'link', 'far'];
const KIND_NUMBERS = Object.fromEntries(KINDS.map((kind, number) => [kind, number])) as Readonly<Record<FormKind, number>>;

/** Variants of a form as numbers: how it is, without flags, or fused with a condition. */
const PLAIN = 0;
const FLAGLESS_VARIANT = 1;
const FIRST_FUSED_VARIANT = 2;

/** Numbers every form of the table; the same table gives the same numbers. */
export class FormTable {
  readonly forms: readonly Form[];
  /** The forms that the interpreter's core executes: the first of `forms`. */
  readonly coreForms: readonly Form[];
  /** Numbers instead of names: all forms are made anew at each start of a machine. */
  private readonly byRow = new Map<InstructionRow, Map<number, Form>>();

  constructor(rows: readonly InstructionRow[]) {
    // The core's forms come first, so that their numbers are dense.
    const core: MutableForm[] = [];
    const others: MutableForm[] = [];
    for (const row of rows) {
      const own = new Map<number, Form>();
      this.byRow.set(row, own);
      const coreRow = isCoreRow(row);
      const fusable = isFusable(row);
      const flagless = FLAGLESS.test(row.mnemonic);
      for (const width of row.widths) {
        for (const kind of kindsOf(row, width)) {
          const add = (form: MutableForm, variant: number): void => {
            (coreRow && isCoreForm(form) ? core : others).push(form);
            own.set(keyOf(width, kind, variant), form);
          };
          add({ row, width, kind, handler: 0 }, PLAIN);
          if (fusable && FUSABLE_KINDS.includes(kind)) {
            for (const fusedCondition of FUSABLE_CONDITIONS) add({ row, width, kind, handler: 0, fusedCondition }, FIRST_FUSED_VARIANT + fusedCondition);
          }
          if (flagless && (kind === 'reg' || kind === 'none')) add({ row, width, kind, handler: 0, flagless }, FLAGLESS_VARIANT);
        }
      }
    }
    const forms = [...core, ...others];
    forms.forEach((form, position) => { form.handler = FIRST_HANDLER + position; });
    this.forms = forms;
    this.coreForms = core;
  }

  private find(row: InstructionRow, width: Width, kind: FormKind, variant: number): Form | undefined {
    return this.byRow.get(row)?.get(keyOf(width, kind, variant));
  }

  /** The form's handler, or that of the general memory form where there is no special one. */
  handler(row: InstructionRow, width: Width, kind: FormKind): number {
    const form = this.find(row, width, kind, PLAIN) ?? this.find(row, width, 'mg', PLAIN);
    if (!form) throw new Error(`${row.mnemonic} ${row.encoding} has no form ${width}.${kind}`);
    return form.handler;
  }

  /** The handler that executes this compare and a following Jcc with `condition`, if there is one. */
  fusedHandler(row: InstructionRow, width: Width, kind: FormKind, condition: number): number | undefined {
    return this.find(row, width, kind, FIRST_FUSED_VARIANT + condition)?.handler;
  }

  /** The handler that does not set flags, if there is one. */
  flaglessHandler(row: InstructionRow, width: Width, kind: FormKind): number | undefined {
    return this.find(row, width, kind, FLAGLESS_VARIANT)?.handler;
  }

  form(handler: number): Form | undefined {
    return this.forms[handler - FIRST_HANDLER];
  }
}

type MutableForm = Omit<Form, 'handler'> & { handler: number };

/** One number for what a form of a row is known by; widths are multiples of 8 up to 128. */
function keyOf(width: Width, kind: FormKind, variant: number): number {
  return ((width / 8) * 16 + KIND_NUMBERS[kind]) * 32 + variant;
}
