import type { InterruptLine } from '../../src/emulator/interfaces/interrupt-line.ts';

/** A wire that remembers its level and counts its rising edges. */
export class FakeLine implements InterruptLine {
  readonly label: string;
  high = false;
  risingEdges = 0;

  constructor(label = 'test line') {
    this.label = label;
  }

  set(high: boolean): void {
    if (high && !this.high) this.risingEdges++;
    this.high = high;
  }
}
