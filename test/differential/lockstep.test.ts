/** Whole machines on the translator, compared with the interpreter wherever control comes out of a region or into one. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DEFAULT_GROWTH } from '../../src/emulator/cpu/translator/guest-code.ts';
import { ImmediateCompiler } from '../../src/emulator/cpu/translator/region-compiler.ts';
import { longImage } from '../bare-metal/long-image.ts';
import { LONG_PIECES, MANUAL_PIECES } from '../bare-metal/long-pieces.ts';
import { protectedImage } from '../bare-metal/protected-image.ts';
import { generalProtectionPiecesFor, LIMIT_PIECES, piecesFor, POINTERS_KEPT } from '../bare-metal/protected-pieces.ts';
import { realImage } from '../bare-metal/real-image.ts';
import { REAL_MANUAL_PIECES, REAL_PIECES } from '../bare-metal/real-pieces.ts';
import { LONG_TESTS, QUICK_BOOT } from '../guest/run-guest.ts';
import { guestInitrd, guestKernel, type KernelFlavour } from '../support/guest-images.ts';
import { Lockstep, type LockstepOptions } from './lockstep.ts';

const THRESHOLDS = [['from the first execution', 1], ['where it is hot', 1000]] as const;
const LIMIT_MILLIS = 600_000;
const LONG_LIMIT_MILLIS = 3 * 3_600_000;

/** Translates after so many executions; from the first one on also what has never been branched to. */
function translateAfter(threshold: number): LockstepOptions['translator'] {
  const limits = threshold === 1 ? { ...DEFAULT_GROWTH, arrivals: 0 } : DEFAULT_GROWTH;
  return ({ memory, base }) => ({ threshold, compiler: new ImmediateCompiler(memory.buffer, base, () => performance.now(), limits) });
}

function bootInLockstep(flavour: KernelFlavour, init: string, commandLine: string, threshold: number): Lockstep {
  const kernel = guestKernel(flavour);
  return new Lockstep({
    ramBytes: 128 << 20, longMode: kernel.architecture === 'x86_64', ramEvery: 20e6, translator: translateAfter(threshold),
    directBoot: { kernel: readFileSync(kernel.file), initrd: readFileSync(guestInitrd({ flavour, init })), commandLine: `console=ttyS0,115200 ${commandLine}` },
  });
}

/** Floating point, strings, sorting, pipes, processes, signals, files: what BusyBox can do to a CPU. */
const LOAD = `
awk 'BEGIN { for (i = 1; i < 20000; i++) s += sin(i) * sqrt(i) / exp(i % 7) + i % 3 * atan2(i, 3) - log(i); printf "float %.9f\\n", s }'
dd if=/dev/zero bs=64k count=64 2>/dev/null | sha256sum
seq 1 20000 | sort -r | gzip | gunzip | md5sum
i=0; while [ $i -lt 300 ]; do echo $i | cat >/dev/null; i=$((i+1)); done
find / -xdev -type f | wc -l; ls -lR /sys >/tmp/sys 2>/dev/null; grep -c dev /tmp/sys; bzip2 </tmp/sys | bunzip2 | cmp - /tmp/sys && echo "same $((6*7))"
(sleep 1; echo slept) & wait; tar c /bin/busybox | tar t; vi -c q /etc/modules </dev/null >/dev/null 2>&1
echo "load $((1000+1))"
poweroff -f
`;

describe.each(THRESHOLDS)('translated %s, a machine is compared with an interpreted one at every way in or out of a region', (_, threshold) => {
  test.each([
    ['real mode', realImage([...REAL_PIECES, ...REAL_MANUAL_PIECES])],
    ['protected mode', protectedImage([...piecesFor('legacy'), ...generalProtectionPiecesFor('legacy'), ...LIMIT_PIECES], 'legacy')],
    ['protected mode with PAE', protectedImage([...piecesFor('pae'), ...generalProtectionPiecesFor('pae'), POINTERS_KEPT], 'pae')],
    ['long mode', longImage([...LONG_PIECES, ...MANUAL_PIECES])],
  ] as const)('through all exceptions of %s', (_name, bios) => {
    const pair = new Lockstep({ ramBytes: 32 << 20, longMode: true, bios, ramEvery: 1e6, translator: translateAfter(threshold) });
    pair.run();
    expect(pair.interpreter.end).toEqual({ reason: 'exit-port', exitStatus: 0 });
    expect(pair.translator.end).toEqual(pair.interpreter.end);
    expect(pair.translator.debug).toBe(pair.interpreter.debug);
  }, LIMIT_MILLIS);

  test('through the firmware and the beginning of a 64-bit kernel', () => {
    const pair = bootInLockstep('cloud-amd64', 'poweroff -f\n', QUICK_BOOT, threshold);
    while (pair.translator.cpu.instructions < 140e6) pair.turn();
    pair.compareRam();
    const { equal, inDelivery, inRepeat, lost } = pair.compared;
    expect(equal).toBeGreaterThan(1e6);
    expect(inDelivery + inRepeat).toBeLessThan(equal / 1e4);
    expect(lost).toBe(0);
  }, LIMIT_MILLIS);

  if (LONG_TESTS) test.each(['cloud-amd64', '686', '686-pae'] as const)('through a whole boot of %s and some load', (flavour) => {
    const pair = bootInLockstep(flavour, LOAD, '', threshold);
    pair.run();
    expect(pair.interpreter.serial).toContain('load 1001');
    expect(pair.interpreter.end).toEqual({ reason: 'guest-power-off' });
    expect(pair.translator.serial).toBe(pair.interpreter.serial);
    const { equal, inDelivery, inRepeat, lost } = pair.compared;
    expect(inDelivery + inRepeat).toBeLessThan(equal / 1e3);
    expect(lost).toBeLessThan(equal / 1e3);
    process.stdout.write(`${flavour}, ${threshold}: ${pair.interpreter.cpu.instructions} instructions, ${equal} times the same, RAM ${pair.ramCompared} times; ${inDelivery} in delivery, ${inRepeat} in a REP, ${lost} not looked at\n`);
  }, LONG_LIMIT_MILLIS);
});
