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
import { fromImages, images, overImage, tfjsPad, type WindowAxis, windowsOf } from './windows.js';

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

function pooled(
  call: OperatorCall,
  windows: readonly WindowAxis[],
  pool: typeof maxPool | typeof avgPool,
): Tensor {
  const image = overImage(windows);
  return pool(
    images(call),
    [image[0].size, image[1].size],
    [image[0].stride, image[1].stride],
    tfjsPad(image),
  );
}

const maximumPooling: Operator = (call) => {
  if (call.node.outputs.length > 1 && call.node.outputs[1] !== '') {
    throw unsupported(call, 'an output of indices');
  }
  const windows = poolingWindows(call);
  return [fromImages(pooled(call, windows, maxPool), windows.length)];
};

/** How many positions of each window lie between two ends. */
function counts(window: WindowAxis, from: number, to: number): number[] {
  return Array.from({ length: window.positions }, (_, position) => {
    const start = position * window.stride - window.before;
    return Math.min(to, start + window.size) - Math.max(from, start);
  });
}

/**
 * tfjs averages over the positions inside of the data. Where those in the
 * padding count too, the mean is corrected by the ratio of the counts; what
 * `ceil_mode` adds beyond the padding never counts.
 */
const averagePooling: Operator = (call) => {
  const windows = poolingWindows(call);
  const result = pooled(call, windows, avgPool);
  if (integer(call, 'count_include_pad', 0) === 0) {
    return [fromImages(result, windows.length)];
  }
  const declared = integers(call, 'pads') ?? [];
  const ratios = overImage(windows).map((window, axis) => {
    const spatial = axis - (2 - windows.length);
    const auto = declared.length === 0;
    const after = auto ? window.after : (declared[windows.length + spatial] ?? 0);
    const inside = counts(window, 0, window.extent);
    const padded = counts(window, -window.before, window.extent + after);
    return inside.map((count, position) => count / padded[position]);
  });
  const factors = ratios[0].flatMap((row) => ratios[1].map((column) => row * column));
  const corrected = factors.every((factor) => factor === 1)
    ? result
    : mul(result, tensor4d(factors, [1, ratios[0].length, ratios[1].length, 1]));
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
