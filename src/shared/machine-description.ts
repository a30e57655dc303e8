/** What describes a machine to people and changes nothing in it: it can change whether the machine is on or off. */
import { z } from 'zod';

/** Families of guest systems, for templates and icons. */
export const GUEST_SYSTEMS = ['dos', 'windows-9x', 'windows-xp', 'windows', 'linux-32', 'linux-64', 'bsd', 'other'] as const;
export type GuestSystem = (typeof GUEST_SYSTEMS)[number];

/** Pictures that a person can choose in place of the family's. */
export const MACHINE_ICONS = ['dos', 'windows-9x', 'windows-xp', 'windows', 'linux', 'bsd', 'computer', 'server', 'terminal', 'book', 'game', 'flask'] as const;
export type MachineIcon = (typeof MACHINE_ICONS)[number];

export const TAGS_MAXIMUM = 20;
/** One line that neither begins nor ends with a space. */
const label = (maximum: number): z.ZodString => z.string().max(maximum).regex(/^(?:\S(?:.*\S)?)?$/, 'begins or ends with a space, or has several lines');

/** A group's name; empty: in no group. */
export const groupSchema = label(64);
export const tagsSchema = z.array(label(32).min(1)).max(TAGS_MAXIMUM).refine((tags) => new Set(tags).size === tags.length, 'names a tag twice');
const notesSchema = z.string().max(10_000);
/** Place in the library's own order, smaller first; machines without one come after, by name. */
const orderSchema = z.number().min(-1e9).max(1e9);

/** In `machine.json`. */
export const descriptionShape = {
  guestSystem: z.enum(GUEST_SYSTEMS).optional(),
  icon: z.enum(MACHINE_ICONS).optional(),
  group: groupSchema.default(''),
  tags: tagsSchema.default([]),
  order: orderSchema.optional(),
  notes: notesSchema.default(''),
} as const;

/** As a call changes it; `null` takes away. */
export const descriptionChangesShape = {
  guestSystem: z.enum(GUEST_SYSTEMS).nullable().optional(),
  icon: z.enum(MACHINE_ICONS).nullable().optional(),
  group: groupSchema.optional(),
  tags: tagsSchema.optional(),
  order: orderSchema.nullable().optional(),
  notes: notesSchema.optional(),
} as const;
