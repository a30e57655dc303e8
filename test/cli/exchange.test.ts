/** Machines of other programs in, and packages for them out: read by qemu-img, tar and virt-v2v where it is there, and by ourselves. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { qemuImg } from '../support/qemu-img.ts';
import { commandLineAt, expectRefusal, scratchFolder } from './guesthouse-command.ts';
import type { Ended } from './guesthouse-command.ts';

const PATIENCE_MILLIS = 300_000;
const scratch = scratchFolder();
const home = scratch.file('home');
const { run } = commandLineAt(home);
const folderOf = (name: string): string => join(home, 'machines', `${name}.guestvm`);
const succeeded = (ended: Ended): string => {
  expect([ended.status, ended.err]).toEqual([0, '']);
  return ended.out;
};
interface Told { readonly name: string; readonly leftOut: readonly { what: string; detail: string }[] }
const imported = async (...args: string[]): Promise<Told> => JSON.parse(succeeded(await run(['import', ...args, '--json']))) as Told;
const configOf = (name: string): Record<string, unknown> => JSON.parse(readFileSync(join(folderOf(name), 'machine.json'), 'utf8')) as Record<string, unknown>;

/** A disk that can be told from another, in a format of qemu-img's. */
function disk(path: string, format: string, words: string, options: readonly string[] = []): Buffer {
  const bytes = Buffer.alloc(4 << 20);
  bytes.write(words, 3_000_000);
  const raw = scratch.file('source.img', bytes);
  qemuImg('convert', '-f', 'raw', '-O', format, ...options, raw, path);
  return bytes;
}

function expectDisk(name: string, number: number, bytes: Buffer): void {
  const path = join(folderOf(name), `disks/disk${number}.qcow2`);
  expect(qemuImg('check', path)).toContain('No errors');
  const raw = scratch.file('back.img');
  qemuImg('convert', '-O', 'raw', path, raw);
  expect(readFileSync(raw).equals(bytes)).toBe(true);
}

function folder(name: string, files: Readonly<Record<string, string>>): string {
  const path = scratch.file(name);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(path, file, '..'), { recursive: true });
    writeFileSync(join(path, file), text);
  }
  return path;
}

const VBOX = (location: string, extra = ''): string => `<?xml version="1.0"?>
<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">
  <Machine uuid="{5f0c54f0-2e8f-4b0e-9c7c-0d8c9f2b1a11}" name="Old &amp; grey: Debian" OSType="Debian_64" snapshotFolder="Snapshots">
    <Description>first line&#10;second</Description>
    <MediaRegistry><HardDisks><HardDisk uuid="{aaaa}" location="${location}" format="VDI" type="Normal"/></HardDisks>
      <DVDImages><Image uuid="{cccc}" location="gone.iso"/></DVDImages></MediaRegistry>
    <Hardware>
      <CPU count="4"><LongMode enabled="true"/></CPU><Memory RAMSize="768"/><Firmware type="EFI"/>
      <Boot><Order position="1" device="DVD"/><Order position="2" device="HardDisk"/></Boot>
      <Network>
        <Adapter slot="0" enabled="true" MACAddress="080027AABBCC" cable="true" type="82540EM"><NAT><Forwarding name="ssh" proto="1" hostip="127.0.0.1" hostport="2222" guestport="22"/></NAT></Adapter>
        <Adapter slot="1" enabled="true" type="virtio"><DisabledModes><NAT/></DisabledModes><BridgedInterface name="eth0"/></Adapter>
        <Adapter slot="2" enabled="false" type="82540EM"/>
      </Network>
      <SharedFolders><SharedFolder name="src" hostPath="/home/me/src"/></SharedFolders>
      <StorageControllers><StorageController name="SATA" type="AHCI">
        <AttachedDevice type="HardDisk" port="0" device="0"><Image uuid="{aaaa}"/></AttachedDevice>
        <AttachedDevice type="DVD" port="1" device="0"><Image uuid="{cccc}"/></AttachedDevice>
      </StorageController></StorageControllers>${extra}
    </Hardware>
  </Machine>
</VirtualBox>`;

