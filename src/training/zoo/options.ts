import { InputError } from '../../errors.js';
import { type ZooName, zooCatalogue } from './catalogue.js';

/** What the data decides about a network, and what the user does. */
export interface ZooOptions {
  /** Shape of one example as stored. */
  exampleShape: readonly number[];
  /** How the numbers of an example are ordered; `flat` for what is no image. */
  layout: 'NHWC' | 'NCHW' | 'flat';
  classes: number;
  /** Widths of the hidden layers of `mlp`; the other networks have their own. */
  hidden: readonly number[];
  /** Factor on the channels and hidden units of a convolutional network; 1 by default. */
  width?: number;
  seed: number;
}

/**
 * Height, width and channels of an image example.
 *
 * @throws InputError `training/no-images` for examples that are no images, or smaller than the network takes
 */
export function imageShape(
  name: ZooName,
  { exampleShape, layout }: ZooOptions,
): [height: number, width: number, channels: number] {
  const isImage = layout !== 'flat' && (exampleShape.length === 2 || exampleShape.length === 3);
  const [height, width, channels] = !isImage
    ? [0, 0, 0]
    : exampleShape.length === 2
      ? [...exampleShape, 1]
      : layout === 'NHWC'
        ? exampleShape
        : [exampleShape[1], exampleShape[2], exampleShape[0]];
  const smallest = zooCatalogue[name].smallestImage ?? 1;
  if (Math.min(height, width) < smallest) {
    throw new InputError(
      'training/no-images',
      `${name} takes images of at least ${smallest} x ${smallest} pixels, but one example has shape [${exampleShape.join(', ')}]; train mlp instead`,
    );
  }
  return [height, width, channels];
}

/** How many numbers an example has. */
export function exampleSize({ exampleShape }: ZooOptions): number {
  return exampleShape.reduce((product, extent) => product * extent, 1);
}

/** Channels or units of a layer in a network of another width, at least 1. */
export function scaled(units: number, { width = 1 }: Pick<ZooOptions, 'width'>): number {
  return Math.max(1, Math.round(units * width));
}
