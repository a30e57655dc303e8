/**
 * A shell without machines behind it: serves dist/renderer and speaks the contract over WebSockets as the browser shell
 * does, with a library in memory and guests that are programs (fake-guest.ts). Run it by itself to look at the window:
 * `node test/support/fake-shell.ts [--empty] [PORT]`.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { clientMessageSchema, consoleUpSchema, displayUpSchema, MACHINE_OFF, schemasOf } from '../../src/shared/api.ts';
import type { ApiEvent, ApiHandlers, MachineChanges, LibraryEntry, MachineStatus, Snapshot } from '../../src/shared/api.ts';
import type { BundleFacts, KnownSigner } from '../../src/shared/bundle.ts';
import { machineConfigSchema } from '../../src/shared/machine-config.ts';
import type { NetworkState } from '../../src/shared/vm-protocol.ts';
import type { MachineConfigInput } from '../../src/shared/machine-config.ts';
import type { MediumFacts } from '../../src/shared/medium-facts.ts';
import { readPreferences } from '../../src/shared/preferences.ts';
import type { Preferences } from '../../src/shared/preferences.ts';
import { fail, ok } from '../../src/shared/result.ts';
import type { Result } from '../../src/shared/result.ts';
import { GIB, MIB } from '../../src/shared/sizes.ts';
import { decodeWire, encodeWire } from '../../src/shared/wire.ts';
import { FakeGuest } from './fake-guest.ts';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.map': 'application/json',
};

const GENERATION = { id: '20261126T160000000Z-00000000', takenAt: 0, bytes: 91 * MIB, newBytes: MIB };
const BUNDLED_GUEST = { memoryBytes: 256 * MIB, disks: [{ path: 'disks/disk0.img', bus: 'virtio' }], bundledGuest: 'guesthouse-linux' };

interface FakeMachine { entry: LibraryEntry; readonly guest: FakeGuest; serial: Uint8Array[]; readonly consoles: Set<WebSocket>; readonly changes: MachineChanges[]; snapshots: Snapshot[]; current: string | undefined; readonly pictures: Map<string, Uint8Array<ArrayBuffer>>; readonly captures: Map<number, string> }

/** A machine by its name and what differs from the fake library's usual one. */
export interface FakeMachineOptions extends Omit<MachineConfigInput, 'schemaVersion'> { readonly name: string }

export interface FakeShellOptions {
  readonly rendererFolder?: string;
  /** Machines that are there from the beginning; none is a first run. */
  readonly machines?: readonly (string | FakeMachineOptions)[];
  /** The machine of the bundled guest is there from the beginning, as after the app's own first start. */
  readonly hasBundledGuest?: boolean;
}

export class FakeShell {
  readonly #machines = new Map<string, FakeMachine>();
  readonly #clients = new Set<WebSocket>();
  readonly #sockets = new Set<WebSocket>();
  readonly #jobs = new Map<string, () => void>();
  readonly #server: Server;
  readonly #rendererFolder: string;
  #preferences = readPreferences({});
  /** What the next call of a method answers in place of its own answer. */
  readonly failures = new Map<string, Result<never>>();
  /** What the images in the fake host's folders hold. */
  readonly mediumFacts = new Map<string, MediumFacts>([['/home/user/Downloads/debian-12.iso', {
    kind: 'disc', format: 'iso', bytes: 661 * MIB, volumeId: 'Debian 12.5.0 amd64 n', startsFrom: ['bios', 'uefi'], partitions: [], partitionTable: 'none', title: 'Debian GNU/Linux 12.5.0', system: 'linux-64', architecture: 'x86_64',
  }]]);
  /** What is in bundles, by their paths; other files are none. */
  readonly bundles = new Map<string, BundleFacts>();
  readonly knownSigners: KnownSigner[] = [];
  readonly #calls: { readonly method: string; readonly input: unknown }[] = [];
  url = '';

