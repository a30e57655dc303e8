import { useCallback, useDeferredValue, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon, Mark } from '../../components/icon.tsx';
import { BundleDialog } from '../../dialogs/bundle/bundle-dialog.tsx';
import { OpenBundleButton } from '../../dialogs/bundle/open-bundle-button.tsx';
import { MediaButton } from '../../dialogs/media/media-button.tsx';
import { ImportDialog } from '../../dialogs/exchange/import-dialog.tsx';
import { MonitorDialog } from '../../dialogs/monitor/monitor-dialog.tsx';
import { NewMachineDialog } from '../../dialogs/new-machine/new-machine-dialog.tsx';
import { PreferencesDialog } from '../../dialogs/preferences/preferences-dialog.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { go } from '../../state/route.ts';
import { useStore } from '../../state/store.ts';
import { grouped, matches, placeMachines, sorted } from './arrangement.ts';
import type { Place } from './arrangement.ts';
import { FirstRun } from './first-run.tsx';
import { ListToolbar } from './list-toolbar.tsx';
import { MachineDetails } from './machine-details.tsx';
import { MachineList } from './machine-list.tsx';
import { SeveralMachines } from './several-machines.tsx';

export function ManagerWindow({ selected, bundle }: { readonly selected: string | undefined; readonly bundle: string | undefined }) {
  const { t, i18n } = useTranslation();
  const app = useApp();
  const library = useStore(app.library);
  const host = useStore(app.host);
  const { managerSort, managerView } = useStore(app.preferences);
  const [dialog, setDialog] = useState<'new-machine' | 'preferences' | 'monitor' | 'import'>();
  const [query, setQuery] = useState('');
  const soughtFor = useDeferredValue(query);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());

  const groups = useMemo(() => grouped(sorted(library.entries.filter((entry) => matches(entry, soughtFor)), managerSort)), [library.entries, soughtFor, managerSort]);
  const shown = groups.flatMap(({ entries }) => entries);
  const isFirstRun = library.isLoaded && library.error === undefined && isUntouched(library.entries, selected);
  const selection = useMemo(() => effectiveSelection(library.entries, chosen, selected, isFirstRun ? undefined : shown[0]?.name), [library.entries, chosen, selected, isFirstRun, shown]);
  const selectedEntries = shown.filter(({ name }) => selection.has(name));
  const openNewMachine = (): void => { setDialog('new-machine'); };

  const select = (names: ReadonlySet<string>): void => {
    setChosen(names);
    go({ window: 'manager', selected: [...names].at(-1) });
  };
  const place = useCallback((moved: ReadonlySet<string>, where: Place): void => {
    const changes = placeMachines(sorted(app.library.value.entries, 'own'), moved, where);
    // Seen at once; the library's own answer follows.
    app.library.update((before) => ({ ...before, entries: before.entries.map((entry) => {
      const change = changes.get(entry.name);
      return change === undefined || entry.config === undefined ? entry : { ...entry, config: { ...entry.config, ...change } };
    }) }));
    void app.describe(changes);
  }, [app]);
  const canPlace = managerSort === 'own' && soughtFor.trim() === '';

  const isShown = library.isLoaded;
  useEffect(() => { if (isShown) performance.mark('manager-shown'); }, [isShown]);

  return (
    <div className="manager" data-view={managerView}>
      <a className="skip-link" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById('content')?.focus(); }}>{t('app.skipToContent')}</a>
      <nav className="sidebar" aria-label={t('manager.title')}>
        <header className="brand">
          <Mark />
          <h1>Guesthouse</h1>
          <MediaButton />
          <AppButton label={t('monitor.title')} icon="pulse" iconOnly kind="quiet" onPress={() => { setDialog('monitor'); }} />
          <AppButton label={t('action.preferences')} icon="sliders" iconOnly kind="quiet" onPress={() => { setDialog('preferences'); }} />
        </header>
        <AppButton label={t('action.newMachine')} icon="plus" kind="plain" onPress={openNewMachine} />
        <AppButton label={t('exchange.importMachine')} icon="down" kind="quiet" onPress={() => { setDialog('import'); }} />
        <OpenBundleButton />
        {library.entries.length === 0 ? null : <ListToolbar query={query} onQuery={setQuery} />}
        <MachineList groups={groups} view={managerView} selection={selection} onSelect={select} onPlace={canPlace ? place : undefined}
          onOpenOff={(name) => { void app.start(name).then((started) => { if (started) go({ window: 'machine', machine: name }); }); }}
          emptyText={soughtFor.trim() === '' ? t('manager.noMachines') : t('manager.nothingFound', { query: soughtFor })} />
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
        {isFirstRun ? <FirstRun readyMade={shown[0]} onNewMachine={openNewMachine} /> : null}
        {isFirstRun ? null : selectedEntries.length > 1
          ? <SeveralMachines entries={selectedEntries} onDeleted={() => { select(new Set()); }} />
          : selectedEntries.map((entry) => <MachineDetails key={entry.name} entry={entry} onSearchTag={(tag) => { setQuery(`#${tag}`); }} />)}
      </main>
      {dialog === 'new-machine' ? <NewMachineDialog onClose={() => { setDialog(undefined); }} onCreated={(name) => { setQuery(''); select(new Set([name])); }} /> : null}
      {dialog === 'import' ? <ImportDialog onClose={() => { setDialog(undefined); }} onImported={(name) => { setDialog(undefined); void app.refreshLibrary().then(() => { select(new Set([name])); }); }} /> : null}
      {bundle === undefined ? null : <BundleDialog key={bundle} path={bundle} onClose={() => { go({ window: 'manager', selected: undefined }); }} onImported={(name) => { void app.refreshLibrary().then(() => { select(new Set([name])); }); }} />}
      {dialog === 'monitor' ? <MonitorDialog onClose={() => { setDialog(undefined); }} /> : null}
      {dialog === 'preferences' ? <PreferencesDialog onClose={() => { setDialog(undefined); }} /> : null}
    </div>
  );
}

/** What was chosen in the list, as far as it is still there; or the address's machine; or the first one. */
function effectiveSelection(entries: readonly LibraryEntry[], chosen: ReadonlySet<string>, selected: string | undefined, first: string | undefined): ReadonlySet<string> {
  const names = new Set(entries.map(({ name }) => name));
  const left = [...chosen].filter((name) => names.has(name));
  if (left.length > 0 && (selected === undefined || left.includes(selected))) return left.length === chosen.size ? chosen : new Set(left);
  if (selected !== undefined && names.has(selected)) return new Set([selected]);
  return new Set(first === undefined ? [] : [first]);
}

/** Nothing is there yet but perhaps the guest that came with the app, and nobody has turned to it. */
function isUntouched(entries: readonly LibraryEntry[], selected: string | undefined): boolean {
  const [only, ...others] = entries;
  if (only === undefined) return true;
  return others.length === 0 && selected === undefined && only.config?.bundledGuest !== undefined && only.status.state === 'off';
}
