/**
 * One engine's process and what it prints. Every engine is measured with this one clock: the moment at which the piece
 * of output that completes a mark arrives here.
 */
import { spawn, type ChildProcess } from 'node:child_process';

export type EngineCommand = {
  readonly program: string;
  readonly args: readonly string[];
  /** Beside what this process has. */
  readonly environment?: Readonly<Record<string, string>>;
};

export type Sighting = {
  readonly match: RegExpExecArray;
  /** Since the process was started. */
  readonly atSeconds: number;
};

/** A guest that prints this will not print the next mark. */
const GUEST_IS_LOST = /Kernel panic - not syncing|Attempted to kill init/;
const TAIL_CHARACTERS = 600;
const KILL_AFTER_MILLIS = 5000;

/** Their machines must not outlive the benchmark, however it ends. */
const running = new Set<ChildProcess>();
process.on('exit', () => { for (const child of running) child.kill('SIGTERM'); });

export class SerialSession {
  readonly pid: number | undefined;
  readonly #child: ChildProcess;
  readonly #startedAtMillis = performance.now();
  #output = '';
  #errors = '';
  /** Where each piece of output ends, and when it came. */
  readonly #pieces: { readonly end: number; readonly atMillis: number }[] = [];
  #searchFrom = 0;
  #over: string | undefined;
  readonly #changed = new Set<() => void>();
  readonly #closed: Promise<void>;

  constructor({ program, args, environment }: EngineCommand) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
    this.pid = this.#child.pid;
    running.add(this.#child);
    this.#child.stdout?.setEncoding('latin1').on('data', (text: string) => {
      this.#output += text;
      this.#pieces.push({ end: this.#output.length, atMillis: performance.now() });
      this.#tellChange();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.#errors = (this.#errors + text).slice(-TAIL_CHARACTERS); });
    // Its end is noticed by `close`.
    this.#child.stdin?.on('error', () => {});
    this.#child.on('error', (error) => { this.#end(error.message); });
    this.#closed = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        running.delete(this.#child);
        this.#end(`ended with ${signal ?? code ?? 'no status'}`);
        resolve();
      });
    });
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Rejects when it doesn't come in time, when the process ends before, and when the guest is lost. */
  async waitFor(pattern: RegExp, timeoutSeconds: number): Promise<Sighting> {
    const deadlineMillis = performance.now() + timeoutSeconds * 1000;
    for (;;) {
      const unread = this.#output.slice(this.#searchFrom);
      const match = pattern.exec(unread);
      if (match !== null) {
        const end = this.#searchFrom + match.index + match[0].length;
        const piece = this.#pieces.find((one) => one.end >= end);
        this.#searchFrom = end;
        return { match, atSeconds: ((piece?.atMillis ?? performance.now()) - this.#startedAtMillis) / 1000 };
      }
      const lost = GUEST_IS_LOST.exec(unread);
      const reason = lost?.[0] ?? this.#over;
      if (reason !== undefined) throw this.#failure(pattern, reason);
      const leftMillis = deadlineMillis - performance.now();
      if (leftMillis <= 0) throw this.#failure(pattern, `not within ${timeoutSeconds} s`);
      await this.#change(leftMillis);
    }
  }

  /** Waits for the end of the process, and kills it when that doesn't come. */
  async end(withinSeconds: number): Promise<void> {
    const timer = setTimeout(() => {
      this.#child.kill('SIGTERM');
      setTimeout(() => this.#child.kill('SIGKILL'), KILL_AFTER_MILLIS).unref();
    }, withinSeconds * 1000);
    await this.#closed;
    clearTimeout(timer);
  }

  #end(reason: string): void {
    this.#over ??= reason;
    this.#tellChange();
  }

  #tellChange(): void {
    for (const tell of [...this.#changed]) tell();
  }

  #change(withinMillis: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#changed.delete(done);
        resolve();
      };
      const timer = setTimeout(done, withinMillis);
      this.#changed.add(done);
    });
  }

  #failure(pattern: RegExp, reason: string): Error {
    const tail = `${this.#output.slice(-TAIL_CHARACTERS)}${this.#errors}`.trim();
    return new Error(`no ${pattern.source}: ${reason}; it last said: ${JSON.stringify(tail.slice(-TAIL_CHARACTERS))}`);
  }
}
