import { describe, expect, it } from 'vitest';
import { parseBenchOptions } from '../../bench/options.ts';
import { formatRows, formatSummaries, geometricMean, median, reportRow, rowsToPrint, summarize, type Row } from '../../bench/report.ts';

const workload = (id: string, guest: string, more: Pick<Row, 'group' | 'floats'>, values: Row['values']) => reportRow({ id, guest, title: id, unit: 's', values, ...more });

describe('the report of a benchmark', () => {
  it('takes the middle of an odd number of runs and the mean of the middle two of an even one', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 100])).toBe(7);
    expect(median([])).toBeUndefined();
  });

  it('divides our median by the peers\', and ours and TCG\'s by the host\'s own', () => {
    const row = reportRow({ id: 'loop', guest: '686', title: 'shell loop', unit: 's', values: { ours: [6, 30, 7], tcg: [2, 3.5, 60], v86: [14], native: [0.5, 0.7] } });
    expect(row.medians).toEqual({ ours: 7, tcg: 3.5, v86: 14, native: 0.6 });
    expect(row.oursOverTcg).toBe(2);
    expect(row.oursOverV86).toBe(0.5);
    expect(row.oursOverNative).toBeCloseTo(7 / 0.6);
    expect(row.tcgOverNative).toBeCloseTo(3.5 / 0.6);
  });

  it('has no ratio to a peer that was not measured, nor to zero', () => {
    const row = reportRow({ id: 'idle', guest: 'amd64', title: 'idle', unit: '%', values: { ours: [1], tcg: [0] } });
    expect(row.oursOverTcg).toBeUndefined();
    expect(row.oursOverV86).toBeUndefined();
    expect(formatRows([row])).toMatch(/amd64\s+idle \(%\)\s+1\.00\s+0(\s+–){6}$/);
  });

  it('averages ratios by their product, so that twice as fast and twice as slow cancel out', () => {
    expect(geometricMean([2, 0.5])).toBeCloseTo(1);
    expect(geometricMean([1, 10, 100])).toBeCloseTo(10);
    expect(geometricMean([])).toBeUndefined();
  });

  it('averages warm and cold rows apart, and those with SSE and x87 once more', () => {
    const summaries = summarize([
      workload('loop', '686', { group: 'warm' }, { ours: [4], tcg: [1], v86: [8], native: [1] }),
      workload('matrix-sse', '686', { group: 'warm', floats: 'sse' }, { ours: [1], tcg: [4], v86: [4] }),
      workload('bodies-x87', '686', { group: 'warm', floats: 'x87' }, { ours: [8], tcg: [1] }),
      workload('boot', '686', { group: 'cold' }, { ours: [6], tcg: [2] }),
      workload('idle', '686', {}, { ours: [99], tcg: [1] }),
    ]);
    const named = Object.fromEntries(summaries.map(({ of, ratios }) => [of.trim(), ratios]));
    expect(Object.keys(named)).toEqual(['warm', 'of these SSE', 'of these x87', 'the others', 'cold']);
    expect(named['warm']?.oursOverTcg).toMatchObject({ rows: 3, worst: { id: 'bodies-x87', ratio: 8 } });
    expect(named['warm']?.oursOverTcg.mean).toBeCloseTo(2);
    expect(named['warm']?.oursOverV86.mean).toBeCloseTo(Math.sqrt(0.5 * 0.25));
    expect(named['warm']?.oursOverNative).toEqual({ rows: 1, mean: 4, worst: { id: 'loop', guest: '686', ratio: 4 } });
    expect(named['of these SSE']?.oursOverTcg.mean).toBeCloseTo(0.25);
    expect(named['of these x87']?.oursOverTcg.mean).toBeCloseTo(8);
    expect(named['the others']?.tcgOverNative.mean).toBeCloseTo(1);
    expect(named['cold']?.oursOverTcg.mean).toBeCloseTo(3);
    expect(named['cold']?.oursOverV86).toEqual({ rows: 0, mean: undefined, worst: undefined });
  });

  it('sums up each guest and, where there are several, all of them', () => {
    const row = (guest: string, ours: number) => workload('loop', guest, { group: 'warm' }, { ours: [ours], tcg: [1] });
    expect(summarize([row('amd64', 2)]).map(({ guest }) => guest)).not.toContain('all');
    const all = summarize([row('amd64', 2), row('686', 8)]).find(({ guest, of }) => guest === 'all' && of === 'warm');
    expect(all?.ratios.oursOverTcg).toMatchObject({ rows: 2, worst: { guest: '686', ratio: 8 } });
    expect(all?.ratios.oursOverTcg.mean).toBeCloseTo(4);
    expect(formatSummaries(all === undefined ? [] : [all])).toMatch(/all\s+warm\s+4\.00\s+2\s+8\.00 686 loop\s/);
  });

  it('shows the guest\'s clock where it differs from the host\'s', () => {
    const wall = workload('sort', '686', { group: 'warm' }, { ours: [10], tcg: [2] });
    const clock = (ours: number) => workload('sort-uptime', '686', {}, { ours: [ours], tcg: [2] });
    expect(rowsToPrint([wall, clock(10.2)])).toEqual([wall]);
    expect(rowsToPrint([wall, clock(7)])).toEqual([wall, clock(7)]);
  });
});

describe('the arguments of the benchmark', () => {
  it('are five runs of everything unless told otherwise, and one of little with --quick', () => {
    expect(parseBenchOptions([])).toMatchObject({ runs: 5, columns: ['ours', 'tcg', 'v86', 'native'], guests: ['amd64', '686'], accelerator: 'auto', size: 'full' });
    expect(parseBenchOptions(['--quick'])).toMatchObject({ runs: 1, size: 'quick' });
    expect(parseBenchOptions(['--quick', '--runs', '2', '--guests', '686-pae'])).toMatchObject({ runs: 2, guests: ['686-pae'] });
  });

  it('pick rows and our accelerator', () => {
    expect(parseBenchOptions(['--rows', 'boot,matrix-sse', '--accel', 'interpreter'])).toMatchObject({ rows: ['boot', 'matrix-sse'], accelerator: 'interpreter' });
  });

  it.each([[['--runs', '0']], [['--engines', 'bochs']], [['--guests', 'amd64,']], [['--rows', 'everything']], [['--accel', 'kvm']], [['--frobnicate']]])('refuse %j', (words) => {
    expect(() => parseBenchOptions(words)).toThrow();
  });
});
