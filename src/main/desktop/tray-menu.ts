/** What the tray's menu offers: the machines that are on, recent ones, the window, and quitting. */
import type { MenuItemConstructorOptions } from 'electron';
import type { LibraryEntry } from '../../shared/api.ts';
import type { desktopTexts } from './desktop-texts.ts';

export interface TrayActions {
  show(machine: string | undefined): void;
  start(machine: string): void;
  quit(): void;
}

const RECENT_MAXIMUM = 5;

export function trayMenu(entries: readonly LibraryEntry[], recent: readonly string[], texts: ReturnType<typeof desktopTexts>, { show, start, quit }: TrayActions): MenuItemConstructorOptions[] {
  const isOff = ({ status }: LibraryEntry): boolean => status.state === 'off' || status.state === 'crashed';
  const on = entries.filter((entry) => !isOff(entry));
  const startable = recent.flatMap((name) => entries.find((entry) => entry.name === name && isOff(entry) && entry.broken === undefined) ?? []).slice(0, RECENT_MAXIMUM);
  return [
    ...on.map((entry): MenuItemConstructorOptions => ({ label: texts.showMachine(entry.name), click: () => { show(entry.name); } })),
    ...(on.length === 0 ? [] : [{ type: 'separator' } as const]),
    ...startable.map((entry): MenuItemConstructorOptions => ({ label: texts.startMachine(entry.name), click: () => { start(entry.name); } })),
    ...(startable.length === 0 ? [] : [{ type: 'separator' } as const]),
    { label: texts.openWindow, click: () => { show(undefined); } },
    { label: texts.quitApp, click: quit },
  ];
}
