import { memo, useId, useMemo, useRef, useState } from 'react';
import { Collection, DropIndicator, GridLayout, Header, ListBox, ListBoxItem, ListBoxSection, ListLayout, Size, useDragAndDrop, Virtualizer } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import type { LibraryEntry } from '../../../shared/api.ts';
import { iconOf, SystemIcon } from '../../components/machine-icon.tsx';
import { StateBadge } from '../../components/state-badge.tsx';
import { LivePreview } from '../../display/live-preview.tsx';
import { isOn } from '../../display/use-display.ts';
import { go } from '../../state/route.ts';
import type { MachineGroup, Place } from './arrangement.ts';

const LIST_FRAME_MILLIS = 1500;
/** What the layouts count with; manager.css draws the same. */
const ROW_PIXELS = 60;
const HEADING_PIXELS = 34;
const LIST = { rowSize: ROW_PIXELS, headingSize: HEADING_PIXELS, padding: 3 } as const;
const GRID = { minItemSize: new Size(176, 172), maxItemSize: new Size(260, 172), minSpace: new Size(12, 12), preserveAspectRatio: true } as const;

export interface MachineListProps {
  readonly groups: readonly MachineGroup[];
  readonly view: 'list' | 'grid';
  readonly selection: ReadonlySet<string>;
  /** Absent while the order shown isn't the person's own. */
  readonly onPlace: ((moved: ReadonlySet<string>, place: Place) => void) | undefined;
  /** Give the very set back: it remembers where Shift extends from. */
  readonly onSelect: (selection: ReadonlySet<string>) => void;
  /** Enter and double click on a machine that is off. */
  readonly onOpenOff: (name: string) => void;
  readonly emptyText: string;
}

/**
 * Arrow keys move, Shift and Ctrl select several, typing a name finds it, Enter and a double click open a machine,
 * Alt with an arrow key moves it. Only what is in view is in the page.
 */
