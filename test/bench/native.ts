/** The host itself in place of an engine: the guest's BusyBox and programs run the workloads that compute. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../scripts/build/folders.mjs';
import { busyboxFile } from '../../scripts/guest-image/tools.ts';
import { DYNAMIC_LINKERS, TRIPLETS, type DebianArchitecture } from './guest-programs.ts';
import type { EngineCommand } from './serial-session.ts';
import { hostScript, type Workload } from './workloads.ts';

const nativeFolder = join(cacheFolder, 'bench-native');

/** Why this architecture's programs don't run on the host, or `undefined`. */
export function nativeMissing(architecture: DebianArchitecture): string | undefined {
  if (arch() !== 'x64' || platform() !== 'linux') return `the host is ${platform()} on ${arch()}, not Linux on x64`;
  return spawnSync(busyboxFile(architecture), ['true']).status === 0 ? undefined : `the host's kernel runs no ${architecture} programs`;
}

/** Prints the marks of the workloads, as a guest does. */
export function nativeCommand(architecture: DebianArchitecture, workloads: readonly Workload[]): EngineCommand {
  const root = unpackedRoot(architecture, workloads);
  const libraries = join(root, 'lib', TRIPLETS[architecture]);
  const python = [join(libraries, DYNAMIC_LINKERS[architecture]), '--library-path', `${libraries}:${join(root, 'usr/lib', TRIPLETS[architecture])}`,
    join(root, 'usr/bin/python3')].map((word) => `'${word}'`).join(' ');
  return {
    program: join(root, 'bin/busybox'),
    args: ['sh', '-c', hostScript(workloads, python)],
    environment: { R: root, PATH: join(root, 'bin'), PYTHONHOME: join(root, 'usr') },
  };
}

/** The files that the workloads have in the guest, in a folder whose name depends on them. */
function unpackedRoot(architecture: DebianArchitecture, workloads: readonly Workload[]): string {
  const files = [...new Map(workloads.flatMap((workload) => workload.files ?? []).map((entry) => [entry.path, entry])).values()];
  const hash = createHash('sha256').update(architecture);
  for (const entry of files) hash.update(entry.path).update(entry.kind === 'file' ? entry.contents : '');
  const root = join(nativeFolder, hash.digest('hex').slice(0, 16));
  if (existsSync(root)) return root;
  mkdirSync(nativeFolder, { recursive: true });
  const making = mkdtempSync(join(nativeFolder, '.making-'));
  for (const folder of ['bin', 'tmp']) mkdirSync(join(making, folder));
  symlinkSync(busyboxFile(architecture), join(making, 'bin/busybox'));
  spawnSync(busyboxFile(architecture), ['--install', '-s', join(making, 'bin')]);
  for (const entry of files) {
    const path = join(making, entry.path);
    mkdirSync(dirname(path), { recursive: true });
    if (entry.kind === 'link') symlinkSync(entry.target, path);
    if (entry.kind !== 'file') continue;
    writeFileSync(path, entry.contents);
    if (entry.executable === true) chmodSync(path, 0o755);
  }
  renameSync(making, root);
  return root;
}
