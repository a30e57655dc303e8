/** All images that the library knows: who uses them, how large they are, and what can be done with them. */
import { useCallback, useEffect, useState } from 'react';
import { ListBox, ListBoxItem, ProgressBar } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { KnownMedium, MediumJob } from '../../../shared/api.ts';
import type { MediaInfo } from '../../../shared/media-protocol.ts';
import type { MachineError } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon } from '../../components/icon.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { fileName } from '../settings/file-names.ts';
import { ChangeMedium } from './change-medium.tsx';
import { useMediaJob } from './use-media-job.ts';
import type { JobOutcome } from './use-media-job.ts';

export function MediaDialog({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  const { shell } = useApp();
  const [media, setMedia] = useState<readonly KnownMedium[]>();
  const [chosen, setChosen] = useState<string>();
  const [error, setError] = useState<MachineError>();
  const read = useCallback(async (): Promise<void> => {
    const answer = await shell.client.media.list({});
    if (answer.ok) setMedia(answer.value.media);
    else setError(answer.error);
  }, [shell]);
  useEffect(() => { void read(); }, [read]);
  const present = media?.find(({ path }) => path === chosen) ?? media?.[0];

  return (
    <AppDialog title={t('media.title')} width="settings" onClose={onClose}>
      {error === undefined ? null : <ErrorNotice error={error} />}
      {media === undefined ? <p className="field-hint" role="status">{t('app.loading')}</p> : media.length === 0 ? <p className="dialog-text">{t('media.none')}</p> : (
        <div className="media">
          <ListBox className="file-list media-list" aria-label={t('media.list')} selectionMode="single" selectionBehavior="replace" disallowEmptySelection selectedKeys={present === undefined ? [] : [present.path]}
            onSelectionChange={(keys) => {
              const [path] = keys === 'all' ? [] : [...keys];
              if (typeof path === 'string') setChosen(path);
            }}>
            {media.map(({ path, kind, users, isMissing }) => (
              <ListBoxItem key={path} id={path} textValue={fileName(path)} className="file-item known-medium">
                <Icon name={isMissing ? 'alert' : kind === 'disk' ? 'disk' : 'disc'} size={18} />
                <span className="known-medium-name">{fileName(path)}</span>
                <span className="known-medium-users">{isMissing ? t('media.missing') : users.length === 0 ? t('media.unused') : users.map(({ machine }) => machine).join(', ')}</span>
              </ListBoxItem>
            ))}
          </ListBox>
          {present === undefined ? null : <MediumDetail key={present.path} medium={present} onChanged={() => { void read(); }} />}
        </div>
      )}
    </AppDialog>
  );
}

function MediumDetail({ medium, onChanged }: { readonly medium: KnownMedium; readonly onChanged: () => void }) {
  const { t, i18n } = useTranslation();
  const { shell } = useApp();
  const { path, kind, format, users, isMissing, hostBytes } = medium;
  const job = useMediaJob();
  const [info, setInfo] = useState<MediaInfo>();
  const [outcome, setOutcome] = useState<JobOutcome>();
  const [error, setError] = useState<MachineError>();
  const [question, setQuestion] = useState<'resize' | 'convert'>();
  const size = (bytes: number): string => formatBytes(bytes, i18n.language);
  const isBusy = users.some(({ isOn }) => isOn);
  const image = { path, ...(format === undefined ? {} : { format }) };

  useEffect(() => {
    if (kind !== 'disk' || isMissing) return undefined;
    let isCurrent = true;
    void shell.client.media.run({ id: crypto.randomUUID(), job: { kind: 'info', path, ...(format === undefined ? {} : { format }) } }).then((answer) => { if (isCurrent && answer.ok) setInfo(answer.value.info); });
    return () => { isCurrent = false; };
  }, [shell, path, kind, format, isMissing, outcome]);

  const run = async (wanted: MediumJob): Promise<void> => {
    setError(undefined);
    setOutcome(undefined);
    setQuestion(undefined);
    const answer = await job.run(wanted);
    if (answer.ok) setOutcome(answer.value);
    else if (answer.error.code !== 'media.cancelled') setError(answer.error);
    onChanged();
  };

  return (
    <section className="form medium-detail" aria-label={fileName(path)}>
      <dl className="facts">
        <div className="fact"><dt>{t('media.path')}</dt><dd className="path">{path}</dd></div>
        <div className="fact"><dt>{t('media.users')}</dt><dd>{users.length === 0 ? t('media.unused') : users.map(({ machine, isOn }) => isOn ? t('media.userOn', { machine }) : machine).join(', ')}</dd></div>
        {kind === 'disk' ? <div className="fact"><dt>{t('settings.format')}</dt><dd>{info?.format ?? format ?? '…'}{info?.subformat === undefined ? '' : ` (${info.subformat})`}</dd></div> : null}
        {info === undefined ? null : <div className="fact"><dt>{t('media.virtualSize')}</dt><dd>{size(info.virtualBytes)}</dd></div>}
        {hostBytes === undefined ? null : <div className="fact"><dt>{t('manager.sizeOnHost')}</dt><dd>{size(hostBytes)}</dd></div>}
        {info === undefined || info.backing.length === 0 ? null : <div className="fact"><dt>{t('media.backing')}</dt><dd className="path">{info.backing.map((layer) => layer.path).join(' ← ')}</dd></div>}
      </dl>
      {kind !== 'disk' || isMissing ? null : (
        <>
          {isBusy ? <p className="effect"><Icon name="info" size={16} />{t('media.busy')}</p> : null}
          <div className="storage-actions">
            <AppButton label={t('media.check')} icon="check" isDisabled={isBusy || job.done !== undefined} onPress={() => { void run({ kind: 'check', ...image, repair: false }); }} />
            <AppButton label={t('media.compact')} icon="shrink" isDisabled={isBusy || job.done !== undefined} onPress={() => { void run({ kind: 'compact', ...image }); }} />
            <AppButton label={t('media.resize')} icon="expand" isDisabled={isBusy || job.done !== undefined} onPress={() => { setQuestion('resize'); }} />
            <AppButton label={t('media.convert')} icon="branch" isDisabled={isBusy || job.done !== undefined} onPress={() => { setQuestion('convert'); }} />
          </div>
        </>
      )}
      {job.done === undefined ? null : (
        <div className="job">
          <ProgressBar className="progress" aria-label={t('media.working')} value={job.done * 100}>
            {({ percentage = 0 }) => <><span className="progress-track"><span style={{ width: `${percentage}%` }} /></span><span>{Math.floor(percentage)} %</span></>}
          </ProgressBar>
          <AppButton label={t('app.cancel')} kind="quiet" onPress={job.cancel} />
        </div>
      )}
      {error === undefined ? null : <ErrorNotice error={error} />}
      {outcome === undefined ? null : <Outcome outcome={outcome} onRepair={() => { void run({ kind: 'check', ...image, repair: true }); }} />}
      {question === undefined ? null : <ChangeMedium kind={question} path={path} virtualBytes={info?.virtualBytes} onClose={() => { setQuestion(undefined); }} onJob={(wanted) => { void run({ ...wanted, ...image }); }} />}
    </section>
  );
}

function Outcome({ outcome, onRepair }: { readonly outcome: JobOutcome; readonly onRepair: () => void }) {
  const { t, i18n } = useTranslation();
  const size = (bytes: number): string => formatBytes(bytes, i18n.language);
  const { check, done } = outcome;
  if (done !== undefined) {
    return <p className="notice notice-info" role="status"><Icon name="check" />{done.hostBytesBefore === undefined ? t('media.done', { file: fileName(done.path), size: size(done.virtualBytes) }) : t('media.compacted', { before: size(done.hostBytesBefore), after: size(done.hostBytes) })}</p>;
  }
  if (check === undefined) return null;
  if (check.errorCount === 0 && check.leakedBytes === 0) return <p className="notice notice-info" role="status"><Icon name="check" />{check.repaired > 0 ? t('media.repaired', { number: check.repaired }) : t('media.sound')}</p>;
  return (
    <div className="notice notice-warning" role="alert">
      <Icon name="alert" />
      <div className="notice-body">
        <p>{t('media.found', { errors: check.errorCount, leaked: size(check.leakedBytes) })}</p>
        {check.errors.length === 0 ? null : <pre className="path" tabIndex={0}>{check.errors.slice(0, 20).join('\n')}</pre>}
        <AppButton label={t('media.repair')} onPress={onRepair} />
      </div>
    </div>
  );
}
