/** Image tools from unpacked Debian packages, so that nobody needs to install them; else the host's own. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { unpackedFolder } from '../setup/debian-packages.mjs';
import { findCommand } from '../setup/host-tools.mjs';
import type { Mke2fs } from './ext4-template.ts';

export function findMke2fs(): Mke2fs {
  const program = findCommand(['mke2fs']);
  if (program !== undefined) return { program };
  return {
    program: packageFile('e2fsprogs', 'amd64', 'sbin/mke2fs', 'usr/sbin/mke2fs'),
    libraryFolder: libraryPath('libext2fs2', 'libcom-err2'),
  };
}

/** For LD_LIBRARY_PATH: where libraries of unpacked packages lie. */
export function libraryPath(...packageNames: readonly string[]): string {
  return packageNames.flatMap((name) => ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu']
    .map((folder) => join(unpackedFolder({ name, architecture: 'amd64' }), folder))).join(':');
}

/** @throws Error where the package is not there: npm run setup fetches it */
export function packageFile(name: string, architecture: 'amd64' | 'i386', ...candidates: readonly string[]): string {
  const folder = unpackedFolder({ name, architecture });
  const found = candidates.map((path) => join(folder, path)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`Debian package ${name}:${architecture} lacks ${candidates.join(' or ')}: run npm run setup`);
  return found;
}

export function busyboxFile(architecture: 'amd64' | 'i386'): string {
  return packageFile('busybox-static', architecture, 'bin/busybox', 'usr/bin/busybox');
}
