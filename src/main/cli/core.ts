/** How verbs reach the library: through its owner where there is one. */
import type { AppCore } from '../app-core.ts';
import { createAppServices } from '../app-services.ts';
import { ForkLauncher } from '../machines/fork-launcher.ts';
import { joinOrStartService } from '../service/background.ts';
import { joinOwner } from '../service/owner-connection.ts';
import type { CommandLineContext } from './context.ts';
import { unwrap } from './outcome.ts';

/** For verbs that start no machine: the owner, or for the moment this process itself. */
export async function withCore<T>(context: CommandLineContext, work: (core: AppCore) => Promise<T>): Promise<T> {
  const joined = await joinOwner(context.paths.ownerSocket);
  const core: AppCore = joined !== undefined ? unwrap(joined) : unwrap(await createAppServices({ shell: 'command-line', paths: context.paths, launcher: new ForkLauncher(context.paths.vmProcess) }));
  try {
    return await work(core);
  } finally {
    await core.close();
  }
}

/** For verbs that start machines: the owner, or a background service that becomes it. */
export async function withService<T>(context: CommandLineContext, work: (core: AppCore) => Promise<T>): Promise<T> {
  const core = unwrap(await joinOrStartService(context.paths));
  try {
    return await work(core);
  } finally {
    await core.close();
  }
}
