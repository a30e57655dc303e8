/** The 16 ISA interrupt wires: each leads to its PIC input and its I/O APIC pin, and may be shared by several chips. */
import type { InterruptLine } from '../interfaces/interrupt-line.ts';

export class IsaInterrupts {
  readonly #targets: readonly (readonly InterruptLine[])[];
  /** Per wire, how many sources hold it high. */
  readonly #highSources = new Uint8Array(16);

  /** `targets[irq]` are the inputs that wire `irq` leads to. */
  constructor(targets: readonly (readonly InterruptLine[])[]) {
    this.#targets = targets;
  }

  /** A wire for one source; several sources of one IRQ are ORed. */
  line(irq: number, source: string): InterruptLine {
    let level = false;
    return {
      label: `${source} -> irq${irq}`,
      set: (high) => {
        if (high === level) return;
        level = high;
        const before = this.#highSources[irq]!;
        const after = before + (high ? 1 : -1);
        this.#highSources[irq] = after;
        if ((before === 0) !== (after === 0)) for (const target of this.#targets[irq]!) target.set(high);
      },
    };
  }
}
