/** Bytes as text: printable ASCII, with a space for everything else but line ends. */
export function asciiAt(bytes: Uint8Array, at: number, length: number): string {
  let text = '';
  for (const byte of bytes.subarray(at, at + length)) text += (byte >= 0x20 && byte < 0x7f) || byte === 0x0a ? String.fromCharCode(byte) : ' ';
  return text;
}
