import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';
import { NO_REASON, type Tally } from './tally.ts';

/** Counts Vitest's tests into the file that the environment names; a file that does not load is one failure. */
export class VitestTally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const file = process.env['GUESTHOUSE_TALLY_FILE'];
    if (file === undefined) return;
    let passed = 0;
    let failed = unhandledErrors.length;
    const skipped: { test: string; reason: string }[] = [];
    for (const module of modules) {
      if (module.errors().length > 0) failed += 1;
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) failed += 1;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed += 1;
        else if (result.state === 'skipped') {
          skipped.push({ test: `${module.relativeModuleId}: ${test.fullName}`, reason: result.note ?? NO_REASON });
        } else failed += 1;
      }
    }
    const tally: Tally = { passed, failed, skipped };
    writeFileSync(file, JSON.stringify(tally));
  }
}
