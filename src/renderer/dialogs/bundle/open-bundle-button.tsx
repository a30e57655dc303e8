/** Chooses a bundle; one that is dropped on a page that isn't told where its file lies has to be chosen as well. */
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { AppButton } from '../../components/button.tsx';
import { useApp } from '../../state/app-state.ts';
import { showNotice } from '../../state/notices.ts';
import { go } from '../../state/route.ts';
import { usePickFile } from '../file-browser/path-input.tsx';

export function OpenBundleButton() {
  const { t } = useTranslation();
  const { shell } = useApp();
  const { pick, browser } = usePickFile(t('bundle.choose'), 'bundle', (path) => { go({ window: 'manager', selected: undefined, bundle: path }); });
  const choose = useRef(pick);
  choose.current = pick;
  useEffect(() => {
    // The desktop shell's preload knows the paths of files.
    if (shell.kind !== 'browser') return undefined;
    const isFile = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true;
    const over = (event: DragEvent): void => { if (isFile(event)) event.preventDefault(); };
    const drop = (event: DragEvent): void => {
      if (!isFile(event)) return;
      event.preventDefault();
      if (![...event.dataTransfer?.files ?? []].some(({ name }) => name.endsWith('.guestvmz'))) return;
      showNotice({ kind: 'info', text: t('bundle.dropped') });
      choose.current();
    };
    window.addEventListener('dragover', over);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragover', over);
      window.removeEventListener('drop', drop);
    };
  }, [shell, t]);
  return (
    <>
      <AppButton label={t('bundle.open')} icon="file" kind="quiet" onPress={pick} />
      {browser}
    </>
  );
}
