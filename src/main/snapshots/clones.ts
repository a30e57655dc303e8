/** Clones of machines: whole copies, and linked ones that share a snapshot's disks and memory with the machine they come from. */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { checkMachineName, isAbsoluteMediumPath, MACHINE_FILE } from '../../shared/machine-config.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { moveFolder, writeFileAtomically } from '../files/atomic-file.ts';
import type { Library } from '../library/library.ts';
import { fileError } from '../machines/media-check.ts';
import { copyFolder, shareFile } from './copy-files.ts';
import type { SnapshotFolder } from './snapshot-folder.ts';
import { EMPTY_TREE, statesNeeded, TREE_FILE } from './snapshot-tree.ts';
import type { SnapshotNode, Tree } from './snapshot-tree.ts';

/** Of a machine that is off, with its snapshots and its saved state. Errors: those of names and files, `clone.outside-disk`. */
export async function copyMachine(library: Library, source: SnapshotFolder, config: MachineConfig, newName: string): Promise<Result<string>> {
  const outside = config.disks.find(({ path, readOnly, discardChanges }) => isAbsoluteMediumPath(path) && !readOnly && !discardChanges);
  if (outside !== undefined) return fail('clone.outside-disk', `the disk ${outside.path} is not in the machine's folder, and both would write it`, 'make a linked clone, or attach the disk read-only');
  return build(library, newName, async (folder) => {
    await copyFolder(source.folder, folder, (path) => path === MACHINE_FILE || path.startsWith('logs/') || /\.(?:lock(?:-\d+-\w+)?|part|new)$/.test(path));
    await mkdir(join(folder, 'logs'), { recursive: true });
    await writeConfig(folder, { ...ordinary(config), adapters: withoutAddresses(config) });
    return ok({});
  });
}

/**
 * A machine that begins as a snapshot. Its disks are layers on the snapshot's images, and of the snapshot's memory it has another
 * name. `makeLayer` makes a layer at a path on an image of the source.
 */
export async function linkMachine(library: Library, source: SnapshotFolder, machine: string, node: SnapshotNode, newName: string,
  makeLayer: (disk: string, image: string, path: string) => Promise<Result<unknown>>): Promise<Result<string>> {
  return build(library, newName, async (folder) => {
    const disks: MachineConfig['disks'] = [];
    await mkdir(join(folder, 'disks'), { recursive: true });
    await mkdir(join(folder, 'logs'), { recursive: true });
    for (const [index, disk] of node.config.disks.entries()) {
      const frozen = node.images.find((image) => image.disk === disk.path);
      if (frozen === undefined) {
        disks.push({ ...disk, path: source.path(disk.path) });
        continue;
      }
      const path = `disks/disk${index}.qcow2`;
      const made = await makeLayer(disk.path, frozen.image, join(folder, path));
      if (!made.ok) return made;
      disks.push({ ...disk, path, format: 'qcow2', backingFolders: source.backingFolders(disk) });
    }
    const cdroms = node.config.cdroms.map((cdrom) => (cdrom.path === undefined ? cdrom : { ...cdrom, path: source.path(cdrom.path) }));
    const states: Tree['states'] = [];
    for (const id of statesNeeded(source.tree, [node.memory])) {
      const state = source.tree.states.find((candidate) => candidate.id === id)!;
      const path = `state/${basename(id)}.state`;
      await shareFile(source.path(state.path), join(folder, path));
      states.push({ ...state, path });
    }
    if (node.memory !== undefined) {
      const tree: Tree = { ...EMPTY_TREE, states, saved: { state: node.memory, savedAt: node.takenAt } };
      await mkdir(join(folder, 'snapshots'));
      await writeFileAtomically(join(folder, TREE_FILE), `${JSON.stringify(tree, null, 1)}\n`);
    }
    await writeConfig(folder, { ...ordinary(node.config), disks, cdroms, adapters: withoutAddresses(node.config), linkedTo: { machine, snapshot: node.id } });
    return ok({});
  });
}

/** Machines that are linked clones of another one, or of one of its snapshots. */
export async function clonesOf(library: Library, machine: string, snapshot: string | undefined): Promise<string[]> {
  const found = await library.list();
  if (!found.ok) return [];
  return found.value.filter(({ config }) => config.ok && config.value.linkedTo?.machine === machine && (snapshot === undefined || config.value.linkedTo.snapshot === snapshot)).map(({ name }) => name);
}

/** Error: `clone.base-in-use`. */
export async function mustHaveNoClones(library: Library, machine: string, snapshot: string | undefined): Promise<Result<Record<string, never>>> {
  const clones = await clonesOf(library, machine, snapshot);
  return clones.length === 0 ? ok({}) : fail('clone.base-in-use', `these machines are linked clones of it: ${clones.join(', ')}`, 'delete them first');
}

/** The machine appears in the library when it is whole. */
async function build(library: Library, newName: string, fill: (folder: string) => Promise<Result<unknown>>): Promise<Result<string>> {
  const name = checkMachineName(newName);
  if (!name.ok) return name;
  const target = library.folderOf(name.value);
  if (existsSync(target)) return fail('library.name-taken', `there is already a machine ${name.value}`, 'choose another name');
  const beside = join(library.folder, `.${name.value}.${process.pid}.new`);
  try {
    await rm(beside, { recursive: true, force: true });
    const filled = await fill(beside);
    if (!filled.ok) {
      await rm(beside, { recursive: true, force: true });
      return filled;
    }
    await moveFolder(beside, target);
    return ok(name.value);
  } catch (error) {
    await rm(beside, { recursive: true, force: true }).catch(() => {});
    return fileError(error, target, 'machine');
  }
}

async function writeConfig(folder: string, config: MachineConfig): Promise<void> {
  await writeFileAtomically(join(folder, MACHINE_FILE), `${JSON.stringify(config, null, 2)}\n`);
}

/** A machine that starts, of one that may be there to be cloned alone. */
function ordinary({ isTemplate: _, ...config }: MachineConfig): MachineConfig {
  return config;
}

/** Two adapters of one address would not be told apart: a clone's follow from its name. */
function withoutAddresses(config: MachineConfig): MachineConfig['adapters'] {
  return config.adapters.map(({ mac: _, ...adapter }) => adapter);
}
