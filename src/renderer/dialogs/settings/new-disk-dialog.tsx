/** Makes an empty disk in the machine's own folder. It is there at once; it is the machine's when the settings are saved. */
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { DiskFormat } from '../../../shared/disk-format.ts';
import type { MachineError } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Segments } from '../../components/segments.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { checkDisk } from '../new-machine/check-draft.ts';
import { useDraft } from './draft.ts';

export function NewDiskDialog({ onMade, onClose }: { readonly onMade: (path: string, format: DiskFormat) => void; readonly onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const { shell } = useApp();
  const { entry } = useDraft();
  const [size, setSize] = useState('8 GiB');
  const [format, setFormat] = useState<'qcow2' | 'raw'>('qcow2');
  const [error, setError] = useState<MachineError>();
  const [isPending, setPending] = useState(false);
  const checked = checkDisk(size);
  const { minimum = 0, maximum = 0, total = 0 } = checked.problem?.sizes ?? {};
  const show = (bytes: number): string => formatBytes(bytes, i18n.language);

  const make = async (): Promise<void> => {
    if (checked.value === undefined) return;
    setPending(true);
    const made = await shell.client.media.createDisk({ machine: entry.name, bytes: checked.value, format });
    setPending(false);
    if (!made.ok) {
      setError(made.error);
      return;
    }
    onMade(made.value.path, format);
    onClose();
  };

  return (
    <AppDialog title={t('settings.newDiskTitle', { name: entry.name })} onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => { event.preventDefault(); void make(); }}>
        <TextInput label={t('settings.newDiskSize')} value={size} onChange={setSize} autoFocus
          error={checked.problem === undefined ? undefined : t(checked.problem.key, { minimum: show(minimum), maximum: show(maximum), total: show(total), example: '8 GiB' })} />
        <Segments label={t('settings.newDiskFormat')} hint={t('settings.newDiskFormatHint')} value={format} onChange={setFormat} options={[{ value: 'qcow2', label: 'qcow2' }, { value: 'raw', label: 'raw' }]} />
        {error === undefined ? null : <ErrorNotice error={error} />}
        <footer className="dialog-footer">
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          <AppButton label={t('settings.newDiskCreate')} kind="primary" type="submit" isPending={isPending} isDisabled={checked.value === undefined} />
        </footer>
      </Form>
    </AppDialog>
  );
}
