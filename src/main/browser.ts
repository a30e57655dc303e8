/** The browser shell's program: serves the app on loopback and prints its address. `--port NUMBER` chooses the port. */
import { parseArgs } from 'node:util';
import { appPaths } from './app-paths.ts';
import { EXIT_OK, usageFailure } from './cli/outcome.ts';
import { runProgram } from './cli/program.ts';
import { serveUntilTold } from './cli/serve-shell.ts';

await runProgram(async () => {
  await serveUntilTold(appPaths(), portOption());
  return EXIT_OK;
});

function portOption(): string | undefined {
  try {
    return parseArgs({ options: { port: { type: 'string' } } }).values.port;
  } catch (error) {
    throw usageFailure(error instanceof Error ? error.message : 'the options are not understood', 'use --port NUMBER');
  }
}
