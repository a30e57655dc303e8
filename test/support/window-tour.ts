/** Every window, dialog and condition of the user interface that a person can come to, for pictures and for checks of all of them. */
import type { Page } from 'playwright-core';
import type { FakeMachineOptions, FakeShell } from './fake-shell.ts';
import { SHOWN_MACHINES } from './fake-shell.ts';

export interface TourStop {
  readonly name: string;
  readonly machines: readonly FakeMachineOptions[];
  /** Leads there from the freshly opened page. Finds things by their places, so that it works in either language. */
  go(page: Page, shell: FakeShell): Promise<void>;
}

const stop = (name: string, go: TourStop['go'], machines: readonly FakeMachineOptions[] = SHOWN_MACHINES): TourStop => ({ name, machines, go });
const option = (page: Page, name: string) => page.getByRole('option', { name });
const press = (page: Page, ...keys: string[]): Promise<void> => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());

export const TOUR: readonly TourStop[] = [
  stop('first-run', async (page) => { await page.locator('.first-run').waitFor(); }, []),
  stop('manager-list', async (page, shell) => {
    shell.turnOn('Debian 12');
    shell.setStatus('FreeDOS', { state: 'paused' });
    await option(page, 'Debian 12').click();
  }),
  stop('manager-grid', async (page, shell) => {
    shell.turnOn('Debian 12');
    await page.locator('.list-toolbar button').last().click();
    await option(page, 'FreeDOS').click();
  }),
  stop('manager-several', async (page) => {
    await option(page, 'Lesson 1').click();
    await press(page, 'Shift+ArrowDown', 'Shift+ArrowDown');
    await page.locator('.several-list').waitFor();
  }),
  stop('manager-nothing-found', async (page) => { await page.locator('.search-input').fill('zebra'); await page.locator('.list-empty').waitFor(); }),
  stop('manager-crashed', async (page, shell) => {
    shell.setStatus('Router test', { state: 'crashed', crash: { error: { code: 'machines.process-died', message: 'the machine\'s process died (signal SIGKILL)', advice: 'see the machine\'s log and start it again' }, lastLogLines: ['error: the last line'] } });
    await option(page, 'Router test').click();
  }),
  stop('description', async (page) => {
    await option(page, 'Debian 12').click();
    await page.locator('.details .controls button').last().click();
    await page.getByRole('menuitem').nth(1).click();
    await page.getByRole('dialog').waitFor();
  }),
];
