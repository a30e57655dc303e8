import { describe, expect, it } from 'vitest';
import { firstLine, isGreen, sumTallies, tallyLine } from '../../../scripts/test/tally.ts';

describe('the last line of npm test', () => {
  const unit = { passed: 3, failed: 0, failures: [], flaky: [], skipped: [] };
  const endToEnd = { passed: 2, failed: 1, failures: [{ test: 'c', reason: 'd' }], flaky: [], skipped: [{ test: 'a', reason: 'b' }] };

  it('names no skips where there are none', () => {
    expect(tallyLine(unit)).toBe('3 passed, 0 failed');
  });

  it('sums over the runners', () => {
    expect(tallyLine(sumTallies([unit, endToEnd]))).toBe('5 passed, 1 failed, 1 skipped');
    expect(sumTallies([endToEnd, endToEnd]).failures).toEqual([{ test: 'c', reason: 'd' }, { test: 'c', reason: 'd' }]);
  });

  it('tells a failure in one plain line', () => {
    expect(firstLine('\n\u001B[31mError\u001B[39m: no room\n    at file.ts:3')).toBe('Error: no room');
  });

  it('stands for success only if something passed and nothing failed', () => {
    expect(isGreen(unit)).toBe(true);
    expect(isGreen(endToEnd)).toBe(false);
    expect(isGreen(sumTallies([]))).toBe(false);
    expect(isGreen({ passed: 0, failed: 0, failures: [], flaky: [], skipped: endToEnd.skipped })).toBe(false);
  });
});
