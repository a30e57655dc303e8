/** How a verb ends: exit statuses, and errors as one line on standard error. */
import { errorLine, fail } from '../../shared/result.ts';
import type { MachineError, Result } from '../../shared/result.ts';

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_TIMEOUT = 124;

/** Ends a verb with a message. Thrown inside `cli/` only, caught in `main.ts`. */
export class CommandFailure extends Error {
  readonly status: number;
  readonly error: MachineError;

  constructor(status: number, error: MachineError) {
    super(error.message);
    this.status = status;
    this.error = error;
  }
}

export function usageFailure(message: string, advice: string): CommandFailure {
  return new CommandFailure(EXIT_USAGE, fail('usage', message, advice).error);
}

/** The value, or the verb ends with `status`. */
export function unwrap<T>(result: Result<T>, status = EXIT_FAILED): T {
  if (result.ok) return result.value;
  throw new CommandFailure(status, result.error);
}

export function printError(error: MachineError): void {
  process.stderr.write(`guesthouse: ${errorLine(error)}\n`);
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, 2));
}

/** Resolves when everything written to standard output and error has left this process. */
export async function flushOutput(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => {
    if (stream.destroyed || !stream.writable) resolve();
    else stream.write('', () => { resolve(); });
  })));
}
