/** A page of the user interface with the fake shell behind it, which must stay free of complaints of its own. */
import { test as base, expect } from '@playwright/test';
import { FakeShell } from '../support/fake-shell.ts';
import type { FakeMachineOptions, FakeShellOptions } from '../support/fake-shell.ts';

interface Fixtures {
  /** Opens the window on a library; once in a test. */
  readonly openWindow: (machines: readonly (string | FakeMachineOptions)[], options?: Omit<FakeShellOptions, 'machines'>) => Promise<FakeShell>;
}

export const test = base.extend<Fixtures>({
  openWindow: async ({ page }, use) => {
    let shell: FakeShell | undefined;
    const complaints: string[] = [];
    page.on('pageerror', (error) => { complaints.push(error.message); });
    page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
    await use(async (machines, options = {}) => {
      shell = new FakeShell({ ...options, machines });
      await shell.listen();
      await page.goto(shell.url);
      return shell;
    });
    await shell?.close();
    expect(complaints).toEqual([]);
  },
});
