/** A machine's snapshots: the tree, and beside it what can be done with the chosen one. */
import { useCallback, useEffect, useState } from 'react';
import { ListBox, ListBoxItem } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry, Snapshot, SnapshotTree } from '../../../shared/api.ts';
import type { MachineError, Result } from '../../../shared/result.ts';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon } from '../../components/icon.tsx';
import { LivePreview } from '../../display/live-preview.tsx';
import { isOn } from '../../display/use-display.ts';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';
import { SNAPSHOT_NAME_MAXIMUM, SnapshotQuestion } from './snapshot-question.tsx';
import type { Question } from './snapshot-question.tsx';
import { NOW, treeLines } from './snapshot-order.ts';
import { Thumbnail } from './thumbnail.tsx';

const NOW_FRAME_MILLIS = 1500;

export function SnapshotView({ entry }: { readonly entry: LibraryEntry }) {
  const { t, i18n } = useTranslation();
  const { shell } = useApp();
  const { name } = entry;
  const [tree, setTree] = useState<SnapshotTree>();
  const [chosen, setChosen] = useState<string>(NOW);
  const [error, setError] = useState<MachineError>();
  const [question, setQuestion] = useState<Question>();
  const read = useCallback(async (): Promise<void> => {
    const answer = await shell.client.snapshots.list({ name });
    if (answer.ok) setTree(answer.value);
    setError(answer.ok ? undefined : answer.error);
  }, [shell, name]);
  useEffect(() => { void read(); }, [read]);
  useEffect(() => shell.onEvent((event) => { if (event.event === 'snapshots.changed' && event.payload.name === name) void read(); }), [shell, name, read]);

  const time = (millis: number): string => new Intl.DateTimeFormat(i18n.language, { dateStyle: 'medium', timeStyle: 'short' }).format(millis);
  const snapshot = tree?.snapshots.find(({ id }) => id === chosen);
  const nextName = t('snapshots.defaultName', { number: (tree?.snapshots.length ?? 0) + 1 });
  const [isActing, setActing] = useState(false);
  /** What needs no question, since nothing is lost. */
  const act = async (work: Promise<Result<unknown>>, done: string): Promise<void> => {
    setActing(true);
    const answer = await work;
    setActing(false);
    if (!answer.ok) {
      setError(answer.error);
      return;
    }
    showNotice({ kind: 'info', text: done });
    setChosen(NOW);
    await read();
  };
  const takeNow = (): void => { void act(shell.client.snapshots.take({ name, snapshotName: nextName }), t('snapshots.taken', { name: nextName })); };
  const restoreNow = ({ id, name: to }: Snapshot): void => {
    void act(shell.client.snapshots.restore({ name, snapshot: id, saveCurrentAs: t('snapshots.beforeRestore', { name: to }).slice(0, SNAPSHOT_NAME_MAXIMUM) }), t('snapshots.restoredAndKept', { machine: name, name: to }));
  };
  const canTake = entry.status.state === 'running' || entry.status.state === 'paused' || !isOn(entry.status.state);

  return (
    <section className="snapshots" aria-label={t('snapshots.title')}>
      {error === undefined ? null : <ErrorNotice error={error}><AppButton label={t('action.tryAgain')} onPress={() => { void read(); }} /></ErrorNotice>}
      {tree === undefined ? (error === undefined ? <p className="field-hint" role="status">{t('app.loading')}</p> : null) : (
        <div className="snapshot-columns">
          <div className="snapshot-tree">
            <div className="snapshot-take">
              <AppButton label={t('snapshots.takeNow')} icon="camera" kind="primary" isDisabled={!canTake || isActing} isPending={isActing} onPress={takeNow} />
              <AppButton label={t('snapshots.take')} isDisabled={!canTake || isActing} onPress={() => { setQuestion({ kind: 'take' }); }} />
            </div>
            <ListBox className="file-list snapshot-list" aria-label={t('snapshots.tree')} selectionMode="single" selectionBehavior="replace" disallowEmptySelection selectedKeys={[snapshot === undefined ? NOW : chosen]}
              onSelectionChange={(keys) => {
                const [key] = keys === 'all' ? [] : [...keys];
                if (typeof key === 'string') setChosen(key);
              }}>
              {treeLines(tree).map(({ snapshot: line, depth }) => (
                <ListBoxItem key={line?.id ?? NOW} id={line?.id ?? NOW} textValue={line?.name ?? t('snapshots.now')} className="file-item snapshot-item" style={{ paddingLeft: `${10 + 22 * depth}px` }}>
                  {line === undefined ? <LivePreview entry={entry} millisPerFrame={NOW_FRAME_MILLIS} iconSize={18} /> : <Thumbnail machine={name} snapshot={line} />}
                  <span className="snapshot-item-text">
                    <span className="snapshot-name">{line?.name ?? t('snapshots.now')}</span>
                    <span className="snapshot-when">{line === undefined ? t(isOn(entry.status.state) ? 'snapshots.nowOn' : entry.hasSavedState === true ? 'snapshots.nowSaved' : 'snapshots.nowOff') : time(line.takenAt)}</span>
                  </span>
                </ListBoxItem>
              ))}
            </ListBox>
          </div>
          <div className="snapshot-detail">
            {snapshot === undefined ? <NowDetail isFirst={tree.snapshots.length === 0} /> : (
              <SnapshotDetail machine={name} snapshot={snapshot} takenAt={time(snapshot.takenAt)} isCurrent={tree.current === snapshot.id} canRestore={canTake && !isActing} onRestore={() => { restoreNow(snapshot); }} onAsk={(kind) => { setQuestion({ kind, snapshot }); }} />
            )}
          </div>
        </div>
      )}
      {question === undefined ? null : <SnapshotQuestion entry={entry} question={question} nextName={nextName} onClose={() => { setQuestion(undefined); }} onDone={() => { setChosen(NOW); void read(); }} />}
    </section>
  );
}

