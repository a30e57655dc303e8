import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon, Mark } from '../../components/icon.tsx';
import { MediaButton } from '../../dialogs/media/media-button.tsx';
import { NewMachineDialog } from '../../dialogs/new-machine/new-machine-dialog.tsx';
import { PreferencesDialog } from '../../dialogs/preferences/preferences-dialog.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { go } from '../../state/route.ts';
import { useStore } from '../../state/store.ts';
import { FirstRun } from './first-run.tsx';
import { MachineDetails } from './machine-details.tsx';
import { MachineList } from './machine-list.tsx';

export function ManagerWindow({ selected }: { readonly selected: string | undefined }) {
  const { t, i18n } = useTranslation();
  const app = useApp();
  const library = useStore(app.library);
  const host = useStore(app.host);
  const [dialog, setDialog] = useState<'new-machine' | 'preferences'>();
  const entry = library.entries.find(({ name }) => name === selected) ?? library.entries[0];
  const isFirstRun = library.isLoaded && library.error === undefined && isUntouched(library.entries, selected);
  const openNewMachine = (): void => { setDialog('new-machine'); };

  return (
    <div className="manager">
      <a className="skip-link" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById('content')?.focus(); }}>{t('app.skipToContent')}</a>
      <nav className="sidebar" aria-label={t('manager.title')}>
        <header className="brand">
          <Mark />
          <h1>Guesthouse</h1>
          <MediaButton />
          <AppButton label={t('action.preferences')} icon="sliders" iconOnly kind="quiet" onPress={() => { setDialog('preferences'); }} />
        </header>
        <AppButton label={t('action.newMachine')} icon="plus" kind="plain" onPress={openNewMachine} />
        <MachineList entries={library.entries} selected={isFirstRun ? undefined : entry?.name} />
        {host === undefined ? null : (
          <footer className="host-info" aria-label={t('manager.hostLabel')} title={`${host.cpuModel} · ${host.platform}`}>
            <Icon name="chip" size={18} />
            <div>
              <strong>{host.hostName}</strong>
              <span>{t('manager.host', { memory: formatBytes(host.freeMemoryBytes, i18n.language), total: formatBytes(host.memoryBytes, i18n.language) })}</span>
            </div>
          </footer>
        )}
      </nav>
      <main id="content" className="content" tabIndex={-1}>
        {library.error !== undefined ? (
          <div className="content-notice">
            <ErrorNotice error={library.error} title={t('manager.libraryFailed')}>
              <AppButton label={t('action.tryAgain')} onPress={() => { void app.refreshLibrary(); }} />
            </ErrorNotice>
          </div>
        ) : null}
        {library.isLoaded ? null : <p className="content-empty" role="status">{t('app.loading')}</p>}
        {isFirstRun ? <FirstRun readyMade={entry} onNewMachine={openNewMachine} /> : null}
        {entry === undefined || isFirstRun ? null : <MachineDetails key={entry.name} entry={entry} />}
      </main>
      {dialog === 'new-machine' ? <NewMachineDialog onClose={() => { setDialog(undefined); }} onCreated={(name) => { go({ window: 'manager', selected: name }); }} /> : null}
      {dialog === 'preferences' ? <PreferencesDialog onClose={() => { setDialog(undefined); }} /> : null}
    </div>
  );
}

/** Nothing is there yet but perhaps the guest that came with the app, and nobody has turned to it. */
function isUntouched(entries: readonly LibraryEntry[], selected: string | undefined): boolean {
  const [only, ...others] = entries;
  if (only === undefined) return true;
  return others.length === 0 && selected === undefined && only.config?.bundledGuest !== undefined && only.status.state === 'off';
}
