/** The files that a foreign configuration names, found in its folder; those that lie elsewhere are told of, and left alone. */
import { realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, sep } from 'node:path';

const OUTSIDE_MAXIMUM = 128;

export interface NamedFile {
  readonly path: string;
  readonly bytes: number;
}

export class NamedFiles {
  /** Absolute. */
  readonly folder: string;
  readonly outside: string[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async of(folder: string): Promise<NamedFiles> {
    return new NamedFiles(await realpath(folder));
  }

  /**
   * `undefined` where there is no such file. A whole path of the computer that the configuration comes from is looked for by the
   * file's name in the folder, if it isn't there.
   */
  async find(name: string): Promise<NamedFile | undefined> {
    if (name === '' || name.includes('\0')) return undefined;
    const parts = name.split(/[\\/]/);
    const isWhole = isAbsolute(name) || /^[A-Za-z]:[\\/]/.test(name) || name.startsWith('\\\\');
    const candidates = isWhole ? [...(isAbsolute(name) ? [name] : []), join(this.folder, basename(parts.at(-1) ?? ''))] : [join(this.folder, ...parts)];
    for (const candidate of candidates) {
      const found = await this.#look(candidate);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #look(path: string): Promise<NamedFile | undefined> {
    try {
      const real = await realpath(path);
      const status = await stat(real);
      if (!status.isFile()) return undefined;
      if (!real.startsWith(this.folder.endsWith(sep) ? this.folder : this.folder + sep) && !this.outside.includes(real) && this.outside.length < OUTSIDE_MAXIMUM) this.outside.push(real);
      return { path: real, bytes: status.size };
    } catch {
      return undefined;
    }
  }
}
