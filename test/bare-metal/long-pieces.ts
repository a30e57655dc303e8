import { ALIAS, INNER_STACK, LONG_PAGE as PAGE, LONG_SELECTOR as SELECTOR, TARGET, type LongPiece } from './long-image.ts';
import { dword, hex } from './machine-code.ts';

/** MOV RAX,[address]; MOV [address],RAX: with SIB and no base, so that the address isn't relative. */
const load = (address: number): number[] => [...hex('48 8b 04 25'), ...dword(address)];
const store = (address: number): number[] => [...hex('48 89 04 25'), ...dword(address)];
/** The same in 32-bit code, of EAX. */
const load32 = (address: number): number[] => [0xa1, ...dword(address)];
const store32 = (address: number): number[] => [0xa3, ...dword(address)];
const eax = (value: number): number[] => [0xb8, ...dword(value)];
const rax = (high: number, low: number): number[] => [0x48, 0xb8, ...dword(low), ...dword(high)];
const rcx = (high: number, low: number): number[] => [0x48, 0xb9, ...dword(low), ...dword(high)];
const rsp = (high: number, low: number): number[] => [0x48, 0xbc, ...dword(low), ...dword(high)];
const NOT_CANONICAL = [0x0000_8000, 0x0000_1000] as const;
/** MOV AX,selector; MOV Sreg,AX */
const loadSegment = (selector: number, modrm: number): number[] => [...eax(selector), 0x8e, modrm];
const DS = 0xd8;
const SS = 0xd0;
const FS = 0xe0;
const SINGLE_STEP = 0x102;
const writeMsr = (index: number, low: number, high: number): number[] => [0xb9, ...dword(index), ...eax(low), 0xba, ...dword(high), 0x0f, 0x30];
const readMsr = (index: number): number[] => [0xb9, ...dword(index), 0x0f, 0x32];
const EFER = 0xc000_0080;
const STAR = 0xc000_0081;
const LSTAR = 0xc000_0082;
const SYSCALL_MASK = 0xc000_0084;
const FS_BASE = 0xc000_0100;
const GS_BASE = 0xc000_0101;
const KERNEL_GS_BASE = 0xc000_0102;
const CR4 = 0x20;
const CR4_SMEP = 0x10_0000;
const CR4_SMAP = 0x20_0000;
const setCr4 = (value: number): number[] => [...eax(value), ...hex('0f 22 e0')];
const farPointer = (offset: number, selector: number): number[] => [0x68, ...dword(selector), 0x68, ...dword(offset)];
/** PUSH selector; PUSH offset; then a JMP, CALL through m16:32 at [RSP] with the selector behind the offset's 8 bytes moved to 4. */
const viaMemory = (modrm: number, selector: number, offset: number): number[] => [
  ...hex('48 83 ec 10 c7 04 24'), ...dword(offset), ...hex('66 c7 44 24 04'), selector & 0xff, selector >> 8, 0xff, modrm, 0x24,
];
const jumpFar = (selector: number, offset: number = TARGET.supervisor): number[] => viaMemory(0x2c, selector, offset);
const callFar = (selector: number, offset: number = TARGET.supervisor): number[] => viaMemory(0x1c, selector, offset);
const iret = (rip: readonly number[], selector: number, flags: number, stack: number, stackSelector: number): number[] => [
  0x6a, stackSelector, 0x68, ...dword(stack), 0x68, ...dword(flags), 0x6a, selector, ...rip, 0x48, 0xcf,
];
const pushed = (value: number): number[] => [0x68, ...dword(value)];
const byPage = (name: string, address: number): LongPiece[] => [false, true].flatMap((user) => [
  { name: `read of ${name}`, code: load(address), user }, { name: `write of ${name}`, code: store(address), user },
]);
const only64 = (name: string, bytes: string): LongPiece => ({ name: `${name} in 64-bit code`, code: hex(bytes) });
const privileged = (name: string, bytes: string): LongPiece => ({ name: `${name} at CPL 3`, code: hex(bytes), user: true });
const FLAT_STACK = ALIAS + 0x6f00;

