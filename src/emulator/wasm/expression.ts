/**
 * Trees of side-effect-free WebAssembly operations, typed and folded as they are built. An emitter of instruction
 * semantics composes them; a FunctionBody writes them out. A node used twice is computed twice: keep shared values in
 * locals (`FunctionBody.let`).
 */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';
export type IntegerType = 'i32' | 'i64';

export interface Expr {
  readonly type: ValueType;
  /** What writes the operation itself, after its arguments. */
  readonly node: Node;
  readonly args: readonly Expr[];
}

type Node =
  | { readonly kind: 'i32'; readonly value: number }
  | { readonly kind: 'i64'; readonly value: bigint }
  | { readonly kind: 'f32' | 'f64'; readonly value: number }
  | { readonly kind: 'v128'; readonly bytes: Uint8Array }
  | { readonly kind: 'local'; readonly index: number }
  | { readonly kind: 'global'; readonly index: number }
  | { readonly kind: 'plain'; readonly opcode: number }
  /** Prefix 0xFC or 0xFD, opcode, and immediate bytes (lane numbers, shuffle masks). */
  | { readonly kind: 'prefixed'; readonly prefix: number; readonly opcode: number; readonly immediates: readonly number[] }
  | { readonly kind: 'memory'; readonly prefix: number; readonly opcode: number; readonly align: number; readonly offset: number; readonly lane: number | undefined }
  | { readonly kind: 'call'; readonly functionIndex: number };

export function i32(value: number): Expr {
  return { type: 'i32', node: { kind: 'i32', value: value | 0 }, args: [] };
}
export function i64(value: bigint | number): Expr {
  return { type: 'i64', node: { kind: 'i64', value: BigInt.asIntN(64, BigInt(value)) }, args: [] };
}
export function f64(value: number): Expr {
  return { type: 'f64', node: { kind: 'f64', value }, args: [] };
}
export function f32(value: number): Expr {
  return { type: 'f32', node: { kind: 'f32', value }, args: [] };
}
export function v128(bytes: Uint8Array): Expr {
  return { type: 'v128', node: { kind: 'v128', bytes }, args: [] };
}
/** A constant of the other's integer type. */
export function constant(type: ValueType, value: number | bigint): Expr {
  return type === 'i64' ? i64(value) : i32(Number(BigInt.asIntN(32, BigInt(value))));
}
export function local(index: number, type: ValueType): Expr {
  return { type, node: { kind: 'local', index }, args: [] };
}

/** A global of the module, which may change between two looks at it. */
export function global(index: number, type: ValueType): Expr {
  return { type, node: { kind: 'global', index }, args: [] };
}

function constantOf(e: Expr): bigint | undefined {
  if (e.node.kind === 'i32') return BigInt(e.node.value);
  if (e.node.kind === 'i64') return e.node.value;
  return undefined;
}

/** Whether writing it costs one cheap instruction and no memory access. */
export function isTrivial(e: Expr): boolean {
  return e.node.kind === 'i32' || e.node.kind === 'i64' || e.node.kind === 'local';
}

/** [i32 opcode, i64 opcode, result is i32 for comparisons, fold on signed bigints] */
interface IntegerOperation {
  readonly opcodes: readonly [number, number];
  readonly comparison: boolean;
  readonly fold: (a: bigint, b: bigint, bits: number) => bigint;
}
const unsigned = (value: bigint, bits: number): bigint => BigInt.asUintN(bits, value);
const truth = (value: boolean): bigint => (value ? 1n : 0n);

