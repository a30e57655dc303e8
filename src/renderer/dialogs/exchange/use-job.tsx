/** A long call whose progress is shown and which can be cancelled; it is cancelled when who asked for it goes away. */
import { useEffect, useRef, useState } from 'react';
import { ProgressBar } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { MachineError, Result } from '../../../shared/result.ts';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { useApp } from '../../state/app-state.ts';

export interface Job {
  readonly isRunning: boolean;
  /** `undefined` where it failed or was cancelled. */
  run<T>(call: (id: string) => Promise<Result<T>>): Promise<T | undefined>;
  /** Its progress, or why it failed. */
  readonly shown: React.ReactNode;
}

export function useJob(label: string): Job {
  const { t } = useTranslation();
  const { shell } = useApp();
  const [done, setDone] = useState<number>();
  const [error, setError] = useState<MachineError>();
  const running = useRef<string>(undefined);
  useEffect(() => shell.onEvent((event) => {
    if (event.event === 'media.progress' && event.payload.id === running.current) setDone(event.payload.done);
  }), [shell]);
  const cancel = (): void => { if (running.current !== undefined) void shell.client.media.cancel({ id: running.current }); };
  useEffect(() => () => { if (running.current !== undefined) void shell.client.media.cancel({ id: running.current }); }, [shell]);
  return {
    isRunning: done !== undefined,
    run: async (call) => {
      const id = crypto.randomUUID();
      running.current = id;
      setError(undefined);
      setDone(0);
      const answer = await call(id);
      running.current = undefined;
      setDone(undefined);
      if (answer.ok) return answer.value;
      if (answer.error.code !== 'media.cancelled') setError(answer.error);
      return undefined;
    },
    shown: (
      <>
        {done === undefined ? null : (
          <div className="job">
            <ProgressBar className="progress" aria-label={label} value={done * 100}>
              {({ percentage = 0 }) => <><span className="progress-track"><span style={{ width: `${percentage}%` }} /></span><span>{Math.floor(percentage)} %</span></>}
            </ProgressBar>
            <AppButton label={t('app.cancel')} kind="quiet" onPress={cancel} />
          </div>
        )}
        {error === undefined ? null : <ErrorNotice error={error} />}
      </>
    ),
  };
}
