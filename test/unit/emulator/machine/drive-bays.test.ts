import { describe, expect, it } from 'vitest';
import { assignDriveBays, type AttachedDisk } from '../../../../src/emulator/machine/drive-bays.ts';

function disk(bus: AttachedDisk['bus'], kind: 'disk' | 'cdrom'): AttachedDisk {
  return { bus, kind, backend: { sectorBytes: kind === 'disk' ? 512 : 2048, sectorCount: 1, readOnly: true, serial: '', submit() {} } };
}

describe('assignDriveBays', () => {
  it('gives the AHCI controller\'s ports to disks and discs in their order, six at most', () => {
    const drives = [disk('ahci', 'cdrom'), disk('virtio', 'disk'), disk('ahci', 'disk')];
    const bays = assignDriveBays(drives, [])!;
    expect(bays.ahci).toEqual([drives[0], drives[2]]);
    expect(bays.bootPaths).toEqual(['/pci@i0cf8/scsi@8', '/pci@i0cf8/sata@7/drive@1/disk@0', '/pci@i0cf8/sata@7/drive@0/disk@0']);
    expect(assignDriveBays(Array.from({ length: 7 }, () => disk('ahci', 'disk')), [])).toBeUndefined();
  });

  it('puts disks on the primary and discs on the secondary channel', () => {
    const bays = assignDriveBays([disk('ide', 'cdrom'), disk('ide', 'disk'), disk('ide', 'disk')], [])!;
    expect(bays.ide.map(({ channel, drive }) => `${channel}.${drive}`)).toEqual(['1.0', '0.0', '0.1']);
  });

  it('has room for four drives of either kind, and for no fifth', () => {
    for (const kind of ['disk', 'cdrom'] as const) {
      const four = Array.from({ length: 4 }, () => disk('ide', kind));
      expect(new Set(assignDriveBays(four, [])!.ide.map(({ channel, drive }) => `${channel}.${drive}`)).size).toBe(4);
      expect(assignDriveBays([...four, disk('ide', 'disk')], [])).toBeUndefined();
    }
    expect(assignDriveBays(Array.from({ length: 9 }, () => disk('virtio', 'disk')), [])).toBeUndefined();
  });

  it('boots in the order it is told, by default from disks and then discs', () => {
    const disks = [disk('ide', 'cdrom'), disk('virtio', 'disk'), disk('ide', 'disk')];
    const hd = ['/pci@i0cf8/scsi@8', '/pci@i0cf8/ide@1,1/drive@0/disk@0'];
    const cd = ['/pci@i0cf8/ide@1,1/drive@1/disk@0'];
    expect(assignDriveBays(disks, [])!.bootPaths).toEqual([...hd, ...cd]);
    expect(assignDriveBays(disks, ['cd', 'hd'])!.bootPaths).toEqual([...cd, ...hd]);
    expect(assignDriveBays(disks, ['cd', 'net', 'hd'], ['/network'])!.bootPaths).toEqual([...cd, '/network', ...hd]);
    expect(assignDriveBays(disks, ['cd', 'hd'], ['/network'])!.bootPaths).toEqual([...cd, ...hd]);
    expect(assignDriveBays(disks, ['cd'])!.bootPaths).toEqual(cd);
  });
});
