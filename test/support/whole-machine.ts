/** A board in instruction time in this very process, which the test turns by hand: two of them can be run side by side. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../../scripts/build/folders.mjs';
import { type Interpreter, type InterpreterOptions } from '../../src/emulator/cpu/interpreter/interpreter.ts';
import { GUEST_RAM } from '../../src/emulator/cpu/memory-layout.ts';
import { SeededEntropy } from '../../src/emulator/host/entropy.ts';
import type { CpuBoard } from '../../src/emulator/interfaces/accelerator.ts';
import { CpuShare } from '../../src/emulator/machine/cpu-share.ts';
import { MachineLoop, type MachineEnd } from '../../src/emulator/machine/machine-loop.ts';
import { Pc } from '../../src/emulator/machine/pc.ts';
import { Scheduler } from '../../src/emulator/machine/scheduler.ts';
import { InstructionTimeSource } from '../../src/emulator/machine/time-source.ts';
import { engineModules, forms } from './engine-modules.ts';
import { FakeLog } from './fake-log.ts';
import { SilentChannel } from './silent-channel.ts';

const firmware = (name: string): Uint8Array => readFileSync(join(projectFolder, 'assets/firmware', name));

export interface WholeMachineOptions {
  readonly ramBytes: number;
  readonly longMode: boolean;
  /** In place of the firmware that the program carries. */
  readonly bios?: Uint8Array;
  readonly directBoot?: { readonly kernel: Uint8Array; readonly initrd: Uint8Array; readonly commandLine: string };
  /** The engine, of a class of the test's own where it is to look on. */
  readonly engine: (options: Omit<InterpreterOptions, 'regions'>) => Interpreter;
}

export class WholeMachine {
  readonly memory: WebAssembly.Memory;
  readonly cpu: Interpreter;
  readonly ram: Uint8Array;
  /** What the debug port was told. */
  debug = '';
  end: MachineEnd | undefined;
  readonly #serial = new SilentChannel();
  readonly #scheduler: Scheduler;
  readonly #pc: Pc;
  readonly #loop: MachineLoop;

  constructor({ ramBytes, longMode, bios, directBoot, engine }: WholeMachineOptions) {
    const pages = Math.ceil((GUEST_RAM + ramBytes) / 0x10000);
    const memory = this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.ram = new Uint8Array(memory.buffer, GUEST_RAM, ramBytes);
    const timeSource = new InstructionTimeSource(() => this.#pc?.instructions ?? 0, 100);
    const scheduler = this.#scheduler = new Scheduler(timeSource, Date.UTC(2031, 1, 3, 4, 5) / 1000);
    this.#pc = new Pc({
      shared: memory.buffer, ramBytes, name: 'lockstep', clock: scheduler, log: new FakeLog(), firmware: bios ?? firmware('bios-256k.bin'),
      videoFirmware: bios ? undefined : firmware('vgabios-stdvga.bin'), isResumed: false,
      directBoot: directBoot && { files: () => directBoot, commandLine: directBoot.commandLine }, disks: [], bootOrder: [], adapters: [],
      serial: this.#serial, virtioConsole: new SilentChannel(), entropy: new SeededEntropy(5), exitPort: 0xf4, debugPort: 0x402,
      debugOutput: (byte) => { this.debug += String.fromCharCode(byte); },
      createAccelerator: (board: CpuBoard) => engine({ memory, ...engineModules(), forms, board, cpu: 0, longMode }),
      requestReset: () => this.#loop.requestReset('guest'),
      requestEnd: (end) => this.#loop.requestEnd(end),
    });
    this.cpu = this.#pc.accelerator as Interpreter;
    this.#loop = new MachineLoop({
      accelerator: this.cpu, scheduler, timeSource, hostNanos: () => 0, onReset: 'stop',
      mailbox: { take: () => undefined, wait: () => { throw new Error('the machine waits for ever'); }, waitFor: () => { throw new Error('no letter will come'); } },
      cpuShare: new CpuShare({ hostNanos: () => 0, usedNanos: () => 0 }, 100),
      deliver: () => {}, capture: () => {}, reset: (kind) => this.#pc.reset(kind), flush: () => {}, congested: () => false,
      interruptsEnabled: () => this.#pc.interruptsEnabled(), announceState: () => {}, announceReset: () => {},
    });
  }

  /** One turn of the machine loop. */
  turn(): void {
    this.end ??= this.#loop.turn();
  }

  get serial(): string {
    return this.#serial.text;
  }
  get guestNanos(): number {
    return this.#scheduler.now();
  }
}
