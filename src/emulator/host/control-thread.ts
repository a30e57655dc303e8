/**
 * The control thread of a VM process: takes commands from main, owns files and the display encoder, and starts the
 * machine thread. It never waits for the machine thread, so it answers whatever the guest does.
 */
import { totalmem } from 'node:os';
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import type { UNASKED_REQUEST, VmCommand, VmEvent, VmStart } from '../../shared/vm-protocol.ts';
import { GUEST_RAM } from '../cpu/memory-layout.ts';
import type { DiskImage } from '../interfaces/disk-image.ts';
import { driveSerial } from '../machine/drive-bays.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import { filesToTransfer, readBoardFiles } from './board-files.ts';
import { MountedBundle } from './bundle-members.ts';
import { DiskService } from './disk-service.ts';
import { DiskTroubles } from './disk-troubles.ts';
import { DisplayService } from './display-service.ts';
import type { EngineModules } from './engine-modules.ts';
import { LiveChanges } from './live-changes.ts';
import type { BoardFiles, DiskFacts, MachinePost, MachineStats, MachineThreadOrder, MachineThreadStart, ResumedState } from './machine-post.ts';
import { openDisk } from './open-disk.ts';
import { NetworkService } from './network-service.ts';
import { MailboxSender } from './port-mailbox.ts';
import { StartError } from './start-error.ts';
import { ImageError } from '../storage/image-error.ts';
import { damagedState, StateError } from '../snapshot/state-error.ts';
import { ChunkTable } from '../snapshot/state-format.ts';
import { resumedState, StateService } from './state-service.ts';
import { rehearseReading, type StateFile, type StateSection } from './state-reader.ts';
import { completeStats } from './stats.ts';
import type { CommandPort, Transport } from './transport.ts';

const WASM_PAGE_BYTES = 0x10000;
/** One 32-bit memory holds guest RAM and everything else of the machine. */
const MAX_MEMORY_BYTES = 0x1_0000_0000;
const MIN_RAM_BYTES = 0x10_0000;
/** What the host itself and this process need besides guest RAM. */
const HOST_RESERVE_BYTES = 256 * 0x10_0000;
/** How long the machine thread may take to end when it was told to. */
const STOP_MILLIS = 3_000;
/** Of an adapter: more than anybody reads. */
const CONNECTIONS_LISTED = 500;
/** The protocol's constant, spelled out here so that its schemas aren't loaded into this process. */
const UNASKED: typeof UNASKED_REQUEST = -1;

type MachineCommand = Exclude<VmCommand, { kind: 'warm-up' | 'power-on' | 'power-off' | 'attach-display' }>;
type Ended = Extract<VmEvent, { kind: 'ended' }>;

export interface ControlThreadParts {
  /** The worker's module. */
  readonly machineThread: URL;
  readonly engine: Promise<EngineModules>;
}

/** What a machine resumes from. */
interface OpenState {
  readonly file: StateFile;
  readonly sections: readonly StateSection[];
}

interface RunningMachine {
  readonly posts: MessagePort;
  readonly mailbox: MailboxSender;
  /** By their numbers. Empty drives have none; discs that were taken out keep theirs. */
  readonly disks: (DiskService | undefined)[];
  readonly troubles: DiskTroubles;
  readonly changes: LiveChanges;
  readonly networks: readonly NetworkService[];
  readonly display: DisplayService;
  readonly states: StateService;
  readonly finalScreen: boolean;
}

export class ControlThread {
  readonly #transport: Transport;
  readonly #engine: Promise<EngineModules>;
  /** Starts with this process, so that it is up when the machine is asked for. */
  readonly #worker: Worker;
  readonly #exit: (status: number) => void;
  #machine: RunningMachine | undefined;
  #poweredOn = false;
  #ending = false;
  #stopTimer: NodeJS.Timeout | undefined;
  /** Commands that came while the machine was being built, and who is to get their answers. */
  #early: { readonly command: MachineCommand; readonly from: CommandPort }[] = [];

