/** Guests at their own network: Debian's kernel and BusyBox against servers on this host's loopback. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BOARD_MODULES, guestInitrd, guestKernel, type KernelFlavour } from '../support/guest-images.ts';
import { capturedFrames, tcpPayload } from '../support/pcapng.ts';
import { inspectCapture } from '../support/tshark.ts';
import { BOOT_MILLIS, LONG_TESTS, QUICK_BOOT, removeScratchFiles, runGuest, scratchFile } from './run-guest.ts';

removeScratchFiles();

const NETWORK_MODULES = [...BOARD_MODULES, 'virtio_net', 'e1000', '8139too', 'af_packet'];
/** Drivers that not every kernel has, by the adapter. */
const OLD_DRIVERS: Readonly<Record<string, string>> = { pcnet: 'pcnet32', 'ne2000-pci': 'ne2k-pci', 'ne2000-isa': 'ne' };
const DOWNLOAD = randomBytes(3 * 1024 * 1024 + 17);
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

/** Brings the adapter up as a system does: what the lease says is what is used. */
const BRING_UP = `
ip link set lo up
ip link set eth0 up
cat >/lease <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
ip route add default via $router
echo "nameserver $dns" >/etc/resolv.conf
echo "lease $ip mask $mask router $router resolver $dns domain $domain mtu $mtu"
END
chmod +x /lease
udhcpc -i eth0 -n -q -f -s /lease -x hostname:tester 2>/dev/null
`;

let web: HttpServer;
let silent: Server;
const uploads: Buffer[] = [];
let webPort = 0;
let silentPort = 0;

beforeAll(async () => {
  web = createHttpServer((request, response) => {
    if (request.method === 'POST') {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        uploads.push(Buffer.concat(parts));
        response.end('thanks');
      });
      return;
    }
    response.end(DOWNLOAD);
  });
  silent = createServer((socket) => { socket.end('not for guests'); });
  await Promise.all([web, silent].map((server) => new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); })));
  webPort = (web.address() as AddressInfo).port;
  silentPort = (silent.address() as AddressInfo).port;
});

afterAll(() => {
  web.close();
  silent.close();
});

const LINK_ONLY = `
ip link set lo up
ip link set eth0 up
`;

function boot(flavour: KernelFlavour, script: string, bringUp = BRING_UP, driver?: string): string[] {
  const kernel = guestKernel(flavour);
  const modules = driver === undefined ? NETWORK_MODULES : [...BOARD_MODULES, 'af_packet', driver];
  return [
    ...(kernel.architecture === 'i386' ? ['--arch', 'i386'] : []),
    '--kernel', kernel.file, '--initrd', guestInitrd({ flavour, modules, init: `${bringUp}\n${script}\npoweroff -f\n` }),
    '--append', `console=ttyS0,115200 ${QUICK_BOOT} ne.io=0x300 ne.irq=3 web=${webPort} silent=${silentPort}`,
  ];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

/** Ports that differ from run to run come by the kernel's command line, so that the initrd is made once. */
const PORTS = 'for word in $(cat /proc/cmdline); do case $word in web=*|silent=*) export $word;; esac; done';

const EXCHANGE = `
${PORTS}
ping -c 2 -W 5 10.0.2.2 | grep transmitted
nslookup gateway.guesthouse.internal 10.0.2.3 | sed -n '/^Name/,$p'
nslookup tester.guesthouse.internal 10.0.2.3 | grep -q '^Address: 10.0.2.15' && echo "found by its $((6*7)) names"
echo "down $(wget -q -O - http://10.0.2.2:$web/ | md5sum | cut -c1-32)"
# BusyBox takes what it posts for text.
dd if=/dev/urandom bs=1k count=1200 2>/dev/null | base64 >/up
echo "up $(md5sum </up | cut -c1-32)"
echo "said $(wget -q -O - --post-file=/up http://gateway.guesthouse.internal:$web/)"
wget -q -O - http://10.0.2.2:$silent/ 2>&1 || echo "loopback refused"
wget -q -O - http://127.0.0.1:$silent/ 2>&1 || echo "own loopback empty"
nc -w 3 192.168.77.1 80 </dev/null 2>&1 || echo "local network refused"
nc -w 3 169.254.169.254 80 </dev/null 2>&1 || echo "link-local refused"
`;

async function exchanges(flavour: KernelFlavour, nic: string): Promise<void> {
  const capture = scratchFile(`${flavour}-${nic}.pcapng`);
  const run = await runGuest([...boot(flavour, EXCHANGE, BRING_UP, OLD_DRIVERS[nic]), '--net', `nat,allow=loopback:${webPort},capture=${capture}`, '--nic', nic]);
  expect(run.serial).toContain('lease 10.0.2.15 mask 24 router 10.0.2.2 resolver 10.0.2.3 domain guesthouse.internal mtu 1500');
  expect(run.serial).toMatch(/2 packets transmitted, 2 packets received, 0% packet loss/);
  expect(run.serial).toMatch(/^Name:\s+gateway\.guesthouse\.internal\nAddress.*10\.0\.2\.2$/m);
  expect(run.serial).toMatch(/^found by its 42 names$/m);
  expect(run.serial).toMatch(new RegExp(`^down ${md5(DOWNLOAD)}$`, 'm'));
  expect(run.serial).toMatch(/^said thanks$/m);
  expect(/^up ([0-9a-f]{32})$/m.exec(run.serial)![1]).toBe(md5(uploads.at(-1)!));
  for (const line of ['loopback refused', 'own loopback empty', 'local network refused', 'link-local refused']) expect(run.serial).toContain(`${line}\n`);
  expect(run.serial).not.toContain('not for guests');
  expect([run.status, run.errors]).toEqual([0, '']);
  expect(run.stats!.netBytesIn).toBeGreaterThan(DOWNLOAD.length);
  expect(run.stats!.netBytesOut).toBeGreaterThan(1500 * 1024);
  // What the capture holds of the connections is what was moved, with checksums that are right.
  const frames = capturedFrames(readFileSync(capture));
  expect(tcpPayload(frames, webPort, true).includes(DOWNLOAD)).toBe(true);
  expect(tcpPayload(frames, webPort, false).includes(uploads.at(-1)!)).toBe(true);
  expect(frames.every(({ nanos }, index) => nanos >= (frames[index - 1]?.nanos ?? 0n))).toBe(true);
  expectCleanLink(capture, 3);
}

/**
 * Nothing that Wireshark minds, and nothing that was sent twice. Full windows are the guest's affair, and a guest asks for a
 * connection again when a busy host takes more than a second to make it.
 */
function expectCleanLink(capture: string, tcpStreams: number): void {
  const findings = inspectCapture(capture);
  expect(findings.tcpStreams).toBeGreaterThanOrEqual(tcpStreams);
  expect({ errors: findings.errors, warnings: findings.warnings, troubles: findings.troubles.filter((line) => !/Window *Full|ZeroWindow|TCP Retransmission\].*\[SYN\]/.test(line)) })
    .toEqual({ errors: [], warnings: [], troubles: [] });
}

