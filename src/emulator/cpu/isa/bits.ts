import { and, clz, constant, ctz, eqz, extendS, extendU, i32, i64, or, popcnt, rotl, shl, shrS, shrU, signExtend, sub, wrap, xor, type Expr } from '../../wasm/expression.ts';
import type { Emitter } from './emitter.ts';
import { row, type FlagEffects, type InstructionRow } from './row.ts';

type BitOperation = 'BT' | 'BTS' | 'BTR' | 'BTC';
const CARRY: FlagEffects = { written: 'c', undefined: 'osap' };

function changed(operation: BitOperation, value: Expr, mask: Expr): Expr {
  if (operation === 'BTS') return or(value, mask);
  if (operation === 'BTR') return and(value, xor(mask, constant(mask.type, -1)));
  return xor(value, mask);
}

function bitTest(operation: BitOperation, indexed: boolean) {
  return (e: Emitter): void => {
    const { body, width } = e;
    const index = e.read(1);
    const within = body.let(and(index, e.constant(width - 1)));
    const mask = shl(e.constant(1), within);
    if (indexed && !e.registerForm) {
      // A bit string in memory: the index, signed, also selects the word.
      const word = width === 64 ? index : width === 32 ? extendS(index) : extendS(signExtend(index, 16));
      const bytes = width / 8;
      const step = width === 64 ? 6n : width === 32 ? 5n : 4n;
      const displacement = shl(shrS(word, i64(step)), i64(BigInt(Math.log2(bytes))));
      const pointer = e.pointerBy(0, bytes, operation === 'BT' ? 'read' : 'modify', displacement);
      const value = body.let(e.loadAt(pointer));
      if (operation !== 'BT') {
        body.store(width as 16 | 32 | 64, pointer, changed(operation, value, mask));
        e.commit(pointer);
      }
      e.setCarry(body.let(and(wrap(shrU(value, within)), i32(1))));
      return;
    }
    const value = operation === 'BT' ? e.read(0) : e.modify(0);
    if (operation !== 'BT') e.write(0, changed(operation, value, mask));
    e.setCarry(body.let(and(wrap(shrU(value, within)), i32(1))));
  };
}

function bitRows(operation: BitOperation, opcode: string, digit: number): InstructionRow[] {
  const options = { flags: CARRY, lock: operation !== 'BT' };
  return [
    row(`${operation} r/mv, rv`, `0F ${opcode} /r`, options, bitTest(operation, true)),
    row(`${operation} r/mv, imm8`, `0F BA /${digit}`, options, bitTest(operation, false)),
  ];
}

/** BSF and BSR leave the destination alone when the source is 0 (as all processors do; AMD documents it). */
function bitScan(forward: boolean) {
  return (e: Emitter): void => {
    const { body, width } = e;
    const source = e.read(1);
    const zero = body.let(eqz(source));
    body.if(eqz(zero), () => {
      const top = e.constant(width === 64 ? 63 : 31);
      e.write(0, forward ? ctz(source) : sub(top, clz(source)));
    });
    e.flagsLogic(source);
    e.setZero(zero);
  };
}

function byteSwap(e: Emitter): void {
  const value = e.read(0);
  const { body } = e;
  if (e.width === 16) {
    // Undefined; processors give 0.
    e.write(0, i32(0));
    return;
  }
  const swap32 = (v: Expr): Expr => or(and(rotl(v, i32(8)), i32(0x00ff00ff)), and(rotl(v, i32(24)), i32(0xff00ff00)));
  if (e.width === 32) {
    e.write(0, swap32(value));
    return;
  }
  const low = body.let(wrap(value));
  const high = body.let(wrap(shrU(value, i64(32n))));
  e.write(0, or(shl(extendU(swap32(low)), i64(32n)), extendU(swap32(high))));
}

/** CRC32 (iSCSI polynomial), bit by bit over the operand's bytes. */
function crc32(bits: 8 | 16 | 32 | 64) {
  return (e: Emitter): void => {
    const { body } = e;
    const source = e.read(1);
    const crc = body.newLocal('i32');
    const data = body.newLocal('i64');
    const count = body.newLocal('i32');
    body.set(data, extendU(source));
    body.set(crc, xor(wrap(e.read(0)), wrap(data)));
    body.set(count, i32(Math.min(bits, 32)));
    const rounds = (): void =>
      body.loop((again) => {
        body.set(crc, xor(shrU(crc, i32(1)), and(sub(i32(0), and(crc, i32(1))), i32(0x82f63b78))));
        body.set(count, sub(count, i32(1)));
        body.brIf(again, count);
      });
    if (bits < 32) {
      // Only the low bits of the data take part; the register's rest shifts down.
      body.set(crc, xor(wrap(e.read(0)), and(wrap(data), i32((1 << bits) - 1))));
    }
    rounds();
    if (bits === 64) {
      body.set(crc, xor(crc, wrap(shrU(data, i64(32n)))));
      body.set(count, i32(32));
      rounds();
    }
    e.write(0, e.type === 'i64' ? extendU(crc) : crc);
  };
}

export const bitInstructionRows: readonly InstructionRow[] = [
  ...bitRows('BT', 'A3', 4),
  ...bitRows('BTS', 'AB', 5),
  ...bitRows('BTR', 'B3', 6),
  ...bitRows('BTC', 'BB', 7),
  row('BSF rv, r/mv', '0F BC /r', { flags: { written: 'z', undefined: 'osapc' } }, bitScan(true)),
  row('BSR rv, r/mv', '0F BD /r', { flags: { written: 'z', undefined: 'osapc' } }, bitScan(false)),
  row('POPCNT rv, r/mv', 'F3 0F B8 /r', { flags: { written: 'oszapc' }, feature: 'POPCNT' }, (e) => {
    const source = e.read(1);
    e.write(0, popcnt(source));
    const zf = e.body.let(eqz(source));
    e.setFlags({ cf: i32(0), pf: i32(0), af: i32(0), zf, sf: i32(0), of: i32(0) });
  }),
  row('BSWAP rv', '0F C8+r', {}, byteSwap),
  row('CRC32 ry, r/mb', 'F2 0F 38 F0 /r', { feature: 'SSE4.2', rare: true }, crc32(8)),
  row('CRC32 rd, r/mv', 'F2 0F 38 F1 /r', { feature: 'SSE4.2', rare: true }, (e) => crc32(e.width as 16 | 32 | 64)(e)),
];
