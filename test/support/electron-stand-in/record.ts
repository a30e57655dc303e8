/** What the test that started the stand-in is told, and what it told the stand-in beforehand. */
export type StandInRecord =
  | { readonly kind: 'browser'; readonly endpoint: string }
  | { readonly kind: 'window'; readonly url: string; readonly webPreferences: unknown }
  | { readonly kind: 'menu'; readonly template: unknown }
  | { readonly kind: 'error-box'; readonly title: string; readonly content: string }
  | { readonly kind: 'message-box'; readonly options: unknown }
  | { readonly kind: 'open-dialog'; readonly options: unknown };

/** Answers for dialogs still to come, in order; without one a dialog is cancelled. */
export type StandInOrder = { readonly kind: 'answer-dialog'; readonly response?: number; readonly filePaths?: readonly string[] } | { readonly kind: 'quit' } | { readonly kind: 'second-instance' };

export function record(entry: StandInRecord): void {
  if (process.connected) process.send?.(entry);
  else process.stderr.write(`electron stand-in: ${JSON.stringify(entry)}\n`);
}
