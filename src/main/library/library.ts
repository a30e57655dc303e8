/** The machines that the app knows: VM folders in one library folder. It keeps no list of its own; what is there is there. */
import { constants, existsSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { access, cp, lstat, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DiskBus } from '../../shared/disk-bus.ts';
import { checkMachineName, describeIssues, MACHINE_FILE, MACHINE_FOLDER_SUFFIX, MACHINE_SCHEMA_VERSION, machineConfigSchema, parseMachineConfig } from '../../shared/machine-config.ts';
import type { MachineConfig, MachineConfigInput } from '../../shared/machine-config.ts';
import { fail, ok } from '../../shared/result.ts';
import type { MachineError, Result } from '../../shared/result.ts';
import { makeFolder, moveFolder, writeFileAtomically } from '../files/atomic-file.ts';
import { fileError } from '../machines/media-check.ts';
import { withoutReachOutside } from './foreign-config.ts';
import { createSparseDisk } from './sparse-disk.ts';

/** Deleted machines, until the person empties it. */
const TRASH_FOLDER = '.trash';
/** A `machine.json` beyond this is none. */
const MACHINE_FILE_BYTES_MAXIMUM = 1024 * 1024;
const CHANGE_SETTLE_MILLIS = 100;

/** A VM folder, whole or broken. */
export interface FoundMachine {
  readonly name: string;
  readonly folder: string;
  readonly config: Result<MachineConfig>;
}

/** A first disk inside the VM folder: an empty one, or what `importTo` makes, a qcow2 image. */
export type NewDisk = { readonly bus: DiskBus } & ({ readonly bytes: number } | { importTo(path: string): Promise<Result<unknown>> });

export class Library {
  readonly folder: string;
  #watcher: FSWatcher | undefined;
  #changeTimer: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Creates the library folder. True when it wasn't there: the app's first run. Errors: `library.no-permission`, … */
  async open(): Promise<Result<{ firstRun: boolean }>> {
    try {
      const firstRun = !existsSync(this.folder);
      await makeFolder(this.folder);
      return ok({ firstRun });
    } catch (error) {
      return libraryError(error, this.folder);
    }
  }

  /** Calls `changed` some time after machines came, went or were edited, by whomever. */
  watch(changed: () => void): void {
    try {
      this.#watcher = watch(this.folder, { persistent: false }, () => {
        clearTimeout(this.#changeTimer);
        this.#changeTimer = setTimeout(changed, CHANGE_SETTLE_MILLIS);
      });
      this.#watcher.on('error', () => {});
    } catch {
      // Without notices the list is as fresh as the last look at it.
    }
  }

  close(): void {
    clearTimeout(this.#changeTimer);
    this.#watcher?.close();
  }

  /** Every VM folder in order of names. */
  async list(): Promise<Result<FoundMachine[]>> {
    let names: string[];
    try {
      const entries = await readdir(this.folder, { withFileTypes: true });
      names = entries.filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && entry.name.endsWith(MACHINE_FOLDER_SUFFIX) && !entry.name.startsWith('.'))
        .map((entry) => entry.name.slice(0, -MACHINE_FOLDER_SUFFIX.length));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ok([]);
      return libraryError(error, this.folder);
    }
    const machines = await Promise.all(names.filter((name) => name !== '').map(async (name): Promise<FoundMachine> => ({ name, folder: this.folderOf(name), config: await this.#read(name) })));
    return ok(machines.toSorted((one, other) => one.name.localeCompare(other.name, 'en', { numeric: true })));
  }

  /** Errors: `library.no-such-machine`, `machine-name.invalid`. A broken machine is found, with its reason. */
  async find(name: string): Promise<Result<FoundMachine>> {
    const folder = this.#existingFolder(name);
    if (!folder.ok) return folder;
    return ok({ name, folder: folder.value, config: await this.#read(name) });
  }

  /** As `find`, of a machine that is whole. Errors also: those of `parseMachineConfig`. */
  async findWhole(name: string): Promise<Result<{ folder: string; config: MachineConfig }>> {
    const found = await this.find(name);
    if (!found.ok) return found;
    if (!found.value.config.ok) return fail(found.value.config.error.code, `the machine ${name} is broken: ${found.value.config.error.message}`, found.value.config.error.advice);
    return ok({ folder: found.value.folder, config: found.value.config.value });
  }

  /**
   * Makes a VM folder; it appears in the library only when it is complete. `newDisk` becomes the first disk.
   * Errors: `machine-name.invalid`, `library.name-taken`, `library.no-permission`, those of `createSparseDisk` and of the schema.
   */
  async create(name: string, config: Omit<MachineConfigInput, 'schemaVersion'>, newDisk: NewDisk | undefined): Promise<Result<FoundMachine>> {
    const checkedName = checkMachineName(name);
    if (!checkedName.ok) return checkedName;
    const folder = this.folderOf(checkedName.value);
    const taken = fail('library.name-taken', `there is already a machine ${checkedName.value}`, 'choose another name');
    if (existsSync(folder)) return taken;
    const ownDisk = newDisk === undefined ? [] : [{ bus: newDisk.bus, ...('bytes' in newDisk ? { path: 'disks/disk0.img' } : { path: 'disks/disk0.qcow2', format: 'qcow2' as const }) }];
    const checked = machineConfigSchema.safeParse({ ...config, schemaVersion: MACHINE_SCHEMA_VERSION, disks: [...ownDisk, ...(config.disks ?? [])] });
    if (!checked.success) return fail('machine-config.invalid', `the new machine's settings are not valid (${describeIssues(checked.error)})`, 'change them');
    const beside = join(this.folder, `.${checkedName.value}.${process.pid}.new`);
    try {
      await makeFolder(this.folder);
      await mkdir(join(beside, 'disks'), { recursive: true });
      await mkdir(join(beside, 'logs'));
      if (newDisk !== undefined) {
        const disk = 'bytes' in newDisk ? await createSparseDisk(join(beside, 'disks', 'disk0.img'), newDisk.bytes) : await newDisk.importTo(join(beside, 'disks', 'disk0.qcow2'));
        if (!disk.ok) {
          await rm(beside, { recursive: true, force: true });
          return disk;
        }
      }
      await writeFileAtomically(join(beside, MACHINE_FILE), serialized(checked.data));
      await writeMarker(beside, checkedName.value);
      await moveFolder(beside, folder);
    } catch (error) {
      await rm(beside, { recursive: true, force: true }).catch(() => {});
      const { code } = error as NodeJS.ErrnoException;
      return code === 'ENOTEMPTY' || code === 'EEXIST' ? taken : libraryError(error, this.folder);
    }
    return ok({ name: checkedName.value, folder, config: ok(checked.data) });
  }

  /**
   * Makes a VM folder of whatever `fill` puts into an empty one, by its settings; it appears in the library only when it is complete.
   * Errors: as of `create`, and those of `fill`.
   */
  async build(newName: string, fill: (folder: string) => Promise<Result<Omit<MachineConfigInput, 'schemaVersion'>>>): Promise<Result<FoundMachine>> {
    const name = checkMachineName(newName);
    if (!name.ok) return name;
    const folder = this.folderOf(name.value);
    const taken = fail('library.name-taken', `there is already a machine ${name.value}`, 'choose another name');
    if (existsSync(folder)) return taken;
    const beside = join(this.folder, `.${name.value}.${process.pid}.new`);
    const giveUp = async <T>(failed: T): Promise<T> => {
      await rm(beside, { recursive: true, force: true }).catch(() => {});
      return failed;
    };
    try {
      await rm(beside, { recursive: true, force: true });
      await mkdir(join(beside, 'logs'), { recursive: true });
      const filled = await fill(beside);
      if (!filled.ok) return await giveUp(filled);
      const checked = machineConfigSchema.safeParse({ ...filled.value, schemaVersion: MACHINE_SCHEMA_VERSION });
      if (!checked.success) return await giveUp(fail('machine-config.invalid', `the new machine's settings are not valid (${describeIssues(checked.error)})`, 'change them'));
      await writeFileAtomically(join(beside, MACHINE_FILE), serialized(checked.data));
      await writeMarker(beside, name.value);
      await rename(beside, folder);
      return ok({ name: name.value, folder, config: ok(checked.data) });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return giveUp(code === 'ENOTEMPTY' || code === 'EEXIST' ? taken : libraryError(error, this.folder));
    }
  }

  /** A machine's settings with some of them replaced. Errors: those of the schema. */
  checkChange(present: MachineConfig, changes: Partial<MachineConfigInput>): Result<MachineConfig> {
    const checked = machineConfigSchema.safeParse({ ...present, ...changes });
    return checked.success ? ok(checked.data) : fail('machine-config.invalid', `the settings are not valid (${describeIssues(checked.error)})`, 'change them');
  }

  /** Replaces a machine's settings. */
  async save(name: string, config: MachineConfig): Promise<Result<FoundMachine>> {
    const folder = this.#existingFolder(name);
    if (!folder.ok) return folder;
    try {
      await writeFileAtomically(join(folder.value, MACHINE_FILE), serialized(config));
    } catch (error) {
      return libraryError(error, folder.value);
    }
    return ok({ name, folder: folder.value, config: ok(config) });
  }

  /**
   * Copies a VM folder from elsewhere under a name that is free. What leads out of the folder is left behind.
   * Errors: those of `parseMachineConfig`, `machine-config.missing`, `library.no-permission`, `media.no-space`, …
   */
  async importFolder(source: string): Promise<Result<FoundMachine>> {
    const config = await readMachineFile(join(source, MACHINE_FILE));
    if (!config.ok) return config;
    const wanted = basename(source).replace(/\.guestvm$/i, '');
    const name = this.freeName(checkMachineName(wanted).ok ? wanted : 'Machine');
    const beside = join(this.folder, `.${name}.${process.pid}.new`);
    try {
      await cp(source, beside, { recursive: true, errorOnExist: true, force: false, mode: constants.COPYFILE_FICLONE, filter: async (path) => { const found = await lstat(path); return found.isFile() || found.isDirectory(); } });
      await rm(join(beside, `${wanted}${MACHINE_FOLDER_SUFFIX}`), { force: true });
      await writeMarker(beside, name);
      const own = withoutReachOutside(config.value);
      await writeFileAtomically(join(beside, MACHINE_FILE), serialized(own));
      await moveFolder(beside, this.folderOf(name));
      return ok({ name, folder: this.folderOf(name), config: ok(own) });
    } catch (error) {
      await rm(beside, { recursive: true, force: true }).catch(() => {});
      return libraryError(error, this.folder);
    }
  }

  async rename(name: string, newName: string): Promise<Result<FoundMachine>> {
    const folder = this.#existingFolder(name);
    if (!folder.ok) return folder;
    const checkedName = checkMachineName(newName);
    if (!checkedName.ok) return checkedName;
    const target = this.folderOf(checkedName.value);
    const isSame = target.toLowerCase() === folder.value.toLowerCase();
    if (!isSame && existsSync(target)) return fail('library.name-taken', `there is already a machine ${checkedName.value}`, 'choose another name');
    try {
      await moveFolder(folder.value, target);
      await rm(join(target, `${name}${MACHINE_FOLDER_SUFFIX}`), { force: true });
      await writeMarker(target, checkedName.value);
    } catch (error) {
      return libraryError(error, folder.value);
    }
    return this.find(checkedName.value);
  }

  /** Moves the VM folder to the trash, or removes it for good. A VM folder that is a link loses the link only. */
  async delete(name: string, how: 'trash' | 'for-good'): Promise<Result<Record<string, never>>> {
    const folder = this.#existingFolder(name);
    if (!folder.ok) return folder;
    try {
      if ((await lstat(folder.value)).isSymbolicLink()) {
        await rm(folder.value);
      } else if (how === 'trash') {
        const trash = join(this.folder, TRASH_FOLDER);
        await mkdir(trash, { recursive: true });
        await rename(folder.value, freePath(trash, name));
      } else {
        // Out of sight first: a removal that is interrupted leaves no half machine in the library.
        const doomed = join(this.folder, `.${name}.${process.pid}.deleted`);
        await rename(folder.value, doomed);
        await rm(doomed, { recursive: true, force: true });
      }
      return ok({});
    } catch (error) {
      return libraryError(error, folder.value);
    }
  }

  /** A name that is not taken: the wanted one, or numbered. */
  freeName(wanted: string): string {
    let name = wanted;
    for (let number = 2; existsSync(this.folderOf(name)); number++) name = `${wanted} ${number}`;
    return name;
  }

  folderOf(name: string): string {
    return join(this.folder, name + MACHINE_FOLDER_SUFFIX);
  }

  /** Bytes that the files of a VM folder occupy on the host (sparse files count what they hold). */
  async bytesOnHost(folder: string): Promise<number> {
    let bytes = 0;
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
      if (!entry.isFile()) continue;
      const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
      // POSIX counts blocks in units of 512 bytes.
      bytes += found === undefined ? 0 : process.platform === 'win32' ? found.size : found.blocks * 512;
    }
    return bytes;
  }

  /** Absolute paths of the files among a machine's disks. */
  async diskFiles(folder: string): Promise<string[]> {
    const entries = await readdir(join(folder, 'disks'), { withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map((entry) => join(folder, 'disks', entry.name));
  }

  #existingFolder(name: string): Result<string> {
    const checked = checkMachineName(name);
    // A folder made by hand may have a name that we wouldn't give, but never one that leads elsewhere.
    if (!checked.ok && (/[/\\\0]/.test(name) || name.startsWith('.'))) return checked;
    const folder = this.folderOf(name);
    return existsSync(folder) ? ok(folder) : fail('library.no-such-machine', `there is no machine "${name}"`, 'see "guesthouse list" for those there are');
  }

  #read(name: string): Promise<Result<MachineConfig>> {
    return readMachineFile(join(this.folderOf(name), MACHINE_FILE));
  }
}

async function readMachineFile(path: string): Promise<Result<MachineConfig>> {
  try {
    await access(path, constants.R_OK);
    if ((await stat(path)).size > MACHINE_FILE_BYTES_MAXIMUM) return fail('machine-config.invalid', 'machine.json is far too large', 'restore it from a copy');
    return parseMachineConfig(await readFile(path, 'utf8'));
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT': return fail('machine-config.missing', 'the VM folder has no machine.json', 'restore it from a copy');
      case 'EACCES':
      case 'EPERM': return fail('library.no-permission', 'you may not read its machine.json', 'change the permissions of the VM folder');
      default: return fileError(error, path, 'file');
    }
  }
}

/** Where a folder can't be opened by double click, this file in it can. macOS shows the folder itself as a document. */
async function writeMarker(folder: string, name: string): Promise<void> {
  if (process.platform !== 'darwin') await writeFileAtomically(join(folder, `${name}${MACHINE_FOLDER_SUFFIX}`), 'Open this file with Guesthouse to open the machine in this folder.\n');
}

function serialized(config: MachineConfig): string {
  return `${JSON.stringify(config, null, 2)}\n`;
}

function freePath(folder: string, name: string): string {
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  return join(folder, `${name} ${stamp}${MACHINE_FOLDER_SUFFIX}`);
}

function libraryError(error: unknown, path: string): { readonly ok: false; readonly error: MachineError } {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return fail('library.no-permission', `you may not write in the folder ${path}`, 'change its permissions, or set GUESTHOUSE_LIBRARY to another folder');
  if (code === 'ENOTDIR' || code === 'EEXIST') return fail('library.not-a-folder', `${path} is not a folder`, 'move that file away, or set GUESTHOUSE_LIBRARY to another folder');
  return fileError(error, path, 'folder');
}
