import type { ValueType } from '../wasm/expression.ts';

type Signature = readonly [parameters: readonly ValueType[], result: ValueType | undefined];

/** The runtime's exports that generated code calls (`runtime/`), with their types. */
export const RUNTIME_FUNCTIONS = {
  slowAccess: [['i64', 'i32', 'i32'], 'i32'],
  commitWrite: [[], undefined],
  /** (linear, bytes, access) -> pointer, 0 with a fault pending, 1 where the interpreter must do the instruction. */
  regionAccess: [['i64', 'i32', 'i32'], 'i32'],
  codeIsAt: [['i64', 'i32'], 'i32'],
  materializeFlags: [[], undefined],
  stepFlags: [['i32', 'i64'], undefined],
  segmentedAddress: [['i32', 'i32', 'i32'], 'i64'],
  effectiveAddress: [['i32'], 'i64'],
  /** (record, register number) -> linear address of that register in the record's segment, or -1. */
  implicitAddress: [['i32', 'i32'], 'i64'],
  /** XLATB: (record) -> linear. */
  translateAddress: [['i32'], 'i64'],
  /** (offset from SP, bytes, access) -> linear, or -1 with the fault pending. */
  stackAddress: [['i64', 'i32', 'i32'], 'i64'],
  fetch: [['i64'], 'i32'],
  raise: [['i32', 'i32', 'i32'], undefined],
  deliverFault: [[], 'i32'],
  farJump: [['i32', 'i64', 'i32'], 'i32'],
  farCall: [['i32', 'i64', 'i32'], 'i32'],
  farReturn: [['i32', 'i32'], 'i32'],
  iret: [['i32'], 'i32'],
  softwareInterrupt: [['i32', 'i32'], 'i32'],
  loadSegment: [['i32', 'i32'], 'i32'],
  syscall: [[], 'i32'],
  sysret: [['i32'], 'i32'],
  sysenter: [[], 'i32'],
  sysexit: [['i32'], 'i32'],
  lldt: [['i32'], 'i32'],
  ltr: [['i32'], 'i32'],
  loadDescriptorTable: [['i32', 'i64', 'i32'], 'i32'],
  movToControl: [['i32', 'i64'], 'i32'],
  movToDebug: [['i32', 'i64'], 'i32'],
  readControl: [['i32'], 'i64'],
  debugAccessible: [['i32'], 'i32'],
  readDebug: [['i32'], 'i64'],
  lmsw: [['i32'], 'i32'],
  clts: [[], 'i32'],
  invlpg: [['i64'], 'i32'],
  rdmsr: [[], 'i32'],
  wrmsr: [[], 'i32'],
  rdtsc: [['i32'], 'i32'],
  rdpmc: [[], 'i32'],
  hlt: [[], 'i32'],
  cli: [[], 'i32'],
  sti: [[], 'i32'],
  stac: [[], 'i32'],
  clac: [[], 'i32'],
  pushFlagsValue: [[], 'i64'],
  /** 0 with #GP pending where POPF may not be executed (vm86). */
  popFlagsAllowed: [[], 'i32'],
  popFlags: [['i64', 'i32'], 'i32'],
  readFlags: [[], 'i64'],
  writeArithmeticFlags: [['i32'], undefined],
  cpuidInstruction: [[], 'i32'],
  portIn: [['i32', 'i32'], 'i32'],
  portOut: [['i32', 'i32', 'i32'], 'i32'],
  stringOperation: [['i32', 'i32', 'i32', 'i32', 'i32'], 'i32'],
  pusha: [['i32'], 'i32'],
  popa: [['i32'], 'i32'],
  enter: [['i32', 'i32', 'i32'], 'i32'],
  leave: [['i32'], 'i32'],
  lar: [['i32'], 'i64'],
  lsl: [['i32'], 'i64'],
  verr: [['i32'], 'i32'],
  verw: [['i32'], 'i32'],
  div64: [['i64'], 'i32'],
  idiv64: [['i64'], 'i32'],
  mulHighUnsigned: [['i64', 'i64'], 'i64'],
  mulHighSigned: [['i64', 'i64'], 'i64'],
  swapgs: [[], 'i32'],
  /** 0 with #GP pending unless CPL is 0. */
  privileged: [[], 'i32'],

  // x87 and SSE floating point.
  /** A waiting instruction met a pending error: 1 goes on, 0 with #MF or a freeze pending. */
  x87Error: [[], 'i32'],
  /** (record, whether REX.W) -> status. */
  fxsave: [['i32', 'i32'], 'i32'],
  fxrstor: [['i32', 'i32'], 'i32'],
  /** 0 with #GP pending. */
  loadMxcsr: [['i32'], 'i32'],
  x87Initialize: [[], undefined],
  x87ClearExceptions: [[], undefined],
  x87LoadControl: [['i32'], undefined],
  x87StatusWord: [[], 'i32'],
  /** (record, operand size 16 or 32) -> status. */
  x87StoreEnvironment: [['i32', 'i32'], 'i32'],
  x87LoadEnvironment: [['i32', 'i32'], 'i32'],
  x87Save: [['i32', 'i32'], 'i32'],
  x87Restore: [['i32', 'i32'], 'i32'],
  /** (record, FOP). */
  x87Pointers: [['i32', 'i32'], undefined],
  x87OperandPointer: [['i64', 'i32'], undefined],
  /** (operation, i, into ST(i), pop). */
  x87Arithmetic: [['i32', 'i32', 'i32', 'i32'], undefined],
  /** (operation, kind, pointer). */
  x87ArithmeticMemory: [['i32', 'i32', 'i32'], undefined],
  /** (i, quiet, number of pops). */
  x87Compare: [['i32', 'i32', 'i32'], undefined],
  /** (kind, pop, pointer). */
  x87CompareMemory: [['i32', 'i32', 'i32'], undefined],
  /** (i, quiet, pop) -> CF, PF, ZF in bits 0–2, or -1. */
  x87CompareFlags: [['i32', 'i32', 'i32'], 'i32'],
  x87Test: [[], undefined],
  x87Examine: [[], undefined],
  /** (kind, pointer). */
  x87Load: [['i32', 'i32'], undefined],
  x87LoadRegister: [['i32'], undefined],
  x87LoadConstant: [['i32'], undefined],
  x87StoreRegister: [['i32', 'i32'], undefined],
  /** (kind, pop, pointer) -> whether it was stored. */
  x87Store: [['i32', 'i32', 'i32'], 'i32'],
  x87Exchange: [['i32'], undefined],
  x87ConditionalMove: [['i32', 'i32'], undefined],
  x87Sign: [['i32'], undefined],
  x87Free: [['i32', 'i32'], undefined],
  x87MoveTop: [['i32'], undefined],
  x87Unary: [['i32'], undefined],
  x87Remainder: [['i32'], undefined],
  x87Scale: [[], undefined],
  x87Extract: [[], undefined],
  x87Exponential: [[], undefined],
  x87Logarithm: [['i32'], undefined],
  x87ArcTangent: [[], undefined],
  x87Trigonometric: [['i32'], undefined],
  // What follows takes its source from ARGUMENTS and returns 0 with #XM pending. (operation, double, lanes, destination)
  sseArithmetic: [['i32', 'i32', 'i32', 'i32'], 'i32'],
  /** (subtract, double, destination). */
  sseHorizontal: [['i32', 'i32', 'i32'], 'i32'],
  /** (predicate, double, lanes, destination). */
  sseCompare: [['i32', 'i32', 'i32', 'i32'], 'i32'],
  /** (quiet, double, destination) -> CF, PF, ZF in bits 0–2, bit 3 set. */
  sseCompareFlags: [['i32', 'i32', 'i32'], 'i32'],
  /** (kind, lanes, zero the rest, destination). */
  sseConvert: [['i32', 'i32', 'i32', 'i32'], 'i32'],
  /** (value, double, destination). */
  sseFromInteger: [['i64', 'i32', 'i32'], 'i32'],
  /** (double, truncated, bits); the integer goes to ARGUMENTS. */
  sseToInteger: [['i32', 'i32', 'i32'], 'i32'],
  /** (control, double, lanes, destination). */
  sseRound: [['i32', 'i32', 'i32', 'i32'], 'i32'],
  /** (control, double, destination). */
  sseDotProduct: [['i32', 'i32', 'i32'], 'i32'],
  /** (root, lanes, destination). */
  sseApproximate: [['i32', 'i32', 'i32'], undefined],
  /** (control, explicit, length, length, first operand) -> result, flags, index. */
  sseStringCompare: [['i32', 'i32', 'i64', 'i64', 'i32'], 'i32'],
  sseStringMask: [['i32', 'i32'], undefined],
  sseSumsOfDifferences: [['i32', 'i32'], undefined],
  sseLeastWord: [['i32'], undefined],
} as const satisfies Record<string, Signature>;

export type RuntimeFunction = keyof typeof RUNTIME_FUNCTIONS;
