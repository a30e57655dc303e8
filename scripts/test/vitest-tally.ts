import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';
import { firstLine, NO_REASON, type Tally } from './tally.ts';

/** Counts Vitest's tests into the file that the environment names; a file that does not load is one failure. */
export class VitestTally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const file = process.env['GUESTHOUSE_TALLY_FILE'];
    if (file === undefined) return;
    let passed = 0;
    const failures = unhandledErrors.map(({ message }) => ({ test: 'outside any test', reason: firstLine(message) }));
    const fail = (test: string, error: { readonly message: string } | undefined): void => {
      failures.push({ test, reason: firstLine(error?.message ?? NO_REASON) });
    };
    const flaky: { test: string; reason: string }[] = [];
    const skipped: { test: string; reason: string }[] = [];
    for (const module of modules) {
      const path = module.relativeModuleId;
      if (module.errors().length > 0) fail(path, module.errors()[0]);
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) fail(`${path}: ${suite.fullName}`, suite.errors()[0]);
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') {
          passed += 1;
          if (test.diagnostic()?.flaky === true) flaky.push({ test: `${path}: ${test.fullName}`, reason: firstLine(result.errors?.[0]?.message ?? NO_REASON) });
        } else if (result.state === 'skipped') {
          skipped.push({ test: `${path}: ${test.fullName}`, reason: result.note ?? NO_REASON });
        } else fail(`${path}: ${test.fullName}`, result.errors?.[0]);
      }
    }
    const tally: Tally = { passed, failed: failures.length, failures, flaky, skipped };
    writeFileSync(file, JSON.stringify(tally));
  }
}
