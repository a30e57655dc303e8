import { useTranslation } from 'react-i18next';
import { TextInput } from '../../components/text-input.tsx';
import { useDraft } from './draft.ts';
import { NotesSetting } from './fields.tsx';

export interface GeneralPageProps {
  readonly name: string;
  readonly nameError: string | undefined;
  readonly onName: (name: string) => void;
}

export function GeneralPage({ name, nameError, onName }: GeneralPageProps) {
  const { t } = useTranslation();
  const { draft, isOn } = useDraft();
  return (
    <>
      <TextInput label={t('newMachine.name')} value={name} onChange={onName} error={nameError} isDisabled={isOn} hint={isOn ? t('settings.nameWhileOn') : t('newMachine.nameHint')} />
      <NotesSetting path="notes" label={t('manager.notes')} value={draft.notes} />
    </>
  );
}
