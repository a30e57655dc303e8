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
      found.push(`memory +${i} ${hex(BigInt(host.window[i] as number))} / ${hex(BigInt(ours.window[i] as number))}`);
      break;
    }
  }
  // FCW, FSW, tag, then MXCSR, ST0–7 and XMM0–15. FOP, FIP and FDP are not compared.
  for (let i = 0; i < 416; i++) {
    if ((i >= 5 && i < 24) || (i >= 28 && i < 32)) continue;
    if (i >= 32 && i < 160 && (i - 32) % 16 >= 10) continue;
    if (one.bits === 32 && i >= 288) break;
    if (host.fx[i] !== ours.fx[i]) {
      found.push(`fx[${i}] ${hex(BigInt(host.fx[i] as number))} / ${hex(BigInt(ours.fx[i] as number))}`);
      break;
    }
  }
  return found;
}