describe('a guest with a virtio adapter', () => {
  test('gets a lease, resolves names, moves data both ways and reaches nothing it may not', () => exchanges('cloud-amd64', 'virtio'), BOOT_MILLIS);

  test('is reached through a forwarded port', async () => {
    const port = await freePort();
    const script = `
echo "listens $((6*7))"
nc -l -p 7 -e cat
echo "served $((6*7))"
`;
    const heard = new Promise<string>((resolve, reject) => {
      const attempt = (left: number): void => {
        const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
        let text = '';
        socket.on('data', (part: Buffer) => {
          text += part.toString();
          if (text.endsWith('end\n')) socket.end();
        });
        socket.on('close', () => {
          // Until the guest listens, its connections are refused.
          if (text !== '') resolve(text);
          else if (left > 0) setTimeout(() => { attempt(left - 1); }, 500);
          else reject(new Error('nobody answered'));
        });
        socket.on('error', () => {});
        socket.write(`${'x'.repeat(100_000)}end\n`);
      };
      attempt(400);
    });
    const [run, text] = await Promise.all([
      runGuest([...boot('cloud-amd64', script), '--net', 'nat,reach=nothing', '--forward', `tcp:${port}:7`]),
      heard,
    ]);
    expect(text.length).toBe(100_004);
    expect(run.serial).toMatch(/^served 42$/m);
    expect([run.status, run.errors]).toEqual([0, '']);
  }, BOOT_MILLIS);
});

describe('a guest with an e1000 adapter', () => {
  test('gets a lease, resolves names, moves data both ways and reaches nothing it may not', () => exchanges('686', 'e1000'), BOOT_MILLIS);
});

describe('a guest with a PCnet adapter', () => {
  test('gets a lease, resolves names, moves data both ways and reaches nothing it may not', () => exchanges('amd64', 'pcnet'), BOOT_MILLIS);
});

describe('a guest with an NE2000 on the ISA bus', () => {
  test('gets a lease, resolves names, moves data both ways and reaches nothing it may not', () => exchanges('686', 'ne2000-isa'), BOOT_MILLIS);
});

