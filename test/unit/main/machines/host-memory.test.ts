import { expect, it } from 'vitest';
import { checkFreeMemory, freeMemory } from '../../../../src/main/machines/host-memory.ts';
import { GIB, MIB } from '../../../../src/shared/sizes.ts';

it('a start that leaves the host enough is admitted, to the last byte', () => {
  expect(checkFreeMemory(1 * GIB, { availableBytes: 1 * GIB + 640 * MIB, promisedBytes: 0 })).toMatchObject({ ok: true });
  expect(checkFreeMemory(1 * GIB, { availableBytes: 1 * GIB + 639 * MIB, promisedBytes: 0 })).toMatchObject({ ok: false, error: { code: 'memory.host-low' } });
});

it('what machines that are on have been given and not touched counts as gone, and is told', () => {
  const refused = checkFreeMemory(512 * MIB, { availableBytes: 2 * GIB, promisedBytes: 1.5 * GIB });
  expect(refused).toMatchObject({ ok: false, error: { message: expect.stringContaining('still take 1.5 GiB') } });
  expect(refused).toMatchObject({ error: { message: expect.stringContaining('2 GiB of memory free') } });
});

it('counts of a running process what it has not touched, where the host tells', () => {
  const { promisedBytes } = freeMemory([{ memoryBytes: 64 * GIB, pid: process.pid }, { memoryBytes: 4 * GIB, pid: undefined }], 8 * GIB);
  if (process.platform === 'linux') expect(promisedBytes).toBeGreaterThan(60 * GIB);
  expect(promisedBytes).toBeLessThan(64 * GIB + 400 * MIB);
});
