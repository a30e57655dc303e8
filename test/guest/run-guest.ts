/** `guesthouse run` as a script would call it: the built command line as a child process, its exit status and all it printed. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { VmStats } from '../../src/shared/vm-protocol.ts';

const project = join(import.meta.dirname, '../..');
const commandLine = join(project, 'dist/cli.js');

/** Ends a run that hangs, with status 124 and what it printed so far; far above what a busy host takes. */
const BOOT_SECONDS = 300;
export const BOOT_MILLIS = (BOOT_SECONDS + 30) * 1000;

export interface GuestRun {
  readonly status: number | null;
  /** The serial console: carriage returns and terminal escape sequences taken out. */
  readonly serial: string;
  readonly errors: string;
  /** There whenever the VM process ended in order. */
  readonly stats: VmStats | undefined;
  /** The last picture, where a run asked for it with `picture`. */
  readonly screenshot: Uint8Array | undefined;
}

export interface GuestRunOptions {
  readonly timeoutSeconds?: number;
  /** Keep the screen as the machine ended. */
  readonly picture?: boolean;
  readonly environment?: NodeJS.ProcessEnv;
  /** A program and its arguments that run it, in a network namespace for instance. */
  readonly within?: readonly string[];
  /** Told of all that was printed as errors so far, with the number of the process. */
  readonly onErrors?: (errors: string, processId: number) => void;
}

let scratch: string | undefined;

/** A path in a folder that goes when the tests of the file have run. */
export function scratchFile(name: string): string {
  scratch ??= mkdtempSync(join(tmpdir(), 'guesthouse-guest-'));
  return join(scratch, name);
}

/** To be called once in every test file that runs guests. */
export function removeScratchFiles(): void {
  afterAll(() => {
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
    scratch = undefined;
  });
}

let runs = 0;

/** Runs `guesthouse run` with `args` to its end. Several can run at once. */
export async function runGuest(args: readonly string[], { timeoutSeconds = BOOT_SECONDS, picture = false, environment = {}, within = [], onErrors }: GuestRunOptions = {}): Promise<GuestRun> {
  runs += 1;
  const statsFile = scratchFile(`stats-${runs}.json`);
  const pictureFile = scratchFile(`screen-${runs}.png`);
  const [program, ...before] = [...within, process.execPath];
  const child = spawn(program, [
    ...before, commandLine, 'run', '--timeout', String(timeoutSeconds), '--stats', statsFile,
    ...(picture ? ['--screenshot-on-exit', pictureFile] : []), ...args,
  ], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
  let serial = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => { serial += text; });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
    if (child.pid !== undefined) onErrors?.(errors, child.pid);
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return {
    status, errors,
    serial: plainText(serial),
    stats: existsSync(statsFile) ? JSON.parse(readFileSync(statsFile, 'utf8')) as VmStats : undefined,
    screenshot: existsSync(pictureFile) ? readFileSync(pictureFile) : undefined,
  };
}

function plainText(terminal: string): string {
  // eslint-disable-next-line no-control-regex -- escape sequences begin with a control character
  return terminal.replace(/\x1b(?:\[[0-9;?]*[@-~]|[@-Z\\-_])/g, '').replaceAll('\r', '');
}

/**
 * Kernel parameters that leave out what only costs time here: the crypto API's own tests of its algorithms, which are half
 * the instructions of a boot on a 32-bit kernel. The long tests boot without them.
 */
export const QUICK_BOOT = 'quiet cryptomgr.notests';

/** The full matrix of kernels and media, of which the other tests are a sample. */
export const LONG_TESTS = process.env['GUESTHOUSE_LONG_TESTS'] === '1';
export const longTestsReason = 'takes a quarter of an hour: npm run test:long (GUESTHOUSE_LONG_TESTS=1) runs it';
