import { describe, expect, it } from 'vitest';
import { parseBenchOptions } from '../../bench/options.ts';
import { formatRows, median, reportRow } from '../../bench/report.ts';

describe('the report of a benchmark', () => {
  it('takes the middle of an odd number of runs and the mean of the middle two of an even one', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 100])).toBe(7);
    expect(median([])).toBeUndefined();
  });

  it('divides our median by the peers\'', () => {
    const row = reportRow({ id: 'loop', guest: '686', title: 'shell loop', unit: 's', values: { ours: [6, 30, 7], tcg: [2, 3.5, 60], v86: [14] } });
    expect(row.medians).toEqual({ ours: 7, tcg: 3.5, v86: 14 });
    expect(row.oursOverTcg).toBe(2);
    expect(row.oursOverV86).toBe(0.5);
  });

  it('has no ratio to a peer that was not measured, nor to zero', () => {
    const row = reportRow({ id: 'idle', guest: 'amd64', title: 'idle', unit: '%', values: { ours: [1], tcg: [0] } });
    expect(row.oursOverTcg).toBeUndefined();
    expect(row.oursOverV86).toBeUndefined();
    expect(formatRows([row])).toMatch(/amd64\s+idle \(%\)\s+1\.00\s+0\s+–\s+–\s+–/);
  });
});

describe('the arguments of the benchmark', () => {
  it('are three runs of everything unless told otherwise, and one of little with --quick', () => {
    expect(parseBenchOptions([])).toMatchObject({ runs: 3, engines: ['ours', 'tcg', 'v86'], guests: ['amd64', '686'], sizes: { loopTurns: 200_000, mebibytes: 64, forks: 200 } });
    expect(parseBenchOptions(['--quick'])).toMatchObject({ runs: 1 });
    expect(parseBenchOptions(['--quick', '--runs', '2', '--guests', '686-pae'])).toMatchObject({ runs: 2, guests: ['686-pae'] });
  });

  it.each([[['--runs', '0']], [['--engines', 'bochs']], [['--guests', 'amd64,']], [['--frobnicate']]])('refuse %j', (words) => {
    expect(() => parseBenchOptions(words)).toThrow();
  });
});
