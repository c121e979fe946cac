import {
  add,
  concat,
  conv2d,
  conv2dTranspose,
  depthwiseConv2d,
  pad,
  reshape,
  slice,
  type Tensor,
  type Tensor4D,
  transpose,
} from '../../../tfjs-core.js';
import {
  checkShape,
  inLayout,
  inOnnxOrder,
  integer,
  integers,
  malformed,
  type Operator,
  type OperatorCall,
  type OperatorTable,
  operand,
  text,
} from '../operator.js';
import { tapsAlong } from './axis-windows.js';
import { part } from './slicing.js';
import {
  covered,
  explicitPads,
  fromImages,
  images,
  overImage,
  paddedImages,
  perAxis,
  spatialAxes,
  type WindowAxis,
  windowsOf,
} from './windows.js';

/**
 * Kernels [a, b, ...spatial] as [height, width, x, y], whose last axes are the
 * two channel axes in the given order.
 *
 * A dilation becomes zeros between the taps: tfjs has no gradient of a dilated
 * convolution.
 */
function kernelTaps(kernel: Tensor, swapChannels: boolean, dilations: readonly number[]): Tensor4D {
  const [a, b] = kernel.shape;
  const spatial = kernel.shape.slice(2);
  const [height, width] = kernel.rank === 3 ? [1, spatial[0]] : [spatial[0], spatial[1]];
  const image = kernel.rank === 3 ? reshape(kernel, [a, b, 1, width]) : kernel;
  const taps = transpose(image, swapChannels ? [2, 3, 1, 0] : [2, 3, 0, 1]);
  const [rows, columns] = dilations.length === 1 ? [1, dilations[0]] : dilations;
  if (rows === 1 && columns === 1) {
    return taps as Tensor4D;
  }
  const channels = a * b;
  const tall = spread(reshape(taps, [1, height, width * channels]), rows);
  const tallHeight = (height - 1) * rows + 1;
  const wide = spread(reshape(tall, [tallHeight, width, channels]), columns);
  return reshape(wide, [tallHeight, (width - 1) * columns + 1, ...taps.shape.slice(2)] as [
    number,
    number,
    number,
    number,
  ]);
}

/** Puts step - 1 zeros between the positions along the middle axis of a tensor [a, n, b]. */
function spread(x: Tensor, step: number): Tensor {
  if (step === 1) {
    return x;
  }
  const [a, n, b] = x.shape;
  const padded = pad(reshape(x, [a * n, 1, b]), [
    [0, 0],
    [0, step - 1],
    [0, 0],
  ]);
  return slice(reshape(padded, [a, n * step, b]), [0, 0, 0], [a, (n - 1) * step + 1, b]);
}

/** Runs a convolution on each group of channels and joins the results. */
function grouped(
  x: Tensor4D,
  kernel: Tensor,
  groups: number,
  run: (part: Tensor4D, kernelPart: Tensor) => Tensor,
): Tensor {
  if (groups === 1) {
    return run(x, kernel);
  }
  const channels = x.shape[3] / groups;
  const filters = kernel.shape[0] / groups;
  const [batch, height, width] = x.shape;
  const parts = Array.from({ length: groups }, (_, group) =>
    run(
      slice(x, [0, 0, 0, group * channels], [batch, height, width, channels]),
      slice(
        kernel,
        kernel.shape.map((_extent, axis) => (axis === 0 ? group * filters : 0)),
        [filters, ...kernel.shape.slice(1)],
      ),
    ),
  );
  return concat(parts, 3);
}

/** A convolution of images, in groups of channels or of each for itself. */
function convolved(images: Tensor4D, kernel: Tensor, groups: number, windows: readonly WindowAxis[]): Tensor {
  const image = overImage(windows);
  const strides: [number, number] = [image[0].stride, image[1].stride];
  const dilations = windows.map(({ dilation }) => dilation);
  const { x, padding } = paddedImages(images, image);
  const [filters, channelsPerGroup] = kernel.shape;
  const channels = channelsPerGroup * groups;
  return channelsPerGroup === 1 && groups > 1
    ? depthwiseConv2d(
        x,
        reshape(kernelTaps(kernel, false, dilations), [
          covered(image[0]),
          covered(image[1]),
          channels,
          filters / channels,
        ]) as Tensor4D,
        strides,
        padding,
      )
    : grouped(x, kernel, groups, (part, kernelPart) =>
        conv2d(part, kernelTaps(kernelPart, true, dilations), strides, padding),
      );
}

/**
 * A convolution of volumes: the sum of one of images for each tap along their depth.
 *
 * @param volumes [N, D, H, W, C]
 * @returns [N * D', H', W', filters]
 */
