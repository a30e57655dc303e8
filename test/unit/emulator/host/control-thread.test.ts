import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlThread } from '../../../../src/emulator/host/control-thread.ts';
import type { CommandPort, Transport } from '../../../../src/emulator/host/transport.ts';
import { vmEventSchema, type VmCommand, type VmEvent, type VmStart } from '../../../../src/shared/vm-protocol.ts';

const MACHINE_THREAD = new URL('../../../support/fake-machine-thread.ts', import.meta.url);
/** An empty module: its CPU is the test's. */
const NO_CODE = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Main, as a VM process sees it. */
class FakeMain implements Transport {
  readonly events: VmEvent[] = [];
  taking = true;
  status: number | undefined;
  #listener: (command: VmCommand, port: CommandPort | undefined) => void = () => {};
  #close: () => void = () => {};
  readonly #untaken: (() => void)[] = [];
  readonly #waiting: { matches: (event: VmEvent) => boolean; resolve: (event: VmEvent) => void }[] = [];
  #nextRequest = 1;
  readonly exited: Promise<number>;
  readonly control: ControlThread;

  constructor() {
    let exit: (status: number) => void = () => {};
    this.exited = new Promise((resolve) => (exit = resolve));
    this.control = new ControlThread(this, { machineThread: MACHINE_THREAD, engine: Promise.resolve({ runtime: NO_CODE, interpreter: NO_CODE }) }, exit);
  }

