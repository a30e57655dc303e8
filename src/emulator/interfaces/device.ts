/**
 * A chip or card on the board.
 *
 * `id` is unique on the board and stable for ever: saved states are keyed by it. `save` returns plain,
 * structured-clonable data and takes its fields apart exhaustively, so that a forgotten field does not compile.
 */
export interface Device<Saved = unknown> {
  readonly id: string;
  /** Version of the shape that `save` returns; `restore` gets only data of this version. */
  readonly savedVersion: number;
  /** `power-on` is a cold start, `soft` what the chip's reset pin does. Idempotent. */
  reset(kind: ResetKind): void;
  save(): Saved;
  /** On a board that has just been built, or just been restored: no guest has run. */
  restore(saved: Saved): void;
}

export type ResetKind = 'power-on' | 'soft';
