/**
 * One VM process from launch to exit: validates what it says, matches answers to requests, watches its heartbeat and
 * remembers its last log lines. What that means for a machine is `running-machine.ts`'s.
 */
import { UNASKED_REQUEST, vmEventSchema } from '../../shared/vm-protocol.ts';
import type { NetworkState, NewLayer, SavedState, VmChange, VmCommand, VmEvent, VmStart, VmStats } from '../../shared/vm-protocol.ts';
import { fail, ok } from '../../shared/result.ts';
import type { MachineError, Result } from '../../shared/result.ts';
import type { VmLauncher, VmProcess } from './launcher.ts';

export const PING_INTERVAL_MILLIS = 2000;
/** Without an answer for so long a machine is shown as unresponsive. */
export const UNRESPONSIVE_AFTER_MILLIS = 8000;
const REQUEST_TIMEOUT_MILLIS = 15_000;
/** After `power-off`, the time to flush disks before the process is killed. */
export const POWER_OFF_GRACE_MILLIS = 10_000;
const LOG_LINES_KEPT = 60;

export type VmEnd = Extract<VmEvent, { kind: 'ended' }>;

export interface VmExit {
  /** What the VM process said at its end; absent when it died without a word. */
  readonly ended: VmEnd | undefined;
  /** Set unless the machine ended as a machine should. */
  readonly error: MachineError | undefined;
  readonly lastLogLines: readonly string[];
  /** What came unasked at the end. */
  readonly final: VmFinal;
}

export interface VmFinal {
  stats?: VmStats;
  png?: Uint8Array;
  rows?: readonly string[];
}

export interface VmConnectionListener {
  event(event: VmEvent): void;
  responsive(responsive: boolean): void;
  logLine(line: string): void;
  exited(exit: VmExit): void;
}

/** What was saved, or why not, and whether disks write new layers nevertheless. */
export type Savable<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: MachineError; readonly layersInUse: boolean };

type Answer = Extract<VmEvent, { requestId: number }>;

export class VmConnection {
  readonly #process: VmProcess;
  readonly #listener: VmConnectionListener;
  readonly #waiting = new Map<number, { kind: string; answer: (result: Result<Answer>) => void; timeout: NodeJS.Timeout | undefined }>();
  readonly #logLines: string[] = [];
  #nextRequestId = 1;
  #ended: VmEnd | undefined;
  readonly #final: VmFinal = {};
  #poweringOff = false;
  #lastPongAt = Date.now();
  #responsive = true;
  #nonsense = 0;
  #exited = false;
  readonly #heartbeat: NodeJS.Timeout;
  #killTimer: NodeJS.Timeout | undefined;

  /** Launches the process and powers its machine on. */
  constructor(launcher: VmLauncher, start: VmStart, listener: VmConnectionListener) {
    this.#listener = listener;
    this.#process = launcher.launch(start.name, {
      message: (message) => { this.#message(message); },
      line: (line) => { this.#log(line); },
      exited: (exit) => { this.#exit(exit); },
    });
    this.#heartbeat = setInterval(() => { this.#beat(); }, PING_INTERVAL_MILLIS);
    this.#process.post({ kind: 'power-on', start });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  post(command: VmCommand, ports?: readonly unknown[]): void {
    if (!this.#exited) this.#process.post(command, ports);
  }

  /** Ends the machine now: asks the process first, and kills it when it hasn't ended within the grace time. */
  powerOff(): void {
    if (this.#exited) return;
    this.#poweringOff = true;
    this.#process.post({ kind: 'power-off' });
    this.#killTimer ??= setTimeout(() => {
      this.#log('the VM process did not end when asked to and was killed');
      this.#process.kill();
    }, POWER_OFF_GRACE_MILLIS);
  }

  kill(): void {
    this.#poweringOff = true;
    this.#process.kill();
  }

  async screenshot(): Promise<Result<Uint8Array>> {
    const answer = await this.#request('screenshot');
    return answer.ok && answer.value.kind === 'screenshot' ? ok(answer.value.png) : unexpected(answer);
  }

  async screenText(): Promise<Result<readonly string[] | undefined>> {
    const answer = await this.#request('screen-text');
    return answer.ok && answer.value.kind === 'screen-text' ? ok(answer.value.rows) : unexpected(answer);
  }

  async stats(): Promise<Result<VmStats>> {
    const answer = await this.#request('stats');
    return answer.ok && answer.value.kind === 'stats' ? ok(answer.value.stats) : unexpected(answer);
  }

  async networkState(): Promise<Result<NetworkState>> {
    const answer = await this.#request('network-state');
    return answer.ok && answer.value.kind === 'network-state' ? ok(answer.value.adapters) : unexpected(answer);
  }

  /** Errors: those of the change. */
  async change(change: VmChange): Promise<Result<Record<string, never>>> {
    const answer = await this.#ask('changed', (requestId) => ({ kind: 'change', requestId, change }), REQUEST_TIMEOUT_MILLIS);
    if (!answer.ok || answer.value.kind !== 'changed') return unexpected(answer);
    return answer.value.error === undefined ? ok({}) : { ok: false, error: answer.value.error };
  }

  /** Empty layers on images that disks write; `saveState` puts them to use. */
  async makeLayers(layers: readonly NewLayer[]): Promise<Result<Record<string, never>>> {
    const answer = await this.#ask('layers-made', (requestId) => ({ kind: 'make-layers', requestId, layers }), REQUEST_TIMEOUT_MILLIS);
    if (!answer.ok) return answer;
    if (answer.value.kind !== 'layers-made') return unexpected(answer);
    return answer.value.error === undefined ? ok({}) : { ok: false, error: answer.value.error };
  }

  /** Takes as long as it takes. */
  async saveState(how: Omit<Extract<VmCommand, { kind: 'save-state' }>, 'kind' | 'requestId'>): Promise<Savable<SavedState>> {
    const answer = await this.#ask('state-saved', (requestId) => ({ kind: 'save-state', requestId, ...how }), undefined);
    if (!answer.ok) return { ok: false, error: answer.error, layersInUse: false };
    const { value } = answer;
    if (value.kind !== 'state-saved') return { ok: false, error: fail('machines.unresponsive', 'the machine gave no sensible answer', 'stop it by force').error, layersInUse: false };
    if (value.saved !== undefined) return { ok: true, value: value.saved };
    return { ok: false, error: value.error ?? fail('internal', 'the state was not saved', '').error, layersInUse: value.layersInUse };
  }

  #request(kind: 'screenshot' | 'screen-text' | 'stats' | 'network-state'): Promise<Result<Answer>> {
    return this.#ask(kind, (requestId) => ({ kind, requestId }), REQUEST_TIMEOUT_MILLIS);
  }

