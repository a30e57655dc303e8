/**
 * One wire, high or low. The board names it (`pit.out0 -> pic.irq0`) and decides what hangs on it; a device never
 * knows an IRQ number. Level or edge is the receiving controller's affair.
 */
export interface InterruptLine {
  readonly label: string;
  set(high: boolean): void;
}

/** What the CPU asks between two instructions: the INTR pin and the acknowledge cycle behind it. */
export interface InterruptSource {
  /** Whether an interrupt waits for the CPU (not whether EFLAGS.IF lets it in). */
  readonly pending: boolean;
  /** The acknowledge cycle: takes the interrupt and returns its vector, 0 to 255. */
  acknowledge(): number;
}
