/** What a file that somebody chose holds, through whatever image format it has. */
import type { MediumFacts } from '../../shared/medium-facts.ts';
import { IsoImage } from '../storage/iso-image.ts';
import { openImage } from '../storage/open-image.ts';
import { probeFormat } from '../storage/probe.ts';
import { recognizeDisc, type ReadBytes } from '../storage/recognize-disc.ts';
import { recognizeDisk } from '../storage/recognize-disk.ts';
import type { ByteFile, DiskImage } from '../interfaces/disk-image.ts';
import { HostByteFile } from './file-bytes.ts';
import { HostImageFiles } from './image-files.ts';
import { zlibCompression } from './zlib-compression.ts';

/** Throws `ImageError`, and what opening a file throws. A hybrid image, both disc and disk, is a disc. */
export async function recognizeMedium(path: string): Promise<MediumFacts> {
  {
    await using file = await HostByteFile.open(path, 'look');
    if (await probeFormat(file) === 'raw') {
      const disc = await recognizeDisc(bytesOfFile(file));
      if (disc !== undefined) {
        const { sectorCount, sectorBytes } = new IsoImage({ file, fileBytes: await file.size() });
        return { ...disc, format: 'iso', bytes: sectorCount * sectorBytes };
      }
    }
  }
  await using image = await openImage({ path, readOnly: true, files: new HostImageFiles([], { isLooking: true }), compression: zlibCompression });
  return { ...await recognizeDisk(bytesOfImage(image)), format: image.format as MediumFacts['format'], bytes: image.sectorCount * image.sectorBytes };
}

/** Tables may point anywhere; beyond this, numbers are no longer exact. */
const FARTHEST_BYTE = 2 ** 52;

function bytesOfFile(file: ByteFile): ReadBytes {
  return async (position, length) => {
    const bytes = new Uint8Array(length);
    if (position <= FARTHEST_BYTE) await file.read(position, bytes);
    return bytes;
  };
}

function bytesOfImage(image: DiskImage): ReadBytes {
  return async (position, length) => {
    if (position > FARTHEST_BYTE) return new Uint8Array(length);
    const [first, end] = [Math.floor(position / image.sectorBytes), Math.ceil((position + length) / image.sectorBytes)];
    const whole = new Uint8Array((end - first) * image.sectorBytes);
    const present = Math.min(end, image.sectorCount) - first;
    if (present > 0) await image.read(first, whole.subarray(0, present * image.sectorBytes));
    return whole.subarray(position - first * image.sectorBytes).subarray(0, length);
  };
}
