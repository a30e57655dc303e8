import './zod-without-code.ts';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '@xterm/xterm/css/xterm.css';
import './styles/tokens.css';
import './styles/base.css';
import './components/components.css';
import './windows/manager/manager.css';
import './windows/machine/machine.css';
import './dialogs/dialogs.css';
import './dialogs/settings/settings.css';
import './dialogs/media/media.css';
import './dialogs/snapshots/snapshots.css';
import { connectShell } from './api.ts';
import { App } from './app.tsx';
import { chooseLanguage, startTranslations } from './i18n/i18n.ts';
import { AppProvider, AppState } from './state/app-state.ts';
import { applyTheme } from './state/appearance.ts';
import { followAddress } from './state/route.ts';

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');

const app = new AppState(connectShell());
followAddress();
applyTheme(app.preferences.value.theme);
await startTranslations(chooseLanguage('system', navigator.languages));
// The preferences decide the language and the theme of the first picture; a shell that doesn't answer decides nothing.
await Promise.race([app.refresh(), new Promise((resolve) => { setTimeout(resolve, 1500); })]);

createRoot(root).render(
  <StrictMode>
    <AppProvider value={app}>
      <App />
    </AppProvider>
  </StrictMode>,
);