export const LONG_PIECES: readonly LongPiece[] = [
  ...[undefined, 32 as const].flatMap((bits): LongPiece[] => [false, true].flatMap((user) => {
    const mode = bits ? { bits, user } : { user };
    return [
      { name: 'INT 81h', code: [], ...mode }, { name: 'UD2', code: hex('0f 0b'), ...mode }, { name: 'INT3', code: [0xcc], ...mode },
      { name: 'DIV by zero', code: hex('31 c9 f7 f1'), ...mode }, { name: 'INT through a gate of DPL 0', code: hex('cd 0d'), ...mode },
      { name: 'INT beyond the table', code: hex('cd ff'), ...mode }, { name: 'TF', code: hex('90 90'), ...mode, flags: SINGLE_STEP },
    ];
  })),
  { name: 'INTO', code: [0xce], bits: 32, user: true, flags: 0x802 },
  { name: 'BOUND', code: [...eax(5), ...pushed(6), ...pushed(8), ...hex('62 04 24')], bits: 32, user: true },
  { name: 'AAM 0', code: hex('d4 00'), bits: 32, user: true },
  only64('PUSH ES', '06'), only64('POP DS', '1f'), only64('DAA', '27'), only64('AAS', '3f'), only64('PUSHA', '60'), only64('BOUND', '62 04 24'), only64('82', '82 c0 01'), only64('CALL ptr', '9a 00 00 00 00 08 00'),
  only64('LES', 'c4 04 24'), only64('INTO', 'ce'), only64('AAM', 'd4 0a'), only64('SALC', 'd6'), only64('JMP ptr', 'ea 00 00 00 00 08 00'),
  ...byPage('a plain page', PAGE.plain), ...byPage('an absent page', PAGE.absent), ...byPage('a read-only page', PAGE.readOnly), ...byPage('a page of the supervisor', PAGE.supervisor),
  ...byPage('a read-only page of the supervisor', PAGE.supervisorReadOnly), ...byPage('a page with a reserved bit', PAGE.reserved), ...byPage('a large page with a reserved bit', PAGE.largeReserved),
  ...byPage('an absent table', PAGE.absentTable), ...byPage('an absent directory', PAGE.absentDirectory), ...byPage('the supervisor\'s large page', ALIAS + 0x3_0000),
  { name: 'read of an absent page', code: load32(PAGE.absent), bits: 32, user: true },
  { name: 'write of a read-only page', code: store32(PAGE.readOnly), bits: 32, user: true },
  { name: 'write across into an absent page', code: store(PAGE.absent - 4) },
  ...[false, true].flatMap((user): LongPiece[] => [
    { name: 'read of a page that may not be executed', code: load(PAGE.noExecute), user },
    { name: 'fetch from a page that may not be executed', code: [...eax(PAGE.noExecute), 0xff, 0xe0], user },
    { name: 'fetch from an absent page', code: [...eax(PAGE.absent), 0xff, 0xe0], user },
    { name: 'fetch from a page of the supervisor', code: [...eax(PAGE.supervisor + 0xff0), 0xff, 0xe0], user },
    { name: 'fetch from a page with a reserved bit', code: [...eax(PAGE.reserved), 0xff, 0xe0], user },
  ]),
  { name: 'EFER.NXE off', code: [...writeMsr(EFER, 0x501, 0), ...load(PAGE.noExecute)] },
  { name: 'EFER.NXE on', code: [...writeMsr(EFER, 0xd01, 0), ...readMsr(EFER)] },
  { name: 'A and D of a plain page', code: load(ALIAS + 0x1b000 + (PAGE.plain >> 9)) },
  { name: 'A and D of a read-only page', code: load(ALIAS + 0x1b000 + (PAGE.readOnly >> 9)) },
  { name: 'A and D of a page that may not be executed', code: load(ALIAS + 0x1b000 + (PAGE.noExecute >> 9)) },
  { name: 'A and D of a large page', code: load(ALIAS + 0x1a008) },

  { name: 'code of the user\'s without SMEP', code: [...eax(TARGET.user), 0xff, 0xe0] },
  { name: 'code of the user\'s with SMEP', code: [...setCr4(CR4 | CR4_SMEP), ...eax(TARGET.user), 0xff, 0xe0] },
  { name: 'data of the user\'s with SMEP', code: load(PAGE.plain) },
  { name: 'code of the user\'s with SMEP at CPL 3', code: [...eax(TARGET.user), 0xff, 0xe0], user: true },
  { name: 'data of the user\'s with SMAP', code: [...setCr4(CR4 | CR4_SMAP), ...load(PAGE.plain)] },
  { name: 'write of the user\'s with SMAP', code: store(PAGE.plain) },
  { name: 'data of the user\'s with SMAP and STAC', code: [...hex('0f 01 cb'), ...load(PAGE.plain), ...hex('0f 01 ca')] },
  { name: 'data of the user\'s with SMAP and AC', code: load(PAGE.plain), flags: 0x4_0002 },
  { name: 'code of the user\'s with SMAP', code: [...eax(TARGET.user), 0xff, 0xe0] },
  { name: 'data of the user\'s with SMAP at CPL 3', code: load(PAGE.plain), user: true },
  { name: 'SMAP off', code: setCr4(CR4) },
  { name: 'STAC at CPL 3', code: hex('0f 01 cb'), user: true },

  { name: 'load by RAX', code: [...rax(...NOT_CANONICAL), ...hex('48 8b 00')] },
  { name: 'load by RBP', code: [...rax(...NOT_CANONICAL), ...hex('48 89 c5 48 8b 45 00')] },

  { name: 'load through FS', code: [...writeMsr(FS_BASE, PAGE.plain, 0), ...hex('64 48 8b 04 25 00 00 00 00')] },
  { name: 'a base in FS that MOV to FS clears', code: [...loadSegment(SELECTOR.userData, FS), ...readMsr(FS_BASE)] },
  { name: 'SWAPGS', code: [...writeMsr(GS_BASE, 0x1234, 0x7), ...writeMsr(KERNEL_GS_BASE, 0x5678, 0xffff_8000), ...hex('0f 01 f8'), ...readMsr(GS_BASE)] },
  { name: 'SWAPGS, upper half', code: [...readMsr(GS_BASE), ...hex('89 d0 0f 01 f8')] },
  privileged('SWAPGS', '0f 01 f8'),
  { name: 'load beyond a short segment in 64-bit code', code: [...loadSegment(SELECTOR.short, DS), ...load(PAGE.plain)] },
  { name: 'load through CS', code: [0x2e, ...load(PAGE.plain)] },
  { name: 'store through CS in 64-bit code', code: [0x2e, ...store(PAGE.plain)] },
  { name: 'null SS at CPL 0', code: loadSegment(0, SS) },
  { name: 'null SS at CPL 3', code: loadSegment(3, SS), user: true },
  { name: 'null SS in 32-bit code', code: loadSegment(0, SS), bits: 32 },
  { name: 'null DS', code: loadSegment(0, DS) },
  { name: 'absent DS', code: loadSegment(SELECTOR.absentData, DS) },
  { name: 'absent SS', code: loadSegment(SELECTOR.absentData, SS) },
  { name: 'SS of DPL 3', code: loadSegment(SELECTOR.userData, SS) },
  { name: 'selector beyond the table', code: loadSegment(SELECTOR.beyond, DS) },
  { name: 'selector in the empty LDT', code: loadSegment(0x0c, DS) },
  { name: 'LLDT', code: [...eax(SELECTOR.localTable), ...hex('0f 00 d0 0f 00 c0')] },
  { name: 'selector in the LDT', code: loadSegment(0x0c, DS) },
  { name: 'LLDT of null', code: [...eax(0), ...hex('0f 00 d0 0f 00 c0')] },
  { name: 'LLDT of data', code: [...eax(SELECTOR.data), ...hex('0f 00 d0')] },
  { name: 'LTR of a busy task', code: [...eax(SELECTOR.task), ...hex('0f 00 d8')] },
  { name: 'STR', code: hex('48 31 c0 0f 00 c8') },

  { name: 'far jump to 64-bit code', code: jumpFar(SELECTOR.code) },
  { name: 'far jump to 32-bit code', code: jumpFar(SELECTOR.code32) },
  { name: 'far jump to an absent segment', code: jumpFar(SELECTOR.absentCode) },
  { name: 'far jump to data', code: jumpFar(SELECTOR.data) },
  { name: 'far jump to null', code: jumpFar(0) },
  { name: 'far jump to a task', code: jumpFar(SELECTOR.task) },
  { name: 'far jump to code of DPL 3', code: jumpFar(SELECTOR.userCode) },
  { name: 'far jump to conforming code at CPL 3', code: jumpFar(SELECTOR.conforming, TARGET.user), user: true },
  { name: 'far call to 64-bit code', code: callFar(SELECTOR.code) },
  { name: 'far call to 32-bit code', code: callFar(SELECTOR.code32) },
  { name: 'far jump to 64-bit code from 32-bit code', code: [0xea, ...dword(TARGET.supervisor), SELECTOR.code, 0], bits: 32 },
  { name: 'far call to 64-bit code from 32-bit code at CPL 3', code: [0x9a, ...dword(TARGET.user), SELECTOR.userCode, 0], bits: 32, user: true },
  { name: 'call gate from CPL 0', code: callFar(SELECTOR.callGate) },
  { name: 'call gate from CPL 3', code: callFar(SELECTOR.callGate), user: true },
  { name: 'call gate from 32-bit code at CPL 3', code: [0x9a, ...dword(0), SELECTOR.callGate, 0], bits: 32, user: true },
  { name: 'jump to a call gate from CPL 3', code: jumpFar(SELECTOR.callGate), user: true },
  { name: 'absent call gate', code: callFar(SELECTOR.absentGate), user: true },
  { name: 'call gate to 32-bit code', code: callFar(SELECTOR.gateTo32), user: true },
  { name: 'RETFQ', code: [...farPointer(TARGET.supervisor, SELECTOR.code), ...hex('48 cb')] },
  { name: 'RETFQ to CPL 3', code: [...pushed(SELECTOR.userData), ...pushed(0x6800), ...farPointer(TARGET.user, SELECTOR.userCode), ...hex('48 cb')] },
  { name: 'RETFQ to 32-bit code at CPL 3', code: [...pushed(SELECTOR.userData), ...pushed(0x6800), ...farPointer(TARGET.user, SELECTOR.userCode32), ...hex('48 cb')] },
  { name: 'RETFQ to null', code: [...farPointer(0, 0), ...hex('48 cb')] },
  { name: 'RETFQ to CPL 3 with a null stack', code: [...pushed(0), ...pushed(0x6800), ...farPointer(TARGET.user, SELECTOR.userCode), ...hex('48 cb')] },

  { name: 'IRETQ to CPL 0 with a null stack', code: iret(pushed(TARGET.supervisor), SELECTOR.code, 2, FLAT_STACK, 0) },
  { name: 'IRETQ to CPL 3 with a null stack', code: iret(pushed(TARGET.user), SELECTOR.userCode, 2, 0x6800, 0) },
  { name: 'IRETQ to 32-bit code with a null stack', code: iret(pushed(TARGET.supervisor), SELECTOR.code32, 2, FLAT_STACK, 0) },
  { name: 'IRETQ to CPL 3 with flags', code: iret(pushed(TARGET.user), SELECTOR.userCode, 0x20_3ed7, 0x6800, SELECTOR.userData) },
  { name: 'IRETQ to CPL 0 from CPL 3', code: iret(pushed(TARGET.supervisor), SELECTOR.code, 2, FLAT_STACK, SELECTOR.data), user: true },
  { name: 'IRETQ with NT', code: iret(pushed(TARGET.supervisor), SELECTOR.code, 2, FLAT_STACK, SELECTOR.data), flags: 0x4002 },
  { name: 'IRETQ to code of both sizes', code: iret(pushed(TARGET.supervisor), SELECTOR.both, 2, FLAT_STACK, SELECTOR.data) },
  { name: 'IRETQ to an absent segment', code: iret(pushed(TARGET.supervisor), SELECTOR.absentCode, 2, FLAT_STACK, SELECTOR.data) },
  { name: 'IRETQ with the stack of another level', code: iret(pushed(TARGET.supervisor), SELECTOR.code, 2, FLAT_STACK, SELECTOR.userData) },
  { name: 'IRETQ to data', code: iret(pushed(TARGET.supervisor), SELECTOR.data, 2, FLAT_STACK, SELECTOR.data) },

  { name: 'SYSCALL without EFER.SCE', code: [...writeMsr(EFER, 0xd00, 0), ...hex('0f 05')] },
  { name: 'SYSRET without EFER.SCE', code: hex('48 0f 07') },
  { name: 'EFER.SCE on', code: writeMsr(EFER, 0xd01, 0) },
  { name: 'SYSCALL', code: [...writeMsr(STAR, 0, 0x1b_0008), ...writeMsr(LSTAR, TARGET.supervisor, 0), ...writeMsr(SYSCALL_MASK, 0x4_0700, 0), ...hex('0f 05')], flags: 0x400 | 0x40_0ad7 & 0xffff },
  { name: 'SYSCALL at CPL 3', code: hex('0f 05'), user: true, flags: 0xcd7 },
  { name: 'SYSCALL keeps RIP', code: hex('0f 05 48 89 c8'), user: true },
  { name: 'SYSRETQ', code: [...rcx(0, TARGET.user), ...hex('41 bb'), ...dword(0x20_3cd7), ...hex('48 0f 07')] },
  { name: 'SYSRET to 32-bit code', code: [...rcx(0x1234, TARGET.user), ...hex('41 bb'), ...dword(2), ...hex('0f 07')] },
  privileged('SYSRETQ', '48 0f 07'),
  { name: 'SYSENTER without its MSR', code: hex('0f 34') },
  { name: 'SYSENTER at CPL 3', code: [...hex('0f 34')], user: true },
  { name: 'SYSENTER MSRs', code: [...writeMsr(0x174, 8, 0), ...writeMsr(0x175, FLAT_STACK, 0), ...writeMsr(0x176, TARGET.supervisor, 0)] },
  { name: 'SYSENTER from 64-bit code at CPL 3', code: hex('0f 34'), user: true },
  { name: 'SYSENTER from 32-bit code at CPL 3', code: hex('0f 34'), user: true, bits: 32 },
  { name: 'SYSEXIT', code: [0xba, ...dword(TARGET.user), 0xb9, ...dword(0x6800), ...hex('0f 35')] },
  { name: 'SYSEXITQ', code: [0xba, ...dword(TARGET.user), 0xb9, ...dword(0x6800), ...hex('48 0f 35')] },
  privileged('SYSEXIT', '0f 35'),

  { name: 'a bad stack at CPL 0 is #DF', code: [...rsp(...NOT_CANONICAL), ...hex('0f 0b')] },
  { name: 'an absent stack at CPL 0 is #DF', code: [...rsp(0, PAGE.absent + 0x800), ...hex('0f 0b')] },
  { name: 'a stack that may not be written at CPL 0 is #DF', code: [...rsp(0, PAGE.readOnly + 0x800), ...hex('cd 81')] },
  { name: 'a stack for CPL 0 that is not canonical', code: [...rax(...NOT_CANONICAL), ...store(INNER_STACK.field)] },
  { name: 'INT 81h with that is #DF', code: [], user: true },
  { name: 'UD2 with that is #DF', code: hex('0f 0b'), user: true, bits: 32 },
  { name: 'the stack for CPL 0 back', code: [...eax(INNER_STACK.pointer), ...store(INNER_STACK.field)] },
  privileged('HLT', 'f4'), privileged('CLI', 'fa'), privileged('IN', 'e4 80'), privileged('MOV CR8', '44 0f 20 c0'), privileged('MOV CR0', '0f 20 c0'), privileged('INVLPG', '0f 01 38'),
  privileged('RDMSR', '0f 32'), privileged('WRMSR', '0f 30'), privileged('LGDT', '0f 01 10'), privileged('CLTS', '0f 06'),
  { name: 'MOV CR8', code: [...eax(7), ...hex('44 0f 22 c0 44 0f 20 c0')] },
  { name: 'MOV CR8 back', code: [...eax(0), ...hex('44 0f 22 c0')] },
  { name: 'upper half of DR7', code: [...rax(1, 0x400), ...hex('0f 23 f8')] },
  { name: 'MOV SS shadows TF', code: [...eax(SELECTOR.data), ...hex('8e d0 90')], flags: SINGLE_STEP },
  { name: 'data breakpoint', code: [...eax(PAGE.plain), ...hex('0f 23 c0'), ...eax(0x9_0001), ...hex('0f 23 f8'), ...store(PAGE.plain), 0x90] },
  { name: 'DR7 cleared', code: hex('31 c0 0f 23 f8') },
  { name: 'CMPXCHG16B of an odd address', code: [...hex('48 0f c7 0c 25'), ...dword(PAGE.plain + 8)] },
  { name: 'MOVAPS of an odd address', code: [...setCr4(CR4 | 0x600), ...hex('0f 28 04 25'), ...dword(PAGE.plain + 8)] },
  { name: 'SQRTPD with an exception unmasked', code: [...pushed(0x1f00), ...hex('0f ae 14 24 66 0f 76 c0 66 0f 73 d0 0c 66 0f 57 c9 66 0f 51 c0 f3 0f 5e c1')] },
];

