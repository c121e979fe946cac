import { backend_util } from '@tensorflow/tfjs-core';
import { averagePoolCounts, type ConvolutionGeometry } from '../array-kernels.js';
import { MAX_POOL_GATHER } from '../kernels.js';
import { activate, type Lowering } from './activation-lowering.js';
import type { OnnxBuilder } from './builder.js';
import type { GraphNode, ValueId } from './graph.js';
import { NotCompilableError } from './trace.js';

/** Kernels that graph passes introduce for filter gradients. */
export const UNFOLD = 'PruneLimitUnfold';
/** The product that turns an unfolded image into a filter gradient. */
export const UNFOLDED_FILTER_GRADIENT = 'PruneLimitUnfoldedFilterGradient';

const TO_NCHW = [0, 3, 1, 2] as const;
const TO_NHWC = [0, 2, 3, 1] as const;

type Shape4D = [number, number, number, number];
type Pair = number | [number, number];

/** Geometry of a convolution kernel of tfjs; NHWC only. */
export function convolutionGeometry(
  node: GraphNode,
  inputShape: readonly number[],
  filterShape: readonly number[],
  depthwise: boolean,
): ConvolutionGeometry {
  const { strides, dilations, pad, dimRoundingMode, dataFormat } = node.attributes;
  if (dataFormat === 'NCHW') {
    throw new NotCompilableError(`${node.kernel} in NCHW`);
  }
  return backend_util.computeConv2DInfo(
    inputShape as Shape4D,
    filterShape as Shape4D,
    strides as Pair,
    (dilations as Pair | undefined) ?? 1,
    pad as 'same',
    dimRoundingMode as 'floor' | undefined,
    depthwise,
  );
}

function poolGeometry(node: GraphNode, inputShape: readonly number[]): ConvolutionGeometry {
  const { filterSize, strides, pad, dimRoundingMode } = node.attributes;
  return backend_util.computePool2DInfo(
    inputShape as Shape4D,
    filterSize as Pair,
    strides as Pair,
    1,
    pad as 'same',
    dimRoundingMode as 'floor' | undefined,
  );
}

/** ONNX attributes of a window that moves over an image. */
function windowAttributes(geometry: ConvolutionGeometry): Record<string, number[]> {
  const { strideHeight, strideWidth, padInfo, dilationHeight, dilationWidth } = geometry;
  return {
    strides: [strideHeight, strideWidth],
    pads: [padInfo.top, padInfo.left, padInfo.bottom, padInfo.right],
    dilations: [dilationHeight, dilationWidth],
  };
}

function nchw(builder: OnnxBuilder, id: ValueId): string {
  return builder.transpose(builder.full(id), TO_NCHW);
}

/** A depthwise filter [kh, kw, channels, multiplier] as ONNX wants it: [channels * multiplier, 1, kh, kw]. */
function depthwiseFilter(builder: OnnxBuilder, id: ValueId): string {
  const [height, width, channels, multiplier] = builder.value(id).shape;
  return builder.reshape(builder.transpose(builder.full(id), [2, 3, 0, 1]), [
    channels * multiplier,
    1,
    height,
    width,
  ]);
}

function forward(depthwise: boolean): Lowering {
  return (node, builder) => {
    const { x, filter, bias } = node.inputs;
    const geometry = convolutionGeometry(
      node,
      builder.value(x).shape,
      builder.value(filter).shape,
      depthwise,
    );
    const kernel = depthwise
      ? depthwiseFilter(builder, filter)
      : builder.transpose(builder.full(filter), [3, 2, 0, 1]);
    const result = builder.add('Conv', [nchw(builder, x), kernel], {
      ...windowAttributes(geometry),
      kernel_shape: [geometry.filterHeight, geometry.filterWidth],
      group: depthwise ? geometry.inChannels : 1,
    });
    const channelsLast = builder.transpose(result, TO_NHWC);
    const biased = bias === undefined ? channelsLast : builder.add('Add', [channelsLast, builder.full(bias)]);
    return [activate(biased, node, builder)];
  };
}

