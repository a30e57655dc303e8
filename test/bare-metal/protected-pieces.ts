import { dword, hex } from './machine-code.ts';
import { CR4, entriesOf, enterVm86, PAGE, SELECTOR, type Paging, type Piece } from './protected-image.ts';

const load = (address: number): number[] => [0xa1, ...dword(address)];
const store = (address: number): number[] => [0xa3, ...dword(address)];
const eax = (value: number): number[] => [0xb8, ...dword(value)];
/** MOV AX,selector; MOV Sreg,AX */
const loadSegment = (selector: number, modrm: number): number[] => [...eax(selector), 0x8e, modrm];
const DS = 0xd8;
const ES = 0xc0;
const SS = 0xd0;
const FS = 0xe0;
const far = (opcode: number, selector: number, offset = 0): number[] => [opcode, ...dword(offset), selector & 0xff, selector >> 8];
const callFar = (selector: number): number[] => far(0x9a, selector);
const jumpFar = (selector: number): number[] => far(0xea, selector);
const jumpToShortCode = (offset: number): number[] => far(0xea, SELECTOR.shortCode, offset);
const SINGLE_STEP = 0x102;
/** MOV EAX,CR0; OR/AND with a mask; MOV CR0,EAX */
const setCr0 = (mask: number): number[] => [...hex('0f 20 c0 0d'), ...dword(mask), ...hex('0f 22 c0')];
const clearCr0 = (mask: number): number[] => [...hex('0f 20 c0 25'), ...dword(~mask), ...hex('0f 22 c0')];
const readMsr = (index: number): number[] => [0xb9, ...dword(index), 0x0f, 0x32];
const writeMsr = (index: number, low: number, high: number): number[] => [0xb9, ...dword(index), ...eax(low), 0xba, ...dword(high), 0x0f, 0x30];
const byPage = (name: string, address: number): Piece[] => [false, true].flatMap((user) => [
  { name: `read of ${name}`, code: load(address), user }, { name: `write of ${name}`, code: store(address), user },
]);
const privileged = (name: string, bytes: string): Piece => ({ name: `${name} at CPL 3`, code: hex(bytes), user: true });