test('a machine of VirtualBox comes with its disk, and what there is no place for is told', async () => {
  const from = folder('virtualbox', { 'deb.vbox': VBOX('deb.vdi') });
  const bytes = disk(join(from, 'deb.vdi'), 'vdi', 'a disk of VirtualBox');
  const { name, leftOut } = await imported(join(from, 'deb.vbox'));
  expect(name).toBe('Old & grey Debian');
  expectDisk(name, 0, bytes);
  expect(configOf(name)).toMatchObject({
    architecture: 'x86_64', memoryBytes: 768 << 20, notes: 'first line\nsecond', guestSystem: 'linux-64', bootOrder: ['cd', 'hd'], cdroms: [{}],
    disks: [{ path: 'disks/disk0.qcow2', format: 'qcow2', bus: 'ahci' }],
    adapters: [
      { model: 'e1000', mode: 'nat', mac: '08:00:27:aa:bb:cc', forwards: [{ protocol: 'tcp', host: { address: '127.0.0.1', port: 2222 }, guest: { port: 22 } }] },
      { model: 'virtio', mode: 'nat', forwards: [] },
    ],
  });
  expect(succeeded(await run(['export', name, '--qemu']))).toMatch(/-device ich9-ahci,id=sata .* -device ide-hd,bus=sata\.0,drive=drive0.* -device ide-cd,bus=ide\.1,unit=0/);
  expect(leftOut.map(({ what }) => what).sort()).toEqual(['disc', 'firmware', 'network-mode', 'processors', 'shared-folder']);
}, PATIENCE_MILLIS);

test('files outside the folder are named, and taken only when they are allowed; links and entities lead nowhere', async () => {
  const elsewhere = scratch.file('elsewhere.vdi');
  const bytes = disk(elsewhere, 'vdi', 'a disk elsewhere');
  const from = folder('reaching', { 'a.vbox': VBOX('../elsewhere.vdi'), 'b.vbox': VBOX('link.vdi'), 'c.vbox': VBOX('missing.vdi') });
  symlinkSync(elsewhere, join(from, 'link.vdi'));
  for (const file of ['a.vbox', 'b.vbox']) expectRefusal(await run(['import', join(from, file)]), 1, /names files outside its folder: .*elsewhere\.vdi: allow each/);
  expectRefusal(await run(['import', join(from, 'c.vbox')]), 1, /names the disk missing\.vdi, which is neither there nor beside it/);
  const { name } = await imported(join(from, 'a.vbox'), '--allow-file', elsewhere, '--name', 'reached');
  expectDisk(name, 0, bytes);
  const bombs = folder('bombs', {
    'laughs.vbox': `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>${VBOX('deb.vdi').replace('first', '&b;')}`,
    'deep.vbox': `${'<a>'.repeat(50_000)}${'</a>'.repeat(50_000)}`, 'cut.vbox': VBOX('deb.vdi').slice(0, 700), 'other.vbox': '<html/>', 'large.vmx': 'x'.repeat(5 << 20), 'not.conf': 'echo "$(rm -rf /)"\n',
  });
  for (const file of readdirSync(bombs)) expectRefusal(await run(['import', join(bombs, file)]), 1, /entities|nested|well-formed|no machine|too large/);
  expect(readdirSync(join(home, 'machines')).filter((entry) => entry.startsWith('.'))).toEqual([]);
}, PATIENCE_MILLIS);

