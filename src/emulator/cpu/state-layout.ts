/**
 * The inside of a CPU block: offsets from its start. Plain integer constants only: TypeScript and AssemblyScript both
 * compile this file. Widths: u64 unless the comment says otherwise.
 */

/** RAX RCX RDX RBX RSP RBP RSI RDI R8 … R15. 32-bit writes store the zero-extended value in every mode. */
export const GPR = 0;
export const RAX = 0;
export const RCX = 8;
export const RDX = 16;
export const RBX = 24;
export const RSP = 32;
export const RBP = 40;
export const RSI = 48;
export const RDI = 56;
/** Slots (8 bytes each, counted from GPR) that a record's base and index may name besides the registers. */
export const SLOT_ZERO = 16;
export const SLOT_RIP_PAGE = 17;
/** Always 0. */
export const ZERO = 0x80;
/** RIP of the first byte of the page that is being executed (linear page start minus CS base; may be negative). */
export const RIP_PAGE = 0x88;
/** RIP; true whenever no record is being executed, and before every helper that says so. */
export const RIP = 0x90;
/**
 * Lazy arithmetic flags. RESULT, i64, sign-extended from the operand size; AUX, i32: bit 31 carry out of the highest
 * bit, bit 30 carry into it, bits 8–15 parity delta, bit 3 auxiliary carry, bit 0 sign delta. So
 * ZF = RESULT == 0; SF = (RESULT < 0) ^ AUX.0; PF = even parity of (RESULT ^ AUX >> 8) & 255;
 * CF = AUX.31; OF = AUX.31 ^ AUX.30; AF = AUX.3.
 */
export const FLAGS_RESULT = 0x98;
export const FLAGS_AUX = 0xa0;
/** u32: all of EFLAGS but the six arithmetic flags (they read 0 here); bit 1 is set. */
export const EFLAGS_REST = 0xa4;
/** u32: instructions that may still be executed, while no record is. */
export const BUDGET = 0xa8;
/** i32: why the engine returned, EXIT_*. */
export const EXIT_REASON = 0xac;
/** i32: ATTENTION_* bits: something waits for the machine loop. */
export const ATTENTION = 0xb0;
/** i32: 1 after STI, SHADOW_STACK_LOAD after loads of SS: no interrupt before the next instruction has been executed. */
export const INTERRUPT_SHADOW = 0xb4;
export const SHADOW_STACK_LOAD = 2;
/** u32 pointer to the data TLB in use (TLB_USER, TLB_SUPERVISOR, TLB_SUPERVISOR_AC or TLB_ALIGNED of this block). */
export const TLB_CURRENT = 0xb8;
/** u32 MODE_* bits of the code that is being executed; see below. */
export const MODE = 0xbc;
/** u32 current privilege level 0–3. */
export const CPL = 0xc0;
/** i32: vector of a fault that a helper reported and that is to be delivered, FAULT_FREEZE, or -1 for none. */
export const FAULT_VECTOR = 0xc4;
/** No fault: the instruction waits for an interrupt before it begins, as if it were HLT. */
export const FAULT_FREEZE = 256;
/** u32 its error code; i32 whether it has one. */
export const FAULT_ERROR = 0xc8;
export const FAULT_HAS_ERROR = 0xcc;
/** u64: added to the host's idea of the time-stamp counter. */
export const TSC_OFFSET = 0xd0;
/** u64: instructions retired before the current budget was given. */
export const INSTRUCTIONS = 0xd8;
/** u32 counters for statistics. */
export const COUNT_TLB_MISSES = 0xe0;
export const COUNT_DECODED = 0xe4;
export const COUNT_EXCEPTIONS = 0xe8;
export const COUNT_INTERRUPTS = 0xec;
/** u64: what CR2 becomes when the pending page fault is delivered. */
export const FAULT_ADDRESS = 0xf0;
/** u32: counts invalidations of decoded code. */
export const COUNT_INVALIDATIONS = 0xf8;
/** u32: DR6 bits of breakpoints hit by the instruction that is being executed. */
export const DEBUG_PENDING = 0xfc;