export function piecesFor(paging: Paging): readonly Piece[] {
  const entries = entriesOf(paging);
  const cr4 = CR4[paging];
  return [
    { name: 'INT 81h', code: [] },
    { name: 'INT 81h at CPL 3', code: [], user: true },
    { name: 'DIV by zero', code: hex('31 c9 f7 f1') },
    { name: 'AAM 0', code: hex('d4 00') },
    { name: 'INT3', code: [0xcc] },
    { name: 'INT3 at CPL 3', code: [0xcc], user: true },
    { name: 'INTO with OF', code: [0xce], flags: 0x802 },
    { name: 'INTO without OF', code: [0xce] },
    { name: 'INT1', code: [0xf1], user: true },
    { name: 'INT through a gate of DPL 0', code: hex('cd 0d'), user: true },
    { name: 'INT beyond the table', code: hex('cd ff') },
    { name: 'UD2', code: hex('0f 0b') },
    { name: 'LOCK before a register', code: hex('f0 01 c0') },
    { name: 'MOV CS,AX', code: hex('8e c8') },
    { name: 'BOUND', code: [...eax(5), 0x68, ...dword(6), 0x68, ...dword(8), ...hex('62 04 24')] },
    { name: '15 prefixes', code: [...new Array<number>(15).fill(0x66), 0x90] },
    { name: 'x87 with TS', code: [...setCr0(8), ...hex('d9 c0')] },
    { name: 'WAIT with TS and MP', code: [...setCr0(2), 0x9b] },
    { name: 'CLTS', code: [...hex('0f 06'), ...clearCr0(2)] },
    { name: 'x87 with EM', code: [...setCr0(4), ...hex('d9 c0')] },
    { name: 'EM off', code: clearCr0(4) },
    { name: '#MF', code: hex('db e3 68 7b 03 00 00 d9 2c 24 d9 e8 d9 ee de f9 9b') },
    { name: 'x87 clear', code: hex('db e3') },
    { name: 'TF', code: hex('90 90'), flags: SINGLE_STEP },
    { name: 'TF at CPL 3', code: hex('90 90'), user: true, flags: SINGLE_STEP },
    { name: 'TF before MOV SS', code: hex('8c d0 90'), flags: SINGLE_STEP },
    { name: 'POPF sets TF before MOV SS', code: hex('b8 10 00 00 00 68 02 01 00 00 9d 8e d0 90 90') },
    { name: 'TF over INT3', code: [0xcc], flags: SINGLE_STEP },
    { name: 'execution breakpoint', code: [...hex('b8 00 42 01 00 0f 23 c0 b8 01 00 00 00 0f 23 f8'), ...hex('b8 00 42 01 00 ff e0')] },
    { name: 'DR7 cleared', code: hex('31 c0 0f 23 f8') },
    { name: 'data breakpoint', code: [...eax(PAGE.plain), ...hex('0f 23 c0'), ...eax(0xd0001), ...hex('0f 23 f8'), ...store(PAGE.plain), 0x90] },
    { name: 'DR7.GD', code: [...eax(0x2000), ...hex('0f 23 f8 0f 21 c0')] },
    { name: 'DR7 cleared again', code: hex('31 c0 0f 23 f8') },
    ...byPage('a plain page', PAGE.plain), ...byPage('an absent page', PAGE.absent), ...byPage('a read-only page', PAGE.readOnly),
    ...byPage('a page of the supervisor', PAGE.supervisor), ...byPage('a read-only page of the supervisor', PAGE.supervisorReadOnly),
    ...byPage('a large page', PAGE.large), ...byPage('an absent table', PAGE.absentTable),
    { name: 'write across into an absent page', code: store(PAGE.absent - 2) },
    { name: 'read-modify-write of a read-only page', code: [0x83, 0x05, ...dword(PAGE.readOnly), 1] },
    { name: 'write of a read-only page without WP', code: [...clearCr0(0x10000), ...store(PAGE.readOnly)] },
    { name: 'WP on', code: setCr0(0x10000) },
    { name: 'fetch from an absent page', code: [...eax(PAGE.absent), 0xff, 0xe0] },
    { name: 'fetch from a page of the supervisor', code: [...eax(PAGE.supervisor), 0xff, 0xe0], user: true },
    { name: 'A and D of a plain page', code: load(entries.page(PAGE.plain)) },
    { name: 'A and D of a read-only page', code: load(entries.page(PAGE.readOnly)) },
    { name: 'A and D of a page of the supervisor', code: load(entries.page(PAGE.supervisor)) },
    { name: 'A and D of a large page', code: load(entries.large) },
    { name: 'A of the table', code: load(entries.table) },
    { name: 'load through FS within a short limit', code: [...loadSegment(SELECTOR.short, FS), 0x64, ...load(12)] },
    { name: 'load through FS beyond a short limit', code: [...loadSegment(SELECTOR.short, FS), 0x64, ...load(13)] },
    { name: 'load below an expand-down segment', code: [...loadSegment(SELECTOR.expandDown, FS), 0x64, ...load(0xff)] },
    { name: 'load in an expand-down segment', code: [...loadSegment(SELECTOR.expandDown, FS), 0x64, ...load(0x100)] },
    { name: 'store through a read-only segment', code: [...loadSegment(SELECTOR.readOnly, FS), 0x64, ...store(PAGE.plain)] },
    { name: 'load through a null segment', code: [...loadSegment(0, FS), 0x64, ...load(0)] },
    { name: 'store through CS', code: [0x2e, ...store(PAGE.plain)] },
    { name: 'absent data segment', code: loadSegment(SELECTOR.absentData, DS) },
    { name: 'absent stack segment', code: loadSegment(SELECTOR.absentData, SS) },
    { name: 'null stack segment', code: loadSegment(0, SS) },
    { name: 'read-only stack segment', code: loadSegment(SELECTOR.readOnly, SS) },
    { name: 'stack segment of DPL 3', code: loadSegment(SELECTOR.userData, SS) },
    { name: 'execute-only data segment', code: loadSegment(SELECTOR.executeOnly, ES) },
    { name: 'selector beyond the table', code: loadSegment(SELECTOR.beyond, ES) },
    { name: 'selector in the empty LDT', code: loadSegment(0x0c, ES) },
    { name: 'data segment of DPL 0 at CPL 3', code: loadSegment(SELECTOR.data, ES), user: true },
    { name: 'short stack segment of DPL 3', code: [...loadSegment(SELECTOR.short, SS)] },
    { name: 'far jump to an absent segment', code: jumpFar(SELECTOR.absentCode) },
    { name: 'far jump to data', code: jumpFar(SELECTOR.data) },
    { name: 'far jump to null', code: jumpFar(0) },
    { name: 'far jump to conforming code at CPL 3', code: far(0xea, SELECTOR.conforming, 0x14200), user: true },
    { name: 'far jump to code of DPL 0 at CPL 3', code: jumpFar(SELECTOR.code), user: true },
    { name: 'call gate from CPL 3', code: callFar(SELECTOR.callGate), user: true },
    { name: 'call gate from CPL 0', code: callFar(SELECTOR.callGate) },
    { name: 'jump to a call gate from CPL 3', code: jumpFar(SELECTOR.callGate), user: true },
    { name: 'absent call gate', code: callFar(SELECTOR.absentGate), user: true },
    { name: 'RETF to CPL 3', code: [0x6a, SELECTOR.userData, 0x68, ...dword(0x6800), 0x6a, SELECTOR.userCode, 0x68, ...dword(0x14200), 0xcb] },
    { name: 'RETF to a null segment', code: hex('6a 00 6a 00 cb') },
    { name: 'RETF to CPL 3 with the stack of CPL 0', code: [0x6a, SELECTOR.data, 0x68, ...dword(0x6800), 0x6a, SELECTOR.userCode, 0x68, ...dword(0x14200), 0xcb] },
    { name: 'IRET to data', code: [0x6a, 2, 0x6a, SELECTOR.data, 0x6a, 0, 0xcf] },
    { name: 'IRET to CPL 0 from CPL 3', code: [0x6a, 2, 0x6a, SELECTOR.code, 0x6a, 0, 0xcf], user: true },
    { name: 'IRET with NT and no back link', code: hex('cf'), flags: 0x4002 },
    { name: 'IRET keeps IF and IOPL at CPL 3', code: [0x68, ...dword(0x3202), 0x6a, SELECTOR.userCode, 0x68, ...dword(0x14200), 0xcf], user: true },
    { name: 'POPF keeps IF and IOPL at CPL 3', code: [0x68, ...dword(0x7202), 0x9d], user: true },
    { name: 'task switch by jump', code: jumpFar(SELECTOR.otherTask) },
    { name: 'jump to a busy task', code: jumpFar(SELECTOR.otherTask) },
    { name: 'task switch back', code: jumpFar(SELECTOR.task) },
    { name: 'CR0.TS after task switches', code: hex('0f 20 c0 0f 06') },
    { name: 'task switch by call', code: callFar(SELECTOR.otherTask) },
    { name: 'IRET by the back link', code: hex('cf'), flags: 0x4002 },
    { name: 'jump to a task of DPL 0 at CPL 3', code: jumpFar(SELECTOR.otherTask), user: true },
    { name: 'jump to a task with too short a TSS', code: jumpFar(SELECTOR.shortTask) },
    { name: 'jump to a task with an absent DS', code: jumpFar(SELECTOR.taskOfAbsentData) },
    { name: 'task switch back from it', code: jumpFar(SELECTOR.task) },
    { name: 'CLTS after them', code: hex('0f 20 c0 0f 06') },
    { name: '#DF by an absent stack', code: [0xbc, ...dword(PAGE.absent + 0x800), ...hex('0f 0b')] },
    { name: 'task switch from that of #DF', code: jumpFar(SELECTOR.otherTask) },
    { name: 'CLTS after it', code: hex('0f 20 c0 0f 06') },
    { name: 'LLDT', code: [...eax(SELECTOR.localTable), ...hex('0f 00 d0')] },
    { name: 'null descriptor in the LDT', code: loadSegment(0x0c, ES) },
    { name: 'selector in the LDT', code: [...hex('c7 05'), ...dword(PAGE.plain + 8), ...dword(0xffff), ...hex('c7 05'), ...dword(PAGE.plain + 12), ...dword(0xcff200), ...loadSegment(0x0c, ES)] },
    { name: 'selector beyond the LDT', code: loadSegment(0x14, ES) },
    { name: 'LLDT of null', code: [...eax(0), ...hex('0f 00 d0')] },
    { name: 'call gate with two parameters', code: [...hex('6a 55 6a 66'), ...callFar(SELECTOR.gateWithParameters)], user: true },
    { name: 'LTR of a busy task', code: [...eax(SELECTOR.task), ...hex('0f 00 d8')] },
    { name: 'LLDT of data', code: [...eax(SELECTOR.data), ...hex('0f 00 d0')] },
    { name: 'LAR', code: [0xb9, ...dword(SELECTOR.userCode), ...hex('0f 02 c1')] },
    { name: 'LAR of a call gate', code: [0xb9, ...dword(SELECTOR.callGate), ...hex('0f 02 c1')] },
    { name: 'LSL', code: [0xb9, ...dword(SELECTOR.short), ...hex('0f 03 c1')] },
    { name: 'LSL of a call gate', code: [0xb9, ...dword(SELECTOR.callGate), ...hex('0f 03 c1')] },
    { name: 'VERW of read-only', code: [...eax(SELECTOR.readOnly), ...hex('0f 00 e8')] },
    { name: 'ARPL', code: hex('b9 03 00 00 00 b8 10 00 00 00 63 c8') },
    privileged('HLT', 'f4'), privileged('CLI', 'fa'), privileged('STI', 'fb'), privileged('IN', 'e4 80'), privileged('OUTS', '6e'), privileged('CLTS', '0f 06'), privileged('MOV CR0', '0f 20 c0'),
    privileged('MOV DR0', '0f 21 c0'), privileged('LGDT', '0f 01 10'), privileged('LMSW', '0f 01 f0'), privileged('SMSW', '0f 01 e0'), privileged('INVLPG', '0f 01 38'), privileged('WBINVD', '0f 09'),
    privileged('RDMSR', '0f 32'), privileged('WRMSR', '0f 30'), privileged('LTR', '0f 00 d8'), privileged('STR', '0f 00 c8'), privileged('SLDT', '0f 00 c0'), privileged('SYSEXIT', '0f 35'), privileged('SYSENTER', '0f 34'),
    { name: 'SYSENTER without its MSR', code: hex('0f 34') },
    { name: 'SYSENTER', code: [...writeMsr(0x174, 8, 0), ...writeMsr(0x175, 0x6f00, 0), ...writeMsr(0x176, 0x14200, 0), ...hex('0f 34')] },
    { name: 'SYSEXIT', code: [...hex('ba'), ...dword(0x14200), 0xb9, ...dword(0x6800), ...hex('0f 35')] },
    { name: 'RDMSR of an MSR that is not there', code: readMsr(0x3fff_ffff) },
    { name: 'MOV CR1', code: hex('0f 20 c8') },
    { name: 'MOV CR5', code: hex('0f 22 e8') },
    { name: 'MOV DR4 with DE', code: [...eax(cr4 | 8), ...hex('0f 22 e0 0f 21 e0')] },
    { name: 'MOV DR4 without DE', code: [...eax(cr4), ...hex('0f 22 e0 0f 21 e0')] },
    { name: 'RDTSC with TSD at CPL 0', code: [...eax(cr4 | 4), ...hex('0f 22 e0 0f 31 31 c0')] },
    { name: 'RDTSC with TSD at CPL 3', code: hex('0f 31'), user: true },
    { name: 'TSD off', code: [...eax(cr4), ...hex('0f 22 e0')] },
    ...[0, 3].flatMap((level): Piece[] => [0, 1, 2, 3, 4, 5].map((index) => ({ name: `virtual-8086 code ${index} with IOPL ${level}`, code: enterVm86(index, level) }))),
    ...(paging === 'pae' ? PAE_PIECES : LEGACY_PIECES),
  ];
}

