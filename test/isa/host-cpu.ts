import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { arch, platform } from 'node:os';
import path from 'node:path';

/** Addresses and sizes of host-runner.c. */
export const CODE_ADDRESS = 0x10000800;
export const CODE_PAGE = 0x10000000;
export const DATA_PAGE = 0x20000000;
export const WINDOW_ADDRESS = 0x20000f00;
export const WINDOW_BYTES = 512;
const CASE_BYTES = 16 + 8 + 17 * 8 + 512 + WINDOW_BYTES;
const OUTCOME_BYTES = 8 + 16 + 18 * 8 + 512 + WINDOW_BYTES;

export interface MachineState {
  /** RAX RCX RDX RBX RSP RBP RSI RDI R8 … R15 */
  readonly registers: BigUint64Array;
  rflags: bigint;
  /** FXSAVE image, 64-bit layout. */
  readonly fx: Uint8Array;
  /** Memory at WINDOW_ADDRESS. */
  readonly window: Uint8Array;
}

export interface HostCase extends MachineState {
  readonly code: Uint8Array;
  readonly bits: 32 | 64;
}

export interface HostOutcome extends MachineState {
  /** Exception vector, 3 when the instruction completed and the breakpoint after it was reached. */
  readonly trap: number;
  readonly error: bigint;
  readonly address: bigint;
  readonly rip: bigint;
}

/** Why there is no host CPU to compare with, or `undefined` where there is one. */
export function hostCpuMissing(): string | undefined {
  if (arch() !== 'x64' || platform() !== 'linux') return `the host is ${platform()} on ${arch()}, not Linux on x64`;
  return undefined;
}

/** Builds the runner with the system's C compiler, once. Returns its path. */
function runner(): string {
  const folder = path.join(import.meta.dirname, '../../.cache/host-runner');
  const source = path.join(import.meta.dirname, 'host-runner.c');
  const target = path.join(folder, 'host-runner');
  try {
    if (statSync(target).mtimeMs > statSync(source).mtimeMs) return target;
  } catch {
    // Not built yet.
  }
  mkdirSync(folder, { recursive: true });
  execFileSync('cc', ['-O1', '-o', target, source]);
  return target;
}

/** Runs the cases on the host's processor. */
export function runOnHost(cases: readonly HostCase[]): HostOutcome[] {
  const input = Buffer.alloc(cases.length * CASE_BYTES);
  cases.forEach((one, index) => {
    let at = index * CASE_BYTES;
    input.set(one.code, at);
    input.writeUInt32LE(one.code.length, at + 16);
    input.writeUInt32LE(one.bits, at + 20);
    at += 24;
    for (const register of one.registers) at = input.writeBigUInt64LE(register, at);
    at = input.writeBigUInt64LE(one.rflags, at);
    input.set(one.fx, at);
    input.set(one.window, at + 512);
  });
  const output = execFileSync(runner(), { input, maxBuffer: cases.length * OUTCOME_BYTES + 4096, timeout: 120_000, killSignal: 'SIGKILL' });
  if (output.length !== cases.length * OUTCOME_BYTES) throw new Error(`host-runner stopped after ${output.length / OUTCOME_BYTES} of ${cases.length} cases`);
  return cases.map((_, index) => {
    const at = index * OUTCOME_BYTES;
    const registers = new BigUint64Array(16);
    for (let i = 0; i < 16; i++) registers[i] = output.readBigUInt64LE(at + 24 + i * 8);
    const rest = at + 24 + 128;
    return {
      trap: output.readUInt32LE(at + 4), error: output.readBigUInt64LE(at + 8), address: output.readBigUInt64LE(at + 16), registers,
      rflags: output.readBigUInt64LE(rest), rip: output.readBigUInt64LE(rest + 8),
      fx: new Uint8Array(output.subarray(rest + 16, rest + 528)), window: new Uint8Array(output.subarray(rest + 528, rest + 528 + WINDOW_BYTES)),
    };
  });
}
