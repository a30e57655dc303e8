/**
 * MOVS STOS LODS CMPS SCAS INS OUTS, with and without REP. Registers follow every element, so a fault or an interrupt in the
 * middle leaves an instruction that can be taken up again. Runs of elements within one page are done at once.
 */
import { DR7_ENABLES, EFLAGS_DF } from '../arch.ts';
import { RECORD_SEGMENT } from '../memory-layout.ts';
import {
  DR7, EFLAGS_REST, FLAGS_AUX, FLAGS_RESULT, PENDING_BYTES, RAX, RCX, RDI, RDX, RSI, SCRATCH, SEGMENT_ATTRIBUTES, SEGMENT_LIMIT, STATUS_AGAIN, STATUS_FAULT,
  STATUS_NEXT,
} from '../state-layout.ts';
import { ioRead, ioReadBlock, ioWrite, ioWriteBlock } from './board.ts';
import { cpuBase, get32, get64, in64BitCode, loopWanted, segmentAt, set32, set64, statusOrLoop } from './cpu-state.ts';
import { READ, WRITE, commit, loadSized, reach, storeSized } from './mmu.ts';
import { beforeWrite, isGuarded } from './physical.ts';
import { NOT_AN_ADDRESS, linearAddress, withinLimit } from './segments.ts';
import { mayUsePorts } from './system.ts';
import { currentTable } from './tlb.ts';

const MOVS: i32 = 0;
const STOS: i32 = 1;
const LODS: i32 = 2;
const CMPS: i32 = 3;
const SCAS: i32 = 4;
const INS: i32 = 5;
const OUTS: i32 = 6;

const REPEAT_EQUAL: i32 = 1;
const SEGMENT_ES: u32 = 0;
/** A repeated instruction gives way to interrupts after this many bytes. */
const YIELD_BYTES: u64 = 0x10000;

/** How many of `count` elements from `offset` lie in one page, within the segment, before the offset wraps; at least 1. */
function runLength(segment: u32, offset: u64, linear: u64, count: u64, bytes: u32, mask: u64): u64 {
  const n = min<u64>((0x1000 - (linear & 0xfff)) / bytes, count);
  if (n <= 1) return 1;
  const last = offset + n * bytes - 1;
  if (last > mask || last < offset) return 1;
  if (in64BitCode()) return n;
  const at = segmentAt(segment);
  return withinLimit(get32(at + SEGMENT_ATTRIBUTES), get32(at + SEGMENT_LIMIT), offset, <u32>n * bytes) ? n : 1;
}

/** Adds to a register of the address size: 16 bits keep the rest, 32 bits clear it. */
@inline function advance(register: u32, by: u64, mask: u64): void {
  const value = get64(register);
  const kept = mask == 0xffff ? value & ~mask : 0;
  set64(register, kept | (value + by) & mask);
}

@inline function signExtended(value: u64, bytes: u32): u64 {
  const shift = 64 - (bytes << 3);
  return <u64>((<i64>(value << shift)) >> shift);
}

/** Flags of a - b, lazily; see FLAGS_RESULT. */
function compareFlags(a: u64, b: u64, bytes: u32): void {
  const result = a - b;
  const borrow = (~a & b) | (~(a ^ b) & result);
  const top = (bytes << 3) - 1;
  set64(FLAGS_RESULT, signExtended(result, bytes));
  set32(FLAGS_AUX, (<u32>(borrow >> top) & 1) << 31 | (<u32>(borrow >> (top - 1)) & 1) << 30 | <u32>borrow & 8);
}

/** As elements are copied one after the other, upwards: an overlapping target repeats what was copied before. */
function copyRun(target: u32, source: u32, length: u32, bytes: u32): void {
  if (target <= source || target >= source + length) {
    memory.copy(target, source, length);
    return;
  }
  for (let done: u32 = 0; done < length; done += bytes) storeSized(target + done, loadSized(source + done, bytes), bytes);
}

function fillRun(target: u32, value: u64, length: u32, bytes: u32): void {
  const low = value & 0xff;
  if (signExtended(low * 0x0101010101010101, bytes) == signExtended(value, bytes)) {
    memory.fill(target, <u8>low, length);
    return;
  }
  for (let done: u32 = 0; done < length; done += bytes) storeSized(target + done, value, bytes);
}

/** The pair compared last by `compareRun`. */
let comparedA: u64 = 0;
let comparedB: u64 = 0;
/** Compares up to `n` pairs and returns how many were, the one that ends a REP included. `source` 0: `value` is every a. */
function compareRun(source: u32, target: u32, value: u64, n: u64, bytes: u32, repeat: i32): u64 {
  let a = value;
  for (let done: u64 = 0; done < n;) {
    if (source) {
      a = loadSized(source, bytes);
      source += bytes;
    }
    const b = loadSized(target, bytes);
    target += bytes;
    done++;
    if (done == n || (a == b) != (repeat == REPEAT_EQUAL)) {
      comparedA = a;
      comparedB = b;
      return done;
    }
  }
  return 0;
}