describe('two machines', () => {
  const home = scratchFile('home');
  const environment = { GUESTHOUSE_HOME: home };
  const network = (name: string): string[] => ['--net', name];

  test('on an internal network reach each other, by adapters of different skills, and nothing else', async () => {
    // Long segments of the one are cut for the other, which takes none.
    const first = `
ip addr add 192.168.50.1/24 dev eth0
nc -l -p 7 >/got
echo "got $(md5sum </got | cut -c1-32)"
nc -l -p 8 -e cat /got
# What it has sent may still be under way: a machine that is off sends nothing again.
nc -l -p 9 -e true
echo "served $((6*7))"
`;
    const second = `
ip addr add 192.168.50.2/24 dev eth0
for try in $(seq 60); do ping -c 1 -W 1 192.168.50.1 >/dev/null && break; done
ping -c 3 192.168.50.1 | grep transmitted
dd if=/dev/urandom of=/given bs=1k count=8000 2>/dev/null
echo "given $(md5sum </given | cut -c1-32)"
for try in $(seq 60); do nc 192.168.50.1 7 </given && break; sleep 1; done
for try in $(seq 60); do nc -w 60 192.168.50.1 8 >/back </dev/null && [ -s /back ] && break; sleep 1; done
echo "back $(md5sum </back | cut -c1-32)"
for try in $(seq 60); do nc -w 5 192.168.50.1 9 </dev/null && break; sleep 1; done
ping -c 1 -W 1 10.0.2.2 >/dev/null 2>&1 || echo "no gateway"
`;
    const capture = scratchFile('internal.pcapng');
    const [one, two] = await Promise.all([
      runGuest([...boot('cloud-amd64', first, LINK_ONLY), ...network(`internal=lab,capture=${capture}`)], { environment }),
      runGuest([...boot('amd64', second, LINK_ONLY), ...network('internal=lab,nic=e1000')], { environment }),
    ]);
    expect([one.status, one.errors, two.status, two.errors]).toEqual([0, '', 0, '']);
    expect(two.serial).toMatch(/3 packets transmitted, 3 packets received/);
    const sum = /^given ([0-9a-f]{32})$/m.exec(two.serial)![1]!;
    expect(one.serial).toMatch(new RegExp(`^got ${sum}$`, 'm'));
    expect(two.serial).toMatch(new RegExp(`^back ${sum}$`, 'm'));
    expect(two.serial).toMatch(/^no gateway$/m);
    expect(one.stats!.adapters[0]!.bytesIn).toBeGreaterThan(8_000_000);
    expect(capturedFrames(readFileSync(capture)).length).toBeGreaterThan(100);
  }, BOOT_MILLIS);

  test('on a NAT network have addresses of their own, know each other by name, and get out', async () => {
    const first = `
nc -l -p 7 -e cat
echo "served $((6*7))"
`;
    const second = `
${PORTS}
for try in $(seq 60); do nslookup alpha.guesthouse.internal 10.0.2.3 >/dev/null 2>&1 && break; sleep 1; done
echo "out $(wget -q -O - http://10.0.2.2:$web/ | md5sum | cut -c1-32)"
for try in $(seq 60); do echo "hello $((6*7))" | nc -w 5 alpha.guesthouse.internal 7 && break; sleep 1; done
wget -q -O - http://10.0.2.2:$silent/ 2>&1 || echo "loopback refused"
`;
    const [one, two] = await Promise.all([
      runGuest([...boot('cloud-amd64', first, BRING_UP.replace('hostname:tester', 'hostname:alpha')), ...network('nat-network=office,reach=nothing')], { environment }),
      runGuest([...boot('cloud-amd64', second), ...network(`nat-network=office,allow=loopback:${webPort}`)], { environment }),
    ]);
    expect([one.status, one.errors, two.status, two.errors]).toEqual([0, '', 0, '']);
    const addresses = [one, two].map(({ serial }) => /^lease (10\.0\.2\.\d+) /m.exec(serial)![1]);
    expect(new Set(addresses).size).toBe(2);
    expect(two.serial).toMatch(new RegExp(`^out ${md5(DOWNLOAD)}$`, 'm'));
    expect(two.serial).toMatch(/^hello 42$/m);
    expect(two.serial).toContain('loopback refused\n');
    expect(one.serial).toMatch(/^served 42$/m);
  }, BOOT_MILLIS);
});

test('a port that somebody else has is said so at the start', async () => {
  const run = await runGuest([...boot('cloud-amd64', ''), '--net', 'nat', '--forward', `tcp:${webPort}:80`]);
  expect(run.status).toBe(1);
  expect(run.errors).toBe(`guesthouse: the host's tcp port 127.0.0.1:${webPort} is in use already: forward another port, or end what uses this one\n`);
}, BOOT_MILLIS);

test('a machine in instruction time gets no network', async () => {
  const run = await runGuest([...boot('cloud-amd64', ''), '--net', 'nat', '--time', 'instructions']);
  expect(run.status).not.toBe(0);
  expect(run.errors).toMatch(/^guesthouse: a machine in instruction time can have no network/);
}, BOOT_MILLIS);

test('kernels beside the sample', (context) => {
  context.skip(!LONG_TESTS, 'takes some minutes: npm run test:long (GUESTHOUSE_LONG_TESTS=1) runs it');
  expect(LONG_TESTS).toBe(true);
});

if (LONG_TESTS) describe('every kernel', () => {
  const cases = (['amd64', '686', '686-pae'] as const).flatMap((flavour) => (['virtio', 'e1000', 'rtl8139', 'pcnet', 'ne2000-pci', ...(flavour === 'amd64' ? [] : ['ne2000-isa'])]).map((nic) => ({ flavour, nic })));
  test.each(cases)('$flavour moves data both ways by $nic', ({ flavour, nic }) => exchanges(flavour, nic), BOOT_MILLIS);
});
