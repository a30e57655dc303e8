import { and, eqz, extendU, i32, i64, load, ltS, ltU, ne, or, shrU, signExtend, sub, wrap, type Expr } from '../../wasm/expression.ts';
import type { Emitter } from './emitter.ts';
import { row, type InstructionRow } from './row.ts';
import { raiseIfX87Error } from './x87-error.ts';
import { CR0, EFLAGS_REST, GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, LDTR, SEGMENT_SELECTOR, SEGMENTS, TR } from '../state-layout.ts';

const SYSTEM = { rare: true, ends: true, notInUserMode: 'privileged or system state' } as const;
const SEGMENT = { rare: true, ends: true, notInUserMode: 'segment registers' } as const;
const bytesOf = (e: Emitter): Expr => i32(e.width / 8);

/** String instructions take REP from the record; the prefix is in the opcode notation of the decoder. */
const STRINGS: readonly (readonly [name: string, opcode: string, kind: number, flags: string])[] = [
  ['MOVS', 'A4', 0, ''], ['CMPS', 'A6', 3, 'oszapc'], ['STOS', 'AA', 1, ''], ['LODS', 'AC', 2, ''], ['SCAS', 'AE', 4, 'oszapc'], ['INS', '6C', 5, ''], ['OUTS', '6E', 6, ''],
];

function stringRows(): InstructionRow[] {
  return STRINGS.flatMap(([name, opcode, kind, written]) => {
    const wide = (Number.parseInt(opcode, 16) + 1).toString(16).toUpperCase().padStart(2, '0');
    const port = kind >= 5;
    const options = { flags: { written }, ends: true, rare: true, ...(port ? { notInUserMode: 'port I/O' } : {}) };
    const emit = (e: Emitter): void => {
      const flags = e.stringPrefixes();
      e.finish('stringOperation', [e.record(), i32(kind), bytesOf(e), flags.addressBytes, flags.repeat]);
    };
    return [row(`${name}B`, opcode, { ...options, widths: [8] }, emit), row(name, wide, { ...options, widths: port ? [16, 32] : [16, 32, 64] }, emit)];
  });
}

function segmentStackRows(): InstructionRow[] {
  const push = (segment: number) => (e: Emitter): void => {
    const selector = and(e.state('i32', 'u32', SEGMENTS + segment * 32 + SEGMENT_SELECTOR), i32(0xffff));
    e.push(e.type === 'i64' ? extendU(selector) : selector);
  };
  const pop = (segment: number) => (e: Emitter): void => {
    const value = e.pop();
    e.loadSegmentThen(i32(segment), e.body.let(and(wrap(value), i32(0xffff))), () => e.commitPop());
  };
  const names = ['ES', 'CS', 'SS', 'DS'];
  const old = [0, 1, 2, 3].flatMap((segment) => {
    const options = { ...SEGMENT, modes: 'no64', widths: [16, 32] } as const;
    const opcode = (n: number): string => n.toString(16).padStart(2, '0').toUpperCase();
    const rows = [row(`PUSH_${names[segment]}`, opcode(6 + segment * 8), { ...options, ends: false }, push(segment))];
    if (segment !== 1) rows.push(row(`POP_${names[segment]}`, opcode(7 + segment * 8), options, pop(segment)));
    return rows;
  });
  const options = { ...SEGMENT, in64: 'd64', widths: [16, 32, 64] } as const;
  return [
    ...old,
    row('PUSH_FS', '0F A0', { ...options, ends: false }, push(4)),
    row('POP_FS', '0F A1', options, pop(4)),
    row('PUSH_GS', '0F A8', { ...options, ends: false }, push(5)),
    row('POP_GS', '0F A9', options, pop(5)),
  ];
}

/** SGDT and SIDT: limit, then base, 8 bytes of it in 64-bit mode. */
function storeTable(baseField: number, limitField: number) {
  return (e: Emitter): void => {
    const { body } = e;
    const bytes = e.width === 64 ? 10 : 6;
    const pointer = e.pointer(0, bytes, 'write', { alignment: 4 });
    body.store(16, pointer, e.state('i32', 'u32', limitField));
    const base = e.state('i64', 'u64', baseField);
    if (e.width === 64) body.store(64, pointer, base, 2);
    else body.store(32, pointer, wrap(base), 2);
    e.commit(pointer);
  };
}
function loadTable(which: number) {
  return (e: Emitter): void => {
    const { body } = e;
    e.callOrFault('privileged', [], 0);
    const pointer = e.pointer(0, e.width === 64 ? 10 : 6, 'read');
    const limit = body.let(load('i32', 'u16', pointer));
    const base = e.width === 64 ? load('i64', 'u64', pointer, 2) : load('i64', 'u32', pointer, 2);
    e.finish('loadDescriptorTable', [i32(which), e.width === 16 ? and(base, i64(0xffffffn)) : base, limit]);
  };
}

