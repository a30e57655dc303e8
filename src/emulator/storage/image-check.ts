/** What a check of an image found, whatever its format. */
export interface ImageCheck {
  /** Tables that contradict each other or point nowhere: data is or will be lost. The first hundred, in words. */
  readonly errors: readonly string[];
  readonly errorCount: number;
  /** Parts of the file that nothing refers to, in the format's units: they cost space only. */
  readonly leakedUnits: number;
  /** Errors and leaks that were mended; what is left is counted above. */
  readonly repaired: number;
  /** Units of the disk that have a place in the file, and all of them. */
  readonly allocatedUnits: number;
  readonly totalUnits: number;
  readonly unitBytes: number;
}

export const NO_FINDINGS: Pick<ImageCheck, 'errors' | 'errorCount' | 'leakedUnits' | 'repaired'> = { errors: [], errorCount: 0, leakedUnits: 0, repaired: 0 };

const ERRORS_LISTED = 100;

/** Collects errors without growing with them. */
export class Findings {
  readonly errors: string[] = [];
  errorCount = 0;

  add(error: string): void {
    this.errorCount++;
    if (this.errors.length < ERRORS_LISTED) this.errors.push(error);
  }
}

export interface CheckOptions {
  readonly repair: boolean;
  /** Between 0 and 1. Throws to stop the check. */
  readonly progress: (done: number) => void;
}
