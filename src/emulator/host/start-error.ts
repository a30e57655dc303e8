/** Why a machine can't be started: a code for programs, one sentence for people, and what to do about it. */
export class StartError extends Error {
  readonly code: string;
  readonly advice: string;

  constructor(code: string, message: string, advice: string) {
    super(message);
    this.code = code;
    this.advice = advice;
  }
}
