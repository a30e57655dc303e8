/** Questions before something is lost. The harmless answer has the focus. */
import { useState } from 'react';
import { Checkbox } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { MachineError } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { CheckBox } from '../../components/check-box.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon } from '../../components/icon.tsx';
import { useApp } from '../../state/app-state.ts';

interface ConfirmProps { readonly name: string; readonly onClose: () => void }

export function ConfirmPowerOff({ name, onClose }: ConfirmProps) {
  const { t } = useTranslation();
  const app = useApp();
  return <ConfirmSudden name={name} title={t('confirm.powerOffTitle', { name })} text={t('confirm.powerOffText')} confirm={t('confirm.powerOff')} snapshotName={t('snapshots.beforePowerOff')} act={() => { void app.powerOff(name); }} onClose={onClose} />;
}

export function ConfirmReset({ name, onClose }: ConfirmProps) {
  const { t } = useTranslation();
  const app = useApp();
  return <ConfirmSudden name={name} title={t('confirm.resetTitle', { name })} text={t('confirm.resetText')} confirm={t('confirm.reset')} snapshotName={t('snapshots.beforeReset')} act={() => { void app.reset(name); }} onClose={onClose} />;
}

interface SuddenProps extends ConfirmProps {
  readonly title: string;
  readonly text: string;
  readonly confirm: string;
  readonly snapshotName: string;
  readonly act: () => void;
}

/** What a guest doesn't see coming; a snapshot leads back from it. */
function ConfirmSudden({ name, title, text, confirm, snapshotName, act, onClose }: SuddenProps) {
  const { t } = useTranslation();
  const { shell } = useApp();
  const [isKept, setKept] = useState(false);
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<MachineError>();

  const go = async (): Promise<void> => {
    if (isKept) {
      setPending(true);
      const taken = await shell.client.snapshots.take({ name, snapshotName });
      setPending(false);
      if (!taken.ok) {
        setError(taken.error);
        return;
      }
    }
    act();
    onClose();
  };

  return (
    <AppDialog title={title} isAlert onClose={onClose}>
      <p className="dialog-text">{text}</p>
      <CheckBox label={t('snapshots.takeFirst')} hint={t('snapshots.takeFirstHint')} isSelected={isKept} onChange={setKept} isDisabled={isPending} />
      {error === undefined ? null : <ErrorNotice error={error} />}
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} autoFocus onPress={onClose} />
        <AppButton label={confirm} kind="danger" isPending={isPending} onPress={() => { void go(); }} />
      </footer>
    </AppDialog>
  );
}

export function ConfirmColdStart({ name, onClose }: ConfirmProps) {
  const { t } = useTranslation();
  const app = useApp();
  return (
    <AppDialog title={t('confirm.coldTitle', { name })} isAlert onClose={onClose}>
      <p className="dialog-text">{t('confirm.coldText')}</p>
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} autoFocus onPress={onClose} />
        <AppButton label={t('confirm.cold')} kind="danger" onPress={() => { void app.startCold(name); onClose(); }} />
      </footer>
    </AppDialog>
  );
}

export function ConfirmDelete({ name, onClose, onDeleted }: ConfirmProps & { readonly onDeleted: () => void }) {
  const { t } = useTranslation();
  const { shell } = useApp();
  const [isForGood, setForGood] = useState(false);
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<MachineError>();

  const remove = async (): Promise<void> => {
    setPending(true);
    const answer = await shell.client.library.delete({ name, how: isForGood ? 'for-good' : 'trash' });
    setPending(false);
    if (!answer.ok) {
      setError(answer.error);
      return;
    }
    onDeleted();
    onClose();
  };

  return (
    <AppDialog title={t('confirm.deleteTitle', { name })} isAlert onClose={onClose}>
      <p className="dialog-text">{t('confirm.deleteText')}</p>
      <Checkbox className="checkbox" isSelected={isForGood} onChange={setForGood}>
        <span className="checkbox-box" aria-hidden="true"><Icon name="check" size={14} /></span>
        <span><span className="checkbox-label">{t('confirm.deleteForGood')}</span><span className="field-hint">{t('confirm.deleteForGoodHint')}</span></span>
      </Checkbox>
      {error === undefined ? null : <ErrorNotice error={error} />}
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} autoFocus onPress={onClose} />
        <AppButton label={isForGood ? t('confirm.delete') : t('confirm.toTrash')} kind="danger" isPending={isPending} onPress={() => { void remove(); }} />
      </footer>
    </AppDialog>
  );
}
