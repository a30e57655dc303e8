export function logFiles(folder: string, logFile: string): void;
export function stopLogging(): void;
export function markInFileLog(mark: unknown): void;
