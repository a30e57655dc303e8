import { useTranslation } from 'react-i18next';
import { HOST_KEYS, KEYBOARD_LAYOUTS } from '../../../shared/machine-config.ts';
import { CheckBox } from '../../components/check-box.tsx';
import { SelectInput } from '../../components/select-input.tsx';
import { Segments } from '../../components/segments.tsx';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';
import { useDraft } from './draft.ts';

export function InputPage() {
  const { t } = useTranslation();
  const { draft, set } = useDraft();
  const preferences = useStore(useApp().preferences);
  const { keyboardLayout, hostKey, captureOnClick } = draft.input;
  return (
    <>
      <Segments label={t('settings.keyboardLayout')} hint={t('settings.keyboardLayoutHint')} value={keyboardLayout} onChange={(value) => { set('input.keyboardLayout', value); }}
        options={KEYBOARD_LAYOUTS.map((value) => ({ value, label: t(`keyboardLayout.${value}`) }))} />
      <SelectInput label={t('preferences.hostKey')} hint={t('preferences.hostKeyHint')} value={hostKey ?? 'app'} onChange={(value) => { set('input.hostKey', value === 'app' ? undefined : value); }}
        options={[{ value: 'app' as const, label: t('settings.hostKeyOfApp', { hostKey: t(`hostKey.${preferences.hostKey}`) }) }, ...HOST_KEYS.map((value) => ({ value, label: t(`hostKey.${value}`) }))]} />
      <CheckBox label={t('settings.captureOnClick')} hint={t('settings.captureOnClickHint')} isSelected={captureOnClick} onChange={(isSelected) => { set('input.captureOnClick', isSelected); }} />
    </>
  );
}
