import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { de } from '../../../../src/renderer/i18n/de.ts';
import { en } from '../../../../src/renderer/i18n/en.ts';
import { formatBytes, withDecimalPoint } from '../../../../src/renderer/i18n/format.ts';
import { chooseLanguage } from '../../../../src/renderer/i18n/i18n.ts';

interface Tree { readonly [key: string]: string | Tree }

function leaves(tree: Tree, path = ''): Map<string, string> {
  return new Map(Object.entries(tree).flatMap(([key, value]) => typeof value === 'string' ? [[`${path}${key}`, value] as const] : [...leaves(value, `${path}${key} > `)]));
}

const blanks = (text: string): string[] => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name ?? '').sort();

describe('the two languages', () => {
  const [english, german] = [leaves(en), leaves(de)];

  it('have the same keys', () => {
    expect([...german.keys()].sort()).toEqual([...english.keys()].sort());
  });

  it('leave the same blanks to fill in', () => {
    for (const [key, text] of english) expect(blanks(german.get(key) ?? ''), key).toEqual(blanks(text));
  });

  it('leave no text empty', () => {
    for (const texts of [english, german]) for (const [key, text] of texts) expect(text.trim(), key).not.toBe('');
  });

  it('give every error a title and an advice', () => {
    expect(Object.keys(en.errorAdvice)).toEqual(Object.keys(en.errorCode));
  });

  it('know every error that reaches the window', () => {
    // The command line's and the servers' own never do.
    const elsewhere = /^(?:run|output|serve|stop|owner|usage|size|api\.unreachable)\b/;
    const source = join(import.meta.dirname, '../../../../src');
    const codes = new Set(['main', 'emulator'].flatMap((layer) => readdirSync(join(source, layer), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !/^(?:cli|web)\b/.test(file))
      .flatMap((file) => [...readFileSync(join(source, layer, file), 'utf8').matchAll(/\b(?:fail\(|StartError\(|ImageError\(|code: )'([a-z-]+\.[a-z.-]+)'/g)].map(([, code]) => code ?? ''))));
    expect([...codes].filter((code) => !elsewhere.test(code) && !Object.hasOwn(en.errorCode, code))).toEqual([]);
  });
});

describe('the language to show', () => {
  it('is the chosen one, whatever the host prefers', () => {
    expect(chooseLanguage('de', ['en-GB'])).toBe('de');
  });

  it('is the first of the host\'s that there is', () => {
    expect(chooseLanguage('system', ['fr-FR', 'de-AT', 'en'])).toBe('de');
  });

  it('is English where the host knows neither', () => {
    expect(chooseLanguage('system', ['fr'])).toBe('en');
  });
});

describe('sizes', () => {
  it('are written as the language writes numbers', () => {
    expect(formatBytes(1.5 * 1024 ** 3, 'en')).toBe('1.5 GiB');
    expect(formatBytes(1.5 * 1024 ** 3, 'de')).toBe('1,5 GiB');
    expect(formatBytes(0, 'en')).toBe('0 B');
  });

  it('may be typed with a decimal comma', () => {
    expect(withDecimalPoint('1,5 GiB')).toBe('1.5 GiB');
    expect(withDecimalPoint('512 MiB')).toBe('512 MiB');
  });
});
