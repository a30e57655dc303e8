import { ByteWriter } from './bytes.ts';
import { isTrivial, local, type Expr, type ValueType } from './expression.ts';

export const VALUE_TYPE_CODES: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

const STORES: Record<string, readonly [prefix: number, opcode: number]> = {
  'i32.8': [0, 0x3a], 'i32.16': [0, 0x3b], 'i32.32': [0, 0x36], 'i64.8': [0, 0x3c], 'i64.16': [0, 0x3d], 'i64.32': [0, 0x3e],
  'i64.64': [0, 0x37], 'f32.32': [0, 0x38], 'f64.64': [0, 0x39], 'v128.128': [0xfd, 11],
};

/** A structured label that `br` can leave (block) or repeat (loop). */
export interface Label {
  readonly depth: number;
}

/** Writes one function: statements in order, expressions inside them, locals on demand. */
export class FunctionBody {
  private readonly code = new ByteWriter();
  private readonly localTypes: ValueType[] = [];
  private depth = 0;
  readonly parameters: readonly ValueType[];

  constructor(parameters: readonly ValueType[]) {
    this.parameters = parameters;
  }

  parameter(index: number): Expr {
    const type = this.parameters[index];
    if (!type) throw new Error(`no parameter ${index}`);
    return local(index, type);
  }

  /** Disassembly shows `name`. */
  newLocal(type: ValueType, name?: string): Expr {
    for (; this.nextLocal < this.localTypes.length; this.nextLocal++) {
      if (this.localTypes[this.nextLocal] === type && !this.taken.has(this.nextLocal)) break;
    }
    if (this.nextLocal >= this.localTypes.length) this.localTypes.push(type);
    const index = this.nextLocal;
    this.taken.add(index);
    this.nextLocal = 0;
    if (name !== undefined) this.localNames.set(this.parameters.length + index, name);
    return local(this.parameters.length + index, type);
  }
  readonly localNames = new Map<number, string>();
  private nextLocal = 0;
  private readonly taken = new Set<number>();

  /** Gives all locals back: what follows is never reached with anything in them that counts. */
  releaseLocals(): void {
    this.taken.clear();
    for (const index of this.kept) this.taken.add(index);
  }

  /** What is held now stays held when locals are given back. */
  keepLocals(): void {
    for (const index of this.taken) this.kept.add(index);
  }
  private readonly kept = new Set<number>();

  /** Computes `value` here and now, once; what it returns may be used any number of times. */
  let(value: Expr): Expr {
    if (isTrivial(value) && value.node.kind !== 'local') return value;
    const target = this.newLocal(value.type);
    this.set(target, value);
    return target;
  }

  set(target: Expr, value: Expr): void {
    if (target.node.kind !== 'local') throw new Error('not a local');
    if (target.type !== value.type) throw new Error(`local of ${target.type} set to ${value.type}`);
    this.expression(value);
    this.code.u8(0x21);
    this.code.u32(target.node.index);
  }

  /** Stores the low `bits` of `value` at `address` (i32) + `offset`. */
  store(bits: 8 | 16 | 32 | 64 | 128, address: Expr, value: Expr, offset = 0): void {
    const found = STORES[`${value.type}.${bits}`];
    if (!found) throw new Error(`no store of ${value.type} as ${bits} bits`);
    this.expression(address);
    this.expression(value);
    if (found[0]) this.code.u8(found[0]);
    if (found[0]) this.code.u32(found[1]);
    else this.code.u8(found[1]);
    this.code.u32(0);
    this.code.u32(offset);
  }

  /** Writes one branch alone where the condition is a constant. `likely` is told to the compiler, which lays code out by it. */
  if(condition: Expr, then: () => void, otherwise?: () => void, likely?: boolean): void {
    if (condition.node.kind === 'i32') {
      if (condition.node.value !== 0) then();
      else otherwise?.();
      return;
    }
    this.expression(condition);
    if (likely !== undefined) this.hintsInCode.push({ position: this.code.length, likely });
    this.code.bytes([0x04, 0x40]);
    this.depth++;
    then();
    if (otherwise) {
      this.code.u8(0x05);
      otherwise();
    }
    this.depth--;
    this.code.u8(0x0b);
  }

  block(inside: (label: Label) => void, name?: string): void {
    this.structured(0x02, inside, name);
  }

  loop(inside: (label: Label) => void, name?: string): void {
    this.structured(0x03, inside, name);
  }

  /** Names of blocks and loops, in the order in which they begin. */
  readonly labelNames: (string | undefined)[] = [];
  private structured(opcode: number, inside: (label: Label) => void, name: string | undefined): void {
    this.labelNames.push(name);
    this.code.bytes([opcode, 0x40]);
    this.depth++;
    inside({ depth: this.depth });
    this.depth--;
    this.code.u8(0x0b);
  }

  br(label: Label): void {
    this.code.u8(0x0c);
    this.code.u32(this.depth - label.depth);
  }

  /** Branches to `labels[index]`, or to `otherwise` where there are fewer. */
  brTable(labels: readonly Label[], otherwise: Label, index: Expr): void {
    this.expression(index);
    this.code.u8(0x0e);
    this.code.u32(labels.length);
    for (const label of [...labels, otherwise]) this.code.u32(this.depth - label.depth);
  }

  brIf(label: Label, condition: Expr): void {
    this.expression(condition);
    this.code.u8(0x0d);
    this.code.u32(this.depth - label.depth);
  }

  return(): void {
    this.code.u8(0x0f);
  }