test('machines of VMware, UTM and quickemu come with their disks', async () => {
  const vmware = folder('vmware', { 'xp.vmx': [
    '.encoding = "UTF-8"', 'config.version = "8"', 'virtualHW.version = "16"', 'displayName = "XP |22at home|22"', 'guestOS = "winxppro"', 'memsize = "512"', 'numvcpus = "2"', 'ide0:0.present = "TRUE"',
    'ide0:0.fileName = "xp.vmdk"', 'ide1:0.present = "TRUE"', 'ide1:0.deviceType = "cdrom-raw"', 'ide1:0.fileName = "auto detect"', 'ethernet0.present = "TRUE"', 'ethernet0.virtualDev = "vlance"',
    'ethernet0.connectionType = "nat"', 'sound.present = "TRUE"', 'floppy0.present = "FALSE"', 'floppy0.fileName = "x"', 'ETHERNET0.generatedAddress = "00:0c:29:12:34:56"',
  ].join('\r\n') });
  const xp = disk(join(vmware, 'xp.vmdk'), 'vmdk', 'a disk of VMware');
  const fromVmware = await imported(join(vmware, 'xp.vmx'));
  expect(fromVmware.name).toBe('XP at home');
  expectDisk(fromVmware.name, 0, xp);
  expect(configOf(fromVmware.name)).toMatchObject({ architecture: 'i386', memoryBytes: 512 << 20, guestSystem: 'windows-xp', cdroms: [{}], disks: [{ bus: 'ide' }], adapters: [{ mode: 'nat', mac: '00:0c:29:12:34:56' }] });
  expect(fromVmware.leftOut.map(({ what }) => what)).toEqual(expect.arrayContaining(['sound', 'processors']));

  const utm = folder('Linux.utm', { 'config.plist': `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>Backend</key><string>QEMU</string><key>ConfigurationVersion</key><integer>4</integer>
<key>Information</key><dict><key>Name</key><string>Linux box</string><key>Icon</key><string>debian</string></dict>
<key>System</key><dict><key>Architecture</key><string>x86_64</string><key>MemorySize</key><integer>1024</integer><key>CPUCount</key><integer>0</integer></dict>
<key>QEMU</key><dict><key>UEFIBoot</key><true/><key>AdditionalArguments</key><array><string>-cpu max</string></array></dict>
<key>Drive</key><array><dict><key>ImageName</key><string>box.qcow2</string><key>ImageType</key><string>Disk</string><key>Interface</key><string>VirtIO</string></dict>
<dict><key>ImageType</key><string>CD</string><key>Interface</key><string>USB</string></dict></array>
<key>Network</key><array><dict><key>Mode</key><string>Emulated</string><key>Hardware</key><string>virtio-net-pci</string><key>PortForward</key><array><dict><key>Protocol</key><string>TCP</string><key>HostPort</key><integer>8080</integer><key>GuestPort</key><integer>80</integer></dict></array></dict></array>
</dict></plist>`, 'Data/keep': '' });
  const box = disk(join(utm, 'Data/box.qcow2'), 'qcow2', 'a disk of UTM');
  const fromUtm = await imported(utm);
  expectDisk('Linux box', 0, box);
  expect(configOf('Linux box')).toMatchObject({ memoryBytes: 1 << 30, disks: [{ bus: 'virtio' }], cdroms: [{}], adapters: [{ model: 'virtio', forwards: [{ host: { port: 8080 }, guest: { port: 80 } }] }] });
  expect(fromUtm.leftOut).toEqual([{ what: 'firmware', detail: 'UEFI' }, { what: 'setting', detail: '-cpu max' }]);

  const quickemu = folder('quickemu', { 'debian-12.conf': '#!/usr/bin/quickemu --vm\nguest_os="linux"\ndisk_img="debian-12/disk.qcow2"\niso="debian-12/none.iso"\nram="2G"\nboot="legacy"\nport_forwards=("2200:22" "x:1")\npublic_dir=$(evil)\n', 'debian-12/keep': '' });
  const debian = disk(join(quickemu, 'debian-12/disk.qcow2'), 'qcow2', 'a disk of quickemu');
  const fromQuickemu = await imported(join(quickemu, 'debian-12.conf'));
  expectDisk('debian-12', 0, debian);
  expect(configOf('debian-12')).toMatchObject({ memoryBytes: 2 * 2 ** 30, disks: [{ bus: 'virtio' }], adapters: [{ model: 'virtio', forwards: [{ host: { port: 2200 }, guest: { port: 22 } }] }] });
  expect(fromQuickemu.leftOut.map(({ what }) => what).sort()).toEqual(['disc', 'forward', 'setting']);
}, PATIENCE_MILLIS);

