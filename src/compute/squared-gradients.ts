/** Sums over examples of squared gradients, from one backward pass over a batch. */
import {
  BatchMatMul,
  backend_util,
  Conv2DBackpropFilter,
  concat,
  keep,
  matMul,
  pad,
  reshape,
  slice,
  square,
  sum,
  type Tensor,
  type Tensor4D,
  Transpose,
  transpose,
} from '../tfjs-core.js';
import { NotCompilableError } from './compile/trace.js';
import { type KernelInputs, observeKernels, SAME_NUMBERS } from './observed-kernels.js';

/** A tensor that is one matrix, as tfjs hands on those of dense layers; null for several. */
function matrixOf(tensor: Tensor): Tensor | null {
  const leading = tensor.shape.slice(0, -2);
  return tensor.rank >= 2 && leading.every((extent) => extent === 1)
    ? reshape(tensor, tensor.shape.slice(-2))
    : null;
}

/**
 * Sum over examples of (X_i' Y_i)^2, element by element, X and Y the rows of all examples, those of one after those of
 * the other. Where an example has one row, (x y)^2 = x^2 y^2, and the sum is one product of squares.
 */
function productSquares(left: Tensor, right: Tensor, examples: number): Tensor {
  const rows = left.shape[0] / examples;
  if (rows === 1) {
    return matMul(square(left), square(right), true, false);
  }
  const [x, y] = [left, right].map((all) => reshape(all, [examples, rows, all.shape[1] as number]));
  return sum(square(matMul(x, y, true, false)), 0);
}

/** Every `step`-th of `count` places of a channels-last image from `first` on, along both axes. */
function every(
  image: Tensor4D,
  first: readonly [number, number],
  count: readonly [number, number],
  step: readonly [number, number],
): Tensor {
  const [size, , , channels] = image.shape;
  const part = slice(
    image,
    [0, first[0], first[1], 0],
    [size, count[0] * step[0], count[1] * step[1], channels],
  );
  if (step[0] === 1 && step[1] === 1) {
    return part;
  }
  const groups = reshape(part, [size, count[0], step[0], count[1], step[1], channels]);
  return slice(groups, [0, 0, 0, 0, 0, 0], [size, count[0], 1, count[1], 1, channels]);
}

/** The same for the filter of a convolution: each image is unfolded, so that its gradient is a product. */
function filterSquares(inputs: KernelInputs, attrs: Record<string, unknown>): Tensor {
  const [x, dy] = [inputs.x, inputs.dy] as [Tensor4D, Tensor4D];
  const filterShape = attrs.filterShape as [number, number, number, number];
  const {
    padInfo: { top, left },
    outHeight,
    outWidth,
    strideHeight,
    strideWidth,
  } = backend_util.computeConv2DInfo(
    x.shape,
    filterShape,
    attrs.strides as [number, number],
    1,
    attrs.pad as 'same',
    attrs.dimRoundingMode as 'floor' | undefined,
  );
  const [height, width, channels, filters] = filterShape;
  // The last step reaches as far as the others, beyond the image where need be.
  const after = (extent: number, before: number, kernel: number, out: number, stride: number): number =>
    Math.max(0, kernel - 1 + out * stride - before - extent);
  const padded = pad(x, [
    [0, 0],
    [top, after(x.shape[1], top, height, outHeight, strideHeight)],
    [left, after(x.shape[2], left, width, outWidth, strideWidth)],
    [0, 0],
  ]) as Tensor4D;
  const [size] = x.shape;
  const positions = outHeight * outWidth;
  const shifted: Tensor[] = [];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const seen = every(padded, [row, column], [outHeight, outWidth], [strideHeight, strideWidth]);
      shifted.push(reshape(seen, [size, positions, channels]));
    }
  }
  const unfolded = shifted.length === 1 ? shifted[0] : concat(shifted, 2);
  const gradients = matMul(unfolded, reshape(dy, [size, positions, filters]), true, false);
  return reshape(sum(square(gradients), 0), filterShape);
}

/**
 * Runs a program that computes gradients of a sum over a batch on the current tfjs backend, and gives in place of each the
 * sum over examples of the squares of the gradients of single examples: of dense layers by a product of squares, of
 * convolutions by a product for each image. Every gradient must come from one such kernel, as that of a weight that a
 * network uses once does. That the rows of a product are those of the examples, one after the other, is not looked into:
 * compare with gradients of single examples.
 *
 * @param program run inside a tidy; returns the gradients
 * @param examples of the batch
 * @returns owned by the caller
 * @throws NotCompilableError naming the first gradient that comes from something else
 */
export function squaredGradients(program: () => readonly Tensor[], examples: number): Tensor[] {
  const squares = new Map<number, Tensor>();
  const made: Tensor[] = [];
  const remember = (result: Tensor | Tensor[], found: Tensor): void => {
    made.push(keep(found));
    squares.set((result as Tensor).id, found);
  };
  const follow = (
    name: string,
    inputs: KernelInputs,
    attrs: Record<string, unknown>,
    result: Tensor | Tensor[],
  ): void => {
    if (name === BatchMatMul && attrs.transposeA === true && attrs.transposeB !== true) {
      const [a, b] = [matrixOf(inputs.a as Tensor), matrixOf(inputs.b as Tensor)];
      if (a !== null && b !== null && a.shape[0] % examples === 0) {
        const found = productSquares(a, b, examples);
        remember(result, reshape(found, (result as Tensor).shape));
      }
    } else if (name === Conv2DBackpropFilter && (inputs.x as Tensor).shape[0] === examples) {
      remember(result, filterSquares(inputs, attrs));
    } else if (SAME_NUMBERS.has(name) || name === Transpose) {
      const known = squares.get((inputs.x as Tensor).id);
      if (known !== undefined) {
        const { shape } = result as Tensor;
        remember(
          result,
          name === Transpose ? transpose(known, attrs.perm as number[]) : reshape(known, shape),
        );
      }
    }
  };
  try {
    const gradients = observeKernels(program, follow);
    return gradients.map((gradient, index) => {
      const found = squares.get(gradient.id);
      if (found === undefined) {
        throw new NotCompilableError(`gradient ${index} is no product over examples`);
      }
      return reshape(found, gradient.shape);
    });
  } finally {
    for (const tensor of made) {
      tensor.dispose();
    }
  }
}
