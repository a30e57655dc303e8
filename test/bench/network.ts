/**
 * `npm run bench -- --network`: what a guest moves through its network, beside QEMU's TCG with its user network, and two
 * guests between each other, beside QEMU's with a socket between them. Servers are this process on the host's loopback;
 * both guests reach them by the gateway's address. The guests' ends are programs in kernels/.
 */
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { guestInitrd, guestKernel } from '../support/guest-images.ts';
import { engines, type Engine } from './engines.ts';
import { kernelProgram, kernelsMissing } from './kernels.ts';
import type { BenchOptions } from './options.ts';
import { SerialSession, type EngineCommand } from './serial-session.ts';

const FLAVOUR = 'cloud-amd64';
const MEBIBYTE = 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, 0x5a);
const CHUNKS_PER_MEBIBYTE = MEBIBYTE / CHUNK.length;
const CONNECTIONS = 40;
const SMALL_CHUNKS = 1;
/** The first turn is for the guest's code to become known. */
const TURNS = 3;
const PEER_PORT = 5001;
const BYTE = Buffer.of(0x21);

type Unit = 'MiB/s' | 'per s' | 'ms';
type Row = { readonly id: string; readonly title: string; readonly unit: Unit; readonly values: Record<string, number[]> };
type Load = { readonly mebibytes: number; readonly rounds: number };
type NetworkServers = { readonly ports: Readonly<Record<'down' | 'up' | 'rounds' | 'small', number>>; readonly close: () => void };

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return (server.address() as AddressInfo).port;
}

function sending(total: number): Server {
  return createServer((socket) => {
    let left = total;
    socket.on('error', () => {});
    const more = (): void => {
      while (left > 0 && !socket.destroyed) {
        const part = CHUNK.subarray(0, Math.min(left, CHUNK.length));
        left -= part.length;
        if (!socket.write(part)) return void socket.once('drain', more);
      }
      socket.end();
    };
    more();
  });
}

/** `down` and `small` send to whoever connects; `up` answers with one byte when all has come; `rounds` answers each byte. */
async function startServers(bytes: number): Promise<NetworkServers> {
  const up = createServer((socket) => {
    let received = 0;
    socket.on('error', () => {});
    socket.on('data', (part: Buffer) => {
      received += part.length;
      if (received === bytes) socket.write(BYTE);
    });
  });
  const rounds = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (part: Buffer) => { socket.write(part); });
  });
  const servers = { down: sending(bytes), up, rounds, small: sending(SMALL_CHUNKS * CHUNK.length) };
  const ports = {
    down: await listening(servers.down), up: await listening(servers.up), rounds: await listening(servers.rounds), small: await listening(servers.small),
  };
  return { ports, close: () => { for (const server of Object.values(servers)) server.close(); } };
}

/** Programs of which each writes its result into a file that the marks carry: a short transfer doesn't count. */
function initrd(init: string): string {
  const programs = ['source', 'sink', 'rounds'].map((name) => (
    { kind: 'file' as const, path: `bin/${name}`, contents: readFileSync(kernelProgram({ source: `${name}.c` }, 64)), executable: true }));
  return guestInitrd({
    flavour: FLAVOUR,
    modules: ['virtio_pci', 'virtio_net', 'af_packet'],
    files: programs,
    init: `
for word in $(cat /proc/cmdline); do case $word in down=*|up=*|rounds=*|small=*) export $word;; esac; done
ip link set lo up
ip link set eth0 up
mark() { echo "@@$((6*7)) $*"; }
${init}
poweroff -f
`,
  });
}

