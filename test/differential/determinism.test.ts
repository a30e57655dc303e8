/** Deterministic time: what has been translated, and when, changes nothing of what a machine executes. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Interpreter } from '../../src/emulator/cpu/interpreter/interpreter.ts';
import { DEFAULT_GROWTH } from '../../src/emulator/cpu/translator/guest-code.ts';
import { ImmediateCompiler, RegionBuilder } from '../../src/emulator/cpu/translator/region-compiler.ts';
import { TranslatedRegions } from '../../src/emulator/cpu/translator/region-store.ts';
import { LONG_TESTS, QUICK_BOOT } from '../guest/run-guest.ts';
import { Random } from '../isa/random.ts';
import { guestInitrd, guestKernel } from '../support/guest-images.ts';
import { LateCompiler } from '../support/late-compiler.ts';
import { WholeMachine, type WholeMachineOptions } from '../support/whole-machine.ts';

/** The long run goes to the end. */
const INSTRUCTIONS = LONG_TESTS ? Infinity : 130e6;

/** An engine that translates after so many executions, when `oneIn` throws of a die have come out right: on the average that late. */
function translator(threshold: number, oneIn: number, seed = 1): WholeMachineOptions['engine'] {
  const dice = new Random(seed);
  return (options) => new Interpreter({ ...options, regions: (parts) => new TranslatedRegions(parts, {
    threshold,
    compiler: oneIn === 1 ? new ImmediateCompiler(parts.memory.buffer, parts.base, () => 0) : new LateCompiler(new RegionBuilder(parts.memory.buffer, parts.base, () => 0, DEFAULT_GROWTH), () => dice.below(oneIn) === 0),
  }) });
}

test.each([
  ['interpreted', (options) => new Interpreter(options)],
  ['translated early', translator(40, 1)],
  ['translated late, at other times', translator(1000, 300)],
  ['translated late, at other times again', translator(200, 60, 2)],
] satisfies [string, WholeMachineOptions['engine']][])('a boot in instruction time does the same %s as translated as usual', (_, engine) => {
  const kernel = guestKernel('cloud-amd64');
  const init = 'i=0; while [ $i -lt 200 ]; do echo $i | md5sum >/dev/null; i=$((i+1)); done; dmesg | sha1sum; cat /proc/interrupts; echo "end $((6*7))"; poweroff -f\n';
  const options = {
    ramBytes: 128 << 20, longMode: true,
    directBoot: { kernel: readFileSync(kernel.file), initrd: readFileSync(guestInitrd({ flavour: 'cloud-amd64', init })), commandLine: `console=ttyS0,115200 ${QUICK_BOOT}` },
  };
  const [usual, other] = [translator(1000, 1), engine].map((one) => new WholeMachine({ ...options, engine: one })) as [WholeMachine, WholeMachine];
  for (const machine of [usual, other]) while (machine.end === undefined && machine.cpu.instructions < INSTRUCTIONS) machine.turn();
  expect(other.cpu.instructions).toBe(usual.cpu.instructions);
  expect(other.guestNanos).toBe(usual.guestNanos);
  expect(other.serial).toBe(usual.serial);
  expect(Buffer.from(other.ram.buffer, other.ram.byteOffset, other.ram.length).equals(Buffer.from(usual.ram.buffer, usual.ram.byteOffset, usual.ram.length))).toBe(true);
  if (LONG_TESTS) expect(usual.serial).toContain('end 42');
}, LONG_TESTS ? 3_600_000 : 600_000);
