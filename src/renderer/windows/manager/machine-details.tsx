import { useEffect, useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { TFunction } from 'i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { BUS_NAMES } from '../../../shared/disk-bus.ts';
import type { MachineConfig } from '../../../shared/machine-config.ts';
import { CrashReport } from '../../components/crash-report.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon } from '../../components/icon.tsx';
import type { IconName } from '../../components/icon.tsx';
import { iconOf, SystemIcon } from '../../components/machine-icon.tsx';
import { MachineControls } from '../../components/machine-controls.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { BundleStrip } from '../../dialogs/bundle/bundle-ending.tsx';
import { LivePreview } from '../../display/live-preview.tsx';
import { isOn } from '../../display/use-display.ts';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { go } from '../../state/route.ts';
import { useStore } from '../../state/store.ts';

const PREVIEW_FRAME_MILLIS = 250;

export function MachineDetails({ entry, onSearchTag }: { readonly entry: LibraryEntry; readonly onSearchTag: (tag: string) => void }) {
  const { t, i18n } = useTranslation();
  const { name, status, config, broken } = entry;
  const bytesOnHost = useBytesOnHost(entry);
  const time = status.startedAt === undefined || !isOn(status.state) ? undefined
    : new Intl.DateTimeFormat(i18n.language, { timeStyle: 'short', ...(isToday(status.startedAt) ? {} : { dateStyle: 'medium' }) }).format(status.startedAt);
  const canShow = isOn(status.state);

  return (
    <article className="details" aria-label={name}>
      <header className="details-header">
        <SystemIcon icon={iconOf(entry)} size={48} />
        <div className="details-name">
          <h2>{name}</h2>
          <p className="details-state"><StateBadge entry={entry} />{time === undefined ? null : <span className="details-since">{t('manager.runningFor', { time })}</span>}</p>
          {config === undefined || config.tags.length === 0 ? null : (
            <ul className="tags" aria-label={t('manager.tags')}>
              {config.tags.map((tag) => <li key={tag}><Button className="tag tag-button" aria-label={t('manager.searchTag', { tag })} onPress={() => { onSearchTag(tag); }}>{tag}</Button></li>)}
            </ul>
          )}
        </div>
        <MachineControls entry={entry} place="manager" />
      </header>

      {broken === undefined ? null : <ErrorNotice error={broken} title={t('manager.brokenTitle')}><p>{t('manager.brokenText')}</p></ErrorNotice>}
      {status.state === 'crashed' ? <CrashReport entry={entry} /> : null}

      <BundleStrip entry={entry} />
      <div className="details-body">
        <Button className="details-screen" aria-label={canShow ? t('manager.openScreen', { name }) : t('manager.previewOff', { name })} isDisabled={!canShow} onPress={() => { go({ window: 'machine', machine: name }); }}>
          <LivePreview entry={entry} millisPerFrame={PREVIEW_FRAME_MILLIS} iconSize={84} />
        </Button>
        <dl className="facts">
          {config === undefined ? null : (
            <>
              {config.guestSystem === undefined ? null : <Fact icon="screen" term={t('manager.system')}>{t(`guestSystem.${config.guestSystem}`)}</Fact>}
              {config.isTemplate === true ? <Fact icon="table" term={t('exchange.isTemplate')}>{t('exchange.templateHint')}</Fact> : null}
              {config.group === '' ? null : <Fact icon="grid" term={t('manager.group')}>{config.group}</Fact>}
              <Fact icon="memory" term={t('manager.memory')}>{formatBytes(config.memoryBytes, i18n.language)}</Fact>
              <Fact icon="chip" term={t('manager.processor')}>{config.architecture === 'x86_64' ? t('manager.archX86_64') : t('manager.archI386')}</Fact>
              <Fact icon="sparkle" term={t('manager.accelerator')}><Accelerator config={config} /></Fact>
              <Fact icon="disk" term={t('manager.disks')}>{config.disks.length === 0 ? t('manager.noDisk') : config.disks.map((disk) => <div key={disk.path} title={disk.path}>{diskText(disk, t)}</div>)}</Fact>
              <Fact icon="disc" term={t('manager.cdroms')}>{config.cdroms.length === 0 ? t('manager.noCd') : config.cdroms.map(({ path }, index) => <div key={index} title={path}>{path === undefined ? t('manager.emptyDrive') : fileName(path)}</div>)}</Fact>
              <Fact icon="network" term={t('manager.network')}>{config.adapters.length === 0 ? t('manager.noNetwork') : config.adapters.map(({ model, reach }, index) => <div key={index}>{t('manager.adapter', { model, reach: t(`manager.networkReach.${reach}`) })}</div>)}</Fact>
              {config.adapters.every(({ forwards }) => forwards.length === 0) ? null : (
                <Fact icon="cable" term={t('manager.forwards')}>{config.adapters.flatMap(({ forwards }) => forwards).map(({ protocol, host, guest }, index) => <div key={index}>{protocol.toUpperCase()} {host.address}:{host.port} → {guest.port}</div>)}</Fact>
              )}
              <Fact icon="play" term={t('manager.boot')}>{bootText(config, t)}</Fact>
              <Fact icon="gauge" term={t('manager.clock')}>{config.time.mode === 'host' ? t('manager.clockHost') : t('manager.clockInstructions', { number: config.time.mode.instructionsPerMicrosecond })}</Fact>
              <Fact icon="reset" term={t('manager.onReset')}>{t(`manager.onResetWays.${config.onReset}`)}</Fact>
            </>
          )}
          <Fact icon="folder" term={t('manager.folder')}><span className="path">{entry.folder}</span></Fact>
          <Fact icon="file" term={t('manager.sizeOnHost')}>{bytesOnHost === undefined ? t('manager.sizeUnknown') : formatBytes(bytesOnHost, i18n.language)}</Fact>
          {config === undefined || config.notes === '' ? null : <Fact icon="note" term={t('manager.notes')}>{config.notes}</Fact>}
        </dl>
      </div>
    </article>
  );
}

function Accelerator({ config: { accelerator } }: { readonly config: MachineConfig }) {
  const { t } = useTranslation();
  const host = useStore(useApp().host);
  if (accelerator !== 'auto' || host === undefined) return t(`manager.acceleratorName.${accelerator}`);
  return t('manager.acceleratorAuto', { name: t(`manager.acceleratorName.${host.accelerator}`) });
}

function Fact({ icon, term, children }: { readonly icon: IconName; readonly term: string; readonly children: ReactNode }) {
  return (
    <div className="fact">
      <dt><Icon name={icon} size={18} />{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Counted anew when the machine changes its state: a guest that has stopped has written its disks. */
function useBytesOnHost({ name, status, bytesOnHost }: LibraryEntry): number | undefined {
  const { shell } = useApp();
  const [bytes, setBytes] = useState(bytesOnHost);
  useEffect(() => {
    let isCurrent = true;
    void shell.client.library.get({ name }).then((answer) => { if (isCurrent && answer.ok) setBytes(answer.value.bytesOnHost); });
    return () => { isCurrent = false; };
  }, [shell, name, status.state]);
  return bytes;
}

function diskText({ path, bus, readOnly, discardChanges }: MachineConfig['disks'][number], t: TFunction): string {
  const kinds = [...(readOnly ? [t('manager.diskKind.readOnly')] : []), ...(discardChanges ? [t('manager.diskKind.discardChanges')] : [])];
  return t('manager.disk', { path: fileName(path), bus: [BUS_NAMES[bus], ...kinds].join(', ') });
}

function bootText(config: MachineConfig, t: TFunction): string {
  if (config.bundledGuest !== undefined) return t('manager.bootBundled');
  if (config.directBoot !== undefined) return t('manager.bootKernel', { path: fileName(config.directBoot.kernel) });
  return config.bootOrder.map((device) => t(`manager.bootDevice.${device}`)).join(', ');
}

function fileName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}

function isToday(millis: number): boolean {
  return new Date(millis).toDateString() === new Date().toDateString();
}
