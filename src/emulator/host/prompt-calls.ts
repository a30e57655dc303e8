/**
 * Small reads and writes that are done at once, on the thread that asks: while the system answers from its cache, the way through
 * the pool of threads takes several times as long as the call itself. A call that had to wait for the disk sends those
 * after it through the pool for a while, so that the thread stands still for a small part of its time at most; on a file
 * system that may wait for another machine there are none.
 */
import { statfs } from 'node:fs/promises';

const BYTES_MAXIMUM = 256 << 10;
/** Longer than what comes from the cache takes. */
const WAITED_MILLIS = 1;
/** For this many times as long as a call waited there is none. */
const PAUSE_FACTOR = 20;

/** As Linux's statfs names them: ext2 to ext4, XFS, Btrfs, F2FS, ZFS, tmpfs, overlayfs. */
const LOCAL_TYPES: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0x01021994, 0x794c7630]);

export class PromptCalls {
  readonly #isLocal: boolean;
  #pausedUntil = 0;

  readonly #now: () => number;

  constructor(isLocal: boolean, now = (): number => performance.now()) {
    this.#isLocal = isLocal;
    this.#now = now;
  }

  static async onFile(path: string): Promise<PromptCalls> {
    const type = process.platform === 'linux' ? (await statfs(path).catch(() => undefined))?.type : undefined;
    return new PromptCalls(type !== undefined && LOCAL_TYPES.has(type));
  }

  allows(bytes: number): boolean {
    return this.#isLocal && bytes <= BYTES_MAXIMUM && this.#now() >= this.#pausedUntil;
  }

  call<T>(work: () => T): T {
    const begun = this.#now();
    try {
      return work();
    } finally {
      const ended = this.#now();
      if (ended - begun > WAITED_MILLIS) this.#pausedUntil = ended + (ended - begun) * PAUSE_FACTOR;
    }
  }
}
