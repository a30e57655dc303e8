import { describe, expect, test } from 'vitest';
import { TRANSFERS_MAXIMUM, type BootFile, type BootFileProblem, type BootFiles } from '../../../../src/emulator/network/services/tftp-server.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';
import { NatRig, SECOND } from './nat-rig.ts';

const CLIENT = 2070;
const GATEWAY = '10.0.2.2';

class FakeFiles implements BootFiles {
  readonly files = new Map<string, Uint8Array | BootFileProblem>();
  openCount = 0;
  isBroken = false;

  open(name: string): Promise<BootFile | BootFileProblem> {
    const content = this.files.get(name) ?? 'not-found';
    if (typeof content === 'string') return Promise.resolve(content);
    this.openCount++;
    return Promise.resolve({
      bytes: content.length,
      read: (offset, length) => (this.isBroken ? Promise.reject(new Error('gone')) : Promise.resolve(content.subarray(offset, offset + length))),
      close: () => { this.openCount--; },
    });
  }
}

const text = (words: readonly string[]): number[] => [...Buffer.from(words.map((word) => `${word}\0`).join(''), 'latin1')];
const readRequest = (name: string, ...options: string[]): number[] => [0, 1, ...text([name, 'octet', ...options])];
const acknowledgment = (block: number): number[] => [0, 4, (block >> 8) & 0xff, block & 0xff];

interface Seen { port: number; opcode: number; block: number; payload: Buffer }

class TftpRig extends NatRig {
  readonly files: FakeFiles;

  constructor(files = new FakeFiles()) {
    super({ boot: { files, file: 'pxelinux.0' } });
    this.files = files;
  }

  /** What came back for one message, files read meanwhile. */
  async ask(payload: readonly number[], toPort = 69, fromPort = CLIENT): Promise<Seen[]> {
    this.sendUdp(GATEWAY, fromPort, toPort, payload);
    return this.answers(fromPort);
  }

  async answers(toPort = CLIENT): Promise<Seen[]> {
    await new Promise((resolve) => { setImmediate(resolve); });
    return this.datagrams().filter((seen) => seen.toPort === toPort).map(({ fromPort, payload }) => (
      { port: fromPort, opcode: payload[1]!, block: (payload[2]! << 8) | payload[3]!, payload: Buffer.from(payload.slice(4)) }));
  }

  /** The whole file as a client gets it. */
  async load(name: string, blockBytes: number, ...options: string[]): Promise<Buffer> {
    const parts: Buffer[] = [];
    let seen = await this.ask(readRequest(name, ...options));
    if (seen[0]?.opcode === 6) seen = await this.ask(acknowledgment(0), seen[0].port);
    for (let expected = 1; ;) {
      expect(seen.map(({ opcode, block }) => `${opcode} ${block}`).join()).toBe(seen.map((_, index) => `3 ${(expected + index) & 0xffff}`).join());
      parts.push(...seen.map(({ payload }) => payload));
      expected += seen.length;
      const last = seen.at(-1)!;
      seen = await this.ask(acknowledgment(last.block), last.port);
      if (last.payload.length < blockBytes) return Buffer.concat(parts);
    }
  }
}

function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => (index * 7 + (index >> 8)) & 0xff);
}

async function withFile(bytes: number, name = 'kernel'): Promise<TftpRig> {
  const rig = new TftpRig();
  rig.files.files.set(name, pattern(bytes));
  // The network asks who the client is once.
  rig.sendIp({ from: '10.0.2.15', to: GATEWAY, protocol: 17 }, []);
  await rig.answers();
  return rig;
}

