/** How the numbers of an example are ordered in a split, and how a model wants them. */

import { InputError } from '../errors.js';
import type { ImageLayout, Split } from './dataset.js';

/**
 * In which order images are taken by an input whose shape does not tell: channels last, channels first, or as they
 * are stored.
 */
export type InputOrder = ImageLayout | 'stored';

/** Where the numbers of one example are: number `(pixel, channel)` is at `pixel * pixelStride + channel * channelStride`. */
export interface Strides {
  pixelStride: number;
  channelStride: number;
}

/** How to bring an example from the order of the data into that of the model. */
export interface LayoutPlan {
  /** The model's input shape, dynamic dimensions filled in. */
  shape: readonly number[];
  /** Numbers in one example: `pixels * channels`. */
  size: number;
  pixels: number;
  channels: number;
  from: Strides;
  to: Strides;
  /**
   * The order that was taken for images of several channels where the input's shape does not tell it; null where it
   * does, and for other data.
   */
  chosenOrder: ImageLayout | null;
}

type Shape = readonly number[];

/** What a split says of the form of its examples. */
type ExampleForm = Pick<Split, 'shape' | 'layout'>;

function product(shape: Shape): number {
  return shape.reduce((total, size) => total * size, 1);
}

function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function channelsOf({ shape, layout }: ExampleForm): number {
  if (layout === 'flat') {
    return shape.at(-1) ?? 1;
  }
  if (shape.length !== 3) {
    return 1;
  }
  return layout === 'NHWC' ? shape[2] : shape[0];
}

/** The shapes that an example has of itself: as channels-last and channels-first image, grey without channel. */
function naturalShapes({ shape, layout }: ExampleForm): {
  channelsLast: Shape;
  channelsFirst: Shape | null;
  others: Shape[];
} {
  if (layout === 'flat' || shape.length < 2 || shape.length > 3) {
    return { channelsLast: shape, channelsFirst: null, others: [] };
  }
  const [height, width, channels] =
    shape.length === 2 ? [...shape, 1] : layout === 'NHWC' ? shape : [shape[1], shape[2], shape[0]];
  return {
    channelsLast: [height, width, channels],
    channelsFirst: [channels, height, width],
    others: channels === 1 ? [[height, width]] : [],
  };
}

/**
 * Plans the way from a split's stored examples to a model's input.
 *
 * A model input that is exactly the image with channels last (`[32, 32, 3]` for images of 32 x 32 x 3) or with
 * channels first (`[3, 32, 32]`) gets it so. Where it is neither, as it takes the numbers flat or in any other shape of the same
 * size, and where it may be both, as `[3, 3, 3]`, `order` decides.
 *
 * @param inputShape the model's input shape without batch; null for a dynamic dimension, filled from the data
 *   where the rank agrees
 * @throws InputError when the shapes do not fit
 */
export function planLayout(
  split: ExampleForm,
  inputShape: readonly (number | null)[],
  order: InputOrder,
): LayoutPlan {
  const { channelsLast, channelsFirst, others } = naturalShapes(split);
  const isFirst = split.layout === 'NCHW' && split.shape.length === 3;
  const prefersFirst = order === 'stored' ? isFirst : order === 'NCHW';
  const images = channelsFirst === null ? [channelsLast] : [channelsLast, channelsFirst];
  const natural = [...(prefersFirst ? images.reverse() : images), ...others];
  const fits = (shape: Shape): boolean =>
    shape.length === inputShape.length &&
    inputShape.every((size, axis) => size === null || size === shape[axis]);
  const shape = inputShape.includes(null) ? natural.find(fits) : (inputShape as Shape);
  const size = product(split.shape);
  if (!shape || product(shape) !== size) {
    const wanted = inputShape.map((dimension) => dimension ?? '?').join(', ');
    throw new InputError(
      'dataset/input-shape',
      `data: one example has shape [${split.shape.join(', ')}] (${size} numbers), but the model takes [${wanted}]; give the data that the model was trained on`,
    );
  }
  const channels = channelsOf(split);
  const pixels = size / channels;
  const last: Strides = { pixelStride: channels, channelStride: 1 };
  const first: Strides = { pixelStride: 1, channelStride: pixels };
  const fitsLast = sameShape(shape, channelsLast);
  const fitsFirst = channelsFirst !== null && sameShape(shape, channelsFirst);
  const isChoice = channelsFirst !== null && channels > 1 && pixels > 1 && fitsLast === fitsFirst;
  const wantsFirst = isChoice ? prefersFirst : fitsFirst;
  return {
    shape,
    size,
    pixels,
    channels,
    from: isFirst ? first : last,
    to: wantsFirst ? first : last,
    chosenOrder: isChoice ? (prefersFirst ? 'NCHW' : 'NHWC') : null,
  };
}
