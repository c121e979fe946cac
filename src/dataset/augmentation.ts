/** Random changes of training images that keep their class. */
import { InputError } from '../errors.js';
import type { RandomStream } from '../random.js';
import type { Split } from './dataset.js';
import { gatherLabels } from './labels.js';

/** What is done to every training image anew each time it is seen. */
export interface Augmentation {
  /** Pixels of zeros around the image, of which a part of the old size is cut at random; 0 for none. */
  cropPadding: number;
  /** Half of the images are mirrored left to right. */
  flip: boolean;
}

interface ImageStrides {
  height: number;
  width: number;
  channels: number;
  row: number;
  column: number;
  channel: number;
}

function stridesOf({ shape, layout }: Split): ImageStrides {
  if (layout === 'flat' || shape.length < 2 || shape.length > 3) {
    throw new InputError(
      'dataset/no-images',
      `augmentation takes images, but one example has shape [${shape.join(', ')}]; leave --augment out`,
    );
  }
  if (layout === 'NCHW' && shape.length === 3) {
    const [channels, height, width] = shape;
    return { height, width, channels, row: width, column: 1, channel: height * width };
  }
  const [height, width, channels = 1] = shape;
  return { height, width, channels, row: width * channels, column: channels, channel: 1 };
}

/**
 * Examples of a split, cropped and mirrored at random, as a split of their own in the same form.
 *
 * As `RandomCrop(size, padding)` and `RandomHorizontalFlip()` of torchvision on
 * stored pixels: padding is 0 before images are normalised. All channels of an
 * image move together.
 *
 * @param order indices of the examples
 * @param random three numbers are drawn for each example, whatever is asked for
 * @throws InputError for examples that are no images (`dataset/no-images`)
 */
export function augmentExamples(
  split: Split,
  order: Int32Array,
  { cropPadding, flip }: Augmentation,
  random: RandomStream,
): Split {
  const { height, width, channels, row, column, channel } = stridesOf(split);
  const size = height * width * channels;
  const source = split.values;
  const values =
    source instanceof Uint8Array
      ? new Uint8Array(order.length * size)
      : new Float32Array(order.length * size);
  order.forEach((example, index) => {
    const down = random.integer(2 * cropPadding + 1) - cropPadding;
    const right = random.integer(2 * cropPadding + 1) - cropPadding;
    const mirrored = random.integer(2) === 1 && flip;
    for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++) {
      for (let x = 0; x < width; x++) {
        const from = (mirrored ? width - 1 - x : x) + right;
        if (from < 0 || from >= width) {
          continue;
        }
        const read = example * size + (y + down) * row + from * column;
        const write = index * size + y * row + x * column;
        for (let c = 0; c < channels; c++) {
          values[write + c * channel] = source[read + c * channel];
        }
      }
    }
  });
  return { ...split, count: order.length, values, labels: gatherLabels(split.labels, order) };
}
