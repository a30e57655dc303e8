/** What the machine's parts do, and behind each what can be changed of it now. */
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import type { AdapterConfig } from '../../../shared/network-config.ts';
import type { MachineError } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { MenuButton } from '../../components/menu-button.tsx';
import type { MenuEntry } from '../../components/menu-button.tsx';
import { usePickFile } from '../../dialogs/file-browser/path-input.tsx';
import { fileName } from '../../dialogs/settings/file-names.ts';
import { SettingsDialog } from '../../dialogs/settings/settings-dialog.tsx';
import type { SettingsPage } from '../../dialogs/settings/settings-dialog.tsx';
import { forwardText } from '../../dialogs/settings/target-text.ts';
import { isOn } from '../../display/use-display.ts';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { switchCapture } from '../../state/capture.ts';
import { showNotice } from '../../state/notices.ts';
import { useActivity } from './use-activity.ts';

/** Bytes in a second from which on a light is lit. */
const LIT_RATE = 1;

export function StatusBar({ entry }: { readonly entry: LibraryEntry }) {
  const { t, i18n } = useTranslation();
  const { shell } = useApp();
  const { name, config, status } = entry;
  const activity = useActivity(name, status.state);
  const [page, setPage] = useState<SettingsPage>();
  const [heldDrive, setHeldDrive] = useState<{ readonly drive: number; readonly path: string | undefined }>();
  const [pickingDrive, setPickingDrive] = useState(0);
  const fail = (error: MachineError): void => { showNotice({ kind: 'error', error }); };

  const changeDisc = async (drive: number, path: string | undefined, force: boolean): Promise<void> => {
    const answer = await shell.client.machines.changeDisc({ name, drive, force, ...(path === undefined ? {} : { path }) });
    if (answer.ok) return;
    if (answer.error.code === 'media.held') setHeldDrive({ drive, path });
    else fail(answer.error);
  };
  const picker = usePickFile(t('newMachine.pickImage'), 'cd-image', (path) => { void changeDisc(pickingDrive, path, false); });
  const changeAdapter = async (index: number, changes: Partial<AdapterConfig>): Promise<void> => {
    const adapters = config?.adapters.map((adapter, other) => other === index ? { ...adapter, ...changes } : adapter) ?? [];
    const answer = await shell.client.library.change({ name, changes: { adapters } });
    if (!answer.ok) fail(answer.error);
  };

  if (config === undefined) return null;
  const rate = (bytes: number): string => `${formatBytes(Math.round(bytes), i18n.language)}/s`;
  const settings = (to: SettingsPage): MenuEntry => ({ id: `settings-${to}`, label: t('settings.open'), icon: 'gear', onAction: () => { setPage(to); } });
  const on = isOn(status.state);
  const diskRates = activity === undefined ? '' : t('status.rates', { read: rate(activity.diskRead), written: rate(activity.diskWritten) });
  const netRates = activity === undefined ? '' : t('status.netRates', { received: rate(activity.netIn), sent: rate(activity.netOut) });
  const mark = (isBusy: boolean, isFaint = false): string => `status-item${isBusy ? ' status-busy' : ''}${isFaint ? ' status-faint' : ''}`;

  return (
    <div className="status-parts" role="group" aria-label={t('status.parts')}>
      {on && activity !== undefined ? (
        <span className="status-cpu" title={t('status.cpu', { percent: activity.cpuPercent })}>
          <span className="status-meter" aria-hidden="true"><span style={{ width: `${activity.cpuPercent}%` }} /></span>
          <span className="visually-hidden">{t('status.cpuLabel')} </span>{activity.cpuPercent} %
        </span>
      ) : null}
      {config.disks.length === 0 ? null : (
        <span className={mark(on && activity !== undefined && activity.diskRead + activity.diskWritten >= LIT_RATE)}>
          <MenuButton label={t('status.disks')} icon="disk" iconOnly kind="quiet" placement="top end"
            groups={[config.disks.map(({ path }, index) => ({ id: `disk${index}`, label: fileName(path), hint: diskRates, icon: 'disk' as const, onAction: () => { setPage('storage'); } })), [settings('storage')]]} />
        </span>
      )}
      {config.cdroms.map(({ path }, drive) => (
        <span key={drive} className={mark(on && activity !== undefined && activity.discRead >= LIT_RATE, path === undefined)}>
          <MenuButton label={t('status.disc', { disc: path === undefined ? t('settings.emptyDrive') : fileName(path) })} icon="disc" iconOnly kind="quiet" placement="top end" groups={[
            [
              { id: 'insert', label: t('settings.insert'), icon: 'folder', ...(path === undefined ? {} : { hint: path }), onAction: () => { setPickingDrive(drive); picker.pick(); } },
              { id: 'eject', label: t('settings.eject'), icon: 'eject', isDisabled: path === undefined, onAction: () => { void changeDisc(drive, undefined, false); } },
            ],
            [settings('storage')],
          ]} />
        </span>
      ))}
      {config.adapters.map((adapter, index) => (
        <span key={index} className={mark(on && adapter.connected && activity !== undefined && activity.netIn + activity.netOut >= LIT_RATE, !adapter.connected)}>
          <MenuButton label={t(!adapter.connected ? 'status.networkUnplugged' : activity?.captures[index] === true ? 'status.networkCaptured' : 'status.network', { number: index + 1 })} icon="network" iconOnly kind="quiet" placement="top end" groups={[
            [{ id: 'cable', label: t('settings.cable'), isChosen: adapter.connected, hint: adapter.connected ? netRates : t('settings.cableHint'), onAction: () => { void changeAdapter(index, { connected: !adapter.connected }); } }],
            adapter.forwards.map((forward) => ({ id: forwardText(forward), label: forwardText(forward), icon: 'cable' as const, onAction: () => { setPage('network'); } })),
            on ? [{ id: 'capture', label: t('network.capture'), hint: t('network.captureHint'), isChosen: activity?.captures[index] === true, onAction: () => { void switchCapture(shell, name, index, activity?.captures[index] !== true, t); } }] : [],
            [{ id: 'forwards', label: t('status.forwards'), icon: 'plus', onAction: () => { setPage('network'); } }],
          ]} />
        </span>
      ))}
      {picker.browser}
      {page === undefined ? null : <SettingsDialog entry={{ ...entry, config }} page={page} onClose={() => { setPage(undefined); }} />}
      {heldDrive === undefined ? null : (
        <AppDialog title={t('status.heldTitle')} isAlert onClose={() => { setHeldDrive(undefined); }}>
          <p className="dialog-text">{t('status.heldText')}</p>
          <footer className="dialog-footer">
            <AppButton label={t('app.cancel')} autoFocus onPress={() => { setHeldDrive(undefined); }} />
            <AppButton label={t('status.heldForce')} kind="danger" onPress={() => { void changeDisc(heldDrive.drive, heldDrive.path, true); setHeldDrive(undefined); }} />
          </footer>
        </AppDialog>
      )}
    </div>
  );
}
