import { CODE_ADDRESS, WINDOW_ADDRESS, type HostCase } from './host-cpu.ts';
import { encodeForm, type TestedForm } from './encode-form.ts';
import type { Random } from './random.ts';

const ARITHMETIC_FLAGS = [0x1n, 0x4n, 0x10n, 0x40n, 0x80n, 0x800n];

/** A random, edge-biased state and instance of `form`. */
export function generateCase(form: TestedForm, random: Random): HostCase {
  const { bytes, address } = encodeForm(form, random);
  // Where a bit index is an address too, it reaches memory that only the host knows to be absent: 32-bit code of ours has no paging here.
  if (form.bits === 32 && address && form.row.operands.includes('rv') && /^BT/.test(form.row.mnemonic)) {
    const bitIndex = ((bytes[bytes.indexOf(0x0f) + 2] as number) >> 3) & 7;
    if (bitIndex === address.base || bitIndex === address.index) return generateCase(form, random);
  }
  const registers = new BigUint64Array(16);
  for (let i = 0; i < 16; i++) registers[i] = random.edge64();
  const branch = /^(JMP|CALL)$/.test(form.row.mnemonic);
  const target = BigInt(WINDOW_ADDRESS + 128 + (random.below(128) & (branch ? ~7 : ~0)));
  // Bit-string instructions reach far from their address: keep the index small.
  if (/^BT/.test(form.row.mnemonic) && form.memory) for (let i = 0; i < 16; i++) registers[i] = BigInt.asUintN(64, BigInt.asIntN(11, random.next64()) >> 1n);
  // The stack lies in the window. A nesting level of ENTER reads further down.
  if (/^(PUSH[AF]?|POP[AF]?|CALL|RET|ENTER|LEAVE)$/.test(form.row.mnemonic)) {
    registers[4] = BigInt(WINDOW_ADDRESS + 256 + random.below(64));
    registers[5] = BigInt(WINDOW_ADDRESS + 256 + random.below(64));
  }
  if (form.row.mnemonic === 'ENTER') bytes[bytes.length - 1] = random.below(4);
  if (form.row.mnemonic === 'ENTER') bytes[bytes.length - 2] = 0;
  if (address) {
    let rest = target - BigInt(address.displacement);
    if (address.index !== undefined) {
      const index = BigInt.asIntN(16, random.next64());
      registers[address.index] = BigInt.asUintN(64, index);
      rest -= index << BigInt(address.scale);
    }
    if (address.base !== undefined) registers[address.base] = BigInt.asUintN(64, rest);
    if (address.ripRelative) {
      const relative = Number(target) - (CODE_ADDRESS + bytes.length);
      const at = bytes.length - 4 - immediateBytes(form);
      for (let i = 0; i < 4; i++) bytes[at + i] = (relative >> (i * 8)) & 0xff;
    }
  }
  if (/^(MOVS|STOS|LODS|CMPS|SCAS)[B]?$/.test(form.row.mnemonic) && !form.row.operands.length) {
    registers[6] = BigInt(WINDOW_ADDRESS + 128 + random.below(128));
    registers[7] = BigInt(WINDOW_ADDRESS + 128 + random.below(128));
    registers[1] = BigInt(random.below(12));
    if (random.below(2)) bytes.unshift(random.pick([0xf3, 0xf2]));
  }
  if (form.row.mnemonic === 'MASKMOVDQU') registers[7] = BigInt(WINDOW_ADDRESS + 128 + random.below(128));
  if (form.row.mnemonic === 'XLATB') registers[3] = BigInt(WINDOW_ADDRESS + 64);
  if (/^(JMP|CALL)$/.test(form.row.mnemonic) && form.row.encoding.startsWith('FF') && !form.memory) {
    for (let i = 0; i < 16; i++) registers[i] = BigInt(i === 4 ? WINDOW_ADDRESS + 256 : CODE_ADDRESS + random.below(256) + 64);
  }
  if (form.bits === 32) for (let i = 0; i < 16; i++) registers[i] = (registers[i] as bigint) & 0xffffffffn;
  if (form.bits === 32) for (let i = 8; i < 16; i++) registers[i] = 0n;
  let rflags = 0x202n;
  for (const flag of ARITHMETIC_FLAGS) if (random.below(2)) rflags |= flag;
  if (/^(MOVS|STOS|LODS|CMPS|SCAS)/.test(form.row.mnemonic) && random.below(2)) rflags |= 0x400n;
  const window = random.bytes(512);
  for (let i = 0; i < 512; i += 8) {
    if (random.below(2)) new DataView(window.buffer).setBigUint64(i, random.edge64(), true);
  }
  if (/^(JMP|CALL|RET)$/.test(form.row.mnemonic)) {
    for (let i = 0; i < 504; i++) if (i % 8 === 0) new DataView(window.buffer).setBigUint64(i, BigInt(CODE_ADDRESS + 64 + random.below(256)), true);
    if (form.memory || form.row.mnemonic === 'RET') alignTargets(registers, address, form);
  }
  const fx = randomFx(random);
  // Elements of random strings are hardly ever the same.
  if (/^PCMP[EI]STR/.test(form.row.mnemonic) && random.below(4)) {
    const letters = [0, 1, 2, 0xff, 0x7f, 0x80].slice(random.below(2), 2 + random.below(5));
    for (const part of [window, fx.subarray(160, 416)]) for (let i = 0; i < part.length; i++) part[i] = random.pick(random.below(8) ? letters.slice(1) : letters);
  }
  return { code: Uint8Array.from(bytes), bits: form.bits, registers, rflags, fx, window };
}