/** Stores a 16-bit system register: whole register zero-extended, memory 16 bits. */
function storeWord(value: (e: Emitter) => Expr) {
  return (e: Emitter): void => {
    const word = e.body.let(value(e));
    if (e.registerForm) {
      e.write(0, e.type === 'i64' ? extendU(word) : word);
      return;
    }
    const pointer = e.pointer(0, 2, 'write');
    e.body.store(16, pointer, word);
    e.commit(pointer);
  };
}
const selectorOf = (segment: number) => (e: Emitter): Expr => and(e.state('i32', 'u32', segment + SEGMENT_SELECTOR), i32(0xffff));

/** LAR and LSL: ZF tells whether the selector was good. */
function descriptorQuery(name: 'lar' | 'lsl') {
  return (e: Emitter): void => {
    e.raiseIfRealMode();
    const found = e.callOrFault(name, [e.read(1)], -2);
    const good = e.body.let(ne(found, i64(-1n)));
    e.body.if(good, () => e.write(0, e.type === 'i64' ? found : wrap(found)));
    e.setZero(good);
  };
}

/** Far pointer in memory: offset, then selector. */
function farPointer(e: Emitter): { offset: Expr; selector: Expr } {
  const bytes = e.width / 8;
  const pointer = e.pointer(0, bytes + 2, 'read', { alignment: bytes });
  return { offset: e.body.let(extendU(e.loadAt(pointer))), selector: e.body.let(load('i32', 'u16', pointer, bytes)) };
}

const PORTS = { ends: true, notInUserMode: 'port I/O' } as const;
function inputs(): InstructionRow[] {
  const read = (port: (e: Emitter) => Expr) => (e: Emitter): void => e.finish('portIn', [port(e), bytesOf(e)]);
  const write = (port: (e: Emitter) => Expr) => (e: Emitter): void => e.finish('portOut', [port(e), bytesOf(e), e.register(0)]);
  const immediate = (index: number) => (e: Emitter): Expr => e.body.let(and(e.immediate(index), i32(0xff)));
  const dx = (e: Emitter): Expr => e.register(2, 16);
  const wide = { ...PORTS, widths: [16, 32] } as const;
  return [
    row('IN AL, imm8', 'E4', PORTS, read(immediate(1))),
    row('IN rAX, imm8', 'E5', wide, read(immediate(1))),
    row('OUT imm8, AL', 'E6', { ...PORTS, widths: [8] }, write(immediate(0))),
    row('OUT imm8, rAX', 'E7', wide, write(immediate(0))),
    row('IN AL, DX', 'EC', PORTS, read(dx)),
    row('IN rAX, DX', 'ED', wide, read(dx)),
    row('OUT DX, AL', 'EE', { ...PORTS, widths: [8] }, write(dx)),
    row('OUT DX, rAX', 'EF', wide, write(dx)),
  ];
}

const ALL_WIDTHS = { widths: [16, 32, 64] } as const;

