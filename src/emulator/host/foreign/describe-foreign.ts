/** What machine a file of another program describes. Everything in it may be somebody's trap. */
import { open, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ForeignMachine } from '../../../shared/foreign-machine.ts';
import { ImageError } from '../../storage/image-error.ts';
import { describeFileError } from '../file-bytes.ts';
import type { MachineFacts } from './machine-facts.ts';
import { NamedFiles } from './named-files.ts';
import { parseManifest, readOva, tampered } from './ova-archive.ts';
import { fileDigest } from './file-digest.ts';
import { readOvf } from './ovf.ts';
import { readQuickemu } from './quickemu.ts';
import { readUtm } from './utm.ts';
import { readVirtualBox } from './virtualbox.ts';
import { readVmware } from './vmware.ts';

/** A configuration of a hundred disks is far below this. */
const CONFIG_BYTES_MAXIMUM = 4 << 20;

/** Throws `ImageError` and `StartError`, and what `progress` throws. */
export async function describeForeign(path: string, progress: (done: number) => void): Promise<ForeignMachine> {
  return named(await factsOf(path, progress), path).machine();
}

/** A machine without a name has that of its file. */
function named(facts: MachineFacts, path: string): MachineFacts {
  if (facts.name.trim() === '') facts.name = stemOf(path);
  return facts;
}

function stemOf(path: string): string {
  return basename(path).replace(/\.(?:ova|ovf|vbox|vmx|utm|conf)$/i, '');
}

async function factsOf(path: string, progress: (done: number) => void): Promise<MachineFacts> {
  const ending = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase();
  const isFolder = (await stat(path).catch((error: unknown) => { throw describeFileError(error, path, 'read-only'); })).isDirectory();
  if (isFolder && ending !== 'utm') throw new ImageError('foreign.unknown', `${path} is a folder`, 'name the file in it that describes the machine');
  const beside = (): Promise<NamedFiles> => NamedFiles.of(dirname(path));
  switch (ending) {
    case 'vbox': return readVirtualBox(textOf(await configBytes(path)), await beside());
    case 'vmx': return readVmware(await configBytes(path), await beside());
    case 'conf': return readQuickemu(textOf(await configBytes(path)), stemOf(path), await beside());
    case 'utm': {
      const images = join(path, 'Data');
      return readUtm(textOf(await configBytes(join(path, 'config.plist'))), await NamedFiles.of(await realpath(images).catch(() => path)));
    }
    case 'ovf': return readOvfFolder(path, await beside(), progress);
    case 'ova': {
      const { size } = await stat(path);
      const { descriptor, members } = await readOva(path, size, progress);
      return readOvf(textOf(descriptor), await beside(), async (href) => {
        const within = members.get(href);
        return within === undefined ? undefined : { file: { path: await realpath(path), within }, bytes: within.bytes };
      });
    }
    default: throw new ImageError('foreign.unknown', `${path} has no name of a machine that can be imported`, 'name a .guestvmz, .ova, .ovf, .vbox, .vmx or .conf file, or a .utm package');
  }
}

/** With its manifest beside it, where there is one. */
async function readOvfFolder(path: string, files: NamedFiles, progress: (done: number) => void): Promise<MachineFacts> {
  const descriptor = await configBytes(path);
  const manifestPath = path.replace(/\.ovf$/i, '.mf');
  const text = await configBytes(manifestPath).then(textOf, () => undefined);
  if (text !== undefined) {
    const { algorithm, digests } = parseManifest(text);
    let number = 0;
    for (const [name, digest] of digests) {
      const file = await files.find(name);
      if (file === undefined) throw new ImageError('foreign.damaged', `the OVF package lacks ${name}, which its manifest names`, 'get another copy of it');
      const before = number++;
      if (await fileDigest(file.path, algorithm, (done) => { progress((before + done / Math.max(1, file.bytes)) / digests.size); }) !== digest) throw tampered(name);
    }
  }
  return readOvf(textOf(descriptor), files, async (href) => {
    const file = await files.find(decoded(href)) ?? await files.find(href);
    return file === undefined ? undefined : { file: { path: file.path }, bytes: file.bytes };
  });
}

/** References are URIs. */
function decoded(href: string): string {
  try {
    return decodeURIComponent(href);
  } catch {
    return href;
  }
}

async function configBytes(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r').catch((error: unknown) => { throw describeFileError(error, path, 'read-only'); });
  try {
    const { size } = await file.stat();
    if (size > CONFIG_BYTES_MAXIMUM) throw new ImageError('foreign.damaged', `${path} is far too large for a configuration`, 'name the file that describes the machine');
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function textOf(bytes: Uint8Array): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}
