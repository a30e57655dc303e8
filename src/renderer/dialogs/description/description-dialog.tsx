import { useId, useState } from 'react';
import { Form, Label, TextArea, TextField } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry, MachineChanges } from '../../../shared/api.ts';
import { groupSchema, MACHINE_ICONS, TAGS_MAXIMUM, tagsSchema } from '../../../shared/machine-description.ts';
import type { MachineIcon } from '../../../shared/machine-description.ts';
import { AppDialog } from '../../components/app-dialog.tsx';
import { AppButton } from '../../components/button.tsx';
import { iconOf, SystemIcon } from '../../components/machine-icon.tsx';
import { TextInput } from '../../components/text-input.tsx';
import { ChoiceTiles } from '../../components/choice-tiles.tsx';
import { useApp } from '../../state/app-state.ts';
import { useStore } from '../../state/store.ts';

/** `Automatic` follows the family of the guest's system. */
type IconChoice = MachineIcon | 'automatic' | 'unchanged';

/** Group, tags, icon and notes: of one machine, or group and tags of several. */
export function DescriptionDialog({ entries, onClose }: { readonly entries: readonly LibraryEntry[]; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const app = useApp();
  const { entries: all } = useStore(app.library);
  const [only] = entries.length === 1 ? entries : [];
  const configs = entries.flatMap(({ config }) => config === undefined ? [] : [config]);
  const shared = <T,>(values: readonly T[]): T | undefined => values.every((value) => value === values[0]) ? values[0] : undefined;
  const sharedTags = configs[0]?.tags.filter((tag) => configs.every((config) => config.tags.includes(tag))) ?? [];

  const [group, setGroup] = useState(shared(configs.map((config) => config.group)) ?? '');
  const [isGroupTouched, setGroupTouched] = useState(false);
  const [tags, setTags] = useState(sharedTags.join(', '));
  const [icon, setIcon] = useState<IconChoice>(only === undefined ? 'unchanged' : only.config?.icon ?? 'automatic');
  const [notes, setNotes] = useState(only?.config?.notes ?? '');
  const [isPending, setPending] = useState(false);
  const groupsId = useId();

  const wanted = [...new Set(tags.split(',').map((tag) => tag.trim()).filter((tag) => tag !== ''))];
  const groupError = groupSchema.safeParse(group.trim()).success ? undefined : t('description.groupTooLong');
  const tagsError = tagsSchema.safeParse(wanted).success ? undefined : t('description.tagsWrong', { number: TAGS_MAXIMUM });
  const knownGroups = [...new Set(all.flatMap(({ config }) => config === undefined || config.group === '' ? [] : [config.group]))].toSorted();

  const save = async (): Promise<void> => {
    if (groupError !== undefined || tagsError !== undefined) return;
    setPending(true);
    const changes = new Map(entries.flatMap(({ name, config }): [string, MachineChanges][] => config === undefined ? [] : [[name, {
      ...(only !== undefined || isGroupTouched ? { group: group.trim() } : {}),
      // Of several machines only the tags that all have are shown; the others stay.
      tags: [...new Set([...config.tags.filter((tag) => !sharedTags.includes(tag)), ...wanted])].slice(0, TAGS_MAXIMUM),
      ...(icon === 'unchanged' ? {} : { icon: icon === 'automatic' ? null : icon }),
      ...(only === undefined ? {} : { notes }),
    }]]));
    if (await app.describe(changes)) onClose();
    else setPending(false);
  };

  const icons: IconChoice[] = [...(only === undefined ? ['unchanged' as const] : []), 'automatic', ...MACHINE_ICONS];
  return (
    <AppDialog title={only === undefined ? t('description.titleSeveral', { number: entries.length }) : t('description.title', { name: only.name })} width="wide" onClose={onClose}>
      <Form className="form" validationBehavior="aria" onSubmit={(event) => { event.preventDefault(); void save(); }}>
        <div className="form-columns">
          <TextInput label={t('description.group')} value={group} onChange={(value) => { setGroup(value); setGroupTouched(true); }} autoFocus hint={t('description.groupHint')} error={groupError} list={groupsId} />
          <TextInput label={t('description.tags')} value={tags} onChange={setTags} hint={t('description.tagsHint')} error={tagsError} />
        </div>
        <datalist id={groupsId}>{knownGroups.map((name) => <option key={name} value={name} />)}</datalist>
        <ChoiceTiles label={t('description.icon')} value={icon} onChange={setIcon} options={icons.map((value) => ({
          value, label: t(`description.iconName.${value}`),
          picture: value === 'unchanged' ? null : <SystemIcon icon={value === 'automatic' ? iconOf(withoutIcon(only ?? entries[0]!)) : value} size={34} />,
        }))} />
        {only === undefined ? null : (
          <TextField className="field" value={notes} onChange={setNotes} maxLength={10_000}>
            <Label className="field-label">{t('description.notes')}</Label>
            <TextArea className="input text-area" rows={4} />
          </TextField>
        )}
        <footer className="dialog-footer">
          <AppButton label={t('app.cancel')} kind="quiet" onPress={onClose} />
          <AppButton label={t('description.save')} kind="primary" type="submit" isPending={isPending} />
        </footer>
      </Form>
    </AppDialog>
  );
}

function withoutIcon(entry: LibraryEntry): LibraryEntry {
  return entry.config === undefined ? entry : { ...entry, config: { ...entry.config, icon: undefined } };
}
