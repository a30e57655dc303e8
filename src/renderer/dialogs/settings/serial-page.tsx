import { useTranslation } from 'react-i18next';
import { CheckBox } from '../../components/check-box.tsx';
import { useDraft } from './draft.ts';

export function SerialPage() {
  const { t } = useTranslation();
  const { draft, entry, set } = useDraft();
  return (
    <>
      <section className="form group">
        <h3>{t('settings.com1')}</h3>
        <p className="field-hint">{t('settings.com1Hint')}</p>
        <CheckBox label={t('settings.serialLog')} hint={`${entry.folder}/logs/serial.log`} isSelected={draft.serial.logToFile} onChange={(isSelected) => { set('serial.logToFile', isSelected); }} />
      </section>
      <section className="form group">
        <h3>{t('settings.virtioConsole')}</h3>
        <p className="field-hint">{t('settings.virtioConsoleHint')}</p>
      </section>
    </>
  );
}
