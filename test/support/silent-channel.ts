import type { CharacterChannel } from '../../src/emulator/interfaces/character-channel.ts';

/** A cable that nobody answers on; what came along it is kept as text. */
export class SilentChannel implements CharacterChannel {
  onReadable: (() => void) | undefined = undefined;
  readonly available = 0;
  text = '';

  send(bytes: Uint8Array): void {
    for (const byte of bytes) this.text += String.fromCharCode(byte);
  }
  receive(): Uint8Array {
    return new Uint8Array(0);
  }
}
