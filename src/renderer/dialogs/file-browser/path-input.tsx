/** The path of a file of the host, typed or chosen. */
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { FILE_PURPOSES } from '../../../shared/api.ts';
import { AppButton } from '../../components/button.tsx';
import { TextInput } from '../../components/text-input.tsx';
import type { TextInputProps } from '../../components/text-input.tsx';
import { FileBrowserDialog } from './file-browser-dialog.tsx';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';

export type FilePurpose = (typeof FILE_PURPOSES)[number];

/** Asks for a file: the system's own dialog, or `browser`, which has to be shown where the shell has none. */
export function usePickFile(title: string, purpose: FilePurpose, onChoose: (path: string) => void): { readonly pick: () => void; readonly browser: React.ReactNode } {
  const { shell } = useApp();
  const [isBrowsing, setBrowsing] = useState(false);
  const pick = async (): Promise<void> => {
    if (shell.kind === 'browser') {
      setBrowsing(true);
      return;
    }
    const picked = await shell.client.dialogs.pickFile({ title, purpose });
    if (!picked.ok) showNotice({ kind: 'error', error: picked.error });
    else if (picked.value.path !== undefined) onChoose(picked.value.path);
  };
  const close = (): void => { setBrowsing(false); };
  return {
    pick: () => { void pick(); },
    browser: isBrowsing ? <FileBrowserDialog title={title} purpose={purpose} onClose={close} onChoose={(path) => { close(); onChoose(path); }} /> : null,
  };
}

export function PathInput({ title, purpose, ...input }: TextInputProps & { readonly title: string; readonly purpose: FilePurpose }) {
  const { t } = useTranslation();
  const { pick, browser } = usePickFile(title, purpose, input.onChange);
  return (
    <>
      <TextInput {...input} beside={<AppButton label={t('newMachine.browse')} icon="folder" onPress={pick} />} />
      {browser}
    </>
  );
}
