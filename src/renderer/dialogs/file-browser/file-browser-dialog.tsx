/** Chooses a file of the host where the page can't ask the system for one: in the browser shell. */
import { useEffect, useState } from 'react';
import { ListBox, ListBoxItem } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { FILE_PURPOSES } from '../../../shared/api.ts';
import type { MachineError } from '../../../shared/result.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { ErrorNotice } from '../../components/error-notice.tsx';
import { Icon } from '../../components/icon.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { formatBytes } from '../../i18n/format.ts';
import { useApp } from '../../state/app-state.ts';

interface Folder {
  readonly path: string;
  readonly parent: string | undefined;
  readonly entries: readonly { readonly name: string; readonly path: string; readonly kind: 'folder' | 'file'; readonly bytes?: number | undefined }[];
  readonly truncated: boolean;
}

export interface FileBrowserDialogProps {
  readonly title: string;
  readonly purpose: (typeof FILE_PURPOSES)[number];
  readonly onChoose: (path: string) => void;
  readonly onClose: () => void;
}

export function FileBrowserDialog({ title, purpose, onChoose, onClose }: FileBrowserDialogProps) {
  const { t, i18n } = useTranslation();
  const { shell } = useApp();
  /** The folder that is wanted; absent is the person's home. */
  const [wanted, setWanted] = useState<{ readonly path: string | undefined }>({ path: undefined });
  const [folder, setFolder] = useState<Folder>();
  const [typed, setTyped] = useState('');
  const [chosen, setChosen] = useState<string>();
  const [error, setError] = useState<MachineError>();

  useEffect(() => {
    let isCurrent = true;
    void shell.client.files.browse({ purpose, ...(wanted.path === undefined ? {} : { path: wanted.path }) }).then((answer) => {
      if (!isCurrent) return;
      setChosen(undefined);
      if (!answer.ok) {
        setError(answer.error);
        return;
      }
      setError(undefined);
      setFolder({ ...answer.value, parent: answer.value.parent });
      setTyped(answer.value.path);
    });
    return () => { isCurrent = false; };
  }, [shell, purpose, wanted]);

  const parent = folder?.parent;
  const open = (path: string): void => {
    const entry = folder?.entries.find((other) => other.path === path);
    if (entry?.kind === 'folder') setWanted({ path });
    else if (entry !== undefined) onChoose(path);
  };

  return (
    <AppDialog title={title} width="wide" onClose={onClose}>
      <form className="form" onSubmit={(event) => { event.preventDefault(); setWanted({ path: typed }); }}>
        <TextInput label={t('files.folder')} value={typed} onChange={setTyped}
          beside={<AppButton label={t('files.up')} icon="up" iconOnly isDisabled={parent === undefined} onPress={() => { setWanted({ path: parent }); }} />} />
      </form>
      <div className="file-list-frame">
        {error === undefined ? null : <ErrorNotice error={error} />}
        {folder === undefined ? (error === undefined ? <p className="field-hint" role="status">{t('files.loading')}</p> : null) : (
          <ListBox key={folder.path} className="file-list" aria-label={t('files.entries')} selectionMode="single" selectionBehavior="replace" autoFocus
            renderEmptyState={() => <p className="field-hint">{t('files.empty')}</p>}
            selectedKeys={chosen === undefined ? [] : [chosen]}
            onSelectionChange={(keys) => {
              const [path] = keys === 'all' ? [] : [...keys];
              setChosen(typeof path === 'string' ? path : undefined);
            }}
            onAction={(path) => { open(String(path)); }}>
            {folder.entries.map((entry) => (
              <ListBoxItem key={entry.path} id={entry.path} textValue={entry.name} className="file-item">
                <Icon name={entry.kind === 'folder' ? 'folder' : purpose === 'cd-image' ? 'disc' : 'file'} size={18} />
                <span>{entry.name}</span>
                <span className="file-facts">{entry.kind === 'folder' ? t('files.kindFolder') : entry.bytes === undefined ? '' : formatBytes(entry.bytes, i18n.language)}</span>
              </ListBoxItem>
            ))}
          </ListBox>
        )}
        {folder?.truncated === true ? <p className="field-hint">{t('files.truncated')}</p> : null}
      </div>
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
        <AppButton label={t('files.choose')} kind="primary" isDisabled={chosen === undefined && (purpose !== 'folder' || folder === undefined)} onPress={() => {
          if (purpose === 'folder') onChoose(chosen ?? folder?.path ?? '');
          else if (chosen !== undefined) open(chosen);
        }} />
      </footer>
    </AppDialog>
  );
}
