/**
 * `npm run bench -- --snapshots`: how long the guest stands still for a snapshot, how soon it runs again from one, how soon another
 * machine runs from it and what that costs, beside QEMU's savevm, loadvm and a migration from a file. A third of the guest's memory
 * holds random bytes. Ours go the app's own way, from the call to the machine's first instruction, with a process that waits.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createAppServices, type OwningCore } from '../../src/main/app-services.ts';
import { appPaths } from '../../src/main/app-paths.ts';
import { ForkLauncher } from '../../src/main/machines/fork-launcher.ts';
import type { VmLauncher } from '../../src/main/machines/launcher.ts';
import { WarmLauncher } from '../../src/main/machines/warm-launcher.ts';
import { vmEventSchema } from '../../src/shared/vm-protocol.ts';
import type { Result } from '../../src/shared/result.ts';
import { distFolder } from '../../scripts/build/folders.mjs';
import { guestInitrd, guestKernel } from '../support/guest-images.ts';
import { qemuImg } from '../support/qemu-img.ts';
import { engines } from './engines.ts';
import type { BenchOptions } from './options.ts';

const FLAVOUR = 'cloud-amd64';
const MEBIBYTE = 2 ** 20;
const SIZES = [256, 1024, 3072];
const DISK_BYTES = 1 << 30;
const COMMAND_LINE = 'console=ttyS0 quiet cryptomgr.notests';

const WHAT = {
  pause: 'snapshot: stands still',
  written: 'snapshot: written after',
  pauseAgain: 'next one: stands still',
  stateBytes: 'on disk: snapshot',
  stateBytesAgain: 'on disk: next one',
  restored: 'off → runs from it',
  restoredPrints: 'off → prints from it',
  restoredRunning: 'on → runs from it',
  forked: 'another machine runs',
  forkedPrints: 'another machine prints',
  forkBytes: 'on disk: another machine',
  forkMemory: 'in memory: another machine, running',
} as const;
type Figure = keyof typeof WHAT;
type Column = Partial<Record<Figure, number[]>>;
const isBytes = (figure: Figure): boolean => /Bytes|Memory/.test(figure);

function init(mebibytes: number): string {
  return `dd if=/dev/urandom of=/ballast bs=1M count=${Math.floor(mebibytes / 3)} 2>/dev/null; n=0; while true; do n=$((n+1)); echo "tick $n"; sleep 0.02; done`;
}

function add(column: Column, figure: Figure, value: number): void {
  (column[figure] ??= []).push(value);
}

export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.error.message}: ${result.error.advice}`);
  return result.value;
}

/** What of a folder's files is its own: what has another name elsewhere takes no room for it. */
function ownBytes(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => lstatSync(join(folder, name)))
    .filter((status) => status.isFile() && status.nlink === 1).reduce((sum, { blocks }) => sum + blocks * 512, 0);
}

/** Memory that a process shares with nobody. */
function privateBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return [...rollup.matchAll(/^Private_\w+:\s+(\d+) kB$/gm)].reduce((sum, [, kibibytes]) => sum + Number(kibibytes) * 1024, 0);
}

/** Our app without a window, whose VM processes tell what they say. */
export class OurApp {
  readonly #home = mkdtempSync(join(tmpdir(), 'guesthouse-bench-'));
  readonly #launcher: WarmLauncher;
  readonly core: Promise<OwningCore>;
  /** Called when a process is as ready as it can be. */
  #warmedUp = (): void => {};
  #isWarm = false;
  /** What the app has waiting keeps no process from ending. */
  readonly #alive = setInterval(() => {}, 1000);
  pauseMillis = 0;
  pid: number | undefined;

