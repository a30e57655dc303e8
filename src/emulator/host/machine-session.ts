/**
 * What the machine thread does: builds the board around one accelerator, runs its loop, and tells the control thread
 * how it ended. The accelerator is given, so that tests can run a board with a CPU of their own.
 */
import type { BlockRequest } from '../interfaces/block-backend.ts';
import type { Accelerator, CpuBoard } from '../interfaces/accelerator.ts';
import { BoardError, Pc } from '../machine/pc.ts';
import { driveSerial } from '../machine/drive-bays.ts';
import { CpuShare } from '../machine/cpu-share.ts';
import { MachineLoop } from '../machine/machine-loop.ts';
import type { BoardLetter, CaptureLetter, CharacterLine } from '../machine/mailbox.ts';
import { RateLimitedLog } from '../machine/rate-limited-log.ts';
import { Scheduler } from '../machine/scheduler.ts';
import { HostTimeSource, InstructionTimeSource } from '../machine/time-source.ts';
import { StateError } from '../snapshot/state-error.ts';
import type { VmEvent } from '../../shared/vm-protocol.ts';
import { DebugOutput } from './debug-output.ts';
import { HostEntropy, SeededEntropy } from './entropy.ts';
import type { CapturedState, DiskFacts, MachinePost, MachineStats, MachineThreadStart, ResumedState } from './machine-post.ts';
import { adapterLink } from './network-service.ts';
import type { FrameLink } from '../network/frame-link.ts';
import { PortMailbox } from './port-mailbox.ts';
import { RemoteDisk } from './remote-disk.ts';
import { SerialChannel } from './serial-channel.ts';
import { captureState, GuardedMemory, restoreState, type StatefulParts } from './session-state.ts';
import { readBootFilesNow } from './board-files.ts';
import { StartError } from './start-error.ts';
import { machineStats } from './stats.ts';

export type AcceleratorFactory = (memory: WebAssembly.Memory, board: CpuBoard) => Accelerator;

/** Runs one machine from power-on to its end, synchronously. */
export function runMachine(given: MachineThreadStart, createAccelerator: AcceleratorFactory): void {
  const post = (message: MachinePost): void => given.posts.postMessage(message);
  let session: MachineSession;
  try {
    session = new MachineSession(given, createAccelerator, post);
    if (given.resumed !== undefined) session.restore(given.resumed);
  } catch (error) {
    if (!(error instanceof StartError || error instanceof BoardError || error instanceof StateError)) throw error;
    post({ kind: 'start-failed', code: error.code, message: error.message, advice: error.advice });
    return;
  }
  session.run();
}

export class MachineSession {
  readonly #post: (message: MachinePost) => void;
  readonly #lines: Readonly<Record<CharacterLine, SerialChannel>>;
  readonly #debug: DebugOutput;
  /** By their numbers; empty drives have none. */
  readonly #disks: (RemoteDisk | undefined)[];
  readonly #openDisk: (facts: DiskFacts, disk: number) => RemoteDisk;
  readonly #cables: readonly FrameLink[];
  readonly #scheduler: Scheduler;
  readonly #pc: Pc;
  readonly #loop: MachineLoop;
  readonly #mailbox: PortMailbox;
  readonly #memory: GuardedMemory;
  readonly #parts: StatefulParts;
  readonly #startNanos = hostNanos();

