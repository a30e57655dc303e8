import { ListBox, ListBoxItem, Text } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { StateBadge } from '../../components/state-badge.tsx';
import { LivePreview } from '../../display/live-preview.tsx';
import { isOn } from '../../display/use-display.ts';
import { go } from '../../state/route.ts';

const LIST_FRAME_MILLIS = 1500;

/** Arrow keys move, typing a name finds it, Enter and a double click open a machine that is on. */
export function MachineList({ entries, selected }: { readonly entries: readonly LibraryEntry[]; readonly selected: string | undefined }) {
  const { t } = useTranslation();
  return (
    <ListBox className="machine-list" aria-label={t('manager.list')} selectionMode="single" selectionBehavior="replace" disallowEmptySelection
      selectedKeys={selected === undefined ? [] : [selected]}
      onSelectionChange={(keys) => {
        const [name] = keys === 'all' ? [] : [...keys];
        if (typeof name === 'string') go({ window: 'manager', selected: name });
      }}
      onAction={(name) => {
        const entry = entries.find((other) => other.name === name);
        if (entry !== undefined && isOn(entry.status.state)) go({ window: 'machine', machine: entry.name });
      }}>
      {entries.map((entry) => (
        <ListBoxItem key={entry.name} id={entry.name} textValue={entry.name} className="machine-item">
          <LivePreview entry={entry} millisPerFrame={LIST_FRAME_MILLIS} iconSize={20} />
          <span className="machine-item-text">
            <Text slot="label" className="machine-item-name">{entry.name}</Text>
            <Text slot="description"><StateBadge entry={entry} size="small" /></Text>
          </span>
        </ListBoxItem>
      ))}
    </ListBox>
  );
}
