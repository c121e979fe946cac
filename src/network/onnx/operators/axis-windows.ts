import { pad, type Tensor } from '../../../tfjs-core.js';
import { part, strided } from './slicing.js';
import { covered, type WindowAxis } from './windows.js';

/**
 * What each tap of a window reads along one axis: tensors of the window's positions, whose derivatives are slices and
 * paddings. For windows that tfjs has no kernel for, or none with derivatives.
 *
 * @param filling what the padding is made of
 */
export function tapsAlong(x: Tensor, axis: number, window: WindowAxis, filling = 0): Tensor[] {
  const { size, stride, dilation, before, after, positions } = window;
  const ends = (index: number): [number, number] => (index === axis ? [before, after] : [0, 0]);
  const padded =
    before === 0 && after === 0
      ? x
      : pad(
          x,
          x.shape.map((_, index) => ends(index)),
          filling,
        );
  return Array.from({ length: size }, (_, tap) =>
    strided(part(padded, axis, tap * dilation, (positions - 1) * stride + 1), axis, stride, positions),
  );
}

/** The taps of a window along an axis, put together. */
export function combinedAlong(
  x: Tensor,
  axis: number,
  window: WindowAxis,
  combine: (a: Tensor, b: Tensor) => Tensor,
  filling = 0,
): Tensor {
  const isWhole = covered(window) === 1 && window.stride === 1 && window.before === 0 && window.after === 0;
  return isWhole ? x : tapsAlong(x, axis, window, filling).reduce(combine);
}
