/** What the readers of foreign configurations have in common: what they gather, and the words that several programs use alike. */
import { BOOT_ORDER_DEFAULT, type BootDevice } from '../../../shared/boot-order.ts';
import type { DiskFormat } from '../../../shared/disk-format.ts';
import type { ForeignAdapter, ForeignDisk, ForeignMachine, ForeignSource, LeftOut, LeftOutKind } from '../../../shared/foreign-machine.ts';
import { foreignMachineSchema } from '../../../shared/foreign-machine.ts';
import type { GuestSystem } from '../../../shared/machine-description.ts';
import { printable } from '../../storage/image-error.ts';
import type { NamedFiles } from './named-files.ts';
import { damagedText } from './xml-document.ts';

const LEFT_OUT_MAXIMUM = 200;

/** Gathers a machine while its configuration is read. */
export class MachineFacts {
  readonly source: ForeignSource;
  readonly files: NamedFiles;
  name = '';
  architecture: ForeignMachine['architecture'] = 'x86_64';
  memoryBytes = 0;
  processors = 1;
  guestSystem: GuestSystem | undefined;
  notes = '';
  readonly disks: ForeignDisk[] = [];
  readonly cdroms: { path?: string }[] = [];
  readonly adapters: ForeignAdapter[] = [];
  bootOrder: BootDevice[] = [...BOOT_ORDER_DEFAULT];
  readonly #leftOut: LeftOut[] = [];

  constructor(source: ForeignSource, files: NamedFiles) {
    this.source = source;
    this.files = files;
  }

  /** Once for each. */
  leaveOut(what: LeftOutKind, detail: string): void {
    const said = printable(detail).slice(0, 300);
    if (this.#leftOut.length < LEFT_OUT_MAXIMUM && !this.#leftOut.some((other) => other.what === what && other.detail === said)) this.#leftOut.push({ what, detail: said });
  }

  /** Throws `ImageError`: a machine without one of its disks would be none. */
  async addDisk(name: string, disk: Pick<ForeignDisk, 'bus'> & Partial<ForeignDisk>): Promise<void> {
    const file = await this.files.find(name);
    if (file === undefined) throw damagedText('the configuration', `names the disk ${printable(name)}, which is neither there nor beside it`);
    this.disks.push({ readOnly: false, discardChanges: false, ...disk, file: { path: file.path }, bytes: file.bytes });
  }

  /** A drive; one whose disc isn't there is empty. */
  async addDisc(name: string | undefined): Promise<void> {
    const file = name === undefined ? undefined : await this.files.find(name);
    if (name !== undefined && file === undefined) this.leaveOut('disc', name);
    this.cdroms.push(file === undefined ? {} : { path: file.path });
  }

  /** Throws `ImageError` where it makes no sense. */
  machine(): ForeignMachine {
    const checked = foreignMachineSchema.safeParse({
      source: this.source, name: printable(this.name), architecture: this.architecture, memoryBytes: this.memoryBytes, processors: this.processors,
      ...(this.guestSystem !== undefined && { guestSystem: this.guestSystem }), notes: this.notes.slice(0, 10_000),
      disks: this.disks, cdroms: this.cdroms, adapters: this.adapters, bootOrder: this.bootOrder, leftOut: this.#leftOut,
      folder: this.files.folder, outside: this.files.outside,
    });
    if (checked.success) return checked.data;
    const [issue] = checked.error.issues;
    throw damagedText('the configuration', `makes no sense (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`);
  }
}

/** From names such as `Debian_64`, `win10x64_64Guest`, `windows-xp`, `freedos`. */
export function guestSystemOf(name: string, architecture: ForeignMachine['architecture']): GuestSystem | undefined {
  const word = name.toLowerCase();
  if (/dos/.test(word)) return 'dos';
  if (/win(?:dows)?[ _-]?(?:3|9[58]|me\b|31)/.test(word)) return 'windows-9x';
  if (/win(?:dows)?[ _-]?(?:xp|2k|2000|2003|net)/.test(word)) return 'windows-xp';
  if (/^win|windows/.test(word)) return 'windows';
  if (/bsd|darwin|macos/.test(word)) return 'bsd';
  if (/linux|debian|ubuntu|fedora|redhat|rhel|suse|centos|gentoo|arch|mandri|oracle|rocky|alma|mint|alpine|kali|nixos|zorin|manjaro|elementary/.test(word)) return architecture === 'i386' ? 'linux-32' : 'linux-64';
  return name === '' ? undefined : 'other';
}

/** `080027AABBCC` or `08:00:27:aa:bb:cc`; `undefined` for anything else, and for addresses of groups. */
export function macOf(text: string | undefined): string | undefined {
  const digits = (text ?? '').toLowerCase().replace(/[:-]/g, '');
  if (!/^[0-9a-f]{12}$/.test(digits) || (parseInt(digits.slice(0, 2), 16) & 1) !== 0) return undefined;
  return digits.match(/../g)!.join(':');
}

export function adapterModelOf(name: string): ForeignAdapter['model'] {
  const word = name.toLowerCase();
  if (word.includes('virtio')) return 'virtio';
  if (word.includes('vmxnet')) return 'vmxnet';
  if (/e1000|8254/.test(word)) return 'e1000';
  if (/rtl8139/.test(word)) return 'rtl8139';
  if (/pcnet|am79|vlance|flexible/.test(word)) return 'pcnet';
  return /ne2k|ne2000/.test(word) ? 'ne2000' : 'other';
}

export function diskFormatOf(name: string | undefined): DiskFormat | undefined {
  switch (name?.toLowerCase()) {
    case 'vdi': return 'vdi';
    case 'vmdk': return 'vmdk';
    case 'vhd': return 'vhd';
    case 'vhdx': return 'vhdx';
    case 'qcow2': return 'qcow2';
    default: return undefined;
  }
}

/** A number of at most `maximum`, or 0 for what is none. */
export function countOf(text: string | undefined, maximum: number): number {
  const value = text !== undefined && /^\s*\d{1,15}\s*$/.test(text) ? Number(text) : 0;
  return Math.min(value, maximum);
}

/** A port, where it is one. */
export function portOf(value: unknown): number | undefined {
  const port = typeof value === 'number' ? value : typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : 0;
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? port : undefined;
}
