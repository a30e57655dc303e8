/**
 * Errors cross processes as data: a stable code for programs, one sentence for people, and what to do about it. What they
 * must look like is `machine-error.ts`'s: it stays out of here, so that a VM process doesn't load its schema library.
 */
import type { MachineError } from './machine-error.ts';

export type { MachineError };

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: MachineError };

export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function fail(code: string, message: string, advice = ''): { readonly ok: false; readonly error: MachineError } {
  return { ok: false, error: { code, message: oneLine(message), advice: oneLine(advice) } };
}

/** `what is wrong: what to do`, on one line. */
export function errorLine(error: MachineError): string {
  return error.advice === '' ? oneLine(error.message) : `${oneLine(error.message)}: ${oneLine(error.advice)}`;
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ').trim();
}
