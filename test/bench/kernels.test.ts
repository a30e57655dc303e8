import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { kernelProgram, kernels, kernelsMissing } from './kernels.ts';
import { nativeMissing } from './native.ts';

const missing = kernelsMissing();

/** Of the little work only: no time is measured here. */
describe.skipIf(missing !== undefined)(`the benchmark's kernels on the host${missing === undefined ? '' : `: ${missing}`}`, () => {
  it.each(kernels)('$title: the program for 64 bits answers what is expected', (kernel) => {
    expect(answer(kernelProgram(kernel, 64), kernel.work.quick.size)).toBe(kernel.work.quick.checksum);
  });

  const missing32 = missing ?? nativeMissing('i386');
  it.skipIf(missing32 !== undefined).each(kernels)('$title: the program for 32 bits answers the same', (kernel) => {
    expect(answer(kernelProgram(kernel, 32), kernel.work.quick.size)).toBe(kernel.work.quick.checksum);
  });
});

function answer(program: string, size: number): string {
  return execFileSync(program, [String(size)], { encoding: 'utf8' }).trim();
}
