import type { DiskImage } from '../interfaces/disk-image.ts';
import { unsupported } from './image-error.ts';
import { Qcow2Image } from './qcow2/qcow2-image.ts';
import { RawImage } from './raw-image.ts';

/** Gives an open image another size, in place; what lies beyond a smaller one is lost. Throws `ImageError`. */
export async function resizeImage(image: DiskImage, bytes: number): Promise<void> {
  if (image instanceof Qcow2Image || image instanceof RawImage) await image.resize(bytes);
  else throw unsupported(`an image of the format ${image.format} can't get another size in place`, 'convert it to qcow2 first');
}
