/** A whole Debian at its network: much data, its package manager, ssh both ways, IPv6, and iperf3 between two machines. */
import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findCommand } from '../../scripts/setup/host-tools.mjs';
import { debianRoot, debianRootMissing, packageSource } from '../support/debian-root.ts';
import { BOARD_MODULES, guestInitrd, guestKernel } from '../support/guest-images.ts';
import { LONG_TESTS, longTestsReason, QUICK_BOOT, removeScratchFiles, runGuest, scratchFile, type GuestRun } from './run-guest.ts';

removeScratchFiles();

const FLAVOUR = 'cloud-amd64';
const MEBIBYTE = 1024 * 1024;
const BLOCK = randomBytes(MEBIBYTE);
const DOWNLOAD_BLOCKS = 1024;
const COPY_BLOCKS = 500;
const LONG_SECONDS = 3600;
const LONG_MILLIS = (LONG_SECONDS + 60) * 1000;

const reason = LONG_TESTS ? debianRootMissing() : longTestsReason;

let web: HttpServer;
let web6: HttpServer;
let port = 0;
let port6 = 0;

function md5Of(blocks: number): string {
  const hash = createHash('md5');
  for (let count = 0; count < blocks; count++) hash.update(BLOCK);
  return hash.digest('hex');
}

beforeAll(async () => {
  if (reason !== undefined) return;
  const serve = (blocks: number): HttpServer => createHttpServer((_, response) => {
    let left = blocks;
    response.setHeader('content-length', blocks * MEBIBYTE);
    const more = (): void => {
      while (left > 0) {
        left--;
        if (!response.write(BLOCK)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  });
  web = serve(DOWNLOAD_BLOCKS);
  web6 = serve(8);
  await new Promise<void>((resolve) => { web.listen(0, '127.0.0.1', resolve); });
  await new Promise<void>((resolve) => { web6.listen(0, '::1', resolve); });
  port = (web.address() as AddressInfo).port;
  port6 = (web6.address() as AddressInfo).port;
});

afterAll(() => {
  if (reason !== undefined) return;
  web.close();
  web6.close();
});

/** Debian with a script of its shell as process 1. */
async function debian(script: string, network: readonly string[], address = '10.0.2.15'): Promise<GuestRun> {
  const body = `#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive
mount() { /busybox mount "$@"; }
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/pts /run/sshd; mount -t devpts devpts /dev/pts; mount -t tmpfs tmp /tmp
ip link set lo up; echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; ip link set eth0 up
ip addr add ${address}/24 dev eth0; ip route add default via 10.0.2.2 2>/dev/null
ip -6 addr add fd47:6865:7374::15/64 dev eth0
echo 'nameserver 10.0.2.3' >/etc/resolv.conf
seconds() { echo "seconds $1 $(( $(date +%s) - start ))"; }
${script}
/busybox poweroff -f
`;
  const init = `mount -t ext4 /dev/vda /root || poweroff -f
cp /script /bin/busybox /root/
exec switch_root /root /script
`;
  return runGuest([
    '--memory', '512M', '--disk', `${debianRoot()},bus=virtio,discard-changes`,
    '--kernel', guestKernel(FLAVOUR).file,
    '--initrd', guestInitrd({ flavour: FLAVOUR, modules: [...BOARD_MODULES, 'virtio_net', 'af_packet', 'virtio_rng'], init, files: [{ kind: 'file', path: 'script', contents: Buffer.from(body), executable: true }] }),
    '--append', `console=ttyS0,115200 ${QUICK_BOOT} net.ifnames=0`, ...network,
  ], { timeoutSeconds: LONG_SECONDS });
}

/** Figures for whoever reads the test's output; nothing depends on them. */
function report(run: GuestRun): void {
  for (const line of run.serial.split('\n')) if (/^(?:seconds|iperf)/.test(line)) process.stderr.write(`  ${line}\n`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => { server.close(resolve); });
  return free;
}

describe.skipIf(reason !== undefined)(`Debian${reason === undefined ? '' : ` (${reason})`}`, () => {
  test('downloads 1 GiB whole, and by IPv6 too', async () => {
    const run = await debian(`
start=$(date +%s); echo "down $(wget -q -O - http://10.0.2.2:${port}/ | md5sum | cut -c1-32)"; seconds download
echo "down6 $(wget -q -O - 'http://[fd47:6865:7374::2]:${port6}/' | md5sum | cut -c1-32)"
ping -6 -c 2 fd47:6865:7374::2 | grep transmitted
`, ['--net', `nat,reach=listed,allow=loopback:${port},allow=loopback:${port6}`]);
    report(run);
    expect(run.serial).toContain(`down ${md5Of(DOWNLOAD_BLOCKS)}\n`);
    expect(run.serial).toContain(`down6 ${md5Of(8)}\n`);
    expect(run.serial).toMatch(/2 packets transmitted, 2 received, 0% packet loss/);
    expect([run.status, run.errors]).toEqual([0, '']);
  }, LONG_MILLIS);

  test('reads its package lists and installs a package', async () => {
    const { site } = packageSource()!;
    const { address } = await lookup(new URL(site).hostname);
    const run = await debian(`
start=$(date +%s)
apt-get update 2>&1 | tail -3; seconds update
apt-get install -q -y --no-install-recommends hello 2>&1 | tail -3; seconds install
hello
`, ['--net', `nat,allow=${address},allow=${new URL(site).hostname}`]);
    report(run);
    expect(run.serial).toMatch(/^Hello, world!$/m);
    expect([run.status, run.errors]).toEqual([0, '']);
  }, LONG_MILLIS);

  test('is reached by ssh through a forwarded port, and files are copied both ways', async () => {
    const forwarded = await freePort();
    const key = scratchFile('key');
    execFileSync(findCommand(['ssh-keygen'])!, ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const given = scratchFile('given');
    writeFileSync(given, Buffer.concat(Array.from({ length: COPY_BLOCKS }, () => BLOCK)));
    const back = scratchFile('back');
    const options = ['-i', key, '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=10'];
    const guest = debian(`
mkdir -p /root/.ssh; echo '${readFileSync(`${key}.pub`, 'utf8').trim()}' >/root/.ssh/authorized_keys; chmod -R go= /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key <<<y >/dev/null
/usr/sbin/sshd -o HostKey=/etc/ssh/ssh_host_ed25519_key -o UsePAM=no
until [ -e /done ]; do sleep 1; done
`, ['--net', 'nat,reach=nothing', '--forward', `tcp:${forwarded}:22`]);
    const run = promisify(execFile);
    const ssh = async (command: string): Promise<string> => (await run('ssh', [...options, '-p', String(forwarded), 'root@127.0.0.1', command])).stdout;
    const banner = (): Promise<boolean> => new Promise((resolve) => {
      const socket = connect(forwarded, '127.0.0.1');
      socket.once('data', () => { socket.destroy(); resolve(true); });
      socket.on('error', () => {});
      socket.on('close', () => { resolve(false); });
    });
    while (!await banner()) await new Promise((resolve) => { setTimeout(resolve, 500); });
    expect(await ssh('uname -m')).toBe('x86_64\n');
    const start = performance.now();
    await run('scp', [...options, '-P', String(forwarded), given, 'root@127.0.0.1:/given']);
    const between = performance.now();
    expect(await ssh('md5sum </given | cut -c1-32')).toBe(`${md5Of(COPY_BLOCKS)}\n`);
    const again = performance.now();
    await run('scp', [...options, '-P', String(forwarded), 'root@127.0.0.1:/given', back]);
    process.stderr.write(`  scp of ${COPY_BLOCKS} MiB: in ${((between - start) / 1000).toFixed(0)} s, out ${((performance.now() - again) / 1000).toFixed(0)} s\n`);
    expect(createHash('md5').update(readFileSync(back)).digest('hex')).toBe(md5Of(COPY_BLOCKS));
    await ssh('touch /done');
    expect([(await guest).status, (await guest).errors]).toEqual([0, '']);
  }, LONG_MILLIS);

  test('and another on an internal network measure it with iperf3', async () => {
    const network = ['--net', `internal=iperf-${process.pid}`];
    const [server, client] = await Promise.all([
      debian('iperf3 -s -1 >/dev/null; sleep 5', network, '10.9.0.1'),
      debian(`until ping -c 1 -W 1 10.9.0.1 >/dev/null; do :; done; sleep 3
iperf3 -c 10.9.0.1 -t 10 | grep -E 'sender|receiver' | sed 's/^/iperf /'
`, network, '10.9.0.2'),
    ]);
    report(client);
    expect(client.serial).toMatch(/^iperf .*[1-9]\d*(?:\.\d+)? [MG]bits\/sec.*receiver$/m);
    expect([server.status, client.status]).toEqual([0, 0]);
  }, LONG_MILLIS);
});