  returnValue(value: Expr): void {
    this.expression(value);
    this.code.u8(0x0f);
  }

  unreachable(): void {
    this.code.u8(0x00);
  }

  /** A call whose result, if it has one, is dropped or put into a local. */
  call(functionIndex: number, args: readonly Expr[], result?: ValueType): Expr | undefined {
    for (const arg of args) this.expression(arg);
    this.code.u8(0x10);
    this.code.u32(functionIndex);
    if (!result) return undefined;
    const target = this.newLocal(result);
    if (target.node.kind !== 'local') throw new Error('unreachable');
    this.code.u8(0x21);
    this.code.u32(target.node.index);
    return target;
  }

  returnCall(functionIndex: number, args: readonly Expr[]): void {
    for (const arg of args) this.expression(arg);
    this.code.u8(0x12);
    this.code.u32(functionIndex);
  }

  returnCallIndirect(typeIndex: number, args: readonly Expr[], element: Expr, table = 0): void {
    for (const arg of args) this.expression(arg);
    this.expression(element);
    this.code.u8(0x13);
    this.code.u32(typeIndex);
    this.code.u32(table);
  }

  /** Has `write` fill in this place when everything else has been written, and more is known. It may not branch. */
  later(write: () => void): void {
    this.gaps.push({ position: this.code.length, write });
  }
  private readonly gaps: { readonly position: number; readonly write: () => void }[] = [];

  /** What follows is of something that disassembly shows beside it. */
  mark(what: object): void {
    this.marksInCode.push({ position: this.code.length, what });
  }
  private readonly marksInCode: { readonly position: number; readonly what: object }[] = [];
  /** After `encode`: marks, by their offset as that of hints is. */
  marks: readonly { readonly offset: number; readonly what: object }[] = [];

  private readonly hintsInCode: { readonly position: number; readonly likely: boolean }[] = [];
  /** After `encode`: branches with a hint, by their offset from the declaration of locals on (`metadata.code.branch_hint`). */
  hints: readonly { readonly offset: number; readonly likely: boolean }[] = [];

  /** The code with its gaps filled in. */
  private filled(): Uint8Array {
    if (this.gaps.length === 0) {
      this.place(() => (position) => position);
      return this.code.view();
    }
    const given = this.code.copy();
    const whole = new ByteWriter();
    /** What has been inserted in front of positions, in order. */
    const inserted: { readonly position: number; readonly bytes: number }[] = [];
    let done = 0;
    for (const { position, write } of this.gaps) {
      whole.bytes(given.subarray(done, position));
      done = position;
      const start = this.code.length;
      write();
      whole.bytes(this.code.view().subarray(start));
      inserted.push({ position, bytes: this.code.length - start });
    }
    whole.bytes(given.subarray(done));
    this.place(() => {
      let [next, shift] = [0, 0];
      return (position) => {
        for (let gap = inserted[next]; gap && gap.position <= position; gap = inserted[++next]) shift += gap.bytes;
        return position + shift;
      };
    });
    return whole.view();
  }
  /** Tells where hints and marks have come to lie. A placer is asked for positions in order. */
  private place(placer: () => (position: number) => number): void {
    const [ofHint, ofMark] = [placer(), placer()];
    this.hints = this.hintsInCode.map(({ position, likely }) => ({ offset: ofHint(position), likely }));
    this.marks = this.marksInCode.map(({ position, what }) => ({ offset: ofMark(position), what }));
  }

  private expression(e: Expr): void {
    for (const arg of e.args) this.expression(arg);
    const { node } = e;
    const { code } = this;
    switch (node.kind) {
      case 'i32': code.u8(0x41); code.s32(node.value); break;
      case 'i64': code.u8(0x42); code.s64(node.value); break;
      case 'f32': code.u8(0x43); code.f32(node.value); break;
      case 'f64': code.u8(0x44); code.f64(node.value); break;
      case 'v128': code.u8(0xfd); code.u32(12); code.bytes(node.bytes); break;
      case 'local': code.u8(0x20); code.u32(node.index); break;
      case 'global': code.u8(0x23); code.u32(node.index); break;
      case 'plain':
        if (node.opcode === 0x1b && e.type === 'v128') code.bytes([0x1c, 1, 0x7b]);
        else code.u8(node.opcode);
        break;
      case 'prefixed': code.u8(node.prefix); code.u32(node.opcode); code.bytes(node.immediates); break;
      case 'memory':
        if (node.prefix) {
          code.u8(node.prefix);
          code.u32(node.opcode);
        } else code.u8(node.opcode);
        code.u32(node.align);
        code.u32(node.offset);
        if (node.lane !== undefined) code.u8(node.lane);
        break;
      case 'call': code.u8(0x10); code.u32(node.functionIndex); break;
    }
  }

  /** The function as it stands in the code section, its size in front. */
  encode(): Uint8Array {
    const code = this.filled();
    const body = new ByteWriter();
    const runs: { type: ValueType; count: number }[] = [];
    for (const type of this.localTypes) {
      const last = runs.at(-1);
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    body.u32(runs.length);
    for (const run of runs) {
      body.u32(run.count);
      body.u8(VALUE_TYPE_CODES[run.type]);
    }
    const head = body.length;
    this.hints = this.hints.map(({ offset, likely }) => ({ offset: offset + head, likely }));
    this.marks = this.marks.map(({ offset, what }) => ({ offset: offset + head, what }));
    body.bytes(code);
    body.u8(0x0b);
    const sized = new ByteWriter();
    sized.u32(body.length);
    sized.bytes(body.view());
    return sized.copy();
  }
}
