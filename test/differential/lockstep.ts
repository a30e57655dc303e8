/**
 * A machine on the translator and its twin on the interpreter, turn by turn: the first one writes down its registers
 * wherever control comes out of a region or into one, and the second is stopped at the same counts of instructions and compared.
 */
import { Interpreter, type EngineParts, type InterpreterOptions, type RegionStore } from '../../src/emulator/cpu/interpreter/interpreter.ts';
import { CPU_BLOCKS } from '../../src/emulator/cpu/memory-layout.ts';
import {
  COUNT_EXCEPTIONS, COUNT_INTERRUPTS, CPL, EFLAGS_REST, FLAGS_AUX, FLAGS_KIND, FLAGS_RESULT, MODE, REGISTERS_END, RIP, RIP_PAGE, SEGMENTS, TLB_CURRENT,
} from '../../src/emulator/cpu/state-layout.ts';
import { TranslatedRegions, type TranslatorOptions } from '../../src/emulator/cpu/translator/region-store.ts';
import { add, i32, type ValueType } from '../../src/emulator/wasm/expression.ts';
import { FunctionBody } from '../../src/emulator/wasm/function-body.ts';
import { ModuleBuilder } from '../../src/emulator/wasm/module-builder.ts';
import { WholeMachine, type WholeMachineOptions } from '../support/whole-machine.ts';

/**
 * What is compared: the CPU block up to REGISTERS_END. Between the general registers and the segments, where much is an engine's own
 * business, it has RIP, EFLAGS and what else counts instead, as words from SUMMARY on.
 */
const SUMMARY = RIP_PAGE / 4;
const WORDS = REGISTERS_END / 4;
const SUMMARY_NAMES = ['rip', 'rip high', 'eflags', 'mode', 'cpl', 'data TLB', 'exceptions', 'interrupts'];
const [EXCEPTIONS, INTERRUPTS] = [SUMMARY + 6, SUMMARY + 7];
/** Room for what a turn writes down; more than that is not compared, and counted. */
const MOST_SAMPLES = 32_768;

/** EFLAGS from FLAGS_RESULT and FLAGS_AUX, as state-layout.ts tells. */
function arithmeticFlags(words: Int32Array, base: number): number {
  const [low, high, aux] = [words[base + FLAGS_RESULT / 4]!, words[base + FLAGS_RESULT / 4 + 1]!, words[base + FLAGS_AUX / 4]!];
  let parity = (low ^ (aux >>> 8)) & 0xff;
  parity ^= parity >> 4;
  const isEven = ((0x6996 >> (parity & 15)) & 1) === 0;
  const carry = aux >>> 31;
  return carry | (isEven ? 4 : 0) | (aux & 8 ? 0x10 : 0) | (low === 0 && high === 0 ? 0x40 : 0) | ((high >>> 31) ^ (aux & 1) ? 0x80 : 0) | ((carry ^ (aux >>> 30)) & 1 ? 0x800 : 0);
}

/** Reads the registers of an engine between two instructions, without a trace. */
class RegisterReader {
  readonly #words: Int32Array;
  readonly #materializeFlags: () => void;
  readonly #base = CPU_BLOCKS / 4;

  constructor(memory: WebAssembly.Memory, materializeFlags: () => void) {
    this.#words = new Int32Array(memory.buffer);
    this.#materializeFlags = materializeFlags;
  }

  read(target: Int32Array, at: number): void {
    const [words, base] = [this.#words, this.#base];
    const [kind, low, high, aux] = [words[base + FLAGS_KIND / 4]!, words[base + FLAGS_RESULT / 4]!, words[base + FLAGS_RESULT / 4 + 1]!, words[base + FLAGS_AUX / 4]!];
    if (kind !== 0) this.#materializeFlags();
    const flags = arithmeticFlags(words, base) | words[base + EFLAGS_REST / 4]!;
    words[base + FLAGS_KIND / 4] = kind;
    words[base + FLAGS_RESULT / 4] = low;
    words[base + FLAGS_RESULT / 4 + 1] = high;
    words[base + FLAGS_AUX / 4] = aux;
    target.set(words.subarray(base, base + WORDS), at);
    target.fill(0, at + SUMMARY, at + SEGMENTS / 4);
    const summary = [words[base + RIP / 4]!, words[base + RIP / 4 + 1]!, flags, words[base + MODE / 4]!, words[base + CPL / 4]!, words[base + TLB_CURRENT / 4]!, words[base + COUNT_EXCEPTIONS / 4]!, words[base + COUNT_INTERRUPTS / 4]!];
    target.set(summary, at + SUMMARY);
  }
}

/** What was written down in a turn. */
class Samples {
  readonly counts: number[] = [];
  readonly words = new Int32Array(MOST_SAMPLES * WORDS);
  lost = 0;

