/** What becomes of a machine that ran in its bundle: asked when it has gone off, and whenever somebody wants to decide. */
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry, MachineState } from '../../../shared/api.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { Icon } from '../../components/icon.tsx';
import { isOn } from '../../display/use-display.ts';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';
import { currentRoute, go } from '../../state/route.ts';
import { useStore } from '../../state/store.ts';
import { useJob } from '../exchange/use-job.tsx';
import './bundle.css';

/** Asks when a machine goes off, or crashes; one whose state is saved goes on later. */
export function BundleEndings() {
  const { library } = useApp();
  const { entries } = useStore(library);
  const before = useRef<ReadonlyMap<string, MachineState>>(new Map());
  const [ended, setEnded] = useState<readonly string[]>([]);
  useEffect(() => {
    const went = entries.filter(({ name, status, bundlePath }) => {
      const was = before.current.get(name);
      return bundlePath !== undefined && was !== undefined && isOn(was) && was !== 'saving' && !isOn(status.state);
    });
    before.current = new Map(entries.map(({ name, status }) => [name, status.state]));
    if (went.length > 0) setEnded((names) => [...new Set([...names, ...went.map(({ name }) => name)])]);
  }, [entries]);
  // Started again, kept or gone meanwhile: nothing is left to ask.
  const asked = ended.map((name) => entries.find((entry) => entry.name === name)).find((entry) => entry?.bundlePath !== undefined && !isOn(entry.status.state));
  return asked === undefined ? null : <BundleEndingDialog key={asked.name} entry={asked} onClose={() => { setEnded((names) => names.filter((name) => name !== asked.name)); }} />;
}

export function BundleEndingDialog({ entry, onClose }: { readonly entry: LibraryEntry; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const app = useApp();
  const { client } = app.shell;
  const { name, bundlePath = '' } = entry;
  const job = useJob(t('bundle.keeping'));
  const keep = async (): Promise<void> => {
    if (await job.run((id) => client.library.keep({ name, id })) === undefined) return;
    showNotice({ kind: 'info', text: t('bundle.kept', { name }) });
    await app.refreshLibrary();
    onClose();
  };
  const discard = async (): Promise<void> => {
    if (await job.run(() => client.library.discard({ name })) === undefined) return;
    if (currentRoute.value.window === 'machine') go({ window: 'manager', selected: undefined });
    await app.refreshLibrary();
    onClose();
  };
  return (
    <AppDialog title={t('bundle.endTitle', { name })} width="wide" isAlert onClose={onClose}>
      <p className="dialog-text">{t(entry.status.state === 'crashed' ? 'bundle.endCrashed' : 'bundle.endText')}</p>
      <p className="path">{bundlePath}</p>
      <ul className="bundle-touches">
        <li><Icon name="save" size={18} /><span>{t('bundle.keepHint')}</span></li>
        <li><Icon name="folder" size={18} /><span>{t('bundle.laterHint')}</span></li>
        <li><Icon name="trash" size={18} /><span>{t('bundle.discardHint')}</span></li>
      </ul>
      {job.shown}
      <footer className="dialog-footer">
        <AppButton label={t('bundle.discard')} kind="danger" isDisabled={job.isRunning} onPress={() => { void discard(); }} />
        <AppButton label={t('bundle.later')} autoFocus isDisabled={job.isRunning} onPress={onClose} />
        <AppButton label={t('bundle.keep')} kind="primary" isDisabled={job.isRunning} onPress={() => { void keep(); }} />
      </footer>
    </AppDialog>
  );
}

/** Among a machine's facts, as long as it isn't decided. */
export function BundleStrip({ entry }: { readonly entry: LibraryEntry }) {
  const { t } = useTranslation();
  const [isAsking, setAsking] = useState(false);
  if (entry.bundlePath === undefined) return null;
  return (
    <section className="notice notice-info bundle-strip" aria-label={t('bundle.runsIn')}>
      <Icon name="file" />
      <p>{t('bundle.runsInText')} <span className="path">{entry.bundlePath}</span></p>
      <AppButton label={t('bundle.decide')} isDisabled={isOn(entry.status.state)} onPress={() => { setAsking(true); }} />
      {isAsking ? <BundleEndingDialog entry={entry} onClose={() => { setAsking(false); }} /> : null}
    </section>
  );
}
