/** A person's folders, the app's files and a page, all of a test's own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { appPaths } from '../../src/main/app-paths.ts';
import type { AppPaths } from '../../src/main/app-paths.ts';

export const fakeVmProcess = fileURLToPath(new URL('./fake-vm-process.ts', import.meta.url));

/** Removed when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'guesthouse-test-'));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true, maxRetries: 5 }); });
  return folder;
}

export interface TestHome {
  readonly folder: string;
  readonly paths: AppPaths;
  /** A file that the fake VM process doesn't look at. */
  readonly kernel: string;
  /** For programs started by the test, to live in this home. */
  readonly environment: NodeJS.ProcessEnv;
}

/** An app with firmware and a page of one line, a person without machines, and the fake VM process. */
export function testHome(): TestHome {
  const folder = temporaryFolder();
  const file = (name: string, contents: string | Uint8Array): string => {
    const path = join(folder, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, contents);
    return path;
  };
  file('app/assets/firmware/bios-256k.bin', new Uint8Array(65_536));
  file('app/assets/firmware/vgabios-stdvga.bin', new Uint8Array(32_768));
  file('app/dist/renderer/index.html', '<!doctype html><title>Guesthouse</title><p>A page');
  const kernel = file('kernel', 'a kernel');
  const environment = { GUESTHOUSE_HOME: join(folder, 'home'), GUESTHOUSE_VM_PROCESS: fakeVmProcess, GUESTHOUSE_APP_FOLDER: join(folder, 'app') };
  return { folder, paths: appPaths({ ...process.env, ...environment }), kernel, environment };
}
