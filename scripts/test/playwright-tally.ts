import { writeFileSync } from 'node:fs';
import type { FullConfig, Reporter, Suite, TestError } from '@playwright/test/reporter';
import { NO_REASON, type Tally } from './tally.ts';

/** Counts Playwright's tests into the file that the environment names; an error outside any test is one failure. */
class PlaywrightTally implements Reporter {
  private root: Suite | undefined;
  private errors = 0;

  onBegin(_config: FullConfig, suite: Suite): void {
    this.root = suite;
  }

  onError(_error: TestError): void {
    this.errors += 1;
  }

  onEnd(): void {
    const file = process.env['GUESTHOUSE_TALLY_FILE'];
    if (file === undefined) return;
    let passed = 0;
    let failed = this.errors;
    const skipped: { test: string; reason: string }[] = [];
    for (const test of this.root?.allTests() ?? []) {
      const outcome = test.outcome();
      if (outcome === 'expected') passed += 1;
      else if (outcome === 'skipped') {
        const reason = test.annotations.find(({ type }) => type === 'skip' || type === 'fixme')?.description ?? NO_REASON;
        skipped.push({ test: test.titlePath().filter((part) => part !== '').join(' > '), reason });
      } else failed += 1;
    }
    const tally: Tally = { passed, failed, skipped };
    writeFileSync(file, JSON.stringify(tally));
  }
}

// Playwright loads a reporter by its file's default export.
export default PlaywrightTally;
