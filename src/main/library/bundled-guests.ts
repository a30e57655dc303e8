/** Guests that come with the app: built from Debian packages into `assets/guest`, described by its `guest.json`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { BundledGuest } from '../../shared/api.ts';
import { DISK_BUSES, type DiskBus } from '../../shared/disk-bus.ts';
import { ARCHITECTURES, describeIssues } from '../../shared/machine-config.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { DISK_BYTES_MAXIMUM } from '../../shared/sizes.ts';
import type { ResolvedDirectBoot } from '../machines/vm-start.ts';

export const GUESTHOUSE_LINUX = 'guesthouse-linux';

const guestFileSchema = z.object({
  kernel: z.string().min(1),
  initrd: z.string().min(1).optional(),
  commandLine: z.string().default(''),
  memoryBytes: z.number().int().positive(),
  architecture: z.enum(ARCHITECTURES).default('x86_64'),
  diskBytes: z.number().int().positive().max(DISK_BYTES_MAXIMUM),
  diskBus: z.enum(DISK_BUSES).default('virtio'),
});

export interface InstalledGuest {
  readonly facts: BundledGuest;
  readonly directBoot: ResolvedDirectBoot;
  readonly diskBus: DiskBus;
}

/** Error: `guests.missing` where the app came without it, or it is damaged. */
export function readBundledGuest(guestFolder: string, id: string): Result<InstalledGuest> {
  const advice = 'run "npm run setup" to build it, or reinstall Guesthouse';
  if (id !== GUESTHOUSE_LINUX) return fail('guests.missing', `there is no bundled guest "${id}"`, 'see which there are');
  let text: string;
  try {
    text = readFileSync(join(guestFolder, 'guest.json'), 'utf8');
  } catch {
    return fail('guests.missing', 'the bundled guest is missing', advice);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return fail('guests.missing', 'the bundled guest\'s guest.json is not valid JSON', advice);
  }
  const checked = guestFileSchema.safeParse(parsed);
  if (!checked.success) return fail('guests.missing', `the bundled guest's guest.json is not valid (${describeIssues(checked.error)})`, advice);
  const { kernel, initrd, commandLine, memoryBytes, architecture, diskBytes, diskBus } = checked.data;
  return ok({
    facts: { id, title: 'Guesthouse Linux', memoryBytes, diskBytes, architecture },
    directBoot: { kernelPath: join(guestFolder, kernel), initrdPath: initrd === undefined ? undefined : join(guestFolder, initrd), commandLine },
    diskBus,
  });
}
