/**
 * A function's code as text: one statement a line, expressions as `type.operation(arguments)` with the specification's names,
 * locals by name, `$5` where they have none. For people: nothing reads it back.
 */

export interface FunctionNames {
  readonly parameters: readonly string[];
  /** By index; parameters come first. */
  readonly locals: ReadonlyMap<number, string>;
  /** Blocks and loops, in the order in which they begin. */
  readonly labels: readonly (string | undefined)[];
  /** Functions that are called. */
  function(index: number): { readonly name: string; readonly parameters: number; readonly returns: boolean };
  /** Parameters of a type of functions. */
  typeParameters(index: number): number;
  /** What lies at a constant address of memory; `undefined` where that has no name. */
  address(address: number): string | undefined;
  /** A SIMD operation (prefix 0xFD). */
  simd(opcode: number): string | undefined;
}

export interface TextLine {
  /** Offset of the statement's end, from the declaration of locals on. */
  readonly offset: number;
  readonly text: string;
}

const INTEGER_COMPARISONS = 'eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u';
const FLOAT_COMPARISONS = 'eq ne lt gt le ge';
const INTEGER_ARITHMETIC = 'clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr';
const FLOAT_ARITHMETIC = 'abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign';
const named = (type: string, names: string): string[] => names.split(' ').map((name) => `${type}.${name}`);
/** From opcode 0x45 on. */
const PLAIN: readonly string[] = [
  ...named('i32', INTEGER_COMPARISONS), ...named('i64', INTEGER_COMPARISONS), ...named('f32', FLOAT_COMPARISONS), ...named('f64', FLOAT_COMPARISONS),
  ...named('i32', INTEGER_ARITHMETIC), ...named('i64', INTEGER_ARITHMETIC), ...named('f32', FLOAT_ARITHMETIC), ...named('f64', FLOAT_ARITHMETIC),
  'i32.wrap', ...named('i32', 'trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u'), ...named('i64', 'extend_s extend_u trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u'),
  ...named('f32', 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u demote'), ...named('f64', 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u promote'),
  'i32.reinterpret_f32', 'i64.reinterpret_f64', 'f32.reinterpret_i32', 'f64.reinterpret_i64', 'i32.extend8_s', 'i32.extend16_s', 'i64.extend8_s', 'i64.extend16_s', 'i64.extend32_s',
];
const TAKES_ONE = /\.(?:eqz|clz|ctz|popcnt|abs|neg|ceil|floor|trunc|nearest|sqrt|wrap|trunc_f.*|extend.*|convert.*|demote|promote|reinterpret.*)$/;
/** From opcode 0x28 on. */
const MEMORY: readonly string[] = [
  'i32.load', 'i64.load', 'f32.load', 'f64.load', 'i32.load8_s', 'i32.load8_u', 'i32.load16_s', 'i32.load16_u', 'i64.load8_s', 'i64.load8_u', 'i64.load16_s', 'i64.load16_u', 'i64.load32_s', 'i64.load32_u',
  'i32.store', 'i64.store', 'f32.store', 'f64.store', 'i32.store8', 'i32.store16', 'i64.store8', 'i64.store16', 'i64.store32',
];
const TRUNCATIONS: readonly string[] = ['i32', 'i64'].flatMap((type) => named(type, 'trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u'));

/** SIMD opcodes of one operand, as ranges. */
const SIMD_OF_ONE: readonly (readonly [number, number])[] = [
  [15, 20], [77, 77], [83, 83], [94, 100], [103, 106], [116, 117], [122, 122], [124, 129], [131, 132], [135, 138], [148, 148], [160, 161], [163, 164], [167, 170], [192, 193], [195, 196],
  [199, 202], [224, 225], [227, 227], [236, 237], [239, 239], [248, 255],
];

class Reader {
  private readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  get ended(): boolean {
    return this.at >= this.bytes.length;
  }
  u8(): number {
    return this.bytes[this.at++] ?? 0;
  }
  u32(): number {
    return Number(BigInt.asUintN(32, this.leb().value));
  }
  signed(): bigint {
    const { value, bits } = this.leb();
    return BigInt.asIntN(bits, value);
  }
  private leb(): { readonly value: bigint; readonly bits: number } {
    let [value, bits] = [0n, 0];
    for (;;) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << BigInt(bits);
      bits += 7;
      if (byte < 0x80) return { value, bits };
    }
  }
  float(bytes: 4 | 8): number {
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at, bytes);
    this.at += bytes;
    return bytes === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
  }
  hex(count: number): string {
    this.at += count;
    return Array.from(this.bytes.subarray(this.at - count, this.at), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  }
}

function number(value: bigint): string {
  const size = value < 0n ? -value : value;
  return size < 4096n ? String(value) : `${value < 0n ? '-' : ''}0x${size.toString(16)}`;
}

/** `encoded`: what `FunctionBody.encode` returns. */
export function disassembleFunction(encoded: Uint8Array, names: FunctionNames): TextLine[] {
  return new Disassembly(encoded, names).lines();
}

class Disassembly {
  private readonly reader: Reader;
  private readonly names: FunctionNames;
  private readonly stack: string[] = [];
  private readonly written: TextLine[] = [];
  /** Labels around, the innermost last; `undefined` for an `if`. */
  private readonly labels: (string | undefined)[] = [];
  private structures = 0;
  private start = 0;

  constructor(encoded: Uint8Array, names: FunctionNames) {
    this.reader = new Reader(encoded);
    this.names = names;
  }

