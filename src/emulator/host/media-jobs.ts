/** What a media process does with images, one function for each kind of job. */
import { dirname, relative, sep } from 'node:path';
import type { ForeignMachine } from '../../shared/foreign-machine.ts';
import type { GenerationFacts, MediaCheck, MediaDone, MediaImage, MediaInfo, MediaJob, MediaTarget } from '../../shared/media-protocol.ts';
import type { MediumFacts } from '../../shared/medium-facts.ts';
import type { DiskImage } from '../interfaces/disk-image.ts';
import { copyImage } from '../storage/copy-image.ts';
import { qemuFormatName, type NewImage } from '../storage/create-image.ts';
import { ImageError, unsupported } from '../storage/image-error.ts';
import { checkImage } from '../storage/check-image.ts';
import { describeImage } from '../storage/describe-image.ts';
import { openImage } from '../storage/open-image.ts';
import { setBacking } from '../storage/qcow2/set-backing.ts';
import { resizeImage } from '../storage/resize-image.ts';
import { keepMembers, MountedBundle, openBundle, type OpenedBundle } from './bundle-members.ts';
import { readBundle } from './bundle.ts';
import { writeBundle } from './bundle-writer.ts';
import { listGenerations, replicate, restoreGeneration, verifyGeneration } from './replica/replicate.ts';
import { PartImageFiles } from './part-image-files.ts';
import { HostByteFile, hostBytes } from './file-bytes.ts';
import { checkRawFile, HostImageFiles } from './image-files.ts';
import { recognizeMedium } from './recognize-medium.ts';
import { nameOfBacking, NewImageFile } from './new-image-file.ts';
import { zlibCompression } from './zlib-compression.ts';

/** Told how much of a job is done, between 0 and 1; throws to end it. */
export type Progress = (done: number) => void;

/** Throws `ImageError`, `StartError`, what the file system throws, and what `progress` throws. */
export async function runMediaJob(job: MediaJob, progress: Progress): Promise<{ readonly bytes: number } | OpenedBundle | { readonly generations: readonly GenerationFacts[] } | ForeignMachine | MediaInfo | MediaCheck | MediaDone | MediumFacts> {
  switch (job.kind) {
    case 'info': return info(job.image);
    case 'recognize': return recognizeMedium(job.path);
    case 'check': return check(job.image, job.repair, progress);
    case 'create': return create(job);
    case 'convert': return convert(job, progress);
    case 'resize': return resize(job.image, job.bytes, job.shrink);
    case 'compact': return compact(job.image, progress);
    case 'merge': return merge(job, progress);
    // Loaded where they are needed: schemas and XML take longer than most jobs.
    case 'describe-foreign': return (await import('./foreign/describe-foreign.ts')).describeForeign(job.path, progress);
    case 'export-ovf': return (await import('./foreign/write-ovf.ts')).writeOvf(job.path, job.machine, (image) => open(image, 'read-only'), progress);
    case 'replicate': return replicate(job.folder, job.source, job.keep, progress);
    case 'list-generations': return listGenerations(job.folder);
    case 'verify-generation': return verifyGeneration(job.folder, job.id, progress);
    case 'restore-generation': return restoreGeneration(job.folder, job.id, job.target, progress);
    case 'export-bundle': return writeBundle(job.folder, job.path, progress, job.signWith);
    case 'import-bundle':
      await readBundle(job.path, job.folder, progress, job.manifestSha256);
      return { bytes: 0 };
    case 'open-bundle': return openBundle(job.path, job.folder);
    case 'keep-bundle': return keepMembers(job.bundle, job.members, progress);
  }
}

async function open({ path, format, backingFolders, within }: MediaImage, access: 'read-only' | 'read-write'): Promise<DiskImage> {
  return openImage({ path, format, readOnly: access === 'read-only', files: within === undefined ? new HostImageFiles(backingFolders) : new PartImageFiles(within), compression: zlibCompression });
}

async function info({ path, format, backingFolders }: MediaImage): Promise<MediaInfo> {
  const described = await describeImage({ path, format, files: new HostImageFiles(backingFolders, { isLooking: true }) });
  return { path, ...described, hostBytes: await hostBytes(path) };
}

async function check({ path, format }: MediaImage, repair: boolean, progress: Progress): Promise<MediaCheck> {
  const found = await checkImage({ path, format, files: new HostImageFiles(), compression: zlibCompression, repair, progress });
  return {
    path, format: found.format, errors: [...found.errors], errorCount: found.errorCount, repaired: found.repaired,
    leakedBytes: found.leakedUnits * found.unitBytes, allocatedBytes: found.allocatedUnits * found.unitBytes, virtualBytes: found.totalUnits * found.unitBytes,
  };
}