  add(count: number, reader: RegisterReader): void {
    // Out of one region and into the next.
    if (this.counts.at(-1) === count) return;
    if (this.counts.length === MOST_SAMPLES) {
      this.lost++;
      return;
    }
    reader.read(this.words, this.counts.length * WORDS);
    this.counts.push(count);
  }
}

/** The translator; control that comes into a region or out of it is seen. */
class WatchedTranslator extends Interpreter {
  readonly samples = new Samples();
  #reader: RegisterReader | undefined;
  /** What the budget and the instructions of this run add up to. */
  #budgetEnd = 0;

  constructor(options: Omit<InterpreterOptions, 'regions'>, translator: (parts: EngineParts) => TranslatorOptions) {
    let look = (_budget: number): void => {};
    super({ ...options, regions: (parts) => watchedRegions(parts, translator(parts), (budget) => look(budget)) });
    look = (budget) => this.samples.add(this.#budgetEnd - budget, this.#reader!);
  }

  watch(materializeFlags: () => void, memory: WebAssembly.Memory): void {
    this.#reader = new RegisterReader(memory, materializeFlags);
  }

  override run(budget: number, exact: boolean): ReturnType<Interpreter['run']> {
    this.samples.counts.length = 0;
    this.#budgetEnd = this.instructions + Math.min(budget, 0x7fffffff);
    return super.run(budget, exact);
  }
}

/** A function that stores RIP, tells of the budget, and goes on as another one of the same type. */
function watcher(parameters: readonly ValueType[]): WebAssembly.Module {
  const module = new ModuleBuilder();
  module.importMemory(1, 65536);
  const look = module.importFunction('watch', 'look', ['i32'], []);
  const target = module.importFunction('watch', 'target', parameters, []);
  const index = module.declare(parameters, []);
  const body = new FunctionBody(parameters);
  body.store(64, i32(0), body.parameter(0), CPU_BLOCKS + RIP);
  body.call(look, [add(body.parameter(1), i32(0))]);
  body.returnCall(target, parameters.map((_, number) => body.parameter(number)));
  module.define(index, body);
  module.export('watched', index);
  return new WebAssembly.Module(module.encode());
}
const REGION_WATCHER = watcher(['i64', 'i32', 'i32']);
const EXIT_WATCHER = watcher(['i64', 'i32']);
/** Ways out at which an instruction has been executed to its end or not begun; `finished` may be in the middle of a REP. */
const WATCHED_EXITS = ['leap', 'spent', 'faulted', 'single'] as const;

function watchedRegions(parts: EngineParts, options: TranslatorOptions, look: (budget: number) => void): RegionStore {
  const watched = (module: WebAssembly.Module, target: WebAssembly.ImportValue): WebAssembly.ImportValue =>
    new WebAssembly.Instance(module, { env: { memory: parts.memory }, watch: { look, target } }).exports['watched']!;
  const engine = { ...parts.engine };
  for (const name of WATCHED_EXITS) engine[name] = watched(EXIT_WATCHER, engine[name]!);
  const table = parts.engine['regions'] as WebAssembly.Table;
  const set = table.set.bind(table);
  table.set = (element: number, region: unknown) => set(element, region === parts.engine['noRegion'] ? region : watched(REGION_WATCHER, region as WebAssembly.ImportValue));
  return new TranslatedRegions({ ...parts, engine }, options);
}

/** The interpreter, stopped where its twin was seen. */
class Follower extends Interpreter {
  readonly compared = { equal: 0, inDelivery: 0, inRepeat: 0 };
  #leader: Samples | undefined;
  #reader: RegisterReader | undefined;
  readonly #found = new Int32Array(WORDS);

  follow(leader: Samples, memory: WebAssembly.Memory): void {
    this.#leader = leader;
    this.#reader = new RegisterReader(memory, () => {});
  }

  override run(budget: number, exact: boolean): ReturnType<Interpreter['run']> {
    const end = this.instructions + budget;
    const { counts = [], words = new Int32Array(0) } = this.#leader ?? {};
    for (let sample = 0; sample < counts.length; sample++) {
      const left = counts[sample]! - this.instructions;
      if (left <= 0) continue;
      const exit = super.run(left, true);
      if (this.instructions !== counts[sample]) return exit;
      this.#compare(words, sample * WORDS);
      if (exit !== 'budget') return exit;
    }
    return super.run(end - this.instructions, exact);
  }

