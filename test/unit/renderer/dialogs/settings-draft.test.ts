import { describe, expect, it } from 'vitest';
import { changesOf, findProblems, withValue } from '../../../../src/renderer/dialogs/settings/draft.ts';
import { machineConfigSchema } from '../../../../src/shared/machine-config.ts';
import type { MachineConfig } from '../../../../src/shared/machine-config.ts';

const config = (settings: Record<string, unknown> = {}): MachineConfig => machineConfigSchema.parse({ schemaVersion: 1, ...settings });
const FORWARD = { protocol: 'tcp', host: { address: '127.0.0.1', port: 80 }, guest: { port: 80 } };

describe('what is wrong with a draft', () => {
  it('is nothing where nothing is', () => {
    expect(findProblems(config({ disks: [{ path: 'disks/a.img' }], cdroms: [{}], adapters: [{}] })).size).toBe(0);
  });

  it.each([
    ['memoryBytes', Number.NaN, 'memory'],
    ['cpuLimitPercent', 4, 'cpuLimit'],
    ['time.rtcEpochSeconds', Number.NaN, 'clock'],
    ['disks.0.path', '', 'path'],
    ['disks.0.bytesPerSecondMaximum', 5, 'rate'],
    ['adapters.0.mac', 'ff:ff:ff:ff:ff:ff', 'mac'],
    ['adapters.0.forwards.0.host.port', 0, 'port'],
    ['adapters.0.forwards.0.guest.address', '::1', 'address'],
    ['directBoot', { kernel: '', commandLine: '' }, 'path'],
    ['notes', 'x'.repeat(10_001), 'notes'],
  ])('is told at %s', (path, value, reason) => {
    const draft = withValue(config({ disks: [{ path: 'disks/a.img' }], adapters: [{ forwards: [FORWARD] }] }), path, value);
    const [[at, found] = []] = [...findProblems(draft)];
    expect(at?.startsWith(path)).toBe(true);
    expect(found).toBe(reason);
  });

  it('is also what doesn\'t go together', () => {
    const disk = { path: 'disks/a.img' };
    expect(findProblems(config({ disks: [disk, disk] })).get('disks.1.path')).toBe('diskTwice');
    expect(findProblems(config({ disks: [disk, { ...disk, readOnly: true }] })).size).toBe(0);
    expect(findProblems(config({ disks: Array.from({ length: 5 }, (_, index) => ({ path: `disks/${index}.img` })) })).get('disks.4.bus')).toBe('ideDrives');
    expect(findProblems(config({ adapters: [{ forwards: [FORWARD] }, { forwards: [FORWARD] }] })).get('adapters.1.forwards.0.host.port')).toBe('portTwice');
    expect(findProblems(config({ adapters: [{}], time: { mode: { instructionsPerMicrosecond: 1 } } })).get('time.mode')).toBe('networkTime');
  });
});

describe('what a draft changes', () => {
  it('is told by sections, and null takes one away', () => {
    const saved = config({ directBoot: { kernel: '/k' }, notes: 'a' });
    expect(changesOf(saved, saved)).toEqual({});
    expect(changesOf(saved, withValue(withValue(saved, 'directBoot', undefined), 'notes', 'b'))).toEqual({ directBoot: null, notes: 'b' });
  });
});
