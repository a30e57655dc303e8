/** A machine that is being made: what was chosen so far, what is wrong with it, and the call that makes it. */
import { useState } from 'react';
import type { BundledGuest, NewMachine } from '../../../shared/api.ts';
import type { MediumFacts } from '../../../shared/medium-facts.ts';
import type { GuestSystem } from '../../../shared/machine-description.ts';
import type { Preferences } from '../../../shared/preferences.ts';
import type { MachineError } from '../../../shared/result.ts';
import { checkDisk, checkImage, checkMemory, checkName, freeName } from './check-draft.ts';
import type { Problem } from './check-draft.ts';
import { adaptersOf, templateOf } from './templates.ts';

export type Source = 'image' | 'empty' | `bundled:${string}`;
export type DiskWay = 'new' | 'attach' | 'import' | 'none';
export type Field = 'name' | 'image' | 'memory' | 'disk' | 'diskImage';

export interface Draft {
  readonly source: Source;
  readonly system: GuestSystem;
  readonly image: string;
  /** Of `image`; absent while it isn't known. */
  readonly facts: MediumFacts | undefined;
  readonly factsError: MachineError | undefined;
  readonly name: string | undefined;
  readonly memory: string;
  readonly architecture: 'x86_64' | 'i386';
  readonly diskWay: DiskWay;
  readonly disk: string;
  readonly diskImage: string;
  readonly network: boolean;
}

export interface DraftContext {
  readonly guests: readonly BundledGuest[];
  readonly taken: readonly string[];
  readonly hostBytes: number | undefined;
  readonly newMachine: Preferences['newMachine'];
  readonly defaultName: string;
  readonly size: (bytes: number) => string;
  readonly systemName: (system: GuestSystem) => string;
}

export interface CheckedDraft {
  readonly guest: BundledGuest | undefined;
  readonly name: string;
  readonly memoryBytes: number | undefined;
  readonly diskBytes: number | undefined;
  readonly problems: Readonly<Partial<Record<Field, Problem>>>;
}

/** The image that was chosen is itself a disk, which then is the machine's. */
export function isDiskImage({ source, facts }: Draft): boolean {
  return source === 'image' && facts?.kind === 'disk';
}

export function checkDraft(draft: Draft, { guests, taken, hostBytes, defaultName, systemName }: DraftContext): CheckedDraft {
  const guest = guests.find(({ id }) => draft.source === `bundled:${id}`);
  const wanted = guest?.title ?? draft.facts?.title ?? (draft.system === 'other' ? defaultName : systemName(draft.system));
  const name = draft.name ?? freeName(wanted.replace(/[<>:"/\\|?*]/g, '-').slice(0, 56).trim(), taken);
  const memory = checkMemory(draft.memory, hostBytes);
  const disk = checkDisk(draft.disk);
  const found: Partial<Record<Field, Problem | undefined>> = {
    name: checkName(name, taken),
    image: draft.source === 'image' ? checkImage(draft.image) ?? (draft.factsError === undefined ? undefined : { key: 'check.imageUnreadable' }) : undefined,
    memory: guest === undefined ? memory.problem : undefined,
    disk: guest === undefined && draft.diskWay === 'new' && !isDiskImage(draft) ? disk.problem : undefined,
    diskImage: guest === undefined && !isDiskImage(draft) && (draft.diskWay === 'attach' || draft.diskWay === 'import') ? checkImage(draft.diskImage) : undefined,
  };
  return { guest, name, memoryBytes: memory.value, diskBytes: disk.value, problems: Object.fromEntries(Object.entries(found).filter(([, problem]) => problem !== undefined)) };
}

/** Of a draft without problems. */
export function newMachineOf(draft: Draft, { name, memoryBytes = 0, diskBytes }: CheckedDraft, diskFacts: MediumFacts | undefined): NewMachine {
  const { source, system, architecture, diskWay, network } = draft;
  const template = templateOf(system);
  const startsFromImage = source === 'image';
  const [way, path, facts] = isDiskImage(draft) ? [diskWay === 'import' ? 'import' : 'attach', draft.image.trim(), draft.facts] as const : [diskWay, draft.diskImage.trim(), diskFacts] as const;
  const format = facts === undefined || facts.format === 'iso' ? 'raw' : facts.format;
  return {
    name, architecture, memoryBytes, guestSystem: system,
    ...(way === 'new' && diskBytes !== undefined ? { newDiskBytes: diskBytes, newDiskBus: template.diskBus } : {}),
    ...(way === 'import' ? { importDisk: { path, bus: template.diskBus } } : {}),
    ...(way === 'attach' ? { disks: [{ path, bus: template.diskBus, format }] } : {}),
    cdroms: startsFromImage && !isDiskImage(draft) ? [{ path: draft.image.trim() }] : [],
    adapters: adaptersOf(template, network),
    // An empty disk starts nothing: the disc's turn comes by itself.
    bootOrder: ['hd', 'cd'],
  };
}

export interface DraftEditor {
  readonly draft: Draft;
  change(changes: Partial<Draft>): void;
  chooseSystem(system: GuestSystem): void;
  /** What the image holds decides what hasn't been changed by hand. */
  recognized(image: string, facts: MediumFacts | undefined, error: MachineError | undefined): void;
}

type ByHand = 'memory' | 'disk' | 'architecture' | 'system' | 'network';

export function useDraft({ guests, newMachine, size }: DraftContext): DraftEditor {
  const [draft, setDraft] = useState<Draft>(() => ({
    source: guests[0] === undefined ? 'image' : `bundled:${guests[0].id}`, system: 'other', image: '', facts: undefined, factsError: undefined, name: undefined,
    memory: size(newMachine.memoryBytes), architecture: 'x86_64', diskWay: 'new', disk: size(newMachine.diskBytes), diskImage: '', network: newMachine.network,
  }));
  const [byHand, setByHand] = useState<ReadonlySet<ByHand>>(new Set());

  const proposal = (system: GuestSystem, kept: ReadonlySet<ByHand>, facts: MediumFacts | undefined): Partial<Draft> => {
    const template = templateOf(system);
    const isKnown = system !== 'other';
    return {
      system,
      ...(kept.has('memory') ? {} : { memory: size(isKnown ? template.memoryBytes : newMachine.memoryBytes) }),
      ...(kept.has('disk') ? {} : { disk: size(isKnown ? template.diskBytes : newMachine.diskBytes) }),
      ...(kept.has('architecture') ? {} : { architecture: facts?.architecture ?? template.architecture }),
      ...(kept.has('network') ? {} : { network: newMachine.network && template.adapter !== undefined }),
    };
  };

  return {
    draft,
    change(changes) {
      const touched = (['memory', 'disk', 'architecture', 'network'] as const).filter((field) => field in changes);
      if (touched.length > 0) setByHand(new Set([...byHand, ...touched]));
      setDraft((before) => ({ ...before, ...changes, ...('image' in changes && changes.image !== before.image ? { facts: undefined, factsError: undefined } : {}) }));
    },
    chooseSystem(system) {
      setByHand(new Set([...byHand, 'system']));
      setDraft((before) => ({ ...before, ...proposal(system, byHand, before.facts) }));
    },
    recognized(image, facts, factsError) {
      setDraft((before) => before.image !== image ? before : {
        ...before, facts, factsError,
        ...(facts === undefined ? {} : proposal(byHand.has('system') ? before.system : facts.system ?? 'other', byHand, facts)),
        ...(facts?.kind === 'disk' ? { diskWay: 'import' } : {}),
      });
    },
  };
}