describe('a file', () => {
  test.each([[0], [1], [511], [512], [513], [5 * 512], [70_000], [131_072]])('of %i bytes arrives whole in blocks of 512', async (bytes) => {
    const rig = await withFile(bytes);
    expect((await rig.load('kernel', 512)).equals(pattern(bytes))).toBe(true);
    expect(rig.files.openCount).toBe(0);
  });

  test('arrives in blocks and windows of the size that was agreed on', async () => {
    const rig = await withFile(200_001);
    const [agreed] = await rig.ask(readRequest('kernel', 'BLKSIZE', '65464', 'tsize', '0', 'windowsize', '7', 'timeout', '3', 'multicast', ''));
    expect(agreed).toMatchObject({ opcode: 6 });
    expect(Buffer.concat([Buffer.from([agreed!.block >> 8, agreed!.block & 0xff]), agreed!.payload]).toString()).toBe('blksize\x001468\0tsize\x00200001\0windowsize\x007\0timeout\x003\0');
    await rig.ask([0, 5, 0, 8, 0], agreed!.port);
    expect(rig.files.openCount).toBe(0);
    expect((await rig.load('kernel', 1468, 'blksize', '1468', 'windowsize', '7')).equals(pattern(200_001))).toBe(true);
  });

  test('of more blocks than there are numbers goes on from zero', async () => {
    const rig = await withFile(8 * 65_600 + 3);
    expect((await rig.load('kernel', 8, 'blksize', '8', 'windowsize', '32')).equals(pattern(8 * 65_600 + 3))).toBe(true);
  }, 60_000);

  test('goes on after a block that was lost, and gives up a client that says no more', async () => {
    const rig = await withFile(3000);
    const [first] = await rig.ask(readRequest('kernel', 'windowsize', '4'));
    const window = await rig.ask(acknowledgment(0), first!.port);
    expect(window.map(({ block }) => block)).toEqual([1, 2, 3, 4]);
    // Two arrived: the window begins after them.
    expect((await rig.ask(acknowledgment(2), first!.port)).map(({ block }) => block)).toEqual([3, 4, 5, 6]);
    // Said once more it is no news (the Sorcerer's Apprentice).
    expect(await rig.ask(acknowledgment(2), first!.port)).toEqual([]);
    rig.clock.advance(SECOND);
    expect((await rig.answers()).map(({ block }) => block)).toEqual([3, 4, 5, 6]);
    for (let second = 0; second < 10; second++) {
      rig.clock.advance(SECOND);
      await rig.answers();
    }
    expect(rig.files.openCount).toBe(0);
    expect(await rig.ask(acknowledgment(6), first!.port)).toEqual([]);
  });

  test('that can\'t be read any more ends with an error', async () => {
    const rig = await withFile(100_000);
    rig.files.isBroken = true;
    const [error] = await rig.ask(readRequest('kernel'));
    expect([error!.opcode, error!.payload.toString()]).toEqual([5, 'the file can\'t be read any more\0']);
    expect(rig.files.openCount).toBe(0);
  });
});

