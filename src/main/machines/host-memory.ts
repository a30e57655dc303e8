/** Whether the host has the memory that machines ask for. */
import { totalmem } from 'node:os';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { formatSize } from '../../shared/sizes.ts';

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
