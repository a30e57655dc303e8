/** QEMU's qemu-img, from an unpacked Debian package: what we are compared with. */
import { spawnSync } from 'node:child_process';
import { libraryPath, packageFile } from '../../scripts/guest-image/tools.ts';

export interface QemuImgEnded {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export function tryQemuImg(...args: readonly string[]): QemuImgEnded {
  const { status, stdout, stderr } = spawnSync(packageFile('qemu-utils', 'amd64', 'usr/bin/qemu-img'), args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', LD_LIBRARY_PATH: libraryPath('libaio1', 'libfuse3-3', 'libglib2.0-0', 'libnuma1', 'liburing2') },
  });
  return { status, out: stdout, err: stderr };
}

/** What it printed. Throws where it failed. */
export function qemuImg(...args: readonly string[]): string {
  const { status, out, err } = tryQemuImg(...args);
  if (status !== 0) throw new Error(`qemu-img ${args.join(' ')}: status ${status}: ${out}${err}`);
  return out;
}
