import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../../../src/emulator/wasm/bytes.ts';
import * as ex from '../../../../src/emulator/wasm/expression.ts';
import type { Expr, ValueType } from '../../../../src/emulator/wasm/expression.ts';
import { FunctionBody } from '../../../../src/emulator/wasm/function-body.ts';
import { ModuleBuilder } from '../../../../src/emulator/wasm/module-builder.ts';
import { Random } from '../../../isa/random.ts';

type Callable = (...args: (number | bigint)[]) => number | bigint;
const EDGES_32 = [0, 1, -1, 63, 64, 65, -63, -64, -65, 127, 128, 8191, 8192, -8192, -8193, 0x7fffffff, -0x80000000, 1 << 20, 1 << 27];
const EDGES_64 = [...EDGES_32.map(BigInt), 0x7fffffffffffffffn, -0x8000000000000000n, 0x80000000n, 0xffffffffn, 1n << 62n, -(1n << 62n), 1n << 55n, (1n << 34n) - 1n];

/** A module of one function made by `write`. */
function compile(parameters: readonly ValueType[], result: ValueType, write: (body: FunctionBody) => Expr): Callable {
  const module = new ModuleBuilder();
  const index = module.declare(parameters, [result]);
  const body = new FunctionBody(parameters);
  body.returnValue(write(body));
  body.unreachable();
  module.define(index, body);
  module.export('run', index);
  return new WebAssembly.Instance(new WebAssembly.Module(module.encode())).exports['run'] as unknown as Callable;
}

describe('integer encodings', () => {
  it('are what V8 reads, at every edge', () => {
    for (const value of EDGES_32) expect(compile([], 'i32', () => ex.i32(value))()).toBe(value);
    for (const value of EDGES_64) expect(compile([], 'i64', () => ex.i64(value))()).toBe(value);
  });

  it('are the shortest', () => {
    const bytes = (write: (w: ByteWriter) => void): number[] => {
      const writer = new ByteWriter();
      write(writer);
      return [...writer.view()];
    };
    expect(bytes((w) => w.u32(127))).toEqual([0x7f]);
    expect(bytes((w) => w.u32(128))).toEqual([0x80, 1]);
    expect(bytes((w) => w.u32(0xffffffff))).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f]);
    expect(bytes((w) => w.s32(63))).toEqual([0x3f]);
    expect(bytes((w) => w.s32(64))).toEqual([0xc0, 0]);
    expect(bytes((w) => w.s32(-64))).toEqual([0x40]);
    expect(bytes((w) => w.s64(-65n))).toEqual([0xbf, 0x7f]);
    expect(bytes((w) => w.s64(-(1n << 63n)))).toEqual([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f]);
  });

  it('keep what was written when the buffer grows', () => {
    const writer = new ByteWriter();
    for (let i = 0; i < 5000; i++) writer.u8(i & 0xff);
    writer.bytes(new Uint8Array(3000).fill(7));
    const copy = writer.copy();
    expect([copy.length, copy[4999], copy[5000], copy[7999]]).toEqual([8000, 4999 & 0xff, 7, 7]);
  });
});

const BINARY = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'shl', 'shrS', 'shrU', 'rotl', 'rotr', 'eq', 'ne', 'ltS', 'ltU', 'gtS', 'gtU', 'leS', 'leU', 'geS', 'geU'] as const;
/** What an operation is, said with BigInt. */
function wanted(name: (typeof BINARY)[number], a: bigint, b: bigint, bits: 32 | 64): bigint {
  const u = (v: bigint): bigint => BigInt.asUintN(bits, v);
  const s = (v: bigint): bigint => BigInt.asIntN(bits, v);
  const count = u(b) % BigInt(bits);
  const is = (condition: boolean): bigint => (condition ? 1n : 0n);
  switch (name) {
    case 'add': return s(a + b);
    case 'sub': return s(a - b);
    case 'mul': return s(a * b);
    case 'and': return s(a & b);
    case 'or': return s(a | b);
    case 'xor': return s(a ^ b);
    case 'shl': return s(a << count);
    case 'shrS': return s(s(a) >> count);
    case 'shrU': return s(u(a) >> count);
    case 'rotl': return s((u(a) << count) | (u(a) >> (BigInt(bits) - count)));
    case 'rotr': return s((u(a) >> count) | (u(a) << (BigInt(bits) - count)));
    case 'eq': return is(u(a) === u(b));
    case 'ne': return is(u(a) !== u(b));
    case 'ltS': return is(s(a) < s(b));
    case 'ltU': return is(u(a) < u(b));
    case 'gtS': return is(s(a) > s(b));
    case 'gtU': return is(u(a) > u(b));
    case 'leS': return is(s(a) <= s(b));
    case 'leU': return is(u(a) <= u(b));
    case 'geS': return is(s(a) >= s(b));
    case 'geU': return is(u(a) >= u(b));
  }
}

