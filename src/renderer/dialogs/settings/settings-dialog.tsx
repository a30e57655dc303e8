/** The settings of one machine: a draft, its pages, and what of it takes effect when. */
import { useMemo, useState } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import type { MachineConfig } from '../../../shared/machine-config.ts';
import type { MachineError } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon } from '../../components/icon.tsx';
import type { IconName } from '../../components/icon.tsx';
import { isOn } from '../../display/use-display.ts';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';
import { go } from '../../state/route.ts';
import { useStore } from '../../state/store.ts';
import { checkName } from '../new-machine/check-draft.ts';
import { DisplayPage } from './display-page.tsx';
import { changesOf, DraftProvider, findProblems, withValue } from './draft.ts';
import { GeneralPage } from './general-page.tsx';
import { InputPage } from './input-page.tsx';
import { NetworkPage } from './network-page.tsx';
import { PermissionsPage } from './permissions-page.tsx';
import { SerialPage } from './serial-page.tsx';
import { StoragePage } from './storage-page.tsx';
import { SystemPage } from './system-page.tsx';

/** `effect`: when changes of a machine that is on take effect. `owns`: the settings whose problems are the page's. */
const PAGES = [
  { id: 'general', icon: 'note', effect: 'atOnce', owns: /^(?:notes|tags|group)/ },
  { id: 'system', icon: 'chip', effect: 'partly', owns: /^(?:memoryBytes|cpuLimitPercent|time|directBoot|bootOrder)/ },
  { id: 'display', icon: 'screen', effect: 'atOnce', owns: /^display/ },
  { id: 'storage', icon: 'disk', effect: 'partly', owns: /^(?:disks|cdroms)/ },
  { id: 'network', icon: 'network', effect: 'partly', owns: /^adapters/ },
  { id: 'serial', icon: 'terminal', effect: 'later', owns: /^serial/ },
  { id: 'input', icon: 'keyboard', effect: 'atOnce', owns: /^input/ },
  { id: 'permissions', icon: 'shield', effect: 'partly', owns: /^$/ },
] as const satisfies readonly { id: string; icon: IconName; effect: 'atOnce' | 'partly' | 'later'; owns: RegExp }[];
export type SettingsPage = (typeof PAGES)[number]['id'];

export interface SettingsDialogProps {
  readonly entry: LibraryEntry & { readonly config: MachineConfig };
  readonly page?: SettingsPage;
  readonly onClose: () => void;
}

export function SettingsDialog({ entry, page = 'general', onClose }: SettingsDialogProps) {
  const { t } = useTranslation();
  const app = useApp();
  const { client } = app.shell;
  const { entries } = useStore(app.library);
  /** What the draft began with: what others change meanwhile is not taken back. */
  const [saved] = useState(entry.config);
  const [draft, setDraft] = useState(entry.config);
  const [name, setName] = useState(entry.name);
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const [texts, setTexts] = useState<ReadonlyMap<string, string>>(new Map());
  const [wasTried, setTried] = useState(false);
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<MachineError>();
  const problems = useMemo(() => findProblems(draft), [draft]);
  const isRunning = isOn(entry.status.state);
  const nameProblem = name === entry.name ? undefined : checkName(name, entries.filter((other) => other.name !== entry.name).map((other) => other.name));
  const nameError = nameProblem === undefined ? undefined : t(nameProblem.key, { minimum: '', maximum: '', total: '', example: '' });
  const pagesWithProblems = PAGES.filter(({ id, owns }) => [...problems.keys()].some((path) => owns.test(path)) || (id === 'general' && nameError !== undefined));

  const save = async (): Promise<void> => {
    setTried(true);
    if (pagesWithProblems.length > 0 || problems.size > 0) return;
    setPending(true);
    setError(undefined);
    const changes = changesOf(saved, draft);
    const changed = Object.keys(changes).length === 0 ? undefined : await client.library.change({ name: entry.name, changes });
    const renamed = changed?.ok === false || name === entry.name ? undefined : await client.library.rename({ name: entry.name, newName: name });
    setPending(false);
    const failed = [changed, renamed].find((answer) => answer?.ok === false);
    if (failed?.ok === false) {
      setError(failed.error);
      return;
    }
    await app.refreshLibrary();
    if (renamed !== undefined) go({ window: 'manager', selected: name });
    showNotice({ kind: 'info', text: t('settings.saved', { name }) });
    onClose();
  };

  return (
    <AppDialog title={t('settings.title', { name: entry.name })} width="settings" onClose={onClose}>
      <DraftProvider value={{
        entry, saved, draft, isOn: isRunning,
        set: (path, value) => { setDraft((present) => withValue(present, path, value)); },
        typed: (path) => texts.get(path),
        type: (path, text) => {
          setTexts((present) => {
            const next = new Map(present);
            if (text === undefined) next.delete(path);
            else next.set(path, text);
            return next;
          });
        },
        touch: (path) => { setTouched((present) => new Set(present).add(path)); },
        reason: (path) => {
          const reason = touched.has(path) || wasTried ? problems.get(path) : undefined;
          return reason === undefined ? undefined : t(`settingsProblem.${reason}`);
        },
      }}>
        <Tabs className="settings" orientation="vertical" defaultSelectedKey={page}>
          <TabList className="settings-pages" aria-label={t('settings.pages')}>
            {PAGES.map(({ id, icon }) => (
              <Tab key={id} id={id} className="settings-tab">
                <Icon name={icon} size={18} />
                <span>{t(`settings.${id}`)}</span>
                {wasTried && pagesWithProblems.some((other) => other.id === id) ? <><Icon name="alert" size={16} /><span className="visually-hidden">{t('settings.hasProblems')}</span></> : null}
              </Tab>
            ))}
          </TabList>
          {PAGES.map(({ id, effect }) => (
            <TabPanel key={id} id={id} className="settings-page">
              {isRunning ? <p className="effect"><Icon name="info" size={16} />{t(`settings.${effect}`)}</p> : null}
              <div className="form">
                {id === 'general' ? <GeneralPage name={name} nameError={nameError} onName={setName} /> : null}
                {id === 'system' ? <SystemPage /> : null}
                {id === 'display' ? <DisplayPage /> : null}
                {id === 'storage' ? <StoragePage /> : null}
                {id === 'network' ? <NetworkPage /> : null}
                {id === 'serial' ? <SerialPage /> : null}
                {id === 'input' ? <InputPage /> : null}
                {id === 'permissions' ? <PermissionsPage /> : null}
              </div>
            </TabPanel>
          ))}
        </Tabs>
      </DraftProvider>
      {error === undefined ? null : <ErrorNotice error={error} />}
      {wasTried && pagesWithProblems.length > 0 ? <p className="field-error" role="alert">{t('settings.fixFirst', { pages: pagesWithProblems.map(({ id }) => t(`settings.${id}`)).join(', ') })}</p> : null}
      {entry.atNextStart === undefined ? null : <p className="effect"><Icon name="info" size={16} />{t('settings.waiting', { sections: entry.atNextStart.join(', ') })}</p>}
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
        <AppButton label={t('settings.save')} kind="primary" isPending={isPending} onPress={() => { void save(); }} />
      </footer>
    </AppDialog>
  );
}
