import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { lastLines } from '../../../../src/main/machines/machine-log.ts';
import { Supervisor } from '../../../../src/main/machines/supervisor.ts';
import type { MachineStatus } from '../../../../src/shared/api.ts';
import type { VmStart } from '../../../../src/shared/vm-protocol.ts';
import { FakeLauncher } from '../../../support/fake-launcher.ts';
import { temporaryFolder } from '../../../support/main-fixtures.ts';

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

function start(name: string, changes: Partial<VmStart> = {}): VmStart {
  return {
    name, memoryBytes: 64 * 1024 * 1024, architecture: 'x86_64', accelerator: 'auto', biosPath: '/bios', vgaBiosPath: undefined, directBoot: undefined, disks: [], bootOrder: ['hd'],
    time: 'host', rtcEpochSeconds: undefined, seed: undefined, exitPort: undefined, debugPort: undefined, onReset: 'reboot', ...changes,
  };
}

function supervise() {
  const launcher = new FakeLauncher();
  const states: string[] = [];
  const warnings: string[] = [];
  const statuses = new Map<string, MachineStatus>();
  const supervisor = new Supervisor(launcher, {
    status: (name, status) => {
      states.push(`${name} ${status.state}`);
      statuses.set(name, status);
    },
    warning: (name, message) => { warnings.push(`${name}: ${message}`); },
    memoryLoaded: () => {},
    discEjected: () => {},
  });
  const options = { logFolder: temporaryFolder(), logSerial: true };
  const running = async (name: string, changes: Partial<VmStart> = {}) => {
    const started = supervisor.start(name, start(name, changes), options);
    launcher.last.says({ kind: 'ready' }, { kind: 'state', state: 'running' });
    expect(await started).toMatchObject({ ok: true, value: { state: 'running' } });
    return launcher.last;
  };
  return { launcher, supervisor, states, warnings, options, running, statusOf: (name: string) => statuses.get(name)! };
}

test('a machine starts, pauses, resumes and powers itself off', async () => {
  const { supervisor, states, running } = supervise();
  const vm = await running('a');
  supervisor.machine('a').pause();
  vm.says({ kind: 'state', state: 'paused' });
  supervisor.machine('a').resume();
  vm.says({ kind: 'ended', reason: 'guest-power-off' });
  vm.exits(0);
  expect(vm.kinds()).toEqual(['power-on', 'pause', 'resume']);
  expect(states.filter((state, index) => state !== states[index - 1])).toEqual(['a starting', 'a running', 'a paused', 'a running', 'a off']);
});

test('a process that dies is a crash with its last log lines, and other machines don\'t notice', async () => {
  const { supervisor, running, statusOf, options } = supervise();
  const first = await running('a');
  await running('b');
  first.says({ kind: 'log', level: 'error', topic: 'engine', message: 'something was odd' });
  first.exits(null, 'SIGSEGV');
  expect(statusOf('a')).toMatchObject({ state: 'crashed', crash: { error: { code: 'machines.process-died' } } });
  expect(statusOf('a').crash!.lastLogLines.join()).toContain('something was odd');
  expect(lastLines(join(options.logFolder, 'machine.log'), 5).join()).toContain('something was odd');
  expect(supervisor.statusOf('b').state).toBe('running');
});

test('a failed start is told with its reason', async () => {
  const { launcher, supervisor, options } = supervise();
  const started = supervisor.start('a', start('a'), options);
  launcher.last.says({ kind: 'ended', reason: 'start-failed', error: { code: 'kernel-not-linux', message: 'no kernel', advice: '' } });
  launcher.last.exits(1);
  expect(await started).toEqual({ ok: false, error: { code: 'kernel-not-linux', message: 'no kernel', advice: '' } });
});

test('a machine that doesn\'t answer is shown as unresponsive and not killed, until it answers again', async () => {
  const { running, statusOf } = supervise();
  const vm = await running('a');
  await vi.advanceTimersByTimeAsync(12_000);
  expect(statusOf('a')).toMatchObject({ state: 'running', unresponsive: true });
  expect(vm.isKilled).toBe(false);
  vm.says({ kind: 'pong', sentAt: 0 });
  expect(statusOf('a').unresponsive).toBe(false);
});

