/**
 * The processor's architectural numbers: control registers, EFLAGS, MSRs, exception vectors, descriptor and page table
 * bits. SDM = Intel 64 and IA-32 Architectures Software Developer's Manual. Plain integer constants only: TypeScript
 * and AssemblyScript both compile this file.
 */

/** CR0, SDM 3A §2.5. */
export const CR0_PE = 0x1;
export const CR0_MP = 0x2;
export const CR0_EM = 0x4;
export const CR0_TS = 0x8;
/** Always 1. */
export const CR0_ET = 0x10;
export const CR0_NE = 0x20;
export const CR0_WP = 0x10000;
export const CR0_AM = 0x40000;
export const CR0_NW = 0x20000000;
export const CR0_CD = 0x40000000;
export const CR0_PG = 0x80000000;
/** Bits that software can change. */
export const CR0_WRITABLE = 0xe005002f;

/** CR3 */
export const CR3_PAGING_BASE_32 = 0xfffff000;
export const CR3_PAGING_BASE_PAE = 0xffffffe0;

/** CR4, SDM 3A §2.5. */
export const CR4_VME = 0x1;
export const CR4_PVI = 0x2;
export const CR4_TSD = 0x4;
export const CR4_DE = 0x8;
export const CR4_PSE = 0x10;
export const CR4_PAE = 0x20;
export const CR4_MCE = 0x40;
export const CR4_PGE = 0x80;
export const CR4_PCE = 0x100;
export const CR4_OSFXSR = 0x200;
export const CR4_OSXMMEXCPT = 0x400;
export const CR4_SMEP = 0x100000;
export const CR4_SMAP = 0x200000;
/** Bits of this CPU; setting another raises #GP. */
export const CR4_SUPPORTED = 0x3007ff;

/** IA32_EFER */
export const EFER_SCE = 0x1;
export const EFER_LME = 0x100;
export const EFER_LMA = 0x400;
export const EFER_NXE = 0x800;
export const EFER_SUPPORTED = 0xd01;

/** EFLAGS, SDM 1 §3.4.3. */
export const EFLAGS_CF = 0x1;
/** Reads 1. */
export const EFLAGS_FIXED = 0x2;
export const EFLAGS_PF = 0x4;
export const EFLAGS_AF = 0x10;
export const EFLAGS_ZF = 0x40;
export const EFLAGS_SF = 0x80;
export const EFLAGS_TF = 0x100;
export const EFLAGS_IF = 0x200;
export const EFLAGS_DF = 0x400;
export const EFLAGS_OF = 0x800;
export const EFLAGS_IOPL = 0x3000;
export const EFLAGS_IOPL_SHIFT = 12;
export const EFLAGS_NT = 0x4000;
export const EFLAGS_RF = 0x10000;
export const EFLAGS_VM = 0x20000;
export const EFLAGS_AC = 0x40000;
export const EFLAGS_VIF = 0x80000;
export const EFLAGS_VIP = 0x100000;
export const EFLAGS_ID = 0x200000;
/** CF PF AF ZF SF OF: kept lazily, see FLAGS_RESULT. */
export const EFLAGS_ARITHMETIC = 0x8d5;
/** Every flag that exists. */
export const EFLAGS_ALL = 0x3f7fd7;

/** Exception vectors, SDM 3A table 6-1. */
export const VECTOR_DE = 0;
export const VECTOR_DB = 1;
export const VECTOR_NMI = 2;
export const VECTOR_BP = 3;
export const VECTOR_OF = 4;
export const VECTOR_BR = 5;
export const VECTOR_UD = 6;
export const VECTOR_NM = 7;
export const VECTOR_DF = 8;
export const VECTOR_TS = 10;
export const VECTOR_NP = 11;
export const VECTOR_SS = 12;
export const VECTOR_GP = 13;
export const VECTOR_PF = 14;
export const VECTOR_MF = 16;
export const VECTOR_AC = 17;
export const VECTOR_MC = 18;
export const VECTOR_XM = 19;

/** Page fault error code, SDM 3A §4.7. */
export const PF_PRESENT = 1;
export const PF_WRITE = 2;
export const PF_USER = 4;
export const PF_RESERVED = 8;
export const PF_FETCH = 16;

/** DR6 and DR7, SDM 3B §17.2. */
export const DR6_FIXED = 0xffff0ff0;
export const DR6_BD = 0x2000;
export const DR6_BS = 0x4000;
export const DR6_BT = 0x8000;
export const DR7_FIXED = 0x400;
export const DR7_GD = 0x2000;
/** L0–3 and G0–3. */
export const DR7_ENABLES = 0xff;
/** Bits 11, 12, 14 and 15 read 0. */
export const DR7_WRITABLE = 0xffff23ff;

/** Paging structure entries, SDM 3A §4. */
export const PTE_PRESENT = 0x1;
export const PTE_WRITABLE = 0x2;
export const PTE_USER = 0x4;
export const PTE_ACCESSED = 0x20;
export const PTE_DIRTY = 0x40;
export const PTE_LARGE = 0x80;
export const PTE_GLOBAL = 0x100;
/** Physical address bits (MAXPHYADDR) that CPUID reports. */
export const PHYSICAL_ADDRESS_BITS = 40;