function clientInit({ mebibytes, rounds }: Load): string {
  const chunks = mebibytes * CHUNKS_PER_MEBIBYTE;
  // nc's program has the socket as its standard output.
  const script = (name: string, program: string, size: number): string => `printf '#!/bin/sh\\n${program} ${size} >/result\\n' >/${name}.sh`;
  return `
${script('down', 'sink', chunks)}
printf '#!/bin/sh\\nexec source ${chunks}\\n' >/up.sh
printf '#!/bin/sh\\nexec rounds ${rounds}\\n' >/rounds.sh
${script('small', 'sink', SMALL_CHUNKS)}
chmod +x /*.sh
ip addr add 10.0.2.15/24 dev eth0
ping -c 1 10.0.2.2 >/dev/null
i=0; while [ $i -lt ${TURNS} ]; do
	mark down begin; nc 10.0.2.2 $down -e /down.sh; mark down end $(cat /result)
	mark up begin; nc 10.0.2.2 $up -e /up.sh; mark up end $?
	mark rounds begin; nc 10.0.2.2 $rounds -e /rounds.sh; mark rounds end $?
	i=$((i+1))
done
mark small begin; i=0; while [ $i -lt ${CONNECTIONS} ]; do nc 10.0.2.2 $small -e /small.sh; i=$((i+1)); done; mark small end $(cat /result)
`;
}

function peerInit(chunks: number, rounds: number, role: 'client' | 'server'): string {
  if (role === 'server') {
    return `
ip addr add 10.9.0.1/24 dev eth0
printf '#!/bin/sh\\nexec sink ${chunks}\\n' >/sink.sh
chmod +x /sink.sh
mark ready
i=0; while [ $i -lt ${TURNS} ]; do
	nc -l -p ${PEER_PORT} -e /sink.sh
	nc -l -p ${PEER_PORT} -e /bin/cat
	i=$((i+1))
done
sleep 1000
`;
  }
  return `
ip addr add 10.9.0.2/24 dev eth0
printf '#!/bin/sh\\nexec source ${chunks}\\n' >/source.sh
printf '#!/bin/sh\\nexec rounds ${rounds}\\n' >/rounds.sh
chmod +x /*.sh
until ping -c 1 -W 1 10.9.0.1 >/dev/null; do :; done
sleep 1
i=0; while [ $i -lt ${TURNS} ]; do
	mark peer begin; nc 10.9.0.1 ${PEER_PORT} -e /source.sh; mark peer end $?
	sleep 1
	mark peer-rounds begin; nc 10.9.0.1 ${PEER_PORT} -e /rounds.sh; mark peer-rounds end $?
	sleep 1
	i=$((i+1))
done
`;
}

function command(engine: Engine, options: BenchOptions, init: string, network: readonly string[], words = ''): EngineCommand {
  const base = engine.linux({
    flavour: FLAVOUR, kernel: guestKernel(FLAVOUR).file, initrd: initrd(init), memoryMebibytes: options.memoryMebibytes, accelerator: options.accelerator,
    commandLine: `console=ttyS0,115200 quiet cryptomgr.notests ${words}`,
  });
  return { ...base, args: [...base.args, ...network] };
}

type Timed = (what: string) => Promise<number>;

function timer(engine: Engine, session: SerialSession, options: BenchOptions): Timed {
  return async (what) => {
    const begin = await session.waitFor(new RegExp(`@@42 ${what} begin`), options.timeoutSeconds);
    const end = await session.waitFor(new RegExp(`@@42 ${what} end ([0-9a-f]*)\\s`), options.timeoutSeconds);
    if (end.match[1] === '') throw new Error(`${engine.title}: ${what} was cut short`);
    return end.atSeconds - begin.atSeconds;
  };
}

type Add = (id: string, value: number) => void;

async function measureWithHost(engine: Engine, options: BenchOptions, add: Add, load: Load): Promise<void> {
  const servers = await startServers(load.mebibytes * MEBIBYTE);
  const words = Object.entries(servers.ports).map(([name, port]) => `${name}=${port}`).join(' ');
  const allowed = Object.values(servers.ports).map((port) => `allow=loopback:${port}`).join();
  const network = engine.name === 'tcg' ? ['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='] : ['--net', `nat,reach=listed,${allowed}`];
  const session = new SerialSession(command(engine, options, clientInit(load), network, words));
  const timed = timer(engine, session, options);
  try {
    for (let turn = 0; turn < TURNS; turn++) {
      const figures = { down: load.mebibytes / await timed('down'), up: load.mebibytes / await timed('up'), rounds: load.rounds / await timed('rounds') };
      if (turn > 0) for (const [id, value] of Object.entries(figures)) add(id, value);
    }
    add('small', ((await timed('small')) * 1000) / CONNECTIONS);
  } finally {
    await session.end(0);
    servers.close();
  }
}

