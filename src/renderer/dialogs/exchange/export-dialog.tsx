/** A machine into a file for others, or as a command line. */
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { ApiClient } from '../../../shared/api.ts';
import type { Result } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { CheckBox } from '../../components/check-box.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';
import { useStore } from '../../state/store.ts';
import { LeftOutList } from './import-dialog.tsx';
import { useJob } from './use-job.tsx';

const WAYS = ['ova', 'guestvmz', 'qemu'] as const;
type Way = (typeof WAYS)[number];
type Command = Awaited<ReturnType<ApiClient['library']['qemuCommand']>> extends Result<infer Value> ? Value : never;

export function ExportDialog({ name, onClose }: { readonly name: string; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const { shell: { client }, library } = useApp();
  const { folder } = useStore(library);
  const job = useJob(t('exchange.exporting'));
  const [way, setWay] = useState<Way>('ova');
  const [isSigned, setSigned] = useState(true);
  const [typed, setTyped] = useState<string>();
  const [command, setCommand] = useState<Command>();
  const path = typed ?? `${folder}${folder.includes('\\') ? '\\' : '/'}${name}.${way}`;

  const begin = async (): Promise<void> => {
    if (way === 'qemu') {
      setCommand(await job.run(() => client.library.qemuCommand({ name })));
      return;
    }
    const made = await job.run((id) => way === 'ova' ? client.library.exportOvf({ name, path, id }) : client.library.export({ name, path, sign: isSigned, id }));
    if (made === undefined) return;
    showNotice({ kind: 'info', text: t('exchange.exported', { name, path }) });
    onClose();
  };

  return (
    <AppDialog title={t('exchange.exportTitle', { name })} width="wide" onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => {
        event.preventDefault();
        if (!job.isRunning) void begin();
      }}>
        <SelectInput label={t('exchange.way')} value={way} onChange={setWay} options={WAYS.map((value) => ({ value, label: t(`exchange.ways.${value}`) }))} />
        {way === 'qemu' ? null : <TextInput label={t('exchange.target')} value={path} onChange={setTyped} hint={t('media.targetHint')} />}
        {way === 'guestvmz' ? <CheckBox label={t('exchange.sign')} hint={t('exchange.signHint')} isSelected={isSigned} onChange={setSigned} /> : null}
        {way !== 'qemu' || command === undefined ? null : (
          <>
            <pre className="path" tabIndex={0} aria-label={t('exchange.command')} style={{ whiteSpace: 'pre-wrap' }}>{command.line}</pre>
            <LeftOutList leftOut={command.leftOut} />
          </>
        )}
        {job.shown}
        <footer className="dialog-footer">
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          <AppButton label={way === 'qemu' ? t('exchange.showCommand') : t('exchange.export')} kind="primary" type="submit" isDisabled={job.isRunning || path === ''} />
        </footer>
      </Form>
    </AppDialog>
  );
}
