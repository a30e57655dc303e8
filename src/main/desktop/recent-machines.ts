/** The machines that were started last, newest first, across starts of the app. */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../files/atomic-file.ts';

const KEPT_MAXIMUM = 20;
const keptSchema = z.array(z.string().max(64)).max(KEPT_MAXIMUM);

export class RecentMachines {
  readonly #path: string;
  #names: readonly string[];

  constructor(path: string) {
    this.#path = path;
    this.#names = read(path);
  }

  get names(): readonly string[] {
    return this.#names;
  }

  started(name: string): void {
    this.#keep([name, ...this.#names.filter((other) => other !== name)].slice(0, KEPT_MAXIMUM));
  }

  forget(): void {
    if (this.#names.length > 0) this.#keep([]);
  }

  #keep(names: readonly string[]): void {
    this.#names = names;
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
    } catch {
      return;
    }
    void writeFileAtomically(this.#path, `${JSON.stringify(names)}\n`).catch(() => {});
  }
}

function read(path: string): readonly string[] {
  try {
    return keptSchema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data ?? [];
  } catch {
    return [];
  }
}