/** What a transposed convolution adds at the end so that it gives the input's size. */
function outputPadding(geometry: ConvolutionGeometry): [number, number] {
  const { inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth, padInfo } = geometry;
  const { effectiveFilterHeight, effectiveFilterWidth } = geometry;
  const reached = (out: number, stride: number, extent: number, before: number, after: number): number =>
    (out - 1) * stride + extent - before - after;
  return [
    inHeight - reached(outHeight, strideHeight, effectiveFilterHeight, padInfo.top, padInfo.bottom),
    inWidth - reached(outWidth, strideWidth, effectiveFilterWidth, padInfo.left, padInfo.right),
  ];
}

/** Reverses the taps of a filter [kh, kw, ..]. */
function rotated(builder: OnnxBuilder, name: string): string {
  return builder.add('Slice', [
    name,
    builder.integers([-1, -1]),
    builder.integers([Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]),
    builder.integers([0, 1]),
    builder.integers([-1, -1]),
  ]);
}

/** Input gradient: for stride 1 a convolution with the rotated filter, else a transposed convolution. */
const inputGradient: Lowering = (node, builder) => {
  const { dy, filter } = node.inputs;
  const inputShape = node.attributes.inputShape as number[];
  const geometry = convolutionGeometry(node, inputShape, builder.value(filter).shape, false);
  const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = geometry;
  if (strideHeight === 1 && strideWidth === 1) {
    const kernel = builder.transpose(rotated(builder, builder.full(filter)), [2, 3, 0, 1]);
    const result = builder.add('Conv', [nchw(builder, dy), kernel], {
      strides: [1, 1],
      pads: [
        filterHeight - 1 - padInfo.top,
        filterWidth - 1 - padInfo.left,
        filterHeight - 1 - padInfo.bottom,
        filterWidth - 1 - padInfo.right,
      ],
      kernel_shape: [filterHeight, filterWidth],
    });
    return [builder.transpose(result, TO_NHWC)];
  }
  const kernel = builder.transpose(builder.full(filter), [3, 2, 0, 1]);
  const result = builder.add('ConvTranspose', [nchw(builder, dy), kernel], {
    ...windowAttributes(geometry),
    output_padding: outputPadding(geometry),
    kernel_shape: [filterHeight, filterWidth],
  });
  return [builder.transpose(result, TO_NHWC)];
};

const depthwiseInputGradient: Lowering = (node, builder) => {
  const { dy, filter } = node.inputs;
  const inputShape = node.attributes.inputShape as number[];
  const geometry = convolutionGeometry(node, inputShape, builder.value(filter).shape, true);
  const multiplier = geometry.outChannels / geometry.inChannels;
  const [height, width] = builder.value(filter).shape;
  const kernel = builder.reshape(builder.transpose(builder.full(filter), [2, 3, 0, 1]), [
    geometry.inChannels * multiplier,
    1,
    height,
    width,
  ]);
  const result = builder.add('ConvTranspose', [nchw(builder, dy), kernel], {
    ...windowAttributes(geometry),
    output_padding: outputPadding(geometry),
    kernel_shape: [height, width],
    group: geometry.inChannels,
  });
  return [builder.transpose(result, TO_NHWC)];
};

/** Filter gradient of a depthwise convolution: for each tap, a product with the shifted input, summed over positions. */
const depthwiseFilterGradient: Lowering = (node, builder) => {
  const { x, dy } = node.inputs;
  const filterShape = node.attributes.filterShape as number[];
  const geometry = convolutionGeometry(node, builder.value(x).shape, filterShape, true);
  const { inChannels, outChannels, batchSize, outHeight, outWidth } = geometry;
  const multiplier = outChannels / inChannels;
  const gradient = builder.reshape(builder.full(dy), [
    batchSize,
    outHeight,
    outWidth,
    inChannels,
    multiplier,
  ]);
  const taps = shiftedInputs(builder, builder.full(x), geometry).map((shifted) => {
    const product = builder.add('Mul', [
      builder.reshape(shifted, [batchSize, outHeight, outWidth, inChannels, 1]),
      gradient,
    ]);
    return builder.add('ReduceSum', [product, builder.integers([0, 1, 2])], { keepdims: 0 });
  });
  const stacked = taps.map((tap) => builder.reshape(tap, [1, inChannels, multiplier]));
  return [builder.reshape(builder.add('Concat', stacked, { axis: 0 }), filterShape)];
};

