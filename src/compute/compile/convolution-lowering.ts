import type { ConvolutionGeometry } from '../array-kernels.js';
import { convolutionGeometry as geometryOfConvolution } from '../convolution-kernels.js';
import type { Lowering, OnnxBuilder } from './builder.js';
import { rotatedTaps } from './channel-blocks.js';
import type { GraphNode, ValueId } from './graph.js';
import { NotCompilableError } from './trace.js';
import {
  hasTransposedConvolution,
  nchw,
  outputPadding,
  TO_NHWC,
  transposedGeometry,
  windowAttributes,
} from './windows.js';

/** Kernels that graph passes introduce for filter gradients. */
export const UNFOLD = 'PruneLimitUnfold';
/** The product that turns an unfolded image into a filter gradient. */
export const UNFOLDED_FILTER_GRADIENT = 'PruneLimitUnfoldedFilterGradient';

/** Geometry of a convolution kernel of tfjs; NHWC only. */
export function convolutionGeometry(
  node: GraphNode,
  inputShape: readonly number[],
  filterShape: readonly number[],
  depthwise: boolean,
): ConvolutionGeometry {
  if (node.attributes.dataFormat === 'NCHW') {
    throw new NotCompilableError(`${node.kernel} in NCHW`);
  }
  return geometryOfConvolution(inputShape, filterShape, node.attributes, depthwise);
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
    const { x, filter } = node.inputs;
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
    return [builder.transpose(result, TO_NHWC)];
  };
}

/** Input gradient: for stride 1 a convolution with the rotated filter, else a transposed convolution. */
const inputGradient: Lowering = (node, builder) => {
  const { dy, filter } = node.inputs;
  const inputShape = node.attributes.inputShape as number[];
  const geometry = convolutionGeometry(node, inputShape, builder.value(filter).shape, false);
  const kernelShape = [geometry.filterHeight, geometry.filterWidth];
  if (hasTransposedConvolution(geometry)) {
    const kernel = builder.transpose(rotatedTaps(builder, filter), [2, 3, 0, 1]);
    const result = builder.add('Conv', [nchw(builder, dy), kernel], {
      ...windowAttributes(transposedGeometry(geometry)),
      kernel_shape: kernelShape,
    });
    return [builder.transpose(result, TO_NHWC)];
  }
  const kernel = builder.transpose(builder.full(filter), [3, 2, 0, 1]);
  const result = builder.add('ConvTranspose', [nchw(builder, dy), kernel], {
    ...windowAttributes(geometry),
    output_padding: outputPadding(geometry),
    kernel_shape: kernelShape,
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
 * for `dual` the output gradient. With columns as channels (`gatheredColumns`)
 * the filter gradient is the sum of what each column contributes.
 */
const unfoldedFilterGradient: Lowering = (node, builder) => {
  const { unfolded, other } = node.inputs;
  const filterShape = node.attributes.filterShape as number[];
  const dual = node.attributes.dual === true;
  const [height, width, inChannels, outChannels] = filterShape;
  const [unfoldedChannels, otherChannels] = dual ? [outChannels, inChannels] : [inChannels, outChannels];
  const gathered = node.attributes.columns as number;
  const step = node.attributes.columnStep as number;
  const [batch, rows, columns] = builder.value(other).shape;
  const positions = builder.reshape(builder.full(other), [
    (batch * rows * columns) / gathered,
    gathered * otherChannels,
  ]);
  const product =
    node.attributes.transposed === true
      ? builder.add('MatMul', [builder.full(unfolded), positions])
      : builder.add('Gemm', [builder.full(unfolded), positions], { transA: 1 });
  const wide = builder.reshape(product, [
    height,
    width + (gathered - 1) * step,
    unfoldedChannels,
    gathered * otherChannels,
  ]);
  const shares = Array.from({ length: gathered }, (_, column) => {
    const left = step * (dual ? gathered - 1 - column : column);
    return builder.add('Slice', [
      wide,
      builder.integers([left, column * otherChannels]),
      builder.integers([left + width, (column + 1) * otherChannels]),
      builder.integers([1, 3]),
    ]);
  });
  const gradient = gathered === 1 ? wide : builder.add('Sum', shares);
  return [dual ? builder.transpose(gradient, [0, 1, 3, 2]) : gradient];
};

/** Lowerings of convolutions and their derivatives. */
export const convolutionLowerings: Readonly<Record<string, Lowering>> = {
  Conv2D: forward(false),
  DepthwiseConv2dNative: forward(true),
  Conv2DBackpropInput: inputGradient,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  [UNFOLD]: unfold,
  [UNFOLDED_FILTER_GRADIENT]: unfoldedFilterGradient,
};