/** By the manual; QEMU's TCG is lost after it or says something else. `vector` and `error` are what it ends in, `branch` whether RIP is the last instruction's. */
export const MANUAL_PIECES: readonly (LongPiece & { readonly vector: number; readonly error: number })[] = [
  { name: 'JMP to no canonical address', code: [...rax(...NOT_CANONICAL), 0xff, 0xe0], vector: 13, error: 0 },
  { name: 'CALL of no canonical address', code: [...rax(...NOT_CANONICAL), 0xff, 0xd0], vector: 13, error: 0 },
  { name: 'RET to no canonical address', code: [...rax(...NOT_CANONICAL), 0x50, 0xc3], vector: 13, error: 0 },
  { name: 'IRETQ to no canonical address', code: iret([...rax(...NOT_CANONICAL), 0x50], SELECTOR.code, 2, FLAT_STACK, SELECTOR.data), vector: 13, error: 0 },
  { name: 'SYSRETQ to no canonical address', code: [...rcx(...NOT_CANONICAL), ...hex('48 0f 07')], vector: 13, error: 0 },
  { name: 'PUSH to no canonical address at CPL 3', code: [...rsp(...NOT_CANONICAL), 0x50], user: true, vector: 12, error: 0 },
  { name: 'load beyond a short segment', code: [...loadSegment(SELECTOR.short, DS), ...load32(13)], bits: 32, vector: 13, error: 0 },
  { name: 'store through CS', code: [0x2e, ...store32(PAGE.plain)], bits: 32, vector: 13, error: 0 },
  { name: 'load through a null segment', code: [...loadSegment(0, DS), ...load32(PAGE.plain)], bits: 32, vector: 13, error: 0 },
  { name: 'upper half of CR0', code: [...rax(1, 0x8001_0031), ...hex('0f 22 c0')], vector: 13, error: 0 },
  { name: 'CR0.PG off in 64-bit code', code: [...eax(0x1_0031), ...hex('0f 22 c0')], vector: 13, error: 0 },
  { name: 'CR4.PAE off in long mode', code: setCr4(0), vector: 13, error: 0 },
  { name: 'EFER.LME off in long mode', code: writeMsr(EFER, 0xc01, 0), vector: 13, error: 0 },
  { name: 'FS base that is not canonical', code: writeMsr(FS_BASE, 0, 0x8000), vector: 13, error: 0 },
  { name: 'LSTAR that is not canonical', code: writeMsr(LSTAR, 0, 0x8000), vector: 13, error: 0 },
  { name: 'KERNEL_GS_BASE that is not canonical', code: writeMsr(KERNEL_GS_BASE, 0, 0x8000), vector: 13, error: 0 },
  { name: 'null SS with RPL 3 at CPL 0', code: loadSegment(3, SS), vector: 13, error: 0 },
  { name: 'far jump to code of both sizes', code: jumpFar(SELECTOR.both), vector: 13, error: SELECTOR.both },
  { name: 'load across the end of canonical addresses', code: [...rax(0x7fff, 0xffff_fffc), ...hex('48 8b 00')], vector: 13, error: 0 },
  { name: 'reserved bits of CR4', code: setCr4(0x8000_0020), vector: 13, error: 0 },
  { name: 'CR8 above 15', code: [...eax(16), ...hex('44 0f 22 c0')], vector: 13, error: 0 },
  {
    name: 'a table of the user\'s with SMAP, whatever AC says', code: [...eax(SELECTOR.localTable), ...hex('0f 00 d0'), ...setCr4(CR4 | CR4_SMAP), ...loadSegment(0x0c, FS)],
    flags: 0x4_0002, vector: 14, error: 1,
  },
  { name: 'SMAP off', code: [...setCr4(CR4), ...eax(0), ...hex('0f 00 d0')], vector: 0x81, error: 0 },
  { name: 'SYSCALL in 32-bit code', code: hex('0f 05'), bits: 32, user: true, vector: 6, error: 0 },
];