/** Branch targets in the window lie on 8-byte steps: move the operand's address there. */
function alignTargets(registers: BigUint64Array, address: ReturnType<typeof encodeForm>['address'], form: TestedForm): void {
  if (form.row.mnemonic === 'RET') registers[4] = (registers[4] as bigint) & ~7n;
  if (address?.base !== undefined) {
    const scaled = address.index === undefined ? 0n : BigInt.asIntN(64, registers[address.index] as bigint) << BigInt(address.scale);
    const effective = (registers[address.base] as bigint) + scaled + BigInt(address.displacement);
    registers[address.base] = BigInt.asUintN(64, (registers[address.base] as bigint) - (effective & 7n));
  }
}

function immediateBytes(form: TestedForm): number {
  let count = 0;
  for (const operand of form.row.operands) {
    if (operand === 'imm8' || operand === 'imm8s') count += 1;
    else if (operand === 'imm16') count += 2;
    else if (operand === 'immz') count += form.width === 16 ? 2 : 4;
  }
  return count;
}

const SINGLES = [0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffc12345, 0x00000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x4effffff];
const DOUBLES = [0x0n, 0x8000000000000000n, 0x3ff0000000000000n, 0xbff0000000000000n, 0x7ff0000000000000n, 0xfff0000000000000n, 0x7ff8000000000000n, 0x7ff0000000000001n, 0x1n, 0x000fffffffffffffn, 0x0010000000000000n, 0x7fefffffffffffffn, 0x43e0000000000000n, 0xc3e0000000000000n, 0x41dfffffffc00000n];

/** An FXSAVE image: control words with exceptions masked, register contents of every class. */
function randomFx(random: Random): Uint8Array {
  const fx = random.bytes(512);
  const view = new DataView(fx.buffer);
  fx.fill(0, 416);
  view.setUint16(0, 0x007f | random.pick([0, 0x200, 0x300, 0x300]) | (random.below(4) << 10), true);
  const top = random.below(8);
  view.setUint16(2, top << 11, true);
  fx[4] = random.pick([0xff, 0xff, 0xff, random.below(256)]);
  fx[5] = 0;
  fx.fill(0, 6, 24);
  view.setUint32(24, 0x1f80 | (random.below(4) === 0 ? random.below(4) << 13 : 0) | (random.below(6) === 0 ? 0x8040 : 0) | random.pick([0, 0x20, 0x20, 0x3f, random.below(64)]), true);
  view.setUint32(28, 0xffff, true);
  for (let i = 0; i < 8; i++) {
    const at = 32 + i * 16;
    const kind = random.below(8);
    if (kind === 0) view.setUint16(at + 8, random.pick([0, 0x8000, 0x7fff, 0xffff, 0x3fff, 1]), true);
    else if (kind < 4) {
      view.setUint16(at + 8, (0x3fff - 40 + random.below(80)) | (random.below(2) << 15), true);
      fx[at + 7] = (fx[at + 7] as number) | 0x80;
    }
    if (kind === 5) view.setBigUint64(at, random.pick([0n, 0x8000000000000000n, 0xc000000000000000n, 0x8000000000000001n]), true);
    if (kind > 5) {
      // About halfway between two doubles, and now and then at the end of their range.
      const isLargest = random.below(4) === 0;
      const fraction = isLargest ? 0xfffffffffffff800n : (view.getBigUint64(at, true) & ~0x7ffn) | 0x8000000000000000n;
      view.setBigUint64(at, fraction | random.pick([0n, 1n, 0x3ffn, 0x400n, 0x401n, 0x7ffn]), true);
      view.setUint16(at + 8, (isLargest ? random.pick([0x43fd, 0x43fe, 0x43ff]) : 0x3c01 + random.below(2046)) | (random.below(2) << 15), true);
    }
    fx.fill(0, at + 10, at + 16);
  }
  for (let i = 0; i < 16; i++) {
    const at = 160 + i * 16;
    const kind = random.below(5);
    for (let lane = 0; lane < 4 && kind === 1; lane++) view.setUint32(at + lane * 4, random.below(3) ? random.pick(SINGLES) : Number(random.next64() & 0xffffffffn), true);
    for (let lane = 0; lane < 2 && kind === 2; lane++) view.setBigUint64(at + lane * 8, random.below(3) ? random.pick(DOUBLES) : random.next64(), true);
    for (let lane = 0; lane < 4 && kind === 3; lane++) view.setFloat32(at + lane * 4, (random.below(2000) - 1000) / random.pick([1, 2, 3, 7, 1000]), true);
    for (let lane = 0; lane < 2 && kind === 4; lane++) view.setFloat64(at + lane * 8, (random.below(2000) - 1000) / random.pick([1, 2, 3, 7, 1000]), true);
  }
  return fx;
}