  constructor(given: MachineThreadStart, createAccelerator: AcceleratorFactory, post: (message: MachinePost) => void) {
    const { start, memory } = given;
    this.#post = post;
    const mailbox = this.#mailbox = new PortMailbox(given.letters, memory.buffer);
    const timeSource = start.time === 'host'
      ? new HostTimeSource(hostNanos)
      : new InstructionTimeSource(() => this.#pc?.instructions ?? 0, start.time.instructionsPerMicrosecond);
    this.#scheduler = new Scheduler(timeSource, start.rtcEpochSeconds ?? Math.floor(Date.now() / 1000));
    const log = new RateLimitedLog((level, topic, message) => this.#tell({ kind: 'log', level, topic, message }), () => hostNanos() / 1e9);
    const line = (name: CharacterLine): SerialChannel => new SerialChannel((bytes) => post({ kind: 'output', line: name, bytes }));
    const lines = this.#lines = { serial: line('serial'), 'virtio-console': line('virtio-console') };
    this.#debug = new DebugOutput((bytes) => this.#tell({ kind: 'debug-output', bytes }));
    const deterministic = start.time === 'host' ? undefined : { clock: this.#scheduler, mailbox };
    this.#openDisk = (facts, disk) => {
      const submit = (requestId: number, request: BlockRequest): void => post({ kind: 'block', disk, requestId, request });
      return new RemoteDisk(disk, facts, submit, deterministic);
    };
    this.#disks = given.disks.map((facts, disk) => facts === undefined ? undefined : this.#openDisk(facts, disk));
    const adapters = start.adapters ?? [];
    const keep = (chunk: number, bytes: Uint8Array<ArrayBuffer>): void => given.posts.postMessage({ kind: 'chunk', chunk, bytes } satisfies MachinePost, [bytes.buffer]);
    this.#memory = new GuardedMemory(memory.buffer as SharedArrayBuffer, start.memoryBytes, given.guardWords, given.resumed, keep, (error) => { this.#memoryDamaged(error); });
    const entropy = start.seed === undefined ? new HostEntropy() : new SeededEntropy(start.seed);
    this.#cables = adapters.map((_, adapter) => adapterLink(memory.buffer, adapter, () => post({ kind: 'network', adapter })));
    this.#pc = new Pc({
      shared: memory.buffer,
      ramBytes: start.memoryBytes,
      name: start.name,
      clock: this.#scheduler,
      log,
      firmware: given.files.bios,
      videoFirmware: given.files.vgaBios,
      directBoot: start.directBoot && { files: () => given.files.boot ?? readBootFilesNow(start.directBoot!), commandLine: start.directBoot.commandLine },
      isResumed: given.resumed !== undefined,
      disks: this.#disks.map((backend, index) => ({ backend, bus: start.disks[index]!.bus, kind: start.disks[index]!.kind })),
      bootOrder: start.bootOrder,
      adapters: adapters.map(({ model, mac, connected = true }, index) => ({ model, mac, connected, link: this.#cables[index]!, bootRom: given.files.adapterRoms[index] })),
      serial: lines.serial,
      virtioConsole: lines['virtio-console'],
      entropy,
      pageWatcher: this.#memory.guard,
      exitPort: start.exitPort,
      debugPort: start.debugPort,
      debugOutput: (byte) => this.#debug.write(byte),
      createAccelerator: (board) => createAccelerator(memory, board),
      requestReset: () => this.#loop.requestReset('guest'),
      requestEnd: (end) => this.#loop.requestEnd(end),
      discEjected: (drive) => this.#tell({ kind: 'disc-ejected', drive }),
    });
    this.#parts = {
      pc: this.#pc, scheduler: this.#scheduler, timeSource, disks: this.#disks, lines,
      entropy: entropy instanceof SeededEntropy ? entropy : undefined,
      clockFollowsHost: start.time === 'host' && start.rtcEpochSeconds === undefined,
    };
    this.#loop = new MachineLoop({
      accelerator: this.#pc.accelerator,
      scheduler: this.#scheduler,
      timeSource,
      mailbox,
      hostNanos,
      onReset: start.onReset,
      cpuShare: new CpuShare({ hostNanos, usedNanos: processNanos }, start.cpuLimitPercent ?? 100),
      deliver: (letter) => this.#deliver(letter),
      capture: (letter) => {
        const from = hostNanos();
        const state = this.capture(letter);
        given.posts.postMessage({ kind: 'captured', state, standingNanos: hostNanos() - from } satisfies MachinePost, state.unguarded.map(({ bytes }) => bytes.buffer));
      },
      reset: (kind) => this.#pc.reset(kind),
      flush: () => {
        lines.serial.flush();
        lines['virtio-console'].flush();
        this.#debug.flush();
      },
      congested: () => lines.serial.congested || lines['virtio-console'].congested,
      interruptsEnabled: () => this.#pc.interruptsEnabled(),
      announceState: (state) => this.#tell({ kind: 'state', state }),
      announceReset: (cause, countInLastMinute) => this.#tell({ kind: 'guest-reset', cause, countInLastMinute }),
    });
  }

