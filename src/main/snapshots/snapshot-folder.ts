/** The files of a VM folder's snapshots and saved states, and the tree that names them. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { isAbsoluteMediumPath } from '../../shared/machine-config.ts';
import type { DiskConfig, MachineConfig } from '../../shared/machine-config.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { StateFilePlace } from '../../shared/vm-protocol.ts';
import { makeFolder, writeFileAtomically } from '../files/atomic-file.ts';
import { readInPlace, type InPlace } from '../library/in-place-record.ts';
import { fileError } from '../machines/media-check.ts';
import { activeImage, EMPTY_TREE, parseTree, TREE_FILE, withoutOrphans } from './snapshot-tree.ts';
import type { Tree } from './snapshot-tree.ts';

const TREE_BYTES_MAXIMUM = 64 << 20;
/** Of layers, which nobody else gives to a file. */
const LAYER_NAME = /\.layer-[0-9a-f]{8}\.qcow2$/;
export function isLayerName(path: string): boolean {
  return LAYER_NAME.test(path);
}

const STATES_FOLDER = 'state';
const SNAPSHOTS_FOLDER = 'snapshots';

export class SnapshotFolder {
  readonly folder: string;
  /** Below it, where the machine was opened in place. */
  readonly inPlace: InPlace | undefined;
  #tree: Tree;

  private constructor(folder: string, tree: Tree, inPlace: InPlace | undefined) {
    this.inPlace = inPlace;
    this.folder = folder;
    this.#tree = tree;
  }

  /** Errors: those of `parseTree`, and of reading a file. */
  static async open(folder: string): Promise<Result<SnapshotFolder>> {
    const path = join(folder, TREE_FILE);
    const inPlace = await readInPlace(folder);
    if (!inPlace.ok) return inPlace;
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ok(new SnapshotFolder(folder, EMPTY_TREE, inPlace.value));
      return fileError(error, path, 'tree of snapshots');
    }
    if (text.length > TREE_BYTES_MAXIMUM) return fail('snapshot.tree-damaged', 'the machine\'s tree of snapshots is far too large', 'restore snapshots/tree.json from a copy');
    const tree = parseTree(text);
    return tree.ok ? ok(new SnapshotFolder(folder, tree.value, inPlace.value)) : tree;
  }

  get tree(): Tree {
    return this.#tree;
  }

  /** The tree is this one now, on stable storage; files that it doesn't name any more go. Errors: those of writing a file. */
  async commit(tree: Tree): Promise<Result<Tree>> {
    const kept = withoutOrphans(tree);
    const path = join(this.folder, TREE_FILE);
    try {
      await makeFolder(dirname(path));
      await writeFileAtomically(path, `${JSON.stringify(kept, null, 1)}\n`);
    } catch (error) {
      return fileError(error, path, 'tree of snapshots');
    }
    this.#tree = kept;
    await this.#removeUnnamed();
    return ok(kept);
  }

  path(inside: string): string {
    return isAbsoluteMediumPath(inside) ? inside : resolve(this.folder, ...inside.split(/[\\/]/));
  }

  /** Where states are that others may count on, or resume from. */
  places(): StateFilePlace[] {
    return this.#tree.states.map(({ id, path }) => ({ id, path: this.path(path) }));
  }

  /** A name for a new file of a state; its folder is there. */
  async newState(id: string, isSnapshot: boolean): Promise<string> {
    const path = isSnapshot ? `${SNAPSHOTS_FOLDER}/${id}/memory.state` : `${STATES_FOLDER}/${id}.state`;
    await makeFolder(dirname(this.path(path)));
    return path;
  }

  /** A name for a layer on what a disk writes now, or on another of its images. */
  newLayer(disk: string): string {
    const stem = basename(disk.split(/[\\/]/).at(-1) ?? 'disk').replace(/\.[^.]*$/, '').replace(/[^\w-]+/g, '-').slice(0, 40) || 'disk';
    // Beside the disk where that is in the VM folder: what an image names should be in its own folder.
    const folder = isAbsoluteMediumPath(disk) ? 'disks' : posix.dirname(disk.replaceAll('\\', '/'));
    return posix.join(folder, `${stem}.layer-${randomBytes(4).toString('hex')}.qcow2`);
  }

  /** A picture beside a snapshot's or a saved state's other files. */
  async keepThumbnail(id: string, isSnapshot: boolean, png: Uint8Array | undefined): Promise<string | undefined> {
    if (png === undefined) return undefined;
    const path = isSnapshot ? `${SNAPSHOTS_FOLDER}/${id}/screen.png` : `${STATES_FOLDER}/${id}.png`;
    try {
      await makeFolder(dirname(this.path(path)));
      await writeFileAtomically(this.path(path), png);
      return path;
    } catch {
      // A snapshot without a picture is a snapshot.
      return undefined;
    }
  }

  /** The machine's settings with the images that its disks write now. */
  configNow(config: MachineConfig): MachineConfig {
    return { ...config, disks: config.disks.map((disk) => this.diskNow(disk)) };
  }

  diskNow(disk: DiskConfig): DiskConfig {
    const image = activeImage(this.#tree, disk.path);
    return image === disk.path ? disk : { ...disk, path: image, format: 'qcow2', backingFolders: this.backingFolders(disk) };
  }

  /** Folders in which files may lie that a disk's layers name. */
  backingFolders(disk: DiskConfig): string[] {
    return [...new Set([...disk.backingFolders, this.folder, dirname(this.path(disk.path))])];
  }

  async #removeUnnamed(): Promise<void> {
    const tree = this.#tree;
    const named = new Set([
      ...tree.layers.map(({ path }) => path), ...tree.states.map(({ path }) => path),
      ...[tree.saved?.thumbnail, tree.resumed?.thumbnail, ...tree.nodes.map(({ thumbnail }) => thumbnail)].filter((path) => path !== undefined), TREE_FILE,
    ]);
    const folders = new Set([...tree.layers.map(({ path }) => posix.dirname(path)), 'disks']);
    const removable: string[] = [];
    for (const folder of folders) for (const name of await namesIn(this.path(folder))) if (LAYER_NAME.test(name)) removable.push(posix.join(folder, name));
    for (const name of await namesIn(this.path(STATES_FOLDER))) removable.push(`${STATES_FOLDER}/${name}`);
    for (const folder of await namesIn(this.path(SNAPSHOTS_FOLDER))) {
      if (/^[0-9a-f]{12}$/.test(folder)) for (const name of await namesIn(this.path(`${SNAPSHOTS_FOLDER}/${folder}`))) removable.push(`${SNAPSHOTS_FOLDER}/${folder}/${name}`);
    }
    for (const path of removable) if (!named.has(path)) await rm(this.path(path), { force: true }).catch(() => {});
    for (const folder of await namesIn(this.path(SNAPSHOTS_FOLDER))) {
      const path = this.path(`${SNAPSHOTS_FOLDER}/${folder}`);
      if (/^[0-9a-f]{12}$/.test(folder) && (await namesIn(path)).length === 0) await rm(path, { recursive: true, force: true }).catch(() => {});
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

export function newSnapshotId(): string {
  return randomBytes(6).toString('hex');
}
