/** The buttons that change a machine's state, the same in every window, with their questions. */
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../shared/api.ts';
import { ConfirmColdStart, ConfirmDelete, ConfirmPowerOff, ConfirmReset } from '../dialogs/confirm/confirm-dialogs.tsx';
import { DescriptionDialog } from '../dialogs/description/description-dialog.tsx';
import { ExportDialog } from '../dialogs/exchange/export-dialog.tsx';
import { ReplicateDialog } from '../dialogs/exchange/replicate-dialog.tsx';
import { ResetDialog } from '../dialogs/exchange/reset-dialog.tsx';
import { SnapshotsDialog } from '../dialogs/snapshots/snapshots-dialog.tsx';
import { SettingsDialog } from '../dialogs/settings/settings-dialog.tsx';
import { useApp } from '../state/app-state.ts';
import { possibleActions } from '../state/machine-actions.ts';
import { showNotice } from '../state/notices.ts';
import { go } from '../state/route.ts';
import { useStore } from '../state/store.ts';
import { AppButton } from './button.tsx';
import { MenuButton } from './menu-button.tsx';
import type { MenuEntry } from './menu-button.tsx';

type Question = 'power-off' | 'reset' | 'delete' | 'settings' | 'snapshots' | 'cold' | 'export' | 'replicate' | 'reset-on-off';

