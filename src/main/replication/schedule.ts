/** Replicates machines when it is time, by their own settings. It looks while a library is open: what was missed is made up for then. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorLine } from '../../shared/result.ts';
import type { Library } from '../library/library.ts';
import type { Replication } from './replication.ts';

const LOOK_MILLIS = 60_000;
const MINUTE_MILLIS = 60_000;
/** Of a generation's name: `20261126T154500123Z-…`. */
const GENERATION_TIME = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-/;

export class ReplicationSchedule {
  readonly #library: Library;
  readonly #replication: Replication;
  readonly #warn: (machine: string, message: string) => void;
  readonly #cancelling = new AbortController();
  readonly #tried = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> = Promise.resolve();
  #isLooking = false;

  constructor(library: Library, replication: Replication, warn: (machine: string, message: string) => void) {
    this.#library = library;
    this.#replication = replication;
    this.#warn = warn;
    this.#timer = setInterval(() => { void this.look(Date.now()); }, LOOK_MILLIS);
    this.#timer.unref();
  }

  /** One machine after the other; a look that is under way is enough. */
  async look(now: number): Promise<void> {
    if (!this.#isLooking) {
      this.#isLooking = true;
      this.#looking = this.#lookOnce(now).finally(() => { this.#isLooking = false; });
    }
    return this.#looking;
  }

  async #lookOnce(now: number): Promise<void> {
    const found = await this.#library.list();
    if (!found.ok) return;
    for (const { name, config } of found.value) {
      const { replication } = config.ok ? config.value : {};
      if (replication === undefined || this.#cancelling.signal.aborted) continue;
      const last = Math.max(this.#tried.get(name) ?? 0, await newestGeneration(replication.folder));
      // A clock that was set back must not stop it for the time between.
      if (last <= now && now - last < replication.everyMinutes * MINUTE_MILLIS) continue;
      this.#tried.set(name, now);
      const made = await this.#replication.make(name, replication.folder, replication.keep, { progress: () => {}, signal: this.#cancelling.signal });
      if (!made.ok) this.#warn(name, `it could not be replicated: ${errorLine(made.error)}`);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#cancelling.abort();
    await this.#looking;
  }
}

/** Milliseconds since 1970; 0 where there is none. */
async function newestGeneration(folder: string): Promise<number> {
  const names = await readdir(join(folder, 'generations')).catch(() => []);
  return names.reduce((newest, name) => {
    const [, year, month, day, hour, minute, second, millis] = GENERATION_TIME.exec(name) ?? [];
    return year === undefined ? newest : Math.max(newest, Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second), Number(millis)));
  }, 0);
}