async function measureBetween(engine: Engine, options: BenchOptions, add: Add, { mebibytes, rounds }: Load): Promise<void> {
  const chunks = mebibytes * CHUNKS_PER_MEBIBYTE;
  const probe = createServer();
  const port = await listening(probe);
  await new Promise<void>((resolve) => { probe.close(() => { resolve(); }); });
  const network = (role: 'client' | 'server'): string[] => (engine.name === 'tcg'
    ? ['-netdev', `socket,id=net,${role === 'server' ? 'listen' : 'connect'}=127.0.0.1:${port}`,
      '-device', `virtio-net-pci,netdev=net,romfile=,mac=52:54:00:12:34:0${role === 'server' ? 1 : 2}`]
    : ['--net', `internal=bench-${process.pid}`]);
  const server = new SerialSession(command(engine, options, peerInit(chunks, rounds, 'server'), network('server')));
  try {
    await server.waitFor(/@@42 ready/, options.timeoutSeconds);
    const client = new SerialSession(command(engine, options, peerInit(chunks, rounds, 'client'), network('client')));
    const timed = timer(engine, client, options);
    try {
      for (let turn = 0; turn < TURNS; turn++) {
        const figures = { 'peer': mebibytes / await timed('peer'), 'peer-rounds': rounds / await timed('peer-rounds') };
        if (turn > 0) for (const [id, value] of Object.entries(figures)) add(id, value);
      }
    } finally {
      await client.end(0);
    }
  } finally {
    await server.end(0);
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Prints medians and ratios; above 1 is in our favour. */
export async function benchNetwork(options: BenchOptions, say: (text: string) => void): Promise<void> {
  const missing = kernelsMissing();
  if (missing !== undefined) throw new Error(`the guests' programs can't be made: ${missing}`);
  const load: Load = options.size === 'full' ? { mebibytes: 64, rounds: 2000 } : { mebibytes: 8, rounds: 200 };
  const rows: readonly Row[] = [
    { id: 'down', title: `host to guest, ${load.mebibytes} MiB by TCP`, unit: 'MiB/s', values: {} },
    { id: 'up', title: `guest to host, ${load.mebibytes} MiB by TCP`, unit: 'MiB/s', values: {} },
    { id: 'rounds', title: 'requests and responses of a byte, guest to host', unit: 'per s', values: {} },
    { id: 'small', title: 'three programs started, a connection, 64 KiB', unit: 'ms', values: {} },
    { id: 'peer', title: `guest to guest, ${load.mebibytes} MiB by TCP`, unit: 'MiB/s', values: {} },
    { id: 'peer-rounds', title: 'requests and responses of a byte, guest to guest', unit: 'per s', values: {} },
  ];
  const wanted = [engines.ours, engines.tcg].filter(({ name, missing: why }) => options.columns.includes(name) && why() === undefined);
  for (let run = 0; run < options.runs; run++) {
    for (const engine of run % 2 === 0 ? wanted : [...wanted].reverse()) {
      say(`network, run ${run + 1}, ${engine.title}…`);
      const add: Add = (id, value) => { (rows.find((row) => row.id === id)!.values[engine.name] ??= []).push(value); };
      await measureWithHost(engine, options, add, load);
      await measureBetween(engine, options, add, load);
    }
  }
  for (const { title, unit, values } of rows) {
    const figures = wanted.map(({ name, title: engine }) => `${engine} ${median(values[name]!).toFixed(1)} ${unit}`);
    const [our, their] = [values['ours'], values['tcg']].map((all) => (all === undefined ? undefined : median(all)));
    const ratio = our !== undefined && their !== undefined ? `, ratio ${(unit === 'ms' ? their / our : our / their).toFixed(2)}` : '';
    process.stdout.write(`${title}: ${figures.join(', ')}${ratio}\n`);
  }
}
