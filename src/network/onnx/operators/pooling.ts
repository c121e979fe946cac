import { add, avgPool, max, maximum, maxPool, mean, mul, type Tensor, tensor } from '../../../tfjs-core.js';
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
import { channelsLastValue, type Layout, type TensorValue } from '../values.js';
import { combinedAlong } from './axis-windows.js';
import {
  covered,
  fromImages,
  images,
  overImage,
  paddedImages,
  type WindowAxis,
  windowsOf,
} from './windows.js';

function poolingWindows(call: OperatorCall): WindowAxis[] {
  const sizes = integers(call, 'kernel_shape');
  if (sizes === null) {
    throw malformed(call, 'kernel_shape is missing');
  }
  const windows = windowsOf(call, operand(call, 0), sizes);
  if (windows.some((window) => window.before >= covered(window))) {
    throw unsupported(call, 'padding as wide as its window');
  }
  return windows;
}

/** Whether tfjs pools so: without dilation, over sequences and images. */
function isOfImages(windows: readonly WindowAxis[]): boolean {
  return windows.length < 3 && windows.every(({ dilation }) => dilation === 1);
}

/** Pooling that goes axis by axis, as maxima and sums do. */
function alongEveryAxis(
  call: OperatorCall,
  windows: readonly WindowAxis[],
  combine: (a: Tensor, b: Tensor) => Tensor,
  filling: number,
): TensorValue {
  const x = inLayout(call, operand(call, 0), 'last');
  return channelsLastValue(
    windows.reduce((pooled, window, axis) => combinedAlong(pooled, axis + 1, window, combine, filling), x),
  );
}

/** The lowest float32, which no maximum takes; infinity would give NaN where it is multiplied by 0. */
const LOWEST = -3.4028234663852886e38;

const maximumPooling: Operator = (call) => {
  if (call.node.outputs.length > 1 && call.node.outputs[1] !== '') {
    throw unsupported(call, 'an output of indices');
  }
  const windows = poolingWindows(call);
  if (!isOfImages(windows)) {
    return [alongEveryAxis(call, windows, maximum, LOWEST)];
  }
  const image = overImage(windows);
  const { x, padding } = paddedImages(images(call), image, LOWEST);
  const result = maxPool(x, [image[0].size, image[1].size], [image[0].stride, image[1].stride], padding);
  return [fromImages(result, windows.length)];
};

/** How many taps of each window lie between two ends. */
function counts(
  { size, stride, dilation, before, positions }: WindowAxis,
  from: number,
  to: number,
): number[] {
  return Array.from({ length: positions }, (_, position) => {
    const start = position * stride - before;
    const taps = Array.from({ length: size }, (_each, tap) => start + tap * dilation);
    return taps.filter((at) => at >= from && at < to).length;
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
  const wanted = averagedCounts(call, windows);
  if (!isOfImages(windows)) {
    const sums = alongEveryAxis(call, windows, add, 0);
    const shares = wanted.map((axis) => axis.map((count) => 1 / count));
    return [channelsLastValue(scaledAlongAxes(sums.last as Tensor, shares))];
  }
  const image = overImage(windows);
  const { x, padding } = paddedImages(images(call), image);
  const result = avgPool(x, [image[0].size, image[1].size], [image[0].stride, image[1].stride], padding);
  const factors = image.map((window, axis) => {
    const inside = counts(window, 0, window.extent);
    const counted = padding === 'same' ? inside : inside.map(() => window.size);
    const own = wanted[axis - (2 - windows.length)] ?? inside;
    return counted.map((count, position) => count / own[position]);
  });
  return [fromImages(scaledAlongAxes(result, factors), windows.length)];
};

/** By how many numbers each window is averaged, along each axis. */
function averagedCounts(call: OperatorCall, windows: readonly WindowAxis[]): number[][] {
  const includesPadding = integer(call, 'count_include_pad', 0) !== 0;
  const declared = integers(call, 'pads') ?? [];
  return windows.map((window, axis) => {
    const after = declared.length === 0 ? window.after : (declared[windows.length + axis] ?? 0);
    return includesPadding
      ? counts(window, -window.before, window.extent + after)
      : counts(window, 0, window.extent);
  });
}

/** Multiplies [N, ...spatial, C] by a factor for each position of each spatial axis. */
function scaledAlongAxes(x: Tensor, factors: readonly (readonly number[])[]): Tensor {
  const products = factors.reduce<number[]>(
    (outer, axis) => outer.flatMap((left) => axis.map((right) => left * right)),
    [1],
  );
  return products.every((factor) => factor === 1)
    ? x
    : mul(x, tensor(products, [1, ...factors.map(({ length }) => length), 1]));
}

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

/** Pooling over sequences, images and volumes. */
export const poolingOperators: OperatorTable = {
  MaxPool: maximumPooling,
  AveragePool: averagePooling,
  GlobalAveragePool: global(mean),
  GlobalMaxPool: global(max),
};