/** Segment registers ES CS SS DS FS GS, then LDTR, TR: SEGMENT_BYTES each. */
export const SEGMENTS = 0x100;
export const SEGMENT_BYTES = 32;
/** The number of SS in that order, as instructions and records name it. */
export const SEGMENT_SS = 2;
export const SEGMENT_BASE = 0;
/** u32, in bytes, granularity applied. */
export const SEGMENT_LIMIT = 8;
/** u32: descriptor bits 40–55: type 0–3, S 4, DPL 5–6, P 7, AVL 12, L 13, D/B 14, G 15; bit 16 unusable (null selector). */
export const SEGMENT_ATTRIBUTES = 12;
/** u32 */
export const SEGMENT_SELECTOR = 16;
export const ES = 0x100;
export const CS = 0x120;
export const SS = 0x140;
export const DS = 0x160;
export const FS = 0x180;
export const GS = 0x1a0;
export const LDTR = 0x1c0;
export const TR = 0x1e0;
export const GDTR_BASE = 0x200;
/** u32 */
export const GDTR_LIMIT = 0x208;
export const IDTR_BASE = 0x210;
/** u32 */
export const IDTR_LIMIT = 0x218;
/** u32: 1 from the delivery of an NMI to the next IRET. */
export const NMI_BLOCKED = 0x21c;

export const CR0 = 0x220;
export const CR2 = 0x228;
export const CR3 = 0x230;
export const CR4 = 0x238;
export const DR0 = 0x240;
export const DR6 = 0x270;
export const DR7 = 0x278;
export const EFER = 0x280;
export const STAR = 0x288;
export const LSTAR = 0x290;
export const CSTAR = 0x298;
export const SFMASK = 0x2a0;
export const KERNEL_GS_BASE = 0x2a8;
export const SYSENTER_CS = 0x2b0;
export const SYSENTER_ESP = 0x2b8;
export const SYSENTER_EIP = 0x2c0;
export const PAT = 0x2c8;
export const TSC_AUX = 0x2d0;
export const MTRR_DEF_TYPE = 0x2d8;
/** PAE page directory pointers, four, loaded with CR3. */
export const PDPTE = 0x2e0;
/** 8 variable MTRR base/mask pairs, then 11 fixed ones: kept, without effect. */
export const MTRRS = 0x300;
export const MISC_ENABLE = 0x3d8;
export const APIC_BASE = 0x3e0;
export const TSC_ADJUST = 0x3e8;
/** u32 each: the pin FERR# as the board last heard of it, and the pin IGNNE#; 1 = asserted. SDM 1 §8.7. */
export const FERR = 0x3f0;
export const IGNNE = 0x3f4;

/** x87: eight physical registers, 16 bytes each: significand u64, sign and exponent u16. ST(i) is register (TOP + i) & 7. */
export const FPU_REGISTERS = 0x400;
/** u32 each. FSW is kept without TOP; FPU_TAGS has one bit per physical register, 1 = empty. */
export const FPU_CONTROL = 0x480;
export const FPU_STATUS = 0x484;
export const FPU_TOP = 0x488;
export const FPU_TAGS = 0x48c;
export const FPU_OPCODE = 0x490;
/** u32 selectors, u64 offsets of the last instruction and operand. */
export const FPU_CS = 0x494;
export const FPU_DS = 0x498;
export const FPU_IP = 0x4a0;
export const FPU_DP = 0x4a8;
/** u32 */
export const MXCSR = 0x4b0;
/** XMM0–15, 16 bytes each. MMX registers are the significands of FPU_REGISTERS. */
export const XMM = 0x500;

/** What lies below is saved; the rest lives within an instruction, or is made anew. */
export const REGISTERS_END = 0x600;
/**
 * The slow path of memory accesses: 64 bytes that stand in for the guest's memory while an instruction that can't reach
 * it directly is executed, and what `commitWrite` has to do with them afterwards.
 */
