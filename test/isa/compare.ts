import type { HostCase, HostOutcome } from './host-cpu.ts';
import type { TestedForm } from './encode-form.ts';

const FLAG_BITS: Readonly<Record<string, bigint>> = { c: 1n, p: 4n, a: 0x10n, z: 0x40n, s: 0x80n, o: 0x800n };
const ARITHMETIC = 0x8d5n;
const NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];

/** Flags whose value the manual leaves open after this instance. */
function undefinedFlags(form: TestedForm, one: HostCase): bigint {
  let mask = 0n;
  for (const letter of form.row.flags?.undefined ?? '') mask |= FLAG_BITS[letter] ?? 0n;
  const name = form.row.mnemonic;
  const count = shiftCount(form, one);
  if (count !== undefined) {
    // OF is defined for counts of 1 only; CF of SHL and SHR only up to the width.
    if (count !== 1) mask |= 0x800n;
    if (/^(SHL|SHR)$/.test(name) && count >= form.width) mask |= 1n;
    if (/^(SHLD|SHRD)$/.test(name) && count > form.width) mask |= ARITHMETIC;
    if (count === 0) mask = 0n;
    if (/^(ROL|ROR)$/.test(name) && count !== 1 && count !== 0) mask |= 0x800n;
  }
  return mask;
}

/** The masked count of a shift or rotate, `undefined` for other instructions. */
export function shiftCount(form: TestedForm, one: HostCase): number | undefined {
  const { operands, mnemonic } = form.row;
  if (!/^(SHL|SHR|SAR|ROL|ROR|RCL|RCR|SHLD|SHRD)$/.test(mnemonic)) return undefined;
  const mask = form.width === 64 ? 63 : 31;
  if (operands.includes('CL')) return Number((one.registers[1] as bigint) & 0xffn) & mask;
  if (operands.includes('1')) return 1;
  return (one.code.at(-1) as number) & mask;
}

/** What differs between the host's outcome and ours; empty where nothing does that the manual defines. */
export function differences(form: TestedForm, one: HostCase, host: HostOutcome, ours: HostOutcome): string[] {
  const found: string[] = [];
  const hex = (value: bigint): string => value.toString(16);
  // The host's breakpoint: RIP points behind INT3.
  const hostRip = host.trap === 3 ? host.rip - 1n : host.rip;
  // Bit 17 of MXCSR is AMD's alone.
  if (/^(LDMXCSR|FXRSTOR)$/.test(form.row.mnemonic) && host.trap === 3 && ours.trap === 13) return found;
  // Whether operands of 16 bytes that need not be aligned are checked nevertheless is the processor's affair (SDM 2B, MOVDQU); here they aren't.
  if (host.trap === 17 && ours.trap === 3 && form.memory && /Xmm|xmm/.test(form.row.operands.join())) return found;
  // Misaligned, these are #GP or #AC as the processor likes (SDM 2A, FXSAVE).
  if (/^FX(SAVE|RSTOR)/.test(form.row.mnemonic) && [13, 17].includes(host.trap) && [13, 17].includes(ours.trap)) return found;
  if (host.trap !== ours.trap) {
    found.push(`trap ${host.trap} / ${ours.trap}`);
    return found;
  }
  if (hostRip !== ours.rip && host.trap === 3) found.push(`rip ${hex(hostRip)} / ${hex(ours.rip)}`);
  const count = shiftCount(form, one);
  // SHLD and SHRD leave the result open where the count exceeds the width.
  if (count !== undefined && count > form.width && /^SH[LR]D$/.test(form.row.mnemonic)) return found;
  const registers = one.bits === 64 ? 16 : 8;
  for (let i = 0; i < registers; i++) {
    let [theirs, mine] = [host.registers[i] as bigint, ours.registers[i] as bigint];
    if (one.bits === 32) [theirs, mine] = [theirs & 0xffffffffn, mine & 0xffffffffn];
    if (theirs !== mine) found.push(`${NAMES[i]} ${hex(theirs)} / ${hex(mine)}`);
  }
  if (host.trap === 3) {
    const mask = (ARITHMETIC | 0x400n) & ~undefinedFlags(form, one);
    if ((host.rflags & mask) !== (ours.rflags & mask)) found.push(`flags ${hex(host.rflags & mask)} / ${hex(ours.rflags & mask)}`);
  }
  for (let i = 0; i < host.window.length; i++) {
    if (host.window[i] !== ours.window[i]) {
      // The same bit in the mask that FXSAVE writes.
      if (form.row.mnemonic === 'FXSAVE' && host.window[i] === 2 && ours.window[i] === 0 && host.window[i - 1] === 0xff && host.window[i - 2] === 0xff) continue;
      found.push(`memory +${i} ${hex(BigInt(host.window[i] as number))} / ${hex(BigInt(ours.window[i] as number))}`);
      break;
    }
  }
  // Some processors have turned to MMX state before they find the operand misaligned.
  if (host.trap === 17 && /\bmm\b/.test(form.row.operands.join())) return found;
  const difference = fxDifference(form, one, tolerated(form, host.fx, ours.fx), ours.fx);
  if (difference !== undefined) found.push(`fx[${difference}] ${hex(BigInt(host.fx[difference] as number))} / ${hex(BigInt(ours.fx[difference] as number))}`);
  return found;
}

