import type { COLUMNS } from './protected-image.ts';

interface Exemption { readonly columns: readonly (typeof COLUMNS)[number][]; readonly reason: string }

/** Faults push EFLAGS with RF set (SDM 3B §18.3.1.1), but not on QEMU 7.2's TCG; not compared, in any piece. */
export const RESUME_FLAG = 0x1_0000;

/** What else is not compared with QEMU, by name of the piece, and why. */
export const EXEMPT: ReadonlyMap<string, Exemption> = new Map<string, Exemption>([
  ['INT1', { columns: ['vector', 'eip'], reason: 'QEMU takes F1 for undefined outside its own debugger; it is #DB whatever the gate\'s DPL (SDM 2A, INT n)' }],
  ['DR7.GD', { columns: ['eax', 'vector', 'eip', 'dr6'], reason: 'QEMU lets DR7.GD pass; it is #DB with DR6.BD, for reads too (SDM 3B §18.2.4)' }],
  ['RDMSR of an MSR that is not there', { columns: ['vector', 'eip'], reason: 'TCG reads 0; it is #GP(0) (SDM 2B, RDMSR)' }],
  ...['load through FS beyond a short limit', 'load below an expand-down segment', 'store through a read-only segment', 'load through a null segment', 'store through CS', 'virtual-8086 code 5 with IOPL 0', 'virtual-8086 code 5 with IOPL 3'].map((name) =>
    [name, { columns: ['eax', 'vector', 'eip'], reason: 'TCG checks neither limits nor types of segments; they are #GP(0) (SDM 3A §6.3, §6.5)' }] as const satisfies readonly [string, Exemption]),
  ...['LAR', 'LAR of a call gate'].map((name) =>
    [name, { columns: ['eax'], reason: 'bits 19:16 are undefined, and TCG leaves the accessed bit of a code segment that IRET loads' }] as const satisfies readonly [string, Exemption]),
]);
