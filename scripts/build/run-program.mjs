import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const PARENT_LOOK_MILLIS = 1000;
const END_GRACE_MILLIS = 5000;

/**
 * Runs a program to its end. What asks this process to end is passed on; and the program is ended when the parent of this
 * process is gone, because a shell between npm and us passes nothing on.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{
 *   cwd?: string, env?: NodeJS.ProcessEnv,
 *   wholeGroup?: boolean, limitMillis?: number,
 * }} [options] `wholeGroup`: what the program started ends with it; `limitMillis`: how long it may take
 * @returns {Promise<{ status: number, timedOut: boolean }>} a signal's status is 128 and its number, as in a shell
 */
export async function runProgram(program, args, { cwd, env, wholeGroup = false, limitMillis } = {}) {
  // A group of its own can be killed as one. Windows has no groups.
  const isGroup = wholeGroup && process.platform !== 'win32';
  const child = spawn(program, args, { cwd, env, stdio: isGroup ? ['ignore', 'inherit', 'inherit'] : 'inherit', detached: isGroup });

  /** @param {NodeJS.Signals} signal */
  const send = (signal) => {
    if (child.pid === undefined) return;
    try {
      process.kill(isGroup ? -child.pid : child.pid, signal);
    } catch {
      // All gone already.
    }
  };
  let isEnding = false;
  /** @param {NodeJS.Signals} signal */
  const end = (signal) => {
    send(signal);
    if (isEnding) return;
    isEnding = true;
    if (isGroup) void sleep(END_GRACE_MILLIS, undefined, { ref: false }).then(() => send('SIGKILL'));
  };

  let timedOut = false;
  const parent = process.ppid;
  const looking = setInterval(() => { if (process.ppid !== parent) end('SIGTERM'); }, PARENT_LOOK_MILLIS);
  const limit = limitMillis === undefined ? undefined : setTimeout(() => {
    timedOut = true;
    end('SIGTERM');
  }, limitMillis);
  const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
  for (const signal of signals) process.on(signal, end);
  try {
    const status = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => { resolve(code ?? (signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : 137)); });
    });
    return { status, timedOut };
  } finally {
    clearInterval(looking);
    clearTimeout(limit);
    for (const signal of signals) process.off(signal, end);
    if (isGroup) send('SIGKILL');
  }
}
