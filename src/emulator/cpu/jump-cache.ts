/**
 * Looking up a region by RIP, as WebAssembly: the interpreter and regions do it alike. Laid out in memory-layout.ts, JUMP_CACHES.
 *
 * Kernels have their code in the upper half of the address space, in global pages: a load of CR3 lets that half's generation be, or each
 * switch of processes would have the kernel's own jumps looked up anew.
 */
import { add, and, i32, i64, load, or, shl, shrU, wrap, xor, type Expr } from '../wasm/expression.ts';
import { CPU_BLOCKS, JUMP_CACHES, JUMP_CACHE_PAGE_ENTRIES } from './memory-layout.ts';
import { JUMP_KEYS } from './state-layout.ts';

/** The bit of RIP that tells the halves apart, in 64-bit mode and outside. */
export const HALF_BIT_64 = 47;
export const HALF_BIT_32 = 31;
/** Distance of the two JUMP_KEYS, as a power of two. */
const KEY_SHIFT = 3;

/** The address of what the jump cache of the CPU whose block is at `cpuBase` has for RIP (i64), or for another one. */
export function jumpCacheEntry(rip: Expr, cpuBase: number): Expr {
  const low = wrap(rip);
  const page = and(xor(shrU(low, i32(12)), shrU(low, i32(17))), i32(31));
  const inPage = and(xor(low, shrU(low, i32(4))), i32(JUMP_CACHE_PAGE_ENTRIES - 1));
  return add(shl(or(shl(page, i32(8)), inPage), i32(4)), i32(JUMP_CACHES + (cpuBase - CPU_BLOCKS) / 2));
}

/** How far RIP is to be shifted for `jumpCacheKey`, by the bit that tells the halves apart. */
export function halfShift(bit: typeof HALF_BIT_64 | typeof HALF_BIT_32): Expr {
  return i64(bit - KEY_SHIFT);
}

/** What the entry begins with (i64) where it is for RIP. `shift`: of `halfShift`, as the mode is. */
export function jumpCacheKey(rip: Expr, cpuBase: number, shift: Expr): Expr {
  const key = load('i64', 'u64', and(wrap(shrU(rip, shift)), i32(1 << KEY_SHIFT)), cpuBase + JUMP_KEYS);
  return xor(and(rip, i64(0xffffffffffffn)), key);
}
