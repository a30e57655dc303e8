/** Asks the person before something that can't be undone. */
import { createInterface } from 'node:readline/promises';
import { usageFailure } from './outcome.ts';

/** `what` names what can't be undone, where there is nobody to ask. */
export async function confirmed(question: string, what: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw usageFailure(`${what} can't be undone, and there is nobody to ask`, 'add --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(?:es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}