/** The padded NHWC input as each tap of a filter sees it, in row-major order of the taps. */
function shiftedInputs(builder: OnnxBuilder, x: string, geometry: ConvolutionGeometry): string[] {
  const { filterHeight, filterWidth, padInfo, strideHeight, strideWidth } = geometry;
  const { dilationHeight, dilationWidth, outHeight, outWidth } = geometry;
  const { top, left } = padInfo;
  // Cropping where a stride leaves rows over is left to the slices; padding is never negative.
  const bottom = Math.max(0, padInfo.bottom);
  const right = Math.max(0, padInfo.right);
  const padded =
    top + left + bottom + right === 0
      ? x
      : builder.add('Pad', [x, builder.integers([0, top, left, 0, 0, bottom, right, 0]), builder.scalar(0)]);
  const taps: string[] = [];
  for (let i = 0; i < filterHeight; i++) {
    for (let j = 0; j < filterWidth; j++) {
      const begin = [i * dilationHeight, j * dilationWidth];
      const end = [
        begin[0] + (outHeight - 1) * strideHeight + 1,
        begin[1] + (outWidth - 1) * strideWidth + 1,
      ];
      taps.push(
        builder.add('Slice', [
          padded,
          builder.integers(begin),
          builder.integers(end),
          builder.integers([1, 2]),
          builder.integers([strideHeight, strideWidth]),
        ]),
      );
    }
  }
  return taps;
}

/**
 * Images as each tap of a filter sees them: [batch * positions, taps *
 * channels] or its transpose, so that a filter gradient is one matrix product
 * over all positions of all images.
 */
const unfold: Lowering = (node, builder) => {
  const geometry = node.attributes.geometry as ConvolutionGeometry;
  const { batchSize, inChannels, filterHeight, filterWidth, outHeight, outWidth } = geometry;
  const taps = shiftedInputs(builder, builder.full(node.inputs.x), geometry);
  const ordered = node.attributes.reverseTaps === true ? taps.reverse() : taps;
  const columns = ordered.length === 1 ? ordered[0] : builder.add('Concat', ordered, { axis: 3 });
  const width = filterHeight * filterWidth * inChannels;
  const rows = builder.reshape(columns, [batchSize * outHeight * outWidth, width]);
  return [node.attributes.transposed === true ? builder.transpose(rows, [1, 0]) : rows];
};

/**
 * Filter gradient as a matrix product with an unfolded tensor: the input, or
 * for `dual` the output gradient.
 */
const unfoldedFilterGradient: Lowering = (node, builder) => {
  const { unfolded, other } = node.inputs;
  const filterShape = node.attributes.filterShape as number[];
  const [height, width, inChannels, outChannels] = filterShape;
  const [batch, rows, columns, channels] = builder.value(other).shape;
  const positions = builder.reshape(builder.full(other), [batch * rows * columns, channels]);
  const product =
    node.attributes.transposed === true
      ? builder.add('MatMul', [builder.full(unfolded), positions])
      : builder.add('Gemm', [builder.full(unfolded), positions], { transA: 1 });
  if (node.attributes.dual !== true) {
    return [builder.reshape(product, filterShape)];
  }
  const swapped = builder.reshape(product, [height, width, outChannels, inChannels]);
  return [builder.transpose(swapped, [0, 1, 3, 2])];
};

/** Positions of the pool maxima in the flattened NCHW input. */
function poolMaxima(builder: OnnxBuilder, id: ValueId, geometry: ConvolutionGeometry): string {
  const [, indices] = builder.addWithOutputs('MaxPool', [nchw(builder, id)], 2, {
    ...windowAttributes(geometry),
    kernel_shape: [geometry.filterHeight, geometry.filterWidth],
  });
  return builder.reshape(indices, [-1]);
}

