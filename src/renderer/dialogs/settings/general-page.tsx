import { useTranslation } from 'react-i18next';
import { TextInput } from '../../components/text-input.tsx';
import { useDraft } from './draft.ts';
import { NotesSetting, TextSetting } from './fields.tsx';

export interface GeneralPageProps {
  readonly name: string;
  readonly nameError: string | undefined;
  readonly onName: (name: string) => void;
}

export function GeneralPage({ name, nameError, onName }: GeneralPageProps) {
  const { t } = useTranslation();
  const { draft, isOn, set, typed, type, touch, reason } = useDraft();
  return (
    <>
      <TextInput label={t('newMachine.name')} value={name} onChange={onName} error={nameError} isDisabled={isOn} hint={isOn ? t('settings.nameWhileOn') : t('newMachine.nameHint')} />
      <div className="form-columns">
        <TextSetting path="group" label={t('settings.group')} value={draft.group} hint={t('settings.groupHint')} />
        <TextInput label={t('settings.tags')} value={typed('tags') ?? draft.tags.join(', ')} hint={t('settings.tagsHint')} error={reason('tags')} onBlur={() => { touch('tags'); }}
          onChange={(text) => {
            type('tags', text);
            set('tags', text.split(',').map((tag) => tag.trim()).filter((tag) => tag !== ''));
          }} />
      </div>
      <NotesSetting path="notes" label={t('manager.notes')} value={draft.notes} />
    </>
  );
}