const LEGACY_PIECES: readonly Piece[] = [
  ...byPage('a large page with a reserved bit', PAGE.largeReserved),
  { name: 'a large page without PSE', code: [...eax(0), ...hex('0f 22 e0'), ...load(PAGE.large)] },
  { name: 'PSE and PGE on', code: [...eax(0x90), ...hex('0f 22 e0'), ...load(PAGE.large)] },
  { name: 'PGE off', code: [...eax(0x10), ...hex('0f 22 e0'), ...load(PAGE.large)] },
];

const PAE_PIECES: readonly Piece[] = [
  ...[false, true].flatMap((user): Piece[] => [
    { name: 'read of a page that may not be executed', code: load(PAGE.noExecute), user },
    { name: 'fetch from a page that may not be executed', code: [...eax(PAGE.noExecute), 0xff, 0xe0], user },
  ]),
  ...byPage('a page with a reserved bit', PAGE.reserved),
  { name: 'EFER.NXE off', code: [...writeMsr(0xc000_0080, 0, 0), ...load(PAGE.noExecute)] },
  { name: 'EFER.NXE on', code: [...writeMsr(0xc000_0080, 0x800, 0), ...readMsr(0xc000_0080)] },
];

/** #GP(0) by the manual (SDM 2A MOV to control registers, LTR; SDM 4 §2.2.1), and let through by QEMU's TCG, which is lost after it. */
export function generalProtectionPiecesFor(paging: Paging): readonly Piece[] {
  return [
    { name: 'LTR of null', code: hex('0f 00 d8') },
    { name: 'WRMSR of reserved bits of EFER', code: writeMsr(0xc000_0080, 0xffff_ffff, 0) },
    { name: 'CR0.PG without PE', code: [...eax(0x8000_0010), ...hex('0f 22 c0')] },
    { name: 'CR0.NW without CD', code: [...eax(0xa001_0031), ...hex('0f 22 c0')] },
    { name: 'reserved bits of CR4', code: [...eax(0x8000_0000 | CR4[paging]), ...hex('0f 22 e0')] },
    // A pointer with its reserved bit 1 set (SDM 3A §4.4.1)
    ...(paging === 'pae' ? [{ name: 'MOV CR3 of a bad page-directory pointer', code: [...hex('c7 05'), ...dword(PAGE.plain), ...dword(0x1f003), ...eax(PAGE.plain), ...hex('0f 22 d8')] }] : []),
  ];
}

