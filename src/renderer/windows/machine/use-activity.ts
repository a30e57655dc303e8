import { useEffect, useState } from 'react';
import type { MachineState } from '../../../shared/api.ts';
import type { VmStats } from '../../../shared/vm-protocol.ts';
import { isOn } from '../../display/use-display.ts';
import { useApp } from '../../state/app-state.ts';

const ASK_MILLIS = 1000;

/** What a machine did since it was last asked. */
export interface Activity {
  /** Of one host core. */
  readonly cpuPercent: number;
  readonly diskRead: number;
  readonly diskWritten: number;
  readonly discRead: number;
  readonly netIn: number;
  readonly netOut: number;
  /** By adapter: whether its frames are being captured. */
  readonly captures: readonly boolean[];
}

function between(before: VmStats, after: VmStats): Activity {
  const seconds = Math.max(0.001, after.wallSeconds - before.wallSeconds);
  const rate = (one: number, other: number): number => Math.max(0, other - one) / seconds;
  const discRead = rate(before.discBytesRead, after.discBytesRead);
  return {
    cpuPercent: Math.min(100, Math.round(100 * rate(before.cpuSeconds, after.cpuSeconds))),
    diskRead: rate(before.diskBytesRead, after.diskBytesRead) - discRead, discRead,
    diskWritten: rate(before.diskBytesWritten, after.diskBytesWritten),
    netIn: rate(before.netBytesIn, after.netBytesIn), netOut: rate(before.netBytesOut, after.netBytesOut),
    captures: after.adapters.map(({ capturePath }) => capturePath !== undefined),
  };
}

/** Asked once a second for as long as the machine is on and the page is looked at. */
export function useActivity(name: string, state: MachineState): Activity | undefined {
  const { shell } = useApp();
  const [activity, setActivity] = useState<Activity>();
  const wanted = isOn(state) && state !== 'starting';
  useEffect(() => {
    if (!wanted) return undefined;
    let before: VmStats | undefined;
    let isEnded = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      if (document.visibilityState === 'visible') {
        const answer = await shell.client.machines.stats({ name });
        if (isEnded) return;
        if (answer.ok && before !== undefined) setActivity(between(before, answer.value));
        before = answer.ok ? answer.value : undefined;
      }
      timer = setTimeout(() => { void ask(); }, ASK_MILLIS);
    };
    void ask();
    return () => {
      isEnded = true;
      clearTimeout(timer);
      setActivity(undefined);
    };
  }, [shell, name, wanted]);
  return activity;
}