export const systemRows: readonly InstructionRow[] = [
  ...stringRows(),
  ...segmentStackRows(),
  ...inputs(),
  row('PUSHA', '60', { rare: true, ends: true, modes: 'no64', widths: [16, 32] }, (e) => e.finish('pusha', [bytesOf(e)])),
  row('POPA', '61', { rare: true, ends: true, modes: 'no64', widths: [16, 32] }, (e) => e.finish('popa', [bytesOf(e)])),
  row('BOUND rv, m', '62 /r', { rare: true, modes: 'no64', widths: [16, 32] }, (e) => {
    const index = e.read(0);
    const bytes = e.width / 8;
    const pointer = e.pointer(1, bytes * 2, 'read', { alignment: bytes });
    const signed = (value: Expr): Expr => (e.width === 16 ? signExtend(value, 16) : value);
    const lower = load('i32', e.width === 16 ? 's16' : 's32', pointer);
    const upper = load('i32', e.width === 16 ? 's16' : 's32', pointer, bytes);
    e.raiseIf(or(ltS(signed(index), lower), ltS(upper, signed(index))), 5);
  }),
  row('ARPL r/mw, rw', '63 /r', { rare: true, modes: 'no64', flags: { written: 'z' }, notInUserMode: 'protected mode only' }, (e) => {
    e.raiseIfRealMode();
    const { body } = e;
    const destination = e.modify(0);
    const source = e.read(1);
    const lower = body.let(ltU(and(destination, i32(3)), and(source, i32(3))));
    body.if(lower, () => e.write(0, or(and(destination, i32(0xfffc)), and(source, i32(3)))), () => e.write(0, destination));
    e.setZero(lower);
  }),
  row('ENTER imm16, imm8', 'C8', { rare: true, ends: true, in64: 'd64', ...ALL_WIDTHS }, (e) => {
    const immediate = e.immediate(0);
    e.finish('enter', [bytesOf(e), and(immediate, i32(0xffff)), and(shrU(immediate, i32(16)), i32(0xff))]);
  }),
  row('PUSHF', '9C', { in64: 'd64', flags: { read: 'oszapc' }, ...ALL_WIDTHS }, (e) => {
    const flags = e.callOrFault('pushFlagsValue', [], -1);
    e.push(e.type === 'i64' ? flags : wrap(flags));
  }),
  row('POPF', '9D', { ends: true, in64: 'd64', flags: { written: 'oszapc' }, ...ALL_WIDTHS, notInUserMode: 'system flags differ' }, (e) => {
    const value = e.pop();
    // popFlags faults only in vm86, before anything changes; then the stack pointer must not have moved.
    e.callOrFault('popFlagsAllowed', [], 0);
    e.commitPop();
    e.finish('popFlags', [extendU(value), bytesOf(e)]);
  }),

  row('JMP ptr', 'EA', { ...SYSTEM, modes: 'no64', widths: [16, 32] }, (e) => e.finish('farJump', [e.farSelector(), e.farOffset(), bytesOf(e)])),
  row('CALL ptr', '9A', { ...SYSTEM, modes: 'no64', widths: [16, 32] }, (e) => e.finish('farCall', [e.farSelector(), e.farOffset(), bytesOf(e)])),
  row('JMP_FAR m', 'FF /5', { ...SYSTEM, ...ALL_WIDTHS }, (e) => {
    const { offset, selector } = farPointer(e);
    e.finish('farJump', [selector, offset, bytesOf(e)]);
  }),
  row('CALL_FAR m', 'FF /3', { ...SYSTEM, ...ALL_WIDTHS }, (e) => {
    const { offset, selector } = farPointer(e);
    e.finish('farCall', [selector, offset, bytesOf(e)]);
  }),
  row('RETF imm16', 'CA', { ...SYSTEM, ...ALL_WIDTHS }, (e) => e.finish('farReturn', [bytesOf(e), and(e.immediate(0), i32(0xffff))])),
  row('RETF', 'CB', { ...SYSTEM, ...ALL_WIDTHS }, (e) => e.finish('farReturn', [bytesOf(e), i32(0)])),
  row('IRET', 'CF', { ...SYSTEM, ...ALL_WIDTHS }, (e) => e.finish('iret', [bytesOf(e)])),
  row('INT3', 'CC', SYSTEM, (e) => e.finish('softwareInterrupt', [i32(3), i32(1)])),
  row('INT imm8', 'CD', SYSTEM, (e) => e.finish('softwareInterrupt', [and(e.immediate(0), i32(0xff)), i32(0)])),
  row('INTO', 'CE', { ...SYSTEM, modes: 'no64', flags: { read: 'o' } }, (e) => {
    e.body.if(eqz(e.flag('of')), () => e.done());
    e.finish('softwareInterrupt', [i32(4), i32(2)]);
  }),
  row('INT1', 'F1', SYSTEM, (e) => e.finish('softwareInterrupt', [i32(1), i32(3)])),
  row('UD2', '0F 0B', SYSTEM, (e) => e.raise(6)),
  row('UD1 rv, r/mv', '0F B9 /r', { ...SYSTEM }, (e) => e.raise(6)),

  row('HLT', 'F4', SYSTEM, (e) => e.finish('hlt', [])),
  row('CMC', 'F5', { flags: { written: 'c', read: 'c' } }, (e) => e.setCarry(eqz(e.flag('cf')))),
  row('CLC', 'F8', { flags: { written: 'c' } }, (e) => e.setCarry(i32(0))),
  row('STC', 'F9', { flags: { written: 'c' } }, (e) => e.setCarry(i32(1))),
  row('CLI', 'FA', SYSTEM, (e) => e.finish('cli', [])),
  row('STI', 'FB', SYSTEM, (e) => e.finish('sti', [])),
  row('CLD', 'FC', {}, (e) => e.setState(32, EFLAGS_REST, and(e.state('i32', 'u32', EFLAGS_REST), i32(~0x400)))),
  row('STD', 'FD', {}, (e) => e.setState(32, EFLAGS_REST, or(e.state('i32', 'u32', EFLAGS_REST), i32(0x400)))),
  row('SALC', 'D6', { modes: 'no64', flags: { read: 'c' } }, (e) => e.setRegister(0, sub(i32(0), e.flag('cf')), 8)),
  row('FWAIT', '9B', { rare: true }, (e) => {
    e.raiseIfWaitTrapped();
    raiseIfX87Error(e);
  }),

  row('SLDT r/mv', '0F 00 /0', SYSTEM, (e) => { e.raiseIfRealMode(); storeWord(selectorOf(LDTR))(e); }),
  row('STR r/mv', '0F 00 /1', SYSTEM, (e) => { e.raiseIfRealMode(); storeWord(selectorOf(TR))(e); }),
  row('LLDT r/mw', '0F 00 /2', SYSTEM, (e) => { e.raiseIfRealMode(); e.callOrFault('privileged', [], 0); e.finish('lldt', [e.read(0)]); }),
  row('LTR r/mw', '0F 00 /3', SYSTEM, (e) => { e.raiseIfRealMode(); e.callOrFault('privileged', [], 0); e.finish('ltr', [e.read(0)]); }),
  row('VERR r/mw', '0F 00 /4', { ...SYSTEM, flags: { written: 'z' } }, (e) => { e.raiseIfRealMode(); e.setZero(ne(e.callOrFault('verr', [e.read(0)], -1), i32(0))); }),
  row('VERW r/mw', '0F 00 /5', { ...SYSTEM, flags: { written: 'z' } }, (e) => { e.raiseIfRealMode(); e.setZero(ne(e.callOrFault('verw', [e.read(0)], -1), i32(0))); }),
  row('SGDT m', '0F 01 /0', { ...SYSTEM, in64: 'f64', ...ALL_WIDTHS }, storeTable(GDTR_BASE, GDTR_LIMIT)),
  row('SIDT m', '0F 01 /1', { ...SYSTEM, in64: 'f64', ...ALL_WIDTHS }, storeTable(IDTR_BASE, IDTR_LIMIT)),
  row('LGDT m', '0F 01 /2', { ...SYSTEM, in64: 'f64', ...ALL_WIDTHS }, loadTable(0)),
  row('LIDT m', '0F 01 /3', { ...SYSTEM, in64: 'f64', ...ALL_WIDTHS }, loadTable(1)),
  row('SMSW r/mv', '0F 01 /4', SYSTEM, (e) => {
    const cr0 = e.state('i64', 'u64', CR0);
    if (e.registerForm) return e.write(0, e.type === 'i64' ? cr0 : wrap(cr0));
    const pointer = e.pointer(0, 2, 'write');
    e.body.store(16, pointer, wrap(cr0));
    e.commit(pointer);
  }),
  row('LMSW r/mw', '0F 01 /6', SYSTEM, (e) => { e.callOrFault('privileged', [], 0); e.finish('lmsw', [e.read(0)]); }),
  row('INVLPG m', '0F 01 /7', SYSTEM, (e) => { e.callOrFault('privileged', [], 0); e.finish('invlpg', [e.linear(0)]); }),
  row('SWAPGS', '0F 01 F8', { ...SYSTEM, modes: 'only64' }, (e) => e.finish('swapgs', [])),
  row('RDTSCP', '0F 01 F9', { ...SYSTEM, feature: 'RDTSCP' }, (e) => e.finish('rdtsc', [i32(1)])),
  row('MONITOR', '0F 01 C8', SYSTEM, (e) => { e.callOrFault('privileged', [], 0); }),
  row('MWAIT', '0F 01 C9', SYSTEM, (e) => e.finish('hlt', [])),
  row('CLAC', '0F 01 CA', { ...SYSTEM, feature: 'SMAP' }, (e) => e.finish('clac', [])),
  row('STAC', '0F 01 CB', { ...SYSTEM, feature: 'SMAP' }, (e) => e.finish('stac', [])),
  row('LAR rv, r/mw', '0F 02 /r', { ...SYSTEM, flags: { written: 'z' } }, descriptorQuery('lar')),
  row('LSL rv, r/mw', '0F 03 /r', { ...SYSTEM, flags: { written: 'z' } }, descriptorQuery('lsl')),
  row('SYSCALL', '0F 05', { ...SYSTEM, modes: 'only64' }, (e) => e.finish('syscall', [])),
  row('CLTS', '0F 06', SYSTEM, (e) => e.finish('clts', [])),
  row('SYSRET', '0F 07', { ...SYSTEM, modes: 'only64', widths: [32, 64] }, (e) => e.finish('sysret', [bytesOf(e)])),
  row('INVD', '0F 08', SYSTEM, (e) => { e.callOrFault('privileged', [], 0); }),
  row('WBINVD', '0F 09', SYSTEM, (e) => { e.callOrFault('privileged', [], 0); }),
  row('MOV Rq, CR', '0F 20 /r', { ...SYSTEM, ends: false, modes: 'only64' }, (e) => { e.callOrFault('privileged', [], 0); e.write(0, e.call('readControl', [e.registerNumber(1)]) as Expr); }),
  row('MOV Rd, CR', '0F 20 /r', { ...SYSTEM, ends: false, modes: 'no64' }, (e) => { e.callOrFault('privileged', [], 0); e.write(0, wrap(e.call('readControl', [e.registerNumber(1)]) as Expr)); }),
  row('MOV CR, Rq', '0F 22 /r', { ...SYSTEM, modes: 'only64' }, (e) => { e.callOrFault('privileged', [], 0); e.finish('movToControl', [e.registerNumber(0), e.read(1)]); }),
  row('MOV CR, Rd', '0F 22 /r', { ...SYSTEM, modes: 'no64' }, (e) => { e.callOrFault('privileged', [], 0); e.finish('movToControl', [e.registerNumber(0), extendU(e.read(1))]); }),
  row('MOV Rq, DR', '0F 21 /r', { ...SYSTEM, ends: false, modes: 'only64' }, (e) => { e.callOrFault('privileged', [], 0); e.callOrFault('debugAccessible', [e.registerNumber(1)], 0); e.write(0, e.call('readDebug', [e.registerNumber(1)]) as Expr); }),
  row('MOV Rd, DR', '0F 21 /r', { ...SYSTEM, ends: false, modes: 'no64' }, (e) => { e.callOrFault('privileged', [], 0); e.callOrFault('debugAccessible', [e.registerNumber(1)], 0); e.write(0, wrap(e.call('readDebug', [e.registerNumber(1)]) as Expr)); }),
  row('MOV DR, Rq', '0F 23 /r', { ...SYSTEM, modes: 'only64' }, (e) => { e.callOrFault('privileged', [], 0); e.finish('movToDebug', [e.registerNumber(0), e.read(1)]); }),
  row('MOV DR, Rd', '0F 23 /r', { ...SYSTEM, modes: 'no64' }, (e) => { e.callOrFault('privileged', [], 0); e.finish('movToDebug', [e.registerNumber(0), extendU(e.read(1))]); }),
  row('WRMSR', '0F 30', SYSTEM, (e) => e.finish('wrmsr', [])),
  row('RDTSC', '0F 31', SYSTEM, (e) => e.finish('rdtsc', [i32(0)])),
  row('RDMSR', '0F 32', SYSTEM, (e) => e.finish('rdmsr', [])),
  row('RDPMC', '0F 33', SYSTEM, (e) => e.finish('rdpmc', [])),
  row('SYSENTER', '0F 34', SYSTEM, (e) => e.finish('sysenter', [])),
  row('SYSEXIT', '0F 35', { ...SYSTEM, widths: [32, 64] }, (e) => e.finish('sysexit', [bytesOf(e)])),
  row('CPUID', '0F A2', SYSTEM, (e) => e.finish('cpuidInstruction', [])),
];
