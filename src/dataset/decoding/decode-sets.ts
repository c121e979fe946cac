/** Sets of images of one size as bytes. */

import { InputError } from '../../errors.js';
import type { Split } from '../dataset.js';
import type { ImageFile } from '../source/folder.js';
import { CHANNELS, createImageDecoder, type ImageDecoder, type ImageHeader } from './decoder.js';

/** Images that are read and decoded at the same time: more than there are threads, so that none waits for a file. */
const AT_ONCE = 8;

/** The size that all images must have, and the image that has it. */
interface ImageSize {
  height: number;
  width: number;
  path: string;
}

/** Images of a split, three planes each. */
interface DecodedImages {
  values: Uint8Array;
  allGrey: boolean;
  withAlpha: number;
}

function checkSize({ height, width }: ImageHeader, path: string, size: ImageSize): void {
  if (height !== size.height || width !== size.width) {
    throw new InputError(
      'dataset/image-size',
      `${path.slice(-80)}: ${width} x ${height} pixels, but ${size.path.slice(-80)} has ${size.width} x ${size.height}; resize them all to the size that the network takes`,
    );
  }
}

async function sizeOf(decoder: ImageDecoder, image: ImageFile): Promise<ImageSize> {
  const { height, width } = await decoder.header(await image.read(), image);
  return { height, width, path: image.path };
}

function checkMemory(images: number, { height, width }: ImageSize, path: string, memoryBytes: number): void {
  const needed = images * height * width * CHANNELS;
  if (needed > memoryBytes) {
    const fit = Math.floor(memoryBytes / (height * width * CHANNELS));
    throw new InputError(
      'dataset/memory',
      `${path}: ${images} images of ${width} x ${height} pixels take ${Math.ceil(needed / 2 ** 20)} MiB, and ${fit} fit into the memory limit; raise --memory-limit, or give a folder with fewer`,
    );
  }
}

/** Reads all images once, some at a time; the first in order that fails is the one that is reported. */
async function decodeAll(
  decoder: ImageDecoder,
  images: readonly ImageFile[],
  size: ImageSize,
): Promise<DecodedImages> {
  const imageBytes = size.height * size.width * CHANNELS;
  const values = new Uint8Array(images.length * imageBytes);
  let allGrey = true;
  let withAlpha = 0;
  const read = async (image: ImageFile, index: number): Promise<void> => {
    const bytes = await image.read();
    const header = await decoder.header(bytes, image);
    checkSize(header, image.path, size);
    values.set(await decoder.pixels(bytes, image, header), index * imageBytes);
    allGrey &&= header.isGrey;
    withAlpha += header.hasAlpha ? 1 : 0;
  };
  for (let start = 0; start < images.length; start += AT_ONCE) {
    const results = await Promise.allSettled(
      images.slice(start, start + AT_ONCE).map((image, offset) => read(image, start + offset)),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) {
      throw failed.reason;
    }
  }
  return { values, allGrey, withAlpha };
}

/** The first plane of each image, in the same memory. */
function firstPlanes(values: Uint8Array, pixels: number): Uint8Array {
  const count = values.length / (CHANNELS * pixels);
  for (let image = 0; image < count; image++) {
    values.copyWithin(image * pixels, image * CHANNELS * pixels, (image * CHANNELS + 1) * pixels);
  }
  return values.subarray(0, count * pixels);
}

/** Images of a set as a split has them. */
export type ImageValues = Pick<Split, 'shape' | 'layout' | 'values' | 'byteImages'>;

/** Decoded sets, and what is to be said of them. */
export interface DecodedSets {
  sets: ImageValues[];
  notes: string[];
}

/**
 * Decodes sets of images, each image once. Images that are all grey have shape `[height, width]`, others
 * `[3, height, width]`: the file has no order of its own, and torch, whose loaders take such images, makes it this one, so
 * that an input whose shape does not tell the order gets what it was trained on.
 *
 * @param sets each of one image and more
 * @param path for messages
 * @throws InputError for images that are damaged, of several sizes or of a kind that is not read, where they do not fit into
 *   the memory limit, and where the decoder is absent
 */
export async function decodeSets(
  sets: readonly (readonly ImageFile[])[],
  path: string,
  memoryBytes = Number.POSITIVE_INFINITY,
): Promise<DecodedSets> {
  const decoder = await createImageDecoder();
  const size = await sizeOf(decoder, sets[0][0]);
  const count = sets.reduce((total, set) => total + set.length, 0);
  checkMemory(count, size, path, memoryBytes);
  const decoded: DecodedImages[] = [];
  for (const set of sets) {
    decoded.push(await decodeAll(decoder, set, size));
  }
  const allGrey = decoded.every((set) => set.allGrey);
  const withAlpha = decoded.reduce((total, set) => total + set.withAlpha, 0);
  const { height, width } = size;
  return {
    sets: decoded.map(({ values }) => ({
      shape: allGrey ? [height, width] : [CHANNELS, height, width],
      layout: allGrey ? 'NHWC' : 'NCHW',
      values: allGrey ? firstPlanes(values, height * width) : values,
      byteImages: true,
    })),
    notes:
      withAlpha > 0
        ? [`${path}: ${withAlpha} image(s) have an alpha channel, which is dropped, as torchvision does`]
        : [],
  };
}
