/** `bundle.json` in a VM folder: the machine was opened in place, and what isn't in its folder is in that bundle. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { z } from 'zod';
import { openedBundleSchema } from '../../shared/media-protocol.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { BundlePlace } from '../../shared/vm-protocol.ts';
import { writeFileAtomically } from '../files/atomic-file.ts';

export const IN_PLACE_FILE = 'bundle.json';
const recordSchema = openedBundleSchema.pick({ manifestSha256: true, members: true }).extend({ schemaVersion: z.literal(1), path: z.string().min(1).max(4096) });
type InPlaceRecord = z.infer<typeof recordSchema>;

export interface InPlace {
  readonly bundle: BundlePlace;
  readonly members: InPlaceRecord['members'];
}

/** `undefined` for a machine of its own. Error: `bundle.record-damaged`. */
export async function readInPlace(folder: string): Promise<Result<InPlace | undefined>> {
  let text: string;
  try {
    text = await readFile(join(folder, IN_PLACE_FILE), 'utf8');
  } catch {
    return ok(undefined);
  }
  try {
    const { path, manifestSha256, members } = recordSchema.parse(JSON.parse(text));
    return ok({ bundle: { path, folder, manifestSha256 }, members });
  } catch {
    return fail('bundle.record-damaged', `the machine's ${IN_PLACE_FILE}, which names its bundle, is damaged`, 'discard the machine and open the bundle anew');
  }
}

export async function writeInPlace(folder: string, { bundle: { path, manifestSha256 }, members }: InPlace): Promise<void> {
  await writeFileAtomically(join(folder, IN_PLACE_FILE), `${JSON.stringify({ schemaVersion: 1, path, manifestSha256, members } satisfies InPlaceRecord, null, 1)}\n`);
}

/** By an absolute path in the VM folder. */
export function isInBundle(inPlace: InPlace | undefined, path: string): boolean {
  if (inPlace === undefined || !path.startsWith(inPlace.bundle.folder + sep) || existsSync(path)) return false;
  const inside = path.slice(inPlace.bundle.folder.length + 1).split(sep).join('/');
  return inPlace.members.some((member) => member.path === inside);
}
