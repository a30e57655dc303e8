/** A Debian of this host's own package sources on a disk, with its package manager: what a network is for. Made by mmdebstrap. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../scripts/build/folders.mjs';
import { findCommand } from '../../scripts/setup/host-tools.mjs';

const PACKAGES = ['openssh-server', 'openssh-client', 'iperf3', 'wget', 'iproute2', 'iputils-ping'];
const DISK_BYTES = 3 * 1024 ** 3;

export interface PackageSource {
  /** The archive's address, as apt has it. */
  readonly site: string;
  readonly release: string;
}

/** Where this host has Debian's own packages from; `undefined` where it is no Debian. */
export function packageSource(): PackageSource | undefined {
  if (findCommand(['apt-get']) === undefined) return undefined;
  const lines = execFileSync('apt-get', ['indextargets', '--format', '$(SITE) $(RELEASE) $(COMPONENT) $(SIGNED_BY)', 'Created-By: Packages', 'Origin: Debian'], { encoding: 'utf8' }).split('\n');
  const [site, release] = lines.map((line) => line.split(' ')).find(([, name = '', component]) => component === 'main' && !name.includes('-')) ?? [];
  return site === undefined || release === undefined ? undefined : { site, release };
}

/** Why there can be none here, or `undefined`. */
export function debianRootMissing(): string | undefined {
  if (findCommand(['mmdebstrap']) === undefined) return 'mmdebstrap is not installed: sudo apt-get install mmdebstrap';
  if (findCommand(['ssh-keygen']) === undefined) return 'ssh is not installed: sudo apt-get install openssh-client';
  if (process.getuid?.() !== 0) return 'making a Debian root takes root here';
  return packageSource() === undefined ? 'this host has no packages of Debian\'s' : undefined;
}

/** @returns path of a raw disk image that is an ext4 file system with nothing but the root */
export function debianRoot(): string {
  const source = packageSource()!;
  const recipe = createHash('sha256').update(JSON.stringify([source, PACKAGES, DISK_BYTES, 1])).digest('hex').slice(0, 20);
  const folder = join(cacheFolder, 'test-images');
  const target = join(folder, `${recipe}-debian.img`);
  if (existsSync(target)) return target;
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(folder, '.making-'));
  try {
    const root = join(scratch, 'root');
    execFileSync(findCommand(['mmdebstrap'])!, [
      '--quiet', '--variant=apt', `--include=${PACKAGES.join()}`, ...['man', 'doc', 'locale'].map((part) => `--dpkgopt=path-exclude=/usr/share/${part}/*`),
      source.release, root, `deb ${source.site} ${source.release} main`,
    ], { stdio: ['ignore', 'ignore', 'inherit'] });
    const image = join(scratch, 'disk.img');
    writeFileSync(image, '');
    truncateSync(image, DISK_BYTES);
    execFileSync(findCommand(['mke2fs'])!, ['-q', '-F', '-t', 'ext4', '-d', root, image]);
    renameSync(image, target);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return target;
}
