import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { VitestTally } from './scripts/test/vitest-tally.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    exclude: ['test/e2e/**', 'test/layers/planted/**', 'node_modules/**'],
    environment: 'node',
    // For a host that has other things to do: no test measures time.
    testTimeout: 90_000,
    hookTimeout: 180_000,
    // A test of a guest has a machine process beside it, which is where its work is done.
    maxWorkers: Math.max(2, Math.floor(availableParallelism() / 2)),
    // Nobody is there to look at a log of continuous integration twice: what passes the second time is told by name.
    retry: process.env['CI'] === undefined ? 0 : 1,
    reporters: ['default', new VitestTally()],
  },
});
