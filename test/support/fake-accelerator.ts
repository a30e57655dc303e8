import type { Accelerator, CpuExit } from '../../src/emulator/interfaces/accelerator.ts';

/** A CPU whose program is a function: called for each instruction, it says what the instruction did. */
export class FakeAccelerator implements Accelerator {
  readonly name = 'interpreter';
  instructions = 0;
  resets: ('power-on' | 'init')[] = [];
  /** Budgets and exactness of the calls so far. */
  readonly runs: { budget: number; exact: boolean }[] = [];
  readonly codeChanges: { memoryOffset: number; length: number }[] = [];
  a20 = true;
  mappingChanges = 0;
  #attend = false;
  readonly #instruction: (cpu: FakeAccelerator) => 'go-on' | Exclude<CpuExit, 'budget' | 'attention'>;

  constructor(instruction: (cpu: FakeAccelerator) => 'go-on' | 'halted' | 'triple-fault') {
    this.#instruction = instruction;
  }

  instructionsNow(): number {
    return this.instructions;
  }

  reset(kind: 'power-on' | 'init'): void {
    this.resets.push(kind);
  }

  run(budget: number, exact: boolean): CpuExit {
    this.runs.push({ budget, exact });
    for (let left = budget; left > 0; left--) {
      if (this.#attend) {
        this.#attend = false;
        return 'attention';
      }
      this.instructions++;
      const result = this.#instruction(this);
      if (result !== 'go-on') return result;
    }
    return 'budget';
  }

  attend(): void {
    this.#attend = true;
  }

  interruptRaised(): void {}
  nmi(): void {}

  mappingChanged(): void {
    this.mappingChanges++;
  }

  codeChanged(memoryOffset: number, length: number): void {
    this.codeChanges.push({ memoryOffset, length });
  }

  setA20(enabled: boolean): void {
    this.a20 = enabled;
  }

  ignoreNumericErrors(): void {}

  counters(): ReturnType<Accelerator['counters']> {
    return { tlbMisses: 0, regions: 0, compileMillis: 0, exits: {} };
  }

  save(): unknown {
    return {};
  }

  restore(): void {}
}
