/** The browser shell: the library's owner, or a window on it, behind a web server on loopback. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { AppPaths } from '../app-paths.ts';
import { ForkLauncher } from '../machines/fork-launcher.ts';
import { openCore } from '../service/open-core.ts';
import { startWebServer } from './web-server.ts';

export interface BrowserShell {
  /** With the token. */
  readonly address: string;
  /** Resolves when the shell can't go on: the owner it had joined ended. */
  readonly lost: Promise<void>;
  /** Ends the shell, and with it the machines that it owns. */
  close(): Promise<void>;
}

/** `port` 0 takes a free one. Errors: those of `openCore` and `startWebServer`, `serve.no-renderer`. */
export async function startBrowserShell(paths: AppPaths, port: number): Promise<Result<BrowserShell>> {
  if (!existsSync(join(paths.rendererFolder, 'index.html'))) return fail('serve.no-renderer', 'the user interface is not built', 'run "npm run build"');
  const opened = await openCore({ shell: 'browser', paths, launcher: new ForkLauncher(paths.vmProcess) });
  if (!opened.ok) return opened;
  const { core } = opened.value;
  const server = await startWebServer(core, paths.rendererFolder, port);
  if (!server.ok) {
    await core.close();
    return server;
  }
  const lost = new Promise<void>((resolve) => { if (!opened.value.owns) opened.value.core.onLost(resolve); });
  return ok({
    address: server.value.address,
    lost,
    async close() {
      await server.value.close();
      await core.close();
    },
  });
}
