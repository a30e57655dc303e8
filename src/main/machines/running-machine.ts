/** A machine of the library that is on, or was: its status, consoles, viewers and log, over one VM process at a time. */
import { join } from 'node:path';
import { MACHINE_OFF } from '../../shared/api.ts';
import type { ConsoleKind, MachineState, MachineStatus } from '../../shared/api.ts';
import { fail, ok } from '../../shared/result.ts';
import type { MachineError, Result } from '../../shared/result.ts';
import type { DisplayFrame, VmCommand, VmEvent, VmStart } from '../../shared/vm-protocol.ts';
import { ConsoleHub } from './console-hub.ts';
import { DisplayHub } from './display-hub.ts';
import type { DisplayViewer } from './display-hub.ts';
import { MachineLog } from './machine-log.ts';
import type { VmLauncher } from './launcher.ts';
import { VmConnection } from './vm-connection.ts';
import type { VmExit } from './vm-connection.ts';

/** So many resets in a minute are nobody's wish. */
export const RESET_LOOP_COUNT = 5;
const RESET_MEMORY_MILLIS = 60_000;
/** A guest that hasn't reacted to its power button by then won't. */
const POWER_BUTTON_PATIENCE_MILLIS = 30_000;

export interface MachineListener {
  status(status: MachineStatus): void;
  warning(message: string): void;
  /** The state that the machine went on from is not needed any more. */
  memoryLoaded(): void;
  /** The guest opened the tray of the drive that is disk `drive` of the start. */
  discEjected(drive: number): void;
}

export class RunningMachine {
  readonly name: string;
  readonly #launcher: VmLauncher;
  readonly #listener: MachineListener;
  #status: MachineStatus = MACHINE_OFF;
  #connection: VmConnection | undefined;
  /** What the VM process says the CPU does, to come back to when `stopping` came to nothing. */
  #guestState: 'running' | 'paused' = 'running';
  #hub: DisplayHub | undefined;
  readonly #consoles: Readonly<Record<ConsoleKind, ConsoleHub>> = { console: new ConsoleHub(), 'virtio-console': new ConsoleHub() };
  readonly #displayEnds = new Set<() => void>();
  readonly #offWaiters = new Set<() => void>();
  #log: MachineLog | undefined;
  #serialLog: MachineLog | undefined;
  #started: ((result: Result<MachineStatus>) => void) | undefined;
  #powerButtonTimer: NodeJS.Timeout | undefined;
  #resetMemoryTimer: NodeJS.Timeout | undefined;

  constructor(name: string, launcher: VmLauncher, listener: MachineListener) {
    this.name = name;
    this.#launcher = launcher;
    this.#listener = listener;
  }

  get status(): MachineStatus {
    return this.#status;
  }

  get isOn(): boolean {
    return this.#connection !== undefined;
  }

  /** Of the VM process, while there is one. */
  get pid(): number | undefined {
    return this.#connection?.pid;
  }

