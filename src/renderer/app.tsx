import { useEffect } from 'react';
import { I18nProvider } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { Icon } from './components/icon.tsx';
import { NoticeStack } from './components/notice-stack.tsx';
import { BundleEndings } from './dialogs/bundle/bundle-ending.tsx';
import { LowMemoryDialog } from './dialogs/low-memory/low-memory-dialog.tsx';
import { chooseLanguage, showLanguage } from './i18n/i18n.ts';
import { useApp } from './state/app-state.ts';
import { applyTheme } from './state/appearance.ts';
import { currentRoute } from './state/route.ts';
import { useStore } from './state/store.ts';
import { MachineWindow } from './windows/machine/machine-window.tsx';
import { ManagerWindow } from './windows/manager/manager-window.tsx';

export function App() {
  const { t, i18n } = useTranslation();
  const app = useApp();
  const connection = useStore(app.connection);
  const route = useStore(currentRoute);
  const { language, theme } = useStore(app.preferences);

  useEffect(() => { applyTheme(theme); }, [theme]);
  useEffect(() => { void showLanguage(chooseLanguage(language, navigator.languages)); }, [language]);
  useEffect(() => { document.title = route.window === 'machine' ? `${route.machine} – Guesthouse` : 'Guesthouse'; }, [route]);

  return (
    <I18nProvider locale={i18n.language}>
      {route.window === 'machine' ? <MachineWindow key={route.machine} name={route.machine} /> : <ManagerWindow selected={route.selected} bundle={route.bundle} />}
      <BundleEndings />
      <LowMemoryDialog />
      <NoticeStack />
      {connection === 'lost' ? (
        <div className="connection-lost" role="alert">
          <Icon name="alert" />
          <div><strong>{t('app.lostTitle')}</strong><p>{t('app.lostText')}</p></div>
        </div>
      ) : null}
    </I18nProvider>
  );
}