function NowDetail({ isFirst }: { readonly isFirst: boolean }) {
  const { t } = useTranslation();
  return (
    <div className="snapshot-now">
      <span className="overlay-icon"><Icon name="branch" size={36} /></span>
      <h2>{t(isFirst ? 'snapshots.noneTitle' : 'snapshots.now')}</h2>
      <p className="dialog-text">{t(isFirst ? 'snapshots.noneText' : 'snapshots.nowText')}</p>
    </div>
  );
}

interface SnapshotDetailProps {
  readonly machine: string;
  readonly snapshot: Snapshot;
  readonly takenAt: string;
  /** The machine as it is came from it. */
  readonly isCurrent: boolean;
  readonly canRestore: boolean;
  /** At once: what the machine is now becomes a snapshot. */
  readonly onRestore: () => void;
  readonly onAsk: (kind: Exclude<Question['kind'], 'take'>) => void;
}

function SnapshotDetail({ machine, snapshot, takenAt, isCurrent, canRestore, onRestore, onAsk }: SnapshotDetailProps) {
  const { t } = useTranslation();
  return (
    <>
      <Thumbnail machine={machine} snapshot={snapshot} isLarge />
      <div>
        <h2>{snapshot.name}</h2>
        <p className="snapshot-when">{t(snapshot.hasMemory ? 'snapshots.withMemory' : 'snapshots.disksOnly', { time: takenAt })}{isCurrent ? ` · ${t('snapshots.isCurrent')}` : ''}</p>
      </div>
      {snapshot.notes === '' ? null : <p className="snapshot-notes">{snapshot.notes}</p>}
      <div className="storage-actions">
        <AppButton label={t('snapshots.restoreNow')} icon="reset" kind="primary" isDisabled={!canRestore} onPress={onRestore} />
        <AppButton label={t('snapshots.branch')} icon="branch" onPress={() => { onAsk('branch'); }} />
        <AppButton label={t('snapshots.edit')} icon="note" onPress={() => { onAsk('edit'); }} />
        <AppButton label={t('snapshots.restore')} icon="reset" kind="danger" onPress={() => { onAsk('restore'); }} />
        <AppButton label={t('snapshots.delete')} icon="trash" kind="danger" onPress={() => { onAsk('delete'); }} />
      </div>
      <p className="field-hint">{t('snapshots.restoreNowHint')}</p>
    </>
  );
}
