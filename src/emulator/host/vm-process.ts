/**
 * Entry of a VM process: one machine, started by main with `fork` (serialization 'advanced') or as an Electron utility
 * process, commanded with `VmCommand`s and answering with `VmEvent`s. It ends when its machine ends, when main goes
 * away, and on SIGTERM.
 */
import { ControlThread } from './control-thread.ts';
import { loadEngine } from './engine-modules.ts';
import { connectToParent } from './transport.ts';

const transport = connectToParent();
if (transport === undefined) {
  process.stderr.write('guesthouse: a VM process is started by guesthouse itself: use "guesthouse run"\n');
  process.exit(2);
}

// Sources run as they are and find the engine in the build's folder; a build puts all of it side by side.
const here = (built: string, source: string): URL => new URL(import.meta.url.endsWith('.ts') ? source : built, import.meta.url);
const control = new ControlThread(transport, {
  machineThread: here('./machine-thread.js', './machine-thread.ts'),
  engine: loadEngine(here('./wasm/', '../../../dist/wasm/')),
}, (status) => process.exit(status));
process.on('SIGTERM', () => control.stop());
process.on('SIGINT', () => control.stop());