export const SCRATCH = 0x600;
/** u32: bytes pending, 0 = none; u32 bytes in the first part; u64 physical addresses of the parts. */
export const PENDING_BYTES = 0x640;
export const PENDING_FIRST_BYTES = 0x644;
export const PENDING_FIRST = 0x648;
export const PENDING_SECOND = 0x650;
/** Room for helpers' arguments and results that don't fit a parameter. */
export const ARGUMENTS = 0x660;
/** Records built for one-time execution: stepping and instructions that cross a page. */
export const STEP_RECORDS = 0x700;

/** A record that translated code lays out for helpers that take an instruction apart themselves. */
export const REGION_RECORD = 0x740;
/**
 * What translated code leaves of the arithmetic flags until somebody asks (`materializeFlags`): u32 FLAG_KIND bits, 0 when
 * FLAGS_RESULT and FLAGS_AUX hold already; u32 CF and OF where the kind says that they lie apart; i64 operands and result,
 * of which only the kind's width counts.
 */
export const FLAGS_KIND = 0x760;
export const FLAGS_CARRY = 0x764;
export const FLAGS_OVERFLOW = 0x768;
export const FLAGS_A = 0x770;
export const FLAGS_B = 0x778;
export const FLAGS_R = 0x780;
/** Bits 0–3 of a kind: what the other flags come from. 0: from FLAGS_RESULT and FLAGS_AUX. */
export const FLAG_ADD = 1;
export const FLAG_SUB = 2;
export const FLAG_LOGIC = 3;
export const FLAG_INC = 4;
export const FLAG_DEC = 5;
export const FLAG_OPERATION = 15;
/** Bits 4–5: log2 of the operand size in bytes. */
export const FLAG_SIZE_SHIFT = 4;
/** CF, or OF, is in FLAGS_CARRY, or FLAGS_OVERFLOW. */
export const FLAG_CARRY_APART = 0x100;
export const FLAG_OVERFLOW_APART = 0x200;
/**
 * u64 each: what keys of the jump cache are XORed with, for RIPs of the lower and of the upper half of the address space
 * (jump-cache.ts): bits 48–54 MODE, 55–63 a generation that passes with every flush, so that a flush costs nothing.
 */
export const JUMP_KEYS = 0x7d0;
/** u32: whether the code TLB may have held a page of the upper half that is not global since such pages were last flushed. */
export const UPPER_CODE_IS_LOCAL = 0x7e0;
/** u32: executions after which code is handed to the translator; 0 while there is none. */
export const HOT_THRESHOLD = 0x790;
/** u32: BUDGET when INTERRUPT_SHADOW was set; the shadow holds while one instruction less is left. */
export const SHADOW_BUDGET = 0x794;
/** u32 each: how regions were left, for statistics. Leaps that found no region count among both. */
export const COUNT_LEAPS = 0x798;
export const COUNT_LEAPS_MISSED = 0x79c;
export const COUNT_REGION_SINGLES = 0x7a0;
export const COUNT_REGION_FAULTS = 0x7a4;
export const COUNT_REGION_SPENT = 0x7a8;
export const COUNT_REGION_FINISHED = 0x7ac;
/** u64: instructions executed in regions, less than nothing by the budget that a region entered last has not used. */
export const COUNT_TRANSLATED = 0x7f0;
/** A pseudo-record that stands for an instruction which may end beyond the limit of CS. */
export const LIMIT_RECORD = 0x7b0;
/** Code TLB: CODE_TLB_ENTRIES of {u64 linear page | MODE bits, u32 code page descriptor, pad}; tag -1 = empty. */
export const CODE_TLB = 0x4000;
export const CODE_TLB_ENTRIES = 1024;
export const CODE_TLB_ENTRY_BYTES = 16;

/**
 * Data TLBs: TLB_ENTRIES entries of TLB_ENTRY_BYTES each, indexed by linear page: {u64 read tag, u64 write tag,
 * u32 addend (memory offset minus linear address, wrapping), u32 flags (bit 0 global), pad}. A tag is the linear
 * address of the page, or -1 where the access must take the slow path.
 */