  constructor({ rendererFolder = join(import.meta.dirname, '../../dist/renderer'), machines = [], hasBundledGuest = false }: FakeShellOptions = {}) {
    this.#rendererFolder = rendererFolder;
    for (const machine of machines) {
      const { name, ...config } = typeof machine === 'string' ? { name: machine } : machine;
      this.#add(name, { memoryBytes: 512 * MIB, disks: [{ path: 'disks/disk.img' }], ...config });
    }
    if (hasBundledGuest) this.#add('Guesthouse Linux', BUNDLED_GUEST);
    this.#server = createServer((request, response) => { void this.#serve(request, response); });
    const sockets = new WebSocketServer({ noServer: true, maxPayload: 1 << 26 });
    this.#server.on('upgrade', (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (client) => { this.#accept(client, new URL(request.url ?? '/', 'http://localhost').pathname); });
    });
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => { this.#server.listen(port, '127.0.0.1', resolve); });
    const address = this.#server.address();
    if (typeof address !== 'object' || address === null) throw new Error('the fake shell has no port');
    this.url = `http://127.0.0.1:${address.port}/`;
    return this.url;
  }

  async close(): Promise<void> {
    for (const { guest } of this.#machines.values()) guest.powerOff();
    this.dropConnections();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => { this.#server.close(() => { resolve(); }); });
  }

  dropConnections(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  /** What was asked to be changed of a machine's settings, in order. */
  changesOf(name: string): readonly MachineChanges[] {
    return this.#machines.get(name)?.changes ?? [];
  }

  /** Gives a machine other settings, as if they had always been so. */
  configure(name: string, config: Record<string, unknown>): void {
    const machine = this.#machines.get(name);
    if (machine === undefined) return;
    machine.entry = { ...machine.entry, config: machineConfigSchema.parse({ ...machine.entry.config, ...config }) };
    this.#tell({ event: 'library.changed', payload: {} });
  }

  guest(name: string): FakeGuest {
    const machine = this.#machines.get(name);
    if (machine === undefined) throw new Error(`the fake library has no machine ${name}`);
    return machine.guest;
  }

  /** Changes what the library says of a machine, and tells everybody. */
  setStatus(name: string, changes: Partial<MachineStatus>): void {
    const machine = this.#machines.get(name);
    if (machine === undefined) return;
    machine.entry = { ...machine.entry, status: { ...machine.entry.status, ...changes } };
    this.#tell({ event: 'machines.status', payload: { name, status: machine.entry.status } });
  }

  /** The inputs with which a method was called. */
  callsOf(method: string): readonly unknown[] {
    return this.#calls.filter((call) => call.method === method).map(({ input }) => input);
  }

  turnOn(name: string): void {
    this.guest(name).powerOn();
    this.setStatus(name, { ...MACHINE_OFF, state: 'running', startedAt: Date.now() });
  }

  setPreferences(changes: Partial<Preferences>): void {
    this.#preferences = readPreferences({ ...this.#preferences, ...changes });
    this.#tell({ event: 'preferences.changed', payload: this.#preferences });
  }

  break(name: string, broken: LibraryEntry['broken']): void {
    const machine = this.#machines.get(name);
    if (machine === undefined) return;
    const { config, ...rest } = machine.entry;
    machine.entry = { ...rest, broken };
    this.#tell({ event: 'library.changed', payload: {} });
  }

  #add(name: string, config: Readonly<Record<string, unknown>>): FakeMachine {
    const serial: Uint8Array[] = [];
    const machine: FakeMachine = {
      entry: { name, folder: `/home/user/Guesthouse/${name}.guestvm`, status: MACHINE_OFF, config: machineConfigSchema.parse({ schemaVersion: 1, ...config }) },
      serial, consoles: new Set(), changes: [], snapshots: [], current: undefined, pictures: new Map(), captures: new Map(),
      guest: new FakeGuest((bytes) => {
        machine.serial.push(bytes);
        for (const socket of machine.consoles) socket.send(encodeWire({ kind: 'serial-output', bytes, replay: false }));
      }),
    };
    this.#machines.set(name, machine);
    return machine;
  }

  #tell(event: ApiEvent): void {
    for (const client of this.#clients) client.send(encodeWire(event));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const file = join(this.#rendererFolder, normalize(path === '/' ? '/index.html' : path));
    try {
      const content = await readFile(file);
      response.writeHead(200, { 'content-type': CONTENT_TYPES[extname(file)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  }

  #accept(socket: WebSocket, path: string): void {
    this.#sockets.add(socket);
    socket.on('close', () => { this.#sockets.delete(socket); });
    const [, place, kind, encoded = ''] = path.split('/');
    if (place === 'api') {
      this.#clients.add(socket);
      socket.on('message', (data: Buffer) => { void this.#call(socket, data); });
      socket.on('close', () => { this.#clients.delete(socket); });
      return;
    }
    const machine = this.#machines.get(decodeURIComponent(encoded));
    if (machine === undefined) socket.close();
    else if (kind === 'display') this.#openDisplay(socket, machine);
    else this.#openConsole(socket, machine);
  }

  #openDisplay(socket: WebSocket, { entry, guest }: FakeMachine): void {
    if (entry.status.state === 'off' || entry.status.state === 'crashed') {
      socket.close();
      return;
    }
    let view: ReturnType<FakeGuest['watch']> | undefined;
    socket.on('message', (data: Buffer) => {
      const message = displayUpSchema.parse(decodeWire(data));
      switch (message.kind) {
        case 'watch-display':
          view?.end();
          view = message.watch ? guest.watch((frame) => { socket.send(encodeWire({ kind: 'display-frame', frame })); }) : undefined;
          break;
        case 'frame-drawn': view?.drawn(); break;
        case 'keys': guest.keys(message.events); break;
        case 'type-text': guest.type(message.text); break;
        case 'pointer': guest.pointerSeen.push({ dx: message.dx, dy: message.dy, wheel: message.wheel, buttons: message.buttons }); break;
      }
    });
    socket.on('close', () => { view?.end(); });
  }

  #openConsole(socket: WebSocket, machine: FakeMachine): void {
    for (const bytes of machine.serial) socket.send(encodeWire({ kind: 'serial-output', bytes, replay: true }));
    machine.consoles.add(socket);
    socket.on('message', (data: Buffer) => {
      const { bytes } = consoleUpSchema.parse(decodeWire(data));
      machine.guest.type(new TextDecoder().decode(bytes));
    });
    socket.on('close', () => { machine.consoles.delete(socket); });
  }

  async #call(socket: WebSocket, data: Buffer): Promise<void> {
    const { id, method, input } = clientMessageSchema.parse(decodeWire(data));
    this.#calls.push({ method, input });
    const failure = this.failures.get(method);
    this.failures.delete(method);
    socket.send(encodeWire({ id, result: failure ?? await this.#answer(method, input) }));
  }

  async #answer(method: string, input: unknown): Promise<Result<unknown>> {
    const checked = schemasOf(method)?.input.safeParse(input);
    if (checked?.success !== true) return fail('api.invalid-input', `${method} was called with an input that is not valid`, 'use the same version on both sides');
    const [noun = '', verb = ''] = method.split('.');
    const handlers = this.#handlers as unknown as Readonly<Record<string, Readonly<Record<string, (input: unknown) => Promise<Result<unknown>>>>>>;
    const handler = handlers[noun]?.[verb];
    return handler === undefined ? fail('api.unknown', `there is no ${method}`) : handler(checked.data);
  }

  /** Each adapter with a connection of the guest's and one of a visitor's. */
  #networkState(name: string): NetworkState {
    const machine = this.#machines.get(name);
    const seconds = performance.now() / 1000;
    return (machine?.entry.config?.adapters ?? []).map((_, index) => {
      const capturePath = machine?.captures.get(index);
      return {
        figures: {
          framesIn: Math.round(90 * seconds), framesOut: Math.round(40 * seconds), bytesIn: Math.round(120_000 * seconds), bytesOut: 512, dropped: 3, lost: 0, machines: 0,
          tcpConnections: 2, tcpOpened: 17, tcpHeldBytes: 0, udpFlows: 1, captureMissed: 0, ...(capturePath === undefined ? {} : { capturePath }),
        },
        connections: [
          { protocol: 'tcp', origin: 'guest', guest: { address: '10.0.2.15', port: 40_112 }, remote: { address: '93.184.216.34', port: 443 }, state: 'open', bytesIn: 4 * MIB, bytesOut: 9000 },
          { protocol: 'tcp', origin: 'forward', guest: { address: '10.0.2.15', port: 22 }, remote: { address: '10.0.2.2', port: 49_152 }, state: 'closing', bytesIn: 700, bytesOut: 1200 },
          { protocol: 'udp', origin: 'guest', guest: { address: 'fd47:6865:7374::15', port: 123 }, remote: { address: '2606:2800:220:1::1', port: 123 }, state: 'open', bytesIn: 48, bytesOut: 48 },
        ],
      };
    });
  }

  #takeSnapshot(name: string, machine: FakeMachine, snapshotName: string, notes: string): Snapshot {
    const id = String(machine.snapshots.length + 1).padStart(12, '0');
    const isOn = machine.entry.status.state !== 'off';
    const taken: Snapshot = { id, name: snapshotName, notes, takenAt: Date.now(), hasMemory: isOn, hasThumbnail: isOn, ...(machine.current !== undefined && { parent: machine.current }) };
    if (isOn) machine.pictures.set(id, machine.guest.screenshot());
    machine.snapshots.push(taken);
    machine.current = id;
    this.#tell({ event: 'snapshots.changed', payload: { name } });
    return taken;
  }

  #with<T>(name: string, act: (machine: FakeMachine) => T): Promise<Result<T>> {
    const machine = this.#machines.get(name);
    return Promise.resolve(machine === undefined ? fail('library.no-such-machine', `there is no machine "${name}"`, 'see the list') : ok(act(machine)));
  }

  #closeDisplays(): void {
    // As the real shell does when a machine goes off.
    for (const socket of this.#sockets) if (!this.#clients.has(socket) && ![...this.#machines.values()].some(({ consoles }) => consoles.has(socket))) socket.close();
  }

  readonly #handlers: ApiHandlers = {
    library: {
      list: () => Promise.resolve(ok({ folder: '/home/user/Guesthouse', entries: [...this.#machines.values()].map(({ entry }) => entry) })),
      get: ({ name }) => this.#with(name, ({ entry }) => ({ ...entry, bytesOnHost: 91 * MIB + 300_000 })),
      create: ({ name, newDiskBytes, importDisk, ...rest }) => {
        if (this.#machines.has(name)) return Promise.resolve(fail('library.name-taken', `there is a machine ${name} already`, 'choose another name'));
        const { entry } = this.#add(name, { ...rest, ...(newDiskBytes === undefined && importDisk === undefined ? {} : { disks: [{ path: 'disks/disk.img' }] }) });
        this.#tell({ event: 'library.changed', payload: {} });
        return Promise.resolve(ok(entry));
      },
      createFromBundledGuest: ({ name = 'Guesthouse Linux' }) => {
        const { entry } = this.#add(name, BUNDLED_GUEST);
        this.#tell({ event: 'library.changed', payload: {} });
        return Promise.resolve(ok(entry));
      },
      importFolder: () => Promise.resolve(fail('machine-config.missing', 'the folder holds no machine', 'choose another')),
      change: ({ name, changes }) => this.#with(name, (machine) => {
        const whole = Object.fromEntries(Object.entries(changes).map(([setting, value]) => [setting, value ?? undefined]));
        machine.changes.push(changes);
        machine.entry = { ...machine.entry, config: machineConfigSchema.parse({ ...machine.entry.config, ...whole }) };
        this.#tell({ event: 'library.changed', payload: {} });
        return machine.entry;
      }),
      qemuCommand: ({ name }) => this.#with(name, () => ({ line: `qemu-system-x86_64 -name ${name}`, words: ['qemu-system-x86_64', '-name', name], leftOut: [] })),
      exportOvf: ({ name }) => this.#with(name, () => ({ bytes: 91 * MIB })),
      describeForeign: ({ path }) => Promise.resolve(ok({ source: 'virtualbox', name: path.replace(/^.*\/|\.[^.]*$/g, ''), memoryBytes: 512 * MIB, disks: 1, outside: path.includes('outside') ? ['/elsewhere/disk.vdi'] : [], leftOut: [{ what: 'processors', detail: '4' }] })),
      importForeign: ({ path, name = path.replace(/^.*\/|\.[^.]*$/g, '') }) => {
        const { entry } = this.#add(name, { memoryBytes: 512 * MIB });
        this.#tell({ event: 'library.changed', payload: {} });
        return Promise.resolve(ok({ entry, leftOut: [{ what: 'processors' as const, detail: '4' }] }));
      },
      inspectBundle: ({ path }) => {
        const facts = this.bundles.get(path);
        return Promise.resolve(facts === undefined ? fail('bundle.damaged', 'the bundle is cut off, or no bundle', 'get a complete copy of it') : ok(facts));
      },
      openBundle: ({ path }) => {
        const facts = this.bundles.get(path);
        if (facts === undefined) return Promise.resolve(fail('media.missing', `${path} does not exist`, 'check the path'));
        const name = facts.openAs ?? path.replace(/^.*\/|\.[^.]*$/g, '');
        const machine = this.#machines.get(name) ?? this.#add(name, facts.config);
        machine.entry = { ...machine.entry, bundlePath: path };
        this.bundles.set(path, { ...facts, openAs: name });
        this.#tell({ event: 'library.changed', payload: {} });
        return Promise.resolve(ok(machine.entry));
      },
      keep: ({ name }) => this.#with(name, (machine) => {
        const { bundlePath: _kept, ...entry } = machine.entry;
        machine.entry = entry;
        this.#tell({ event: 'library.changed', payload: {} });
        return entry;
      }),
      discard: ({ name }) => this.#with(name, () => {
        this.#machines.delete(name);
        this.#tell({ event: 'library.changed', payload: {} });
        return {};
      }),
      export: ({ name }) => this.#with(name, () => ({ bytes: 91 * MIB })),
      import: ({ path, name = path.replace(/^.*\/|\.[^.]*$/g, '') }) => {
        const { entry } = this.#add(name, { memoryBytes: 512 * MIB });
        this.#tell({ event: 'library.changed', payload: {} });
        return Promise.resolve(ok(entry));
      },
      clone: ({ name, newName }) => this.#with(name, ({ entry }) => {
        const { entry: made } = this.#add(newName, { ...entry.config, memoryBytes: entry.config?.memoryBytes ?? 512 * MIB });
        this.#tell({ event: 'library.changed', payload: {} });
        return made;
      }),
      rename: ({ name }) => this.#with(name, ({ entry }) => entry),
      delete: ({ name }) => this.#with(name, () => {
        this.#machines.delete(name);
        this.#tell({ event: 'library.changed', payload: {} });
        return {};
      }),
    },
    machines: {
      start: ({ name }) => this.#with(name, (machine) => {
        machine.entry = { ...machine.entry, hasSavedState: false };
        this.turnOn(name);
        return machine.entry.status;
      }),
      save: ({ name }) => this.#with(name, (machine) => {
        machine.guest.powerOff();
        machine.entry = { ...machine.entry, hasSavedState: true };
        this.setStatus(name, { state: 'off' });
        this.#closeDisplays();
        this.#tell({ event: 'library.changed', payload: {} });
        return machine.entry.status;
      }),
      discardSavedState: ({ name }) => this.#with(name, (machine) => {
        machine.entry = { ...machine.entry, hasSavedState: false };
        this.#tell({ event: 'library.changed', payload: {} });
        return {};
      }),
      pause: ({ name }) => this.#with(name, (machine) => {
        machine.guest.isPaused = true;
        this.setStatus(name, { state: 'paused' });
        return machine.entry.status;
      }),
      resume: ({ name }) => this.#with(name, (machine) => {
        machine.guest.isPaused = false;
        this.setStatus(name, { state: 'running' });
        return machine.entry.status;
      }),
      stop: ({ name, how }) => this.#with(name, (machine) => {
        if (how === 'force') {
          machine.guest.powerOff();
          this.setStatus(name, { state: 'off' });
          this.#closeDisplays();
        }
        return machine.entry.status;
      }),
      changeDisc: ({ name, drive, path }) => this.#with(name, (machine) => {
        const { config } = machine.entry;
        if (config !== undefined) machine.entry = { ...machine.entry, config: { ...config, cdroms: config.cdroms.map((cdrom, index) => index === drive ? { bus: cdrom.bus, ...(path === undefined ? {} : { path }) } : cdrom) } };
        this.#tell({ event: 'library.changed', payload: {} });
        return machine.entry;
      }),
      reset: ({ name }) => this.#with(name, ({ guest }) => { guest.powerOn(); return {}; }),
      status: ({ name }) => this.#with(name, ({ entry }) => entry.status),
      sendKeys: ({ name, events }) => this.#with(name, ({ guest }) => { guest.keys(events); return {}; }),
      typeText: ({ name, text }) => this.#with(name, ({ guest }) => { guest.type(text); return {}; }),
      pointer: ({ name }) => this.#with(name, () => ({})),
      serialInput: ({ name }) => this.#with(name, () => ({})),
      screenshot: ({ name }) => this.#with(name, ({ guest }) => ({ png: guest.screenshot() })),
      screenText: ({ name }) => this.#with(name, ({ guest }) => ({ rows: guest.rows })),
      stats: ({ name }) => this.#with(name, () => {
        const wallSeconds = performance.now() / 1000;
        return {
          accelerator: 'interpreter', wallSeconds, guestSeconds: wallSeconds, haltedSeconds: 0, cpuSeconds: wallSeconds * 0.37, instructions: 0, mips: 0, exits: {}, regions: 0, compileMillis: 0, tlbMisses: 0,
          peakRssBytes: 300 * MIB, displayFrames: wallSeconds * 25, diskBytesRead: wallSeconds * 4 * MIB, diskBytesWritten: 0, discBytesRead: 0, netBytesIn: wallSeconds * 120_000, netBytesOut: 0,
          adapters: this.#networkState(name).map(({ figures }) => figures),
        };
      }),
      network: ({ name }) => this.#with(name, () => ({ adapters: this.#networkState(name) })),
      capture: ({ name, adapter, isOn }) => this.#with(name, ({ captures }) => {
        if (!isOn) {
          captures.delete(adapter);
          return {};
        }
        const path = `/home/somebody/VMs/${name}/logs/network-${adapter + 1}.pcapng`;
        captures.set(adapter, path);
        return { path };
      }),
      logs: ({ name }) => this.#with(name, () => ({ lines: ['2026-11-23T13:00:00Z info machine: power on', '2026-11-23T13:00:01Z info board: ready'] })),
    },
    snapshots: {
      list: ({ name }) => this.#with(name, ({ snapshots, current }) => ({ snapshots, ...(current !== undefined && { current }) })),
      take: ({ name, snapshotName, notes }) => this.#with(name, (machine) => this.#takeSnapshot(name, machine, snapshotName, notes)),
      restore: ({ name, snapshot, saveCurrentAs }) => this.#with(name, (machine) => {
        if (saveCurrentAs !== undefined) this.#takeSnapshot(name, machine, saveCurrentAs, '');
        machine.current = machine.snapshots.find((one) => one.id === snapshot || one.name === snapshot)?.id;
        this.#tell({ event: 'snapshots.changed', payload: { name } });
        return machine.entry.status;
      }),
      delete: ({ name, snapshot }) => this.#with(name, (machine) => {
        const gone = machine.snapshots.find((one) => one.id === snapshot || one.name === snapshot);
        machine.snapshots = machine.snapshots.filter((one) => one !== gone).map(({ parent, ...one }) => {
          const above = parent === gone?.id ? gone?.parent : parent;
          return above === undefined ? one : { ...one, parent: above };
        });
        if (machine.current === gone?.id) machine.current = gone?.parent;
        this.#tell({ event: 'snapshots.changed', payload: { name } });
        return {};
      }),
      change: ({ name, snapshot, newName, notes }) => this.#with(name, (machine) => {
        const at = machine.snapshots.findIndex((one) => one.id === snapshot || one.name === snapshot);
        const before = machine.snapshots[at]!;
        const changed = { ...before, name: newName ?? before.name, notes: notes ?? before.notes };
        machine.snapshots[at] = changed;
        this.#tell({ event: 'snapshots.changed', payload: { name } });
        return changed;
      }),
      resetOnPowerOff: ({ name }) => this.#with(name, () => ({})),
      thumbnail: ({ name, snapshot }) => this.#with(name, ({ snapshots, pictures }) => {
        const png = pictures.get(snapshots.find((one) => one.id === snapshot || one.name === snapshot)?.id ?? '');
        return png === undefined ? {} : { png };
      }),
    },
    replicas: {
      make: ({ name }) => this.#with(name, () => GENERATION),
      list: () => Promise.resolve(ok({ generations: [GENERATION] })),
      verify: () => Promise.resolve(ok(GENERATION)),
      restore: ({ name }) => Promise.resolve(ok(this.#add(name, { memoryBytes: 512 * MIB }).entry)),
    },
    signers: {
      list: () => Promise.resolve(ok({ signers: this.knownSigners })),
      remember: ({ publicKey, name }) => {
        const signer = { publicKey, name, fingerprint: 'SHA256:', since: Date.now() };
        this.knownSigners.push(signer);
        return Promise.resolve(ok(signer));
      },
      forget: () => Promise.resolve(ok({})),
    },
    media: {
      recognize: ({ path }) => Promise.resolve(this.mediumFacts.has(path) ? ok(this.mediumFacts.get(path)!) : path.includes('missing') ? fail('media.missing', `the disk ${path} does not exist`, 'check the path')
        : ok({ kind: path.endsWith('.iso') ? 'disc' : 'disk', format: path.endsWith('.iso') ? 'iso' : 'raw', bytes: 661 * MIB, startsFrom: ['bios'], partitions: [], partitionTable: 'none' })),
      list: () => Promise.resolve(ok({ media: [...this.#machines.values()].flatMap(({ entry: { name, folder, config } }) => (config?.disks ?? []).map(({ path, format }) => ({
        path: path.startsWith('/') ? path : `${folder}/${path}`, kind: 'disk' as const, format, hostBytes: 91 * MIB, isMissing: false, users: [{ machine: name, isOn: false }],
      }))) })),
      createDisk: () => Promise.resolve(ok({ path: 'disks/disk1.qcow2' })),
      run: async ({ id, job }) => {
        this.#tell({ event: 'media.progress', payload: { id, done: 0.4 } });
        await new Promise<void>((resolve) => { this.#jobs.set(id, resolve); setTimeout(resolve, job.kind === 'info' ? 0 : 1500); });
        if (!this.#jobs.delete(id)) return fail('media.cancelled', 'the job was cancelled');
        const facts = { path: job.path, format: job.format ?? 'qcow2', virtualBytes: 8 * GIB, hostBytes: 64 * MIB };
        if (job.kind === 'info') return ok({ info: { ...facts, backing: [] } });
        if (job.kind === 'check') return ok({ check: { path: job.path, format: facts.format, errors: [], errorCount: 0, leakedBytes: 0, repaired: 0, allocatedBytes: facts.hostBytes, virtualBytes: facts.virtualBytes } });
        return ok({ done: { ...facts, hostBytesBefore: 91 * MIB } });
      },
      cancel: ({ id }) => {
        const end = this.#jobs.get(id);
        this.#jobs.delete(id);
        end?.();
        return Promise.resolve(ok({}));
      },
    },
    preferences: {
      get: () => Promise.resolve(ok(this.#preferences)),
      set: (changes) => {
        this.setPreferences(changes as Partial<Preferences>);
        return Promise.resolve(ok(this.#preferences));
      },
    },
    host: {
      info: () => Promise.resolve(ok({
        shell: 'browser', version: '0.1.0', platform: 'Debian GNU/Linux 12', hostName: 'workbench', cpuModel: 'Example CPU', cores: 8,
        memoryBytes: 16 * GIB, freeMemoryBytes: 9.3 * GIB, accelerator: 'interpreter', libraryFolder: '/home/user/Guesthouse',
      })),
    },
    guests: {
      bundled: () => Promise.resolve(ok({ guests: [{ id: 'guesthouse-linux', title: 'Guesthouse Linux', memoryBytes: 256 * MIB, diskBytes: 64 * MIB, architecture: 'x86_64' }] })),
    },
    dialogs: {
      pickFile: () => Promise.resolve(fail('dialogs.not-here', 'files are chosen in the page here', 'use files.browse')),
    },
    files: {
      browse: ({ path = '/home/user' }) => Promise.resolve(path.includes('missing') ? fail('media.missing', `the folder ${path} does not exist`, 'check the path') : ok({
        path, ...(path === '/' ? {} : { parent: path.replace(/\/[^/]*$/, '') || '/' }), truncated: false,
        entries: path.endsWith('Downloads')
          ? [{ name: 'debian-12.iso', path: `${path}/debian-12.iso`, kind: 'file', bytes: 661 * MIB }, ...[...this.bundles].map(([bundle, { bytes }]) => ({ name: bundle.split('/').at(-1)!, path: bundle, kind: 'file' as const, bytes }))]
          : [{ name: 'Documents', path: `${path}/Documents`, kind: 'folder' }, { name: 'Downloads', path: `${path}/Downloads`, kind: 'folder' }, { name: 'tiny.iso', path: `${path}/tiny.iso`, kind: 'file', bytes: 18 * MIB }],
      })),
    },
  };
}

/** A library as somebody might have it after a year. */
export const SHOWN_MACHINES: readonly FakeMachineOptions[] = [
  { name: 'Debian 12', guestSystem: 'linux-64', tags: ['work'], adapters: [{ forwards: [{ protocol: 'tcp', host: { port: 2222 }, guest: { port: 22 } }] }], cdroms: [{ path: '/home/user/Downloads/debian-12.iso' }], notes: 'Builds the packages.\nKeep it small.', memoryBytes: 2 * GIB, disks: [{ path: 'disks/disk.qcow2', format: 'qcow2', bus: 'virtio' }] },
  { name: 'Guesthouse Linux', bundledGuest: 'guesthouse-linux', memoryBytes: 256 * MIB },
  { name: 'FreeDOS', guestSystem: 'dos', group: 'Museum', tags: ['games', 'old'], memoryBytes: 64 * MIB, architecture: 'i386' },
  { name: 'Windows 98 for the old scanner', guestSystem: 'windows-9x', group: 'Museum', tags: ['old', 'scanner', 'office'], memoryBytes: 128 * MIB, architecture: 'i386' },
  { name: 'Router test', guestSystem: 'bsd', group: 'Lab', tags: ['network'], adapters: [{}, { reach: 'nothing' }] },
  { name: 'Lesson 1', guestSystem: 'linux-32', group: 'Lab', icon: 'book' },
  { name: 'Lesson 2', guestSystem: 'linux-32', group: 'Lab', icon: 'book' },
];

if (process.argv[1] === import.meta.filename) {
  const shell = new FakeShell({ machines: process.argv.includes('--empty') ? [] : SHOWN_MACHINES });
  process.stdout.write(`${await shell.listen(Number(process.argv.at(-1)) || 0)}\n`);
}
