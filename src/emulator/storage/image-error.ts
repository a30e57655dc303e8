/** What is wrong with an image: a code for programs, one sentence for people, and what to do about it. */
export class ImageError extends Error {
  readonly code: string;
  readonly advice: string;

  constructor(code: string, message: string, advice: string) {
    super(message);
    this.code = code;
    this.advice = advice;
  }
}

/** Tables or headers that contradict themselves. */
export function damaged(message: string): ImageError {
  return new ImageError('image.damaged', message, 'try "guesthouse disk check --repair", or restore the image from a copy');
}

/** Legal, but nothing that this version can do. */
export function unsupported(message: string, advice = 'convert it with the program that made it'): ImageError {
  return new ImageError('image.unsupported', message, advice);
}

/** What comes out of an image, fit for a message: nothing in it may reach a terminal as a command. */
export function printable(name: string): string {
  return name.slice(0, 200).replace(/\p{C}/gu, '?');
}

export function readOnlyImage(): ImageError {
  return new ImageError('image.read-only', 'the image is read-only', 'attach it for writing');
}
