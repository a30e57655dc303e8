import { writeFileSync } from 'node:fs';
import type { FullConfig, Reporter, Suite, TestError } from '@playwright/test/reporter';
import { firstLine, NO_REASON, type Tally } from './tally.ts';

/** Counts Playwright's tests into the file that the environment names; an error outside any test is one failure. */
class PlaywrightTally implements Reporter {
  private root: Suite | undefined;
  private readonly errors: Tally['failures'][number][] = [];

  onBegin(_config: FullConfig, suite: Suite): void {
    this.root = suite;
  }

  onError({ message }: TestError): void {
    this.errors.push({ test: 'outside any test', reason: firstLine(message ?? NO_REASON) });
  }

  onEnd(): void {
    const file = process.env['GUESTHOUSE_TALLY_FILE'];
    if (file === undefined) return;
    let passed = 0;
    const failures = [...this.errors];
    const flaky: { test: string; reason: string }[] = [];
    const skipped: { test: string; reason: string }[] = [];
    for (const test of this.root?.allTests() ?? []) {
      const outcome = test.outcome();
      const title = test.titlePath().filter((part) => part !== '').join(' > ');
      if (outcome === 'expected' || outcome === 'flaky') passed += 1;
      if (outcome === 'flaky') flaky.push({ test: title, reason: firstLine(test.results[0]?.error?.message ?? NO_REASON) });
      else if (outcome === 'skipped') {
        const reason = test.annotations.find(({ type }) => type === 'skip' || type === 'fixme')?.description ?? NO_REASON;
        skipped.push({ test: title, reason });
      } else if (outcome === 'unexpected') failures.push({ test: title, reason: firstLine(test.results.at(-1)?.error?.message ?? outcome) });
    }
    const tally: Tally = { passed, failed: failures.length, failures, flaky, skipped };
    writeFileSync(file, JSON.stringify(tally));
  }
}

// Playwright loads a reporter by its file's default export.
export default PlaywrightTally;
