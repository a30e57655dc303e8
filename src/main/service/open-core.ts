/** One owner per library: who comes first owns it, who comes later joins. */
import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createApiClient, hostInfoSchema } from '../../shared/api.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { AppCore } from '../app-core.ts';
import { createAppServices } from '../app-services.ts';
import type { AppServicesOptions, OwningCore } from '../app-services.ts';
import { fileError } from '../machines/media-check.ts';
import { WarmLauncher } from '../machines/warm-launcher.ts';
import { joinOwner } from './owner-connection.ts';
import type { JoinedCore } from './owner-connection.ts';
import { prepareSocketFolder, serveAsOwner } from './owner-server.ts';
import type { OwnerServer } from './owner-server.ts';

const LOCK_STALE_MILLIS = 15_000;
const LOCK_POLL_MILLIS = 25;

export type OpenedCore = { readonly owns: true; readonly core: OwningCore; readonly server: OwnerServer } | { readonly owns: false; readonly core: JoinedCore };

/** Joins the owner of the library, or becomes it. */
export async function openCore(options: AppServicesOptions): Promise<Result<OpenedCore>> {
  const { ownerSocket } = options.paths;
  const folder = prepareSocketFolder(ownerSocket);
  if (!folder.ok) return folder;
  return withLock(`${process.platform === 'win32' ? options.paths.runtimeFolder : ownerSocket}.lock`, async (): Promise<Result<OpenedCore>> => {
    const joined = await joinOwner(ownerSocket);
    if (joined !== undefined) return joined.ok ? ok({ owns: false, core: withOwnShell(joined.value, options) }) : joined;
    const launcher = new WarmLauncher(options.launcher, { biosPath: options.paths.bios, vgaBiosPath: options.paths.vgaBios });
    const core = await createAppServices({ ...options, launcher });
    if (!core.ok) {
      launcher.close();
      return core;
    }
    const server = await serveAsOwner(core.value, ownerSocket);
    if (!server.ok) {
      launcher.close();
      await core.value.close();
      return server;
    }
    const close = async (): Promise<void> => {
      server.value.close();
      launcher.close();
      await core.value.close();
    };
    return ok({ owns: true, core: Object.assign(Object.create(core.value) as OwningCore, { close }), server: server.value });
  });
}

/** A joined shell's dialogs are its own, and it is what it is. */
function withOwnShell(core: JoinedCore, { shell, pickFile }: AppServicesOptions): JoinedCore {
  const call: AppCore['call'] = async (method, input) => {
    if (method === 'dialogs.pickFile') {
      if (pickFile === undefined) return fail('dialogs.not-here', 'this shell has no dialogs of its own', 'browse the host\'s files instead');
      const path = await pickFile(input as Parameters<typeof pickFile>[0]);
      return ok(path === undefined ? {} : { path });
    }
    const result = await core.call(method, input);
    if (method !== 'host.info' || !result.ok) return result;
    const info = hostInfoSchema.safeParse(result.value);
    return info.success ? ok({ ...info.data, shell }) : result;
  };
  return { ...core, call, client: createApiClient(call) };
}

/** Makes becoming the owner one at a time: two that find a dead owner's socket must not both replace it. */
async function withLock<T>(path: string, work: () => Promise<Result<T>>): Promise<Result<T>> {
  for (;;) {
    try {
      mkdirSync(path);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return fileError(error, path, 'lock');
    }
    try {
      if (Date.now() - statSync(path).mtimeMs > LOCK_STALE_MILLIS) rmdirSync(path);
    } catch {
      // Its holder was quicker.
    }
    await delay(LOCK_POLL_MILLIS);
  }
  try {
    return await work();
  } finally {
    try {
      rmdirSync(path);
    } catch {
      // Somebody took it for stale.
    }
  }
}