  #compare(words: Int32Array, at: number): void {
    const found = this.#found;
    this.#reader!.read(found, 0);
    let word = 0;
    while (word < WORDS && found[word] === words[at + word]) word++;
    if (word === WORDS) {
      this.compared.equal++;
      return;
    }
    // An interrupt or exception has been delivered on one side and will be on the other, with the next instruction.
    if (found[EXCEPTIONS] !== words[at + EXCEPTIONS] || found[INTERRUPTS] !== words[at + INTERRUPTS]) {
      this.compared.inDelivery++;
      return;
    }
    const differences = differencesOf(found, words, at);
    // A REP that gave way to the machine loop, and goes on.
    if (differences.some((name) => name.startsWith('rcx ')) && differences.every((name) => /^(?:rcx|rsi|rdi|eflags)\b/.test(name))) {
      this.compared.inRepeat++;
      return;
    }
    throw new Error(`after ${this.instructions} instructions at RIP ${hex(found[SUMMARY + 1]!)}${hex(found[SUMMARY]!)}, interpreter / translator: ${differences.join('; ')}`);
  }
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
const REGISTERS = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];

function differencesOf(found: Int32Array, words: Int32Array, at: number): string[] {
  const differences: string[] = [];
  for (let word = 0; word < WORDS; word++) {
    if (found[word] === words[at + word]) continue;
    const name = word < 32 ? `${REGISTERS[word >> 1]}${word & 1 ? ' high' : ''}` : SUMMARY_NAMES[word - SUMMARY] ?? `state+${(word * 4).toString(16)}`;
    differences.push(`${name} ${hex(found[word]!)} / ${hex(words[at + word]!)}`);
  }
  return differences;
}

export interface LockstepOptions extends Omit<WholeMachineOptions, 'engine'> {
  readonly translator: (parts: EngineParts) => TranslatorOptions;
  /** Instructions between two comparisons of all of RAM. */
  readonly ramEvery: number;
}

export class Lockstep {
  readonly translator: WholeMachine;
  readonly interpreter: WholeMachine;
  readonly #leader: WatchedTranslator;
  readonly #follower: Follower;
  readonly #ramEvery: number;
  #ramComparedAt = 0;
  ramCompared = 0;

  constructor({ translator, ramEvery, ...board }: LockstepOptions) {
    let materializeFlags: (() => void) | undefined;
    this.#ramEvery = ramEvery;
    this.translator = new WholeMachine({ ...board, engine: (options) => new WatchedTranslator(options, (parts) => {
      materializeFlags = parts.runtime['materializeFlags'] as () => void;
      return translator(parts);
    }) });
    this.interpreter = new WholeMachine({ ...board, engine: (options) => new Follower(options) });
    this.#leader = this.translator.cpu as WatchedTranslator;
    this.#follower = this.interpreter.cpu as Follower;
    this.#leader.watch(materializeFlags!, this.translator.memory);
    this.#follower.follow(this.#leader.samples, this.interpreter.memory);
  }

  /** A turn of both. Throws where they differ. */
  turn(): void {
    this.translator.turn();
    this.interpreter.turn();
    const counts = [this.#follower.instructions, this.interpreter.guestNanos, this.interpreter.serial.length, this.interpreter.debug.length];
    const others = [this.#leader.instructions, this.translator.guestNanos, this.translator.serial.length, this.translator.debug.length];
    if (counts.some((count, index) => count !== others[index])) throw new Error(`instructions, guest time and output, interpreter / translator: ${counts.join(' ')} / ${others.join(' ')}`);
    if (this.#follower.instructions - this.#ramComparedAt >= this.#ramEvery) this.compareRam();
  }

  compareRam(): void {
    this.#ramComparedAt = this.#follower.instructions;
    this.ramCompared++;
    const [ours, theirs] = [this.interpreter.ram, this.translator.ram].map((ram) => Buffer.from(ram.buffer, ram.byteOffset, ram.length)) as [Buffer, Buffer];
    if (ours.equals(theirs)) return;
    const at = ours.findIndex((byte, index) => byte !== theirs[index]);
    throw new Error(`after ${this.#follower.instructions} instructions RAM differs from ${at.toString(16)} on, interpreter / translator: ${ours.toString('hex', at, at + 16)} / ${theirs.toString('hex', at, at + 16)}`);
  }

  /** Until both have ended. */
  run(): void {
    while (this.translator.end === undefined && this.interpreter.end === undefined) this.turn();
    this.compareRam();
  }

  get compared(): Follower['compared'] & { readonly lost: number } {
    return { ...this.#follower.compared, lost: this.#leader.samples.lost };
  }
}
