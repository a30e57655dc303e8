/** Questions before something is lost. The harmless answer has the focus. */
import { useState } from 'react';
import { Checkbox } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { MachineError } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon } from '../../components/icon.tsx';
import { useApp } from '../../state/app-state.ts';

interface ConfirmProps { readonly name: string; readonly onClose: () => void }

export function ConfirmPowerOff({ name, onClose }: ConfirmProps) {
  const { t } = useTranslation();
  const app = useApp();
  return (
    <AppDialog title={t('confirm.powerOffTitle', { name })} isAlert onClose={onClose}>
      <p className="dialog-text">{t('confirm.powerOffText')}</p>
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} autoFocus onPress={onClose} />
        <AppButton label={t('confirm.powerOff')} kind="danger" onPress={() => { void app.powerOff(name); onClose(); }} />
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

export function ConfirmReset({ name, onClose }: ConfirmProps) {
  const { t } = useTranslation();
  const app = useApp();
  return (
    <AppDialog title={t('confirm.resetTitle', { name })} isAlert onClose={onClose}>
      <p className="dialog-text">{t('confirm.resetText')}</p>
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} autoFocus onPress={onClose} />
        <AppButton label={t('confirm.reset')} kind="danger" onPress={() => { void app.reset(name); onClose(); }} />
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
