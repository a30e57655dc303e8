/** A start that was refused because the host would be left with too little memory: with its figures, and the choice. */
import { useTranslation } from 'react-i18next';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';

export function LowMemoryDialog() {
  const { t } = useTranslation();
  const app = useApp();
  const refused = useStore(app.refusedStart);
  if (refused === undefined) return null;
  const close = (): void => { app.refusedStart.set(undefined); };
  return (
    <AppDialog title={t('lowMemory.title', { name: refused.name })} isAlert onClose={close}>
      <ErrorNotice error={refused.error} />
      <p className="dialog-text">{t('lowMemory.text')}</p>
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} autoFocus onPress={close} />
        <AppButton label={t('lowMemory.start')} kind="danger" onPress={() => { close(); void app.start(refused.name, true); }} />
      </footer>
    </AppDialog>
  );
}
