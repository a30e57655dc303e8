/** A long call whose progress is shown, with a button that cancels it. */
import { useState } from 'react';
import { ProgressBar } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { MachineError, Result } from '../../../shared/result.ts';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { useCancellableCall } from '../../state/cancellable-call.ts';

export interface Job {
  readonly isRunning: boolean;
  /** `undefined` where it failed or was cancelled. */
  run<T>(call: (id: string) => Promise<Result<T>>): Promise<T | undefined>;
  /** Its progress, or why it failed. */
  readonly shown: React.ReactNode;
}

export function useJob(label: string): Job {
  const { t } = useTranslation();
  const { done, run, cancel } = useCancellableCall();
  const [error, setError] = useState<MachineError>();
  return {
    isRunning: done !== undefined,
    run: async (call) => {
      setError(undefined);
      const answer = await run(call);
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
