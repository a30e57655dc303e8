/** How a VM process talks to main: over Node's IPC channel where it was forked, over Electron's port where it is a utility process. */
import type { VmCommand, VmEvent } from '../../shared/vm-protocol.ts';

/** A window's own port, given with `attach-display`. */
export interface CommandPort {
  /** `taken` is called when the receiver's side of the channel has the event, or is gone. */
  send(event: VmEvent, taken?: () => void): void;
  onCommand(listener: (command: VmCommand, port: CommandPort | undefined) => void): void;
  onClose(listener: () => void): void;
}

export interface Transport extends CommandPort {
  /** Returns when everything sent has left this process. */
  drain(): Promise<void>;
}

/** Long enough for Electron to pass on what was posted before the process ends; it has no callback for that. */
const ELECTRON_DRAIN_MILLIS = 100;

interface ElectronMessageEvent {
  readonly data: unknown;
  readonly ports: readonly ElectronPort[];
}

interface ElectronPort {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (event: ElectronMessageEvent) => void): void;
  on(event: 'close', listener: () => void): void;
  start?(): void;
}

/** `undefined` where the process was started by hand, with nobody to talk to. */
export function connectToParent(): Transport | undefined {
  const parentPort = (process as { parentPort?: ElectronPort }).parentPort;
  if (parentPort !== undefined) return new ElectronTransport(parentPort);
  return process.send === undefined ? undefined : new ForkTransport();
}

class ForkTransport implements Transport {
  #underWay = 0;
  #drained: (() => void)[] = [];

  send(event: VmEvent, taken?: () => void): void {
    if (!process.connected) {
      taken?.();
      return;
    }
    this.#underWay++;
    process.send!(event, undefined, undefined, () => {
      this.#underWay--;
      taken?.();
      if (this.#underWay === 0) for (const resolve of this.#drained.splice(0)) resolve();
    });
  }

  onCommand(listener: (command: VmCommand, port: CommandPort | undefined) => void): void {
    process.on('message', (message) => listener(message as VmCommand, undefined));
  }

  onClose(listener: () => void): void {
    process.on('disconnect', listener);
  }

  async drain(): Promise<void> {
    if (this.#underWay > 0 && process.connected) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }
}

class ElectronTransport implements Transport {
  readonly #port: ElectronPort;

  constructor(port: ElectronPort) {
    this.#port = port;
  }

  send(event: VmEvent, taken?: () => void): void {
    this.#port.postMessage(event);
    // The port tells nothing of its receiver; one turn of the event loop at least keeps a flood from starving commands.
    if (taken !== undefined) setImmediate(taken);
  }

  onCommand(listener: (command: VmCommand, port: CommandPort | undefined) => void): void {
    this.#port.on('message', (event) => {
      const given = event.ports[0];
      listener(event.data as VmCommand, given === undefined ? undefined : new ElectronTransport(given));
    });
    this.#port.start?.();
  }

  onClose(listener: () => void): void {
    this.#port.on('close', listener);
  }

  async drain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ELECTRON_DRAIN_MILLIS));
  }
}
