import { describe, expect, it } from 'vitest';
import type { BlockRequest, BlockStatus } from '../../../../src/emulator/interfaces/block-backend.ts';
import type { DiskImage, Extent } from '../../../../src/emulator/interfaces/disk-image.ts';
import { StartError } from '../../../../src/emulator/host/start-error.ts';
import { DiskService, type TroubleListener } from '../../../../src/emulator/host/disk-service.ts';

const SECTOR_COUNT = 64;

class FakeImage implements DiskImage {
  readonly format = 'fake';
  readonly sectorBytes = 512;
  readonly sectorCount = SECTOR_COUNT;
  readOnly = false;
  readonly bytes = new Uint8Array(SECTOR_COUNT * 512);
  readonly calls: string[] = [];
  /** Requests wait here until the test lets them go on. */
  readonly gates: (() => void)[] = [];
  gated = false;
  failure: Error | undefined;

  async read(sector: number, target: Uint8Array): Promise<void> {
    await this.#step(`read ${sector}+${target.length / 512}`);
    target.set(this.bytes.subarray(sector * 512, sector * 512 + target.length));
  }

  async write(sector: number, source: Uint8Array): Promise<void> {
    await this.#step(`write ${sector}+${source.length / 512}`);
    this.bytes.set(source, sector * 512);
  }

  async flush(): Promise<void> {
    await this.#step('flush');
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    await this.#step(`discard ${sector}+${sectorCount}`);
  }

  async writeZeroes(sector: number, sectorCount: number): Promise<void> {
    await this.#step(`zero ${sector}+${sectorCount}`);
  }

  async extentAt(_sector: number, maxSectors: number): Promise<Extent> {
    return { sectorCount: maxSectors, kind: 'data', own: true };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.calls.push('close');
  }

  async #step(call: string): Promise<void> {
    this.calls.push(call);
    if (this.failure !== undefined) throw this.failure;
    if (this.gated) await new Promise<void>((resolve) => this.gates.push(resolve));
  }
}

