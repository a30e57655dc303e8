import { createHash } from 'node:crypto';
import { CPL, FPU_CONTROL } from '../../src/emulator/cpu/state-layout.ts';
import { CPU_BLOCKS } from '../../src/emulator/cpu/memory-layout.ts';
import type { Random } from '../isa/random.ts';
import { KERNEL_STACK, type CpuRig, type RigMode } from '../support/cpu-rig.ts';
import { WINDOW } from './random-program.ts';

/** Memory that programs can change, [address, bytes] each. */
const AREAS = [[WINDOW - 0x100, 0x400], [0x16000, 0x2100], [KERNEL_STACK - 0x80, 0x80]] as const;
const NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];

/** All that a program can see of the machine, by name. */
export function stateOf(rig: CpuRig): ReadonlyMap<string, string> {
  const state = new Map<string, string>();
  NAMES.forEach((name, number) => state.set(name, rig.register(number).toString(16)));
  state.set('rip', rig.rip.toString(16));
  state.set('flags', rig.flags.toString(16));
  state.set('cpl', String(rig.getState32(CPL)));
  state.set('vectors', Buffer.from(rig.vectorState).toString('hex'));
  for (const [at, length] of AREAS) state.set(`memory ${at.toString(16)}`, Buffer.from(rig.ram(at, length)).toString('hex'));
  return state;
}

/** The same in one short string. */
export function digestOf(rig: CpuRig): string {
  const hash = createHash('md5');
  for (const value of stateOf(rig).values()) hash.update(value).update(',');
  return hash.digest('base64');
}

/** What differs, shortened to where it begins. */
export function difference(wanted: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): string[] {
  const lines: string[] = [];
  for (const [name, value] of wanted) {
    const other = found.get(name) ?? '';
    if (other === value) continue;
    let at = 0;
    if (value.length > 16) while (value[at] === other[at]) at++;
    lines.push(`${name}${at ? ` from byte ${at >> 1}` : ''}: ${value.slice(at, at + 32)} / ${other.slice(at, at + 32)}`);
  }
  return lines;
}

/** Random registers, flags, SSE registers and memory over a rig just started; the stack pointer stays. */
export function scramble(rig: CpuRig, random: Random, mode: RigMode): void {
  for (let i = 0; i < 16; i++) {
    const value = random.edge64();
    if (i !== 4) rig.setRegister(i, mode.bits === 64 ? value : i < 8 ? value & 0xffffffffn : 0n);
  }
  for (const [at, length] of AREAS) rig.load(at, random.bytes(length));
  rig.bytes.set(random.bytes(256), CPU_BLOCKS + 0x500);
  rig.view.setUint32(CPU_BLOCKS + FPU_CONTROL, 0x37f, true);
  rig.flags = 0x202 | (Number(random.next64() & 0xffffn) & 0x8d5);
}
