/** The built command line as a child process, with a library of its own, and what its errors must look like. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect } from 'vitest';

const commandLine = join(import.meta.dirname, '../../dist/cli.js');
const NOBODY = 65_534;
const PATIENCE_MILLIS = 80_000;
const POLL_MILLIS = 30;

export interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Run as somebody without rights. */
  readonly asNobody?: boolean;
  readonly stdin?: 'ignore' | 'pipe';
}

/** A folder that everybody may read, and that goes when the tests of the file have run. */
export function scratchFolder(): { readonly path: string; file(name: string, contents?: Uint8Array | string): string } {
  const path = mkdtempSync(join(tmpdir(), 'guesthouse-cli-'));
  chmodSync(path, 0o755);
  afterAll(() => { rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }); });
  return {
    path,
    file(name, contents) {
      if (contents !== undefined) writeFileSync(join(path, name), contents);
      return join(path, name);
    },
  };
}

export class RunningCommand {
  readonly child: ChildProcessByStdio<Writable | null, Readable, Readable>;
  readonly ended: Promise<Ended>;
  #out = '';
  #err = '';

  constructor(home: string, args: readonly string[], { environment = {}, asNobody = false, stdin = 'ignore' }: CommandOptions) {
    this.child = spawn(process.execPath, [commandLine, ...args], {
      env: { ...process.env, GUESTHOUSE_HOME: home, NODE_COMPILE_CACHE: `${home}-compiled`, ...environment },
      stdio: [stdin, 'pipe', 'pipe'],
      ...(asNobody && isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
    }) as ChildProcessByStdio<Writable | null, Readable, Readable>;
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => { this.#out += text; });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => { this.#err += text; });
    this.ended = new Promise((resolve) => {
      this.child.on('close', (status) => { resolve({ status, out: this.#out, err: this.#err }); });
    });
  }

  /** Waits for a text on standard output. */
  async printed(text: string): Promise<void> {
    await eventually(() => this.#out.includes(text), () => `"${text}" was not printed, but "${this.#out}" and "${this.#err}"`);
  }

  /** Linux: the VM process that this command has started. */
  async vmProcess(): Promise<number> {
    let found: number | undefined;
    await eventually(() => (found = vmProcesses().find((vm) => vm.parent === this.child.pid)?.pid) !== undefined, () => 'there is no VM process');
    return found!;
  }
}

/** A command line over one home folder. */
export function commandLineAt(home: string): {
  start(args: readonly string[], options?: CommandOptions): RunningCommand;
  run(args: readonly string[], options?: CommandOptions): Promise<Ended>;
} {
  const start = (args: readonly string[], options: CommandOptions = {}): RunningCommand => new RunningCommand(home, args, options);
  return { start, run: (args, options) => start(args, options).ended };
}

const isRoot = process.getuid?.() === 0;

/** Whether the command can run as somebody without rights: root must be able to become one who can read the project. */
export const nobodyCanRun: boolean = process.platform !== 'win32'
  && (!isRoot || spawnSync(process.execPath, [commandLine, '--version'], { uid: NOBODY, gid: NOBODY, env: { PATH: process.env['PATH'] ?? '', GUESTHOUSE_HOME: '/nonexistent' } }).status === 0);

/** Environment in which Node believes that the host has `bytes` of memory. */
export function hostWithMemory(bytes: number): Record<string, string> {
  const program = `import os from "node:os"; import { syncBuiltinESMExports } from "node:module"; os.totalmem = () => ${bytes}; syncBuiltinESMExports();`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}` };
}

/** Nothing printed, one line that says what is wrong and what to do, and the status. */
export function expectRefusal(ended: Ended, status: 1 | 2, message: RegExp): void {
  expect(ended.err).toMatch(/^guesthouse: [^\n]+: [^\n]+\n$/);
  expect(ended.err).toMatch(message);
  expect([ended.status, ended.out]).toEqual([status, '']);
}

export async function eventually(holds: () => boolean | Promise<boolean>, otherwise: () => string): Promise<void> {
  for (const endsAt = Date.now() + PATIENCE_MILLIS; ; await delay(POLL_MILLIS)) {
    if (await holds()) return;
    if (Date.now() > endsAt) throw new Error(otherwise());
  }
}

/** A process that has ended may wait for its parent to notice: that one is gone, too. */
export function isAlive(pid: number): boolean {
  const state = statOf(pid)?.[0];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Linux: every VM process on this host. */
export function vmProcesses(): { pid: number; parent: number; title: string; environment: string }[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).flatMap((pid) => {
    const stat = statOf(pid);
    const title = textOf(`/proc/${pid}/cmdline`);
    if (stat === undefined || !title.includes('vm-process')) return [];
    return [{ pid, parent: Number(stat[1]), title, environment: textOf(`/proc/${pid}/environ`) }];
  });
}

/** proc(5), from the third field on: state, parent, … */
function statOf(pid: number): string[] | undefined {
  const text = textOf(`/proc/${pid}/stat`);
  return text === '' ? undefined : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function textOf(path: string): string {
  try {
    return existsSync(path) ? readFileSync(path, 'latin1') : '';
  } catch {
    return '';
  }
}
