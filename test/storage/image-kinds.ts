/** Every kind of image that we make, and how QEMU is asked for the same. */
import type { NewImage } from '../../src/emulator/storage/create-image.ts';

export interface ImageKind {
  readonly name: string;
  readonly image: Omit<NewImage, 'bytes'>;
  /** What qemu-img calls the format, and its `-o`. */
  readonly qemuFormat: string;
  readonly qemuOptions: string | undefined;
  /** Whether `qemu-img check` knows the format. */
  readonly hasCheck: boolean;
}

const qcow2 = (name: string, image: Partial<NewImage>, qemuOptions: string): ImageKind => (
  { name: `qcow2 ${name}`, image: { format: 'qcow2', ...image }, qemuFormat: 'qcow2', qemuOptions, hasCheck: true });

export const IMAGE_KINDS: readonly ImageKind[] = [
  { name: 'raw', image: { format: 'raw' }, qemuFormat: 'raw', qemuOptions: undefined, hasCheck: false },
  qcow2('version 3', {}, 'compat=1.1'),
  qcow2('version 2', { version: 2 }, 'compat=0.10'),
  qcow2('with clusters of 512 bytes', { blockBytes: 512 }, 'cluster_size=512'),
  qcow2('with clusters of 2 MiB', { blockBytes: 2 << 20 }, 'cluster_size=2M'),
  qcow2('with lazy refcounts', { lazyRefcounts: true }, 'lazy_refcounts=on'),
  qcow2('for zstd', { compression: 'zstd' }, 'compression_type=zstd'),
  { name: 'VDI', image: { format: 'vdi' }, qemuFormat: 'vdi', qemuOptions: undefined, hasCheck: true },
  { name: 'fixed VDI', image: { format: 'vdi', subformat: 'fixed' }, qemuFormat: 'vdi', qemuOptions: 'static=on', hasCheck: true },
  { name: 'VHD', image: { format: 'vhd' }, qemuFormat: 'vpc', qemuOptions: 'subformat=dynamic', hasCheck: false },
  { name: 'fixed VHD', image: { format: 'vhd', subformat: 'fixed' }, qemuFormat: 'vpc', qemuOptions: 'subformat=fixed,force_size=on', hasCheck: false },
  { name: 'VHDX', image: { format: 'vhdx', blockBytes: 1 << 20 }, qemuFormat: 'vhdx', qemuOptions: 'subformat=dynamic,block_size=1M', hasCheck: true },
  { name: 'fixed VHDX', image: { format: 'vhdx', subformat: 'fixed' }, qemuFormat: 'vhdx', qemuOptions: 'subformat=fixed', hasCheck: true },
  ...(['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat'] as const).map((subformat): ImageKind => (
    { name: `VMDK ${subformat}`, image: { format: 'vmdk', subformat }, qemuFormat: 'vmdk', qemuOptions: `subformat=${subformat}`, hasCheck: !subformat.endsWith('Flat') })),
];

/** Kinds of qcow2 by the width of their counts, which only QEMU makes for us. */
export const REFCOUNT_BITS = [1, 2, 4, 8, 32, 64] as const;
