/** Which snapshot a machine becomes again whenever it goes off. */
import { useEffect, useState } from 'react';
import { Form } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { Snapshot } from '../../../shared/api.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { useApp } from '../../state/app-state.ts';
import { useJob } from './use-job.tsx';

const KEEP = 'keep';

export function ResetDialog({ name, present, onClose }: { readonly name: string; readonly present: string | undefined; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const { shell: { client } } = useApp();
  const job = useJob(t('app.loading'));
  const [snapshots, setSnapshots] = useState<readonly Snapshot[]>([]);
  const [chosen, setChosen] = useState(present ?? KEEP);
  useEffect(() => { void client.snapshots.list({ name }).then((answer) => { if (answer.ok) setSnapshots(answer.value.snapshots); }); }, [client, name]);

  const save = async (): Promise<void> => {
    const done = await job.run(() => client.snapshots.resetOnPowerOff({ name, ...(chosen !== KEEP && { snapshot: chosen }) }));
    if (done !== undefined) onClose();
  };

  return (
    <AppDialog title={t('exchange.resetTitle', { name })} onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}>
        <SelectInput label={t('exchange.resetTo')} value={chosen} onChange={setChosen} options={[{ value: KEEP, label: t('exchange.resetNever') }, ...snapshots.map(({ id, name: label }) => ({ value: id, label }))]} />
        <p className="field-hint">{snapshots.length === 0 ? t('exchange.resetNone') : t('exchange.resetHint')}</p>
        {job.shown}
        <footer className="dialog-footer">
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          <AppButton label={t('exchange.resetSave')} kind="primary" type="submit" />
        </footer>
      </Form>
    </AppDialog>
  );
}
