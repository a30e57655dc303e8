import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { VmProcessListener } from '../../../../src/main/machines/launcher.ts';
import { SPARE_DELAY_MILLIS, WarmLauncher } from '../../../../src/main/machines/warm-launcher.ts';
import { FakeLauncher } from '../../../support/fake-launcher.ts';

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

const FIRMWARE = { biosPath: '/bios', vgaBiosPath: undefined };
const GIB = 2 ** 30;

function owner(): VmProcessListener & { readonly heard: unknown[] } {
  const heard: unknown[] = [];
  return { heard, message: (message) => { heard.push(message); }, line: (line) => { heard.push(line); }, exited: ({ code }) => { heard.push(`exited ${String(code)}`); } };
}

test('a machine gets the process that waits, which has heard of no other, and the next one waits in its place', () => {
  const launcher = new FakeLauncher();
  const warm = new WarmLauncher(launcher, FIRMWARE, () => GIB);
  expect(launcher.launched).toEqual([]);
  vi.advanceTimersByTime(SPARE_DELAY_MILLIS);
  const [spare] = launcher.launched;
  expect(spare!.machineName).toBeUndefined();
  expect(spare!.commands).toEqual([{ kind: 'warm-up', ...FIRMWARE }]);
  spare!.says({ kind: 'warmed-up' });
  const a = owner();
  expect(warm.launch('a', a)).toBe(spare);
  expect(a.heard).toEqual([]);
  const b = owner();
  expect(warm.launch('b', b)).not.toBe(spare);
  expect(launcher.last.machineName).toBe('b');
  vi.advanceTimersByTime(SPARE_DELAY_MILLIS);
  expect(launcher.launched).toHaveLength(3);
  spare!.says({ kind: 'ready' });
  spare!.exits(0);
  expect(a.heard).toEqual([{ kind: 'ready' }, 'exited 0']);
  expect(b.heard).toEqual([]);
});

test('a process that waits starts when machines have had their time to start', () => {
  const launcher = new FakeLauncher();
  const warm = new WarmLauncher(launcher, FIRMWARE, () => GIB);
  vi.advanceTimersByTime(SPARE_DELAY_MILLIS - 1);
  warm.launch('a', owner());
  vi.advanceTimersByTime(SPARE_DELAY_MILLIS - 1);
  expect(launcher.launched).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(launcher.launched).toHaveLength(2);
});

test('what the process said while it waited is in the log of its machine', () => {
  const launcher = new FakeLauncher();
  let listener!: VmProcessListener;
  const warm = new WarmLauncher({ takesPorts: true, launch: (name, given) => { listener = given; return launcher.launch(name, given); } }, FIRMWARE, () => GIB);
  expect(warm.takesPorts).toBe(true);
  vi.advanceTimersByTime(SPARE_DELAY_MILLIS);
  for (let line = 0; line < 100; line++) listener.line(`line ${line}`);
  const a = owner();
  warm.launch('a', a);
  listener.line('later');
  expect(a.heard).toEqual([...Array.from({ length: 20 }, (_, index) => `line ${80 + index}`), 'later']);
});

test('one that dies waiting is not started over and over, and no machine gets it', () => {
  const launcher = new FakeLauncher();
  const warm = new WarmLauncher(launcher, FIRMWARE, () => GIB);
  vi.advanceTimersByTime(SPARE_DELAY_MILLIS);
  launcher.last.exits(1);
  vi.advanceTimersByTime(100 * SPARE_DELAY_MILLIS);
  expect(launcher.launched).toHaveLength(1);
  warm.launch('a', owner());
  expect(launcher.last.machineName).toBe('a');
  vi.advanceTimersByTime(SPARE_DELAY_MILLIS);
  expect(launcher.launched).toHaveLength(3);
});

test('none waits on a host that is short of memory, and none is left behind', () => {
  const launcher = new FakeLauncher();
  let free = GIB / 4;
  const warm = new WarmLauncher(launcher, FIRMWARE, () => free);
  vi.advanceTimersByTime(SPARE_DELAY_MILLIS);
  expect(launcher.launched).toEqual([]);
  free = GIB;
  warm.launch('a', owner());
  vi.advanceTimersByTime(SPARE_DELAY_MILLIS);
  expect(launcher.launched).toHaveLength(2);
  warm.close();
  expect(launcher.last.isKilled).toBe(true);
  warm.launch('b', owner());
  vi.advanceTimersByTime(SPARE_DELAY_MILLIS);
  expect(launcher.launched).toHaveLength(3);
});