  lines(): TextLine[] {
    const { reader } = this;
    reader.u32();
    this.start = reader.at;
    for (let runs = reader.u32(); runs > 0; runs--) {
      reader.u32();
      reader.u8();
    }
    while (!reader.ended) this.instruction(reader.u8());
    return this.written;
  }

  private line(text: string, indent = this.labels.length): void {
    this.written.push({ offset: this.reader.at - this.start, text: `${'  '.repeat(indent)}${text}` });
  }
  private pop(): string {
    return this.stack.pop() ?? '?';
  }
  private popAll(count: number): string {
    return this.stack.splice(this.stack.length - count, count).join(', ');
  }
  private local(index: number): string {
    return this.names.parameters[index] ?? this.names.locals.get(index) ?? `$${index}`;
  }
  private label(depth: number): string {
    return this.labels[this.labels.length - 1 - depth] ?? '?';
  }

  private instruction(opcode: number): void {
    const { reader, stack } = this;
    switch (opcode) {
      case 0x00: return this.line('unreachable');
      case 0x02: case 0x03: return this.structure(opcode === 0x02 ? 'block' : 'loop');
      case 0x04:
        reader.u8();
        this.line(`if ${this.pop()}`);
        this.labels.push(undefined);
        return;
      case 0x05: return this.line('else', this.labels.length - 1);
      case 0x0b:
        if (this.labels.length === 0) return;
        this.labels.pop();
        return this.line('end');
      case 0x0c: return this.line(`br ${this.label(reader.u32())}`);
      case 0x0d: {
        const label = this.label(reader.u32());
        return this.line(`br ${label} if ${this.pop()}`);
      }
      case 0x0e: {
        const labels = Array.from({ length: reader.u32() + 1 }, () => this.label(reader.u32()));
        return this.line(`br_table ${this.pop()}: ${labels.join(' ')}`);
      }
      case 0x0f: return this.line(stack.length > 0 ? `return ${this.pop()}` : 'return');
      case 0x10: case 0x12: {
        const { name, parameters, returns } = this.names.function(reader.u32());
        const text = `${name}(${this.popAll(parameters)})`;
        if (opcode === 0x12) return this.line(`return_call ${text}`);
        if (returns) stack.push(text);
        else this.line(text);
        return;
      }
      case 0x13: {
        const parameters = this.names.typeParameters(reader.u32());
        reader.u32();
        const element = this.pop();
        return this.line(`return_call_indirect [${element}](${this.popAll(parameters)})`);
      }
      case 0x1c:
        reader.at += 2;
        stack.push(`select(${this.popAll(3)})`);
        return;
      case 0x1b: stack.push(`select(${this.popAll(3)})`); return;
      case 0x20: stack.push(this.local(reader.u32())); return;
      case 0x21: {
        const local = this.local(reader.u32());
        return this.line(`${local} = ${this.pop()}`);
      }
      case 0x23: stack.push(`global ${reader.u32()}`); return;
      case 0x41: case 0x42: stack.push(number(reader.signed())); return;
      case 0x43: stack.push(String(reader.float(4))); return;
      case 0x44: stack.push(String(reader.float(8))); return;
      case 0xfc: {
        const operation = reader.u32();
        stack.push(`${TRUNCATIONS[operation] ?? `fc.${operation}`}(${this.pop()})`);
        return;
      }
      case 0xfd: return this.vector(reader.u32());
      default:
    }
    const memory = MEMORY[opcode - 0x28];
    if (memory !== undefined) return this.access(memory, memory.includes('store'));
    const name = PLAIN[opcode - 0x45];
    if (name === undefined) throw new Error(`no text for opcode ${opcode.toString(16)}`);
    stack.push(`${name}(${this.popAll(TAKES_ONE.test(name) ? 1 : 2)})`);
  }

  private structure(kind: 'block' | 'loop'): void {
    this.reader.u8();
    const label = this.names.labels[this.structures] ?? `${kind === 'block' ? 'b' : 'l'}${this.structures}`;
    this.structures++;
    this.line(`${kind} ${label}`);
    this.labels.push(label);
  }

  private access(name: string, stores: boolean): void {
    this.reader.u32();
    const offset = this.reader.u32();
    const value = stores ? this.pop() : undefined;
    const base = this.pop();
    const place = base === '0' ? this.names.address(offset) ?? number(BigInt(offset)) : offset === 0 ? base : `${base} + ${number(BigInt(offset))}`;
    if (value === undefined) this.stack.push(`${name}[${place}]`);
    else this.line(`${name}[${place}] = ${value}`);
  }

  private vector(opcode: number): void {
    const { reader, stack } = this;
    if (opcode === 0) return this.access('v128.load', false);
    if (opcode === 11) return this.access('v128.store', true);
    if (opcode === 12) {
      stack.push(`v128(${reader.hex(16)})`);
      return;
    }
    const name = this.names.simd(opcode) ?? `simd.${opcode}`;
    const hasLane = opcode >= 21 && opcode <= 34;
    const immediate = opcode === 13 ? ` ${reader.hex(16)}` : hasLane ? ` ${reader.u8()}` : '';
    const takesOne = hasLane ? [21, 22, 24, 25, 27, 29, 31, 33].includes(opcode) : SIMD_OF_ONE.some(([first, last]) => opcode >= first && opcode <= last);
    stack.push(`${name}${immediate}(${this.popAll(takesOne ? 1 : opcode === 82 ? 3 : 2)})`);
  }
}
