/** A log file of bounded size in a VM folder: when it is full it becomes `NAME.1` and a new one begins. */
import { appendFileSync, closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const LOG_BYTES_MAXIMUM = 4 * 1024 * 1024;

export class MachineLog {
  readonly #path: string;
  #file: number | undefined;
  #bytes = 0;
  #failed = false;

  constructor(path: string) {
    this.#path = path;
  }

  write(chunk: Uint8Array | string): void {
    if (this.#failed) return;
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    try {
      this.#file ??= this.#open();
      if (this.#bytes + bytes.byteLength > LOG_BYTES_MAXIMUM) {
        closeSync(this.#file);
        renameSync(this.#path, `${this.#path}.1`);
        this.#file = this.#open();
      }
      writeSync(this.#file, bytes);
      this.#bytes += bytes.byteLength;
    } catch {
      // A full or read-only disk must not stop the machine; the log is what can be done without.
      this.#failed = true;
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #open(): number {
    mkdirSync(dirname(this.#path), { recursive: true });
    appendFileSync(this.#path, '');
    const file = openSync(this.#path, 'a');
    this.#bytes = fstatSync(file).size;
    return file;
  }
}

/** The last `count` lines of a text file that may be long; none when it can't be read. */
export function lastLines(path: string, count: number): string[] {
  const WINDOW_BYTES = 1024 * 1024;
  try {
    const file = openSync(path, 'r');
    try {
      const size = fstatSync(file).size;
      const window = Buffer.alloc(Math.min(size, WINDOW_BYTES));
      readSync(file, window, 0, window.length, size - window.length);
      const lines = window.toString('utf8').split('\n');
      if (lines.at(-1) === '') lines.pop();
      return lines.slice(-count);
    } finally {
      closeSync(file);
    }
  } catch {
    return [];
  }
}
