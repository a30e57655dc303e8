import { useState } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { AppButton } from '../../components/button.tsx';
import { Icon } from '../../components/icon.tsx';
import { MachineControls } from '../../components/machine-controls.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { CloseMachineDialog } from '../../dialogs/close-machine/close-machine-dialog.tsx';
import { SettingsDialog } from '../../dialogs/settings/settings-dialog.tsx';
import { SnapshotView } from '../../dialogs/snapshots/snapshot-view.tsx';
import { isOn } from '../../display/use-display.ts';
import { useApp } from '../../state/app-state.ts';
import { go } from '../../state/route.ts';
import { useStore } from '../../state/store.ts';
import { GuestScreen } from './guest-screen.tsx';
import { MachineLog } from './machine-log.tsx';
import { SerialConsole } from './serial-console.tsx';

const VIEWS = [['display', 'screen'], ['console', 'terminal'], ['virtio', 'cable'], ['snapshots', 'camera'], ['log', 'list']] as const;
type View = (typeof VIEWS)[number][0];

export function MachineWindow({ name }: { readonly name: string }) {
  const { t } = useTranslation();
  const app = useApp();
  const { entries, isLoaded } = useStore(app.library);
  const entry = entries.find((other) => other.name === name);
  const [view, setView] = useState<View>('display');
  const [tools, setTools] = useState<HTMLElement | null>(null);
  const [dialog, setDialog] = useState<'settings' | 'close'>();
  const preferences = useStore(app.preferences);
  const back = <AppButton label={t('machine.back')} icon="back" iconOnly kind="quiet" onPress={() => { go({ window: 'manager', selected: name }); }} />;

  if (entry === undefined) {
    return (
      <main className="machine machine-missing">
        {isLoaded ? <><h1>{t('machine.missingTitle', { name })}</h1><p>{t('machine.missingText')}</p></> : <p role="status">{t('app.loading')}</p>}
        <AppButton label={t('machine.back')} icon="back" onPress={() => { go({ window: 'manager', selected: undefined }); }} />
      </main>
    );
  }

  return (
    <main className="machine-place">
      {/* Arrow keys only move between the tabs: a view takes the keyboard when it opens, and must be asked to. */}
      <Tabs className="machine" keyboardActivation="manual" selectedKey={view} onSelectionChange={(key) => { setView(key as View); }}>
        <header className="machine-bar">
          {back}
          <div className="machine-title">
            <h1>{name}</h1>
            <StateBadge entry={entry} size="small" />
          </div>
          <MachineControls entry={entry} place="machine" />
          {entry.config === undefined ? null : <AppButton label={t('settings.open')} icon="gear" iconOnly kind="quiet" onPress={() => { setDialog('settings'); }} />}
          <TabList className="tabs" aria-label={t('machine.views')}>
            {VIEWS.map(([id, icon]) => <Tab key={id} id={id} className="tab"><Icon name={icon} size={17} /><span>{t(`machine.${id}`)}</span></Tab>)}
          </TabList>
          {/* The present view's own tools: the view puts them here. */}
          <div ref={setTools} className="machine-tools" />
          {isOn(entry.status.state) ? <AppButton label={t('closeMachine.open')} icon="close" iconOnly kind="quiet" onPress={() => { setDialog('close'); }} /> : null}
        </header>
        <TabPanel id="display" className="machine-view"><GuestScreen entry={entry} tools={tools} /></TabPanel>
        {(['console', 'virtio'] as const).map((id) => (
          <TabPanel key={id} id={id} className="machine-view">
            <SerialConsole name={name} kind={id === 'console' ? 'console' : 'virtio-console'} hostKey={entry.config?.input.hostKey ?? preferences.hostKey} tools={tools} onLeave={() => { document.querySelector<HTMLElement>('.tab[data-selected]')?.focus(); }} />
          </TabPanel>
        ))}
        <TabPanel id="snapshots" className="machine-view"><SnapshotView entry={entry} /></TabPanel>
        <TabPanel id="log" className="machine-view"><MachineLog name={name} /></TabPanel>
      </Tabs>
      {dialog === 'settings' && entry.config !== undefined ? <SettingsDialog entry={{ ...entry, config: entry.config }} onClose={() => { setDialog(undefined); }} /> : null}
      {dialog === 'close' ? <CloseMachineDialog entry={entry} onClose={() => { setDialog(undefined); }} onLeave={() => { go({ window: 'manager', selected: name }); }} /> : null}
    </main>
  );
}
