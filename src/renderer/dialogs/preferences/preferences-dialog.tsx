import { useTranslation } from 'react-i18next';
import { HOST_KEYS } from '../../../shared/machine-config.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { Segments } from '../../components/segments.tsx';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';

/** Every choice takes effect, and is kept, at once. */
export function PreferencesDialog({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  const app = useApp();
  const { language, theme, hostKey } = useStore(app.preferences);
  const host = useStore(app.host);
  return (
    <AppDialog title={t('preferences.title')} width="wide" onClose={onClose}>
      <div className="form">
        {/* A language is called by its own name, whatever the present one is. */}
        <Segments label={t('preferences.language')} value={language} onChange={(value) => { void app.savePreferences({ language: value }); }}
          options={[{ value: 'system', label: t('preferences.languageSystem') }, { value: 'en', label: 'English' }, { value: 'de', label: 'Deutsch' }]} />
        <Segments label={t('preferences.theme')} value={theme} onChange={(value) => { void app.savePreferences({ theme: value }); }}
          options={[{ value: 'system', label: t('preferences.themeSystem') }, { value: 'light', label: t('preferences.themeLight') }, { value: 'dark', label: t('preferences.themeDark') }]} />
        <Segments label={t('preferences.hostKey')} hint={t('preferences.hostKeyHint')} value={hostKey} onChange={(value) => { void app.savePreferences({ hostKey: value }); }}
          options={HOST_KEYS.map((value) => ({ value, label: t(`hostKey.${value}`) }))} />
        {host === undefined ? null : (
          <p className="about">{t('preferences.about', { version: host.version, host: host.hostName })}<br />{t('preferences.cpu', { model: host.cpuModel, cores: host.cores })}</p>
        )}
      </div>
      <footer className="dialog-footer"><AppButton label={t('app.close')} onPress={onClose} /></footer>
    </AppDialog>
  );
}
