/**
 * A machine thread whose CPU runs a program of the test's: the name of the machine says which. The board around it is the
 * real one.
 */
import { parentPort } from 'node:worker_threads';
import type { MachineThreadOrder } from '../../src/emulator/host/machine-post.ts';
import { runMachine } from '../../src/emulator/host/machine-session.ts';
import type { CpuBoard } from '../../src/emulator/interfaces/accelerator.ts';
import { FakeAccelerator } from './fake-accelerator.ts';

const COM1 = 0x3f8;
export const FAKE_EXIT_PORT = 0xf4;

type Program = (board: CpuBoard, cpu: FakeAccelerator) => 'go-on' | 'halted' | 'triple-fault';

let position = 0;
const PROGRAMS: Readonly<Record<string, Program>> = {
  /** Prints on COM1, then ends the machine with status 42. */
  hello(board) {
    const text = 'hello\n';
    if (position < text.length) board.writePort(COM1, 1, text.charCodeAt(position++));
    else board.writePort(FAKE_EXIT_PORT, 1, 42);
    return 'go-on';
  },
  /** Sends back what comes in on COM1. */
  echo(board) {
    if ((board.readPort(COM1 + 5, 1) & 1) === 0) return 'halted';
    board.writePort(COM1, 1, board.readPort(COM1, 1));
    return 'go-on';
  },
  idle: () => 'halted',
  busy: () => 'go-on',
  'triple-fault': () => 'triple-fault',
  crash() {
    throw new Error('the engine broke');
  },
  /** Prints without end. */
  flood(board) {
    board.writePort(COM1, 1, 0x2e);
    return 'go-on';
  },
};

parentPort!.on('message', (given: MachineThreadOrder) => {
  if (given.kind === 'rehearse') {
    parentPort!.postMessage({ sections: [], chunks: new Uint8Array(16), files: [] });
    return;
  }
  parentPort!.removeAllListeners('message');
  runMachine(given, (_memory, board) => {
    const program = PROGRAMS[given.start.name];
    if (program === undefined) throw new Error(`no program ${given.start.name}`);
    return new FakeAccelerator((cpu) => program(board, cpu));
  });
});
