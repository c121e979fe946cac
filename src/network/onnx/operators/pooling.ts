import { avgPool, max, maxPool, mean, mul, type Tensor, tensor4d } from '@tensorflow/tfjs-core';
import {
  inLayout,
  integer,
  integers,
  malformed,
  type Operator,
  type OperatorCall,
  type OperatorTable,
  operand,
  unsupported,
} from '../operator.js';
import { channelsLastValue, type Layout } from '../values.js';
import { fromImages, images, overImage, paddedImages, type WindowAxis, windowsOf } from './windows.js';

function poolingWindows(call: OperatorCall): WindowAxis[] {
  const sizes = integers(call, 'kernel_shape');
  if (sizes === null) {
    throw malformed(call, 'kernel_shape is missing');
  }
  const windows = windowsOf(call, operand(call, 0), sizes);
  if (windows.some(({ dilation }) => dilation !== 1)) {
    throw unsupported(call, 'dilations');
  }
  if (windows.some(({ before, size }) => before >= size)) {
    throw unsupported(call, 'padding as wide as its window');
  }
  return windows;
}

/** The lowest float32, which no maximum takes; infinity would give NaN where it is multiplied by 0. */
const LOWEST = -3.4028234663852886e38;

const maximumPooling: Operator = (call) => {
  if (call.node.outputs.length > 1 && call.node.outputs[1] !== '') {
    throw unsupported(call, 'an output of indices');
  }
  const windows = poolingWindows(call);
  const image = overImage(windows);
  const { x, padding } = paddedImages(images(call), image, LOWEST);
  const result = maxPool(x, [image[0].size, image[1].size], [image[0].stride, image[1].stride], padding);
  return [fromImages(result, windows.length)];
};

/** How many positions of each window lie between two ends. */
function counts(window: WindowAxis, from: number, to: number): number[] {
  return Array.from({ length: window.positions }, (_, position) => {
    const start = position * window.stride - window.before;
    return Math.min(to, start + window.size) - Math.max(from, start);
  });
}

/**
 * Averages over the positions inside of the data, or with `count_include_pad`
 * also over those in the padding; what `ceil_mode` adds beyond the padding
 * never counts. tfjs counts what it does not pad itself, so its averages are
 * corrected by the ratio of the counts.
 */
const averagePooling: Operator = (call) => {
  const windows = poolingWindows(call);
  const image = overImage(windows);
  const { x, padding } = paddedImages(images(call), image);
  const result = avgPool(x, [image[0].size, image[1].size], [image[0].stride, image[1].stride], padding);
  const includesPadding = integer(call, 'count_include_pad', 0) !== 0;
  const declared = integers(call, 'pads') ?? [];
  const [rows, columns] = image.map((window, axis) => {
    const inside = counts(window, 0, window.extent);
    const counted = padding === 'same' ? inside : inside.map(() => window.size);
    const spatial = axis - (2 - windows.length);
    const after = declared.length === 0 ? window.after : (declared[windows.length + spatial] ?? 0);
    const wanted = includesPadding ? counts(window, -window.before, window.extent + after) : inside;
    return counted.map((count, position) => count / wanted[position]);
  });
  const factors = rows.flatMap((row) => columns.map((column) => row * column));
  const corrected = factors.every((factor) => factor === 1)
    ? result
    : mul(result, tensor4d(factors, [1, rows.length, columns.length, 1]));
  return [fromImages(corrected, windows.length)];
};

/** Reduces all spatial axes, which stay with extent 1. */
function global(reduce: (x: Tensor, axes: number[], keepDims: true) => Tensor): Operator {
  return (call) => {
    const value = operand(call, 0);
    if (value.shape.length < 3) {
      throw malformed(call, `a tensor of rank ${value.shape.length} has no spatial axes`);
    }
    const layout: Layout = 'last';
    const spatial = value.shape.slice(2).map((_, axis) => axis + 1);
    return [channelsLastValue(reduce(inLayout(call, value, layout), spatial, true))];
  };
}

/** Pooling over sequences and images. */
export const poolingOperators: OperatorTable = {
  MaxPool: maximumPooling,
  AveragePool: averagePooling,
  GlobalAveragePool: global(mean),
  GlobalMaxPool: global(max),
};