/** FCW, FSW, tag, then MXCSR, ST0–7 and XMM0–15. FOP, FIP and FDP are not compared. */
function fxDifference(form: TestedForm, one: HostCase, host: Uint8Array, ours: Uint8Array): number | undefined {
  // The manual has CVTPI2PS turn to MMX state for operands in memory too; AMD's processors don't.
  const x87Open = form.row.mnemonic === 'CVTPI2PS' && form.memory;
  for (let i = x87Open ? 24 : 0; i < 416; i++) {
    if ((i >= 5 && i < 24) || (i >= 28 && i < 32)) continue;
    if (i >= 32 && i < 160 && (x87Open || (i - 32) % 16 >= 10)) continue;
    if (one.bits === 32 && i >= 288) break;
    if (host[i] !== ours[i]) return i;
  }
  return undefined;
}

/** The host's state with ours put in wherever the manual allows the difference. */
function tolerated(form: TestedForm, host: Uint8Array, ours: Uint8Array): Uint8Array {
  const name = form.row.mnemonic;
  const result = Uint8Array.from(host);
  const theirs = new DataView(result.buffer);
  const mine = new DataView(ours.buffer, ours.byteOffset);
  if (/^(F2XM1|FYL2X|FYL2XP1|FPATAN|FPTAN|FSIN|FCOS|FSINCOS)$/.test(name)) {
    // Accurate to 1 ulp: SDM 1 §8.3.10. With the last bit PE and C1 are open.
    const open = 0x220;
    theirs.setUint16(2, (theirs.getUint16(2, true) & ~open) | (mine.getUint16(2, true) & open), true);
    for (const at of [32, 48]) {
      const value = (view: DataView): bigint => (BigInt(view.getUint16(at + 8, true) & 0x7fff) << 63n) + BigInt.asUintN(63, view.getBigUint64(at, true));
      const distance = value(theirs) - value(mine);
      if (distance >= -1n && distance <= 1n && ((theirs.getUint16(at + 8, true) ^ mine.getUint16(at + 8, true)) & 0x8000) === 0) result.set(ours.subarray(at, at + 10), at);
    }
  }
  // The manual has these clear C1; AMD's processors leave it.
  if (/^FU?COMIP?$/.test(name)) theirs.setUint16(2, (theirs.getUint16(2, true) & ~0x200) | (mine.getUint16(2, true) & 0x200), true);
  if (/^DPP[SD]$/.test(name)) {
    // Which of several NaNs comes out depends on the order of additions, which on some processors isn't the same in every lane.
    const double = name === 'DPPD';
    for (let at = 160; at < 416; at += double ? 8 : 4) {
      const [a, b] = double ? [theirs.getFloat64(at, true), mine.getFloat64(at, true)] : [theirs.getFloat32(at, true), mine.getFloat32(at, true)];
      if (Number.isNaN(a) && Number.isNaN(b)) result.set(ours.subarray(at, at + (double ? 8 : 4)), at);
    }
  }
  if (/^R(CP|SQRT)[PS]S$/.test(name)) {
    // Both within 1.5 × 2^-12 of the exact value.
    for (let at = 160; at < 416; at += 4) {
      const [a, b] = [theirs.getFloat32(at, true), mine.getFloat32(at, true)];
      if (Math.abs(a - b) <= Math.abs(a) * 3 * 2 ** -12) result.set(ours.subarray(at, at + 4), at);
    }
  }
  return result;
}
