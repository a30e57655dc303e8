/**
 * The debug console port that SeaBIOS, OVMF and Linux find by reading 0xE9 from it. Not a chip: what is written to it
 * leaves the machine.
 */
import { byteWideHandler } from './byte-registers.ts';
import type { IoHandler } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';

const DEBUG_CONSOLE_PRESENT = 0xe9;

export interface DebugPortOptions {
  readonly id: string;
  /** Called with each byte the guest writes, 0 to 255. */
  readonly emit: (byte: number) => void;
}

/** Holds nothing. */
export type SavedDebugPort = Readonly<Record<string, never>>;

export class DebugPort implements Device<SavedDebugPort> {
  readonly id: string;
  readonly savedVersion = 1;
  /** One port. */
  readonly ports: IoHandler;

  constructor(options: DebugPortOptions) {
    this.id = options.id;
    const single = byteWideHandler({
      length: 1,
      read: () => DEBUG_CONSOLE_PRESENT,
      write: (_offset, value) => { options.emit(value); },
      peek: () => DEBUG_CONSOLE_PRESENT,
    });
    this.ports = {
      ...single,
      writeBlock: (offset, width, source) => {
        if (width !== 1 || offset !== 0) return 0;
        for (const byte of source) options.emit(byte);
        return source.length;
      },
    };
  }

  reset(_kind: ResetKind): void {
    // There is nothing to reset.
  }

  save(): SavedDebugPort {
    return {};
  }

  restore(_saved: SavedDebugPort): void {
    // There is nothing to restore.
  }
}
