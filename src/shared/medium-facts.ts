/** What the content of a disk or CD image says about itself. It comes from untrusted bytes: hints for a person, and nothing more. */
import { z } from 'zod';
import { DISK_FORMATS } from './disk-format.ts';
import { ARCHITECTURES } from './machine-config.ts';
import { GUEST_SYSTEMS } from './machine-description.ts';

const text = z.string().max(200);

export const mediumFactsSchema = z.object({
  kind: z.enum(['disc', 'disk']),
  format: z.enum([...DISK_FORMATS, 'iso']),
  /** Of the medium, not of the file. */
  bytes: z.number().nonnegative(),
  /** ISO 9660 volume identifier. */
  volumeId: text.optional(),
  /** What a PC's firmware finds there: El Torito entries, boot sector, EFI system partition. */
  startsFrom: z.array(z.enum(['bios', 'uefi'])).max(2),
  partitions: z.array(z.object({ kind: z.enum(['fat', 'ntfs', 'linux', 'swap', 'bsd', 'efi', 'bios-boot', 'extended', 'other']), bytes: z.number().nonnegative(), isActive: z.boolean() })).max(32),
  partitionTable: z.enum(['none', 'mbr', 'gpt']),
  /** As the system calls itself, where it does. */
  title: text.optional(),
  system: z.enum(GUEST_SYSTEMS).optional(),
  architecture: z.enum(ARCHITECTURES).optional(),
});
export type MediumFacts = z.infer<typeof mediumFactsSchema>;
