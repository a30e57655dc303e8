import { describe, expect, it } from 'vitest';
import { liveChanges, waitingSettings } from '../../../../src/main/machines/live-settings.ts';
import { machineConfigSchema } from '../../../../src/shared/machine-config.ts';
import type { MachineConfig } from '../../../../src/shared/machine-config.ts';

const config = (settings: Record<string, unknown> = {}): MachineConfig => machineConfigSchema.parse({
  schemaVersion: 1, disks: [{ path: 'disks/disk0.img' }], cdroms: [{}], adapters: [{}], ...settings,
});

function kinds(present: MachineConfig, wanted: MachineConfig): string[] {
  const changes = liveChanges(config(), present, wanted, '/library/a.guestvm');
  return changes.ok ? changes.value.map(({ kind }) => kind) : [changes.error.code];
}

describe('settings of a machine that is on', () => {
  it('wait for its next start where its board is made of them', () => {
    expect(waitingSettings(config(), config({ memoryBytes: 64 << 20, architecture: 'i386', time: { mode: 'host', rtcEpochSeconds: 0 } })).toSorted()).toEqual(['architecture', 'memoryBytes', 'time']);
    expect(waitingSettings(config(), config({ adapters: [{ model: 'e1000' }] }))).toEqual(['adapters']);
    expect(waitingSettings(config(), config({ cdroms: [{}, {}], disks: [] })).toSorted()).toEqual(['cdroms', 'disks']);
  });

  it('take effect at once where the machine can change them', () => {
    const wanted = config({ adapters: [{ connected: false }], cpuLimitPercent: 50, disks: [{ path: 'disks/disk0.img', bytesPerSecondMaximum: 1 << 20 }], notes: 'x', display: { scaling: 'crisp' } });
    expect(waitingSettings(config(), wanted)).toEqual([]);
    expect(kinds(config(), wanted)).toEqual(['cpu-limit', 'disk-limit', 'adapter']);
    expect(kinds(wanted, wanted)).toEqual([]);
  });

  it('name the disc\'s drive by its place among all disks, and a disc that isn\'t there by its error', () => {
    const inserted = config({ cdroms: [{ path: '/nowhere/disc.iso' }] });
    expect(kinds(config(), inserted)).toEqual(['media.missing']);
    const ejected = liveChanges(config(), inserted, config(), '/library/a.guestvm');
    expect(ejected.ok && ejected.value).toEqual([{ kind: 'disc', drive: 1, path: undefined, force: false }]);
  });

  it('keep a disc out that leads out of the VM folder', () => {
    const escaping = { ...config(), cdroms: [{ path: '../other.guestvm/secret.iso', bus: 'ide' as const }] };
    expect(kinds(config(), escaping)).toEqual(['media.outside-folder']);
  });
});
