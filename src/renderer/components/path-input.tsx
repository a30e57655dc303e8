import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { FILE_PURPOSES } from '../../shared/api.ts';
import { FileBrowserDialog } from '../dialogs/file-browser/file-browser-dialog.tsx';
import { useApp } from '../state/app-state.ts';
import { showNotice } from '../state/notices.ts';
import { AppButton } from './button.tsx';
import { TextInput } from './text-input.tsx';

export interface PathInputProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (path: string) => void;
  /** Instead of `onChange` for what was chosen in a dialog, where that makes a difference. */
  readonly onPick?: (path: string) => void;
  /** Title of the dialog in which it is chosen. */
  readonly pickTitle: string;
  readonly purpose: (typeof FILE_PURPOSES)[number];
  readonly hint?: string | undefined;
  readonly error?: string | undefined;
  readonly onBlur?: () => void;
  readonly autoFocus?: boolean;
}

/** The path of a file or folder of the host, typed or chosen: in the system's own dialog, or in ours where there is none. */
export function PathInput({ pickTitle, purpose, onChange, onPick = onChange, ...input }: PathInputProps) {
  const { t } = useTranslation();
  const { shell } = useApp();
  const [isBrowsing, setBrowsing] = useState(false);

  const browse = async (): Promise<void> => {
    if (shell.kind === 'browser') {
      setBrowsing(true);
      return;
    }
    const picked = await shell.client.dialogs.pickFile({ title: pickTitle, purpose });
    if (!picked.ok) showNotice({ kind: 'error', error: picked.error });
    else if (picked.value.path !== undefined) onPick(picked.value.path);
  };

  return (
    <>
      <TextInput {...input} onChange={onChange} beside={<AppButton label={t('newMachine.browse')} icon="folder" onPress={() => { void browse(); }} />} />
      {isBrowsing ? <FileBrowserDialog title={pickTitle} purpose={purpose} onClose={() => { setBrowsing(false); }} onChoose={(path) => { onPick(path); setBrowsing(false); }} /> : null}
    </>
  );
}
