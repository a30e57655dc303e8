/**
 * `npm run bench -- --network`: what a guest moves through its network, beside QEMU's TCG with its user network. Servers are
 * this process on the host's loopback; both guests reach them by the gateway's address.
 */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { guestInitrd, guestKernel } from '../support/guest-images.ts';
import { engines, type Engine } from './engines.ts';
import type { BenchOptions } from './options.ts';
import { SerialSession, type EngineCommand } from './serial-session.ts';

const FLAVOUR = 'cloud-amd64';
const MEBIBYTE = 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, 0x5a);
const REQUESTS = 40;
const SMALL_BYTES = 64 * 1024;

type Row = { readonly id: string; readonly title: string; readonly unit: 'MiB/s' | 'ms'; readonly values: Record<string, number[]> };

type NetworkServers = { readonly down: number; readonly up: number; readonly small: number; readonly whole: () => number; readonly close: () => void };

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return (server.address() as AddressInfo).port;
}

/** `down` and `small` send to whoever connects; `up` answers with one byte when all has come. `whole` counts what was moved to its end. */
async function startServers(bytes: number): Promise<NetworkServers> {
  let whole = 0;
  const sending = (total: number): Server => createServer((socket) => {
    let left = total;
    socket.on('error', () => {});
    socket.on('close', (hadError) => { if (!hadError && left === 0 && total === bytes) whole++; });
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
  const up = createServer((socket) => {
    let received = 0;
    socket.on('error', () => {});
    socket.on('data', (part: Buffer) => {
      received += part.length;
      if (received !== bytes) return;
      whole++;
      socket.end('!');
    });
  });
  const servers = { down: sending(bytes), up, small: sending(SMALL_BYTES) };
  const ports = { down: await listening(servers.down), up: await listening(servers.up), small: await listening(servers.small) };
  return { ...ports, whole: () => whole, close: () => { for (const server of Object.values(servers)) server.close(); } };
}

function initrd(mebibytes: number): string {
  return guestInitrd({
    flavour: FLAVOUR,
    modules: ['virtio_pci', 'virtio_net', 'e1000', 'af_packet'],
    init: `
for word in $(cat /proc/cmdline); do case $word in down=*|up=*|small=*) export $word;; esac; done
cat >/up.sh <<'END'
dd if=/dev/zero bs=64k count=${mebibytes * 16} 2>/dev/null
dd bs=1 count=1 2>/dev/null >/answer
END
cat >/down.sh <<'END'
dd bs=64k of=/dev/null 2>/dev/null
END
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
mark() { echo "@@$((6*7)) $*"; }
ping -c 1 10.0.2.2 >/dev/null
for turn in 1 2; do
	mark down begin; nc 10.0.2.2 $down -e sh /down.sh; mark down end $?
	mark up begin; nc 10.0.2.2 $up -e sh /up.sh; mark up end $(wc -c </answer)
done
mark small begin; i=0; while [ $i -lt ${REQUESTS} ]; do nc 10.0.2.2 $small -e sh /down.sh; i=$((i+1)); done; mark small end $i
poweroff -f
`,
  });
}

function command(engine: Engine, options: BenchOptions, servers: NetworkServers, mebibytes: number): EngineCommand {
  const base = engine.linux({
    flavour: FLAVOUR, kernel: guestKernel(FLAVOUR).file, initrd: initrd(mebibytes), memoryMebibytes: options.memoryMebibytes, accelerator: options.accelerator,
    commandLine: `console=ttyS0,115200 quiet cryptomgr.notests down=${servers.down} up=${servers.up} small=${servers.small}`,
  });
  const network = engine.name === 'tcg'
    ? ['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile=']
    : ['--net', `nat,reach=listed,allow=loopback:${servers.down},allow=loopback:${servers.up},allow=loopback:${servers.small}`];
  return { ...base, args: [...base.args, ...network] };
}

async function measure(engine: Engine, options: BenchOptions, rows: readonly Row[], mebibytes: number): Promise<void> {
  const servers = await startServers(mebibytes * MEBIBYTE);
  const session = new SerialSession(command(engine, options, servers, mebibytes));
  const timed = async (what: string): Promise<{ seconds: number; result: string }> => {
    const begin = await session.waitFor(new RegExp(`@@42 ${what} begin`), options.timeoutSeconds);
    const end = await session.waitFor(new RegExp(`@@42 ${what} end (\\d*)\\s`), options.timeoutSeconds);
    return { seconds: end.atSeconds - begin.atSeconds, result: end.match[1] ?? '' };
  };
  const add = (id: string, value: number): void => { (rows.find((row) => row.id === id)!.values[engine.name] ??= []).push(value); };
  try {
    for (let turn = 0; turn < 2; turn++) {
      for (const what of ['down', 'up']) {
        const { seconds, result } = await timed(what);
        if (result !== (what === 'down' ? '0' : '1')) throw new Error(`${engine.title}: ${what} did not move everything`);
        add(what, mebibytes / seconds);
      }
    }
    add('small', ((await timed('small')).seconds * 1000) / REQUESTS);
    await session.end(30);
    if (servers.whole() !== 4) throw new Error(`${engine.title}: only ${servers.whole()} of 4 transfers were whole`);
  } finally {
    await session.end(0);
    servers.close();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Prints medians and ratios; ratios above 1 are in our favour for throughput, below 1 for time. */
export async function benchNetwork(options: BenchOptions, say: (text: string) => void): Promise<void> {
  const mebibytes = options.size === 'full' ? 64 : 8;
  const rows: readonly Row[] = [
    { id: 'down', title: `host to guest, ${mebibytes} MiB by TCP`, unit: 'MiB/s', values: {} },
    { id: 'up', title: `guest to host, ${mebibytes} MiB by TCP`, unit: 'MiB/s', values: {} },
    { id: 'small', title: 'a program, a connection, 64 KiB', unit: 'ms', values: {} },
  ];
  const wanted = [engines.ours, engines.tcg].filter(({ name, missing }) => options.columns.includes(name) && missing() === undefined);
  for (let run = 0; run < options.runs; run++) {
    for (const engine of run % 2 === 0 ? wanted : [...wanted].reverse()) {
      say(`network, run ${run + 1}, ${engine.title}…`);
      await measure(engine, options, rows, mebibytes);
    }
  }
  for (const { title, unit, values } of rows) {
    const figures = wanted.map(({ name, title: engine }) => `${engine} ${median(values[name]!).toFixed(1)} ${unit}`);
    const ratio = values['ours'] !== undefined && values['tcg'] !== undefined ? `, ours/TCG ${(median(values['ours']) / median(values['tcg'])).toFixed(2)}` : '';
    process.stdout.write(`${title}: ${figures.join(', ')}${ratio}\n`);
  }
}
