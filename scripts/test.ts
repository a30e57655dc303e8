/**
 * `npm test [-- FILTER…]`: builds, runs Vitest and then Playwright, and ends with one line summed over both. With filters
 * only Vitest runs, on the test files whose path holds one of them. `npm run test:long` adds what is only sampled otherwise
 * (GUESTHOUSE_LONG_TESTS=1). Nothing that a test started outlives the run.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, projectFolder } from './build/folders.mjs';
import { printLine } from './build/report.ts';
import { runProgram } from './build/run-program.mjs';
import { buildTargets } from './build/steps.ts';
import { isGreen, sumTallies, tallyLine, type Tally } from './test/tally.ts';

function broken(reason: string): Tally {
  return { passed: 0, failed: 1, failures: [{ test: 'the run', reason }], flaky: [], skipped: [] };
}

const isLong = process.argv.includes('--long');
if (isLong) process.env['GUESTHOUSE_LONG_TESTS'] = '1';
/** For a test that no timeout of its runner can stop, such as an endless loop. */
const RUNNER_LIMIT_MINUTES = isLong ? 600 : 30;

async function run(name: string, program: string, args: readonly string[]): Promise<Tally> {
  const file = join(cacheFolder, `tally-${name}.json`);
  mkdirSync(cacheFolder, { recursive: true });
  rmSync(file, { force: true });
  const { status, timedOut } = await runProgram(process.execPath, [join(projectFolder, 'node_modules', program), ...args], {
    cwd: projectFolder,
    env: { ...process.env, GUESTHOUSE_TALLY_FILE: file },
    wholeGroup: true,
    limitMillis: RUNNER_LIMIT_MINUTES * 60_000,
  });
  if (timedOut) printLine(`test: ${name} was stopped after ${RUNNER_LIMIT_MINUTES} minutes`);
  let tally: Tally;
  try {
    tally = JSON.parse(readFileSync(file, 'utf8')) as Tally;
  } catch {
    return broken(`${name} ended with status ${status} and left no count`);
  }
  // A runner may fail for a reason it attributes to no test.
  return status !== 0 && tally.failed === 0 ? sumTallies([tally, broken(`${name} ended with status ${status}`)]) : tally;
}

function hasEndToEndTests(): boolean {
  const folder = join(projectFolder, 'test/e2e');
  return existsSync(folder) && readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.spec.ts'));
}

const filters = process.argv.slice(2).filter((argument) => argument !== '--long');
const tallies: Tally[] = [];
if (!await buildTargets('tests', { quiet: true })) tallies.push(broken('the build failed'));
tallies.push(await run('vitest', 'vitest/vitest.mjs', ['run', ...filters]));
if (filters.length === 0 && hasEndToEndTests()) tallies.push(await run('playwright', '@playwright/test/cli.js', ['test']));

const total = sumTallies(tallies);
// Last, where a log that is cut still shows it.
for (const { test, reason } of total.failures) process.stdout.write(`failed: ${test}: ${reason}\n`);
for (const { test, reason } of total.flaky) process.stdout.write(`passed at the second try: ${test}: ${reason}\n`);
for (const { test, reason } of total.skipped) process.stdout.write(`skipped: ${test}: ${reason}\n`);
process.stdout.write(`${tallyLine(total)}\n`);
process.exitCode = isGreen(total) ? 0 : 1;
