import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { runMediaJob, WaitingMediaProcess } from '../../../src/main/media/media-process.ts';
import { mediaDoneSchema } from '../../../src/shared/media-protocol.ts';

it('a cancelled process that does not stop is killed, and what it had begun cleared away', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'guesthouse-'));
  onTestFinished(() => { rmSync(folder, { recursive: true }); });
  const program = join(folder, 'deaf.cjs');
  // Hears of the job, begins a file and then of nothing any more.
  writeFileSync(program, `process.on('message', ({ kind, job }) => {
    if (kind !== 'start') return;
    const { dirname, basename, join } = require('node:path');
    const { writeFileSync } = require('node:fs');
    writeFileSync(join(dirname(job.target.path), '.' + basename(job.target.path) + '.' + process.pid + '-abcd.new'), '');
    process.send({ kind: 'progress', done: 0.5 }, () => { for (;;); });
  });`);
  writeFileSync(join(folder, '.new.qcow2.1-abcd.new'), 'of somebody else');
  const cancelling = new AbortController();
  const result = await runMediaJob({
    program, answer: mediaDoneSchema, signal: cancelling.signal, killAfterMillis: 200, progress: () => { cancelling.abort(); },
    job: { kind: 'create', bytes: 1 << 20, backing: undefined, target: { path: join(folder, 'new.qcow2'), format: 'qcow2', replace: false, subformat: undefined, blockBytes: undefined, version: undefined, compression: undefined, lazyRefcounts: false } },
  });
  expect(result).toMatchObject({ ok: false, error: { code: 'media.cancelled' } });
  expect(readdirSync(folder).toSorted()).toEqual(['.new.qcow2.1-abcd.new', 'deaf.cjs']);
});

it('a process that waits does the next job and no other; one that has died is missed by nobody', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'guesthouse-'));
  onTestFinished(() => { rmSync(folder, { recursive: true }); });
  const program = join(folder, 'telling.cjs');
  // Writes its number when it starts, and answers with it.
  writeFileSync(program, `require('node:fs').writeFileSync(${JSON.stringify(join(folder, 'started'))}, String(process.pid));
    process.on('message', () => { process.send({ kind: 'finished', value: { pid: process.pid } }, () => { process.exit(); }); });`);
  const started = async (): Promise<number> => {
    while (!existsSync(join(folder, 'started')) || readFileSync(join(folder, 'started'), 'utf8') === '') await delay(10);
    const pid = Number(readFileSync(join(folder, 'started'), 'utf8'));
    rmSync(join(folder, 'started'));
    return pid;
  };
  const waiting = new WaitingMediaProcess(program, 0);
  const job = async (): Promise<number> => {
    const done = await runMediaJob({ program, waiting, answer: z.object({ pid: z.number() }), signal: new AbortController().signal, progress: () => {}, job: { kind: 'recognize', path: '/x' } });
    return done.ok ? done.value.pid : -1;
  };
  waiting.expectJob();
  const first = await started();
  expect(await job()).toBe(first);
  expect(await job()).toBe(await started());
  waiting.expectJob();
  const second = await started();
  process.kill(second, 'SIGKILL');
  expect(await job()).toBe(await started());
  waiting.expectJob();
  const third = await started();
  waiting.close();
  for (let isThere = true; isThere; await delay(10)) {
    try {
      process.kill(third, 0);
    } catch {
      isThere = false;
    }
  }
  waiting.expectJob();
  await delay(50);
  expect(existsSync(join(folder, 'started'))).toBe(false);
});
