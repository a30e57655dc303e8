/** Writes the archive that Linux unpacks as its first root: cpio, format "newc" (kernel Documentation, early-userspace). */

export type CpioEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly contents: Uint8Array | string; readonly executable?: boolean }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'character-device'; readonly path: string; readonly major: number; readonly minor: number };

const MODES = { folder: 0o040755, file: 0o100644, link: 0o120777, 'character-device': 0o020600 } as const;

/** Folders that the paths imply are added, before what lies in them. All belongs to root and has no date. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const all = new Map<string, CpioEntry>();
  for (const entry of entries) {
    const parts = entry.path.split('/');
    for (let depth = 1; depth < parts.length; depth += 1) {
      const path = parts.slice(0, depth).join('/');
      if (!all.has(path)) all.set(path, { kind: 'folder', path });
    }
    all.set(entry.path, entry);
  }
  const chunks: Buffer[] = [];
  let inode = 1;
  for (const entry of all.values()) chunks.push(record(entry, inode++));
  chunks.push(record({ kind: 'file', path: 'TRAILER!!!', contents: '' }, 0));
  return Buffer.concat(chunks);
}

function record(entry: CpioEntry, inode: number): Buffer {
  const data = dataOf(entry);
  const mode = MODES[entry.kind] | (entry.kind === 'file' && entry.executable === true ? 0o111 : 0);
  const [major, minor] = entry.kind === 'character-device' ? [entry.major, entry.minor] : [0, 0];
  const name = Buffer.from(`${entry.path}\0`);
  // inode, mode, uid, gid, links, mtime, size, device major/minor, special device major/minor, name size, check
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return Buffer.concat([padTo4(Buffer.concat([header, name])), padTo4(data)]);
}

function dataOf(entry: CpioEntry): Buffer {
  if (entry.kind === 'link') return Buffer.from(entry.target);
  if (entry.kind !== 'file') return Buffer.alloc(0);
  return typeof entry.contents === 'string' ? Buffer.from(entry.contents) : Buffer.from(entry.contents);
}

function padTo4(bytes: Buffer): Buffer {
  return bytes.length % 4 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - (bytes.length % 4))]);
}
