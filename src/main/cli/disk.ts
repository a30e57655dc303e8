/** `guesthouse disk …`: makes, converts, describes and repairs disk images, each in a process of its own. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { DISK_FORMATS, isDiskFormat, type DiskFormat } from '../../shared/disk-format.ts';
import { mediaCheckSchema, mediaDoneSchema, mediaInfoSchema, type MediaCheck, type MediaImage, type MediaInfo, type MediaTarget } from '../../shared/media-protocol.ts';
import { formatSize, parseDiskSize, parseSize } from '../../shared/sizes.ts';
import type { CommandLineContext } from './context.ts';
import { runDiskJob } from './disk/disk-job.ts';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, printJson, printLine, unwrap, usageFailure } from './outcome.ts';

/** `disk check`: nothing is wrong, but space is lost. */
const EXIT_LEAKS = 3;

interface ImageOptions { format?: string; backingFolder: string[] }
interface TargetOptions { format?: string; subformat?: string; clusterSize?: string; compat?: string; compression?: string; lazyRefcounts?: boolean; force?: boolean }

const collect = (value: string, earlier: string[]): string[] => [...earlier, value];
const FORMAT_OPTION = `one of ${DISK_FORMATS.join(', ')}`;

export function addDiskVerb(program: Command, context: CommandLineContext): void {
  const disk = program.command('disk').description('make, convert, describe and repair disk images');

  targetOptions(disk.command('create').description('make an empty disk image')
    .argument('<file>').argument('[size]', 'such as 20G; that of the backing file when left out'))
    .option('--format <name>', `${FORMAT_OPTION}; by the file's name when left out`)
    .option('--backing <file>', 'show this image wherever the new one has nothing of its own (qcow2)')
    .option('--backing-format <name>', 'its format; by its content when left out')
    .action(async (file: string, size: string | undefined, options: TargetOptions & { backing?: string; backingFormat?: string }) => {
      if (size === undefined && options.backing === undefined) throw usageFailure('a new disk needs a size', 'give one, such as 20G');
      const bytes = size === undefined ? undefined : unwrap(parseDiskSize(size), EXIT_USAGE);
      const backing = options.backing === undefined ? undefined : imageOf(options.backing, { ...(options.backingFormat === undefined ? {} : { format: options.backingFormat }), backingFolder: [] });
      const made = unwrap(await runDiskJob(context, { kind: 'create', target: targetOf(file, options), bytes, backing }, mediaDoneSchema));
      printLine(`${made.path}: ${formatSize(made.virtualBytes)}, ${made.format}`);
    });

  imageOptions(disk.command('info').description('describe a disk image').argument('<file>'))
    .option('--json', 'print JSON')
    .action(async (file: string, options: ImageOptions & { json?: boolean }) => {
      const info = unwrap(await runDiskJob(context, { kind: 'info', image: imageOf(file, options) }, mediaInfoSchema));
      if (options.json === true) printJson(info);
      else printInfo(info);
    });

  targetOptions(disk.command('convert').description('copy a disk image into one of another format')
    .argument('<source>').argument('<target>'))
    .option('--from <name>', `format of the source, ${FORMAT_OPTION}; by its content when left out`)
    .option('--format <name>', `format of the target, ${FORMAT_OPTION}; by its name when left out`)
    .option('--backing-folder <folder>', 'files that the source names may lie here', collect, [])
    .option('--compress', 'compress the data (qcow2)')
    .action(async (source: string, target: string, options: TargetOptions & { from?: string; backingFolder: string[]; compress?: boolean }) => {
      const image = imageOf(source, { ...(options.from === undefined ? {} : { format: options.from }), backingFolder: options.backingFolder });
      const made = unwrap(await runDiskJob(context, { kind: 'convert', image, target: targetOf(target, options), compress: options.compress ?? false }, mediaDoneSchema, 'converting'));
      printLine(`${made.path}: ${formatSize(made.virtualBytes)}, ${made.format}, ${formatSize(made.hostBytes)} on the host`);
    });

  imageOptions(disk.command('resize').description('give a disk another size').argument('<file>').argument('<size>', 'such as 40G, or +10G'))
    .option('--shrink', 'allow it to become smaller: what is at its end is lost')
    .action(async (file: string, size: string, options: ImageOptions & { shrink?: boolean }) => {
      const image = imageOf(file, options);
      let bytes: number;
      if (size.startsWith('+')) {
        const info = unwrap(await runDiskJob(context, { kind: 'info', image }, mediaInfoSchema));
        bytes = info.virtualBytes + unwrap(parseSize(size.slice(1)), EXIT_USAGE);
      } else {
        bytes = unwrap(parseSize(size), EXIT_USAGE);
      }
      unwrap(parseDiskSize(String(bytes)), EXIT_USAGE);
      const changed = unwrap(await runDiskJob(context, { kind: 'resize', image, bytes, shrink: options.shrink ?? false }, mediaDoneSchema));
      printLine(`${changed.path}: ${formatSize(changed.virtualBytes)}`);
    });

  imageOptions(disk.command('compact').description('give space that a disk no longer needs back to the host').argument('<file>'))
    .action(async (file: string, options: ImageOptions) => {
      const changed = unwrap(await runDiskJob(context, { kind: 'compact', image: imageOf(file, options) }, mediaDoneSchema, 'compacting'));
      printLine(`${changed.path}: ${formatSize(changed.hostBytes)} on the host, ${formatSize(changed.hostBytesBefore ?? changed.hostBytes)} before`);
    });

  imageOptions(disk.command('check').description('look for mistakes in a disk image').argument('<file>'))
    .option('--repair', 'mend what can be mended')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExit status: 0 nothing is wrong; ${EXIT_FAILED} errors; ${EXIT_LEAKS} no errors, but lost space.`)
    .action(async (file: string, options: ImageOptions & { repair?: boolean; json?: boolean }) => {
      const found = unwrap(await runDiskJob(context, { kind: 'check', image: imageOf(file, options), repair: options.repair ?? false }, mediaCheckSchema, 'checking'));
      if (options.json === true) printJson(found);
      else printCheck(found);
      context.exitStatus = found.errorCount > 0 ? EXIT_FAILED : found.leakedBytes > 0 ? EXIT_LEAKS : EXIT_OK;
    });
}

function imageOptions(command: Command): Command {
  return command.option('--format <name>', `${FORMAT_OPTION}; by its content when left out`)
    .option('--backing-folder <folder>', 'files that the image names may lie here, besides its own folder', collect, []);
}

function targetOptions(command: Command): Command {
  return command.option('--subformat <name>', 'kind of the format, such as fixed or streamOptimized')
    .option('--cluster-size <size>', 'bytes that are given a place together')
    .option('--compat <version>', 'version of qcow2: 2 or 3')
    .option('--compression <name>', 'of compressed qcow2 clusters: zlib or zstd')
    .option('--lazy-refcounts', 'qcow2: count clusters when the image is closed')
    .option('--force', 'replace a file that is there already');
}

function imageOf(file: string, { format, backingFolder }: ImageOptions): MediaImage {
  return { path: resolve(file), format: format === undefined ? undefined : formatNamed(format), backingFolders: backingFolder.map((folder) => resolve(folder)) };
}

function targetOf(file: string, options: TargetOptions): MediaTarget {
  const { subformat, clusterSize, compat, compression, lazyRefcounts = false, force = false } = options;
  if (compat !== undefined && compat !== '2' && compat !== '3') throw usageFailure(`--compat ${compat} is not known`, 'give 2 or 3');
  if (compression !== undefined && compression !== 'zlib' && compression !== 'zstd') throw usageFailure(`--compression ${compression} is not known`, 'give zlib or zstd');
  return {
    path: resolve(file), format: options.format === undefined ? formatByName(file) : formatNamed(options.format), replace: force, subformat,
    blockBytes: clusterSize === undefined ? undefined : unwrap(parseSize(clusterSize), EXIT_USAGE),
    version: compat === undefined ? undefined : compat === '2' ? 2 : 3, compression, lazyRefcounts,
  };
}

function formatNamed(name: string): DiskFormat {
  if (!isDiskFormat(name)) throw usageFailure(`the format "${name}" is not known`, `give one of ${DISK_FORMATS.join(', ')}`);
  return name;
}

function formatByName(file: string): DiskFormat {
  const ending = /\.([a-z0-9]+)$/i.exec(file)?.[1]?.toLowerCase() ?? '';
  if (ending === 'img' || ending === 'raw') return 'raw';
  if (!isDiskFormat(ending)) throw usageFailure(`the name of ${file} says no format`, `give --format ${DISK_FORMATS.join('|')}`);
  return ending;
}

function printInfo(info: MediaInfo): void {
  const lines: [string, string | undefined][] = [
    ['file', info.path],
    ['format', info.subformat === undefined ? info.format : `${info.format}, ${info.subformat}`],
    ['size', `${formatSize(info.virtualBytes)} (${info.virtualBytes} bytes)`],
    ['on host', formatSize(info.hostBytes)],
    ['blocks', info.blockBytes === undefined ? undefined : formatSize(info.blockBytes)],
    ['compression', info.compression],
    ['snapshots', info.snapshots === undefined || info.snapshots === 0 ? undefined : String(info.snapshots)],
    ['state', info.isDamaged === true ? 'marked as damaged' : info.isDirty === true ? 'was not closed' : undefined],
    ...info.backing.map(({ path, format }): [string, string] => ['below', `${path} (${format})`]),
  ];
  for (const [label, value] of lines) if (value !== undefined) printLine(`${`${label}:`.padEnd(14)}${printable(value)}`);
}

function printCheck(found: MediaCheck): void {
  for (const error of found.errors) printLine(printable(error));
  if (found.errorCount > found.errors.length) printLine(`and ${found.errorCount - found.errors.length} more`);
  if (found.repaired > 0) printLine(`${found.repaired} mistakes were mended`);
  const used = found.virtualBytes === 0 ? 0 : Math.round((100 * found.allocatedBytes) / found.virtualBytes);
  printLine(found.errorCount > 0 ? `${found.errorCount} errors` : found.leakedBytes > 0 ? `no errors, but ${formatSize(found.leakedBytes)} of the file are lost` : `no errors; ${used} % of the disk are in use`);
}

/** Names in images may hold anything; a terminal must not take them for commands. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
