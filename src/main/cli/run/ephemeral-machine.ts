/** The machine of `guesthouse run`: one VM process, its serial line on this terminal, and the rules that end it. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { fail } from '../../../shared/result.ts';
import type { MachineError } from '../../../shared/result.ts';
import type { VmEvent } from '../../../shared/vm-protocol.ts';
import { writeFileAtomically } from '../../files/atomic-file.ts';
import type { VmLauncher } from '../../machines/launcher.ts';
import { fileError } from '../../machines/media-check.ts';
import { RESET_LOOP_COUNT } from '../../machines/running-machine.ts';
import { VmConnection } from '../../machines/vm-connection.ts';
import type { VmExit } from '../../machines/vm-connection.ts';
import { EXIT_FAILED, EXIT_OK, EXIT_TIMEOUT } from '../outcome.ts';
import { typingCommands } from './keystrokes.ts';
import type { RunPlan } from './plan.ts';
import { countOnScreen, StreamWatch } from './text-watch.ts';

const SCREEN_POLL_MILLIS = 250;
const SCREENSHOT_MILLIS = 1000;
/** Serial output that the reader of standard output hasn't taken, beyond which the machine is paused until it has. */
const OUTPUT_BEHIND_BYTES = 4 * 1024 * 1024;
/** One Ctrl-C can arrive twice: from the terminal, and from a parent that passes it on. */
const SAME_INTERRUPT_MILLIS = 500;
/** Ctrl-] */
const QUIT_BYTE = 0x1d;

export interface RunOutcome { readonly status: number; readonly error: MachineError | undefined }

/** Where serial output goes and typed bytes come from. */
export interface Terminal {
  /** False: the reader is behind. */
  write(bytes: Uint8Array): boolean;
  /** Bytes that the reader hasn't taken. */
  readonly bytesBehind: number;
  onDrained(listener: () => void): void;
  /** The reader is gone. */
  onGone(listener: () => void): void;
  /** Returns what ends it. */
  openInput(receive: (bytes: Uint8Array) => void): () => void;
  writeError(text: string): void;
}

export class EphemeralMachine {
  readonly #plan: RunPlan;
  readonly #terminal: Terminal;
  readonly #connection: VmConnection;
  readonly #watch: StreamWatch;
  readonly #outcome: Promise<RunOutcome>;
  #resolve!: (outcome: RunOutcome) => void;
  /** Decided before the machine has ended. */
  #decided: RunOutcome | undefined;
  /** Indexes of `typeWhen` that have fired. */
  readonly #fired = new Set<number>();
  #closeInput: () => void = () => {};
  #files: number[] = [];
  #serialFile: number | undefined;
  #debugFile: number | undefined;
  readonly #timers: NodeJS.Timeout[] = [];
  #asking = false;
  #heldBack = false;
  #lastPng: Uint8Array | undefined;
  #interruptedAt = -Infinity;
  #resetLoopTold = false;
  #lastResetCause: 'guest' | 'triple-fault' | 'user' = 'guest';

