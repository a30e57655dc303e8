/**
 * Builds what changed into dist/: `node scripts/build.ts [--for all|command-line|desktop|browser|tests] [--quiet]`.
 * Needs Node 26 (TypeScript by type stripping) and the npm packages; scripts/setup.mjs sees to both.
 */
import { buildTargets, isTarget, type Target } from './build/steps.ts';
import { printLine } from './build/report.ts';

const args = process.argv.slice(2);
const forIndex = args.indexOf('--for');
const wanted: string = forIndex < 0 ? 'all' : (args[forIndex + 1] ?? '');
if (!isTarget(wanted)) {
  printLine(`build: no such target: ${wanted}: give one of all, command-line, desktop, browser, tests`);
  process.exit(2);
}
const target: Target = wanted;
process.exitCode = (await buildTargets(target, { quiet: args.includes('--quiet') })) ? 0 : 1;
