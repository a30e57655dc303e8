/** Which machines the manager shows, in which order and groups. */
import type { LibraryEntry, MachineState } from '../../../shared/api.ts';
import type { SORTS } from '../../../shared/preferences.ts';

export type Sort = (typeof SORTS)[number];

export interface MachineGroup {
  /** Empty: machines in no group. */
  readonly name: string;
  readonly entries: readonly LibraryEntry[];
}

/** Every word must be found in the name, group, notes or a tag; `#tag` looks at whole tags only. */
export function matches({ name, config }: LibraryEntry, query: string): boolean {
  const tags = config?.tags.map((tag) => tag.toLowerCase()) ?? [];
  const text = [name, config?.group ?? '', config?.notes ?? '', ...tags].join('\n').toLowerCase();
  const wholeTag = /^\s*#(.+?)\s*$/.exec(query)?.[1]?.toLowerCase();
  if (wholeTag !== undefined && tags.includes(wholeTag)) return true;
  return query.toLowerCase().split(/\s+/).every((word) => (word.startsWith('#') && word.length > 1 ? tags.includes(word.slice(1)) : text.includes(word)));
}

/** What needs a person first, then what is on, then the rest. */
const STATE_RANK: Partial<Record<MachineState, number>> = { crashed: 0, running: 1, paused: 2, starting: 3, stopping: 3 };

const byName = (one: LibraryEntry, other: LibraryEntry): number => one.name.localeCompare(other.name, undefined, { numeric: true });
const orderOf = ({ config }: LibraryEntry): number => config?.order ?? Infinity;

const COMPARISONS: Readonly<Record<Sort, (one: LibraryEntry, other: LibraryEntry) => number>> = {
  own: (one, other) => (orderOf(one) === orderOf(other) ? 0 : orderOf(one) - orderOf(other)),
  name: () => 0,
  state: (one, other) => (STATE_RANK[one.status.state] ?? 4) - (STATE_RANK[other.status.state] ?? 4),
  memory: (one, other) => (other.config?.memoryBytes ?? 0) - (one.config?.memoryBytes ?? 0),
};

export function sorted(entries: readonly LibraryEntry[], sort: Sort): readonly LibraryEntry[] {
  return entries.toSorted((one, other) => COMPARISONS[sort](one, other) || byName(one, other));
}

/** Groups by name, the machines in none at the end. Entries keep their order. */
export function grouped(entries: readonly LibraryEntry[]): readonly MachineGroup[] {
  return [...Map.groupBy(entries, ({ config }) => config?.group ?? '')]
    .map(([name, members]) => ({ name, entries: members }))
    .toSorted((one, other) => Number(one.name === '') - Number(other.name === '') || one.name.localeCompare(other.name, undefined, { numeric: true }));
}

export interface Place {
  readonly target: string;
  readonly side: 'before' | 'after';
}

/**
 * What must change so that `moved` stand at a place, in their present order: the group, and numbers between the
 * neighbours'. Where these leave no room, the group is numbered anew.
 * @param shown all machines in the person's own order
 */
export function placeMachines(shown: readonly LibraryEntry[], moved: ReadonlySet<string>, { target, side }: Place): Map<string, { order: number; group?: string }> {
  const group = shown.find(({ name }) => name === target)?.config?.group ?? '';
  const rest = shown.filter(({ name, config }) => !moved.has(name) && (config?.group ?? '') === group);
  const travellers = shown.filter(({ name, config }) => moved.has(name) && config !== undefined);
  const anchor = rest.findIndex(({ name }) => name === target);
  if (anchor < 0 || travellers.length === 0) return new Map();
  const at = side === 'before' ? anchor : anchor + 1;
  const placed = (entry: LibraryEntry, order: number): [string, { order: number; group?: string }] => [entry.name, { order, ...(entry.config?.group === group ? {} : { group }) }];

  const [before, after] = [rest[at - 1]?.config?.order, rest[at]?.config?.order];
  // Nothing stands beyond an end; but behind the last number there may be machines without one, which would be overtaken.
  const low = before ?? (at === 0 && after !== undefined ? after - travellers.length - 1 : undefined);
  const high = after ?? (at === rest.length && before !== undefined ? before + travellers.length + 1 : undefined);
  const step = low === undefined || high === undefined ? 0 : (high - low) / (travellers.length + 1);
  if (low !== undefined && step > STEP_MINIMUM) return new Map(travellers.map((entry, index) => placed(entry, low + step * (index + 1))));

  return new Map([...rest.slice(0, at), ...travellers, ...rest.slice(at)].flatMap((entry, index) => (
    entry.config === undefined || (!moved.has(entry.name) && entry.config.order === index) ? [] : [placed(entry, index)])));
}

/** Halving the room between two numbers again and again must end before it is lost in rounding. */
const STEP_MINIMUM = 1e-6;