export const TLB_ENTRIES = 1024;
export const TLB_ENTRY_BYTES = 32;
export const TLB_READ_TAG = 0;
export const TLB_WRITE_TAG = 8;
export const TLB_ADDEND = 16;
export const TLB_FLAGS = 20;
export const TLB_USER = 0x8000;
export const TLB_SUPERVISOR = 0x10000;
/** Supervisor accesses while SMAP is lifted by EFLAGS.AC (or SMAP is off). */
export const TLB_SUPERVISOR_AC = 0x18000;

/**
 * Entries in use, so that a flush costs what was filled: for the user, supervisor, supervisor-with-AC data TLB and the
 * code TLB, TLB_LIST_BYTES each: {u32 count, u32 0, u64 hash set of the large pages in use, u16 entry index[]}.
 */
export const TLB_LISTS = 0x20000;
export const TLB_LIST_BYTES = 0x1000;

/** A data TLB that stays empty, in use while MODE_ALIGNED: every access takes the slow path, which goes by TLB_USER once it is aligned. */
export const TLB_ALIGNED = 0x28000;

/** What the slow path is told of an access: 0 read, 1 write, 2 read and write; with it ACCESS_STACK where a bad address is #SS; */
export const ACCESS_KIND = 3;
export const ACCESS_STACK = 4;
/** from bit 3 on the alignment in bytes that MODE_ALIGNED asks for, 0 the operand's own. */
export const ACCESS_ALIGNMENT_SHIFT = 3;

/** MODE bits. 0–1: code size (0: 16, 1: 32, 2: 64 bits). */
export const MODE_CODE_SIZE = 3;
export const MODE_CODE_16 = 0;
export const MODE_CODE_32 = 1;
export const MODE_CODE_64 = 2;
/** SS.B: the stack pointer is ESP (never set in 64-bit code). */
export const MODE_STACK_32 = 4;
/** DS, ES and SS are flat: base 0, limit 4 GiB, readable and writable (never set in 64-bit code). */
export const MODE_FLAT = 8;
/** Bits that decoding depends on; the rest is part of code TLB tags only. */
export const MODE_DECODING = 15;
export const MODE_USER = 16;
/** CS has a base or a limit below 4 GiB: every fetch is checked. */
export const MODE_CS_LIMITED = 32;
/** CPL 3 with CR0.AM and EFLAGS.AC: unaligned accesses are #AC. */
export const MODE_ALIGNED = 64;
/** Of code pages only: the page is not wholly within the limit of CS, so each of its instructions is fetched by itself. */
export const MODE_CS_EDGE = 128;

export const EXIT_NONE = 0;
export const EXIT_BUDGET = 1;
export const EXIT_HALTED = 2;
export const EXIT_ATTENTION = 3;
export const EXIT_TRIPLE_FAULT = 4;
/** A step (single instruction) is over. */
export const EXIT_STEPPED = 5;

/** An interrupt waits (INTR), whether or not EFLAGS.IF lets it in. */
export const ATTENTION_INTERRUPT = 1;
export const ATTENTION_NMI = 2;
/** A device wants the machine loop: reset, power-off, an earlier deadline. */
export const ATTENTION_DEVICE = 4;
/** EFLAGS.TF or an armed debug register: instructions are executed one by one. */
export const ATTENTION_STEP = 8;

/** Status of a helper: go on at RIP. */
export const STATUS_RESUME = 0;
/** A fault is pending in FAULT_*; the instruction did not retire. */
export const STATUS_FAULT = 1;
/** Return to the machine loop with EXIT_REASON; RIP is right. */
export const STATUS_EXIT = 2;
/** Go on with the next record. */
export const STATUS_NEXT = 3;
/** Execute the same instruction again (REP that has not finished): RIP is the instruction's own. */
export const STATUS_AGAIN = 4;
/** As STATUS_RESUME, after a trap-like event was delivered (software interrupt); the instruction retired. */
