// AssemblyScript resolves the .ts of an import, but not of an `export … from`.
import { raise, privileged } from './cpu-state.ts';
import { slowAccess, commitWrite } from './mmu.ts';
import { fetch, fetchBytes, invalidateCode, allocCode, flushAllCode } from './code-pages.ts';
import { flushAll as flushTlbs, resetTlbs, flushNonGlobal } from './tlb.ts';
export { raise, privileged, slowAccess, commitWrite, fetch, fetchBytes, invalidateCode, allocCode, flushAllCode, flushTlbs, resetTlbs, flushNonGlobal };
