import { expect, test } from 'vitest';
import { appPaths } from '../../../../src/main/app-paths.ts';
import { CommandFailure } from '../../../../src/main/cli/outcome.ts';
import { parseChord } from '../../../../src/main/cli/run/keystrokes.ts';
import { parseDiskOption, planRun, unescapeKeys } from '../../../../src/main/cli/run/plan.ts';
import type { RunOptions } from '../../../../src/main/cli/run/plan.ts';
import { countOnScreen, StreamWatch } from '../../../../src/main/cli/run/text-watch.ts';

const DEFAULTS: RunOptions = { memory: '256M', cpus: '1', accel: 'auto', arch: 'x86_64', disk: [], cdrom: [], net: [], forward: [], share: [], serial: 'stdio', time: 'host', onReset: 'reboot', typeWhen: [], exitOn: [], failOn: [] };
const plan = (options: Partial<RunOptions>) => planRun({ ...DEFAULTS, ...options }, appPaths({}));

test.each<[string, Partial<RunOptions>]>([
  ['--net bridge', { net: ['bridge'] }], ['none beside a network', { net: ['none', 'nat'] }], ['--nic alone', { nic: 'virtio' }], ['--forward alone', { forward: ['tcp:1:2'] }],
  ['a forward without a port', { net: ['nat'], forward: ['tcp:22'] }], ['a forward of port 0', { net: ['nat'], forward: ['tcp:0:22'] }], ['an unknown adapter', { net: ['nat'], nic: 'token-ring' }],
  ['a target that is none', { net: ['nat,allow=a b'] }], ['allowing where nothing may be reached', { net: ['nat,reach=nothing,allow=1.2.3.4'] }], ['a group\'s MAC address', { net: ['nat,mac=01:00:00:00:00:00'] }],
  ['a network without a name', { net: ['internal'] }], ['a network\'s name that is none', { net: ['nat-network=../x'] }], ['a way out of host-only', { net: ['host-only,allow=1.2.3.4'] }],
  ['a forward into an internal network', { net: ['internal=a,forward=tcp:1:2'] }], ['a loss beyond all', { net: ['nat,loss=101'] }], ['a delay that is none', { net: ['nat,delay=fast'] }],
  ['five adapters', { net: ['nat', 'nat', 'nat', 'nat', 'nat'] }], ['--share', { share: ['a=/b'] }], ['--floppy', { floppy: 'a.img' }], ['--accel kvm', { accel: 'kvm' }], ['--cpus 2', { cpus: '2' }],
  ['--boot net without an adapter', { boot: 'net' }], ['--boot net on a card without a ROM', { boot: 'net', net: ['nat'], nic: 'ne2000-isa' }], ['a boot file without a folder', { net: ['nat,boot-file=a'] }], ['a boot file that is none', { net: ['nat,boot-folder=/b,boot-file=a b'] }], ['a boot folder on an internal network', { net: ['internal=a,boot-folder=/b'] }], ['an unknown disk format', { disk: ['a,format=qcow9'] }], ['an unknown disk bus', { disk: ['a,bus=scsi'] }], ['virtio for a CD', { cdrom: ['a.iso,bus=virtio'] }],
  ['a negative size', { memory: '-1M' }], ['an absurd size', { memory: '99999T' }], ['no size', { memory: 'lots' }], ['an unknown architecture', { arch: 'arm' }],
  ['--initrd alone', { initrd: 'x' }], ['a time that isn\'t', { timeout: '-3' }], ['a time of zero', { timeout: '0' }], ['a seed that isn\'t', { seed: '1.5' }], ['a port that isn\'t', { exitPort: '70000' }],
  ['a date that isn\'t', { rtc: 'yesterday' }], ['keys without text', { typeWhen: ['::x'] }], ['an empty --exit-on', { exitOn: [''] }], ['a serial that isn\'t', { serial: 'tcp' }],
])('%s is wrong usage', (_what, options) => {
  expect(() => plan(options)).toThrow(expect.objectContaining({ status: 2 }) as CommandFailure);
});

test('what the board can serve is passed on', () => {
  const { start, typeWhen, debug, timeoutSeconds } = plan({
    kernel: '/k', initrd: '/i', append: 'quiet', time: 'instructions:100', rtc: '2026-11-23T12:00:00Z', seed: '7', exitPort: '0xf4', debugPort: '0x402=file:/log', boot: 'cd',
    typeWhen: ['login:::root\\n'], timeout: '1.5', disk: ['/d,bus=virtio,discard-changes'], cdrom: ['/c'],
  });
  expect(start).toMatchObject({
    directBoot: { kernelPath: '/k', initrdPath: '/i', commandLine: 'quiet' }, time: { instructionsPerMicrosecond: 100 }, rtcEpochSeconds: Date.UTC(2026, 10, 23, 12) / 1000, seed: 7,
    exitPort: 0xf4, debugPort: 0x402, bootOrder: ['cd', 'hd'], disks: [{ path: '/d', bus: 'virtio', discardChanges: true, kind: 'disk' }, { path: '/c', kind: 'cdrom', format: 'iso' }],
  });
  expect([typeWhen, debug, timeoutSeconds]).toEqual([[{ text: 'login:', keys: 'root\n' }], { to: 'file', path: '/log' }, 1.5]);
});

/** What an adapter's network is where nothing is said. */
const CLEAN = { delayMillis: 0, jitterMillis: 0, lossPercent: 0, sharedSwitch: undefined };

