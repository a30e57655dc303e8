/**
 * A VM process without a machine, for tests of what starts and watches VM processes. It speaks the protocol; the kernel
 * command line says how it behaves, as words: `print=TEXT`, `echo` (serial input comes back), `screen=TEXT`, `exit=N`,
 * `power-off-after=MILLIS`, `crash`, `die` (without a word), `fail` (to start), `mute` (no pongs), `stubborn` (ignores
 * power-off), `flood`, `reset-loop`, `holds-disc`, `ejects` (every disc). Underscores in TEXT are spaces, `~` is a line break.
 */
import type { VmCommand, VmEvent, VmStart } from '../../src/shared/vm-protocol.ts';

interface Port { postMessage(message: unknown): void; on(event: 'message', listener: (event: { data: unknown; ports: Port[] }) => void): void; start?(): void }
const parentPort = (process as { parentPort?: Port }).parentPort;

let words: string[] = [];
let paused = false;
let typed = '';

const RED = [255, 0, 0, 255];

function send(event: VmEvent): void {
  if (parentPort !== undefined) parentPort.postMessage(event);
  else if (process.connected) process.send!(event);
}

function end(event: Omit<Extract<VmEvent, { kind: 'ended' }>, 'kind'>, status = 0): void {
  send({ kind: 'ended', ...event });
  // Electron's port has no callback for what has left.
  setTimeout(() => { process.exit(status); }, 20);
}

function word(name: string): string | undefined {
  return words.find((candidate) => candidate.startsWith(`${name}=`))?.slice(name.length + 1).replaceAll('_', ' ').replaceAll('~', '\n');
}

function print(text: string): void {
  send({ kind: 'serial-output', bytes: new TextEncoder().encode(text) });
}

function frame(): Extract<VmEvent, { kind: 'display-frame' }> {
  const rgba = new Uint8Array(16 * 8 * 4);
  for (let at = 0; at < rgba.length; at++) rgba[at] = RED[at % 4]!;
  return { kind: 'display-frame', frame: { screenWidth: 16, screenHeight: 8, rectangles: [{ x: 0, y: 0, width: 16, height: 8, rgba }] } };
}

function powerOn(start: VmStart): void {
  words = start.directBoot?.commandLine.split(' ') ?? [];
  send({ kind: 'log', level: 'info', topic: 'fake', message: `a machine of ${start.memoryBytes} bytes` });
  if (words.includes('fail')) {
    end({ reason: 'start-failed', error: { code: 'kernel-not-linux', message: 'the kernel is no Linux kernel', advice: 'give a bzImage' } }, 1);
    return;
  }
  send({ kind: 'ready' });
  send({ kind: 'state', state: 'running' });
  const text = word('print');
  if (text !== undefined) print(`${text}\r\n`);
  if (words.includes('crash')) end({ reason: 'crashed', error: { code: 'crashed', message: 'the engine broke an invariant', advice: 'report it' } }, 1);
  if (words.includes('die')) process.kill(process.pid, 'SIGKILL');
  const exitStatus = word('exit');
  if (exitStatus !== undefined) end({ reason: 'exit-port', exitStatus: Number(exitStatus) });
  const millis = word('power-off-after');
  if (millis !== undefined) setTimeout(() => { end({ reason: 'guest-power-off' }); }, Number(millis));
  if (words.includes('flood')) setInterval(() => { if (!paused) print('x'.repeat(65_536)); }, 1);
  if (words.includes('reset-loop')) {
    let resets = 0;
    setInterval(() => { send({ kind: 'guest-reset', cause: 'triple-fault', countInLastMinute: ++resets }); }, 20);
  }
}

function take(command: VmCommand, ports: readonly Port[] = []): void {
  switch (command.kind) {
    case 'power-on': powerOn(command.start); return;
    case 'pause': paused = true; send({ kind: 'state', state: 'paused' }); return;
    case 'resume': paused = false; send({ kind: 'state', state: 'running' }); return;
    case 'reset': send({ kind: 'guest-reset', cause: 'user', countInLastMinute: 1 }); return;
    case 'power-button': if (!words.includes('stubborn')) end({ reason: 'guest-power-off' }); return;
    case 'power-off': if (!words.includes('stubborn')) end({ reason: 'stopped' }); return;
    case 'virtio-console-input': send({ kind: 'virtio-console-output', bytes: new Uint8Array(command.bytes) }); return;
    case 'serial-input': if (words.includes('echo')) send({ kind: 'serial-output', bytes: new Uint8Array(command.bytes) }); return;
    case 'keys': typed += command.events.filter((key) => key.down).map((key) => `<${key.code}>`).join(''); return;
    case 'type-text': typed += command.text; return;
    case 'watch-display': if (command.watch) send(frame()); return;
    case 'screenshot': send({ kind: 'screenshot', requestId: command.requestId, png: new Uint8Array([0x89, 0x50, 0x4e, 0x47]) }); return;
    case 'screen-text': send({ kind: 'screen-text', requestId: command.requestId, rows: [...(word('screen') ?? '').split('\n'), typed] }); return;
    case 'stats':
      send({ kind: 'stats', requestId: command.requestId, stats: { accelerator: 'interpreter', wallSeconds: 1, guestSeconds: 1, haltedSeconds: 0, cpuSeconds: 0.5, instructions: 1, mips: 1, exits: {}, regions: 0, displayFrames: 0,
        compileMillis: 0, tlbMisses: 0, peakRssBytes: 1, diskBytesRead: 0, diskBytesWritten: 0, discBytesRead: 0, netBytesIn: 0, netBytesOut: 0, adapters: [] } });
      return;
    case 'change':
      send({ kind: 'changed', requestId: command.requestId,
        ...(command.change.kind === 'disc' && !command.change.force && words.includes('holds-disc') ? { error: { code: 'media.held', message: 'the guest holds its disc', advice: 'eject it in the guest' } } : {}) });
      if (command.change.kind === 'disc' && command.change.path !== undefined && words.includes('ejects')) send({ kind: 'disc-ejected', drive: command.change.drive });
      return;
    case 'ping': if (!words.includes('mute')) send({ kind: 'pong', sentAt: command.sentAt }); return;
    case 'attach-display': {
      const port = ports[0];
      port?.on('message', ({ data }) => {
        const inner = data as VmCommand;
        if (inner.kind === 'watch-display' && inner.watch) port.postMessage(frame());
        else take(inner);
      });
      port?.start?.();
      return;
    }
    default:
  }
}

if (parentPort === undefined) process.on('message', (message) => { take(message as VmCommand); });
else parentPort.on('message', ({ data, ports }) => { take(data as VmCommand, ports); });
process.on('disconnect', () => { process.exit(0); });
