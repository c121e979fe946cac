/** Images as bytes, by sharp, which is loaded only where there are images to read. */

import type { Sharp, SharpOptions } from 'sharp';
import { InputError } from '../../errors.js';
import { startsWith } from '../../formats/signature.js';
import type { ImageFile } from '../source/folder.js';

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] as const;
const JPEG_SIGNATURE = [0xff, 0xd8, 0xff] as const;

/** Of decoded images: red, green and blue. */
export const CHANNELS = 3;

/** A larger image is no input of a network: 4096 x 4096. */
const MAX_PIXELS = 2 ** 24;

type MakeSharp = (input: Uint8Array, options: SharpOptions) => Sharp;

/** What the header of an image says. */
export interface ImageHeader {
  height: number;
  width: number;
  hasAlpha: boolean;
  isGrey: boolean;
}

/** Reads images. */
export interface ImageDecoder {
  /**
   * What an image's header says; none of it is decoded.
   *
   * @throws InputError for anything that is not a PNG or JPEG of 8 bits a channel, and for too many pixels
   */
  header(bytes: Uint8Array, image: ImageFile): Promise<ImageHeader>;
  /**
   * Its pixels, three planes of them, row by row: red, green and blue, which are the same for a grey image.
   *
   * They are those of the file. A turn that EXIF asks for is not made, colour profiles are not applied, and alpha is
   * dropped without blending: so does torchvision's default loader (PIL's `convert('RGB')`), and a network sees what it
   * was trained on.
   *
   * @throws InputError for a damaged image
   */
  pixels(bytes: Uint8Array, image: ImageFile, header: ImageHeader): Promise<Uint8Array>;
}

function damaged({ path }: ImageFile, error: unknown): InputError {
  const reason = (error as Error).message.replace(/\s+/g, ' ').slice(0, 80);
  return new InputError('dataset/corrupt-image', `${path}: damaged image (${reason}); replace or remove it`, {
    cause: error,
  });
}

/** Pixels of three bytes each as three planes. */
function planes(pixels: Uint8Array): Uint8Array {
  const values = new Uint8Array(pixels.length);
  const count = pixels.length / CHANNELS;
  for (let pixel = 0; pixel < count; pixel++) {
    for (let channel = 0; channel < CHANNELS; channel++) {
      values[channel * count + pixel] = pixels[pixel * CHANNELS + channel];
    }
  }
  return values;
}

async function loadSharp(): Promise<MakeSharp> {
  try {
    const { default: sharp } = await import('sharp');
    // One image a thread; the images of a set are small, and none is read twice.
    sharp.concurrency(1);
    sharp.cache(false);
    return sharp;
  } catch (error) {
    throw new InputError(
      'dataset/no-image-decoder',
      'reading images takes the package sharp, which is not installed here; add it with: npm install sharp (with -g where prune-limit was installed so)',
      { cause: error },
    );
  }
}

/**
 * The decoder of images.
 *
 * @throws InputError with what to do where sharp is not installed
 */
export async function createImageDecoder(): Promise<ImageDecoder> {
  const sharp = await loadSharp();
  return {
    async header(bytes, image) {
      const { path } = image;
      if (!startsWith(bytes, PNG_SIGNATURE) && !startsWith(bytes, JPEG_SIGNATURE)) {
        throw new InputError('dataset/image-format', `${path}: is no PNG or JPEG image; convert it to PNG`);
      }
      const { width, height, depth, space, hasAlpha } = await sharp(bytes, { limitInputPixels: false })
        .metadata()
        .catch((error: unknown) => {
          throw damaged(image, error);
        });
      if (depth !== 'uchar') {
        throw new InputError(
          'dataset/image-depth',
          `${path}: has 16 bits a channel, only 8 are read; convert it, or save the images as npz`,
        );
      }
      if (space !== 'srgb' && space !== 'b-w') {
        throw new InputError(
          'dataset/image-format',
          `${path}: its colours are ${space}, only RGB and grey are read; convert it to RGB`,
        );
      }
      if (width * height > MAX_PIXELS) {
        throw new InputError(
          'dataset/image-size',
          `${path}: ${width} x ${height} pixels, more than the ${MAX_PIXELS} that are read; resize the images`,
        );
      }
      return { width, height, hasAlpha, isGrey: space === 'b-w' };
    },
    async pixels(bytes, image, { width, height }) {
      const options: SharpOptions = { failOn: 'error', ignoreIcc: true, limitInputPixels: width * height };
      try {
        return planes(await sharp(bytes, options).removeAlpha().raw().toBuffer());
      } catch (error) {
        throw damaged(image, error);
      }
    },
  };
}