  /** Starts it. Throws what the file system throws when an output file cannot be opened. */
  constructor(plan: RunPlan, launcher: VmLauncher, terminal: Terminal) {
    this.#plan = plan;
    this.#terminal = terminal;
    this.#watch = new StreamWatch([...new Set([...plan.exitOn, ...plan.failOn, ...plan.typeWhen.map((rule) => rule.text)])]);
    this.#outcome = new Promise((resolve) => { this.#resolve = resolve; });
    if (plan.serial.to === 'file') this.#serialFile = this.#openFile(plan.serial.path);
    if (plan.debug?.to === 'file') this.#debugFile = this.#openFile(plan.debug.path);
    this.#connection = new VmConnection(launcher, plan.start, {
      event: (event) => { this.#event(event); },
      responsive: () => {},
      logLine: (line) => { if (plan.verbose) terminal.writeError(`${line}\n`); },
      exited: (exit) => { void this.#exited(exit); },
    });
    if (plan.serial.to === 'stdio') this.#closeInput = terminal.openInput((bytes) => { this.#input(bytes); });
    terminal.onDrained(() => {
      if (!this.#heldBack) return;
      this.#heldBack = false;
      this.#connection.post({ kind: 'resume' });
    });
    terminal.onGone(() => { this.#decide({ status: EXIT_FAILED, error: undefined }); });
    if (plan.timeoutSeconds !== undefined) {
      const { timeoutSeconds } = plan;
      // Longer than what one timer can hold is waited for in steps.
      const endsAt = performance.now() + timeoutSeconds * 1000;
      const check = (): void => {
        const left = endsAt - performance.now();
        if (left > 0) this.#timers.push(setTimeout(check, Math.min(left, 0x7fff_ffff)));
        else this.#decide({ status: EXIT_TIMEOUT, error: fail('run.timeout', `the machine did not finish within ${timeoutSeconds} seconds`, 'look at its output, or give it a longer --timeout').error });
      };
      check();
    }
    if (plan.exitOn.length + plan.failOn.length + plan.typeWhen.length > 0) this.#timers.push(setInterval(() => { void this.#pollScreen(); }, SCREEN_POLL_MILLIS));
    if (plan.screenshotPath !== undefined) this.#timers.push(setInterval(() => { void this.#pollPicture(); }, SCREENSHOT_MILLIS));
  }

  /** Settles when the machine's process is gone and all its files are written. */
  get outcome(): Promise<RunOutcome> {
    return this.#outcome;
  }

  /** Ends the machine; a second time kills it. */
  interrupt(status: number): void {
    const now = performance.now();
    if (now - this.#interruptedAt < SAME_INTERRUPT_MILLIS) return;
    this.#interruptedAt = now;
    if (this.#decided !== undefined) this.#connection.kill();
    else this.#decide({ status, error: undefined });
  }

  #event(event: VmEvent): void {
    switch (event.kind) {
      case 'serial-output':
        this.#serial(event.bytes);
        return;
      case 'debug-output':
        if (this.#debugFile !== undefined) this.#writeFile(this.#debugFile, event.bytes);
        else if (this.#plan.debug?.to === 'stdio') this.#print(event.bytes);
        return;
      case 'guest-reset':
        this.#lastResetCause = event.cause;
        this.#tellOfResetLoop(event.countInLastMinute);
        return;
      case 'disk-trouble':
        this.#terminal.writeError(event.error === undefined ? `guesthouse: disk ${event.disk + 1} is well again: the machine goes on\n`
          : `guesthouse: disk ${event.disk + 1}: ${event.error.message}; the machine waits: ${event.error.advice}\n`);
        return;
      case 'log':
        if (event.topic === 'input' && event.level === 'warning' && !this.#plan.verbose) this.#terminal.writeError(`guesthouse: ${event.message}\n`);
        return;
      default:
    }
  }

  #tellOfResetLoop(countInLastMinute: number): void {
    if (this.#resetLoopTold || countInLastMinute < RESET_LOOP_COUNT) return;
    this.#resetLoopTold = true;
    const how = this.#lastResetCause === 'triple-fault' ? ', as its CPU triple-faults' : '';
    this.#terminal.writeError(`guesthouse: the guest resets again and again${how}: use --on-reset stop to end it at the first reset\n`);
  }

  #serial(bytes: Uint8Array): void {
    if (this.#serialFile !== undefined) this.#writeFile(this.#serialFile, bytes);
    else if (this.#plan.serial.to === 'stdio') this.#print(bytes);
    this.#watch.write(bytes);
    this.#applyRules((text) => this.#watch.count(text), 'serial');
  }

  #print(bytes: Uint8Array): void {
    this.#terminal.write(bytes);
    if (this.#heldBack || this.#terminal.bytesBehind < OUTPUT_BEHIND_BYTES) return;
    this.#heldBack = true;
    this.#connection.post({ kind: 'pause' });
  }

  #input(bytes: Uint8Array): void {
    const quit = bytes.indexOf(QUIT_BYTE);
    if (quit >= 0) this.#decide({ status: EXIT_OK, error: undefined });
    else this.#connection.post({ kind: 'serial-input', bytes });
  }

  async #pollScreen(): Promise<void> {
    if (this.#asking || this.#decided !== undefined) return;
    this.#asking = true;
    const answer = await this.#connection.screenText();
    this.#asking = false;
    const rows = answer.ok ? answer.value : undefined;
    if (rows !== undefined) this.#applyRules((text) => countOnScreen(rows, text), 'screen');
  }

  async #pollPicture(): Promise<void> {
    const picture = await this.#connection.screenshot();
    if (!picture.ok || this.#plan.screenshotPath === undefined) return;
    this.#lastPng = picture.value;
    await this.#writeWhole(this.#plan.screenshotPath, picture.value);
  }

  #applyRules(count: (text: string) => number, where: 'serial' | 'screen'): void {
    if (this.#decided !== undefined) return;
    const failed = this.#plan.failOn.find((text) => count(text) > 0);
    if (failed !== undefined) {
      this.#decide({ status: EXIT_FAILED, error: fail('run.fail-on', `the text "${failed}" appeared on the ${where === 'serial' ? 'serial console' : 'screen'}`, 'look at its output').error });
      return;
    }
    if (this.#plan.exitOn.some((text) => count(text) > 0)) {
      this.#decide({ status: EXIT_OK, error: undefined });
      return;
    }
    for (const [index, rule] of this.#plan.typeWhen.entries()) {
      if (this.#fired.has(index)) continue;
      // Rules that wait for the same text answer its appearances one after the other.
      const nth = this.#plan.typeWhen.slice(0, index).filter((earlier) => earlier.text === rule.text).length + 1;
      if (count(rule.text) < nth) continue;
      this.#fired.add(index);
      if (where === 'screen') for (const command of typingCommands(rule.keys)) this.#connection.post(command);
      // A terminal's Enter key sends a carriage return.
      else this.#connection.post({ kind: 'serial-input', bytes: new TextEncoder().encode(rule.keys.replaceAll('\n', '\r')) });
    }
  }

  #decide(outcome: RunOutcome): void {
    if (this.#decided !== undefined) return;
    this.#decided = outcome;
    this.#closeInput();
    this.#connection.powerOff();
  }

  async #exited(exit: VmExit): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#closeInput();
    const rows = exit.final.rows;
    if (rows !== undefined && this.#decided === undefined) this.#lastRules(rows);
    let outcome = this.#decided ?? this.#endedByItself(exit);
    const png = exit.final.png ?? this.#lastPng;
    if (png !== undefined) {
      for (const path of [this.#plan.screenshotPath, this.#plan.screenshotOnExitPath]) {
        const error = path === undefined ? undefined : await this.#writeWhole(path, png);
        if (error !== undefined) outcome = { status: outcome.status === EXIT_OK ? EXIT_FAILED : outcome.status, error: outcome.error ?? error };
      }
    }
    if (this.#plan.statsPath !== undefined && exit.final.stats !== undefined) {
      const error = await this.#writeWhole(this.#plan.statsPath, `${JSON.stringify(exit.final.stats, null, 2)}\n`);
      if (error !== undefined) outcome = { status: outcome.status === EXIT_OK ? EXIT_FAILED : outcome.status, error: outcome.error ?? error };
    }
    for (const file of this.#files) closeSync(file);
    this.#resolve(outcome);
  }

  /** What the guest wrote on its screen just before it ended. */
  #lastRules(rows: readonly string[]): void {
    const failed = this.#plan.failOn.find((text) => countOnScreen(rows, text) > 0);
    if (failed !== undefined) this.#decided = { status: EXIT_FAILED, error: fail('run.fail-on', `the text "${failed}" appeared on the screen`, 'look at its output').error };
    else if (this.#plan.exitOn.some((text) => countOnScreen(rows, text) > 0)) this.#decided = { status: EXIT_OK, error: undefined };
  }

  #endedByItself({ ended, error }: VmExit): RunOutcome {
    // Nothing is kept of an ephemeral machine, so its log can't be seen afterwards.
    if (error?.code === 'machines.process-died') return { status: EXIT_FAILED, error: { ...error, advice: 'run it again with --verbose to see its log' } };
    if (error !== undefined) return { status: EXIT_FAILED, error };
    switch (ended?.reason) {
      case 'exit-port': return { status: (ended.exitStatus ?? 0) & 0xff, error: undefined };
      case 'reset-stop':
        return this.#lastResetCause === 'triple-fault'
          ? { status: EXIT_FAILED, error: fail('run.triple-fault', 'the guest crashed its CPU (triple fault)', 'look at its output').error }
          : { status: EXIT_OK, error: undefined };
      case 'stopped': return { status: EXIT_FAILED, error: fail('run.stopped', 'the machine was ended from outside', 'start it again').error };
      default: return { status: EXIT_OK, error: undefined };
    }
  }

  #openFile(path: string): number {
    const file = openSync(path, 'w');
    this.#files.push(file);
    return file;
  }

  #writeFile(file: number, bytes: Uint8Array): void {
    try {
      for (let written = 0; written < bytes.byteLength;) written += writeSync(file, bytes, written);
    } catch (error) {
      this.#decide({ status: EXIT_FAILED, error: fileError(error, '', 'output file').error });
    }
  }

  async #writeWhole(path: string, contents: Uint8Array | string): Promise<MachineError | undefined> {
    try {
      await writeFileAtomically(path, contents);
      return undefined;
    } catch (error) {
      return fileError(error, path, 'output file').error;
    }
  }
}