  send(event: VmEvent, taken?: () => void): void {
    expect(vmEventSchema.safeParse(event).error).toBeUndefined();
    this.events.push(event);
    if (taken !== undefined) this.#untaken.push(taken);
    if (this.taking) for (const take of this.#untaken.splice(0)) take();
    for (const wait of [...this.#waiting]) if (wait.matches(event)) wait.resolve(event);
  }

  take(): void {
    this.taking = true;
    for (const take of this.#untaken.splice(0)) take();
  }

  onCommand(listener: (command: VmCommand, port: CommandPort | undefined) => void): void {
    this.#listener = listener;
  }

  onClose(listener: () => void): void {
    this.#close = listener;
  }

  async drain(): Promise<void> {}

  command(command: VmCommand, port?: CommandPort): void {
    this.#listener(command, port);
  }

  disconnect(): void {
    this.#close();
  }

  async event<K extends VmEvent['kind']>(kind: K): Promise<Extract<VmEvent, { kind: K }>> {
    const found = this.events.find((event) => event.kind === kind);
    if (found !== undefined) return found as Extract<VmEvent, { kind: K }>;
    return await new Promise<VmEvent>((resolve) => this.#waiting.push({ matches: (event) => event.kind === kind, resolve })) as Extract<VmEvent, { kind: K }>;
  }

  /** What the statistics say now. */
  async instructions(): Promise<number> {
    const requestId = this.#nextRequest++;
    this.command({ kind: 'stats', requestId });
    for (;;) {
      const answer = this.events.find((event) => event.kind === 'stats' && event.requestId === requestId);
      if (answer?.kind === 'stats') return answer.stats.instructions;
      await turn();
    }
  }

  get serial(): string {
    return this.events.map((event) => (event.kind === 'serial-output' ? Buffer.from(event.bytes).toString('latin1') : '')).join('');
  }
}

describe('ControlThread', () => {
  let folder: string;
  let biosPath: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'guesthouse-'));
    biosPath = join(folder, 'bios');
    await writeFile(biosPath, new Uint8Array(65536));
  });

  afterEach(() => rm(folder, { recursive: true }));

  function start(program: string, changes: Partial<VmStart> = {}): VmStart {
    return {
      name: program, memoryBytes: 16 << 20, architecture: 'x86_64', accelerator: 'interpreter', biosPath, vgaBiosPath: undefined,
      directBoot: undefined, disks: [], bootOrder: [], time: 'host', rtcEpochSeconds: 0, seed: 1, exitPort: 0xf4, debugPort: undefined,
      onReset: 'reboot', ...changes,
    };
  }

  it('powers a machine on, passes its serial output on and ends with the status of the exit port', async () => {
    const main = new FakeMain();
    main.command({ kind: 'power-on', start: start('hello') });
    expect(await main.exited).toBe(0);
    expect(main.serial).toBe('hello\n');
    expect(main.events.map((event) => event.kind)).toEqual(['ready', 'state', 'serial-output', 'stats', 'ended']);
    expect(main.events.at(-1)).toEqual({ kind: 'ended', reason: 'exit-port', exitStatus: 42 });
  });

  it('does the same in instruction time', async () => {
    const main = new FakeMain();
    main.command({ kind: 'power-on', start: start('hello', { time: { instructionsPerMicrosecond: 100 } }) });
    expect(await main.exited).toBe(0);
    expect(main.serial).toBe('hello\n');
  });

  it('brings serial input to the guest', async () => {
    const main = new FakeMain();
    main.command({ kind: 'power-on', start: start('echo') });
    main.command({ kind: 'serial-input', bytes: Uint8Array.from(Buffer.from('ping')) });
    while (main.serial !== 'ping') await turn();
    main.command({ kind: 'power-off' });
    expect(await main.exited).toBe(0);
  });

  it('shows the screen at a window that asked before the machine was there', async () => {
    const main = new FakeMain();
    let ask: (command: VmCommand, port: CommandPort | undefined) => void = () => {};
    const shown = new Promise<VmEvent>((resolve) => {
      const window: CommandPort = { send: resolve, onCommand: (listener) => { ask = listener; }, onClose: () => {} };
      main.command({ kind: 'power-on', start: start('idle') });
      main.command({ kind: 'attach-display' }, window);
      ask({ kind: 'watch-display', watch: true }, undefined);
    });
    expect((await shown).kind).toBe('display-frame');
    main.command({ kind: 'power-off' });
    expect(await main.exited).toBe(0);
    expect(main.events.map(({ kind }) => kind)).not.toContain('display-frame');
  });

  it('answers while the guest is busy, and while it is paused', async () => {
    const main = new FakeMain();
    main.command({ kind: 'power-on', start: start('busy') });
    main.command({ kind: 'ping', sentAt: 7 });
    expect(await main.event('pong')).toEqual({ kind: 'pong', sentAt: 7 });
    while (await main.instructions() === 0) await turn();
    main.command({ kind: 'pause' });
    const paused = await main.instructions();
    expect(await main.instructions()).toBe(paused);
    expect(main.events).toContainEqual({ kind: 'state', state: 'paused' });
    main.command({ kind: 'screenshot', requestId: 4 });
    expect([...(await main.event('screenshot')).png.subarray(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
    main.command({ kind: 'power-off' });
    expect(await main.exited).toBe(0);
    expect(main.events.at(-1)).toEqual({ kind: 'ended', reason: 'stopped' });
  });

  it('holds a guest that prints faster than main takes it', async () => {
    const main = new FakeMain();
    main.taking = false;
    main.command({ kind: 'power-on', start: start('flood') });
    // Two answers alike may only mean that the host had no time for the machine between them, unless it is held.
    let last = -1;
    for (let now = await main.instructions(); now !== last || main.serial.length <= 1 << 20; now = await main.instructions()) last = now;
    expect(main.serial.length).toBeLessThan(2 << 20);
    main.take();
    while (await main.instructions() === last) await turn();
    main.command({ kind: 'power-off' });
    expect(await main.exited).toBe(0);
  });

  it('reports a crash of the machine thread with what broke, and ends with status 1', async () => {
    const main = new FakeMain();
    main.command({ kind: 'power-on', start: start('crash') });
    expect(await main.exited).toBe(1);
    const ended = main.events.at(-1);
    expect(ended).toMatchObject({ kind: 'ended', reason: 'crashed' });
    expect(ended?.kind === 'ended' && ended.error?.message).toContain('the engine broke');
  });

  it('counts triple faults and stops at the first where it is told to', async () => {
    const main = new FakeMain();
    main.command({ kind: 'power-on', start: start('triple-fault', { onReset: 'stop' }) });
    expect(await main.exited).toBe(0);
    expect(main.events).toContainEqual({ kind: 'guest-reset', cause: 'triple-fault', countInLastMinute: 1 });
    expect(main.events.at(-1)).toEqual({ kind: 'ended', reason: 'reset-stop' });
  });

  it('ends when main goes away', async () => {
    const main = new FakeMain();
    main.command({ kind: 'power-on', start: start('idle') });
    await main.event('ready');
    main.disconnect();
    expect(await main.exited).toBe(0);
  });

  it.each([
    ['a missing firmware', { biosPath: '/nowhere/bios' }, 'media.missing'],
    ['a negative memory size', { memoryBytes: -5 }, 'memory.too-small'],
    ['an absurd memory size', { memoryBytes: 1e15 }, 'memory.too-large'],
    ['an exit port that belongs to a chip', { exitPort: 0x60 }, 'machines.port-in-use'],
    ['a missing disk', { disks: [{ path: '/nowhere/disk', format: 'raw', bus: 'ide', kind: 'disk', readOnly: false, discardChanges: false, backingFolders: [] }] }, 'media.missing'],
  ] as const)('says what is wrong with %s', async (_what, changes, code) => {
    const main = new FakeMain();
    main.command({ kind: 'power-on', start: start('idle', changes) });
    expect(await main.exited).toBe(1);
    expect(main.events.at(-1)).toMatchObject({ kind: 'ended', reason: 'start-failed', error: { code } });
  });

  it('says that a kernel is no kernel', async () => {
    const kernelPath = join(folder, 'kernel');
    await writeFile(kernelPath, 'not a kernel');
    const main = new FakeMain();
    main.command({ kind: 'power-on', start: start('idle', { directBoot: { kernelPath, initrdPath: undefined, commandLine: '' } }) });
    expect(await main.exited).toBe(1);
    expect(main.events.at(-1)).toMatchObject({ reason: 'start-failed', error: { code: 'kernel.not-a-kernel' } });
  });
});
