import { MessageChannel, Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { GLOBAL_DOORBELL } from '../../../../src/emulator/cpu/memory-layout.ts';
import { MailboxSender, PortMailbox } from '../../../../src/emulator/host/port-mailbox.ts';
import type { Letter } from '../../../../src/emulator/machine/mailbox.ts';

const SHARED_BYTES = 0x10000;

function pair() {
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const { port1, port2 } = new MessageChannel();
  return { shared, port1, port2, mailbox: new PortMailbox(port1, shared), sender: new MailboxSender(port2, shared) };
}

function ping(sentAt: number): Letter {
  return { kind: 'ping', sentAt };
}

describe('PortMailbox', () => {
  it('hands letters over in order and then says there are none', () => {
    const { mailbox, sender, port1 } = pair();
    expect(mailbox.take()).toBeUndefined();
    for (let index = 0; index < 5; index++) sender.post(ping(index));
    const taken = Array.from({ length: 5 }, () => mailbox.take());
    expect(taken).toEqual([0, 1, 2, 3, 4].map(ping));
    expect(mailbox.take()).toBeUndefined();
    port1.close();
  });

  it('does not sleep over a letter that came before', () => {
    const { mailbox, sender, port1 } = pair();
    mailbox.take();
    sender.post(ping(1));
    mailbox.wait(undefined);
    expect(mailbox.take()).toEqual(ping(1));
    port1.close();
  });

  it('wakes up after the time it was given', () => {
    const { mailbox, port1 } = pair();
    mailbox.take();
    mailbox.wait(1_000);
    expect(mailbox.take()).toBeUndefined();
    port1.close();
  });

  it('finds one letter among others and keeps those in order', () => {
    const { mailbox, sender, port1 } = pair();
    for (const index of [1, 2, 3]) sender.post(ping(index));
    expect(mailbox.waitFor((letter) => letter.kind === 'ping' && letter.sentAt === 2)).toEqual(ping(2));
    expect([mailbox.take(), mailbox.take(), mailbox.take()]).toEqual([ping(1), ping(3), undefined]);
    port1.close();
  });

  it('is woken by a letter from another thread', async () => {
    const { shared, port1, port2 } = pair();
    const modules = new URL('../../../../src/emulator/host/port-mailbox.ts', import.meta.url).href;
    const worker = new Worker(`
      import { workerData, parentPort } from 'node:worker_threads';
      const { PortMailbox } = await import(${JSON.stringify(modules)});
      const mailbox = new PortMailbox(workerData.port, workerData.shared);
      mailbox.take();
      parentPort.postMessage('asleep');
      mailbox.wait(undefined);
      parentPort.postMessage(mailbox.take());
    `, { eval: true, workerData: { port: port1, shared }, transferList: [port1] });
    const messages: unknown[] = [];
    worker.on('message', (message) => {
      messages.push(message);
      if (message === 'asleep') new MailboxSender(port2, shared).post(ping(42));
    });
    await once(worker, 'exit');
    expect(messages).toEqual(['asleep', ping(42)]);
    expect(new Int32Array(shared, GLOBAL_DOORBELL, 1)[0]).toBe(1);
  });
});