test('a machine that is to end by force is asked first and killed when it doesn\'t', async () => {
  const { supervisor, running, statusOf } = supervise();
  const vm = await running('a');
  const off = supervisor.machine('a').forceOff();
  expect(vm.kinds()).toContain('power-off');
  expect(vm.isKilled).toBe(false);
  await vi.advanceTimersByTimeAsync(10_001);
  expect(vm.isKilled).toBe(true);
  await off;
  expect(statusOf('a').state).toBe('off');
});

test('a guest that ignores its power button is running again after a while, with a warning', async () => {
  const { supervisor, running, statusOf, warnings } = supervise();
  await running('a');
  supervisor.machine('a').pressPowerButton();
  expect(statusOf('a').state).toBe('stopping');
  await vi.advanceTimersByTimeAsync(31_000);
  expect(statusOf('a').state).toBe('running');
  expect(warnings).toEqual(['a: the guest did not react to its power button']);
});

test('a reset loop is shown, and forgotten a minute after the last reset', async () => {
  const { running, statusOf } = supervise();
  const vm = await running('a');
  for (let count = 1; count <= 6; count++) vm.says({ kind: 'guest-reset', cause: 'triple-fault', countInLastMinute: count });
  expect(statusOf('a')).toMatchObject({ resetLoop: true, resetsInLastMinute: 6 });
  await vi.advanceTimersByTimeAsync(60_001);
  expect(statusOf('a')).toMatchObject({ resetLoop: false, resetsInLastMinute: 0 });
});

test('messages that aren\'t in the protocol change nothing', async () => {
  const { running, statusOf } = supervise();
  const vm = await running('a');
  for (const nonsense of [undefined, null, 7, {}, { kind: 'state', state: 'exploded' }, { kind: 'ended' }, { kind: 'display-frame', frame: { screenWidth: 1e9 } }]) vm.saysNonsense(nonsense);
  expect(statusOf('a').state).toBe('running');
});

test('a disk that one machine writes is refused to another', async () => {
  const { supervisor, running, options } = supervise();
  const disk = { path: '/images/a.img', format: 'raw', bus: 'ide', kind: 'disk', readOnly: false, discardChanges: false, backingFolders: [] } as const;
  await running('a', { disks: [disk] });
  expect(await supervisor.start('b', start('b', { disks: [{ ...disk, readOnly: true }] }), options)).toMatchObject({ ok: false, error: { code: 'media.in-use' } });
});

test('machines that together want more memory than the host has are refused', async () => {
  const { supervisor, options } = supervise();
  expect(await supervisor.start('a', start('a', { memoryBytes: 2 ** 50 }), options)).toMatchObject({ ok: false, error: { code: 'memory.more-than-host' } });
});

test('the console replays what was printed, also of a machine that is off', async () => {
  const { supervisor, running } = supervise();
  const vm = await running('a');
  vm.says({ kind: 'serial-output', bytes: new TextEncoder().encode('login: ') });
  vm.says({ kind: 'ended', reason: 'guest-power-off' });
  vm.exits(0);
  const heard: string[] = [];
  supervisor.machine('a').openConsole('console', (bytes, replay) => { heard.push(`${replay ? 'replay' : 'live'} ${new TextDecoder().decode(bytes)}`); });
  expect(heard).toEqual(['replay login: ']);
});

test('the virtio console is a line of its own beside the serial one', async () => {
  const { supervisor, running } = supervise();
  const vm = await running('a');
  const heard: string[] = [];
  const hear = (name: string) => (bytes: Uint8Array): void => { heard.push(`${name}: ${new TextDecoder().decode(bytes)}`); };
  supervisor.machine('a').openConsole('console', hear('serial'));
  supervisor.machine('a').openConsole('virtio-console', hear('virtio'));
  vm.says({ kind: 'virtio-console-output', bytes: new TextEncoder().encode('hvc0') }, { kind: 'serial-output', bytes: new TextEncoder().encode('ttyS0') });
  expect(heard).toEqual(['serial: ', 'virtio: ', 'virtio: hvc0', 'serial: ttyS0']);
  const bytes = Uint8Array.of(13);
  supervisor.machine('a').sendToConsole('console', bytes);
  supervisor.machine('a').sendToConsole('virtio-console', bytes);
  expect(vm.commands.slice(-2)).toEqual([{ kind: 'serial-input', bytes }, { kind: 'virtio-console-input', bytes }]);
});