const maxPool: Lowering = (node, builder) => {
  const { x } = node.inputs;
  const geometry = poolGeometry(node, builder.value(x).shape);
  const [result] = builder.addWithOutputs('MaxPool', [nchw(builder, x)], 1, {
    ...windowAttributes(geometry),
    kernel_shape: [geometry.filterHeight, geometry.filterWidth],
  });
  return [builder.transpose(result, TO_NHWC)];
};

const maxPoolGradient: Lowering = (node, builder) => {
  const { dy, input } = node.inputs;
  const { shape } = builder.value(input);
  const [batch, height, width, channels] = shape;
  const geometry = poolGeometry(node, shape);
  const size = batch * height * width * channels;
  const zeros = builder.add('Expand', [builder.scalar(0), builder.integers([size])]);
  const scattered = builder.add(
    'ScatterElements',
    [zeros, poolMaxima(builder, input, geometry), builder.reshape(nchw(builder, dy), [-1])],
    { axis: 0, reduction: 'add' },
  );
  return [builder.transpose(builder.reshape(scattered, [batch, channels, height, width]), TO_NHWC)];
};

const maxPoolGather: Lowering = (node, builder) => {
  const { values, input } = node.inputs;
  const geometry = poolGeometry(node, builder.value(input).shape);
  const { batchSize, outHeight, outWidth, inChannels } = geometry;
  const gathered = builder.add(
    'GatherElements',
    [builder.reshape(nchw(builder, values), [-1]), poolMaxima(builder, input, geometry)],
    { axis: 0 },
  );
  const pooled = builder.reshape(gathered, [batchSize, inChannels, outHeight, outWidth]);
  return [builder.transpose(pooled, TO_NHWC)];
};

const averagePool: Lowering = (node, builder) => {
  const { x } = node.inputs;
  const geometry = poolGeometry(node, builder.value(x).shape);
  const { strides, pads } = windowAttributes(geometry);
  const result = builder.add('AveragePool', [nchw(builder, x)], {
    strides,
    pads,
    kernel_shape: [geometry.filterHeight, geometry.filterWidth],
    count_include_pad: 0,
  });
  return [builder.transpose(result, TO_NHWC)];
};

const averagePoolGradient: Lowering = (node, builder) => {
  const { dy, input } = node.inputs;
  const geometry = poolGeometry(node, builder.value(input).shape);
  const { inChannels, filterHeight, filterWidth, outHeight, outWidth } = geometry;
  const counts = averagePoolCounts(geometry);
  const shares = builder.initializer(
    'float32',
    [1, 1, outHeight, outWidth],
    counts.map((count) => 1 / count),
    `shares:${counts}`,
  );
  const ones = builder.add('Expand', [
    builder.scalar(1),
    builder.integers([inChannels, 1, filterHeight, filterWidth]),
  ]);
  const shared = builder.add('Mul', [nchw(builder, dy), shares]);
  const result = builder.add('ConvTranspose', [shared, ones], {
    ...windowAttributes(geometry),
    output_padding: outputPadding(geometry),
    kernel_shape: [filterHeight, filterWidth],
    group: inChannels,
  });
  return [builder.transpose(result, TO_NHWC)];
};

/** Lowerings of the kernels that look at images through windows. */
export const convolutionLowerings: Readonly<Record<string, Lowering>> = {
  Conv2D: forward(false),
  FusedConv2D: forward(false),
  DepthwiseConv2dNative: forward(true),
  FusedDepthwiseConv2D: forward(true),
  Conv2DBackpropInput: inputGradient,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  [UNFOLD]: unfold,
  [UNFOLDED_FILTER_GRADIENT]: unfoldedFilterGradient,
  MaxPool: maxPool,
  MaxPoolGrad: maxPoolGradient,
  [MAX_POOL_GATHER]: maxPoolGather,
  AvgPool: averagePool,
  AvgPoolGrad: averagePoolGradient,
};
