import { open } from 'node:fs/promises';

/** Names are on stable storage when their folder is, where the system knows that of folders. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
