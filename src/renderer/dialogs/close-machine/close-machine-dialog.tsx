/** What becomes of a machine that is on when its window is closed. */
import { useState } from 'react';
import { Label, Radio, RadioGroup } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { useApp } from '../../state/app-state.ts';
import { possibleActions } from '../../state/machine-actions.ts';
import { showNotice } from '../../state/notices.ts';

const WAYS = ['save', 'keepRunning', 'shutDown', 'powerOff'] as const;
type Way = (typeof WAYS)[number];

export function CloseMachineDialog({ entry, onClose, onLeave }: { readonly entry: LibraryEntry; readonly onClose: () => void; readonly onLeave: () => void }) {
  const { t } = useTranslation();
  const app = useApp();
  const { name } = entry;
  const can = possibleActions(entry);
  const [way, setWay] = useState<Way>(can.save ? 'save' : 'keepRunning');
  const possible: Readonly<Record<Way, boolean>> = { save: can.save, keepRunning: true, shutDown: can.shutDown, powerOff: can.powerOff };
  const close = async (): Promise<void> => {
    onClose();
    onLeave();
    if (way === 'shutDown' && await app.shutDown(name)) showNotice({ kind: 'info', text: t('action.powerButtonPressed', { name }) });
    if (way === 'save') await app.save(name);
    if (way === 'powerOff') await app.powerOff(name);
  };
  return (
    <AppDialog title={t('closeMachine.title', { name })} isAlert onClose={onClose}>
      <RadioGroup className="field" value={way} onChange={(value) => { setWay(value as Way); }}>
        <Label className="field-label">{t('closeMachine.question')}</Label>
        <div className="choices">
          {WAYS.map((value) => (
            <Radio key={value} value={value} className="card" isDisabled={!possible[value]}>
              <span className="card-title">{t(`closeMachine.${value}`)}</span>
              <span className="card-text">{t(`closeMachine.${value}Hint`)}</span>
            </Radio>
          ))}
        </div>
      </RadioGroup>
      <footer className="dialog-footer">
        <AppButton label={t('app.cancel')} autoFocus onPress={onClose} />
        <AppButton label={t('closeMachine.close')} kind={way === 'powerOff' ? 'danger' : 'primary'} onPress={() => { void close(); }} />
      </footer>
    </AppDialog>
  );
}
