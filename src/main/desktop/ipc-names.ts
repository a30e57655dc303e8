/** Electron ipc channels, for main and preload alike. */
export const CALL = 'guesthouse:call';
export const EVENT = 'guesthouse:event';
export const OPEN_CHANNEL = 'guesthouse:open-channel';
export const CHANNEL = 'guesthouse:channel';
/** A file was dropped on the window. */
export const OPEN_PATH = 'guesthouse:open-path';
