/** Short messages at the window's edge: what failed, and what a person should know. */
import type { MachineError } from '../../shared/result.ts';
import { Store } from './store.ts';

export type NoticeContent = { readonly kind: 'error'; readonly error: MachineError } | { readonly kind: 'info' | 'warning'; readonly text: string };
export type Notice = NoticeContent & { readonly id: number };

const NOTICES_MAXIMUM = 4;

export const notices = new Store<readonly Notice[]>([]);
let lastId = 0;

export function showNotice(content: NoticeContent): void {
  const isSame = (other: Notice): boolean => other.kind === 'error' && content.kind === 'error'
    ? other.error.code === content.error.code && other.error.message === content.error.message
    : other.kind !== 'error' && content.kind !== 'error' && other.text === content.text;
  notices.update((shown) => [...shown.filter((other) => !isSame(other)), { ...content, id: ++lastId }].slice(-NOTICES_MAXIMUM));
}

export function dismissNotice(id: number): void {
  notices.update((shown) => shown.filter((notice) => notice.id !== id));
}
