import { describe, expect, it } from 'vitest';
import type { BlockRequest } from '../../../../src/emulator/interfaces/block-backend.ts';
import { RemoteDisk } from '../../../../src/emulator/host/remote-disk.ts';
import type { Letter, Mailbox } from '../../../../src/emulator/machine/mailbox.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const FACTS = { sectorBytes: 512, sectorCount: 100, readOnly: false, serial: 'D0' } as const;
const READ: BlockRequest = { kind: 'read', sector: 0, sectorCount: 1, segments: [{ offset: 0, length: 512 }] };

function blockDone(requestId: number): Extract<Letter, { kind: 'block-done' }> {
  return { kind: 'block-done', disk: 0, requestId, status: 'ok' };
}

describe('RemoteDisk', () => {
  it('completes a request when its letter comes, in any order', () => {
    const posted: number[] = [];
    const disk = new RemoteDisk(0, FACTS, (requestId) => posted.push(requestId), undefined);
    const done: string[] = [];
    disk.submit(READ, (status) => done.push(`first ${status}`));
    disk.submit(READ, (status) => done.push(`second ${status}`));
    disk.completed(blockDone(posted[1]!));
    disk.completed(blockDone(posted[0]!));
    disk.completed(blockDone(posted[0]!));
    expect(done).toEqual(['second ok', 'first ok']);
  });

  it('completes after a fixed guest time in instruction time, whether the host is early or late', () => {
    const clock = new FakeClock();
    let waited = 0;
    const mailbox: Mailbox = {
      take: () => undefined,
      wait: () => {},
      waitFor(matches) {
        waited++;
        const letter = blockDone(2);
        expect(matches(blockDone(1))).toBe(false);
        expect(matches(letter)).toBe(true);
        return letter;
      },
    };
    const disk = new RemoteDisk(0, FACTS, () => {}, { clock, mailbox });
    const doneAt: number[] = [];
    disk.submit(READ, () => doneAt.push(clock.now()));
    disk.completed(blockDone(1));
    expect(doneAt).toEqual([]);
    clock.advance(50_000);
    disk.submit(READ, () => doneAt.push(clock.now()));
    clock.advance(200_000);
    expect(doneAt).toEqual([100_000, 150_000]);
    expect(waited).toBe(1);
  });

  it('gives requests that are issued again after a restore the numbers that they had, and others new ones', () => {
    const WRITE: BlockRequest = { ...READ, kind: 'write', sector: 8 };
    const disk = new RemoteDisk(0, FACTS, () => {}, undefined);
    for (const request of [READ, WRITE, READ]) disk.submit(request, () => {});
    disk.completed(blockDone(1));
    const saved = structuredClone(disk.save());
    expect(saved).toEqual({ unfinished: [{ requestId: 2, request: WRITE }, { requestId: 3, request: READ }], nextRequestId: 4 });
    const posted: number[] = [];
    const twin = new RemoteDisk(0, FACTS, (requestId) => posted.push(requestId), undefined);
    twin.restore(saved);
    for (const request of [READ, { ...READ, sector: 1 }, WRITE, READ]) twin.submit(request, () => {});
    expect(posted).toEqual([3, 4, 2, 5]);
  });
});
