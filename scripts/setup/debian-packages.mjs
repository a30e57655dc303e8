/**
 * Fetches Debian packages by name and only unpacks them, into .cache/debian/NAME_ARCHITECTURE/. apt works on a
 * state of its own below .cache/apt/ARCHITECTURE with an empty list of installed packages, so the host's dpkg and its
 * architectures stay as they are and no rights are needed. One state for each architecture: a mirror that is half-way
 * through an update of one must not take the other's packages away.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { cacheFolder } from '../build/folders.mjs';
import { withLock } from '../build/lock.mjs';

const debianFolder = join(cacheFolder, 'debian');
const aptFolder = join(cacheFolder, 'apt');
const INDEX_MAX_AGE_MILLIS = 24 * 3600 * 1000;

/** @typedef {'amd64' | 'i386'} DebianArchitecture */
/** @typedef {{ name: string, architecture: DebianArchitecture }} DebianPackage */

/** What the app itself needs. @type {readonly DebianPackage[]} */
export const appPackages = [
  { name: 'seabios', architecture: 'amd64' },
  { name: 'ipxe-qemu', architecture: 'amd64' },
  { name: 'linux-image-amd64', architecture: 'amd64' },
  { name: 'busybox-static', architecture: 'amd64' },
  { name: 'e2fsprogs', architecture: 'amd64' },
  { name: 'libext2fs2', architecture: 'amd64' },
  { name: 'libcom-err2', architecture: 'amd64' },
];

/** Guests, boot loaders and image tools of the tests. @type {readonly DebianPackage[]} */
export const testPackages = [
  { name: 'linux-image-cloud-amd64', architecture: 'amd64' },
  { name: 'linux-image-686', architecture: 'i386' },
  { name: 'linux-image-686-pae', architecture: 'i386' },
  { name: 'busybox-static', architecture: 'i386' },
  { name: 'pxelinux', architecture: 'amd64' },
  { name: 'syslinux-common', architecture: 'amd64' },
  { name: 'grub-pc-bin', architecture: 'amd64' },
  { name: 'grub-common', architecture: 'amd64' },
  { name: 'libdevmapper1.02.1', architecture: 'amd64' },
  { name: 'xorriso', architecture: 'amd64' },
  { name: 'libisoburn1', architecture: 'amd64' },
  { name: 'libisofs6', architecture: 'amd64' },
  { name: 'libburn4', architecture: 'amd64' },
  { name: 'libjte2', architecture: 'amd64' },
  { name: 'libreadline8', architecture: 'amd64' },
  { name: 'qemu-utils', architecture: 'amd64' },
  { name: 'libaio1', architecture: 'amd64' },
  { name: 'libfuse3-3', architecture: 'amd64' },
  { name: 'libglib2.0-0', architecture: 'amd64' },
  { name: 'libnuma1', architecture: 'amd64' },
  { name: 'liburing2', architecture: 'amd64' },
];

/** What the benchmark's guests run beside BusyBox; the benchmark fetches it and leaves out the rows that lack it. */
export const benchmarkPackages = /** @type {const} */ (['amd64', 'i386']).flatMap((architecture) => [
  'tcc', 'libc6', 'libc6-dev', 'python3-minimal', 'libpython3-minimal', 'zlib1g', 'libexpat1',
].map((name) => ({ name, architecture })));

/** Kernel drivers for hardware that no machine of ours has; they would be most of what is unpacked. */
const UNUSED_MODULES = [
  'sound', 'drivers/media', 'drivers/infiniband', 'drivers/staging', 'drivers/iio', 'drivers/net/wireless',
  'drivers/gpu/drm/amd', 'drivers/gpu/drm/i915', 'drivers/gpu/drm/nouveau', 'drivers/gpu/drm/radeon',
  'drivers/net/ethernet/mellanox', 'drivers/net/ethernet/broadcom', 'drivers/net/ethernet/chelsio',
  'drivers/net/ethernet/qlogic', 'drivers/net/ethernet/cavium', 'drivers/net/ethernet/sfc', 'drivers/hwmon',
  'drivers/scsi/lpfc', 'drivers/scsi/qla2xxx', 'drivers/bluetooth', 'drivers/isdn', 'drivers/thunderbolt',
];

/** Where a package lies unpacked. @param {DebianPackage} wanted */
export function unpackedFolder({ name, architecture }) {
  return join(debianFolder, `${name}_${architecture}`);
}

/** @param {readonly DebianPackage[]} wanted */
export function missingPackages(wanted) {
  return wanted.filter((item) => !existsSync(unpackedFolder(item)));
}

export function aptIsHere() {
  return ['apt-get', 'apt-cache', 'dpkg-deb', 'tar']
    .every((tool) => ['/usr/bin', '/bin'].some((folder) => existsSync(join(folder, tool))));
}

/**
 * @param {readonly DebianPackage[]} wanted
 * @param {(text: string) => void} say
 * @returns {Promise<string[]>} one line for each package that could not be had
 */
export async function fetchDebianPackages(wanted, say) {
  if (missingPackages(wanted).length === 0) return [];
  if (!aptIsHere()) return missingPackages(wanted).map(({ name }) => `${name}: no apt on this system`);
  return withLock(join(cacheFolder, 'apt.lock'), async () => {
    const missing = missingPackages(wanted);
    if (missing.length === 0) return [];
    for (const architecture of new Set(missing.map((item) => item.architecture))) {
      prepareApt(architecture);
      const indexFile = join(aptFolder, architecture, 'updated');
      if (existsSync(indexFile) && Date.now() - statSync(indexFile).mtimeMs < INDEX_MAX_AGE_MILLIS) continue;
      say(`reading Debian package lists for ${architecture}…`);
      const update = apt(architecture, 'apt-get', ['update']);
      // One broken source makes this fail; whether the packages can be had shows below.
      if (update.status === 0) writeFileSync(indexFile, '');
    }
    say(`fetching Debian packages: ${missing.map(({ name, architecture }) => `${name}:${architecture}`).join(' ')}…`);
    const problems = [];
    for (const item of missing) {
      const problem = fetchOne(item);
      if (problem !== undefined) problems.push(`${item.name}:${item.architecture}: ${problem}`);
    }
    return problems;
  });
}

