/** Looking up a region by RIP, as WebAssembly: the interpreter and regions do it alike. Laid out in memory-layout.ts, JUMP_CACHES. */
import { add, and, i32, i64, or, shl, shrU, wrap, xor, type Expr } from '../wasm/expression.ts';
import { CPU_BLOCKS, JUMP_CACHES, JUMP_CACHE_PAGE_ENTRIES } from './memory-layout.ts';

/** The address of what the jump cache of the CPU whose block is at `cpuBase` has for RIP (i64), or for another one. */
export function jumpCacheEntry(rip: Expr, cpuBase: number): Expr {
  const low = wrap(rip);
  const page = and(xor(shrU(low, i32(12)), shrU(low, i32(17))), i32(31));
  const inPage = and(xor(low, shrU(low, i32(4))), i32(JUMP_CACHE_PAGE_ENTRIES - 1));
  return add(shl(or(shl(page, i32(8)), inPage), i32(4)), i32(JUMP_CACHES + (cpuBase - CPU_BLOCKS) / 2));
}

/** What the entry begins with (i64) where it is for RIP. `jumpKey`: JUMP_KEY, as it is now. */
export function jumpCacheKey(rip: Expr, jumpKey: Expr): Expr {
  return xor(and(rip, i64(0xffffffffffffn)), jumpKey);
}