test('the network is started from where it is asked for, by a card\'s ROM', () => {
  const { start } = plan({ boot: 'net', net: ['nat,boot-folder=/srv/boot,boot-file=pxelinux.0', 'nat'], nic: 'e1000' });
  expect(start.bootOrder).toEqual(['net', 'hd', 'cd']);
  expect(start.adapters).toMatchObject([{ bootFolder: '/srv/boot', bootFile: 'pxelinux.0', bootRomPath: expect.stringMatching(/pxe-e1000\.rom$/) as string }, { bootRomPath: expect.stringMatching(/pxe-virtio\.rom$/) as string }]);
  expect(plan({ boot: 'cd', net: ['nat'] }).start.adapters![0]!.bootRomPath).toBeUndefined();
});

test('networks are planned with what they may reach and what leads in', () => {
  const { start } = plan({ net: ['nat,reach=listed,allow=loopback:8080,allow=10.1.0.0/16,allow=[::1]:80,allow=*.debian.org:443,forward=udp:0.0.0.0:53:10.0.2.20:5353', 'user,mac=52:47:48:00:00:09,capture=/c,,d.pcapng'], nic: 'virtio', forward: ['tcp:2222:22', 'tcp:[::1]:80:8080'] });
  expect(start.adapters).toEqual([
    {
      model: 'virtio', mac: expect.stringMatching(/^52:47:48(:[0-9a-f]{2}){3}$/), reach: 'listed', connected: true, capturePath: undefined, ...CLEAN,
      allow: [{ host: 'loopback', port: 8080 }, { host: '10.1.0.0/16' }, { host: '::1', port: 80 }, { host: '*.debian.org', port: 443 }],
      forwards: [
        { protocol: 'udp', host: { address: '0.0.0.0', port: 53 }, guest: { address: '10.0.2.20', port: 5353 } },
        { protocol: 'tcp', host: { address: '127.0.0.1', port: 2222 }, guest: { port: 22 } },
        { protocol: 'tcp', host: { address: '::1', port: 80 }, guest: { port: 8080 } },
      ],
    },
    { model: 'virtio', mac: '52:47:48:00:00:09', reach: 'internet', allow: [], forwards: [], connected: true, capturePath: '/c,d.pcapng', ...CLEAN },
  ]);
  const [office, lab, host] = plan({ net: ['nat-network=office,delay=20,jitter=5.5,loss=1', 'internal=office', 'host-only,forward=tcp:1:2'] }).start.adapters!;
  expect(office).toMatchObject({ delayMillis: 20, jitterMillis: 5.5, lossPercent: 1, reach: 'internet', sharedSwitch: { hasGateway: true } });
  expect(lab).toMatchObject({ sharedSwitch: { hasGateway: false } });
  expect(lab!.sharedSwitch!.place).not.toBe(office!.sharedSwitch!.place);
  expect(lab!.sharedSwitch!.place.length).toBeLessThan(90);
  expect(host).toMatchObject({ reach: 'nothing', sharedSwitch: undefined, forwards: [{ protocol: 'tcp' }] });
  expect(plan({}).start.adapters).toEqual([]);
  expect(plan({ net: ['none'] }).start.adapters).toEqual([]);
});

test('an --rtc without a zone is UTC', () => {
  expect(plan({ rtc: '2000-01-01T00:00' }).start.rtcEpochSeconds).toBe(946_684_800);
});

test('a comma in a disk\'s name is written twice', () => {
  expect(parseDiskOption('/a,,b.img,readonly')).toMatchObject({ path: '/a,b.img', readOnly: true });
});

test('escapes of keys', () => {
  expect(unescapeKeys('a\\n\\t\\e\\x41\\\\n')).toBe('a\n\t\u001bA\\n');
  expect(() => unescapeKeys('\\q')).toThrow(CommandFailure);
});

test('chords are read by names of keys', () => {
  expect([parseChord('ctrl-alt-del'), parseChord('F2'), parseChord('a'), parseChord('-'), parseChord('ctrl-frob')])
    .toEqual([['ControlLeft', 'AltLeft', 'Delete'], ['F2'], ['KeyA'], ['Minus'], undefined]);
});

test('a text on the console is found across chunks and under colours, and counted', () => {
  const watch = new StreamWatch(['login:', 'ü#']);
  for (const chunk of ['log', '\u001b[1;', '32min', '\u001b[0m: x', '\r\nlogin:']) watch.write(new TextEncoder().encode(chunk));
  const umlaut = new TextEncoder().encode('ü#');
  watch.write(umlaut.subarray(0, 1));
  watch.write(umlaut.subarray(1));
  expect([watch.count('login:'), watch.count('ü#'), watch.count('other')]).toEqual([2, 1, 0]);
});

test('a text on the screen is found also where it runs over the end of a row', () => {
  const rows = ['press any k', 'ey to go on', 'ok'];
  expect([countOnScreen(rows, 'any key'), countOnScreen(rows, 'ok'), countOnScreen(rows, 'login')]).toEqual([1, 1, 0]);
});

test('a text on the screen may end in blanks, as prompts do', () => {
  const rows = ['guest# ls', '', 'guest#'];
  expect([countOnScreen(rows, 'guest# '), countOnScreen(rows, 'ls\n'), countOnScreen(rows, 'lsguest')]).toEqual([2, 1, 0]);
});
