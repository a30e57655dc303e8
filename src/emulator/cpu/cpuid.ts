/** What the processor says of itself (SDM volume 2, CPUID). */

export type CpuidRegisters = readonly [eax: number, ebx: number, ecx: number, edx: number];

export interface CpuIdentity {
  /** Whether long mode is offered. */
  readonly longMode: boolean;
  /** TSC and local APIC timer ticks a second; both run at the same rate. */
  readonly tscHertz: number;
}

/**
 * Family 6, model 1Ch, stepping 10: an in-order core. That is what the engines are (nothing is executed
 * speculatively), and operating systems then leave out their mitigations of speculation, which would cost and gain nothing.
 */
export const CPU_SIGNATURE = 0x106ca;

const VENDOR = 'GenuineIntel';
const BRAND = 'Guesthouse Virtual CPU';
const HYPERVISOR = 'GuesthouseVM';
const HIGHEST_BASIC_LEAF = 0x15;
const HIGHEST_EXTENDED_LEAF = 0x80000008;

const bits = (...numbers: number[]): number => numbers.reduce((sum, n) => (sum | (1 << n)) >>> 0, 0);

/** FPU DE PSE TSC MSR PAE CX8 APIC SEP MTRR PGE CMOV PAT PSE-36 CLFSH MMX FXSR SSE SSE2 */
const LEAF_1_EDX = bits(0, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 15, 16, 17, 19, 23, 24, 25, 26);
/** SSE3 SSSE3 CX16 SSE4.1 SSE4.2 MOVBE POPCNT TSC-deadline hypervisor */
const LEAF_1_ECX = bits(0, 9, 13, 19, 20, 22, 23, 24, 31);
/** IA32_TSC_ADJUST (without which Linux watches the TSC against slower clocks) SMEP ERMS SMAP */
const LEAF_7_EBX = bits(1, 7, 9, 20);
/** Fast short REP MOVSB; IA32_ARCH_CAPABILITIES, which says that nothing is speculative */
const LEAF_7_EDX = bits(4, 29);
/** SYSCALL NX 1-GiB pages RDTSCP LM */
const EXTENDED_1_EDX_LONG = bits(11, 20, 26, 27, 29);
const EXTENDED_1_EDX = bits(20, 27);

/** Four ASCII characters of `text` as a register. */
function characters(text: string, at: number): number {
  let value = 0;
  for (let i = 3; i >= 0; i--) value = (value * 256 + (at + i < text.length ? text.charCodeAt(at + i) : 0)) >>> 0;
  return value;
}

/** The answer to CPUID with `leaf` in EAX and `subleaf` in ECX, all as unsigned 32-bit numbers. */
export function cpuid(identity: CpuIdentity, leaf: number, subleaf: number): CpuidRegisters {
  switch (leaf) {
    case 0: return [HIGHEST_BASIC_LEAF, characters(VENDOR, 0), characters(VENDOR, 8), characters(VENDOR, 4)];
    // EBX: CLFLUSH line of 8 × 8 bytes, one logical processor, APIC id 0.
    case 1: return [CPU_SIGNATURE, 0x00010800, LEAF_1_ECX, LEAF_1_EDX];
    case 7: return subleaf === 0 ? [0, LEAF_7_EBX, 0, LEAF_7_EDX] : [0, 0, 0, 0];
    // TSC = crystal × EBX / EAX; ECX is the crystal in Hz, which also drives the local APIC timer.
    case 0x15: return [1, 1, identity.tscHertz, 0];
    case 0x40000000: return [0x40000000, characters(HYPERVISOR, 0), characters(HYPERVISOR, 4), characters(HYPERVISOR, 8)];
    case 0x80000000: return [HIGHEST_EXTENDED_LEAF, 0, 0, 0];
    case 0x80000001: return [0, 0, identity.longMode ? 1 : 0, identity.longMode ? EXTENDED_1_EDX_LONG : EXTENDED_1_EDX];
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: {
      const at = (leaf - 0x80000002) * 16;
      return [characters(BRAND, at), characters(BRAND, at + 4), characters(BRAND, at + 8), characters(BRAND, at + 12)];
    }
    // L2 cache: 512 KiB, 8-way, 64-byte lines.
    case 0x80000006: return [0, 0, 0x02006040, 0];
    // The TSC runs at one rate in every state.
    case 0x80000007: return [0, 0, 0, bits(8)];
    // 40 physical and 48 linear address bits.
    case 0x80000008: return [identity.longMode ? 0x3028 : 0x2028, 0, 0, 0];
    default: return [0, 0, 0, 0];
  }
}
