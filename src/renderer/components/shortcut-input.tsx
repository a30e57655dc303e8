import { useState } from 'react';
import { Button } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { canBeShortcut, keyName } from '../input/key-name.ts';

export interface ShortcutInputProps {
  readonly label: string;
  /** What is held down with it. */
  readonly hostKey: string;
  /** DOM `KeyboardEvent.code`. */
  readonly value: string;
  readonly onChange: (code: string) => void;
  /** Why a key can't be taken. */
  readonly refuse: (code: string) => string | undefined;
}

/** A key to press together with the host key: the button is pressed, then the key. */
export function ShortcutInput({ label, hostKey, value, onChange, refuse }: ShortcutInputProps) {
  const { t } = useTranslation();
  const [isWaiting, setWaiting] = useState(false);
  const [refusal, setRefusal] = useState<string>();

  const take = (event: React.KeyboardEvent): void => {
    if (!isWaiting) return;
    if (event.code === 'Tab') {
      setWaiting(false);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (event.code === 'Escape') {
      setWaiting(false);
      setRefusal(undefined);
      return;
    }
    const why = canBeShortcut(event.code) ? refuse(event.code) : t('preferences.shortcutUnusable');
    setRefusal(why);
    if (why !== undefined) return;
    setWaiting(false);
    onChange(event.code);
  };

  return (
    <div className="shortcut" onKeyDownCapture={take}>
      <span className="shortcut-label">{label}</span>
      <Button className="input shortcut-button" aria-label={t('preferences.shortcutOf', { what: label, keys: `${hostKey} + ${keyName(value)}` })} onPress={() => { setWaiting(true); setRefusal(undefined); }} onBlur={() => { setWaiting(false); }}>
        {isWaiting ? <em>{t('preferences.shortcutPress')}</em> : <><kbd>{hostKey}</kbd> + <kbd>{keyName(value)}</kbd></>}
      </Button>
      <span className="field-error" role="status">{refusal ?? ''}</span>
    </div>
  );
}