  /** Throws `StateError`. */
  restore(resumed: ResumedState): void {
    restoreState(this.#parts, this.#memory, resumed);
  }

  /** The guest can't go on without this part of its memory. Whoever resumes it has mended the file. */
  #memoryDamaged(error: StateError): void {
    this.#tell({ kind: 'log', level: 'error', topic: 'memory', message: `${error.message}: ${error.advice}` });
    this.#tell({ kind: 'state', state: 'paused' });
    this.#mailbox.waitFor((letter) => letter.kind === 'resume');
    this.#tell({ kind: 'state', state: 'running' });
  }

  run(): void {
    this.#tell({ kind: 'ready' });
    this.#tell({ kind: 'state', state: 'running' });
    const end = this.#loop.run();
    this.#post({ kind: 'ended', end, stats: this.#stats() });
  }

  /** For `nanos` of its time. */
  runFor(nanos: number): void {
    this.#scheduler.timer('run-for', () => { this.#loop.requestEnd({ reason: 'stopped' }); }).arm(this.#scheduler.now() + nanos);
    this.#loop.run();
  }

  /** Between two instructions. */
  capture(letter: CaptureLetter): CapturedState {
    return captureState(this.#parts, this.#memory, letter);
  }

  #deliver(letter: BoardLetter): void {
    switch (letter.kind) {
      case 'block-done':
        this.#disks[letter.disk]?.completed(letter);
        break;
      case 'disc':
        this.#changeDisc(letter);
        break;
      case 'cable':
        this.#pc.setCable(letter.adapter, letter.connected);
        break;
      case 'network':
        this.#cables[letter.adapter]!.rung();
        break;
      case 'output-drained':
        this.#lines[letter.line].drained(letter.bytes);
        break;
      case 'serial-input':
        this.#lines.serial.deliver(letter.bytes);
        break;
      case 'virtio-console-input':
        this.#lines['virtio-console'].deliver(letter.bytes);
        break;
      case 'keys':
        this.#pc.keys(letter.events);
        break;
      case 'type-text':
        this.#pc.typeText(letter.text, letter.layout);
        break;
      case 'pointer':
        this.#pc.pointer(letter);
        break;
      case 'power-button':
        this.#pc.pressPowerButton();
        break;
      case 'stats':
        this.#post({ kind: 'stats', requestId: letter.requestId, stats: this.#stats() });
        break;
      case 'ping':
        this.#tell({ kind: 'pong', sentAt: letter.sentAt });
        break;
    }
  }

  #changeDisc({ requestId, drive, force, disc }: Extract<BoardLetter, { kind: 'disc' }>): void {
    const backend = disc === undefined ? undefined : this.#openDisk({ sectorBytes: 2048, sectorCount: disc.sectorCount, readOnly: true, serial: driveSerial(drive) }, disc.disk);
    const isHeld = !this.#pc.changeDisc(drive, backend, force);
    if (disc !== undefined && !isHeld) this.#disks[disc.disk] = backend;
    this.#post({ kind: 'disc-changed', requestId, isHeld });
  }

  #stats(): MachineStats {
    return machineStats(this.#pc.accelerator, this.#pc.instructions, hostNanos() - this.#startNanos, this.#scheduler.now(), this.#loop.haltedNanos, processNanos());
  }

  #tell(event: VmEvent): void {
    this.#post({ kind: 'event', event });
  }
}

/** Host time that never goes back. Only the time source and statistics see it. */
function hostNanos(): number {
  return Math.floor(performance.now() * 1e6);
}

/** Processor time of the whole process: what translates for the guest and serves it counts against its limit. */
function processNanos(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}
