import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Runs `work` while no other process holds the lock file, so that two commands started at once do not build or download
 * over each other. A lock whose process is gone is taken over.
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, work) {
  mkdirSync(dirname(path), { recursive: true });
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
      if (holderIsGone(path)) rmSync(path, { force: true });
      else await sleep(100);
    }
  }
  const release = () => rmSync(path, { force: true });
  const stop = () => process.exit(130);
  process.on('exit', release);
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    return await work();
  } finally {
    release();
    process.off('exit', release);
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

/** @param {string} path */
function holderIsGone(path) {
  try {
    const holder = Number(readFileSync(path, 'utf8'));
    // Between creating the file and writing the id it is empty for a moment.
    if (!Number.isInteger(holder) || holder <= 0) return Date.now() - statSync(path).mtimeMs > 5000;
    process.kill(holder, 0);
    return false;
  } catch (error) {
    const code = /** @type {NodeJS.ErrnoException} */ (error).code;
    return code === 'ESRCH' || code === 'ENOENT';
  }
}