describe.each([32, 64] as const)('operations on i%s', (bits) => {
  const type = bits === 64 ? 'i64' : 'i32';
  const typed = (value: bigint): number | bigint => (bits === 64 ? value : Number(value));
  const edges = bits === 64 ? EDGES_64 : EDGES_32.map(BigInt);

  it.each(BINARY)('%s is right computed by V8, folded, and with one constant side', (name) => {
    const random = new Random(1);
    const computed = compile([type, type], name.length > 2 && /^(lt|gt|le|ge)|^ne$/.test(name) || name === 'eq' || name === 'ne' ? 'i32' : type, (body) => ex[name](body.parameter(0), body.parameter(1)));
    for (let i = 0; i < 300; i++) {
      const [a, b] = [random.pick(edges), random.below(4) ? random.pick(edges) : BigInt.asIntN(bits, random.next64())];
      const result = wanted(name, a, b, bits);
      expect(BigInt(computed(typed(a), typed(b))), `${name} ${a} ${b}`).toBe(result);
      const folded = ex[name](ex.constant(type, a), ex.constant(type, b));
      expect(['i32', 'i64']).toContain(folded.node.kind);
      expect(BigInt((folded.node as { value: number | bigint }).value), `folded ${name} ${a} ${b}`).toBe(result);
    }
    for (const a of [0n, 1n, -1n, 5n]) {
      for (const b of [0n, -1n, 3n]) {
        const result = wanted(name, a, b, bits);
        const returned = ex[name](ex.i32(0), ex.i32(0)).type === 'i32' && /^(eq|ne|[lg][te][SU])$/.test(name) ? 'i32' : type;
        const left = compile([type], returned, (body) => ex[name](body.parameter(0), ex.constant(type, b)));
        const right = compile([type], returned, (body) => ex[name](ex.constant(type, a), body.parameter(0)));
        expect([BigInt(left(typed(a))), BigInt(right(typed(b)))], `${name} ${a} ${b}`).toEqual([result, result]);
      }
    }
  });

  it('eqz, clz, ctz, popcnt, sign extensions and select are right', () => {
    for (const value of edges) {
      const run = (returned: ValueType, make: (e: Expr) => Expr): bigint => BigInt(compile([type], returned, (body) => make(body.parameter(0)))(typed(value)));
      const folded = (make: (e: Expr) => Expr): bigint => BigInt((make(ex.constant(type, value)).node as { value: number | bigint }).value);
      const isZero = value === 0n ? 1n : 0n;
      expect([run('i32', ex.eqz), folded(ex.eqz)]).toEqual([isZero, isZero]);
      const text = BigInt.asUintN(bits, value).toString(2).padStart(bits, '0');
      expect(run(type, ex.clz)).toBe(BigInt(text.indexOf('1') < 0 ? bits : text.indexOf('1')));
      expect(run(type, ex.ctz)).toBe(BigInt(text.lastIndexOf('1') < 0 ? bits : bits - 1 - text.lastIndexOf('1')));
      expect(run(type, ex.popcnt)).toBe(BigInt(text.replaceAll('0', '').length));
      for (const width of [8, 16, 32] as const) {
        const result = BigInt.asIntN(bits, BigInt.asIntN(width, value));
        expect([run(type, (e) => ex.signExtend(e, width)), folded((e) => ex.signExtend(e, width))]).toEqual([result, result]);
      }
      expect(run('i32', (e) => ex.select(ex.eqz(e), ex.i32(7), ex.i32(9)))).toBe(value === 0n ? 7n : 9n);
    }
    expect(ex.select(ex.i32(0), ex.i32(7), ex.i32(9))).toEqual(ex.i32(9));
  });
});

