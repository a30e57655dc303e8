/** What every way in holds: the library's owner in this process, or a connection to the process that is it. */
import type { ApiClient, ApiEvent, ChannelKind, MethodName } from '../shared/api.ts';
import type { Result } from '../shared/result.ts';

/** One end of an open display or console: messages of the contract, already validated downwards, untrusted upwards. */
export interface ChannelUp {
  send(message: unknown): void;
  close(): void;
}

export interface ChannelDown {
  message(message: unknown): void;
  /** Comes once, unless `close` was called. */
  closed(): void;
}

export interface AppCore {
  /** Validates and runs a call. Never throws. */
  call(method: MethodName | (string & {}), input: unknown): Promise<Result<unknown>>;
  readonly client: ApiClient;
  /** Returns what ends the subscription. */
  onEvent(listener: (event: ApiEvent) => void): () => void;
  openChannel(kind: ChannelKind, machine: string, down: ChannelDown): Promise<Result<ChannelUp>>;
  /** Desktop shell: hands a window's port to a machine's VM process. Absent where frames go through main. */
  readonly attachDisplayPort?: ((machine: string, port: unknown) => Result<Record<string, never>>) | undefined;
  /** Ends what this process owns: its machines, or its connection. */
  close(): Promise<void>;
}
