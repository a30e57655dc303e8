/** What Debian's packages give the guest beside BusyBox: Python and a C compiler, as files for its first root. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { CpioEntry } from '../../scripts/guest-image/cpio.ts';
import { unpackedFolder } from '../../scripts/setup/debian-packages.mjs';

export type DebianArchitecture = 'amd64' | 'i386';

/** As in the names of library folders. */
export const TRIPLETS = { amd64: 'x86_64-linux-gnu', i386: 'i386-linux-gnu' } as const;

/** The dynamic linker's place in its package, below its folder of libraries. */
export const DYNAMIC_LINKERS = { amd64: 'ld-linux-x86-64.so.2', i386: 'ld-linux.so.2' } as const;

/** `undefined` when a package is not there; main.ts has said why. */
export type GuestFiles = readonly CpioEntry[] | undefined;

/** Python as `/usr/bin/python3`, with the part of its library that it starts with. */
export function pythonFiles(architecture: DebianArchitecture): GuestFiles {
  const program = packageEntries('python3-minimal', architecture, /^usr\/bin\/python3\.\d+$/);
  const files = together(
    cLibrary(architecture), program,
    packageEntries('libpython3-minimal', architecture, /^usr\/lib\/python3/),
    packageEntries('zlib1g', architecture, /\/libz\.so/),
    packageEntries('libexpat1', architecture, /\/libexpat\.so/),
  );
  const name = program?.[0]?.path.split('/').pop();
  return files === undefined || name === undefined ? undefined : [...files, { kind: 'link', path: 'usr/bin/python3', target: name }];
}

/** tcc, the headers that it and the C library have, and what a program is linked with. */
export function compilerFiles(architecture: DebianArchitecture): GuestFiles {
  const triplet = TRIPLETS[architecture];
  return together(
    cLibrary(architecture),
    packageEntries('tcc', architecture, new RegExp(`^usr/(bin/tcc|lib/${triplet}/tcc/.*)$`)),
    packageEntries('libc6-dev', architecture,
      new RegExp(`^usr/(include/[^/]+\\.h|include/${triplet}/(bits|gnu|sys)/.*\\.h|lib/${triplet}/(crt[1in]\\.o|libc\\.so|libc_nonshared\\.a))$`)),
  );
}

function cLibrary(architecture: DebianArchitecture): GuestFiles {
  return packageEntries('libc6', architecture, /^lib(64)?\/(.*\/)?(ld-linux[^/]*|libc|libm|libdl|libpthread)\.so\.\d$/);
}

function together(...parts: readonly GuestFiles[]): GuestFiles {
  const found = parts.filter((part) => part !== undefined);
  return found.length < parts.length ? undefined : found.flat();
}

/** What of a package lies at paths of this form. */
function packageEntries(name: string, architecture: DebianArchitecture, form: RegExp): GuestFiles {
  const folder = unpackedFolder({ name, architecture });
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((item): CpioEntry[] => {
    const file = join(item.parentPath, item.name);
    const path = relative(folder, file);
    if (!form.test(path)) return [];
    if (item.isSymbolicLink()) return [{ kind: 'link', path, target: readlinkSync(file) }];
    // Programs and libraries are told from data by what they are for; nobody minds a header that could be executed.
    return item.isFile() ? [{ kind: 'file', path, contents: readFileSync(file), executable: true }] : [];
  });
}
