import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { shownTheme } from '../../state/appearance.ts';
import { useStore } from '../../state/store.ts';

const HEIGHT_PIXELS = 110;
const SHOWN_SECONDS = 120;
/** A time of day and some air: narrower steps run into each other. */
const TIME_STEP_PIXELS = 110;
const BINARY_STEPS = Array.from({ length: 45 }, (_, power) => 2 ** power);
/** Told apart by lightness too, for eyes that see few colours. */
const STROKES = ['#2f8f83', '#c1762b', '#6f63c9', '#b5455c', '#5c8a2d', '#3f7fbf', '#8d8d8d', '#a65ca6'];

export interface LineGraphProps {
  readonly title: string;
  /** What it shows at its end, in words. */
  readonly summary: string;
  readonly names: readonly string[];
  readonly times: readonly number[];
  readonly series: readonly (readonly (number | null)[])[];
  readonly format: (value: number) => string;
  /** Its steps are round in KiB, MiB and so on. */
  readonly isBytes: boolean;
}

export function strokeOf(index: number): string {
  return STROKES[index % STROKES.length] ?? '#2f8f83';
}

export function LineGraph({ title, summary, names, times, series, format, isBytes }: LineGraphProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const write = useRef(format);
  const theme = useStore(shownTheme);
  useEffect(() => { write.current = format; });
  const key = names.join('\n');

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const style = getComputedStyle(element);
    const [ink, line] = [style.getPropertyValue('--text-soft'), style.getPropertyValue('--line')];
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: '11px sans-serif' };
    const made = new uPlot({
      width: element.clientWidth, height: HEIGHT_PIXELS, legend: { show: false }, cursor: { show: false }, padding: [8, 8, 0, 0],
      scales: { x: { range: (_self, _first, last) => [last - SHOWN_SECONDS, last] }, y: { range: (_self, _low, high) => [0, Math.max(high * 1.15, 1)] } },
      axes: [{ ...axis, size: 22, space: TIME_STEP_PIXELS, values: (_self, seconds) => seconds.map((second) => new Date(second * 1000).toLocaleTimeString(document.documentElement.lang, { timeStyle: 'medium' })) }, { ...axis, size: 74, ...(isBytes ? { incrs: BINARY_STEPS } : {}), values: (_self, values) => values.map((value) => write.current(value)) }],
      series: [{}, ...key.split('\n').map((label, index) => ({ label, stroke: strokeOf(index), width: 2, points: { show: false } }))],
    }, [[], ...key.split('\n').map(() => [])] as uPlot.AlignedData, element);
    plot.current = made;
    const observer = new ResizeObserver(() => { made.setSize({ width: element.clientWidth, height: HEIGHT_PIXELS }); });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [key, theme, isBytes]);
  useEffect(() => { plot.current?.setData([[...times], ...series.map((values) => [...values])]); }, [times, series, key, theme, isBytes]);

  return (
    <figure className="graph">
      <figcaption><strong>{title}</strong><span>{summary}</span></figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${summary}`} />
    </figure>
  );
}