describe('conversions', () => {
  it('wrap and extend agree with V8, and undo each other', () => {
    for (const value of EDGES_64) {
      const run = (returned: ValueType, make: (e: Expr) => Expr): bigint => BigInt(compile(['i64'], returned, (body) => make(body.parameter(0)))(value));
      const low = BigInt.asIntN(32, value);
      expect(run('i32', ex.wrap)).toBe(low);
      expect(run('i64', (e) => ex.extendU(ex.wrap(e)))).toBe(BigInt.asUintN(32, value));
      expect(run('i64', (e) => ex.extendS(ex.wrap(e)))).toBe(low);
      expect(ex.extendU(ex.i32(Number(low)))).toEqual(ex.i64(BigInt.asUintN(32, value)));
      expect(ex.extendS(ex.i32(Number(low)))).toEqual(ex.i64(low));
    }
    const parameter = ex.local(0, 'i32');
    expect(ex.wrap(ex.extendU(parameter))).toBe(parameter);
  });

  it('mixing types is refused while building', () => {
    expect(() => ex.add(ex.i32(1), ex.i64(1))).toThrow(/i32 with i64/);
    expect(() => ex.add(ex.f64(1), ex.f64(1))).toThrow();
    expect(() => ex.load('i32', 'f64', ex.i32(0))).toThrow();
    expect(() => new FunctionBody([]).store(64, ex.i32(0), ex.i32(0))).toThrow();
  });

  it('floating-point and vector constants keep their bits', () => {
    for (const value of [0, -0, 1.5, Infinity, 2 ** -1074]) expect(compile([], 'f64', () => ex.f64(value))()).toBe(value);
    expect(compile([], 'f32', () => ex.f32(1.1))()).toBe(Math.fround(1.1));
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => i * 16 + 1);
    // i64x2.extract_lane
    expect(compile([], 'i64', () => ex.simd('i64', 29, [ex.v128(bytes)], [1]))()).toBe(BigInt.asIntN(64, new DataView(bytes.buffer).getBigUint64(8, true)));
  });
});

describe('function bodies', () => {
  it('locals of mixed types keep their values, hundreds of them too', () => {
    const run = compile(['i32', 'i64'], 'i64', (body) => {
      let sum: Expr = ex.extendS(body.parameter(0));
      for (let i = 0; i < 300; i++) {
        const value = body.let(ex.add(sum, i % 3 ? body.parameter(1) : ex.extendS(body.let(ex.add(body.parameter(0), ex.i32(i))))));
        sum = body.let(value);
      }
      return sum;
    });
    let sum = 3n;
    for (let i = 0; i < 300; i++) sum += i % 3 ? 5n : BigInt(3 + i);
    expect(run(3, 5n)).toBe(sum);
  });

  it('`let` holds the value of now, whatever becomes of its sources', () => {
    expect(compile(['i32'], 'i32', (body) => {
      const before = body.let(body.parameter(0));
      body.set(body.parameter(0), ex.i32(99));
      return ex.sub(body.parameter(0), before);
    })(42)).toBe(57);
  });

  it('labels lead out of blocks and back into loops across nesting', () => {
    // Counts the odd numbers below n, leaving at 1000.
    const run = compile(['i32'], 'i32', (body) => {
      const [i, odd] = [body.newLocal('i32'), body.newLocal('i32')];
      body.block((out) => {
        body.loop((again) => {
          body.brIf(out, ex.geS(i, body.parameter(0)));
          body.if(ex.and(i, ex.i32(1)), () => {
            body.set(odd, ex.add(odd, ex.i32(1)));
            body.if(ex.eq(odd, ex.i32(1000)), () => body.br(out), () => body.set(i, i));
          });
          body.set(i, ex.add(i, ex.i32(1)));
          body.br(again);
        });
      });
      return odd;
    });
    expect([run(0), run(9), run(10), run(100_000)]).toEqual([0, 4, 5, 1000]);
  });

  it('loads and stores of every width extend as they say', () => {
    const module = new ModuleBuilder();
    module.importMemory(1, 1);
    const index = module.declare(['i32', 'i64'], []);
    const body = new FunctionBody(['i32', 'i64']);
    const [address, value] = [body.parameter(0), body.parameter(1)];
    body.store(64, address, value);
    (['u8', 's8', 'u16', 's16', 'u32', 's32', 'u64'] as const).forEach((memory, n) => body.store(64, address, ex.load('i64', memory, address), 8 + n * 8));
    (['u8', 's8', 'u16', 's16', 'u32'] as const).forEach((memory, n) => body.store(32, address, ex.load('i32', memory, address), 64 + n * 4));
    for (const [bits, at] of [[8, 100], [16, 102], [32, 104]] as const) body.store(bits, address, value, at);
    body.return();
    module.define(index, body);
    module.export('run', index);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const run = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory } }).exports['run'] as unknown as (at: number, value: bigint) => void;
    run(300, 0xfedcba98_89abcdefn);
    const view = new DataView(memory.buffer, 300);
    const longs = Array.from({ length: 7 }, (_, n) => view.getBigInt64(8 + n * 8, true));
    expect(longs).toEqual([0xefn, -0x11n, 0xcdefn, -0x3211n, 0x89abcdefn, BigInt.asIntN(32, 0x89abcdefn), BigInt.asIntN(64, 0xfedcba9889abcdefn)]);
    expect(Array.from({ length: 5 }, (_, n) => view.getInt32(64 + n * 4, true))).toEqual([0xef, -0x11, 0xcdef, -0x3211, 0x89abcdef | 0]);
    expect(view.getBigUint64(100, true)).toBe(0x89abcdef_cdef00efn);
  });
});

