export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

/**
 * Where devices say what a guest did wrong. Lines are rate-limited per `topic` by the implementation, so a guest
 * can't fill the disk: a constant topic per call site, the varying part in `message`.
 */
export interface DeviceLog {
  log(level: LogLevel, topic: string, message: string): void;
}