  /** `exit` ends the process. */
  constructor(transport: Transport, parts: ControlThreadParts, exit: (status: number) => void) {
    this.#transport = transport;
    this.#exit = exit;
    this.#engine = parts.engine;
    // Whoever powers on hears of it.
    this.#engine.catch(() => {});
    this.#worker = new Worker(parts.machineThread, { name: 'machine' });
    this.#worker.on('error', (error) => void this.#finish(crashed(error), 1, undefined));
    this.#worker.on('exit', (status) => this.#machineThreadEnded(status));
    transport.onCommand((command, port) => this.#take(command, port, transport));
    transport.onClose(() => this.stop());
  }

  /** Ends the machine as `power-off` does: for signals and a main process that went away. */
  stop(): void {
    if (this.#ending) return;
    if (this.#machine === undefined) {
      void this.#finish({ kind: 'ended', reason: 'stopped' }, 0, undefined);
      return;
    }
    if (this.#stopTimer !== undefined) return;
    this.#machine.mailbox.post({ kind: 'power-off' });
    this.#stopTimer = setTimeout(() => void this.#finish({ kind: 'ended', reason: 'stopped' }, 0, undefined), STOP_MILLIS);
  }

  #take(command: VmCommand, port: CommandPort | undefined, from: CommandPort): void {
    switch (command.kind) {
      case 'warm-up':
        if (!this.#poweredOn) void this.#warmUp(command);
        return;
      case 'power-on':
        if (this.#poweredOn) return;
        this.#poweredOn = true;
        // What lists of processes show.
        process.title = `guesthouse vm-process ${command.start.name}`;
        void this.#powerOn(command.start);
        return;
      case 'power-off':
        this.stop();
        return;
      case 'attach-display':
        if (port === undefined) return;
        port.onCommand((inner) => {
          // A window may look and type; it may not end the machine.
          if (['watch-display', 'frame-drawn', 'keys', 'type-text', 'pointer'].includes(inner.kind)) this.#take(inner, undefined, port);
        });
        port.onClose(() => {
          this.#early = this.#early.filter(({ from: sender }) => sender !== port);
          this.#machine?.display.forget(port);
        });
        return;
      default:
        this.#takeForMachine(command, from);
    }
  }

  #takeForMachine(command: MachineCommand, from: CommandPort): void {
    const machine = this.#machine;
    if (machine === undefined) {
      if (command.kind === 'ping') from.send({ kind: 'pong', sentAt: command.sentAt });
      else if (!this.#ending && this.#early.length < 1_000) this.#early.push({ command, from });
      return;
    }
    switch (command.kind) {
      case 'watch-display':
        machine.display.watch(from, command.watch);
        break;
      case 'frame-drawn':
        machine.display.frameDrawn(from);
        break;
      case 'screenshot':
        from.send({ kind: 'screenshot', requestId: command.requestId, png: machine.display.screenshot() });
        break;
      case 'screen-text':
        from.send(screenText(machine.display, command.requestId));
        break;
      case 'network-state':
        from.send({ kind: 'network-state', requestId: command.requestId, adapters: machine.networks.map((network) => (
          { figures: network.figures(), connections: network.connections(CONNECTIONS_LISTED) })) });
        break;
      case 'change':
        void machine.changes.make(command.change).then((error) => {
          from.send({ kind: 'changed', requestId: command.requestId, ...(error === undefined ? {} : { error }) });
        });
        break;
      case 'keys':
      case 'type-text':
      case 'pointer':
        machine.display.expectChange();
        machine.mailbox.post(command);
        break;
      case 'make-layers':
        void machine.states.makeLayers(command.layers).then((error) => { from.send({ kind: 'layers-made', requestId: command.requestId, ...(error && { error }) }); });
        break;
      case 'drop-layers':
        void machine.states.dropLayers();
        break;
      case 'save-state':
        void machine.states.save(command).then((answer) => { from.send({ kind: 'state-saved', requestId: command.requestId, layersInUse: machine.states.layersInUse, ...answer }); });
        break;
      case 'pause':
        machine.troubles.pausedByUser();
        machine.mailbox.post(command);
        break;
      case 'resume':
        if (machine.troubles.resumedByUser()) machine.mailbox.post(command);
        break;
      default:
        machine.mailbox.post(command);
    }
  }

  /** What fails here fails again when there is a machine, whose owner hears of it. */
  async #warmUp(firmware: Pick<VmStart, 'biosPath' | 'vgaBiosPath'>): Promise<void> {
    try {
      const files = await readBoardFiles({ ...firmware, directBoot: undefined, resumeFrom: undefined });
      const engine = await this.#engine;
      if (this.#poweredOn) return;
      this.#worker.once('message', (saved: ResumedState) => {
        rehearseReading(saved.sections, new ChunkTable(saved.chunks));
        this.#transport.send({ kind: 'warmed-up' });
      });
      this.#worker.postMessage({ kind: 'rehearse', engine, files } satisfies MachineThreadOrder);
    } catch {
      this.#transport.send({ kind: 'warmed-up' });
    }
  }

  async #powerOn(start: VmStart): Promise<void> {
    const images: (DiskImage | undefined)[] = [];
    const networks: NetworkService[] = [];
    let resumed: OpenState | undefined;
    try {
      checkSizes(start);
      const reading = Promise.all([readBoardFiles(start), this.#engine]);
      // Heard of below, unless something else fails before.
      reading.catch(() => {});
      const bundle = start.bundle === undefined ? undefined : await MountedBundle.open(start.bundle);
      for (const attachment of start.disks) images.push(attachment.path === undefined ? undefined : await openDisk(attachment, bundle));
      resumed = await StateService.openFor(start, images.map(diskFacts), bundle);
      const [files, engine] = await reading;
      const memory = allocateMemory(Math.ceil((GUEST_RAM + start.memoryBytes) / WASM_PAGE_BYTES));
      const log: DeviceLog = { log: (level, topic, message) => this.#transport.send({ kind: 'log', level, topic, message }) };
      for (const [adapter, given] of (start.adapters ?? []).entries()) {
        networks.push(new NetworkService(memory.buffer, adapter, given, () => this.#machine?.mailbox.post({ kind: 'network', adapter }), log));
      }
      restoreNetworks(networks, resumed?.sections);
      await Promise.all(networks.map((network) => network.ready));
      if (this.#ending) throw new StartError('machines.stopped', 'the machine was stopped while it started', 'start it again');
      this.#startMachine(start, files, engine, memory, images, networks, resumed, bundle);
    } catch (error) {
      await resumed?.file[Symbol.asyncDispose]().catch(() => {});
      for (const network of networks) await network.close();
      for (const image of images) await Promise.resolve(image?.[Symbol.asyncDispose]()).catch(() => {});
      await this.#finish(startFailed(error), 1, undefined);
    }
  }

  #startMachine(start: VmStart, files: BoardFiles, engine: EngineModules, memory: WebAssembly.Memory, images: readonly (DiskImage | undefined)[], networks: readonly NetworkService[],
    resumed: OpenState | undefined, bundle: MountedBundle | undefined): void {
    const shared = new Uint8Array(memory.buffer);
    const letters = new MessageChannel();
    const posts = new MessageChannel();
    const mailbox = new MailboxSender(letters.port2, memory.buffer);
    const facts = images.map(diskFacts);
    const troubles = new DiskTroubles({
      pause: () => {
        mailbox.post({ kind: 'pause' });
        // In instruction time the machine thread waits for the very request, and says nothing.
        this.#transport.send({ kind: 'state', state: 'paused' });
      },
      resume: () => { mailbox.post({ kind: 'resume' }); },
      tell: (disk, trouble) => { this.#transport.send({ kind: 'disk-trouble', disk, ...(trouble === undefined ? {} : { error: { code: trouble.code, message: trouble.message, advice: trouble.advice } }) }); },
    });
    const disks = images.map((image, index) => {
      if (image === undefined) return undefined;
      const disk: DiskService = new DiskService(image, shared, start.disks[index]!.bytesPerSecondMaximum, {
        troubled: (trouble) => { troubles.troubled(index, disk, trouble); }, mended: () => { troubles.mended(index); },
      });
      return disk;
    });
    const states = new StateService({
      start, shared: memory.buffer as SharedArrayBuffer, disks, facts, bundle,
      log: { log: (level, topic, message) => this.#transport.send({ kind: 'log', level, topic, message }) },
      post: (letter) => { mailbox.post(letter); },
      ownSections: () => [networkSection(networks)],
      memoryLoaded: () => { this.#transport.send({ kind: 'memory-loaded' }); },
    }, resumed?.file);
    const given: MachineThreadStart = {
      kind: 'run',
      start, memory, engine, files, disks: facts, letters: letters.port1, posts: posts.port1,
      guardWords: states.words, resumed: resumed && resumedState(resumed.file, resumed.sections),
    };
    const machine: RunningMachine = {
      posts: posts.port2,
      mailbox,
      disks,
      networks,
      states,
      troubles,
      changes: new LiveChanges({ shared, mailbox, disks, networks }),
      display: new DisplayService(memory.buffer),
      finalScreen: start.finalScreen === true,
    };
    this.#machine = machine;
    posts.port2.on('message', (post: MachinePost) => this.#receive(post, machine));
    this.#worker.postMessage(given, [letters.port1, posts.port1, ...filesToTransfer(files)]);
    for (const { command, from } of this.#early.splice(0)) this.#takeForMachine(command, from);
  }

  #machineThreadEnded(status: number): void {
    const machine = this.#machine;
    if (machine !== undefined) {
      // What it said last may still lie in the port.
      for (let last = receivePost(machine.posts); last !== undefined; last = receivePost(machine.posts)) this.#receive(last, machine);
    }
    void this.#finish(crashed(new Error(`the machine thread ended with status ${status}`)), 1, undefined);
  }

  #receive(post: MachinePost, machine: RunningMachine): void {
    switch (post.kind) {
      case 'event':
        if (post.event.kind === 'ready') machine.states.prefetch();
        this.#tellNetworks(post.event, machine.networks);
        this.#transport.send(post.event);
        break;
      case 'network':
        machine.networks[post.adapter]!.rung();
        break;
      case 'output':
        this.#transport.send({ kind: `${post.line}-output`, bytes: post.bytes }, () => {
          machine.mailbox.post({ kind: 'output-drained', line: post.line, bytes: post.bytes.length });
        });
        break;
      case 'block':
        machine.disks[post.disk]?.submit(post.request, (status) => {
          machine.mailbox.post({ kind: 'block-done', disk: post.disk, requestId: post.requestId, status });
        });
        break;
      case 'captured':
        machine.states.captured(post);
        break;
      case 'chunk':
        machine.states.chunk(post);
        break;
      case 'disc-changed':
        machine.changes.discChanged(post.requestId, post.isHeld);
        break;
      case 'stats':
        this.#transport.send({ kind: 'stats', requestId: post.requestId, stats: completeStats(post.stats, machine.disks, machine.networks, machine.display.framesSent) });
        break;
      case 'start-failed':
        void this.#finish(startFailed(new StartError(post.code, post.message, post.advice)), 1, undefined);
        break;
      case 'ended':
        void this.#finish(
          post.end.reason === 'exit-port'
            ? { kind: 'ended', reason: 'exit-port', exitStatus: post.end.exitStatus }
            : { kind: 'ended', reason: post.end.reason },
          0, post.stats);
        break;
    }
  }

  /** A network lives through what its machine does: its time stands still with the machine's. */
  #tellNetworks(event: VmEvent, networks: readonly NetworkService[]): void {
    for (const network of networks) {
      if (event.kind === 'guest-reset') network.guestReset();
      else if (event.kind === 'state' && event.state === 'paused') network.pause();
      else if (event.kind === 'state') network.resume();
    }
  }

  async #finish(ended: Ended, status: number, stats: MachineStats | undefined): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    clearTimeout(this.#stopTimer);
    const machine = this.#machine;
    let last = ended;
    machine?.display.stop();
    machine?.troubles.close();
    // A machine thread that still runs could write to the guest's RAM while its disks are being flushed.
    await this.#worker.terminate();
    if (machine !== undefined) {
      for (const network of machine.networks) await network.close();
      await machine.states.close();
      for (const disk of machine.disks) {
        try {
          await disk?.close();
        } catch (error) {
          last = { kind: 'ended', reason: 'crashed', error: {
            code: 'media.write-failed', message: `a disk image could not be written to its end (${describe(error)})`, advice: 'check the disk it lies on' } };
          status = 1;
        }
      }
      if (stats !== undefined) {
        this.#transport.send({ kind: 'stats', requestId: UNASKED, stats: completeStats(stats, machine.disks, machine.networks, machine.display.framesSent) });
      }
      if (machine.finalScreen) this.#sendScreen(machine.display);
    }
    this.#transport.send(last);
    await this.#transport.drain();
    this.#exit(status);
  }

  #sendScreen(display: DisplayService): void {
    this.#transport.send(screenText(display, UNASKED));
    this.#transport.send({ kind: 'screenshot', requestId: UNASKED, png: display.screenshot() });
  }
}

const NETWORK_VERSION = 1;

function networkSection(networks: readonly NetworkService[]): StateSection {
  return { id: 'network', version: NETWORK_VERSION, state: networks.map((network) => network.save()) };
}

/** Throws `StateError`. */
function restoreNetworks(networks: readonly NetworkService[], sections: readonly StateSection[] | undefined): void {
  const saved = sections?.find(({ id, version }) => id === 'network' && version === NETWORK_VERSION)?.state;
  if (!Array.isArray(saved)) return;
  try {
    for (const [index, network] of networks.entries()) network.restore(saved[index]);
  } catch (error) {
    throw damagedState(`makes no sense where its networks are (${describe(error)})`);
  }
}

function screenText(display: DisplayService, requestId: number): VmEvent {
  const rows = display.screenText();
  return rows === undefined ? { kind: 'screen-text', requestId } : { kind: 'screen-text', requestId, rows };
}

function receivePost(port: MessagePort): MachinePost | undefined {
  return (receiveMessageOnPort(port) as { message: MachinePost } | undefined)?.message;
}

function checkSizes(start: VmStart): void {
  const bytes = start.memoryBytes;
  const mebibytes = (value: number): string => `${Math.floor(value / 0x10_0000)} MiB`;
  if (!Number.isSafeInteger(bytes) || bytes < MIN_RAM_BYTES) {
    throw new StartError('memory.too-small', 'the machine needs at least 1 MiB of memory', 'give it more');
  }
  if (bytes > MAX_MEMORY_BYTES - GUEST_RAM) {
    throw new StartError('memory.too-large', `a machine can have at most ${mebibytes(MAX_MEMORY_BYTES - GUEST_RAM)} of memory`, 'give it less');
  }
  const available = totalmem() - HOST_RESERVE_BYTES;
  if (bytes > available) {
    throw new StartError('memory.too-large', `the machine asks for ${mebibytes(bytes)} of memory; this host can give ${mebibytes(Math.max(0, available))}`, 'give it less');
  }
}

function allocateMemory(pages: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch {
    throw new StartError('memory.too-large', 'the host has no room for the machine\'s memory', 'give the machine less, or end other programs');
  }
}

function diskFacts(image: DiskImage | undefined, index: number): DiskFacts | undefined {
  return image === undefined ? undefined : {
    sectorBytes: image.sectorBytes, sectorCount: image.sectorCount, readOnly: image.readOnly,
    serial: driveSerial(index),
  };
}

function startFailed(error: unknown): Ended {
  const facts = error instanceof StartError || error instanceof StateError || error instanceof ImageError
    ? { code: error.code, message: error.message, advice: error.advice }
    : { code: 'machines.start-failed', message: describe(error), advice: 'see the machine\'s log' };
  return { kind: 'ended', reason: 'start-failed', error: facts };
}

function crashed(error: unknown): Ended {
  return { kind: 'ended', reason: 'crashed', error: {
    code: 'machines.crashed', message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    advice: 'this is a mistake of Guesthouse; report it with the machine\'s log' } };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
