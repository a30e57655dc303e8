import type { SearchAddon } from '@xterm/addon-search';
import { useState } from 'react';
import { Input, TextField } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { AppButton } from '../../components/button.tsx';

/** Looks through a console's lines: Enter for the next place, Shift and Enter for the one before, Escape to be done. */
export function ConsoleSearch({ search, onClose }: { readonly search: SearchAddon; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const [isMissing, setMissing] = useState(false);
  const find = (wanted: string, backwards: boolean): void => {
    setMissing(wanted !== '' && !(backwards ? search.findPrevious(wanted) : search.findNext(wanted)));
  };
  const close = (): void => {
    search.clearDecorations();
    onClose();
  };
  return (
    <div className="console-search" role="search">
      <TextField className="field" aria-label={t('machine.searchFor')} value={text} autoFocus isInvalid={isMissing} onChange={(wanted) => { setText(wanted); find(wanted, true); }}>
        <Input className="input" spellCheck={false} autoComplete="off" onKeyDown={(event) => {
          if (event.key === 'Enter') find(text, !event.shiftKey);
          else if (event.key === 'Escape') close();
        }} />
      </TextField>
      <span className="console-search-result" role="status">{isMissing ? t('machine.searchNothing') : ''}</span>
      <AppButton label={t('machine.searchUp')} icon="up" iconOnly kind="quiet" onPress={() => { find(text, true); }} />
      <AppButton label={t('app.close')} icon="close" iconOnly kind="quiet" onPress={close} />
    </div>
  );
}
