/** Images that all have one size, one by one. */

import { InputError } from '../../errors.js';
import type { ImageFile } from '../source/folder.js';
import type { ImageDecoder, ImageHeader } from './decoder.js';

/** The size that all images must have, and the image that has it. */
export interface ImageSize {
  height: number;
  width: number;
  path: string;
}

/**
 * The size of an image, by its header.
 *
 * @throws InputError as `ImageDecoder.header`
 */
export async function sizeOf(decoder: ImageDecoder, image: ImageFile): Promise<ImageSize> {
  const { height, width } = await decoder.header(await image.read(), image);
  return { height, width, path: image.path };
}

function checkSize({ height, width }: ImageHeader, path: string, size: ImageSize): void {
  if (height !== size.height || width !== size.width) {
    throw new InputError(
      'dataset/image-size',
      `${path.slice(-80)}: ${width} x ${height} pixels, but ${size.path.slice(-80)} has ${size.width} x ${size.height}; resize them all to the size that the network takes`,
    );
  }
}

/**
 * Reads and decodes an image.
 *
 * @returns its three planes, and what its header says
 * @throws InputError where it cannot be read, is damaged or of a kind that is not read, or has another size
 */
export async function readImage(
  decoder: ImageDecoder,
  image: ImageFile,
  size: ImageSize,
): Promise<{ pixels: Uint8Array; header: ImageHeader }> {
  const bytes = await image.read();
  const header = await decoder.header(bytes, image);
  checkSize(header, image.path, size);
  return { pixels: await decoder.pixels(bytes, image, header), header };
}
