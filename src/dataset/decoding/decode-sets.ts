/** Sets of images of one size as bytes, in memory or streamed. */

import { InputError } from '../../errors.js';
import type { Split, StreamedSplit } from '../dataset.js';
import type { ImageFile } from '../source/folder.js';
import { CHANNELS, createImageDecoder, type ImageDecoder } from './decoder.js';
import { type ImageSize, readImage, sizeOf } from './image-set.js';
import { inLanes } from './lanes.js';

/** Images that are read and decoded at the same time: more than there are threads, so that none waits for a file. */
const AT_ONCE = 8;

/**
 * The same while a network is trained: all turns of as many images can be under way when a step keeps the main thread
 * busy, and files of three batches stay well below the 1024 that a process may have open.
 */
const AT_ONCE_STREAMED = 64;

/** What all images of some sets have in common. */
interface Kind {
  allGrey: boolean;
  withAlpha: number;
}

const shapeOf = ({ height, width }: ImageSize, { allGrey }: Kind): Pick<Split, 'shape' | 'layout'> =>
  allGrey ? { shape: [height, width], layout: 'NHWC' } : { shape: [CHANNELS, height, width], layout: 'NCHW' };

const alphaNotes = (path: string, { withAlpha }: Kind): string[] =>
  withAlpha > 0
    ? [`${path}: ${withAlpha} image(s) have an alpha channel, which is dropped, as torchvision does`]
    : [];

/** Decodes all images once, some at a time, and says what they have in common. */
async function visitAll(
  decoder: ImageDecoder,
  images: readonly ImageFile[],
  size: ImageSize,
  visit: (pixels: Uint8Array, index: number) => void,
): Promise<Kind> {
  let allGrey = true;
  let withAlpha = 0;
  await inLanes(images, AT_ONCE, async (image, index) => {
    const { pixels, header } = await readImage(decoder, image, size);
    visit(pixels, index);
    allGrey &&= header.isGrey;
    withAlpha += header.hasAlpha ? 1 : 0;
  });
  return { allGrey, withAlpha };
}

const together = (kinds: readonly Kind[]): Kind => ({
  allGrey: kinds.every(({ allGrey }) => allGrey),
  withAlpha: kinds.reduce((total, { withAlpha }) => total + withAlpha, 0),
});

/** The first plane of each image, in the same memory. */
function firstPlanes(values: Uint8Array, pixels: number): Uint8Array {
  const count = values.length / (CHANNELS * pixels);
  for (let image = 0; image < count; image++) {
    values.copyWithin(image * pixels, image * CHANNELS * pixels, (image * CHANNELS + 1) * pixels);
  }
  return values.subarray(0, count * pixels);
}

const bytesOf = ({ height, width }: ImageSize): number => height * width * CHANNELS;

/** What sets take and how much of it there is room for, in words. */
function sizeWords(images: number, size: ImageSize, memoryBytes: number): string {
  const mebibytes = Math.ceil((images * bytesOf(size)) / 2 ** 20);
  const fit = Math.floor(memoryBytes / bytesOf(size));
  return `${images} images of ${size.width} x ${size.height} pixels take ${mebibytes} MiB, and ${fit} fit into the memory limit`;
}

/** Images of a split as a split has them. */
export type ImageValues = Pick<Split, 'shape' | 'layout' | 'values' | 'byteImages'>;

/** Images of a split that are decoded when they are needed. */
export type StreamedImages = Omit<StreamedSplit, 'labels' | 'read'> & {
  /** The images of some indices, in order. */
  read(order: Int32Array): Promise<ImageValues>;
};

/** Decoded sets, and what is to be said of them. */
export interface DecodedSets<Images = ImageValues> {
  sets: Images[];
  notes: string[];
}

async function decodeInto(
  decoder: ImageDecoder,
  sets: readonly (readonly ImageFile[])[],
  size: ImageSize,
  path: string,
): Promise<DecodedSets> {
  const imageBytes = bytesOf(size);
  const decoded: { values: Uint8Array; kind: Kind }[] = [];
  for (const set of sets) {
    const values = new Uint8Array(set.length * imageBytes);
    const kind = await visitAll(decoder, set, size, (pixels, index) => {
      values.set(pixels, index * imageBytes);
    });
    decoded.push({ values, kind });
  }
  const kind = together(decoded.map((set) => set.kind));
  return {
    sets: decoded.map(({ values }) => ({
      ...shapeOf(size, kind),
      values: kind.allGrey ? firstPlanes(values, size.height * size.width) : values,
      byteImages: true,
    })),
    notes: alphaNotes(path, kind),
  };
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
  if (count * bytesOf(size) > memoryBytes) {
    throw new InputError(
      'dataset/memory',
      `${path}: ${sizeWords(count, size, memoryBytes)}; raise --memory-limit, or give a folder with fewer`,
    );
  }
  return decodeInto(decoder, sets, size, path);
}

/** Decodes images by index when they are needed. */
function streamed(
  decoder: ImageDecoder,
  images: readonly ImageFile[],
  size: ImageSize,
  kind: Kind,
  memoryBytes: number,
): StreamedImages {
  const form = { ...shapeOf(size, kind), byteImages: true };
  const read = async (order: Int32Array): Promise<ImageValues> => {
    const imageBytes = bytesOf(size) / (kind.allGrey ? CHANNELS : 1);
    const values = new Uint8Array(order.length * imageBytes);
    await inLanes([...order], AT_ONCE_STREAMED, async (image, index) => {
      const { pixels, header } = await readImage(decoder, images[image], size);
      if (kind.allGrey && !header.isGrey) {
        throw new InputError(
          'dataset/changed',
          `${images[image].path}: was grey and is in colour; images must not change while they are read, start again`,
        );
      }
      values.set(pixels.subarray(0, imageBytes), index * imageBytes);
    });
    return { ...form, values };
  };
  return { ...form, count: images.length, memoryBytes, read };
}

/**
 * Sets of images as `decodeSets` has them where they fit into the memory limit, else streamed. Either way every image is
 * decoded once before, so that those that are not read are known before the work begins.
 *
 * @throws InputError as `decodeSets`, except for the memory limit
 */
export async function openSets(
  sets: readonly (readonly ImageFile[])[],
  path: string,
  memoryBytes: number,
): Promise<DecodedSets<ImageValues | StreamedImages>> {
  const decoder = await createImageDecoder();
  const size = await sizeOf(decoder, sets[0][0]);
  const count = sets.reduce((total, set) => total + set.length, 0);
  if (count * bytesOf(size) <= memoryBytes) {
    return decodeInto(decoder, sets, size, path);
  }
  const kinds: Kind[] = [];
  for (const set of sets) {
    kinds.push(await visitAll(decoder, set, size, () => {}));
  }
  const kind = together(kinds);
  return {
    sets: sets.map((set) => streamed(decoder, set, size, kind, memoryBytes)),
    notes: [
      ...alphaNotes(path, kind),
      `${path}: ${sizeWords(count, size, memoryBytes)}, so they are streamed: decoded a batch at a time, ahead of each step`,
    ],
  };
}
