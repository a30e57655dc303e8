/** What the test that started the stand-in is told, and what it told the stand-in beforehand. */
export type StandInRecord =
  | { readonly kind: 'browser'; readonly endpoint: string }
  | { readonly kind: 'window'; readonly url: string; readonly webPreferences: unknown; readonly bounds?: readonly number[] }
  | { readonly kind: 'menu'; readonly template: unknown }
  | { readonly kind: 'error-box'; readonly title: string; readonly content: string }
  | { readonly kind: 'message-box'; readonly options: unknown }
  | { readonly kind: 'open-dialog'; readonly options: unknown }
  | { readonly kind: 'recent-document'; readonly path: string }
  | { readonly kind: 'recent-cleared' }
  | { readonly kind: 'tray-menu'; readonly labels: readonly string[] }
  | { readonly kind: 'notification'; readonly title: string };

/** Answers for dialogs still to come, in order; without one a dialog is cancelled. */
export type StandInOrder = { readonly kind: 'answer-dialog'; readonly response?: number; readonly filePaths?: readonly string[] } | { readonly kind: 'quit' }
  /** Another start of the app, with what it was given. */
  | { readonly kind: 'second-instance'; readonly argv?: readonly string[] }
  /** As macOS tells a double click. */
  | { readonly kind: 'open-file'; readonly path: string }
  /** The host falls asleep or wakes. */
  | { readonly kind: 'power'; readonly event: 'suspend' | 'resume' }
  | { readonly kind: 'press-tray'; readonly label: string }
  | { readonly kind: 'close-windows' };

export function record(entry: StandInRecord): void {
  if (process.connected) process.send?.(entry);
  else process.stderr.write(`electron stand-in: ${JSON.stringify(entry)}\n`);
}
