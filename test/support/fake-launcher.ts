import type { VmLauncher, VmProcess, VmProcessListener } from '../../src/main/machines/launcher.ts';
import type { VmCommand, VmEvent } from '../../src/shared/vm-protocol.ts';

/** VM processes that say what the test makes them say. */
export class FakeLauncher implements VmLauncher {
  readonly takesPorts = false;
  readonly launched: FakeVmProcess[] = [];

  launch(machineName: string | undefined, listener: VmProcessListener): VmProcess {
    const process = new FakeVmProcess(machineName, listener);
    this.launched.push(process);
    return process;
  }

  get last(): FakeVmProcess {
    return this.launched.at(-1)!;
  }
}

export class FakeVmProcess implements VmProcess {
  readonly pid = 4711;
  readonly machineName: string | undefined;
  readonly commands: VmCommand[] = [];
  isKilled = false;
  readonly #listener: VmProcessListener;

  constructor(machineName: string | undefined, listener: VmProcessListener) {
    this.machineName = machineName;
    this.#listener = listener;
  }

  post(command: VmCommand): void {
    this.commands.push(command);
  }

  kill(): void {
    this.isKilled = true;
    this.exits(null, 'SIGKILL');
  }

  says(...events: readonly VmEvent[]): void {
    for (const event of events) this.#listener.message(event);
  }

  saysNonsense(message: unknown): void {
    this.#listener.message(message);
  }

  exits(code: number | null, signal: string | null = null): void {
    this.#listener.exited({ code, signal, problem: undefined });
  }

  kinds(): string[] {
    return this.commands.map((command) => command.kind);
  }
}