  #ask(kind: Answer['kind'], command: (requestId: number) => VmCommand, timeoutMillis: number | undefined): Promise<Result<Answer>> {
    if (this.#exited) return Promise.resolve(notRunning());
    const requestId = this.#nextRequestId++;
    return new Promise((resolve) => {
      const timeout = timeoutMillis === undefined ? undefined : setTimeout(() => {
        this.#waiting.delete(requestId);
        resolve(fail('machines.unresponsive', 'the machine does not answer', 'wait, or stop it by force'));
      }, timeoutMillis);
      this.#waiting.set(requestId, { kind, answer: resolve, timeout });
      this.post(command(requestId));
    });
  }

  #message(message: unknown): void {
    const checked = vmEventSchema.safeParse(message);
    if (!checked.success) {
      if (this.#nonsense++ === 0) this.#log('the VM process said something that is not in the protocol; it was ignored');
      return;
    }
    const event = checked.data;
    switch (event.kind) {
      case 'pong':
        this.#alive();
        return;
      case 'screenshot':
      case 'screen-text':
      case 'layers-made':
      case 'state-saved':
      case 'changed':
      case 'network-state':
      case 'stats': {
        if (event.requestId === UNASKED_REQUEST) {
          if (event.kind === 'stats') this.#final.stats = event.stats;
          else if (event.kind === 'screenshot') this.#final.png = event.png;
          else if (event.kind === 'screen-text' && event.rows !== undefined) this.#final.rows = event.rows;
          return;
        }
        const waiting = this.#waiting.get(event.requestId);
        if (waiting?.kind !== event.kind) return;
        this.#waiting.delete(event.requestId);
        clearTimeout(waiting.timeout);
        waiting.answer(ok(event));
        return;
      }
      case 'ended':
        this.#ended ??= event;
        break;
      case 'log':
        this.#log(`${event.level} ${event.topic}: ${event.message}`);
        break;
      default:
    }
    this.#listener.event(event);
  }

  #beat(): void {
    this.post({ kind: 'ping', sentAt: Date.now() });
    if (this.#responsive && Date.now() - this.#lastPongAt > UNRESPONSIVE_AFTER_MILLIS) {
      this.#responsive = false;
      this.#log('the VM process does not answer');
      this.#listener.responsive(false);
    }
  }

  #alive(): void {
    this.#lastPongAt = Date.now();
    if (this.#responsive) return;
    this.#responsive = true;
    this.#log('the VM process answers again');
    this.#listener.responsive(true);
  }

  #log(line: string): void {
    const clean = line.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '?').slice(0, 2000); // eslint-disable-line no-control-regex -- guests may reach the log
    this.#logLines.push(clean);
    if (this.#logLines.length > LOG_LINES_KEPT) this.#logLines.shift();
    this.#listener.logLine(clean);
  }

  #exit({ code, signal, problem }: { code: number | null; signal: string | null; problem: string | undefined }): void {
    if (this.#exited) return;
    this.#exited = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#killTimer);
    for (const { answer, timeout } of this.#waiting.values()) {
      clearTimeout(timeout);
      answer(notRunning());
    }
    this.#waiting.clear();
    const how = problem ?? (signal === null ? `it ended with status ${code ?? 'unknown'}` : `it was ended by ${signal}`);
    let error: MachineError | undefined;
    if (problem !== undefined) error = fail('machines.not-launched', `the VM process could not be started (${problem})`, 'build or reinstall Guesthouse').error;
    else if (this.#ended === undefined && !this.#poweringOff) error = fail('machines.process-died', `the machine's process died (${how})`, 'see the machine\'s log and start it again').error;
    else if (this.#ended?.reason === 'crashed' || this.#ended?.reason === 'start-failed') error = this.#ended.error ?? fail(`machines.${this.#ended.reason}`, this.#ended.reason === 'crashed' ? 'the machine crashed' : 'the machine could not be started', 'see the machine\'s log').error;
    if (error !== undefined) this.#log(`error ${error.code}: ${error.message}`);
    this.#listener.exited({ ended: this.#ended, error, lastLogLines: [...this.#logLines], final: this.#final });
  }
}

function notRunning(): { readonly ok: false; readonly error: MachineError } {
  return fail('machines.not-running', 'the machine is not on', 'start it first');
}

function unexpected(answer: Result<unknown>): { readonly ok: false; readonly error: MachineError } {
  return answer.ok ? fail('machines.unresponsive', 'the machine gave another answer than was asked for', 'try again') : answer;
}