  /** Resolves when the first instruction is about to run, or with the reason why that didn't happen. */
  start(start: VmStart, options: { readonly logFolder: string; readonly logSerial: boolean }): Promise<Result<MachineStatus>> {
    if (this.isOn) return Promise.resolve(fail('machines.already-on', `the machine ${this.name} is already on`, 'stop it first to start it anew'));
    this.#log = new MachineLog(join(options.logFolder, 'machine.log'));
    this.#serialLog = options.logSerial ? new MachineLog(join(options.logFolder, 'serial.log')) : undefined;
    this.#writeLog('--- start');
    this.#guestState = 'running';
    this.#setStatus({ ...MACHINE_OFF, state: 'starting', startedAt: Date.now() });
    return new Promise((resolve) => {
      this.#started = resolve;
      const connection: VmConnection = new VmConnection(this.#launcher, start, {
        event: (event) => { this.#event(event); },
        responsive: (responsive) => { this.#setStatus({ ...this.#status, unresponsive: !responsive }); },
        logLine: (line) => { this.#writeLog(line); },
        exited: (exit) => { this.#exited(exit); },
      });
      this.#connection = connection;
      this.#hub = new DisplayHub({
        watch: (watch) => { connection.post({ kind: 'watch-display', watch }); },
        frameDrawn: () => { connection.post({ kind: 'frame-drawn' }); },
      });
    });
  }

  pause(): Result<MachineStatus> {
    if (this.#status.state === 'paused') return ok(this.#status);
    if (this.#status.state !== 'running') return this.#notIn('running');
    this.#connection?.post({ kind: 'pause' });
    this.#guestState = 'paused';
    this.#setState('paused');
    return ok(this.#status);
  }

  resume(): Result<MachineStatus> {
    if (this.#status.state === 'running') return ok(this.#status);
    if (this.#status.state !== 'paused') return this.#notIn('paused');
    this.#connection?.post({ kind: 'resume' });
    this.#guestState = 'running';
    this.#setState('running');
    return ok(this.#status);
  }

  /** The machine is about to stand still for good, unless `savingFailed` says otherwise. */
  beginSaving(): Result<VmConnection> {
    if (this.#connection === undefined) return this.#notOn();
    if (this.#status.state !== 'running' && this.#status.state !== 'paused') return this.#notIn('running');
    this.#setState('saving');
    return ok(this.#connection);
  }

  savingFailed(): void {
    if (this.#status.state === 'saving') this.#setState(this.#guestState);
  }

  pressPowerButton(): Result<MachineStatus> {
    if (this.#status.state === 'paused') return fail('machines.paused', `the machine ${this.name} is paused and can't see its power button`, 'resume it first, or stop it by force');
    if (!this.isOn || this.#status.state === 'starting') return this.#notIn('running');
    this.#connection?.post({ kind: 'power-button' });
    this.#setState('stopping');
    clearTimeout(this.#powerButtonTimer);
    this.#powerButtonTimer = setTimeout(() => {
      if (this.#status.state !== 'stopping') return;
      this.#setState(this.#guestState);
      this.#listener.warning('the guest did not react to its power button');
    }, POWER_BUTTON_PATIENCE_MILLIS);
    return ok(this.#status);
  }

  /** Resolves when the VM process is gone. */
  async forceOff(): Promise<Result<MachineStatus>> {
    if (this.#connection === undefined) return this.#notOn();
    clearTimeout(this.#powerButtonTimer);
    this.#setState('stopping');
    this.#connection.powerOff();
    await this.untilOff();
    return ok(this.#status);
  }

  untilOff(): Promise<void> {
    return this.isOn ? new Promise((resolve) => { this.#offWaiters.add(resolve); }) : Promise.resolve();
  }

  /** Keys, text, pointer, serial input, reset: what needs no answer. */
  send(command: VmCommand): Result<Record<string, never>> {
    if (this.#connection === undefined) return this.#notOn();
    this.#connection.post(command);
    return ok({});
  }

  /** What answers questions (screenshots, statistics) about a machine that is on. */
  connected(): Result<VmConnection> {
    return this.#connection === undefined ? this.#notOn() : ok(this.#connection);
  }

  /** First the scrollback, then what comes. Returns what ends it. */
  openConsole(kind: ConsoleKind, receive: (bytes: Uint8Array, replay: boolean) => void): () => void {
    return this.#consoles[kind].open(receive);
  }

  /** Typed into a console. */
  sendToConsole(kind: ConsoleKind, bytes: Uint8Array): void {
    this.send({ kind: kind === 'console' ? 'serial-input' : 'virtio-console-input', bytes });
  }

  /** Frames through main; `ended` when the machine goes off. */
  openDisplay(send: (frame: DisplayFrame) => void, ended: () => void): Result<DisplayViewer> {
    if (this.#hub === undefined) return this.#notOn();
    const viewer = this.#hub.open(send);
    this.#displayEnds.add(ended);
    return ok({
      frameDrawn: viewer.frameDrawn,
      close: () => {
        this.#displayEnds.delete(ended);
        viewer.close();
      },
    });
  }

  /** Hands a window's port to the VM process, where the launcher can. */
  attachDisplayPort(port: unknown): Result<Record<string, never>> {
    if (this.#connection === undefined) return this.#notOn();
    this.#connection.post({ kind: 'attach-display' }, [port]);
    return ok({});
  }

  #event(event: VmEvent): void {
    switch (event.kind) {
      case 'ready':
        if (this.#status.state === 'starting') this.#setState(this.#guestState);
        this.#settleStart(ok(this.#status));
        return;
      case 'state':
        if (event.state !== 'halted-forever') this.#guestState = event.state;
        if (event.state === 'halted-forever') this.#setStatus({ ...this.#status, haltedForever: true });
        else if (this.#status.state === 'running' || this.#status.state === 'paused') this.#setStatus({ ...this.#status, state: event.state, haltedForever: false });
        return;
      case 'serial-output':
        this.#serialLog?.write(event.bytes);
        this.#consoles.console.output(event.bytes);
        return;
      case 'virtio-console-output':
        this.#consoles['virtio-console'].output(event.bytes);
        return;
      case 'display-frame':
        if (this.#hub?.frame(event.frame) === false) this.#writeLog('a frame of the display was ignored: its rectangles make no sense');
        return;
      case 'disc-ejected':
        this.#listener.discEjected(event.drive);
        return;
      case 'disk-trouble':
        this.#diskTrouble(event.disk, event.error);
        return;
      case 'memory-loaded':
        this.#listener.memoryLoaded();
        return;
      case 'log':
        if ((event.level === 'warning' && event.topic === 'input') || (event.level === 'error' && event.topic === 'memory')) this.#listener.warning(event.message);
        return;
      case 'guest-reset':
        this.#reset(event.cause, event.countInLastMinute);
        return;
      default:
    }
  }

  #diskTrouble(disk: number, error: MachineError | undefined): void {
    const { diskTrouble: _before, ...status } = this.#status;
    this.#setStatus(error === undefined ? status : { ...status, diskTrouble: error });
    this.#writeLog(error === undefined ? `disk ${disk + 1}: all is well again` : `disk ${disk + 1}: ${error.message}: ${error.advice}`);
    if (error !== undefined) this.#listener.warning(`disk ${disk + 1}: ${error.message}: ${error.advice}`);
  }

  #reset(cause: 'guest' | 'triple-fault' | 'user', countInLastMinute: number): void {
    const resets = Math.max(0, Math.min(1_000_000, Math.trunc(countInLastMinute)));
    const inLoop = resets >= RESET_LOOP_COUNT;
    // In a loop there may be thousands a second; the log says so once.
    if (!inLoop) this.#writeLog(`reset (${cause})`);
    else if (!this.#status.resetLoop) this.#writeLog(`the guest resets again and again (${cause}, ${resets} times in a minute)`);
    this.#setStatus({ ...this.#status, resetsInLastMinute: resets, resetLoop: inLoop, haltedForever: false });
    clearTimeout(this.#resetMemoryTimer);
    this.#resetMemoryTimer = setTimeout(() => { this.#setStatus({ ...this.#status, resetsInLastMinute: 0, resetLoop: false }); }, RESET_MEMORY_MILLIS);
  }

  #exited({ ended, error, lastLogLines }: VmExit): void {
    clearTimeout(this.#powerButtonTimer);
    clearTimeout(this.#resetMemoryTimer);
    this.#connection = undefined;
    this.#hub = undefined;
    this.#writeLog(`--- off (${error?.code ?? ended?.reason ?? 'stopped'})`);
    this.#log?.close();
    this.#serialLog?.close();
    this.#log = undefined;
    this.#serialLog = undefined;
    this.#setStatus(error === undefined ? MACHINE_OFF : { ...MACHINE_OFF, state: 'crashed', crash: { error, lastLogLines: [...lastLogLines] } });
    this.#settleStart(error === undefined ? ok(this.#status) : { ok: false, error });
    for (const end of [...this.#displayEnds]) end();
    this.#displayEnds.clear();
    for (const resolve of this.#offWaiters) resolve();
    this.#offWaiters.clear();
  }

  #settleStart(result: Result<MachineStatus>): void {
    this.#started?.(result);
    this.#started = undefined;
  }

  #setState(state: MachineState): void {
    this.#setStatus({ ...this.#status, state });
  }

  #setStatus(status: MachineStatus): void {
    this.#status = status;
    this.#listener.status(status);
  }

  #writeLog(line: string): void {
    this.#log?.write(`${new Date().toISOString()} ${line}\n`);
  }

  #notOn(): { readonly ok: false; readonly error: { code: string; message: string; advice: string } } {
    return fail('machines.not-running', `the machine ${this.name} is not on`, 'start it first');
  }

  #notIn(wanted: MachineState): { readonly ok: false; readonly error: { code: string; message: string; advice: string } } {
    if (!this.isOn) return this.#notOn();
    return fail('machines.wrong-state', `the machine ${this.name} is ${this.#status.state}, not ${wanted}`, 'try again in a moment');
  }
}
