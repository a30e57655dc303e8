import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DiskTroubles, troubleOf } from '../../../../src/emulator/host/disk-troubles.ts';

const withCode = (code: string): Error => Object.assign(new Error(code), { code });
const FULL = troubleOf(withCode('ENOSPC'), 'write')!;
const BAD_SECTOR = troubleOf(withCode('EIO'), 'read')!;

function setUp() {
  const seen: string[] = [];
  const troubles = new DiskTroubles({
    pause: () => seen.push('pause'), resume: () => seen.push('resume'), tell: (disk, trouble) => seen.push(`disk ${disk} ${trouble?.code ?? 'well'}`),
  });
  const disk = { retry: () => { seen.push('retry'); } };
  return { seen, troubles, disk };
}

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

describe('what keeps a disk from being written', () => {
  it('is sorted by who can mend it', () => {
    expect(['ENOSPC', 'EDQUOT', 'EFBIG', 'ESTALE', 'ENOTCONN', 'EROFS', 'EIO'].map((code) => troubleOf(withCode(code), 'write')?.code)).toEqual([
      'media.no-space', 'media.no-space', 'media.no-space', 'media.gone', 'media.gone', 'media.became-read-only', 'media.io-error']);
    expect(troubleOf(withCode('EIO'), 'write')?.isForGood).toBe(false);
    expect(BAD_SECTOR.isForGood).toBe(true);
    expect(troubleOf(withCode('image.damaged'), 'write')).toBeUndefined();
    expect(troubleOf(withCode('EACCES'), 'read')).toBeUndefined();
  });
});

describe('DiskTroubles', () => {
  it('tells once, tries again by itself, and lets the machine go on when all disks are well', () => {
    const { seen, troubles, disk } = setUp();
    troubles.troubled(0, disk, FULL);
    vi.advanceTimersByTime(2_000);
    troubles.troubled(0, disk, FULL);
    troubles.troubled(1, disk, FULL);
    troubles.mended(0);
    expect(seen).toEqual(['disk 0 media.no-space', 'pause', 'retry', 'pause', 'disk 1 media.no-space', 'pause', 'disk 0 well']);
    troubles.mended(1);
    expect(seen.slice(-2)).toEqual(['disk 1 well', 'resume']);
    vi.advanceTimersByTime(60_000);
    expect(seen.filter((what) => what === 'retry')).toEqual(['retry']);
  });

  it('waits for the user where nothing mends itself, and says it again when asked in vain', () => {
    const { seen, troubles, disk } = setUp();
    troubles.troubled(0, disk, BAD_SECTOR);
    vi.advanceTimersByTime(60_000);
    expect(seen).toEqual(['disk 0 media.io-error', 'pause']);
    expect(troubles.resumedByUser()).toBe(false);
    troubles.troubled(0, disk, BAD_SECTOR);
    expect(seen.slice(2)).toEqual(['retry', 'disk 0 media.io-error', 'pause']);
  });

  it('leaves a machine paused that its user paused', () => {
    const { seen, troubles, disk } = setUp();
    troubles.pausedByUser();
    troubles.troubled(0, disk, FULL);
    troubles.mended(0);
    expect(seen).not.toContain('resume');
    expect(troubles.resumedByUser()).toBe(true);
  });
});
