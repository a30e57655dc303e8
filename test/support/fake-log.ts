import type { DeviceLog, LogLevel } from '../../src/emulator/interfaces/log.ts';

/** Keeps the latest lines for a test to look at. */
export class FakeLog implements DeviceLog {
  readonly lines: { level: LogLevel; topic: string; message: string }[] = [];

  log(level: LogLevel, topic: string, message: string): void {
    this.lines.push({ level, topic, message });
    if (this.lines.length > 1000) this.lines.shift();
  }
}
