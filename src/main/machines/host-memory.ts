/** Whether the host has the memory that machines ask for. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { formatSize, MIB } from '../../shared/sizes.ts';

/** What a VM process takes besides its guest's memory, translated code included: `rss-over` in `npm run bench`. */
const PROCESS_BYTES = 384 * MIB;
/** What has to be left to the host and to what else runs on it. */
const RESERVE_BYTES = 256 * MIB;

/** What this process may use at most: the host's memory, or its container's share of it. */
export function hostMemoryBytes(): number {
  const total = totalmem();
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < total ? constrained : total;
}

/** Error: `memory.more-than-host`. `inUseBytes` is what other machines already have. */
export function checkHostMemory(memoryBytes: number, inUseBytes: number, hostBytes = hostMemoryBytes()): Result<number> {
  if (memoryBytes + inUseBytes <= hostBytes) return ok(memoryBytes);
  const others = inUseBytes === 0 ? '' : `, of which other machines use ${formatSize(inUseBytes)}`;
  return fail('memory.more-than-host', `the machine wants ${formatSize(memoryBytes)} of memory and the host has ${formatSize(hostBytes)}${others}`,
    inUseBytes === 0 ? `give it at most ${formatSize(Math.floor(hostBytes / 2))}` : 'stop another machine, or give it less');
}

/** A machine that is on: what it may come to use, and its process. */
export interface MemoryUser { readonly memoryBytes: number; readonly pid: number | undefined }

export interface FreeMemory {
  /** What the host could give now. */
  readonly availableBytes: number;
  /** Of that, what machines that are on have been given and not touched yet. */
  readonly promisedBytes: number;
}

export function freeMemory(users: readonly MemoryUser[], availableBytes = process.availableMemory()): FreeMemory {
  const promised = users.map(({ memoryBytes, pid }) => Math.max(0, memoryBytes + PROCESS_BYTES - (residentBytes(pid) ?? memoryBytes + PROCESS_BYTES)));
  return { availableBytes, promisedBytes: promised.reduce((sum, bytes) => sum + bytes, 0) };
}

/** Error: `memory.host-low`, where a start would leave too little to the host. */
export function checkFreeMemory(memoryBytes: number, { availableBytes, promisedBytes }: FreeMemory): Result<number> {
  const needed = memoryBytes + PROCESS_BYTES;
  if (needed + RESERVE_BYTES <= availableBytes - promisedBytes) return ok(memoryBytes);
  const promised = promisedBytes < MIB ? '' : `, of which machines that are on may still take ${formatSize(promisedBytes)}`;
  return fail('memory.host-low', `the machine may come to use ${formatSize(needed)}, and the host has ${formatSize(availableBytes)} of memory free${promised}; ${formatSize(RESERVE_BYTES)} should be left to it`,
    'end other programs or machines, give it less memory, or start it all the same');
}

/** Memory of the host that a process has; `undefined` where the host doesn't tell. */
function residentBytes(pid: number | undefined): number | undefined {
  if (pid === undefined || process.platform !== 'linux') return undefined;
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}
