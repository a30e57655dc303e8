/** This process's standard input and output as a machine's serial terminal. */
import type { Terminal } from './ephemeral-machine.ts';

export class ProcessTerminal implements Terminal {
  write(bytes: Uint8Array): boolean {
    return process.stdout.write(bytes);
  }

  get bytesBehind(): number {
    return process.stdout.writableLength;
  }

  onDrained(listener: () => void): void {
    process.stdout.on('drain', listener);
  }

  onGone(listener: () => void): void {
    process.stdout.on('error', listener);
  }

  openInput(receive: (bytes: Uint8Array) => void): () => void {
    const { stdin } = process;
    const onData = (chunk: Buffer): void => { receive(new Uint8Array(chunk)); };
    const onError = (): void => {};
    if (stdin.isTTY) stdin.setRawMode(true);
    stdin.on('data', onData);
    stdin.on('error', onError);
    stdin.resume();
    return () => {
      stdin.off('data', onData);
      stdin.pause();
      if (stdin.isTTY) stdin.setRawMode(false);
    };
  }

  writeError(text: string): void {
    // In raw mode a line feed alone would not go back to the first column.
    process.stderr.write(process.stdin.isTTY && process.stdin.isRaw ? text.replaceAll('\n', '\r\n') : text);
  }
}
