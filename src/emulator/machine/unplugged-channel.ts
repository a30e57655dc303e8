import type { CharacterChannel } from '../interfaces/character-channel.ts';

/** A cable with nothing at its other end. */
export class UnpluggedChannel implements CharacterChannel {
  onReadable: (() => void) | undefined = undefined;
  readonly available = 0;

  send(_bytes: Uint8Array): void {}

  receive(_limit: number): Uint8Array {
    return new Uint8Array(0);
  }
}
