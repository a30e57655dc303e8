/** What is wrong with a saved state, and what to do about it. */
export class StateError extends Error {
  readonly code: string;
  readonly advice: string;

  constructor(code: string, message: string, advice: string) {
    super(message);
    this.code = code;
    this.advice = advice;
  }
}

/** `how`: "is cut off". */
export function damagedState(how: string): StateError {
  return new StateError('state.damaged', `the saved state ${how}`, 'restore an earlier snapshot, or start the machine without the state: guesthouse start NAME --cold');
}