/** STATUS_AGAIN leaves the instruction to be executed again; RCX tells how much is left. */
export function stringOperation(op: u32, kind: i32, bytes: u32, addressBytes: u32, repeat: i32): i32 {
  let mask: u64 = ~0;
  if (addressBytes == 2) mask = 0xffff;
  else if (addressBytes == 4) mask = 0xffffffff;
  let count = repeat ? get64(RCX) & mask : 1;
  if (count == 0) return STATUS_NEXT;
  const port = <u32>get64(RDX) & 0xffff;
  const isPort = kind >= INS;
  if (isPort && !mayUsePorts(port, bytes)) return STATUS_FAULT;
  const sourceSegment = <u32>load<u8>(op + RECORD_SEGMENT) & 7;
  const hasSource = kind == MOVS || kind == LODS || kind == CMPS || kind == OUTS;
  const hasTarget = kind != LODS && kind != OUTS;
  const writes = kind == MOVS || kind == STOS || kind == INS;
  const compares = kind == CMPS || kind == SCAS;
  const down = (get32(EFLAGS_REST) & EFLAGS_DF) != 0;
  const runs = repeat != 0 && !down && kind != LODS && !(get64(DR7) & DR7_ENABLES);
  const scratch = <u32>cpuBase + SCRATCH;
  const table = currentTable();
  let blocks = isPort;
  let left: u64 = YIELD_BYTES;

  while (true) {
    let n = runs ? count : 1;
    let sourceAt: u64 = 0;
    let targetAt: u64 = 0;
    if (hasSource) {
      const offset = get64(RSI) & mask;
      sourceAt = linearAddress(sourceSegment, offset, bytes, READ);
      if (sourceAt == NOT_AN_ADDRESS) return STATUS_FAULT;
      if (n > 1) n = runLength(sourceSegment, offset, sourceAt, n, bytes, mask);
    }
    if (hasTarget) {
      const offset = get64(RDI) & mask;
      targetAt = linearAddress(SEGMENT_ES, offset, bytes, writes ? WRITE : READ);
      if (targetAt == NOT_AN_ADDRESS) return STATUS_FAULT;
      if (n > 1) n = runLength(SEGMENT_ES, offset, targetAt, n, bytes, mask);
    }
    let source: u32 = 0;
    let target: u32 = 0;
    let value: u64 = get64(RAX);
    if (hasSource) {
      source = reach(sourceAt, bytes, READ, table);
      if (!source) return STATUS_FAULT;
      if (source == scratch) n = 1;
      // The target may need SCRATCH as well.
      value = loadSized(source, bytes);
    }
    if (hasTarget) {
      set32(PENDING_BYTES, 0);
      target = reach(targetAt, bytes, writes ? WRITE : READ, table);
      if (!target) return STATUS_FAULT;
      if (target == scratch) n = 1;
      else if (writes && n > 1 && isGuarded(target)) beforeWrite(target, <u32>n * bytes);
    }
    const length = <u32>n * bytes;

    if (kind == MOVS) {
      if (n > 1) copyRun(target, source, length, bytes);
      else storeSized(target, value, bytes);
    } else if (kind == STOS) {
      if (n > 1) fillRun(target, value, length, bytes);
      else storeSized(target, value, bytes);
    } else if (compares) {
      if (n > 1) n = compareRun(kind == CMPS ? source : 0, target, kind == CMPS ? 0 : value & (<u64>-1 >> (64 - (bytes << 3))), n, bytes, repeat);
      else {
        comparedA = kind == CMPS ? value : value & (<u64>-1 >> (64 - (bytes << 3)));
        comparedB = loadSized(target, bytes);
      }
      compareFlags(comparedA, comparedB, bytes);
    } else if (kind == LODS) {
      storeAccumulator(value, bytes);
    } else if (kind == INS) {
      const got = n > 1 && blocks ? ioReadBlock(port, bytes, target, length) / bytes : 0;
      if (got) n = min<u64>(got, n);
      else {
        blocks = false;
        n = 1;
        storeSized(target, ioRead(port, bytes), bytes);
      }
    } else {
      const put = n > 1 && blocks ? ioWriteBlock(port, bytes, source, length) / bytes : 0;
      if (put) n = min<u64>(put, n);
      else {
        blocks = false;
        n = 1;
        ioWrite(port, bytes, <u32>value);
      }
    }
    if (writes) commit();

    const moved = n * bytes;
    if (hasSource) advance(RSI, down ? 0 - moved : moved, mask);
    if (hasTarget) advance(RDI, down ? 0 - moved : moved, mask);
    if (!repeat) return statusOrLoop(STATUS_NEXT);
    advance(RCX, 0 - n, mask);
    count -= n;
    if (count == 0 || (compares && (comparedA == comparedB) != (repeat == REPEAT_EQUAL))) return statusOrLoop(STATUS_NEXT);
    if (left <= moved || (isPort && loopWanted())) return STATUS_AGAIN;
    left -= moved;
  }
  return STATUS_NEXT;
}

function storeAccumulator(value: u64, bytes: u32): void {
  if (bytes >= 4) set64(RAX, value);
  else {
    const mask: u64 = bytes == 2 ? 0xffff : 0xff;
    set64(RAX, get64(RAX) & ~mask | value);
  }
}
