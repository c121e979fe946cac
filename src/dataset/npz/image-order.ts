/** In which order an archive stores images, as its arrays do not say. */

import type { ImageLayout, Layout } from '../dataset.js';

/** Channel counts of images as they are usually stored: grey, colour, colour with transparency. */
const USUAL_CHANNELS = [1, 3, 4];

/** Both sides of an image have at least so many pixels; features of convolutions can have fewer. */
const SMALLEST_IMAGE_SIDE = 8;

/** Whether a shape of rank 3 is an image in one order and none in the other. */
function isPlainly(layout: ImageLayout, shape: readonly number[]): boolean {
  const [channels, other] = layout === 'NHWC' ? [shape[2], shape[0]] : [shape[0], shape[2]];
  const sides = layout === 'NHWC' ? shape.slice(0, 2) : shape.slice(1);
  return (
    USUAL_CHANNELS.includes(channels) &&
    !USUAL_CHANNELS.includes(other) &&
    sides.every((side) => side >= SMALLEST_IMAGE_SIDE)
  );
}

/** How images of rank 3 are stored, and what a person should know of it. */
export interface StoredLayout {
  layout: Layout;
  /** To follow the shape; empty where nothing was assumed. */
  remark: string;
}

/**
 * As told, else where the channels seem to be, else channels last.
 *
 * A shape that is plainly an image in the other order is stored in that one: what was told is then how an
 * input takes it whose shape does not say so.
 *
 * @param shape of one example
 */
export function layoutOf(shape: readonly number[], told: ImageLayout | undefined): StoredLayout {
  if (shape.length !== 3) {
    return { layout: shape.length === 2 ? 'NHWC' : 'flat', remark: '' };
  }
  const other = told && (told === 'NHWC' ? 'NCHW' : 'NHWC');
  if (other && isPlainly(other, shape)) {
    const words = other === 'NHWC' ? 'channels last' : 'channels first';
    return {
      layout: other,
      remark: `are plainly stored ${words}; --layout ${told} is taken as the order for inputs whose shape does not tell it`,
    };
  }
  const first = !USUAL_CHANNELS.includes(shape[2]) && USUAL_CHANNELS.includes(shape[0]);
  return told === undefined && first
    ? { layout: 'NCHW', remark: 'taken as channels first; --layout NHWC says otherwise' }
    : { layout: told ?? 'NHWC', remark: '' };
}
