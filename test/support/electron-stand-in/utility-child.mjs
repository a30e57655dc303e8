/* global queueMicrotask */
/** In a utility process: `process.parentPort`, and ports that were handed over. */
import { EventEmitter } from 'node:events';
import { isMainThread } from 'node:worker_threads';

class Port extends EventEmitter {
  #isStarted = false;
  #queue = [];

  constructor(send, close) {
    super();
    this.postMessage = send;
    this.close = close;
    this.on('newListener', (event) => { if (event === 'message') queueMicrotask(() => { this.start(); }); });
  }

  start() {
    if (this.#isStarted) return;
    this.#isStarted = true;
    for (const event of this.#queue.splice(0)) this.emit('message', event);
  }

  deliver(event) {
    if (this.#isStarted) this.emit('message', event);
    else this.#queue.push(event);
  }
}

// The process's own threads have no parent port.
if (isMainThread) {
  const toParent = process.send.bind(process);
  const post = (message) => { if (process.connected) toParent(message, undefined, undefined, () => {}); };
  // A utility process has no `process.send`: who finds one takes itself for a fork.
  process.send = undefined;

  const ports = new Map();
  const parentPort = new Port((data) => { post({ kind: 'message', data }); }, () => {});
  process.parentPort = parentPort;
  process.on('message', (message) => {
    switch (message.kind) {
      case 'message':
        parentPort.deliver({
          data: message.data,
          ports: message.ports.map((id) => {
            const port = new Port((data) => { post({ kind: 'port-message', port: id, data }); }, () => { post({ kind: 'port-closed', port: id }); });
            ports.set(id, port);
            return port;
          }),
        });
        break;
      case 'port-message':
        ports.get(message.port)?.deliver({ data: message.data, ports: [] });
        break;
      case 'port-closed':
        ports.get(message.port)?.emit('close');
        ports.delete(message.port);
        break;
    }
  });
  process.on('disconnect', () => { process.exit(0); });
}
