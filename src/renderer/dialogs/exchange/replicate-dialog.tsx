/** A machine's replica: a generation now, and further ones by themselves. */
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { MachineConfig } from '../../../shared/machine-config.ts';
import { GENERATIONS_KEPT_DEFAULT } from '../../../shared/machine-config.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';
import { PathInput } from '../file-browser/path-input.tsx';
import { GenerationList } from './generation-list.tsx';
import { useJob } from './use-job.tsx';

/** Minutes. */
const INTERVALS = { never: undefined, hourly: 60, sixHourly: 360, daily: 1440, weekly: 10_080 } as const;
type Interval = keyof typeof INTERVALS;
const INTERVAL_NAMES = Object.keys(INTERVALS) as Interval[];

export function ReplicateDialog({ name, config, onClose }: { readonly name: string; readonly config: MachineConfig; readonly onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const { shell: { client } } = useApp();
  const job = useJob(t('exchange.replicating'));
  const { replication } = config;
  const [folder, setFolder] = useState(replication?.folder ?? '');
  const [interval, setInterval] = useState<Interval>(INTERVAL_NAMES.find((value) => INTERVALS[value] === replication?.everyMinutes) ?? 'never');

  const begin = async (): Promise<void> => {
    const everyMinutes = INTERVALS[interval];
    const keep = replication?.keep ?? GENERATIONS_KEPT_DEFAULT;
    const made = await job.run(async (id) => {
      const generation = await client.replicas.make({ name, folder, keep, id });
      if (!generation.ok) return generation;
      const changed = await client.library.change({ name, changes: { replication: everyMinutes === undefined ? null : { folder, everyMinutes, keep } } });
      return changed.ok ? generation : changed;
    });
    if (made === undefined) return;
    showNotice({ kind: 'info', text: t('exchange.replicated', { name, size: formatBytes(made.newBytes, i18n.language) }) });
    onClose();
  };

  return (
    <AppDialog title={t('exchange.replicateTitle', { name })} width="wide" onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => {
        event.preventDefault();
        if (folder !== '' && !job.isRunning) void begin();
      }}>
        <PathInput label={t('exchange.replicaFolder')} title={t('exchange.replicaFolder')} purpose="folder" value={folder} onChange={setFolder} hint={t('exchange.replicaHint')} autoFocus />
        <SelectInput label={t('exchange.interval')} value={interval} onChange={setInterval} options={INTERVAL_NAMES.map((value) => ({ value, label: t(`exchange.intervals.${value}`) }))} />
        <GenerationList name={name} folder={folder} onRestored={onClose} />
        {job.shown}
        <footer className="dialog-footer">
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          <AppButton label={t('exchange.replicate')} kind="primary" type="submit" isDisabled={folder === '' || job.isRunning} />
        </footer>
      </Form>
    </AppDialog>
  );
}