test('a machine goes into an OVA package and comes back; its parts are what the specification says, and a changed package is refused', async () => {
  succeeded(await run(['create', 'traveller', '--memory', '48M', '--new-disk', '4M', '--cdrom', scratch.file('disc.iso', new Uint8Array(2048 * 20))]));
  const bytes = Buffer.alloc(4 << 20);
  bytes.write('luggage', 2_500_000);
  writeFileSync(join(folderOf('traveller'), 'disks/disk0.img'), bytes);
  const ova = scratch.file('traveller.ova');
  succeeded(await run(['export', 'traveller', ova]));
  expectRefusal(await run(['export', 'traveller', ova]), 1, /exists already/);

  // GNU tar lists it in the order that the specification wants; the digests are right, and qemu-img reads the disk.
  const out = folder('unpacked', { keep: '' });
  expect(spawnSync('tar', ['-tf', ova], { encoding: 'utf8' }).stdout).toBe('traveller.ovf\ntraveller.mf\ntraveller-disk1.vmdk\n');
  spawnSync('tar', ['-xf', ova, '-C', out]);
  const digest = (name: string): string => createHash('sha256').update(readFileSync(join(out, name))).digest('hex');
  expect(readFileSync(join(out, 'traveller.mf'), 'utf8')).toBe(['traveller.ovf', 'traveller-disk1.vmdk'].map((name) => `SHA256(${name})= ${digest(name)}\n`).join(''));
  expect(JSON.parse(qemuImg('info', '--output=json', join(out, 'traveller-disk1.vmdk')))).toMatchObject({ format: 'vmdk', 'virtual-size': 4 << 20, 'format-specific': { data: { 'create-type': 'streamOptimized' } } });
  qemuImg('convert', '-O', 'raw', join(out, 'traveller-disk1.vmdk'), scratch.file('unpacked.img'));
  expect(readFileSync(scratch.file('unpacked.img')).equals(bytes)).toBe(true);
  const descriptor = readFileSync(join(out, 'traveller.ovf'), 'utf8');
  // DSP0243: properties of an item in the order of the alphabet.
  for (const [item] of descriptor.matchAll(/<Item>[\s\S]*?<\/Item>/g)) {
    const names = [...item.matchAll(/<rasd:(\w+)>/g)].map(([, name]) => name!);
    expect(names).toEqual(names.toSorted());
    expect(names).toEqual(expect.arrayContaining(['ElementName', 'InstanceID', 'ResourceType']));
  }

  const back = await imported(ova, '--name', 'back');
  expect(back.leftOut).toEqual([]);
  expectDisk('back', 0, bytes);
  expect(configOf('back')).toMatchObject({ memoryBytes: 48 << 20, disks: [{ bus: 'ide' }], cdroms: [{}] });
  // As a folder of files, too.
  await imported(join(out, 'traveller.ovf'), '--name', 'from folder');
  expectDisk('from folder', 0, bytes);

  const whole = readFileSync(ova);
  const changed = Buffer.from(whole);
  changed[changed.indexOf('E1000') + changed.lastIndexOf(' MB of memory') - changed.indexOf('E1000')] = 0x2d;
  const bad = (contents: Buffer): string => scratch.file('bad.ova', contents);
  expectRefusal(await run(['import', bad(changed)]), 1, /is not what the package's manifest says/);
  for (const length of [0, 300, 5000, whole.length >> 1]) expectRefusal(await run(['import', bad(whole.subarray(0, length))]), 1, /cut off|no OVF descriptor|lacks/);
  expect(existsSync(folderOf('bad'))).toBe(false);
  expect(readdirSync(scratch.path).filter((name) => name.startsWith('.'))).toEqual([]);
}, PATIENCE_MILLIS);
