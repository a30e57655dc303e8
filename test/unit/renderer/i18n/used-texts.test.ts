/** Every text that the window asks for is there (the compiler knows), and every text that is there is asked for. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { en } from '../../../../src/renderer/i18n/en.ts';

interface Tree { readonly [key: string]: string | Tree }

const source = join(import.meta.dirname, '../../../../src/renderer');

function keysOf(tree: Tree, path: string): string[] {
  return Object.entries(tree).flatMap(([key, value]) => (typeof value === 'string' ? [`${path}${key}`] : keysOf(value, `${path}${key}.`)));
}

it('no text is left over', () => {
  const program = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file) && !file.startsWith('i18n'))
    .map((file) => readFileSync(join(source, file), 'utf8')).join('\n');
  // `manager.sortBy.${sort}` asks for all that begins and ends so.
  const open = [...program.matchAll(/`([a-zA-Z]+\.[^`\n]*\$\{[^`\n]*)`/g)].map(([, text]) => new RegExp(`^${(text ?? '').split(/\$\{[^}]*\}/).map((part) => part.replace(/[.*+?^()|[\]\\]/g, '\\$&')).join('.+')}$`));
  const isNamed = (key: string): boolean => ["'", '"', '`'].some((quote) => program.includes(`${quote}${key}${quote}`));
  const { errorCode: _codes, errorAdvice: _advices, ...rest } = en;
  const unused = keysOf(rest, '').filter((key) => !isNamed(key) && !open.some((pattern) => pattern.test(key)));
  expect(unused).toEqual([]);
});
