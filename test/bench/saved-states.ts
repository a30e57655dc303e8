/** How long the guest stands still for a live snapshot, and how soon it runs again from one: `node test/bench/saved-states.ts [MIB…]`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DrivenMachine, PLAIN_MACHINE } from '../support/driven-machine.ts';
import { guestInitrd, guestKernel } from '../support/guest-images.ts';
import type { VmStart } from '../../src/shared/vm-protocol.ts';

const FLAVOUR = 'cloud-amd64';
const folder = mkdtempSync(join(tmpdir(), 'guesthouse-bench-'));
const sizes = process.argv.slice(2).map(Number);
const millis = (since: number): string => `${(performance.now() - since).toFixed(0)} ms`;

for (const mebibytes of sizes.length > 0 ? sizes : [256, 1024, 3072]) {
  // A third of the memory in use, and not compressible.
  const init = `dd if=/dev/urandom of=/ballast bs=1M count=${Math.floor(mebibytes / 6)} 2>/dev/null; n=0; while true; do n=$((n+1)); echo "tick $n"; sleep 0.01; done`;
  const start: VmStart = {
    ...PLAIN_MACHINE, memoryBytes: mebibytes * 2 ** 20, accelerator: 'translator',
    directBoot: { kernelPath: guestKernel(FLAVOUR).file, initrdPath: guestInitrd({ flavour: FLAVOUR, init }), commandLine: 'console=ttyS0 quiet cryptomgr.notests' },
  };
  const path = join(folder, `${mebibytes}.state`);
  const machine = new DrivenMachine(start);
  await machine.printed('tick 5');
  const from = performance.now();
  const one = await machine.snapshot(path);
  const whole = millis(from);
  const again = performance.now();
  const two = await machine.snapshot(`${path}.2`, [one.id]);
  process.stdout.write(`${mebibytes} MiB: stood still ${one.pauseMillis.toFixed(1)} ms, written in ${whole} (${(one.bytes / 2 ** 20).toFixed(1)} MiB); again ${two.pauseMillis.toFixed(1)} ms, ${millis(again)} (${(two.bytes / 2 ** 20).toFixed(1)} MiB)\n`);
  await machine.kill();
  for (let turn = 0; turn < 3; turn++) {
    const at = performance.now();
    const restored = new DrivenMachine({ ...start, resumeFrom: { path, others: [], isKept: true } });
    await restored.isReady;
    const ready = millis(at);
    await restored.printed('tick');
    process.stdout.write(`  restored: runs after ${ready}, prints after ${millis(at)}\n`);
    await restored.kill();
  }
}
rmSync(folder, { recursive: true });