async function create({ target, bytes, backing }: MediaJob & { kind: 'create' }): Promise<MediaDone> {
  let below: NewImage['backing'];
  let size = bytes;
  if (backing !== undefined) {
    const bundle = backing.bundle === undefined ? undefined : await MountedBundle.open(backing.bundle);
    const described = await describeImage({ path: backing.path, format: backing.format, files: new HostImageFiles(backing.backingFolders, { isLooking: true, bundle }) });
    const isInBundle = bundle?.memberAt(backing.path) !== undefined;
    if (described.format === 'raw') await checkRawFile(backing.path, bundle);
    below = { name: isInBundle ? relative(dirname(target.path), backing.path).split(sep).join('/') : await nameOfBacking(target.path, backing.path), format: described.format, uuid: described.uuid };
    size ??= described.virtualBytes;
  }
  if (size === undefined) throw new ImageError('disk.no-size', 'a new image needs a size', 'give one, such as 20G');
  await using made = await NewImageFile.make(target.path, target.replace);
  await made.create(newImage(target, size, below));
  await made.finish();
  return done(target.path, target.format, size);
}

async function convert({ image, target, compress }: MediaJob & { kind: 'convert' }, progress: Progress): Promise<MediaDone> {
  if (target.subformat === 'streamOptimized' && target.format !== 'vmdk') throw unsupported(`there is no kind "streamOptimized" of ${target.format} images`);
  if (compress && target.format !== 'qcow2') throw unsupported(`an image of the format ${target.format} can't be compressed`, 'leave --compress out, or convert to qcow2');
  await using source = await open(image, 'read-only');
  const bytes = source.sectorCount * source.sectorBytes;
  await using made = await NewImageFile.make(target.path, target.replace, { like: image.path });
  if (target.subformat === 'streamOptimized') {
    await made.writeStream(source, (copied) => { progress(copied / bytes); });
  } else {
    await made.create(newImage(target, bytes, undefined));
    await using copy = await made.open(target.format);
    await copyImage({ source, target: copy, pack: compress ? { by: zlibCompression, which: 'all' } : undefined, progress: (copied) => { progress(copied / bytes); } });
    await copy.flush();
  }
  await made.finish();
  return done(target.path, target.format, bytes);
}

async function resize(image: MediaImage, bytes: number, shrink: boolean): Promise<MediaDone> {
  await using opened = await open(image, 'read-write');
  const before = opened.sectorCount * opened.sectorBytes;
  if (bytes < before && !shrink) throw new ImageError('disk.would-shrink', 'the disk would become smaller, and what is at its end be lost', 'give --shrink if that is meant');
  await resizeImage(opened, bytes);
  return done(image.path, formatOf(opened), bytes);
}

/** Writes all that the image has of its own into a new file of the same kind and name, which takes its place where it is no larger. */
async function compact(image: MediaImage, progress: Progress): Promise<MediaDone> {
  const described = await describeImage({ path: image.path, format: image.format, files: new HostImageFiles(image.backingFolders, { isLooking: true }) });
  if ((described.snapshots ?? 0) > 0) throw unsupported('an image with snapshots can\'t be compacted', 'delete its snapshots first');
  if (described.format === 'vmdk') throw unsupported('a VMDK image can\'t be compacted in its place', 'convert it to a new one');
  const hostBytesBefore = await hostBytes(image.path);
  // Locked, that nobody writes to it meanwhile.
  await using source = await open({ ...image, format: described.format }, 'read-write');
  await using made = await NewImageFile.make(image.path, true, { isLocked: true });
  await made.create({ ...described.recipe, bytes: described.virtualBytes }, described.uuid);
  {
    await using copy = await made.open(described.format);
    await copyImage({
      source, target: copy, pack: { by: zlibCompression, which: 'packed' }, ownOnly: described.recipe.backing !== undefined,
      progress: (copied) => { progress(copied / described.virtualBytes); },
    });
    await copy.flush();
  }
  if (await made.hostBytes() <= hostBytesBefore) await made.finish();
  return { ...await done(image.path, described.format, described.virtualBytes), hostBytesBefore };
}

async function merge({ upper, lower, above }: MediaJob & { kind: 'merge' }, progress: Progress): Promise<MediaDone> {
  await using target = await open(lower, 'read-write');
  const bytes = target.sectorCount * target.sectorBytes;
  {
    // By itself: what is below it is the target.
    await using source = await openImage({ path: upper.path, format: 'qcow2', readOnly: true, files: new HostImageFiles(upper.backingFolders), compression: zlibCompression, withoutBacking: true });
    if (source.sectorCount * source.sectorBytes !== bytes) throw unsupported('the images to be merged have different sizes', 'make them the same size first');
    await copyImage({ source, target, ownOnly: true, progress: (copied) => { progress(copied / bytes); } });
  }
  await target.flush();
  for (const { path } of above) {
    await using file = await HostByteFile.open(path, 'read-write');
    await setBacking(file, await nameOfBacking(path, lower.path), qemuFormatName(formatOf(target)));
  }
  return done(lower.path, formatOf(target), bytes);
}

function newImage(target: MediaTarget, bytes: number, backing: NewImage['backing']): NewImage {
  const { format, subformat, blockBytes, version, compression, lazyRefcounts } = target;
  return { format, subformat, bytes, blockBytes, version, compression, lazyRefcounts, backing };
}

async function done(path: string, format: MediaDone['format'], virtualBytes: number): Promise<MediaDone> {
  return { path, format, virtualBytes, hostBytes: await hostBytes(path) };
}

function formatOf(image: DiskImage): MediaDone['format'] {
  return image.format as MediaDone['format'];
}