/** Segment attributes as SEGMENT_ATTRIBUTES keeps them (descriptor bits 40–55), SDM 3A §3.4.5. */
export const ATTRIBUTE_TYPE = 0xf;
export const ATTRIBUTE_ACCESSED = 0x1;
/** Data: writable. Code: readable. */
export const ATTRIBUTE_WRITABLE = 0x2;
/** Data: expand-down. Code: conforming. */
export const ATTRIBUTE_EXPAND_DOWN = 0x4;
export const ATTRIBUTE_CODE = 0x8;
/** S: code or data, not system. */
export const ATTRIBUTE_NOT_SYSTEM = 0x10;
export const ATTRIBUTE_DPL = 0x60;
export const ATTRIBUTE_DPL_SHIFT = 5;
export const ATTRIBUTE_PRESENT = 0x80;
export const ATTRIBUTE_LONG = 0x2000;
/** D of code, B of data. */
export const ATTRIBUTE_BIG = 0x4000;
export const ATTRIBUTE_GRANULAR = 0x8000;
/** Not the descriptor's: a null selector was loaded. */
export const ATTRIBUTE_UNUSABLE = 0x10000;

/** System descriptor types, SDM 3A table 3-2. */
export const TYPE_TSS_16 = 0x1;
export const TYPE_LDT = 0x2;
export const TYPE_TSS_16_BUSY = 0x3;
export const TYPE_CALL_GATE_16 = 0x4;
export const TYPE_TASK_GATE = 0x5;
export const TYPE_INTERRUPT_GATE_16 = 0x6;
export const TYPE_TRAP_GATE_16 = 0x7;
export const TYPE_TSS_32 = 0x9;
export const TYPE_TSS_32_BUSY = 0xb;
export const TYPE_CALL_GATE_32 = 0xc;
export const TYPE_INTERRUPT_GATE_32 = 0xe;
export const TYPE_TRAP_GATE_32 = 0xf;

/** Model-specific registers, SDM 4. */
export const MSR_P5_MC_ADDR = 0x0;
export const MSR_P5_MC_TYPE = 0x1;
export const MSR_TIME_STAMP_COUNTER = 0x10;
export const MSR_PLATFORM_ID = 0x17;
export const MSR_APIC_BASE = 0x1b;
export const MSR_FEATURE_CONTROL = 0x3a;
export const MSR_TSC_ADJUST = 0x3b;
export const MSR_SPEC_CTRL = 0x48;
export const MSR_PRED_CMD = 0x49;
export const MSR_BIOS_UPDT_TRIG = 0x79;
export const MSR_BIOS_SIGN_ID = 0x8b;
export const MSR_PLATFORM_INFO = 0xce;
export const MSR_MTRR_CAP = 0xfe;
export const MSR_ARCH_CAPABILITIES = 0x10a;
export const MSR_SYSENTER_CS = 0x174;
export const MSR_SYSENTER_ESP = 0x175;
export const MSR_SYSENTER_EIP = 0x176;
export const MSR_MCG_CAP = 0x179;
export const MSR_MCG_STATUS = 0x17a;
export const MSR_PERF_STATUS = 0x198;
export const MSR_PERF_CTL = 0x199;
export const MSR_MISC_ENABLE = 0x1a0;
export const MSR_ENERGY_PERF_BIAS = 0x1b0;
export const MSR_DEBUG_CTL = 0x1d9;
export const MSR_MTRR_PHYS_BASE_0 = 0x200;
export const MSR_MTRR_PHYS_MASK_7 = 0x20f;
export const MSR_MTRR_FIX_64K_00000 = 0x250;
export const MSR_MTRR_FIX_16K_80000 = 0x258;
export const MSR_MTRR_FIX_16K_A0000 = 0x259;
export const MSR_MTRR_FIX_4K_C0000 = 0x268;
export const MSR_MTRR_FIX_4K_F8000 = 0x26f;
export const MSR_PAT = 0x277;
export const MSR_MTRR_DEF_TYPE = 0x2ff;
export const MSR_TSC_DEADLINE = 0x6e0;
export const MSR_EFER = 0xc0000080;
export const MSR_STAR = 0xc0000081;
export const MSR_LSTAR = 0xc0000082;
export const MSR_CSTAR = 0xc0000083;
export const MSR_SYSCALL_MASK = 0xc0000084;
export const MSR_FS_BASE = 0xc0000100;
export const MSR_GS_BASE = 0xc0000101;
export const MSR_KERNEL_GS_BASE = 0xc0000102;
export const MSR_TSC_AUX = 0xc0000103;

/** IA32_ARCH_CAPABILITIES: not open to Meltdown, L1TF, speculative store bypass, MDS, TAA and kin (nothing here speculates). */
export const ARCH_CAPABILITIES = 0xd00e179;
/** IA32_MTRRCAP: 8 variable ranges, fixed ranges, write combining. */
export const MTRR_CAP = 0x508;
/** IA32_PAT after reset. */
export const PAT_RESET_HIGH = 0x00070406;
export const PAT_RESET_LOW = 0x00070406;
/** Fast strings. */
export const MISC_ENABLE_RESET = 0x1;
/** IA32_APIC_BASE after reset: enabled, bootstrap processor, at FEE00000h. */
export const APIC_BASE_RESET = 0xfee00900;
/** EDX after reset and CPUID.1:EAX: family 6, model 158, stepping 10. */
export const CPU_SIGNATURE = 0x906ea;
/** IA32_BIOS_SIGN_ID, upper half: new enough for systems that refuse older ones. */
export const MICROCODE_REVISION = 0xf8;
/** MXCSR and x87 control word after reset. */
export const MXCSR_RESET = 0x1f80;
export const FPU_CONTROL_RESET = 0x40;
