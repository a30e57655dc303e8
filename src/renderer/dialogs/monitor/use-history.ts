import { useEffect, useRef, useState } from 'react';
import type { VmStats } from '../../../shared/vm-protocol.ts';
import { useApp } from '../../state/app-state.ts';
import { ratesBetween } from './rates.ts';
import type { Metric, Rates } from './rates.ts';

const READ_MILLIS = 1000;
const READINGS_KEPT = 120;

export interface History {
  /** Seconds since 1970. */
  readonly times: readonly number[];
  /** For each metric, for each machine in the order of the names; `null` where there was no reading. */
  readonly series: Readonly<Record<Metric, readonly (readonly (number | null)[])[]>>;
}

/** Reads what the machines do, once a second, for as long as it is shown. */
export function useHistory(names: readonly string[]): History {
  const { shell } = useApp();
  const [readings, setReadings] = useState<readonly { readonly time: number; readonly rates: ReadonlyMap<string, Rates> }[]>([]);
  const before = useRef(new Map<string, VmStats>());
  const key = names.join('\n');

  useEffect(() => {
    let isCurrent = true;
    const read = async (): Promise<void> => {
      const wanted = key === '' ? [] : key.split('\n');
      const rates = new Map<string, Rates>();
      await Promise.all(wanted.map(async (name) => {
        const answer = await shell.client.machines.stats({ name });
        if (!answer.ok) return;
        const old = before.current.get(name);
        before.current.set(name, answer.value);
        const found = old === undefined ? undefined : ratesBetween(old, answer.value);
        if (found !== undefined) rates.set(name, found);
      }));
      if (isCurrent) setReadings((kept) => [...kept, { time: Date.now() / 1000, rates }].slice(-READINGS_KEPT));
    };
    void read();
    const timer = setInterval(() => { void read(); }, READ_MILLIS);
    return () => {
      isCurrent = false;
      clearInterval(timer);
    };
  }, [shell, key]);

  const of = (metric: Metric): (number | null)[][] => names.map((name) => readings.map(({ rates }) => rates.get(name)?.[metric] ?? null));
  const series = { cpu: of('cpu'), memory: of('memory'), disk: of('disk'), network: of('network'), frames: of('frames') };
  return { times: readings.map(({ time }) => time), series };
}
