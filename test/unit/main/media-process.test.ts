import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runMediaJob } from '../../../src/main/media/media-process.ts';
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
