/** Reads an unpacked Debian kernel package: the kernel, and modules with what they depend on. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import type { CpioEntry } from './cpio.ts';

export type KernelPackage = {
  /** As in uname -r. */
  readonly release: string;
  readonly kernelFile: string;
  /** Module name with underscores → file. Modules built into the kernel are not among them. */
  readonly moduleFiles: ReadonlyMap<string, string>;
  readonly modulesFolder: string;
};

export function openKernelPackage(folder: string): KernelPackage {
  // Debian 13 has /usr/lib/modules.
  const modulesRoot = [join(folder, 'lib/modules'), join(folder, 'usr/lib/modules')].find((path) => namesIn(path).length > 0);
  const release = modulesRoot === undefined ? undefined : namesIn(modulesRoot)[0];
  const kernel = namesIn(join(folder, 'boot')).find((name) => name.startsWith('vmlinuz-'));
  if (modulesRoot === undefined || release === undefined || kernel === undefined) {
    throw new Error(`${folder} holds no kernel package`);
  }
  const modulesFolder = join(modulesRoot, release);
  const moduleFiles = new Map<string, string>();
  for (const name of readdirSync(modulesFolder, { recursive: true, encoding: 'utf8' })) {
    if (/\.ko(\.xz|\.gz|\.zst)?$/.test(name)) moduleFiles.set(moduleName(name), join(modulesFolder, name));
  }
  return { release, kernelFile: join(folder, 'boot', kernel), moduleFiles, modulesFolder };
}

/**
 * Archive entries for modules and everything they depend on, with the index files that modprobe reads. Names of modules
 * that this kernel has built in, or does not have, are passed over.
 */
export function moduleEntries(kernel: KernelPackage, names: readonly string[]): CpioEntry[] {
  const folder = `lib/modules/${kernel.release}`;
  const entries: CpioEntry[] = [];
  const dependencyLines: string[] = [];
  const aliasLines: string[] = [];
  const pending = names.map(moduleName);
  const done = new Set<string>();
  const info = new Map<string, ModuleInfo>();
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    const file = kernel.moduleFiles.get(name);
    if (file === undefined || done.has(name)) continue;
    done.add(name);
    const contents = plainModule(file);
    const read = moduleInfo(contents);
    info.set(name, read);
    pending.push(...read.depends);
    aliasLines.push(...read.aliases.map((alias) => `alias ${alias} ${name}`));
    entries.push({ kind: 'file', path: `${folder}/${pathInArchive(kernel, file)}`, contents });
  }
  for (const name of done) {
    const files = [name, ...allDependencies(name, info)].map((module) => kernel.moduleFiles.get(module))
      .filter((file) => file !== undefined).map((file) => pathInArchive(kernel, file));
    dependencyLines.push(`${files[0] ?? ''}: ${files.slice(1).join(' ')}`.trimEnd());
  }
  entries.push({ kind: 'file', path: `${folder}/modules.dep`, contents: `${dependencyLines.join('\n')}\n` });
  entries.push({ kind: 'file', path: `${folder}/modules.alias`, contents: `${aliasLines.join('\n')}\n` });
  return entries;
}

type ModuleInfo = { readonly depends: readonly string[]; readonly aliases: readonly string[] };

/** The .modinfo section is zero-terminated `key=value` strings; they are told from code by their form. */
function moduleInfo(contents: Buffer): ModuleInfo {
  const text = contents.toString('latin1');
  const values = (key: string) => [...text.matchAll(new RegExp(`\\0${key}=([\\x21-\\x7e]*)(?=\\0)`, 'g'))].map(([, value = '']) => value);
  return {
    depends: values('depends').flatMap((list) => list.split(',')).filter((name) => name !== '').map(moduleName),
    aliases: values('alias'),
  };
}

/** Nearest first, as modules.dep wants it: modprobe loads from the right. */
function allDependencies(name: string, info: ReadonlyMap<string, ModuleInfo>): string[] {
  const found: string[] = [];
  const visit = (module: string): void => {
    for (const dependency of info.get(module)?.depends ?? []) {
      const earlier = found.indexOf(dependency);
      if (earlier >= 0) found.splice(earlier, 1);
      found.push(dependency);
      visit(dependency);
    }
  };
  visit(name);
  return found;
}

function pathInArchive(kernel: KernelPackage, file: string): string {
  return relative(kernel.modulesFolder, file).replace(/\.(xz|gz|zst)$/, '');
}

/** busybox's insmod takes plain modules only. */
function plainModule(file: string): Buffer {
  const packer = file.endsWith('.xz') ? 'xz' : file.endsWith('.gz') ? 'gzip' : file.endsWith('.zst') ? 'zstd' : undefined;
  return packer === undefined ? readFileSync(file) : execFileSync(packer, ['-dc', file], { maxBuffer: 1 << 28 });
}

function moduleName(file: string): string {
  return basename(file).replace(/\.ko(\.\w+)?$/, '').replaceAll('-', '_');
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
