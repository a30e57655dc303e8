/** Text that the app types into the guest, key by key, on a keyboard of the layout that the guest thinks it has. */
import { useState } from 'react';
import { FieldError, Form, Label, Text, TextArea, TextField } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { keysForText } from '../../../shared/keyboard-text.ts';
import { KEYBOARD_LAYOUTS } from '../../../shared/machine-config.ts';
import type { KeyboardLayout } from '../../../shared/machine-config.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { Segments } from '../../components/segments.tsx';
import { showNotice } from '../../state/notices.ts';

const TEXT_MAXIMUM = 65_536;
const SHOWN_UNTYPABLE = 12;

export interface TypeTextDialogProps {
  readonly layout: KeyboardLayout;
  readonly onType: (text: string, layout: KeyboardLayout) => void;
  readonly onClose: () => void;
}

export function TypeTextDialog({ layout: first, onType, onClose }: TypeTextDialogProps) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const [layout, setLayout] = useState(first);
  const { untypable } = keysForText(text.slice(0, TEXT_MAXIMUM), layout);
  const error = text.length > TEXT_MAXIMUM ? t('typeText.tooLong') : untypable.length > 0 ? t('typeText.untypable', { characters: untypable.slice(0, SHOWN_UNTYPABLE).join(' ') }) : undefined;
  const paste = async (): Promise<void> => {
    try {
      setText(await navigator.clipboard.readText());
    } catch {
      showNotice({ kind: 'warning', text: t('machine.clipboardUnreadable') });
    }
  };
  return (
    <AppDialog title={t('typeText.title')} width="wide" onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => {
        event.preventDefault();
        if (text === '' || text.length > TEXT_MAXIMUM) return;
        onType(text, layout);
        onClose();
      }}>
        <TextField className="field" value={text} onChange={setText} isInvalid={error !== undefined} autoFocus validationBehavior="aria">
          <Label className="field-label">{t('typeText.text')}</Label>
          <TextArea className="input notes-input" rows={6} spellCheck={false} />
          {error === undefined ? <Text slot="description" className="field-hint">{t('typeText.hint')}</Text> : <FieldError className="field-error">{error}</FieldError>}
        </TextField>
        <Segments label={t('settings.keyboardLayout')} value={layout} onChange={setLayout} options={KEYBOARD_LAYOUTS.map((value) => ({ value, label: t(`keyboardLayout.${value}`) }))} />
        <footer className="dialog-footer">
          <AppButton label={t('typeText.paste')} icon="note" kind="quiet" onPress={() => { void paste(); }} />
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          <AppButton label={t('typeText.type')} icon="keyboard" kind="primary" type="submit" isDisabled={text === '' || text.length > TEXT_MAXIMUM} />
        </footer>
      </Form>
    </AppDialog>
  );
}
