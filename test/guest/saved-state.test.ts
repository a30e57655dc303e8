/** A machine that is saved and goes on is the machine that it would have been. */
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { VmLauncher } from '../../src/main/machines/launcher.ts';
import { DrivenMachine, PLAIN_MACHINE, WaitingLauncher } from '../support/driven-machine.ts';
import { guestInitrd, guestKernel } from '../support/guest-images.ts';
import type { VmStart } from '../../src/shared/vm-protocol.ts';
import { BOOT_MILLIS, QUICK_BOOT, removeScratchFiles, scratchFile } from './run-guest.ts';

removeScratchFiles();

const running = new Set<DrivenMachine>();
afterAll(async () => { for (const machine of running) await machine.kill(); });

function begin(start: VmStart, launcher?: VmLauncher): DrivenMachine {
  const machine = new DrivenMachine(start, launcher);
  running.add(machine);
  void machine.exited.then(() => running.delete(machine));
  return machine;
}

const FLAVOUR = 'cloud-amd64';

/** Prints, computes, sleeps, reads random bytes, and writes and reads its disk without its cache. */
const WORK = `
for round in 1 2 3 4 5 6; do
  dd if=/dev/hwrng of=/random bs=4096 count=4 2>/dev/null
  cat /random /proc/self/maps | md5sum
  dd if=/random of=/dev/vda bs=4096 seek=$((round*7)) oflag=direct conv=fsync 2>/dev/null
  sleep 0.3
  dd if=/dev/vda bs=4096 skip=$((round*7)) count=4 iflag=direct 2>/dev/null | md5sum
  i=0; while [ $i -lt 300 ]; do i=$((i+1)); done
  echo "round $round at $(cut -d' ' -f1 /proc/uptime), $(date -u +%s)"
done
echo "all done"
poweroff -f
`;

function deterministic(disk: string): VmStart {
  writeFileSync(disk, '');
  truncateSync(disk, 1 << 20);
  return {
    ...PLAIN_MACHINE, time: { instructionsPerMicrosecond: 100 }, rtcEpochSeconds: 1_900_000_000, seed: 7,
    directBoot: { kernelPath: guestKernel(FLAVOUR).file, initrdPath: guestInitrd({ flavour: FLAVOUR, init: WORK }), commandLine: `console=ttyS0 ${QUICK_BOOT}` },
    disks: [{ path: disk, format: 'raw', bus: 'virtio', kind: 'disk', readOnly: false, discardChanges: false, backingFolders: [] }],
  };
}

describe('in instruction time', () => {
  test('a Debian guest saved again and again, interpreted and translated by turns, prints and executes what it does unsaved', async () => {
    const [unsavedDisk, savedDisk] = [scratchFile('unsaved.img'), scratchFile('saved.img')];
    const whole = begin({ ...deterministic(unsavedDisk), accelerator: 'translator' });
    const start = deterministic(savedDisk);
    let serial = '';
    let resumeFrom: VmStart['resumeFrom'];
    const accelerators = ['translator', 'interpreter'] as const;
    // In the middle of the kernel's start, and in several places of the work, wherever the machine happens to be.
    const marks = ['', 'round 1 ', 'round 2 ', 'round 4 '];
    for (const [index, mark] of marks.entries()) {
      const machine = begin({ ...start, accelerator: accelerators[index % 2]!, resumeFrom });
      await machine.isReady;
      if (mark === '') await new Promise((resolve) => { setTimeout(resolve, 1500); });
      else await machine.printed(mark);
      const path = scratchFile(`state-${index}`);
      await machine.save(path);
      serial += machine.serial;
      resumeFrom = { path, others: [], isKept: false };
    }
    const last = begin({ ...start, accelerator: 'translator', resumeFrom });
    const [unsaved, saved] = [await whole.exited, await last.exited];
    expect(whole.serial).toContain('all done');
    expect(serial + last.serial).toBe(whole.serial);
    expect(saved.final.stats?.instructions).toBe(unsaved.final.stats?.instructions);
    expect(saved.final.stats?.guestSeconds).toBe(unsaved.final.stats?.guestSeconds);
    expect(readFileSync(savedDisk).equals(readFileSync(unsavedDisk))).toBe(true);
  }, BOOT_MILLIS);
});

