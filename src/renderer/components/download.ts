/** Files that the page hands to the person. */

/** `2026-11-23 14.05.09`: local time that is a file name everywhere. */
export function timestamp(time: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}.${two(time.getMinutes())}.${two(time.getSeconds())}`;
}

export function download(file: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = file;
  link.click();
  setTimeout(() => { URL.revokeObjectURL(address); }, 10_000);
}
