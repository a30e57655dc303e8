import { defineConfig } from '@playwright/test';
import { findChromium } from './scripts/setup/host-tools.mjs';

const chromium = findChromium();

export default defineConfig({
  testDir: 'test/e2e',
  testMatch: '**/*.spec.ts',
  outputDir: 'test-results',
  // Every test runs machines of its own; two at once would only make each other slow.
  workers: 1,
  // As for Vitest: told by name.
  retries: process.env['CI'] === undefined ? 0 : 1,
  forbidOnly: true,
  timeout: 180_000,
  // A busy host is late; that alone fails no test.
  expect: { timeout: 30_000 },
  reporter: [['list'], ['./scripts/test/playwright-tally.ts']],
  use: {
    browserName: 'chromium',
    headless: true,
    viewport: { width: 1280, height: 900 },
    screenshot: 'only-on-failure',
    launchOptions: {
      ...(chromium === undefined ? {} : { executablePath: chromium }),
      // Chromium refuses its sandbox to root.
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    },
  },
});
