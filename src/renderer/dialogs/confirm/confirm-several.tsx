import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { MachineError } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { CheckBox } from '../../components/check-box.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { useApp } from '../../state/app-state.ts';

export interface SeveralQuestion {
  readonly kind: 'powerOff' | 'reset' | 'delete';
  readonly names: readonly string[];
}

export interface ConfirmSeveralProps {
  readonly question: SeveralQuestion;
  readonly onClose: () => void;
  readonly onDeleted: () => void;
}

/** The question before something is lost, for several machines at once, each of which is named. */
export function ConfirmSeveral({ question: { kind, names }, onClose, onDeleted }: ConfirmSeveralProps) {
  const { t } = useTranslation();
  const app = useApp();
  const [isForGood, setForGood] = useState(false);
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<MachineError>();

  const carryOut = async (): Promise<void> => {
    setPending(true);
    for (const name of names) {
      if (kind === 'powerOff') await app.powerOff(name);
      else if (kind === 'reset') await app.reset(name);
      else {
        const answer = await app.shell.client.library.delete({ name, how: isForGood ? 'for-good' : 'trash' });
        if (!answer.ok) {
          setError(answer.error);
          setPending(false);
          await app.refreshLibrary();
          return;
        }
      }
    }
    if (kind === 'delete') {
      onDeleted();
      await app.refreshLibrary();
    }
    onClose();
  };

  const act = kind === 'delete' && !isForGood ? t('confirm.toTrash') : t(`confirm.${kind}`);
  return (
    <AppDialog title={t(`confirm.several.${kind}Title`, { number: names.length })} isAlert onClose={onClose}>
      <p className="dialog-text">{t(`confirm.several.${kind}Text`)}</p>
      <ul className="name-list" tabIndex={0} aria-label={t('confirm.several.names')}>{names.map((name) => <li key={name}>{name}</li>)}</ul>
      {kind === 'delete' ? <CheckBox label={t('confirm.deleteForGood')} hint={t('confirm.deleteForGoodHint')} isSelected={isForGood} onChange={setForGood} /> : null}
      {error === undefined ? null : <ErrorNotice error={error} />}
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} autoFocus onPress={onClose} />
        <AppButton label={act} kind="danger" isPending={isPending} onPress={() => { void carryOut(); }} />
      </footer>
    </AppDialog>
  );
}
