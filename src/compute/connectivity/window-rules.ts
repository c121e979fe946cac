import { convolutionGeometry } from '../compile/convolution-lowering.js';
import { elementCount } from '../compile/graph.js';
import { input } from '../compile/kernel-inputs.js';
import { poolGeometry } from '../compile/pool-positions.js';
import { resizedFrom } from '../compile/resize-lowering.js';
import { type Lifetimes, longerOf, mapLifetimes } from './lifetimes.js';
import type { Rule } from './rule.js';
import { moved, permutedSources } from './sources.js';
import {
  convolved,
  convolvedByChannel,
  imageWindows,
  pooled,
  rowWindows,
  transposedWindows,
  type Windows,
} from './windows.js';

/** Sums of products of two tensors, either of which may carry what the other weighs. */
function bilinear(
  left: Lifetimes,
  right: Lifetimes,
  combine: (left: Int32Array, right: Int32Array) => Int32Array,
): Lifetimes {
  return {
    depends: longerOf(
      left.depends && combine(left.depends, right.nonZero),
      right.depends && combine(left.nonZero, right.depends),
    ),
    nonZero: combine(left.nonZero, right.nonZero),
  };
}

const convolution =
  (depthwise: boolean): Rule =>
  ({ node, lifetimes, shape }) => {
    const [x, filter] = [input(node, 'x'), input(node, 'filter')];
    const geometry = convolutionGeometry(node, shape(x), shape(filter), depthwise);
    const windows = imageWindows(geometry);
    const combine = depthwise ? convolvedByChannel : convolved;
    return [
      bilinear(lifetimes(x), lifetimes(filter), (image, weights) =>
        combine(image, geometry.inChannels, windows, weights),
      ),
    ];
  };

/** A transposed convolution: what tfjs computes as the input gradient of a convolution. */
const transposedConvolution: Rule = ({ node, lifetimes, shape }) => {
  const [dy, filter] = [input(node, 'dy'), input(node, 'filter')];
  const inputShape = node.attributes.inputShape as number[];
  const geometry = convolutionGeometry(node, inputShape, shape(filter), false);
  const windows = transposedWindows(imageWindows(geometry), elementCount(inputShape.slice(0, 3)));
  const swapped = moved(lifetimes(filter), permutedSources(shape(filter), [0, 1, 3, 2]));
  return [
    bilinear(lifetimes(dy), swapped, (image, weights) =>
      convolved(image, geometry.outChannels, windows, weights),
    ),
  ];
};

const pooling: Rule = ({ node, lifetimes, shape }) => {
  const x = input(node, 'x');
  const geometry = poolGeometry(node, shape(x));
  const windows = imageWindows(geometry);
  return [mapLifetimes(lifetimes(x), (counts) => pooled(counts, geometry.inChannels, windows))];
};

/** A pixel of a resized image hangs on the two rows and two columns, at most, that it is mixed from. */
const resizing: Rule = ({ node, lifetimes, shape }) => {
  const images = input(node, 'images');
  const [batch, height, width, channels] = shape(images);
  const [, newHeight, newWidth] = shape(node.outputs[0]);
  const [rows, columns] = [resizedFrom(node, height, newHeight), resizedFrom(node, width, newWidth)];
  const taps = 4;
  const windows: Windows = { taps, sources: new Int32Array(batch * newHeight * newWidth * taps).fill(-1) };
  let at = 0;
  for (let image = 0; image < batch; image++) {
    for (const fromRows of rows) {
      for (const fromColumns of columns) {
        let tap = at;
        for (const [row, rowShare] of fromRows) {
          for (const [column, columnShare] of fromColumns) {
            if (rowShare * columnShare > 0) {
              windows.sources[tap++] = (image * height + row) * width + column;
            }
          }
        }
        at += taps;
      }
    }
  }
  return [mapLifetimes(lifetimes(images), (counts) => pooled(counts, channels, windows))];
};

/** A matrix with its last two axes swapped where the kernel asks for that: [.., rows, columns]. */
function matrices(
  { node, lifetimes, shape }: Parameters<Rule>[0],
  name: 'a' | 'b',
): { counts: Lifetimes; shape: readonly number[] } {
  const id = input(node, name);
  const own = shape(id);
  if (node.attributes[name === 'a' ? 'transposeA' : 'transposeB'] !== true) {
    return { counts: lifetimes(id), shape: own };
  }
  const rank = own.length;
  const perm = [...own.keys()].map((axis) =>
    axis === rank - 1 ? rank - 2 : axis === rank - 2 ? rank - 1 : axis,
  );
  return {
    counts: moved(lifetimes(id), permutedSources(own, perm)),
    shape: perm.map((axis) => own[axis]),
  };
}

/** Products of matrices; of two batches the shorter is repeated. */
const matrixProduct: Rule = (call) => {
  const [a, b] = [matrices(call, 'a'), matrices(call, 'b')];
  const [rows, inner] = a.shape.slice(-2);
  const columns = b.shape[b.shape.length - 1];
  const batchOf = (shape: readonly number[]): number => elementCount(shape.slice(0, -2));
  const [batchA, batchB] = [batchOf(a.shape), batchOf(b.shape)];
  const batch = Math.max(batchA, batchB);
  const windows = rowWindows(rows);
  const part = (counts: Int32Array, size: number, index: number): Int32Array =>
    counts.subarray(index * size, (index + 1) * size);
  return [
    bilinear(a.counts, b.counts, (left, right) => {
      const result = new Int32Array(batch * rows * columns);
      for (let index = 0; index < batch; index++) {
        const from = part(left, rows * inner, index % batchA);
        const by = part(right, inner * columns, index % batchB);
        result.set(convolved(from, inner, windows, by), index * rows * columns);
      }
      return result;
    }),
  ];
};

/** Rules of kernels that sum over windows and over channels. */
export const windowRules: Readonly<Record<string, Rule>> = {
  Conv2D: convolution(false),
  DepthwiseConv2dNative: convolution(true),
  Conv2DBackpropInput: transposedConvolution,
  MaxPool: pooling,
  AvgPool: pooling,
  ResizeBilinear: resizing,
  ResizeNearestNeighbor: resizing,
  BatchMatMul: matrixProduct,
};
