/** What can be done with a machine in its present state. */
import type { LibraryEntry } from '../../shared/api.ts';

export interface Possible {
  readonly start: boolean;
  readonly show: boolean;
  readonly pause: boolean;
  readonly resume: boolean;
  readonly save: boolean;
  readonly shutDown: boolean;
  readonly powerOff: boolean;
  readonly reset: boolean;
  readonly delete: boolean;
}

export function possibleActions({ status, broken }: LibraryEntry): Possible {
  const { state } = status;
  const isOff = state === 'off' || state === 'crashed';
  return {
    start: isOff && broken === undefined,
    show: !isOff,
    pause: state === 'running',
    resume: state === 'paused',
    save: state === 'running' || state === 'paused',
    shutDown: state === 'running',
    powerOff: !isOff,
    reset: state === 'running' || state === 'paused',
    delete: isOff,
  };
}