describe('a running machine', () => {
  const COUNTER = `
dd if=/dev/urandom of=/ballast bs=1M count=6 2>/dev/null
md5sum < /ballast > /sum
n=0; while true; do n=$((n+1)); echo "count $n"; dd if=/dev/urandom of=/churn bs=64k count=8 2>/dev/null; [ "$(md5sum < /ballast)" = "$(cat /sum)" ] || echo "memory is broken"; done
`;
  const start = (): VmStart => ({
    ...PLAIN_MACHINE, accelerator: 'translator',
    directBoot: { kernelPath: guestKernel(FLAVOUR).file, initrdPath: guestInitrd({ flavour: FLAVOUR, init: COUNTER }), commandLine: `console=ttyS0 ${QUICK_BOOT}` },
  });
  const countOf = (serial: string): number => Number(/count (\d+)(?!.*count \d)/s.exec(serial)?.[1]);

  test('goes on while snapshots are taken; each brings back its moment, and a later one counts on an earlier one', async () => {
    const machine = begin(start());
    await machine.printed('count 3');
    const [first, second] = [scratchFile('first.state'), scratchFile('second.state')];
    const one = await machine.snapshot(first);
    const atOne = countOf(machine.serial);
    await machine.printed(`count ${atOne + 4}`);
    const two = await machine.snapshot(second, [one.id]);
    await machine.printed(`count ${countOf(machine.serial) + 3}`);
    expect(machine.serial).not.toContain('broken');
    await machine.kill();
    expect(one.otherFiles).toEqual([]);
    expect(two.otherFiles).toEqual([one.id]);
    expect(two.bytes).toBeLessThan(one.bytes / 2);

    const restored = begin({ ...start(), accelerator: 'interpreter', resumeFrom: { path: first, others: [], isKept: true } });
    await restored.printed(`count ${atOne + 3}`);
    expect(countOf(restored.serial)).toBeLessThan(atOne + 20);
    expect(restored.serial).not.toContain('broken');
    await restored.kill();

    const later = begin({ ...start(), resumeFrom: { path: second, others: [{ id: one.id, path: first }], isKept: true } });
    await later.printed(`count ${atOne + 8}`);
    expect(later.serial).not.toContain(`count ${atOne + 1}\r`);
    expect(later.serial).not.toContain('broken');
    await later.kill();

    const alone = begin({ ...start(), resumeFrom: { path: second, others: [], isKept: true } });
    expect((await alone.exited).error?.code).toBe('state.incomplete');
  }, BOOT_MILLIS);

  test('goes on in a process that waited for it, and boots anew from files that were read only then', async () => {
    const machine = begin(start());
    await machine.printed('count 2');
    const path = scratchFile('waited.state');
    await machine.save(path);
    const launcher = new WaitingLauncher(PLAIN_MACHINE);
    await launcher.isReady;
    const resumed = begin({ ...start(), resumeFrom: { path, others: [], isKept: false } }, launcher);
    await resumed.printed('count 5');
    expect(resumed.serial).not.toMatch(/count 1\b|broken/);
    resumed.connection.post({ kind: 'reset' });
    await resumed.until(() => /count 5[^]*count 1\b/.test(resumed.serial), 'it counted anew');
    await resumed.kill();
  }, BOOT_MILLIS);

  test('stands still where a part of its memory is damaged, and goes on when that is mended', async () => {
    const machine = begin(start());
    await machine.printed('count 2');
    const path = scratchFile('damaged.state');
    await machine.save(path);
    const whole = scratchFile('whole.state');
    copyFileSync(path, whole);
    const bytes = readFileSync(path);
    // The later half of the chunks; header, index and the chips' states are whole.
    const from = Math.floor(bytes.length * 0.4);
    for (let at = from; at < bytes.length * 0.9; at += 997) bytes[at]! ^= 0x55;
    writeFileSync(path, bytes);
    const damaged = begin({ ...start(), resumeFrom: { path, others: [], isKept: false } });
    await damaged.until(() => damaged.events.some((event) => event.kind === 'state' && event.state === 'paused'), 'it stood still');
    expect(damaged.events.some((event) => event.kind === 'log' && event.level === 'error' && event.message.includes('is damaged'))).toBe(true);
    const repaired = readFileSync(whole);
    writeFileSync(path, repaired);
    const before = damaged.serial;
    const resume = setInterval(() => { damaged.connection.post({ kind: 'resume' }); }, 50);
    await damaged.until(() => /count \d+/.test(damaged.serial.slice(before.length)), 'it went on');
    clearInterval(resume);
    expect(damaged.serial).not.toContain('broken');
    await damaged.kill();
  }, BOOT_MILLIS);
});