describe('what is refused', () => {
  test.each([
    ['a file that isn\'t there', readRequest('nothing'), 1],
    ['a file outside', readRequest('outside'), 2],
    ['a file that is too large', readRequest('large'), 0],
    ['writing', [0, 2, ...text(['kernel', 'octet'])], 2],
    ['text mode', [0, 1, ...text(['kernel', 'netascii'])], 0],
    ['a request without a mode', [0, 1, ...text(['kernel'])], 4],
    ['a request that doesn\'t end', [0, 1, ...Buffer.from('kernel\0octet')], 4],
    ['a request of more than 512 bytes', readRequest('k'.repeat(600)), 4],
    ['control characters', readRequest('ker\x1bnel'), 4],
    ['an unknown opcode', [0, 9, 1, 2], 4],
    ['an opcode beyond a byte', [1, 1, ...text(['kernel', 'octet'])], 4],
    ['an empty datagram', [], 4],
  ])('%s', async (_, request, code) => {
    const rig = await withFile(100);
    rig.files.files.set('outside', 'refused').set('large', 'too-large');
    const answers = await rig.ask(request);
    expect(answers.map(({ opcode, block }) => [opcode, block])).toEqual([[5, code]]);
    expect(answers[0]!.payload.at(-1)).toBe(0);
    expect(rig.files.openCount).toBe(0);
  });

  test('an error at the request port gets no answer', async () => {
    expect(await (await withFile(1)).ask([0, 5, 0, 0, 0])).toEqual([]);
  });

  test('more files at once than a few, until others are done', async () => {
    const rig = await withFile(100_000);
    for (let index = 0; index < 100; index++) await rig.ask(readRequest('kernel'), 69, 3000 + index);
    expect(rig.files.openCount).toBe(TRANSFERS_MAXIMUM);
    const [refusal] = await rig.ask(readRequest('kernel'), 69, 5000);
    expect([refusal!.opcode, refusal!.payload.toString()]).toEqual([5, 'too many files at once, try again later\0']);
    // Half-open ones are given up by themselves.
    for (let second = 0; second < 10; second++) {
      rig.clock.advance(SECOND);
      await rig.answers();
      rig.frames();
    }
    expect(rig.files.openCount).toBe(0);
    expect((await rig.load('kernel', 512)).length).toBe(100_000);
  });

  test('a second request of the same port takes the first one\'s place; the same once more is one that heard nothing', async () => {
    const rig = await withFile(100_000);
    rig.files.files.set('initrd', pattern(10));
    await rig.ask(readRequest('kernel'));
    expect(await rig.ask(readRequest('kernel'))).toEqual([]);
    expect(rig.files.openCount).toBe(1);
    const [other] = await rig.ask(readRequest('initrd'));
    expect([...other!.payload]).toEqual([...pattern(10)]);
    expect(rig.files.openCount).toBe(1);
  });

  test('a stranger\'s acknowledgments', async () => {
    const rig = await withFile(100_000);
    const [first] = await rig.ask(readRequest('kernel'));
    expect(await rig.ask(acknowledgment(1), first!.port, CLIENT + 1)).toEqual([]);
    expect(await rig.ask(acknowledgment(1), first!.port + 1)).toEqual([]);
    expect(await rig.ask(acknowledgment(9), first!.port)).toEqual([]);
    expect((await rig.ask(acknowledgment(1), first!.port)).map(({ block }) => block)).toEqual([2]);
  });

  test('everything where no folder is given out', async () => {
    const rig = new NatRig();
    rig.sendUdp(GATEWAY, CLIENT, 69, readRequest('kernel'));
    expect(rig.datagrams()).toEqual([]);
    const later = await withFile(10);
    later.network.changeBoot(undefined);
    expect(await later.ask(readRequest('kernel'))).toEqual([]);
  });
});

test('a reset guest\'s files are closed, and a folder\'s that is no longer given out', async () => {
  const rig = await withFile(100_000);
  await rig.ask(readRequest('kernel'));
  rig.network.guestReset();
  expect(rig.files.openCount).toBe(0);
  await rig.ask(readRequest('kernel'));
  rig.network.changeBoot({ files: new FakeFiles(), file: undefined });
  expect(rig.files.openCount).toBe(0);
});

test('noise throws nothing and leaves nothing open', async () => {
  const rig = await withFile(50_000);
  const random = new SeededRandom(7);
  for (let round = 0; round < 3000; round++) {
    const message = round % 3 === 0 ? readRequest('kernel', 'blksize', String(random.below(70_000)), 'windowsize', String(random.below(70_000)))
      : round % 3 === 1 ? acknowledgment(random.below(40)) : Array.from({ length: random.below(40) }, () => random.below(256));
    for (let change = random.below(3); change > 0 && message.length > 0; change--) message[random.below(message.length)] = random.below(256);
    rig.sendUdp(GATEWAY, CLIENT + random.below(40), round % 3 === 0 ? 69 : 32_768 + random.below(16_384), message);
    rig.frames();
    if (round % 50 === 0) await new Promise((resolve) => { setImmediate(resolve); });
    expect(rig.files.openCount).toBeLessThanOrEqual(TRANSFERS_MAXIMUM);
  }
  for (let second = 0; second < 200; second++) {
    rig.clock.advance(SECOND);
    await rig.answers();
  }
  expect(rig.files.openCount).toBe(0);
});