function convolvedVolumes(
  volumes: Tensor,
  kernel: Tensor,
  groups: number,
  [depth, ...image]: readonly WindowAxis[],
): Tensor {
  const [, , height, width, channels] = volumes.shape;
  const shape = kernel.shape.filter((_, axis) => axis !== 2);
  return tapsAlong(volumes, 1, depth, 0)
    .map((tap, index) => {
      const slices = reshape(tap, [tap.shape[0] * depth.positions, height, width, channels]) as Tensor4D;
      return convolved(slices, reshape(part(kernel, 2, index, 1), shape), groups, image);
    })
    .reduce((sum, each) => add(sum, each));
}

function withBias(call: OperatorCall, result: Tensor): Tensor {
  const bias = call.inputs[2] ?? null;
  return bias === null ? result : add(result, inOnnxOrder(call, bias));
}

const convolution: Operator = (call) => {
  const value = operand(call, 0);
  const axes = spatialAxes(call, value);
  const kernel = inOnnxOrder(call, operand(call, 1));
  const groups = integer(call, 'group', 1);
  const [filters, channelsPerGroup, ...sizes] = kernel.shape;
  const channels = value.shape[1];
  if (channels !== channelsPerGroup * groups || filters % groups !== 0 || groups < 1) {
    throw malformed(call, `kernel [${kernel.shape}] and group ${groups} do not fit ${channels} channels`);
  }
  const windows = windowsOf(call, value, sizes);
  const result =
    axes === 3
      ? convolvedVolumes(inLayout(call, value, 'last'), kernel, groups, windows)
      : convolved(images(call), kernel, groups, windows);
  return [fromImages(withBias(call, result), axes, axes === 3 ? windows[0].positions : 1)];
};

/**
 * Transposed convolution: without padding first, then cropped by the padding
 * at the beginning and cropped or extended at the end.
 */
const transposedConvolution: Operator = (call) => {
  const value = operand(call, 0);
  const axes = spatialAxes(call, value, 2);
  const kernel = inOnnxOrder(call, operand(call, 1));
  const groups = integer(call, 'group', 1);
  const [channels, filtersPerGroup, ...sizes] = kernel.shape;
  if (channels !== value.shape[1] || channels % groups !== 0 || sizes.length !== axes || groups < 1) {
    throw malformed(call, `kernel [${kernel.shape}] and group ${groups} do not fit [${value.shape}]`);
  }
  const strides = perAxis(call, 'strides', axes, 1);
  const dilations = perAxis(call, 'dilations', axes, 1);
  const outputPadding = perAxis(call, 'output_padding', axes, 0);
  const outputShape = integers(call, 'output_shape');
  const autoPad = text(call, 'auto_pad', 'NOTSET');
  const pads = explicitPads(call, axes);
  const full = sizes.map(
    (size, axis) =>
      (value.shape[axis + 2] - 1) * strides[axis] + covered({ size, dilation: dilations[axis] }),
  );
  const ranges = full.map((extent, axis) => {
    const whole = extent + outputPadding[axis];
    if (outputShape === null && !autoPad.startsWith('SAME')) {
      const [before, after] = autoPad === 'VALID' ? [0, 0] : pads[axis];
      return { before, extent: whole - before - after };
    }
    const wanted =
      outputShape === null
        ? value.shape[axis + 2] * strides[axis]
        : outputShape[axis + outputShape.length - axes];
    const total = Math.max(0, whole - wanted);
    const before = autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
    return { before, extent: outputShape === null ? whole - total : wanted };
  });
  checkShape(call, [value.shape[0], filtersPerGroup * groups, ...full]);
  checkShape(call, [value.shape[0], filtersPerGroup * groups, ...ranges.map(({ extent }) => extent)]);
  const [rows, columns] = axes === 1 ? [{ before: 0, extent: 1 }, ranges[0]] : ranges;
  const [fullHeight, fullWidth] = axes === 1 ? [1, full[0]] : full;
  const step: [number, number] = axes === 1 ? [1, strides[0]] : [strides[0], strides[1]];
  const x = images(call);
  const batch = x.shape[0];
  const result = grouped(x, kernel, groups, (part, kernelPart) =>
    conv2dTranspose(
      part,
      kernelTaps(kernelPart, true, dilations),
      [batch, fullHeight, fullWidth, filtersPerGroup],
      step,
      'valid',
    ),
  );
  const missing = [rows.before + rows.extent - fullHeight, columns.before + columns.extent - fullWidth];
  const extended = missing.some((extent) => extent > 0)
    ? pad(result, [
        [0, 0],
        [0, Math.max(0, missing[0])],
        [0, Math.max(0, missing[1])],
        [0, 0],
      ])
    : result;
  const cropped = slice(
    extended,
    [0, rows.before, columns.before, 0],
    [batch, rows.extent, columns.extent, filtersPerGroup * groups],
  );
  return [fromImages(withBias(call, cropped), axes)];
};

/** Convolutions over sequences, images and volumes. */
export const convolutionOperators: OperatorTable = {
  Conv: convolution,
  ConvTranspose: transposedConvolution,
};
