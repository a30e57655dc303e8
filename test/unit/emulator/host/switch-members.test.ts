import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { SwitchMembers } from '../../../../src/emulator/host/switch-members.ts';
import { NO_OFFLOAD, type FrameOffload } from '../../../../src/emulator/interfaces/network.ts';
import type { Lease } from '../../../../src/emulator/network/services/dhcp-server.ts';

const open: SwitchMembers[] = [];
const folders: string[] = [];
afterEach(() => {
  for (const members of open.splice(0)) members.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'switch-'));
  folders.push(folder);
  return join(folder, 'net');
}

class Machine {
  readonly frames: { bytes: Buffer; offload: FrameOffload; from: string }[] = [];
  readonly leases = new Map<string, readonly Lease[]>();
  readonly left: string[] = [];
  readonly members: SwitchMembers;

  constructor(folder: string) {
    this.members = new SwitchMembers(folder, {
      frame: (from, frame, offload) => { this.frames.push({ bytes: Buffer.from(frame), offload, from }); },
      leases: (of, leases) => { this.leases.set(of, leases); },
      left: (member) => { this.left.push(member); },
    });
    open.push(this.members);
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => { setTimeout(resolve, 5); });
}

async function joined(folder: string, count: number): Promise<Machine[]> {
  const machines = Array.from({ length: count }, () => new Machine(folder));
  await Promise.all(machines.map(({ members }) => members.join()));
  await until(() => machines.every(({ members }) => members.size === count - 1));
  return machines;
}

const LEASE = { address: '10.0.2.77', mac: '52:47:48:01:02:03', hostName: 'one' };

describe('machines on a switch', () => {
  it('find each other when all join at once, each by one link', async () => {
    const machines = await joined(place(), 6);
    machines[0]!.members.send(undefined, Uint8Array.of(1, 2, 3), NO_OFFLOAD);
    await until(() => machines.slice(1).every(({ frames }) => frames.length > 0));
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    expect(machines.map(({ frames }) => frames.length)).toEqual([0, 1, 1, 1, 1, 1]);
  });

  it('get frames of any length in order, with what they leave to do, and answer the one they came from', async () => {
    const [first, second, third] = await joined(place(), 3);
    const offload = { checksumStart: 34, checksumOffset: 16, segmentation: 'tcp6', segmentBytes: 1440 } as const;
    for (let index = 0; index < 200; index++) first!.members.send(undefined, Buffer.alloc(60 + index * 325, index), offload);
    await until(() => second!.frames.length === 200 && third!.frames.length === 200);
    expect(second!.frames.every(({ bytes, offload: left }, index) => bytes.equals(Buffer.alloc(60 + index * 325, index)) && left.segmentation === 'tcp6' && left.segmentBytes === 1440)).toBe(true);
    second!.members.send(second!.frames[0]!.from, Uint8Array.of(9, 9, 9), NO_OFFLOAD);
    await until(() => first!.frames.length === 1);
    expect(third!.frames.length).toBe(200);
  });

  it('know each other\'s leases, told before and after they joined', async () => {
    const folder = place();
    const first = new Machine(folder);
    await first.members.join();
    first.members.tellLeases([LEASE]);
    const second = new Machine(folder);
    await second.members.join();
    expect([...second.leases.values()]).toEqual([[LEASE]]);
    first.members.tellLeases([]);
    await until(() => [...second.leases.values()][0]!.length === 0);
  });

  it('are told when one leaves, and find no trace of it', async () => {
    const folder = place();
    const [first, second] = await joined(folder, 2);
    first!.members.close();
    await until(() => second!.left.length === 1);
    expect([second!.members.size, readdirSync(folder).length]).toEqual([0, 1]);
  });

  it('pass over the socket of one that died', async () => {
    const folder = place();
    const [first] = await joined(folder, 1);
    const dead = join(folder, 'deadbeef.sock');
    spawnSync(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(dead)}, () => process.kill(process.pid, 'SIGKILL'))`]);
    expect(existsSync(dead)).toBe(true);
    const second = new Machine(folder);
    await second.members.join();
    await until(() => first!.members.size === 1);
    expect(existsSync(dead)).toBe(false);
  });

  it('break with whoever does not speak as they do', async () => {
    const folder = place();
    const [first] = await joined(folder, 1);
    const socketFile = join(folder, readdirSync(folder)[0]!);
    const said = [Buffer.from([0xff, 0xff, 0xff, 0xff, 2]), Buffer.from([1, 0, 0, 0, 77]), Buffer.from('\x03\0\0\0\x01{}', 'latin1'), Buffer.from([5, 0, 0, 0, 2, 9, 9, 9, 9])];
    for (const words of said) {
      const socket = createConnection(socketFile);
      socket.on('error', () => {});
      socket.resume();
      socket.write(words);
      await new Promise((resolve) => { socket.once('close', resolve); });
    }
    // Frames of one that has not said who it is are nobody's.
    const stranger = createConnection(socketFile);
    stranger.on('error', () => {});
    stranger.write(Buffer.from([23, 0, 0, 0, 2, ...new Array<number>(22).fill(0)]));
    const second = new Machine(folder);
    await second.members.join();
    second.members.send(undefined, Buffer.alloc(14, 5), NO_OFFLOAD);
    await until(() => first!.frames.length > 0);
    expect(first!.frames.map(({ bytes }) => bytes[0])).toEqual([5]);
    stranger.destroy();
  });

  it('refuse a folder that others can use, and one that is none', async () => {
    const open0 = place();
    await new Machine(open0).members.join();
    chmodSync(open0, 0o755);
    await expect(new Machine(open0).members.join()).rejects.toMatchObject({ code: 'network.switch-unusable' });
    const file = place();
    writeFileSync(file, '');
    await expect(new Machine(file).members.join()).rejects.toMatchObject({ code: 'network.switch-unusable' });
  });
});
