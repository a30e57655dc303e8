/** Electron ipc channels, for main and preload alike. */
export const CALL = 'guesthouse:call';
export const EVENT = 'guesthouse:event';
export const OPEN_CHANNEL = 'guesthouse:open-channel';
export const CHANNEL = 'guesthouse:channel';
