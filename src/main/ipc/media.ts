import { existsSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { ApiHandlers, KnownMedium } from '../../shared/api.ts';
import { mediaCheckSchema, mediaDoneSchema, mediaInfoSchema } from '../../shared/media-protocol.ts';
import type { MediaCheck, MediaDone, MediaImage, MediaInfo, MediaJob, MediaTarget } from '../../shared/media-protocol.ts';
import { mediumFactsSchema } from '../../shared/medium-facts.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { checkDiskBytes } from '../../shared/sizes.ts';
import { checkMedium } from '../machines/media-check.ts';
import { mediumPath } from '../machines/vm-start.ts';
import { runMediaJob } from '../media/media-process.ts';
import type { Services } from './services.ts';

const ATTEMPTS = 1000;
/** An image that takes longer is not worth waiting for: a few sectors are read. */
const RECOGNIZE_MILLIS = 20_000;

export function mediaHandlers(services: Services): ApiHandlers['media'] {
  const { library, supervisor, paths, jobs } = services;
  return {
    async recognize({ path }) {
      if (!isAbsolute(path)) return fail('media.not-a-file', `${path} is no whole path`, 'give the path from the root of its drive');
      const checked = checkMedium(path, 'disk', false);
      if (!checked.ok) return checked;
      return runMediaJob({ program: paths.mediaProcess, job: { kind: 'recognize', path }, answer: mediumFactsSchema, progress: () => {}, signal: AbortSignal.timeout(RECOGNIZE_MILLIS) });
    },

    async list() {
      const found = await library.list();
      if (!found.ok) return found;
      const known = new Map<string, KnownMedium>();
      const add = (path: string, kind: KnownMedium['kind'], format: KnownMedium['format'], machine: string): void => {
        const present = known.get(path);
        const user = { machine, isOn: supervisor.isOn(machine) };
        if (present === undefined) known.set(path, { path, kind, ...(format === undefined ? {} : { format }), isMissing: false, users: [user] });
        else if (!present.users.some((other) => other.machine === machine)) present.users.push(user);
      };
      for (const { name, folder, config } of found.value) {
        if (!config.ok) continue;
        for (const { path, format } of config.value.disks) {
          const whole = mediumPath(folder, path);
          if (whole.ok) add(whole.value, 'disk', format, name);
        }
        for (const { path } of config.value.cdroms) {
          const whole = path === undefined ? undefined : mediumPath(folder, path);
          if (whole?.ok === true) add(whole.value, 'cdrom', undefined, name);
        }
        for (const path of await library.diskFiles(folder)) if (!known.has(path)) known.set(path, { path, kind: 'disk', isMissing: false, users: [] });
      }
      const media = await Promise.all([...known.values()].map(async (medium): Promise<KnownMedium> => {
        const facts = await stat(medium.path).catch(() => undefined);
        if (facts === undefined) return { ...medium, isMissing: true };
        // POSIX counts blocks in units of 512 bytes.
        return { ...medium, hostBytes: process.platform === 'win32' ? facts.size : facts.blocks * 512 };
      }));
      return ok({ media: media.toSorted((one, other) => one.path.localeCompare(other.path)) });
    },

    async createDisk({ machine, bytes, format }) {
      const found = await library.findWhole(machine);
      if (!found.ok) return found;
      const checked = checkDiskBytes(bytes);
      if (!checked.ok) return checked;
      const folder = join(found.value.folder, 'disks');
      await mkdir(folder, { recursive: true });
      const ending = format === 'raw' ? 'img' : format;
      for (let number = 0; number < ATTEMPTS; number++) {
        const name = `disk${number}.${ending}`;
        if (existsSync(join(folder, name))) continue;
        const job: MediaJob = { kind: 'create', target: target(join(folder, name), format, false), bytes, backing: undefined };
        const made = await runMediaJob({ program: paths.mediaProcess, job, answer: mediaDoneSchema, progress: () => {}, signal: new AbortController().signal });
        return made.ok ? ok({ path: `disks/${name}` }) : made;
      }
      return fail('disk.exists', `the folder ${folder} is full of disks`, 'remove some');
    },

    run({ id, job }) {
      const image: MediaImage = { path: job.path, format: job.format, backingFolders: [] };
      return jobs.run(id, async (progress, signal): Promise<Result<{ info?: MediaInfo; check?: MediaCheck; done?: MediaDone }>> => {
        const options = { program: paths.mediaProcess, progress, signal };
        switch (job.kind) {
          case 'info': {
            const info = await runMediaJob({ ...options, job: { kind: 'info', image }, answer: mediaInfoSchema });
            return info.ok ? ok({ info: info.value }) : info;
          }
          case 'check': {
            const check = await runMediaJob({ ...options, job: { kind: 'check', image, repair: job.repair }, answer: mediaCheckSchema });
            return check.ok ? ok({ check: check.value }) : check;
          }
          default: {
            const wanted: MediaJob = job.kind === 'compact' ? { kind: 'compact', image }
              : job.kind === 'resize' ? { kind: 'resize', image, bytes: job.bytes, shrink: job.shrink }
              : { kind: 'convert', image, target: target(job.targetPath, job.targetFormat, false), compress: false };
            const done = await runMediaJob({ ...options, job: wanted, answer: mediaDoneSchema });
            return done.ok ? ok({ done: done.value }) : done;
          }
        }
      });
    },

    async cancel({ id }) {
      jobs.cancel(id);
      return ok({});
    },
  };
}

function target(path: string, format: MediaTarget['format'], replace: boolean): MediaTarget {
  return { path, format, replace, subformat: undefined, blockBytes: undefined, version: undefined, compression: undefined, lazyRefcounts: false };
}
