export interface Exemption { readonly columns: readonly string[]; readonly reason: string }

/** Faults push EFLAGS with RF set (SDM 3B §18.3.1.1), but not on QEMU 7.2's TCG; not compared, in any piece. */
export const RESUME_FLAG = 0x1_0000;

/** Of paging with 64-bit entries. */
const PAGING: readonly (readonly [string, Exemption])[] = [
  ...['read of a page with a reserved bit', 'write of a page with a reserved bit', 'read of a large page with a reserved bit', 'write of a large page with a reserved bit', 'fetch from a page with a reserved bit'].map((name) =>
    [name, { columns: ['error'], reason: 'TCG leaves P out where a reserved bit is set; it is only checked in entries that are present (SDM 3A §4.7)' }] as const satisfies readonly [string, Exemption]),
  ['EFER.NXE off', { columns: ['eax', 'rax', 'vector', 'error', 'eip', 'rip', 'cr2'], reason: 'XD is a reserved bit while EFER.NXE is 0 (SDM 3A §4.5.4); TCG still translates by its TLB' }],
];

/** What else is not compared with QEMU, by name of the piece, and why. */
export const EXEMPT: ReadonlyMap<string, Exemption> = new Map<string, Exemption>([
  ...PAGING,
  ['INT1', { columns: ['vector', 'eip'], reason: 'QEMU takes F1 for undefined outside its own debugger; it is #DB whatever the gate\'s DPL (SDM 2A, INT n)' }],
  ['DR7.GD', { columns: ['eax', 'vector', 'eip', 'dr6'], reason: 'QEMU lets DR7.GD pass; it is #DB with DR6.BD, for reads too (SDM 3B §18.2.4)' }],
  ['RDMSR of an MSR that is not there', { columns: ['vector', 'eip'], reason: 'TCG reads 0; it is #GP(0) (SDM 2B, RDMSR)' }],
  ['jump to a task with an absent DS', { columns: ['eip'], reason: 'comes before the task\'s first instruction (SDM 3A §6.15, interrupt 11); TCG mixes it with the jump\'s own address' }],
  ...['load through FS beyond a short limit', 'load below an expand-down segment', 'store through a read-only segment', 'load through a null segment', 'store through CS', 'virtual-8086 code 5 with IOPL 0', 'virtual-8086 code 5 with IOPL 3'].map((name) =>
    [name, { columns: ['eax', 'vector', 'eip'], reason: 'TCG checks neither limits nor types of segments; they are #GP(0) (SDM 3A §6.3, §6.5)' }] as const satisfies readonly [string, Exemption]),
  ...['LAR', 'LAR of a call gate'].map((name) =>
    [name, { columns: ['eax'], reason: 'bits 19:16 are undefined, and TCG leaves the accessed bit of a code segment that IRET loads' }] as const satisfies readonly [string, Exemption]),
]);

/** The same of `long-pieces.ts`. */
export const LONG_EXEMPT: ReadonlyMap<string, Exemption> = new Map<string, Exemption>([
  ...['INT beyond the table', 'INT through a gate of DPL 0'].map((name) =>
    [name, { columns: ['error'], reason: 'TCG has the gate\'s offset in long mode\'s table in the error code, not its index (SDM 3A §6.13)' }] as const satisfies readonly [string, Exemption]),
  ...PAGING,
  ['load by RBP', { columns: ['vector'], reason: 'a stack reference that isn\'t canonical is #SS (SDM 1 §3.3.7.1); TCG has #GP' }],
  ['IRETQ to 32-bit code with a null stack', { columns: ['vector', 'rip', 'cs', 'rsp'], reason: 'a null SS is for 64-bit code alone: #GP(0) (SDM 2A, IRET)' }],
  ...['SYSCALL', 'SYSCALL at CPL 3'].map((name) =>
    [name, { columns: ['rflags'], reason: 'SYSCALL clears what IA32_FMASK has set (SDM 2B); TCG loses the arithmetic flags as well' }] as const satisfies readonly [string, Exemption]),
]);

/** The same of `real-pieces.ts`. */
export const REAL_EXEMPT: ReadonlyMap<string, Exemption> = new Map<string, Exemption>([
  ['WRMSR of reserved bits', { columns: ['vector', 'ip', 'flags'], reason: 'TCG keeps them; it is #GP (SDM 2B, WRMSR)' }],
]);
