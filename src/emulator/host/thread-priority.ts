/** Which threads of the VM process go first: compiling must never keep the guest waiting. */
import { readdirSync, readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/** Threads that V8 optimizes code on, as Node and Chromium name them (the kernel cuts names at 15 characters). */
const OPTIMIZER_THREAD = /^(?:node-)?V8Worker|^ThreadPool/;

/**
 * Puts the thread that calls, which translates, and V8's optimizing threads behind the machine thread: on a host with two cores those
 * take one and a half while code is new, and the guest stood still for half of that time. All of them alike: V8 has a thread sweep its
 * heap over and over until a helper has had its turn, so a compile thread above the helpers would spin.
 * Linux only, where priorities are a thread's (`setpriority(2)`, "C library/kernel differences"); elsewhere they are the process's.
 */
export function compileBehindTheGuest(): void {
  if (process.platform !== 'linux') return;
  const { PRIORITY_LOW } = constants.priority;
  try {
    setPriority(0, PRIORITY_LOW);
    for (const thread of readdirSync('/proc/self/task')) {
      if (OPTIMIZER_THREAD.test(readFileSync(`/proc/self/task/${thread}/comm`, 'latin1'))) setPriority(Number(thread), PRIORITY_LOW);
    }
  } catch {
    // A host that hides its threads, or one that has just ended: slower while code is new, and nothing else.
  }
}
