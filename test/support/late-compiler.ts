import { type RegionBuilder, type CompiledBatch, type CompileRequest, type RegionCompiler } from '../../src/emulator/cpu/translator/region-compiler.ts';

/** Stands for the compile thread: batches come when the dice say so, some of them late, and of what memory holds then. */
export class LateCompiler implements RegionCompiler {
  readonly #builder: RegionBuilder;
  readonly #isDone: () => boolean;
  #waiting: CompileRequest[] = [];
  #done: CompiledBatch[] = [];

  constructor(builder: RegionBuilder, isDone: () => boolean) {
    this.#builder = builder;
    this.#isDone = isDone;
  }
  request(request: CompileRequest): void {
    this.#waiting.push(request);
  }
  forget(ids: readonly number[]): void {
    this.#builder.forget(ids);
  }
  take(): CompiledBatch | undefined {
    if (this.#waiting.length > 0 && this.#isDone()) this.#done.push(this.#builder.build(this.#waiting.splice(0)));
    return this.#isDone() ? this.#done.shift() : undefined;
  }
}