  constructor() {
    const paths = appPaths({ ...process.env, GUESTHOUSE_HOME: this.#home, GUESTHOUSE_VM_PROCESS: join(distFolder, 'vm-process.js') });
    const fork = new ForkLauncher(paths.vmProcess);
    const listening: VmLauncher = {
      takesPorts: false,
      launch: (name, listener) => {
        this.#isWarm = false;
        const vm = fork.launch(name, {
          ...listener,
          message: (message) => {
            const event = vmEventSchema.safeParse(message).data;
            if (event?.kind === 'state-saved' && event.saved !== undefined) this.pauseMillis = event.saved.pauseMillis;
            if (event?.kind === 'ready') this.pid = vm.pid;
            if (event?.kind === 'warmed-up') {
              this.#isWarm = true;
              this.#warmedUp();
            }
            listener.message(message);
          },
        });
        return vm;
      },
    };
    this.#launcher = new WarmLauncher(listening, { biosPath: paths.bios, vgaBiosPath: paths.vgaBios });
    this.core = createAppServices({ shell: 'command-line', paths: { ...paths, mediaProcess: join(distFolder, 'media-process.js') }, launcher: this.#launcher }).then(value);
  }

  folder(machine: string): string {
    return join(this.#home, 'machines', `${machine}.guestvm`);
  }

  /** As when somebody has looked at the app for a few seconds. */
  async quiet(): Promise<void> {
    if (!this.#isWarm) await new Promise<void>((resolve) => { this.#warmedUp = resolve; });
    await delay(2500);
  }

  /** Resolves when a machine's console shows a new line. */
  ticks(machine: string): Promise<void> {
    return this.prints(machine, 'tick');
  }

  async prints(machine: string, text: string): Promise<void> {
    const core = await this.core;
    await new Promise<void>((resolve) => {
      void core.openChannel('console', machine, {
        message: (message) => {
          const { bytes, replay } = message as { bytes: Uint8Array; replay: boolean };
          if (!replay && Buffer.from(bytes).includes(text)) resolve();
        },
        closed: () => {},
      });
    });
  }

  async close(): Promise<void> {
    await (await this.core).close();
    this.#launcher.close();
    clearInterval(this.#alive);
    rmSync(this.#home, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function measureOurs(mebibytes: number, turns: number): Promise<Column> {
  const column: Column = {};
  const app = new OurApp();
  try {
    const { client } = await app.core;
    value(await client.library.create({
      name: 'base', memoryBytes: mebibytes * MEBIBYTE, newDiskBytes: DISK_BYTES, newDiskBus: 'virtio',
      directBoot: { kernel: guestKernel(FLAVOUR).file, initrd: guestInitrd({ flavour: FLAVOUR, init: init(mebibytes) }), commandLine: COMMAND_LINE },
    }));
    value(await client.machines.start({ name: 'base', overcommit: true }));
    await app.ticks('base');
    let snapshot = '';
    for (let turn = 0; turn < turns; turn++) {
      const before = ownBytes(join(app.folder('base'), 'snapshots'));
      const at = performance.now();
      const { id } = value(await client.snapshots.take({ name: 'base', snapshotName: `after ${turn}` }));
      if (turn === 0) add(column, 'written', performance.now() - at);
      add(column, turn === 0 ? 'pause' : 'pauseAgain', app.pauseMillis);
      add(column, turn === 0 ? 'stateBytes' : 'stateBytesAgain', ownBytes(join(app.folder('base'), 'snapshots')) - before);
      snapshot ||= id;
      await delay(500);
    }
    for (let turn = 0; turn < turns; turn++) {
      await app.quiet();
      const at = performance.now();
      value(await client.snapshots.restore({ name: 'base', snapshot }));
      add(column, 'restoredRunning', performance.now() - at);
      await app.ticks('base');
    }
    for (let turn = 0; turn < turns; turn++) {
      value(await client.snapshots.restore({ name: 'base', snapshot }));
      value(await client.machines.save({ name: 'base' }));
      await app.quiet();
      const at = performance.now();
      value(await client.machines.start({ name: 'base', overcommit: true }));
      add(column, 'restored', performance.now() - at);
      await app.ticks('base');
      add(column, 'restoredPrints', performance.now() - at);
    }
    value(await client.machines.stop({ name: 'base', how: 'force' }));
    for (let turn = 0; turn < turns; turn++) {
      await app.quiet();
      const name = `fork${turn}`;
      const at = performance.now();
      value(await client.library.clone({ name: 'base', newName: name, linked: true, snapshot }));
      value(await client.machines.start({ name, overcommit: true }));
      add(column, 'forked', performance.now() - at);
      await app.ticks(name);
      add(column, 'forkedPrints', performance.now() - at);
      add(column, 'forkBytes', ownBytes(app.folder(name)));
      add(column, 'forkMemory', privateBytes(app.pid!));
      value(await client.machines.stop({ name, how: 'force' }));
    }
  } finally {
    await app.close();
  }
  return column;
}

/** QEMU with its monitor on standard input and output and the guest's console on a socket. */
class QemuMachine {
  readonly #child: ChildProcess;
  #monitor = '';
  #console = '';
  #isOver = false;
  #changed = (): void => {};

  private constructor(args: readonly string[], consoleSocket: string, server: Server) {
    server.once('connection', (socket) => {
      socket.setEncoding('latin1').on('data', (text: string) => { this.#console += text; this.#changed(); }).on('error', () => {});
      server.close();
    });
    this.#child = spawn('qemu-system-x86_64', [...args, '-monitor', 'stdio', '-chardev', `socket,id=console,path=${consoleSocket}`, '-serial', 'chardev:console'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout!.setEncoding('latin1').on('data', (text: string) => { this.#monitor += text; this.#changed(); });
    this.#child.once('exit', () => { this.#isOver = true; this.#changed(); });
  }

  static async begin(args: readonly string[], folder: string): Promise<QemuMachine> {
    const path = join(folder, `console-${Math.random().toString(36).slice(2)}`);
    const server = createServer();
    await new Promise<void>((resolve) => { server.listen(path, resolve); });
    return new QemuMachine(args, path, server);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#isOver) throw new Error('QEMU has ended');
      await new Promise<void>((resolve) => { this.#changed = resolve; });
    }
  }

  /** Until the monitor asks for the next command. */
  async command(text: string): Promise<void> {
    await this.#until(() => this.#monitor.endsWith('(qemu) '));
    this.#monitor = '';
    this.#child.stdin!.write(`${text}\n`);
    await this.#until(() => this.#monitor.endsWith('(qemu) '));
  }

  async says(question: string, answer: string): Promise<void> {
    do await this.command(question); while (!this.#monitor.includes(answer));
  }

  async ticks(): Promise<void> {
    this.#console = '';
    await this.#until(() => this.#console.includes('tick'));
  }

  async end(): Promise<void> {
    const exited = new Promise((resolve) => { this.#child.once('exit', resolve); });
    this.#child.kill('SIGKILL');
    await exited;
  }
}

async function measureQemu(mebibytes: number, turns: number): Promise<Column> {
  const column: Column = {};
  const folder = mkdtempSync(join(tmpdir(), 'guesthouse-bench-qemu-'));
  const running = new Set<QemuMachine>();
  const begin = async (args: readonly string[]): Promise<QemuMachine> => {
    const machine = await QemuMachine.begin(args, folder);
    running.add(machine);
    return machine;
  };
  const end = async (machine: QemuMachine): Promise<void> => {
    running.delete(machine);
    await machine.end();
  };
  try {
    const [disk, state] = [join(folder, 'disk.qcow2'), join(folder, 'state')];
    const create = (args: readonly string[]): void => { qemuImg('create', '-q', '-f', 'qcow2', ...args); };
    create([disk, String(DISK_BYTES)]);
    const args = (image: string): string[] => ['-accel', 'tcg', '-smp', '1', '-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'std', '-m', String(mebibytes), '-drive', `file=${image},if=virtio,format=qcow2`,
      '-kernel', guestKernel(FLAVOUR).file, '-initrd', guestInitrd({ flavour: FLAVOUR, init: init(mebibytes) }), '-append', COMMAND_LINE];
    const base = await begin(args(disk));
    await base.ticks();
    for (let turn = 0; turn < turns; turn++) {
      const before = statSync(disk).blocks * 512;
      const at = performance.now();
      await base.command(`savevm s${turn}`);
      const millis = performance.now() - at;
      add(column, turn === 0 ? 'pause' : 'pauseAgain', millis);
      if (turn === 0) add(column, 'written', millis);
      add(column, turn === 0 ? 'stateBytes' : 'stateBytesAgain', statSync(disk).blocks * 512 - before);
      await delay(500);
    }
    for (let turn = 0; turn < turns; turn++) {
      const at = performance.now();
      await base.command('loadvm s0');
      add(column, 'restoredRunning', performance.now() - at);
      await base.ticks();
    }
    await base.command(`migrate -d "exec:cat > ${state}"`);
    await base.says('info migrate', 'completed');
    await end(base);
    for (let turn = 0; turn < turns; turn++) {
      const at = performance.now();
      const machine = await begin([...args(disk), '-loadvm', 's0']);
      await machine.says('info status', 'VM status: running');
      add(column, 'restored', performance.now() - at);
      await machine.ticks();
      add(column, 'restoredPrints', performance.now() - at);
      await end(machine);
    }
    for (let turn = 0; turn < turns; turn++) {
      const at = performance.now();
      const overlay = join(folder, `fork${turn}.qcow2`);
      create(['-b', disk, '-F', 'qcow2', overlay]);
      const machine = await begin([...args(overlay), '-incoming', `exec:cat ${state}`]);
      await machine.says('info status', 'VM status: running');
      add(column, 'forked', performance.now() - at);
      await machine.ticks();
      add(column, 'forkedPrints', performance.now() - at);
      add(column, 'forkBytes', statSync(overlay).blocks * 512);
      add(column, 'forkMemory', privateBytes(machine.pid));
      await end(machine);
    }
  } finally {
    for (const machine of running) await machine.end();
    rmSync(folder, { recursive: true, force: true });
  }
  return column;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

function shown(figure: Figure, values: readonly number[] | undefined): string {
  if (values === undefined) return '–';
  const middle = median(values);
  if (isBytes(figure)) return `${(middle / MEBIBYTE).toFixed(middle < 10 * MEBIBYTE ? 1 : 0)} MiB`;
  return `${middle.toFixed(middle < 10 ? 1 : 0)} ms`;
}

export async function benchSnapshots(options: BenchOptions, say: (line: string) => void): Promise<void> {
  const hasQemu = engines.tcg.missing() === undefined;
  if (!hasQemu) say('QEMU is left out: qemu-system-x86_64 is not installed');
  const sizes = options.size === 'quick' ? SIZES.slice(0, 1) : SIZES;
  const turns = Math.max(2, Math.min(3, options.runs));
  const columns: { readonly title: string; readonly column: Column }[] = [];
  for (const mebibytes of sizes) {
    say(`measuring ${mebibytes} MiB…`);
    columns.push({ title: `${mebibytes} MiB`, column: await measureOurs(mebibytes, turns) });
    if (hasQemu) columns.push({ title: 'QEMU', column: await measureQemu(mebibytes, turns) });
  }
  say(`\n| median of ${turns} | ${columns.map(({ title }) => title).join(' | ')} |`);
  say(`|---|${columns.map(() => '---:|').join('')}`);
  for (const [figure, what] of Object.entries(WHAT)) say(`| ${what} | ${columns.map(({ column }) => shown(figure as Figure, column[figure as Figure])).join(' | ')} |`);
}
