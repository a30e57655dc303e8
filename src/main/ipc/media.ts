import { isAbsolute } from 'node:path';
import type { ApiHandlers } from '../../shared/api.ts';
import { mediumFactsSchema } from '../../shared/medium-facts.ts';
import { fail } from '../../shared/result.ts';
import { checkMedium } from '../machines/media-check.ts';
import { runMediaJob } from '../media/media-process.ts';
import type { Services } from './services.ts';

/** An image that takes longer is not worth waiting for: a few sectors are read. */
const RECOGNIZE_MILLIS = 20_000;

export function mediaHandlers({ paths }: Services): ApiHandlers['media'] {
  return {
    async recognize({ path }) {
      if (!isAbsolute(path)) return fail('media.not-a-file', `${path} is no whole path`, 'give the path from the root of its drive');
      const checked = checkMedium(path, 'disk', false);
      if (!checked.ok) return checked;
      return runMediaJob({ program: paths.mediaProcess, job: { kind: 'recognize', path }, answer: mediumFactsSchema, progress: () => {}, signal: AbortSignal.timeout(RECOGNIZE_MILLIS) });
    },
  };
}
