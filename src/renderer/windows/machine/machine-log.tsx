import { useCallback, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { MachineError } from '../../../shared/result.ts';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { useApp } from '../../state/app-state.ts';

const LINES = 500;

export function MachineLog({ name }: { readonly name: string }) {
  const { t } = useTranslation();
  const { shell } = useApp();
  const [lines, setLines] = useState<readonly string[]>();
  const [error, setError] = useState<MachineError>();
  const read = useCallback(async (): Promise<void> => {
    const answer = await shell.client.machines.logs({ name, lines: LINES });
    setError(answer.ok ? undefined : answer.error);
    if (answer.ok) setLines(answer.value.lines);
  }, [shell, name]);
  useEffect(() => { void read(); }, [read]);

  return (
    <section className="log-view">
      <div className="log-view-bar"><AppButton label={t('machine.refresh')} icon="reset" kind="quiet" onPress={() => { void read(); }} /></div>
      {error === undefined ? null : <ErrorNotice error={error} />}
      {lines === undefined ? null : lines.length === 0
        ? <p className="field-hint">{t('machine.logEmpty')}</p>
        // Long lines are read by scrolling; so the keyboard must reach it.
        : <pre className="log-text" tabIndex={0} aria-label={t('machine.log')}>{lines.join('\n')}</pre>}
    </section>
  );
}
