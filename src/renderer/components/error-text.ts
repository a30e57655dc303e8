/** Errors of the app as a person of either language reads them. The app writes them in English; codes know both. */
import type { TFunction } from 'i18next';
import type { MachineError } from '../../shared/result.ts';
import { en } from '../i18n/en.ts';

export interface ErrorText {
  readonly title: string;
  /** What to do about it; where the language is the app's own, with what exactly is wrong. */
  readonly text: string;
  /** The app's own words, where they are in another language. */
  readonly original: string | undefined;
}

type KnownCode = keyof typeof en.errorCode;

function isKnown(code: string): code is KnownCode {
  return code !== 'unknown' && Object.hasOwn(en.errorCode, code);
}

export function errorText(error: MachineError, t: TFunction, language: string): ErrorText {
  const code: KnownCode = isKnown(error.code) ? error.code : 'unknown';
  // The codes hold dots, which would otherwise lead into the tree of texts.
  const titles = t('errorCode', { returnObjects: true });
  const advices = t('errorAdvice', { returnObjects: true });
  const title = titles[code];
  const message = capitalized(error.message);
  if (language === 'en') {
    const text = error.advice === '' ? t('app.messageOnly', { message }) : t('app.adviceSeparator', { message, advice: capitalized(error.advice) });
    return { title, text, original: undefined };
  }
  const words = error.advice === '' ? message : `${message}: ${error.advice}`;
  return { title, text: advices[code], original: t('app.original', { message: words }) };
}

/** The app's messages begin small, to stand after a colon; a name such as `machine.json` stays as it is. */
function capitalized(text: string): string {
  return /^[a-z]+(?:\s|$)/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}