const BINARY = {
  add: { opcodes: [0x6a, 0x7c], comparison: false, fold: (a, b) => a + b },
  sub: { opcodes: [0x6b, 0x7d], comparison: false, fold: (a, b) => a - b },
  mul: { opcodes: [0x6c, 0x7e], comparison: false, fold: (a, b) => a * b },
  and: { opcodes: [0x71, 0x83], comparison: false, fold: (a, b) => a & b },
  or: { opcodes: [0x72, 0x84], comparison: false, fold: (a, b) => a | b },
  xor: { opcodes: [0x73, 0x85], comparison: false, fold: (a, b) => a ^ b },
  shl: { opcodes: [0x74, 0x86], comparison: false, fold: (a, b, w) => a << (b & BigInt(w - 1)) },
  shrS: { opcodes: [0x75, 0x87], comparison: false, fold: (a, b, w) => a >> (b & BigInt(w - 1)) },
  shrU: { opcodes: [0x76, 0x88], comparison: false, fold: (a, b, w) => unsigned(a, w) >> (b & BigInt(w - 1)) },
  rotl: { opcodes: [0x77, 0x89], comparison: false, fold: (a, b, w) => { const n = b & BigInt(w - 1); return (a << n) | (unsigned(a, w) >> (BigInt(w) - n)); } },
  rotr: { opcodes: [0x78, 0x8a], comparison: false, fold: (a, b, w) => { const n = b & BigInt(w - 1); return (unsigned(a, w) >> n) | (a << (BigInt(w) - n)); } },
  eq: { opcodes: [0x46, 0x51], comparison: true, fold: (a, b) => truth(a === b) },
  ne: { opcodes: [0x47, 0x52], comparison: true, fold: (a, b) => truth(a !== b) },
  ltS: { opcodes: [0x48, 0x53], comparison: true, fold: (a, b) => truth(a < b) },
  ltU: { opcodes: [0x49, 0x54], comparison: true, fold: (a, b, w) => truth(unsigned(a, w) < unsigned(b, w)) },
  gtS: { opcodes: [0x4a, 0x55], comparison: true, fold: (a, b) => truth(a > b) },
  gtU: { opcodes: [0x4b, 0x56], comparison: true, fold: (a, b, w) => truth(unsigned(a, w) > unsigned(b, w)) },
  leS: { opcodes: [0x4c, 0x57], comparison: true, fold: (a, b) => truth(a <= b) },
  leU: { opcodes: [0x4d, 0x58], comparison: true, fold: (a, b, w) => truth(unsigned(a, w) <= unsigned(b, w)) },
  geS: { opcodes: [0x4e, 0x59], comparison: true, fold: (a, b) => truth(a >= b) },
  geU: { opcodes: [0x4f, 0x5a], comparison: true, fold: (a, b, w) => truth(unsigned(a, w) >= unsigned(b, w)) },
} satisfies Record<string, IntegerOperation>;

function binary(name: keyof typeof BINARY, a: Expr, b: Expr): Expr {
  if (a.type !== b.type) throw new Error(`${name}: ${a.type} with ${b.type}`);
  if (a.type !== 'i32' && a.type !== 'i64') throw new Error(`${name}: not an integer`);
  const operation = BINARY[name];
  const bits = a.type === 'i64' ? 64 : 32;
  const x = constantOf(a);
  const y = constantOf(b);
  const type = operation.comparison ? 'i32' : a.type;
  if (x !== undefined && y !== undefined) return constant(type, operation.fold(x, y, bits));
  if (y === 0n && ['add', 'sub', 'or', 'xor', 'shl', 'shrS', 'shrU', 'rotl', 'rotr'].includes(name)) return a;
  if (x === 0n && ['add', 'or', 'xor'].includes(name)) return b;
  if (y === -1n && name === 'and') return a;
  return { type, node: { kind: 'plain', opcode: operation.opcodes[bits === 64 ? 1 : 0] }, args: [a, b] };
}

export const add = (a: Expr, b: Expr): Expr => binary('add', a, b);
export const sub = (a: Expr, b: Expr): Expr => binary('sub', a, b);
export const mul = (a: Expr, b: Expr): Expr => binary('mul', a, b);
export const and = (a: Expr, b: Expr): Expr => binary('and', a, b);
export const or = (a: Expr, b: Expr): Expr => binary('or', a, b);
export const xor = (a: Expr, b: Expr): Expr => binary('xor', a, b);
/** Shift and rotate counts have the operand's type and count modulo its width. */
export const shl = (a: Expr, b: Expr): Expr => binary('shl', a, b);
export const shrS = (a: Expr, b: Expr): Expr => binary('shrS', a, b);
export const shrU = (a: Expr, b: Expr): Expr => binary('shrU', a, b);
export const rotl = (a: Expr, b: Expr): Expr => binary('rotl', a, b);
export const rotr = (a: Expr, b: Expr): Expr => binary('rotr', a, b);
export const eq = (a: Expr, b: Expr): Expr => binary('eq', a, b);
export const ne = (a: Expr, b: Expr): Expr => binary('ne', a, b);
export const ltS = (a: Expr, b: Expr): Expr => binary('ltS', a, b);
export const ltU = (a: Expr, b: Expr): Expr => binary('ltU', a, b);
export const gtS = (a: Expr, b: Expr): Expr => binary('gtS', a, b);
export const gtU = (a: Expr, b: Expr): Expr => binary('gtU', a, b);
export const leS = (a: Expr, b: Expr): Expr => binary('leS', a, b);
export const leU = (a: Expr, b: Expr): Expr => binary('leU', a, b);
export const geS = (a: Expr, b: Expr): Expr => binary('geS', a, b);
export const geU = (a: Expr, b: Expr): Expr => binary('geU', a, b);

/** Division traps on zero and overflow: guard it. Only remU of constants is folded. */
export const divS = (a: Expr, b: Expr): Expr => plain(a.type, a.type === 'i64' ? 0x7f : 0x6d, a, b);
export const divU = (a: Expr, b: Expr): Expr => plain(a.type, a.type === 'i64' ? 0x80 : 0x6e, a, b);
export const remS = (a: Expr, b: Expr): Expr => plain(a.type, a.type === 'i64' ? 0x81 : 0x6f, a, b);
export function remU(a: Expr, b: Expr): Expr {
  const [x, y] = [constantOf(a), constantOf(b)];
  const bits = a.type === 'i64' ? 64 : 32;
  if (x !== undefined && y) return constant(a.type, unsigned(x, bits) % unsigned(y, bits));
  return plain(a.type, bits === 64 ? 0x82 : 0x70, a, b);
}

