/** Build and test scripts speak on standard error, so that standard output belongs to the command they prepare. */
export function printLine(text: string): void {
  process.stderr.write(`${text}\n`);
}
