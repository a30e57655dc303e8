/** What a changed or converted image shall be. */
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { DISK_FORMATS } from '../../../shared/disk-format.ts';
import type { DiskFormat } from '../../../shared/disk-format.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { CheckBox } from '../../components/check-box.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { checkDisk } from '../new-machine/check-draft.ts';

type Wanted = { readonly kind: 'resize'; readonly bytes: number; readonly shrink: boolean } | { readonly kind: 'convert'; readonly targetPath: string; readonly targetFormat: DiskFormat };

export interface ChangeMediumProps {
  readonly kind: 'resize' | 'convert';
  readonly path: string;
  readonly virtualBytes: number | undefined;
  readonly onJob: (wanted: Wanted) => void;
  readonly onClose: () => void;
}

export function ChangeMedium(props: ChangeMediumProps) {
  return props.kind === 'resize' ? <Resize {...props} /> : <Convert {...props} />;
}

function Resize({ virtualBytes = 0, onJob, onClose }: ChangeMediumProps) {
  const { t, i18n } = useTranslation();
  const show = (bytes: number): string => formatBytes(bytes, i18n.language);
  const [size, setSize] = useState(show(virtualBytes));
  const [mayShrink, setShrink] = useState(false);
  const { value, problem } = checkDisk(size);
  const { minimum = 0, maximum = 0, total = 0 } = problem?.sizes ?? {};
  const shrinks = value !== undefined && value < virtualBytes;
  return (
    <AppDialog title={t('media.resizeTitle')} onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => {
        event.preventDefault();
        if (value !== undefined && (!shrinks || mayShrink)) onJob({ kind: 'resize', bytes: value, shrink: shrinks });
      }}>
        <TextInput label={t('settings.newDiskSize')} value={size} onChange={setSize} autoFocus hint={t('media.resizeHint', { size: show(virtualBytes) })}
          error={problem === undefined ? undefined : t(problem.key, { minimum: show(minimum), maximum: show(maximum), total: show(total), example: '8 GiB' })} />
        {shrinks ? <CheckBox label={t('media.shrink')} hint={t('media.shrinkHint')} isSelected={mayShrink} onChange={setShrink} /> : null}
        <footer className="dialog-footer">
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          <AppButton label={t('media.resize')} kind="primary" type="submit" isDisabled={value === undefined || (shrinks && !mayShrink)} />
        </footer>
      </Form>
    </AppDialog>
  );
}

function Convert({ path, onJob, onClose }: ChangeMediumProps) {
  const { t } = useTranslation();
  const stem = path.replace(/\.[^./\\]*$/, '');
  const [format, setFormat] = useState<DiskFormat>('qcow2');
  const [typed, setTyped] = useState<string>();
  const target = typed ?? `${stem}-copy.${format === 'raw' ? 'img' : format}`;
  return (
    <AppDialog title={t('media.convertTitle')} width="wide" onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => {
        event.preventDefault();
        if (target !== path && target !== '') onJob({ kind: 'convert', targetPath: target, targetFormat: format });
      }}>
        <SelectInput label={t('settings.format')} value={format} onChange={setFormat} options={DISK_FORMATS.map((value) => ({ value, label: value }))} />
        <TextInput label={t('media.target')} value={target} onChange={setTyped} hint={t('media.targetHint')} error={target === path ? t('media.targetIsSource') : undefined} />
        <footer className="dialog-footer">
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          <AppButton label={t('media.convert')} kind="primary" type="submit" isDisabled={target === path || target === ''} />
        </footer>
      </Form>
    </AppDialog>
  );
}
