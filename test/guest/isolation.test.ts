/**
 * What a guest with real drivers reaches of a real host: one in a network namespace of its own, with a neighbour on its local
 * network. Each of them listens at all its addresses; a path that isn't allowed must leave no trace at either.
 */
import { describe, expect, test } from 'vitest';
import { BOARD_MODULES, guestInitrd, guestKernel } from '../support/guest-images.ts';
import { FAR_IPV4, HOST_IPV4, HOST_IPV6, namespacesMissing, NEIGHBOUR_IPV4, NEIGHBOUR_IPV6, NetworkWorld } from '../support/network-namespaces.ts';
import { captureFields } from '../support/tshark.ts';
import { BOOT_MILLIS, QUICK_BOOT, removeScratchFiles, runGuest, scratchFile } from './run-guest.ts';

removeScratchFiles();

const FLAVOUR = 'cloud-amd64';
const TCP_PORT = 7001;
/** That of DNS: BusyBox's nslookup sends to it. */
const UDP_PORT = 53;

/** Every path, by TCP and UDP, then again with addresses that aren't the guest's. */
const PATHS = ['127.0.0.1', '10.0.2.2', '10.0.2.3', HOST_IPV4, NEIGHBOUR_IPV4, '169.254.169.254', 'fd47:6865:7374::2', 'fe80::2%eth0', HOST_IPV6, NEIGHBOUR_IPV6, `::ffff:${HOST_IPV4}`];
const SPOOFED = [HOST_IPV4, '10.0.2.2', '127.0.0.9'];

const TRY_ALL = `
echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
for name in lo eth0; do ip link set $name up; done
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
ip -6 addr add fd47:6865:7374::15/64 dev eth0
ip -6 route add default via fd47:6865:7374::2
try() {
	nc -w 1 $1 ${TCP_PORT} </dev/null 2>/dev/null | sed "s|^|$1 by TCP: |"
	[ $1 = 10.0.2.3 ] || timeout 1 nslookup probe.example $1 >/dev/null 2>&1
}
for path in ${PATHS.join(' ')}; do try $path; done
for source in ${SPOOFED.join(' ')}; do
	ip addr flush dev eth0 scope global
	ip addr add $source/32 dev eth0
	ip route replace 10.0.2.3/32 dev eth0 src $source
	ip route replace default via 10.0.2.3 src $source
	# Nobody answers such a source's question. It is the gateway's address by any name.
	arp -i eth0 -s 10.0.2.3 52:47:00:00:00:02
	for path in ${HOST_IPV4} ${NEIGHBOUR_IPV4} ${FAR_IPV4}; do try $path; done
done
# And as the gateway itself, by its MAC address.
ip addr flush dev eth0 scope global
ip link set eth0 down; ip link set eth0 address 52:47:00:00:00:02; ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
arp -i eth0 -s 10.0.2.2 52:47:00:00:00:02
for path in 10.0.2.2 ${HOST_IPV4} ${FAR_IPV4}; do try $path; done
echo "tried $((6*7))"
`;

const REACH_FAR = `
for name in lo eth0; do ip link set $name up; done
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
for path in ${FAR_IPV4} ${NEIGHBOUR_IPV4} ${HOST_IPV4} 10.0.2.2; do nc -w 5 $path ${TCP_PORT} </dev/null 2>/dev/null | sed "s|^|$path by TCP: |"; done
echo "tried $((6*7))"
`;

async function tryOut(init: string, net: string): Promise<{ serial: string; heard: string }> {
  using world = new NetworkWorld();
  const host = await world.listen(world.host, 'host', TCP_PORT, UDP_PORT);
  const neighbour = await world.listen(world.neighbour, 'neighbour', TCP_PORT, UDP_PORT);
  const run = await runGuest([
    '--kernel', guestKernel(FLAVOUR).file,
    '--initrd', guestInitrd({ flavour: FLAVOUR, modules: [...BOARD_MODULES, 'virtio_net', 'af_packet'], init: `${init}\npoweroff -f\n` }),
    '--append', `console=ttyS0,115200 ${QUICK_BOOT}`, '--net', net,
  ], { within: world.within(world.host) });
  expect([run.status, run.errors]).toEqual([0, '']);
  expect(run.serial).toContain('tried 42\n');
  return { serial: run.serial, heard: host.heard() + neighbour.heard() };
}

const missing = namespacesMissing();

describe.skipIf(missing !== undefined)(`a guest on a host with a neighbour${missing === undefined ? '' : ` (${missing})`}`, () => {
  test('that may reach the internet reaches neither of them, by any address, family or source', async () => {
    const capture = scratchFile('paths.pcapng');
    const { serial, heard } = await tryOut(TRY_ALL, `nat,capture=${capture}`);
    expect(serial).not.toContain('by TCP');
    expect(heard).toBe('');
    // All of it was really tried.
    const tried = new Set(captureFields(capture, 'tcp.flags.syn == 1 && tcp.flags.ack == 0', ['ip.src', 'ip.dst', 'ipv6.dst']).map((fields) => fields.filter((field) => field !== '').join('>')));
    for (const path of ['10.0.2.2', HOST_IPV4, NEIGHBOUR_IPV4]) expect(tried).toContain(`10.0.2.15>${path}`);
    for (const path of ['fd47:6865:7374::2', HOST_IPV6, NEIGHBOUR_IPV6]) expect(tried).toContain(path);
    for (const source of [HOST_IPV4, '10.0.2.2']) expect(tried).toContain(`${source}>${FAR_IPV4}`);
  }, BOOT_MILLIS);

  test('reaches what is allowed, and the internet, and no more', async () => {
    const { serial, heard } = await tryOut(REACH_FAR, `nat,allow=${NEIGHBOUR_IPV4}:${TCP_PORT}`);
    expect(serial.split('\n').filter((line) => line.includes('answers'))).toEqual([`${FAR_IPV4} by TCP: neighbour answers`, `${NEIGHBOUR_IPV4} by TCP: neighbour answers`]);
    // The host's own address: nothing of the guest's is seen.
    expect(heard).toBe(`neighbour sees ::ffff:${HOST_IPV4}\n`.repeat(2));
  }, BOOT_MILLIS);
});