const writeCode = (offset: number, bytes: string): number[] => hex(bytes).flatMap((byte, at) => [0xc6, 0x05, ...dword(PAGE.plain + offset + at), byte]);

/** Limits of segments (SDM 3A §5.3): TCG checks none. What they end in, and the EIP where it is that of the short segment. */
export const LIMIT_PIECES: readonly (Piece & { readonly vector: number; readonly eip?: number })[] = [
  { name: 'code within its limit', code: [...writeCode(0xb, 'b8 01 00 00 00 f4 cd 81'), ...writeCode(0xe, 'cd 81'), ...jumpToShortCode(0xe)], vector: 0x81, eip: 0x10 },
  { name: 'code that ends beyond its limit', code: [...writeCode(0xd, 'b8 01 00 00 00'), ...jumpToShortCode(0xd)], vector: 13, eip: 0xd },
  { name: 'code that runs beyond its limit', code: [...writeCode(0xe, '90 90 cd 81'), ...jumpToShortCode(0xe)], vector: 13, eip: 0x10 },
  { name: 'a far jump beyond the limit', code: jumpToShortCode(0x10), vector: 13 },
  { name: 'a near jump beyond the limit', code: [...writeCode(0xe, 'eb 10'), ...jumpToShortCode(0xe)], vector: 13, eip: 0xe },
  { name: 'load beyond the limit of SS', code: [...loadSegment(SELECTOR.short | 3, SS), 0x36, ...load(13)], user: true, vector: 12 },
  { name: 'PUSH beyond the limit of SS', code: [...loadSegment(SELECTOR.short | 3, SS), 0x50], user: true, vector: 12 },
  { name: 'POP across the limit of SS', code: [...loadSegment(SELECTOR.short | 3, SS), 0xbc, ...dword(13), 0x58], user: true, vector: 12 },
  { name: 'PUSH across address 0 of SS', code: [...loadSegment(SELECTOR.short | 3, SS), 0xbc, ...dword(2), 0x50], user: true, vector: 12 },
  { name: 'load across the limit of FS', code: [...loadSegment(SELECTOR.short, FS), ...hex('64 8b 05'), ...dword(12), ...hex('64 66 a1'), ...dword(15)], vector: 13 },
];

/** Without an exception by the manual: the pointers are read with CR3 and kept (SDM 3A §4.4.1). TCG reads them at each walk. */
export const POINTERS_KEPT: Piece = {
  name: 'a page-directory pointer changed in memory', code: [
    ...hex('c7 05'), ...dword(0x18000), ...dword(0), ...hex('0f 01 3d'), ...dword(PAGE.plain), ...load(PAGE.plain), ...hex('c7 05'), ...dword(0x18000), ...dword(0x1f001),
  ],
};
