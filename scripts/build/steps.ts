/** What is built, from what, and for whom. How is in bundles.ts, runtime.ts and renderer.ts beside this file. */
import { existsSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cacheFolder, projectFolder } from './folders.mjs';
import { withLock } from './lock.mjs';
import { printLine } from './report.ts';
import { inputState, readStamps, writeStamps, type Inputs, type Stamp } from './stamp.ts';

const TARGETS = ['all', 'command-line', 'desktop', 'browser', 'tests'] as const;
export type Target = (typeof TARGETS)[number];

export function isTarget(name: string): name is Target {
  return (TARGETS as readonly string[]).includes(name);
}

export type Step = {
  readonly name: string;
  readonly targets: readonly Target[];
  /** The one source file without which there is nothing to build. */
  readonly entry: string;
  readonly inputs: Inputs;
  readonly outputs: readonly string[];
  /** Throws with a message fit for the person who broke it. */
  readonly run: (step: Step) => Promise<void>;
};

const everywhere: readonly Target[] = ['all', 'command-line', 'desktop', 'browser', 'tests'];
const tools: readonly string[] = ['scripts/build', 'package-lock.json'];
const runtimeFolder = 'src/emulator/cpu/runtime';

async function bundle(step: Step): Promise<void> {
  await (await import('./bundles.ts')).bundleForNode(step.entry, outputOf(step));
}

function nodeBundle(name: string, entry: string, targets: readonly Target[], sources: readonly string[]): Step {
  return {
    name, entry, targets, run: bundle,
    inputs: { paths: [...sources, ...tools], skip: [runtimeFolder] },
    outputs: [`dist/${name}`],
  };
}

const mainSources = ['src/main', 'src/shared'];
const emulatorSources = ['src/emulator', 'src/shared'];

/** In this order: the interpreter's generator may read what the runtime exports. */
export const steps: readonly Step[] = [
  {
    name: 'runtime.wasm',
    targets: everywhere,
    entry: `${runtimeFolder}/index.ts`,
    inputs: {
      paths: [runtimeFolder, 'src/emulator/cpu/state-layout.ts', 'src/emulator/cpu/memory-layout.ts', 'src/emulator/cpu/arch.ts', ...tools],
    },
    outputs: ['dist/wasm/runtime.wasm'],
    run: async (step) => (await import('./runtime.ts')).compileRuntime(step.entry, outputOf(step)),
  },
  {
    name: 'interpreter.wasm',
    targets: everywhere,
    entry: 'src/emulator/cpu/interpreter/generate.ts',
    inputs: { paths: ['src/emulator/cpu', 'src/emulator/wasm', 'src/emulator/interfaces', 'src/shared', ...tools] },
    outputs: ['dist/wasm/interpreter.wasm'],
    run: async (step) => (await import('./interpreter.ts')).generateInterpreterModule(step.entry, outputOf(step)),
  },
  nodeBundle('vm-process.js', 'src/emulator/host/vm-process.ts', everywhere, emulatorSources),
  nodeBundle('media-process.js', 'src/emulator/host/media-process.ts', everywhere, emulatorSources),
  nodeBundle('compile-worker.js', 'src/emulator/host/compile-worker.ts', everywhere, emulatorSources),
  nodeBundle('machine-thread.js', 'src/emulator/host/machine-thread.ts', everywhere, emulatorSources),
  nodeBundle('cli.js', 'src/main/cli/main.ts', ['all', 'command-line', 'tests'], mainSources),
  nodeBundle('browser.js', 'src/main/browser.ts', ['all', 'browser', 'tests'], mainSources),
  nodeBundle('electron.js', 'src/main/electron.ts', ['all', 'desktop', 'tests'], mainSources),
  nodeBundle('preload.cjs', 'src/main/preload.ts', ['all', 'desktop', 'tests'], mainSources),
  {
    name: 'renderer',
    targets: ['all', 'desktop', 'browser', 'tests'],
    entry: 'src/renderer/index.html',
    inputs: { paths: ['src/renderer', 'src/shared', 'assets/icons', ...tools] },
    outputs: ['dist/renderer/index.html'],
    run: async () => (await import('./renderer.ts')).buildRenderer(),
  },
];

function outputOf(step: Step): string {
  return join(projectFolder, step.outputs[0] ?? step.name);
}

/**
 * Builds every step of a target that is out of date. A step that fails does not keep the others from being built.
 * @returns whether everything is up to date now
 */
export async function buildTargets(target: Target, options: { quiet: boolean }): Promise<boolean> {
  const stampFile = join(cacheFolder, 'build-stamps.json');
  const wanted = steps.filter((step) => step.targets.includes(target));
  if (wanted.every((step) => isCurrent(step, readStampsOnce(stampFile)))) return true;
  return withLock(join(cacheFolder, 'build.lock'), async () => {
    let succeeded = true;
    for (const step of wanted) {
      // Read again each time: another build may have run while this one waited for the lock.
      const stamps = readStamps(stampFile);
      if (isCurrent(step, stamps)) continue;
      if (!existsSync(resolve(projectFolder, step.entry))) {
        for (const output of step.outputs) rmSync(join(projectFolder, output), { force: true });
        if (!options.quiet) printLine(`build: ${step.name} left out: ${step.entry} does not exist`);
        continue;
      }
      // Before the step runs: a file saved during the build counts as changed afterwards.
      const { times, contentHash } = stampNow(step);
      const current = stamps[step.name];
      if (current?.contentHash === contentHash && outputsExist(step)) {
        writeStamps(stampFile, { ...stamps, [step.name]: { times, contentHash } });
        continue;
      }
      const started = performance.now();
      try {
        await step.run(step);
        writeStamps(stampFile, { ...readStamps(stampFile), [step.name]: { times, contentHash } });
        if (!options.quiet) printLine(`build: ${step.name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
      } catch (error) {
        succeeded = false;
        printLine(`build: ${step.name} failed: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return succeeded;
  });
}

function stampNow(step: Step): Stamp {
  const state = inputState(projectFolder, step.inputs);
  return { times: state.times, contentHash: state.contentHash() };
}

let stampsSeen: Record<string, Stamp> | undefined;
function readStampsOnce(file: string): Record<string, Stamp> {
  stampsSeen ??= readStamps(file);
  return stampsSeen;
}

function isCurrent(step: Step, stamps: Record<string, Stamp>): boolean {
  const stamp = stamps[step.name];
  if (stamp === undefined || !outputsExist(step)) return false;
  return inputState(projectFolder, step.inputs).times === stamp.times;
}

function outputsExist(step: Step): boolean {
  return step.outputs.every((output) => existsSync(join(projectFolder, output)));
}
