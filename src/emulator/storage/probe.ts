/** Which format a file has, by its content. */
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { ByteFile } from '../interfaces/disk-image.ts';

/** All that is looked at: so much of the beginning, and of the end. */
export const PROBED_BYTES = 512;

const VDI_SIGNATURE_AT = 64;
const VDI_SIGNATURE = 0xbeda107f;
const VMDK_DESCRIPTOR = '# disk descriptorfile';

/** `raw` is what nothing else is. */
export async function probeFormat(file: ByteFile): Promise<DiskFormat> {
  const size = await file.size();
  const first = new Uint8Array(PROBED_BYTES);
  await file.read(0, first);
  const format = formatByFirstSector(first);
  if (format !== 'raw' || size < PROBED_BYTES) return format;
  const last = new Uint8Array(PROBED_BYTES);
  await file.read(size - PROBED_BYTES, last);
  return formatByLastSector(last);
}

export function formatByFirstSector(sector: Uint8Array): DiskFormat {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  if (hasText(sector, 'QFI\u00fb')) return 'qcow2';
  if (hasText(sector, 'KDMV') || hasText(sector, 'COWD') || text(sector, VMDK_DESCRIPTOR.length).toLowerCase() === VMDK_DESCRIPTOR) return 'vmdk';
  if (hasText(sector, 'vhdxfile')) return 'vhdx';
  if (hasText(sector, 'conectix')) return 'vhd';
  if (view.getUint32(VDI_SIGNATURE_AT, true) === VDI_SIGNATURE) return 'vdi';
  return 'raw';
}

/** A fixed VHD has nothing but a last sector of its own. */
export function formatByLastSector(sector: Uint8Array): DiskFormat {
  return hasText(sector, 'conectix') ? 'vhd' : 'raw';
}

function hasText(sector: Uint8Array, wanted: string): boolean {
  return text(sector, wanted.length) === wanted;
}

function text(sector: Uint8Array, length: number): string {
  return String.fromCharCode(...sector.subarray(0, length));
}
