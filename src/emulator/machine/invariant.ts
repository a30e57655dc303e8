/** Our own mistakes end the VM process: it dies alone, and main shows what happened. Kept in release builds. */
export function invariant(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${why}`);
}
