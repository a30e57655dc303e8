import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { Icon } from '../../components/icon.tsx';
import type { IconName } from '../../components/icon.tsx';
import { GeneralPreferences, KeyboardPreferences, NewMachinePreferences, PrivacyPreferences, QuittingPreferences } from './pages.tsx';

const PAGES = [
  { id: 'general', icon: 'sliders', Page: GeneralPreferences },
  { id: 'keyboard', icon: 'keyboard', Page: KeyboardPreferences },
  { id: 'newMachines', icon: 'plus', Page: NewMachinePreferences },
  { id: 'quitting', icon: 'power', Page: QuittingPreferences },
  { id: 'privacy', icon: 'shield', Page: PrivacyPreferences },
] as const satisfies readonly { id: string; icon: IconName; Page: () => React.ReactNode }[];

/** Every choice takes effect, and is kept, at once. */
export function PreferencesDialog({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <AppDialog title={t('preferences.title')} width="settings" onClose={onClose}>
      <Tabs className="settings" orientation="vertical">
        <TabList className="settings-pages" aria-label={t('preferences.title')}>
          {PAGES.map(({ id, icon }) => <Tab key={id} id={id} className="settings-tab"><Icon name={icon} size={18} />{t(`preferences.page.${id}`)}</Tab>)}
        </TabList>
        {PAGES.map(({ id, Page }) => <TabPanel key={id} id={id} className="settings-page"><Page /></TabPanel>)}
      </Tabs>
      <footer className="dialog-footer"><AppButton label={t('app.close')} onPress={onClose} /></footer>
    </AppDialog>
  );
}
