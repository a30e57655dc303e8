/**
 * Everything a checkout needs besides Node and npm. Plain JavaScript: it runs on whatever Node is there before ours is
 * installed. Ends non-zero when something is missing, with one line for each: what, and how to get it.
 *
 *   npm run setup                  everything: app, tests, benchmark (less what its guests run, which it fetches itself)
 *   npm run setup -- --electron    and Electron's binary, a large download
 *   node scripts/setup.mjs --packages | --run     npm packages only | what running the app needs; a missing asset is
 *                                  reported and does not fail, as the app works without (it says what it lacks)
 *   … --then FILE ARGUMENT…        and then runs the file on the Node that was set up; its exit status is the result
 */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { cacheFolder, projectFolder } from './build/folders.mjs';
import { withLock } from './build/lock.mjs';
import { runProgram } from './build/run-program.mjs';

const OLDEST_NODE = 20;

/** @param {string} text */
function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** @param {{ extent: 'packages' | 'run' | 'all', electron?: boolean }} options @returns {Promise<boolean>} nothing is missing */
export async function setUp({ extent, electron = false }) {
  const { installElectronBinary, installNpmPackages, projectNode } = await import('./setup/npm-packages.mjs');
  if (!await installNpmPackages(say)) return false;
  if (electron && !installElectronBinary(say)) return false;
  if (extent === 'packages') return true;

  const { appPackages, aptIsHere, fetchDebianPackages, testPackages } = await import('./setup/debian-packages.mjs');
  const { bundledGuestIsCurrent } = await import('./setup/bundled-guest-recipe.mjs');
  const { firmwareIsHere, installFirmware } = await import('./setup/firmware.mjs');
  /** @type {string[]} */
  const missing = [];
  if (!firmwareIsHere() || !bundledGuestIsCurrent()) {
    const problems = await fetchDebianPackages(appPackages, say);
    const absent = installFirmware();
    if (absent.length > 0) missing.push(`SeaBIOS and iPXE firmware (${absent.join(', ')}): install QEMU, or put the files into assets/firmware/`);
    if (problems.some((problem) => !/^(?:seabios|ipxe)/.test(problem))) {
      missing.push(aptIsHere()
        ? `the bundled guest's packages: ${problems.join('; ')}`
        : 'the bundled guest: it is made of Debian packages, which need apt; copy assets/guest/ from a Debian system');
    } else if (!bundledGuestIsCurrent()) {
      await withLock(join(cacheFolder, 'guest.lock'), async () => {
        if (bundledGuestIsCurrent()) return;
        say('making the bundled guest…');
        const made = spawnSync(projectNode, [join(projectFolder, 'scripts/bundled-guest.ts')], { stdio: ['ignore', 'inherit', 'inherit'] });
        if (made.status !== 0) missing.push('the bundled guest: scripts/bundled-guest.ts failed, see above');
      });
    }
  }
  if (extent === 'all') {
    missing.push(...await fetchDebianPackages([...appPackages, ...testPackages], say));
    const { installHostTools } = await import('./setup/host-tools.mjs');
    missing.push(...installHostTools(say));
  }
  for (const line of missing) say(`missing: ${line}`);
  return missing.length === 0;
}

/** A quick look, for commands that must not take time. */
export async function isReadyToRun() {
  const { npmPackagesAreCurrent } = await import('./setup/npm-packages.mjs');
  const { bundledGuestIsCurrent } = await import('./setup/bundled-guest-recipe.mjs');
  const { firmwareIsHere } = await import('./setup/firmware.mjs');
  return npmPackagesAreCurrent() && firmwareIsHere() && bundledGuestIsCurrent();
}

export function refuseOldNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= OLDEST_NODE) return;
  process.stderr.write(`guesthouse: Node ${process.versions.node} is too old: install Node ${OLDEST_NODE} or newer\n`);
  process.exit(1);
}

refuseOldNode();
if (process.argv[1]?.endsWith('setup.mjs')) {
  const all = process.argv.slice(2);
  const thenIndex = all.indexOf('--then');
  const args = thenIndex < 0 ? all : all.slice(0, thenIndex);
  const extent = args.includes('--packages') ? 'packages' : args.includes('--run') ? 'run' : 'all';
  const complete = await setUp({ extent, electron: args.includes('--electron') });
  if (!complete && extent === 'all') say('not complete');
  else if (extent === 'all') say('complete');
  const { npmPackagesAreCurrent, projectNode } = await import('./setup/npm-packages.mjs');
  if (!complete && (extent !== 'run' || !npmPackagesAreCurrent())) process.exitCode = 1;
  else if (thenIndex >= 0) {
    const [file = '', ...rest] = all.slice(thenIndex + 1);
    process.exitCode = (await runProgram(projectNode, [resolve(projectFolder, file), ...rest])).status;
  }
}