/** @param {DebianPackage} item @returns {string | undefined} what went wrong */
function fetchOne(item) {
  const download = join(debianFolder, `.download-${item.name}_${item.architecture}`);
  rmSync(download, { recursive: true, force: true });
  mkdirSync(download, { recursive: true });
  try {
    const realName = resolveMetaPackage(item);
    const result = apt(item.architecture, 'apt-get', ['download', realName], download);
    const archive = readdirSync(download).find((file) => file.endsWith('.deb'));
    if (result.status !== 0 || archive === undefined) {
      return lastLine(result.stderr) || 'apt-get download brought nothing';
    }
    const unpacked = join(download, 'unpacked');
    mkdirSync(unpacked);
    const excluded = UNUSED_MODULES.map((path) => `--exclude=./lib/modules/*/kernel/${path}/*`);
    const tar = spawnSync('/bin/sh', ['-c',
      'archive=$1; shift; { dpkg-deb --fsys-tarfile "$archive" || echo broken >"$archive.failed"; } | tar -x --no-same-owner "$@" && test ! -e "$archive.failed"',
      'unpack', join(download, archive), '-C', unpacked, '--wildcards', ...excluded], { encoding: 'utf8' });
    if (tar.status !== 0) return lastLine(tar.stderr) || 'could not be unpacked';
    writeFileSync(join(unpacked, 'PACKAGE'), `${basename(archive, '.deb').replaceAll('%3a', ':')}\n`);
    renameSync(unpacked, unpackedFolder(item));
    return undefined;
  } finally {
    rmSync(download, { recursive: true, force: true });
  }
}

/**
 * `linux-image-amd64` holds nothing itself: it depends on the kernel of the day, `python3-minimal` on a Python that has its
 * version in its name, as has the library that goes with it (for which there is no name without).
 * @param {DebianPackage} item
 */
function resolveMetaPackage({ name, architecture }) {
  const python = name === 'python3-minimal' || name === 'libpython3-minimal';
  if (!python && !name.startsWith('linux-image-')) return name;
  const { stdout } = apt(architecture, 'apt-cache', ['show', '--no-all-versions', python ? 'python3-minimal' : name]);
  const depends = /^Depends: (.*)$/m.exec(stdout)?.[1] ?? '';
  const real = (python ? /\b(python3\.\d+-minimal)/ : /\b(linux-image-[0-9][^\s,:]*)/).exec(`${depends}, ${/^Pre-Depends: (.*)$/m.exec(stdout)?.[1] ?? ''}`)?.[1];
  if (real === undefined) return name;
  return name === 'libpython3-minimal' ? `lib${real}` : real;
}

/** @param {DebianArchitecture} architecture */
function prepareApt(architecture) {
  const own = join(aptFolder, architecture);
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'etc/sources.list.d']) {
    mkdirSync(join(own, folder), { recursive: true });
  }
  writeFileSync(join(own, 'status'), '');
  const sources = ['sources.list', ...namesIn('/etc/apt/sources.list.d').map((name) => `sources.list.d/${name}`)];
  for (const name of sources) {
    let text;
    try {
      text = readFileSync(join('/etc/apt', name), 'utf8');
    } catch {
      continue;
    }
    // A source tied to the host's architecture would not give us the other one.
    const open = text.replace(/^Architectures:.*\n/gim, '')
      .replace(/^(deb\S*\s+\[)([^\]]*)\]/gm, (_, start, options) => `${start}${options.replace(/\barch=\S+/g, '')} ]`)
      .replace(/\[\s*\]/g, '');
    writeFileSync(join(own, 'etc', name), open);
  }
}

/** @param {string} folder */
function namesIn(folder) {
  try {
    return readdirSync(folder).filter((name) => /\.(list|sources)$/.test(name));
  } catch {
    return [];
  }
}

/**
 * @param {DebianArchitecture} architecture
 * @param {'apt-get' | 'apt-cache'} tool
 * @param {string[]} args
 * @param {string} [folder] where a download lands
 */
function apt(architecture, tool, args, folder = debianFolder) {
  mkdirSync(folder, { recursive: true });
  const own = join(aptFolder, architecture);
  /** @type {Record<string, string>} */
  const options = {
    'Dir::State': join(own, 'state'),
    'Dir::State::status': join(own, 'status'),
    'Dir::Cache': join(own, 'cache'),
    'Dir::Etc::sourcelist': join(own, 'etc/sources.list'),
    'Dir::Etc::sourceparts': join(own, 'etc/sources.list.d'),
    // Run as root, apt would download as a user who may not enter this folder.
    'APT::Sandbox::User': '',
    'APT::Architecture': architecture,
    'APT::Architectures::': architecture,
    'Acquire::Languages': 'none',
  };
  return spawnSync(tool, ['-q', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]), ...args],
    { cwd: folder, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 1 << 28 });
}

/** @param {string | undefined} text */
function lastLine(text) {
  return (text ?? '').trim().split('\n').filter((line) => !line.startsWith('W:')).pop() ?? '';
}