export function MachineControls({ entry, place }: { readonly entry: LibraryEntry; readonly place: 'manager' | 'machine' }) {
  const { t } = useTranslation();
  const app = useApp();
  const { name } = entry;
  const can = possibleActions(entry);
  const isBusy = useStore(app.busy).has(name) || entry.status.state === 'starting';
  const [question, setQuestion] = useState<Question>();
  const [isDescribing, setDescribing] = useState(false);
  const inManager = place === 'manager';
  const isTemplate = entry.config?.isTemplate === true;

  const start = async (): Promise<void> => {
    if (await app.start(name) && inManager) go({ window: 'machine', machine: name });
  };
  const shutDown = async (): Promise<void> => {
    if (await app.shutDown(name)) showNotice({ kind: 'info', text: t('action.powerButtonPressed', { name }) });
  };
  const stopEntries: MenuEntry[] = [
    { id: 'save', label: t('action.save'), hint: t('action.saveHint'), icon: 'save', isDisabled: !can.save, onAction: () => { void app.save(name); } },
    { id: 'shut-down', label: t('action.shutDown'), hint: t('action.shutDownHint'), icon: 'power', isDisabled: !can.shutDown, onAction: () => { void shutDown(); } },
    { id: 'power-off', label: t('action.powerOff'), hint: t('action.powerOffHint'), icon: 'stop', isDanger: true, isDisabled: !can.powerOff, onAction: () => { setQuestion('power-off'); } },
  ];
  const copyPath = (): void => {
    void navigator.clipboard.writeText(entry.folder).then(() => { showNotice({ kind: 'info', text: t('action.pathCopied') }); });
  };
  const ownWindow: MenuEntry = {
    id: 'window', label: t('action.openWindow'), icon: 'expand', isDisabled: !can.show,
    onAction: () => { window.open(`#/machine/${encodeURIComponent(name)}`, `machine-${name}`, 'popup,width=1100,height=800'); },
  };
  const moreEntries: MenuEntry[][] = [
    [
      ...(entry.hasSavedState === true ? [{ id: 'cold', label: t('action.startCold'), icon: 'play' as const, isDanger: true, onAction: () => { setQuestion('cold'); } }] : []),
      // The desktop shell keeps to one window.
      ...(app.shell.kind === 'browser' ? [ownWindow] : []),
      { id: 'describe', label: t('action.describe'), icon: 'tag', isDisabled: entry.config === undefined, onAction: () => { setDescribing(true); } },
      { id: 'export', label: t('exchange.exportMachine'), icon: 'up', isDisabled: entry.config === undefined, onAction: () => { setQuestion('export'); } },
      { id: 'replicate', label: t('exchange.replicateMachine'), icon: 'branch', isDisabled: entry.config === undefined, onAction: () => { setQuestion('replicate'); } },
      { id: 'reset-on-off', label: t('exchange.resetOnOff'), icon: 'reset', isDisabled: entry.config === undefined, onAction: () => { setQuestion('reset-on-off'); } },
      { id: 'template', label: isTemplate ? t('exchange.noTemplate') : t('exchange.makeTemplate'), icon: 'table', isDisabled: entry.config === undefined || can.show, onAction: () => { void app.describe(new Map([[name, { isTemplate: !isTemplate }]])); } },
      { id: 'copy-path', label: t('action.copyPath'), icon: 'folder', onAction: copyPath },
    ],
    [{ id: 'delete', label: t('action.delete'), icon: 'trash', isDanger: true, isDisabled: !can.delete, onAction: () => { setQuestion('delete'); } }],
  ];
  const kind = inManager ? 'plain' : 'quiet';

  return (
    <div className="controls" role="group" aria-label={t('machine.toolbar')}>
      {can.show && inManager ? <AppButton label={t('action.show')} icon="screen" kind="primary" onPress={() => { go({ window: 'machine', machine: name }); }} /> : null}
      {can.show ? null : <AppButton label={t('action.start')} icon="play" kind="primary" isDisabled={!can.start || isTemplate} isPending={isBusy} onPress={() => { void start(); }} />}
      {can.resume
        ? <AppButton label={t('action.resume')} icon="play" kind={kind} canLoseLabel={!inManager} isDisabled={isBusy} onPress={() => { void app.resume(name); }} />
        : <AppButton label={t('action.pause')} icon="pause" kind={kind} canLoseLabel={!inManager} isDisabled={!can.pause || isBusy} onPress={() => { void app.pause(name); }} />}
      <MenuButton label={t('action.stop')} icon="power" kind={kind} canLoseLabel={!inManager} isDisabled={!can.powerOff} groups={[stopEntries]} />
      <AppButton label={t('action.reset')} icon="reset" kind={kind} iconOnly={!inManager} isDisabled={!can.reset || isBusy} onPress={() => { setQuestion('reset'); }} />
      {inManager && entry.config !== undefined ? <AppButton label={t('settings.open')} icon="gear" kind={kind} onPress={() => { setQuestion('settings'); }} /> : null}
      {inManager && entry.config !== undefined ? <AppButton label={t('snapshots.title')} icon="camera" kind={kind} onPress={() => { setQuestion('snapshots'); }} /> : null}
      {inManager ? <MenuButton label={t('action.more')} icon="more" iconOnly kind={kind} groups={moreEntries} /> : null}
      {isDescribing ? <DescriptionDialog entries={[entry]} onClose={() => { setDescribing(false); }} /> : null}
      {question === 'power-off' ? <ConfirmPowerOff name={name} onClose={() => { setQuestion(undefined); }} /> : null}
      {question === 'snapshots' ? <SnapshotsDialog entry={entry} onClose={() => { setQuestion(undefined); }} /> : null}
      {question === 'export' ? <ExportDialog name={name} onClose={() => { setQuestion(undefined); }} /> : null}
      {question === 'replicate' && entry.config !== undefined ? <ReplicateDialog name={name} config={entry.config} onClose={() => { setQuestion(undefined); }} /> : null}
      {question === 'reset-on-off' ? <ResetDialog name={name} present={entry.config?.resetToSnapshot} onClose={() => { setQuestion(undefined); }} /> : null}
      {question === 'cold' ? <ConfirmColdStart name={name} onClose={() => { setQuestion(undefined); }} /> : null}
      {question === 'settings' && entry.config !== undefined ? <SettingsDialog entry={{ ...entry, config: entry.config }} onClose={() => { setQuestion(undefined); }} /> : null}
      {question === 'reset' ? <ConfirmReset name={name} onClose={() => { setQuestion(undefined); }} /> : null}
      {question === 'delete' ? <ConfirmDelete name={name} onClose={() => { setQuestion(undefined); }} onDeleted={() => { go({ window: 'manager', selected: undefined }); void app.refreshLibrary(); }} /> : null}
    </div>
  );
}
