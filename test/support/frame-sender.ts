/** A thread that sends numbered frames over its end of a cable as fast as there is room. */
import { parentPort, workerData } from 'node:worker_threads';
import { NO_OFFLOAD } from '../../src/emulator/interfaces/network.ts';
import { FrameLink } from '../../src/emulator/network/frame-link.ts';

const { shared, ringBytes, count } = workerData as { shared: SharedArrayBuffer; ringBytes: number; count: number };
const link = new FrameLink(shared, { offset: 0, length: ringBytes }, { offset: ringBytes, length: ringBytes }, () => parentPort!.postMessage('ring'));
let next = 0;

function send(): void {
  for (; next < count; next++) {
    // Lengths that fill the ring now and then, and leave it empty now and then.
    const room = link.reserve(next % 97 === 0 ? 60_000 : 60 + (next % 1500));
    if (room === undefined) return;
    new DataView(room.buffer, room.byteOffset).setUint32(0, next);
    link.commit(NO_OFFLOAD);
  }
}

link.onWritable = send;
parentPort!.on('message', () => { link.rung(); });
send();
