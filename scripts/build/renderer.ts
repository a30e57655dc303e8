import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { build } from 'vite';
import { distFolder, projectFolder } from './folders.mjs';

/** The user interface as static files: Electron loads them from disk, the browser shell serves them. */
export async function buildRenderer(): Promise<void> {
  const fresh = join(distFolder, '.renderer-new');
  const served = join(distFolder, 'renderer');
  const previous = join(distFolder, '.renderer-old');
  await build({
    configFile: false,
    root: join(projectFolder, 'src/renderer'),
    // Relative addresses: the page is opened from file: and from any path of a server.
    base: './',
    logLevel: 'error',
    plugins: [react()],
    build: { outDir: fresh, emptyOutDir: true, target: 'esnext', sourcemap: true, chunkSizeWarningLimit: 4096 },
  });
  rmSync(previous, { recursive: true, force: true });
  if (existsSync(served)) renameSync(served, previous);
  renameSync(fresh, served);
  rmSync(previous, { recursive: true, force: true });
}