export function MachineList({ groups, view, selection, onPlace, onSelect, onOpenOff, emptyText }: MachineListProps) {
  const { t } = useTranslation();
  const entries = useMemo(() => groups.flatMap((group) => group.entries), [groups]);
  const isGrid = view === 'grid';
  const hintId = useId();
  const [spoken, setSpoken] = useState('');
  const hasHeadings = !isGrid && groups.some(({ name }) => name !== '');

  const { dragAndDropHooks } = useDragAndDrop({
    isDisabled: onPlace === undefined,
    getItems: (keys) => [...keys].map((key) => ({ 'text/plain': String(key) })),
    getDropOperation: () => 'move',
    onReorder: ({ keys, target: { key, dropPosition } }) => {
      if (dropPosition !== 'on') onPlace?.(new Set([...keys].map(String)), { target: String(key), side: dropPosition });
    },
    renderDropIndicator: (target) => <DropIndicator target={target} className="drop-line" />,
  });

  // The list box forgets where Shift extends from when a click changes nothing, as on the machine that is shown at first.
  const anchor = useRef<string>(undefined);
  const extended = useRef<ReadonlySet<string>>(undefined);
  const aim = (event: React.PointerEvent): void => {
    const key = keyAt(event.target);
    extended.current = undefined;
    if (key === undefined) return;
    if (!event.shiftKey) {
      anchor.current = key;
      return;
    }
    const names = entries.map(({ name }) => name);
    const ends = [names.indexOf(anchor.current ?? [...selection][0] ?? key), names.indexOf(key)].toSorted((one, other) => one - other);
    if (ends[0] !== -1) extended.current = new Set(names.slice(ends[0], (ends[1] ?? 0) + 1));
  };

  const nudge = (event: React.KeyboardEvent): void => {
    const step = event.key === 'ArrowUp' || event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowDown' || event.key === 'ArrowRight' ? 1 : 0;
    const focused = keyAt(event.target);
    extended.current = undefined;
    anchor.current = undefined;
    if (!event.altKey || step === 0 || focused === undefined || onPlace === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const moved = selection.has(focused) ? selection : new Set([focused]);
    const places = entries.map(({ name }) => name);
    const edge = step < 0 ? places.findIndex((name) => moved.has(name)) : places.findLastIndex((name) => moved.has(name));
    const target = places[edge + step];
    if (target === undefined) return;
    onPlace(moved, { target, side: step < 0 ? 'before' : 'after' });
    setSpoken(t('manager.moved', { name: [...moved].join(', ') }));
  };

  const item = (entry: LibraryEntry) => <MachineItem key={entry.name} entry={entry} isGrid={isGrid} />;
  const listBox = (
    <ListBox className={`machine-list machine-list-${view}`} aria-label={t('manager.list')} aria-describedby={hintId} selectionMode="multiple" selectionBehavior="replace" layout={isGrid ? 'grid' : 'stack'}
      dragAndDropHooks={dragAndDropHooks} renderEmptyState={() => <p className="list-empty">{emptyText}</p>}
      selectedKeys={selection}
      onSelectionChange={(keys) => { onSelect(keys === 'all' ? new Set(entries.map(({ name }) => name)) : extended.current ?? keys as ReadonlySet<string>); }}
      onAction={(key) => {
        const entry = entries.find(({ name }) => name === key);
        if (entry === undefined) return;
        if (isOn(entry.status.state)) go({ window: 'machine', machine: entry.name });
        else onOpenOff(entry.name);
      }}>
      {hasHeadings
        ? groups.map((group) => (
          <ListBoxSection key={group.name} id={`group ${group.name}`} aria-label={group.name === '' ? t('manager.noGroup') : group.name}>
            <Header className="group-heading"><span>{group.name === '' ? t('manager.noGroup') : group.name}</span><span className="group-count">{group.entries.length}</span></Header>
            <Collection items={group.entries.map((entry) => ({ id: entry.name, entry }))}>{({ entry }) => item(entry)}</Collection>
          </ListBoxSection>
        ))
        : entries.map(item)}
    </ListBox>
  );
  return (
    <div className="machine-list-frame" onKeyDownCapture={nudge} onPointerDownCapture={aim}>
      {isGrid
        ? <Virtualizer layout={GridLayout} layoutOptions={GRID}>{listBox}</Virtualizer>
        : <Virtualizer key={hasHeadings ? 'groups' : 'flat'} layout={ListLayout} layoutOptions={LIST}>{listBox}</Virtualizer>}
      <p id={hintId} hidden>{onPlace === undefined ? '' : t('manager.listHint')}</p>
      <p className="visually-hidden" aria-live="polite">{spoken}</p>
    </div>
  );
}

function keyAt(target: EventTarget): string | undefined {
  return (target as Element).closest<HTMLElement>('[data-key]')?.dataset['key'];
}

const MachineItem = memo(function MachineItem({ entry, isGrid }: { readonly entry: LibraryEntry; readonly isGrid: boolean }) {
  const { name, config } = entry;
  const tags = config?.tags ?? [];
  return (
    <ListBoxItem id={name} textValue={name} className="machine-item">
      <span className="machine-item-picture">
        {isOn(entry.status.state) ? <LivePreview entry={entry} millisPerFrame={LIST_FRAME_MILLIS} iconSize={20} /> : <SystemIcon icon={iconOf(entry)} size={isGrid ? 64 : 40} />}
      </span>
      <span className="machine-item-text">
        <span className="machine-item-name">{name}</span>
        {/* Part of the name: whoever listens hears the state with it. */}
        <span className="machine-item-facts">
          <StateBadge entry={entry} size="small" />
          {isGrid && config !== undefined && config.group !== '' ? <span className="tag tag-quiet">{config.group}</span> : null}
          {tags.slice(0, 2).map((tag) => <span key={tag} className="tag">{tag}</span>)}
          {tags.length > 2 ? <span className="tag">+{tags.length - 2}</span> : null}
        </span>
      </span>
    </ListBoxItem>
  );
});
