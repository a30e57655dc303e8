import { stripVTControlCharacters } from 'node:util';

/** What a test runner counted, however it names its states. */
export type Tally = {
  readonly passed: number;
  readonly failed: number;
  /** Of those that have a name: what failed, and the first line of why. */
  readonly failures: readonly { readonly test: string; readonly reason: string }[];
  /** Passed, but not the first time. */
  readonly flaky: readonly { readonly test: string; readonly reason: string }[];
  readonly skipped: readonly { readonly test: string; readonly reason: string }[];
};

export const NO_REASON = 'no reason given';

export function sumTallies(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((sum, tally) => sum + tally.passed, 0),
    failed: tallies.reduce((sum, tally) => sum + tally.failed, 0),
    failures: tallies.flatMap((tally) => tally.failures),
    flaky: tallies.flatMap((tally) => tally.flaky),
    skipped: tallies.flatMap((tally) => tally.skipped),
  };
}

export function tallyLine({ passed, failed, skipped }: Pick<Tally, 'passed' | 'failed' | 'skipped'>): string {
  const counts = `${passed} passed, ${failed} failed`;
  return skipped.length === 0 ? counts : `${counts}, ${skipped.length} skipped`;
}

/** A run that tested nothing proves nothing. */
export function isGreen(tally: Tally): boolean {
  return tally.failed === 0 && tally.passed > 0;
}

/** Terminals' colours are left out. */
export function firstLine(message: string): string {
  return stripVTControlCharacters(message).trim().split('\n', 1)[0] ?? '';
}
