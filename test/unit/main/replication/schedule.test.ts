import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Library } from '../../../../src/main/library/library.ts';
import type { Replication } from '../../../../src/main/replication/replication.ts';
import { ReplicationSchedule } from '../../../../src/main/replication/schedule.ts';
import { fail, ok } from '../../../../src/shared/result.ts';
import { temporaryFolder } from '../../../support/main-fixtures.ts';

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 10, 26, 12);

async function scheduled(isPossible = true) {
  const folder = temporaryFolder();
  const replica = join(folder, 'replica');
  mkdirSync(join(replica, 'generations'), { recursive: true });
  const library = new Library(join(folder, 'machines'));
  await library.create('hourly', { replication: { folder: replica, everyMinutes: 60, keep: 3 } }, undefined);
  await library.create('never', {}, undefined);
  const made: string[] = [];
  const warnings: string[] = [];
  const replication = {
    make: (name: string, into: string, keep: number) => {
      made.push(`${name} ${into === replica} ${keep}`);
      return Promise.resolve(isPossible ? ok({ id: '', takenAt: 0, bytes: 0, newBytes: 0 }) : fail('media.no-space', 'there is no space left', 'free some space'));
    },
  } as unknown as Replication;
  const schedule = new ReplicationSchedule(library, replication, (name, message) => { warnings.push(`${name}: ${message}`); });
  onTestFinished(() => schedule.close());
  return { schedule, made, warnings, hasGenerationOf: (time: number) => { writeFileSync(join(replica, 'generations', `${new Date(time).toISOString().replace(/[-:.]/g, '')}-00000000.json`), ''); } };
}

test('a machine is replicated when its newest generation is old enough, and not before', async () => {
  const { schedule, made, hasGenerationOf } = await scheduled();
  hasGenerationOf(NOON - HOUR / 2);
  await schedule.look(NOON);
  expect(made).toEqual([]);
  await schedule.look(NOON + HOUR / 2);
  expect(made).toEqual(['hourly true 3']);
  await schedule.look(NOON + HOUR / 2 + 60_000);
  expect(made).toHaveLength(1);
});

test('what was missed is made up for at once, and a clock that was set back stops nothing', async () => {
  const { schedule, made, hasGenerationOf } = await scheduled();
  await schedule.look(NOON);
  expect(made).toHaveLength(1);
  hasGenerationOf(NOON + 100 * HOUR);
  await schedule.look(NOON + HOUR);
  expect(made).toHaveLength(2);
});

test('a failure is told, and tried again when it is time', async () => {
  const { schedule, made, warnings } = await scheduled(false);
  await schedule.look(NOON);
  await schedule.look(NOON + 60_000);
  await schedule.look(NOON + HOUR);
  expect(made).toHaveLength(2);
  expect(warnings).toEqual(Array(2).fill('hourly: it could not be replicated: there is no space left: free some space'));
});
