/** Waits for texts in what a guest prints: on its serial console as a stream, on its text screen as a picture. */

/** Longest text that can be waited for; what is kept of the stream is as long. */
const TEXT_CHARACTERS_MAXIMUM = 4096;
const ESC = '\u001b';

/** Takes terminal escape sequences out of a stream, which would otherwise hide a text that they colour. */
class EscapeFilter {
  #state: 'text' | 'escape' | 'control-sequence' | 'string' = 'text';

  filter(text: string): string {
    let plain = '';
    for (const character of text) {
      switch (this.#state) {
        case 'text':
          if (character === ESC) this.#state = 'escape';
          else if (character !== '\0') plain += character;
          break;
        case 'escape':
          this.#state = character === '[' ? 'control-sequence' : character === ']' || character === 'P' ? 'string'
            : character >= ' ' && character <= '/' ? 'escape' : 'text';
          break;
        case 'control-sequence':
          if (character >= '@' && character <= '~') this.#state = 'text';
          break;
        case 'string':
          if (character === '\u0007' || character === '\\' || character === '\n') this.#state = 'text';
          break;
      }
    }
    return plain;
  }
}

/** Counts how often each text has appeared in a stream of bytes (UTF-8). */
export class StreamWatch {
  readonly #texts: readonly string[];
  readonly #counts: number[];
  readonly #decoder = new TextDecoder();
  readonly #filter = new EscapeFilter();
  /** The end of the stream for each text, in which the text has not been counted yet. */
  readonly #tails: string[];

  constructor(texts: readonly string[]) {
    this.#texts = texts;
    this.#counts = texts.map(() => 0);
    this.#tails = texts.map(() => '');
  }

  write(bytes: Uint8Array): void {
    if (this.#texts.length === 0) return;
    const plain = this.#filter.filter(this.#decoder.decode(bytes, { stream: true })).replaceAll('\r', '');
    for (const [index, text] of this.#texts.entries()) {
      let rest = this.#tails[index]! + plain;
      for (let at = rest.indexOf(text); at >= 0; at = rest.indexOf(text)) {
        this.#counts[index]! += 1;
        rest = rest.slice(at + text.length);
      }
      this.#tails[index] = text.length > 1 ? rest.slice(-Math.min(text.length - 1, TEXT_CHARACTERS_MAXIMUM)) : '';
    }
  }

  count(text: string): number {
    const index = this.#texts.indexOf(text);
    return index < 0 ? 0 : this.#counts[index]!;
  }
}

/**
 * How often a text is on the screen; one that is longer than a row may run on in the next. A row's blank end counts as
 * the blanks that a text ends in, such as a prompt's.
 */
export function countOnScreen(rows: readonly string[], text: string): number {
  const lines = rows.map((row) => row.trimEnd());
  const width = Math.max(0, ...lines.map((line) => line.length));
  const blanks = text.length - text.trimEnd().length;
  const readings = [lines.join('\n'), lines.map((line) => line + ' '.repeat(blanks)).join('\n'), lines.map((line) => line.padEnd(width)).join('')];
  return Math.max(...readings.map((all) => occurrences(all, text)));
}

function occurrences(all: string, text: string): number {
  let count = 0;
  for (let at = all.indexOf(text); at >= 0; at = all.indexOf(text, at + text.length)) count += 1;
  return count;
}
