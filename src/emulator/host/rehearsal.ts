/**
 * A rehearsal: before there is a machine to run, the machine thread runs one of no account for a moment, saves it and goes on
 * from that. V8 then has compiled what every machine needs, of this thread's own code and of the engine's. Nothing else of it
 * is left.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MessageChannel } from 'node:worker_threads';
import type { VmStart } from '../../shared/vm-protocol.ts';
import { GUEST_RAM } from '../cpu/memory-layout.ts';
import { makeGuardWords } from '../snapshot/memory-guard.ts';
import { MemoryRegions } from '../snapshot/memory-regions.ts';
import { ChunkTable } from '../snapshot/state-format.ts';
import type { Rehearsal, ResumedState } from './machine-post.ts';
import { MachineSession, type AcceleratorFactory } from './machine-session.ts';

const WASM_PAGE_BYTES = 0x10000;
const MEMORY_BYTES = 16 << 20;
/** Guest time: the firmware's beginning. */
const RUN_NANOS = 40_000_000;

const START: VmStart = {
  name: 'rehearsal', memoryBytes: MEMORY_BYTES, architecture: 'x86_64', accelerator: 'interpreter', biosPath: '', vgaBiosPath: undefined, directBoot: undefined, disks: [], bootOrder: [],
  adapters: [], time: { instructionsPerMicrosecond: 10 }, rtcEpochSeconds: 0, seed: 1, exitPort: undefined, debugPort: undefined, onReset: 'stop',
};

/** Returns what was saved. */
export function rehearse({ engine, files }: Rehearsal, createAccelerator: AcceleratorFactory): ResumedState {
  const regions = new MemoryRegions(MEMORY_BYTES);
  const pages = (GUEST_RAM + MEMORY_BYTES) / WASM_PAGE_BYTES;
  const { port1: letters, port2: posts } = new MessageChannel();
  const build = (resumed: ResumedState | undefined): MachineSession => {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    return new MachineSession({ kind: 'run', start: START, memory, engine, files, disks: [], guardWords: makeGuardWords(regions.chunks), resumed, letters, posts }, createAccelerator, () => {});
  };
  const first = build(undefined);
  first.runFor(RUN_NANOS);
  const { sections } = first.capture({ kind: 'capture', captureId: 0, thenHold: true, hasLast: false, lost: undefined });
  const resumed: ResumedState = { sections, chunks: ChunkTable.ofZeros(regions.chunks).bytes, files: [] };
  build(resumed).restore(resumed);
  letters.close();
  return resumed;
}

/** Whoever waits for a machine is to take little memory. V8 frees a rehearsal's when it needs memory, which it may never. */
export function forgetRehearsal(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
