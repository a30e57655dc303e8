/** A machine from a file: a bundle, an OVF package, or another program's configuration, looked at before it is taken. */
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { ApiClient } from '../../../shared/api.ts';
import type { LeftOut } from '../../../shared/foreign-machine.ts';
import type { Result } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { CheckBox } from '../../components/check-box.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';
import { go } from '../../state/route.ts';
import { PathInput } from '../file-browser/path-input.tsx';
import { useJob } from './use-job.tsx';

type Described = Awaited<ReturnType<ApiClient['library']['describeForeign']>> extends Result<infer Value> ? Value : never;

export function ImportDialog({ onClose, onImported }: { readonly onClose: () => void; readonly onImported: (name: string) => void }) {
  const { t, i18n } = useTranslation();
  const { shell: { client } } = useApp();
  const job = useJob(t('exchange.importing'));
  const [path, setPath] = useState('');
  const [name, setName] = useState('');
  const [found, setFound] = useState<Described>();
  const [mayTake, setMayTake] = useState(false);
  const isAllowed = found === undefined || found.outside.length === 0 || mayTake;

  const choose = (chosen: string): void => {
    setPath(chosen);
    setFound(undefined);
    setMayTake(false);
  };
  const look = async (): Promise<void> => {
    if (/\.guestvmz$/i.test(path)) {
      onClose();
      go({ window: 'manager', selected: undefined, bundle: path });
      return;
    }
    const described = await job.run((id) => client.library.describeForeign({ path, id }));
    if (described === undefined) return;
    setFound(described);
    setName(described.name);
  };
  const take = async (): Promise<void> => {
    const named = name.trim() === '' ? {} : { name: name.trim() };
    const made = await job.run((id) => client.library.importForeign({ path, id, allowedOutside: mayTake ? found?.outside ?? [] : [], ...named }));
    if (made !== undefined) onImported(made.entry.name);
  };

  return (
    <AppDialog title={t('exchange.importTitle')} width="wide" onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => {
        event.preventDefault();
        if (path !== '' && !job.isRunning && isAllowed) void (found === undefined ? look() : take());
      }}>
        <PathInput label={t('exchange.file')} title={t('exchange.importTitle')} purpose="any" value={path} onChange={choose} hint={t('exchange.fileHint')} autoFocus />
        {found === undefined ? null : <TextInput label={t('exchange.name')} value={name} onChange={setName} />}
        {found === undefined ? null : (
          <>
            <p className="dialog-text">{t('exchange.found', { source: t(`exchange.source.${found.source}`), memory: formatBytes(found.memoryBytes, i18n.language), disks: found.disks })}</p>
            <LeftOutList leftOut={found.leftOut} />
            {found.outside.length === 0 ? null : <CheckBox label={t('exchange.takeOutside')} hint={found.outside.join(', ')} isSelected={mayTake} onChange={setMayTake} />}
          </>
        )}
        {job.shown}
        <footer className="dialog-footer">
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          <AppButton label={found === undefined ? t('exchange.look') : t('exchange.import')} kind="primary" type="submit" isDisabled={path === '' || job.isRunning || !isAllowed} />
        </footer>
      </Form>
    </AppDialog>
  );
}

/** What of a machine there is no place for. */
export function LeftOutList({ leftOut }: { readonly leftOut: readonly LeftOut[] }) {
  const { t } = useTranslation();
  if (leftOut.length === 0) return null;
  return (
    <section aria-label={t('exchange.leftOutTitle')}>
      <p className="field-hint">{t('exchange.leftOutTitle')}</p>
      <ul>{leftOut.map(({ what, detail }, index) => <li key={index}>{t(`exchange.leftOut.${what}`)}{detail === '' ? null : <span className="path"> {detail}</span>}</li>)}</ul>
    </section>
  );
}