function setUp(listener?: TroubleListener) {
  const image = new FakeImage();
  const shared = new Uint8Array(new SharedArrayBuffer(0x10000));
  const service = new DiskService(image, shared, undefined, listener);
  const run = (request: Partial<BlockRequest> & { kind: BlockRequest['kind'] }): Promise<BlockStatus> =>
    new Promise((resolve) => service.submit({ sector: 0, sectorCount: 0, segments: [], ...request }, resolve));
  return { image, shared, service, run };
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('a limited disk', () => {
  it('makes one request of what lies in pieces in the guest', async () => {
    const { image, shared, run } = setUp();
    const segments = [{ offset: 0x4000, length: 700 }, { offset: 0x1000, length: 324 }, { offset: 0x2000, length: 512 }];
    image.bytes.forEach((_, index) => { image.bytes[index] = index >> 3; });
    expect(await run({ kind: 'read', sector: 2, sectorCount: 3, segments })).toBe('ok');
    expect(image.calls).toEqual(['read 2+3']);
    const pieces = segments.flatMap(({ offset, length }) => [...shared.subarray(offset, offset + length)]);
    expect(pieces).toEqual([...image.bytes.subarray(1024, 2560)]);
    expect(await run({ kind: 'write', sector: 8, sectorCount: 3, segments })).toBe('ok');
    expect(image.calls).toEqual(['read 2+3', 'write 8+3']);
    expect([...image.bytes.subarray(4096, 4096 + 1536)]).toEqual(pieces);
  });

  it('moves no more in a second than it may, in order, and all at once when the limit is gone', async () => {
    const { image, service, run } = setUp();
    const read = (sector: number): Promise<BlockStatus> => run({ kind: 'read', sector, sectorCount: 1, segments: [{ offset: 0, length: 512 }] });
    service.limit(1024);
    const start = performance.now();
    // What was saved up is gone after the first.
    expect(await read(0)).toBe('ok');
    expect(await read(1)).toBe('ok');
    expect(performance.now() - start).toBeGreaterThan(400);
    const waiting = [read(2), read(3), read(4)];
    await settle();
    expect(image.calls).toEqual(['read 0+1', 'read 1+1']);
    service.limit(undefined);
    expect(await Promise.all(waiting)).toEqual(['ok', 'ok', 'ok']);
    expect(image.calls.slice(2)).toEqual(['read 2+1', 'read 3+1', 'read 4+1']);
  });
});

describe('DiskService', () => {
  it('moves sectors between the image and segments of the shared memory, whole or broken', async () => {
    const { image, shared, run } = setUp();
    for (let index = 0; index < 1024; index++) shared[0x1000 + index] = index * 7;
    expect(await run({ kind: 'write', sector: 3, sectorCount: 2, segments: [{ offset: 0x1000, length: 1024 }] })).toBe('ok');
    const broken = [{ offset: 0x4000, length: 100 }, { offset: 0x5000, length: 924 }];
    expect(await run({ kind: 'read', sector: 3, sectorCount: 2, segments: broken })).toBe('ok');
    expect([...shared.subarray(0x4000, 0x4064), ...shared.subarray(0x5000, 0x5000 + 924)]).toEqual([...shared.subarray(0x1000, 0x1400)]);
    shared.fill(0, 0x4000, 0x4064);
    expect(await run({ kind: 'write', sector: 10, sectorCount: 2, segments: broken })).toBe('ok');
    expect(image.bytes[10 * 512]).toBe(0);
    expect(image.bytes[10 * 512 + 100]).toBe(shared[0x5000]);
  });

  it('refuses what lies outside the disk or the memory, or has the wrong length, without touching the image', async () => {
    const { image, run } = setUp();
    const segments = [{ offset: 0, length: 512 }];
    expect(await run({ kind: 'read', sector: 64, sectorCount: 1, segments })).toBe('out-of-range');
    expect(await run({ kind: 'read', sector: -1, sectorCount: 1, segments })).toBe('out-of-range');
    expect(await run({ kind: 'write', sector: 2 ** 40, sectorCount: 1, segments })).toBe('out-of-range');
    expect(await run({ kind: 'write', sector: 0, sectorCount: 2, segments })).toBe('out-of-range');
    expect(await run({ kind: 'read', sector: 0, sectorCount: 1, segments: [{ offset: 0xff00, length: 512 }] })).toBe('out-of-range');
    image.readOnly = true;
    expect(await run({ kind: 'write', sector: 0, sectorCount: 1, segments })).toBe('read-only');
    expect(image.calls).toEqual([]);
  });

  it('flushes after all that came before and before all that comes after', async () => {
    const { image, run } = setUp();
    image.gated = true;
    const segments = [{ offset: 0, length: 512 }];
    const done: string[] = [];
    const requests = [
      run({ kind: 'write', sector: 1, sectorCount: 1, segments }).then(() => done.push('write 1')),
      run({ kind: 'flush' }).then(() => done.push('flush')),
      run({ kind: 'write', sector: 2, sectorCount: 1, segments }).then(() => done.push('write 2')),
    ];
    await settle();
    expect(image.calls).toEqual(['write 1+1']);
    image.gates.shift()!();
    await settle();
    expect(image.calls).toEqual(['write 1+1', 'flush']);
    image.gates.shift()!();
    await settle();
    image.gates.shift()!();
    await Promise.all(requests);
    expect(done).toEqual(['write 1', 'flush', 'write 2']);
  });

  it('bounds the requests under way and completes them all', async () => {
    const { image, run } = setUp();
    image.gated = true;
    const requests = Array.from({ length: 50 }, (_, sector) => run({ kind: 'read', sector, sectorCount: 1, segments: [{ offset: 0, length: 512 }] }));
    await settle();
    expect(image.calls.length).toBe(8);
    image.gated = false;
    for (const gate of image.gates) gate();
    expect((await Promise.all(requests)).every((status) => status === 'ok')).toBe(true);
  });

  it('tells a full disk from a broken one', async () => {
    const { image, run } = setUp();
    image.failure = Object.assign(new Error('full'), { code: 'ENOSPC' });
    expect(await run({ kind: 'flush' })).toBe('no-space');
    image.failure = new Error('broken');
    expect(await run({ kind: 'discard', sector: 0, sectorCount: 1 })).toBe('io-error');
  });

  it('holds what the host can mend and tries it again, before all that waits', async () => {
    const troubles: string[] = [];
    const { image, run, service } = setUp({ troubled: ({ code }) => troubles.push(code), mended: () => troubles.push('mended') });
    const segments = [{ offset: 0, length: 512 }];
    image.failure = Object.assign(new Error('full'), { code: 'ENOSPC' });
    const done: string[] = [];
    const requests = [
      run({ kind: 'write', sector: 1, sectorCount: 1, segments }).then((status) => done.push(`write ${status}`)),
      run({ kind: 'flush' }).then((status) => done.push(`flush ${status}`)),
    ];
    await settle();
    service.retry();
    await settle();
    expect([troubles, done]).toEqual([['media.no-space', 'media.no-space'], []]);
    image.failure = undefined;
    service.retry();
    await Promise.all(requests);
    expect([troubles.at(-1), done]).toEqual(['mended', ['write ok', 'flush ok']]);
    expect(image.calls.slice(-2)).toEqual(['write 1+1', 'flush']);
  });

  it('tells the guest in the end what nothing will mend, and of everything when it is closed', async () => {
    const troubles: string[] = [];
    const { image, run, service } = setUp({ troubled: ({ code }) => troubles.push(code), mended: () => troubles.push('mended') });
    image.failure = new StartError('media.write-failed', 'lost', 'check');
    const flush = run({ kind: 'flush' });
    await settle();
    expect(troubles).toEqual(['media.write-failed']);
    service.retry();
    expect(await flush).toBe('io-error');
    expect(troubles).toEqual(['media.write-failed', 'mended']);
    image.failure = Object.assign(new Error('gone'), { code: 'ESTALE' });
    const write = run({ kind: 'write', sector: 1, sectorCount: 1, segments: [{ offset: 0, length: 512 }] });
    await settle();
    expect(troubles.at(-1)).toBe('media.gone');
    await expect(service.close()).rejects.toThrow('gone');
    expect(await write).toBe('io-error');
  });

  it('finishes what is queued before it flushes and closes', async () => {
    const { image, service, run } = setUp();
    const write = run({ kind: 'write', sector: 0, sectorCount: 1, segments: [{ offset: 0, length: 512 }] });
    await service.close();
    expect(await write).toBe('ok');
    expect(image.calls).toEqual(['write 0+1', 'flush', 'close']);
  });
});