/** Any operation without immediates, by its opcode: for floating point and the like. */
export function plain(type: ValueType, opcode: number, ...args: Expr[]): Expr {
  return { type, node: { kind: 'plain', opcode }, args };
}
/** A SIMD operation (prefix 0xFD) with its lane or shuffle immediates. */
export function simd(type: ValueType, opcode: number, args: readonly Expr[], immediates: readonly number[] = []): Expr {
  return { type, node: { kind: 'prefixed', prefix: 0xfd, opcode, immediates }, args };
}

export const clz = (a: Expr): Expr => plain(a.type, a.type === 'i64' ? 0x79 : 0x67, a);
export const ctz = (a: Expr): Expr => plain(a.type, a.type === 'i64' ? 0x7a : 0x68, a);
export const popcnt = (a: Expr): Expr => plain(a.type, a.type === 'i64' ? 0x7b : 0x69, a);

export function eqz(a: Expr): Expr {
  const value = constantOf(a);
  if (value !== undefined) return i32(value === 0n ? 1 : 0);
  return plain('i32', a.type === 'i64' ? 0x50 : 0x45, a);
}
/** i64 → i32, dropping the high half. */
export function wrap(a: Expr): Expr {
  if (a.type === 'i32') return a;
  const value = constantOf(a);
  if (value !== undefined) return constant('i32', value);
  if (a.node.kind === 'plain' && (a.node.opcode === 0xad || a.node.opcode === 0xac)) return a.args[0] as Expr;
  return plain('i32', 0xa7, a);
}
export function extendU(a: Expr): Expr {
  if (a.type === 'i64') return a;
  const value = constantOf(a);
  if (value !== undefined) return i64(BigInt.asUintN(32, value));
  return plain('i64', 0xad, a);
}
export function extendS(a: Expr): Expr {
  if (a.type === 'i64') return a;
  const value = constantOf(a);
  if (value !== undefined) return i64(value);
  return plain('i64', 0xac, a);
}
/** Sign-extends the low 8, 16 or 32 bits within the value's own type. */
export function signExtend(a: Expr, bits: 8 | 16 | 32): Expr {
  const value = constantOf(a);
  if (value !== undefined) return constant(a.type, BigInt.asIntN(bits, value));
  if (a.type === 'i32') return bits === 32 ? a : plain('i32', bits === 8 ? 0xc0 : 0xc1, a);
  return plain('i64', bits === 8 ? 0xc2 : bits === 16 ? 0xc3 : 0xc4, a);
}

/** `condition` (i32) ≠ 0 ? a : b; both are computed. */
export function select(condition: Expr, a: Expr, b: Expr): Expr {
  const value = constantOf(condition);
  if (value !== undefined) return value !== 0n ? a : b;
  if (a.type === 'v128') return { type: 'v128', node: { kind: 'plain', opcode: 0x1b }, args: [a, b, condition] };
  return plain(a.type, 0x1b, a, b, condition);
}

/** The result of calling a function without side effects that matter to order; other calls are statements. */
export function call(functionIndex: number, type: ValueType, ...args: Expr[]): Expr {
  return { type, node: { kind: 'call', functionIndex }, args };
}

type MemoryType = 'u8' | 's8' | 'u16' | 's16' | 'u32' | 's32' | 'u64' | 'f32' | 'f64' | 'v128';
const LOADS: Record<string, readonly [prefix: number, opcode: number]> = {
  'i32.u8': [0, 0x2d], 'i32.s8': [0, 0x2c], 'i32.u16': [0, 0x2f], 'i32.s16': [0, 0x2e], 'i32.u32': [0, 0x28], 'i32.s32': [0, 0x28],
  'i64.u8': [0, 0x31], 'i64.s8': [0, 0x30], 'i64.u16': [0, 0x33], 'i64.s16': [0, 0x32], 'i64.u32': [0, 0x35], 'i64.s32': [0, 0x34],
  'i64.u64': [0, 0x29], 'f32.f32': [0, 0x2a], 'f64.f64': [0, 0x2b], 'v128.v128': [0xfd, 0],
};
/** Loads from this machine's memory at `address` (i32) + `offset`; alignment is never promised. */
export function load(type: ValueType, memory: MemoryType, address: Expr, offset = 0): Expr {
  const found = LOADS[`${type}.${memory}`];
  if (!found) throw new Error(`no load of ${memory} as ${type}`);
  return { type, node: { kind: 'memory', prefix: found[0], opcode: found[1], align: 0, offset, lane: undefined }, args: [address] };
}
