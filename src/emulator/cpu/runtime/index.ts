// AssemblyScript resolves the .ts of an import, but not of an `export … from`.
import { raise, privileged } from './cpu-state.ts';
import { slowAccess, commitWrite, regionAccess } from './mmu.ts';
import { codeIsAt, coverCode, fetch, fetchBytes, invalidateCode, allocChunk, allocEntryTable, codeRoom, reclaimCode, flushAllCode } from './code-pages.ts';
import { flushAll as flushAllTlbs, forgetJumps, resetTlbs, flushNonGlobal } from './tlb.ts';
import { setMode } from './mode.ts';
import { effectiveAddress, implicitAddress, lar, lldt, loadSegment, lsl, ltr, segmentedAddress, stackAddress, translateAddress, verr, verw } from './segments.ts';
import { cli, materializeFlags, popFlags, popFlagsAllowed, pushFlagsValue, readFlags, stepFlags, sti, writeArithmeticFlags } from './flags.ts';
import { deliverFault, deliverInterrupt, softwareInterrupt } from './exceptions.ts';
import { farCall, farJump, farReturn, iret } from './far-transfers.ts';
import { clts, debugAccessible, invlpg, lmsw, movToControl, movToDebug, readControl, readDebug } from './control-registers.ts';

export { codeIsAt, coverCode, forgetJumps, materializeFlags, regionAccess, stepFlags };
export { raise, privileged, slowAccess, commitWrite, fetch, fetchBytes, invalidateCode, allocChunk, allocEntryTable, codeRoom, reclaimCode, flushAllCode, flushAllTlbs, resetTlbs, flushNonGlobal, setMode };
export { effectiveAddress, implicitAddress, lar, lldt, loadSegment, lsl, ltr, segmentedAddress, stackAddress, translateAddress, verr, verw };
export { cli, popFlags, popFlagsAllowed, pushFlagsValue, readFlags, sti, writeArithmeticFlags };
export { deliverFault, deliverInterrupt, softwareInterrupt };
export { farCall, farJump, farReturn, iret };
export { clts, debugAccessible, invlpg, lmsw, movToControl, movToDebug, readControl, readDebug };
import { rdmsr, wrmsr } from './msr.ts';
import { clac, cpuidInstruction, hlt, loadDescriptorTable, portIn, portOut, rdpmc, rdtsc, stac, swapgs, syscall, sysenter, sysexit, sysret } from './system.ts';
import { div64, idiv64, mulHighSigned, mulHighUnsigned } from './arithmetic.ts';
import { reset } from './reset.ts';
import { enter, leave, popa, pusha } from './stack-instructions.ts';
import { stringOperation } from './strings.ts';

export { rdmsr, wrmsr, clac, cpuidInstruction, hlt, loadDescriptorTable, portIn, portOut, rdpmc, rdtsc, stac, swapgs, syscall, sysenter, sysexit, sysret };
export { div64, idiv64, mulHighSigned, mulHighUnsigned, reset, enter, leave, popa, pusha, stringOperation };


import { breakpointAtRip, debugTrapAfter } from './breakpoints.ts';
export { breakpointAtRip, debugTrapAfter };
import { fxrstor, fxsave, loadMxcsr, x87ClearExceptions, x87Initialize, x87LoadControl, x87LoadEnvironment, x87Restore, x87Save, x87StatusWord, x87StoreEnvironment } from './x87-environment.ts';
import {
  x87Arithmetic, x87ArithmeticMemory, x87Compare, x87CompareFlags, x87CompareMemory, x87ConditionalMove, x87Examine, x87Exchange, x87Extract, x87Free, x87Load, x87LoadConstant, x87LoadRegister,
  x87MoveTop, x87OperandPointer, x87Pointers, x87Remainder, x87Scale, x87Sign, x87Store, x87StoreRegister, x87Test, x87Unary,
} from './x87-arithmetic.ts';
import { sseApproximate, sseArithmetic, sseCompare, sseCompareFlags, sseConvert, sseDotProduct, sseFromInteger, sseHorizontal, sseRound, sseToInteger } from './sse-float.ts';
import { sseLeastWord, sseStringCompare, sseStringMask, sseSumsOfDifferences } from './sse-strings.ts';
import { x87Error } from './x87-state.ts';
import { x87ArcTangent, x87Exponential, x87Logarithm, x87Trigonometric } from './x87-transcendental.ts';
export { fxrstor, fxsave, loadMxcsr, x87ClearExceptions, x87Initialize, x87LoadControl, x87LoadEnvironment, x87Restore, x87Save, x87StatusWord, x87StoreEnvironment };
export {
  x87Arithmetic, x87ArithmeticMemory, x87Compare, x87CompareFlags, x87CompareMemory, x87ConditionalMove, x87Examine, x87Exchange, x87Extract, x87Free, x87Load, x87LoadConstant, x87LoadRegister,
  x87MoveTop, x87OperandPointer, x87Pointers, x87Remainder, x87Scale, x87Sign, x87Store, x87StoreRegister, x87Test, x87Unary,
};
export { sseApproximate, sseArithmetic, sseCompare, sseCompareFlags, sseConvert, sseDotProduct, sseFromInteger, sseHorizontal, sseRound, sseToInteger };
export { sseLeastWord, sseStringCompare, sseStringMask, sseSumsOfDifferences };
export { x87Error };
export { x87ArcTangent, x87Exponential, x87Logarithm, x87Trigonometric };