describe('modules', () => {
  it('functions tail-call each other a million times through the typed table', () => {
    const module = new ModuleBuilder();
    const type = module.type(['i32', 'i32'], ['i32']);
    const makers = [0, 1, 2].map((n) => {
      const index = module.declare(['i32', 'i32'], ['i32']);
      const body = new FunctionBody(['i32', 'i32']);
      const [left, sum] = [body.parameter(0), body.parameter(1)];
      body.if(ex.eqz(left), () => body.returnValue(sum));
      body.returnCallIndirect(type, [ex.sub(left, ex.i32(1)), ex.add(sum, ex.i32(n))], ex.remU(left, ex.i32(3)));
      module.define(index, body);
      return index;
    });
    module.setTable(type, makers);
    module.export('run', makers[0] as number);
    const run = new WebAssembly.Instance(new WebAssembly.Module(module.encode())).exports['run'] as unknown as (n: number, sum: number) => number;
    // The first call adds 0; later ones what `left` said before.
    let sum = 0;
    for (let left = 1_000_000, self = 0; left > 0; left--) {
      sum += self;
      self = left % 3;
    }
    expect(run(1_000_000, 0)).toBe(sum);
  });

  it('imported functions, calls with and without results, and equal types shared', () => {
    const module = new ModuleBuilder();
    const note = module.importFunction('host', 'note', ['i32'], []);
    const double = module.importFunction('host', 'double', ['i64'], ['i64']);
    expect(module.type(['i32'], [])).toBe(module.type(['i32'], []));
    const index = module.declare(['i64'], ['i64']);
    const body = new FunctionBody(['i64']);
    body.call(note, [ex.i32(-5)]);
    const first = body.call(double, [body.parameter(0)], 'i64') as Expr;
    body.returnValue(ex.add(first, ex.call(double, 'i64', ex.i64(10n))));
    body.unreachable();
    module.define(index, body);
    module.export('run', index);
    expect(() => module.importFunction('host', 'late', [], [])).toThrow(/before/);
    const notes: number[] = [];
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { host: { note: (n: number) => notes.push(n), double: (v: bigint) => v * 2n } });
    expect((instance.exports['run'] as unknown as (v: bigint) => bigint)(21n)).toBe(62n);
    expect(notes).toEqual([-5]);
  });

  it('a function that was declared and never defined is an error, as is defining one twice', () => {
    const module = new ModuleBuilder();
    const index = module.declare([], []);
    expect(() => module.encode()).toThrow(/no body/);
    module.define(index, new FunctionBody([]));
    expect(() => module.define(index, new FunctionBody([]))).toThrow();
  });

  it('more than 127 functions and long names encode', () => {
    const module = new ModuleBuilder();
    for (let n = 0; n < 300; n++) {
      const index = module.declare([], ['i32']);
      const body = new FunctionBody([]);
      body.returnValue(ex.i32(n));
      body.unreachable();
      module.define(index, body);
      module.export(`f${n}${'x'.repeat(n)}`, index);
    }
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()));
    expect((exports[`f299${'x'.repeat(299)}`] as unknown as () => number)()).toBe(299);
  });
});
