import type { ConvolutionGeometry } from '../array-kernels.js';
import type { Lowering, OnnxBuilder } from './builder.js';
import { BLOCKED_DOMAIN, filledUp, wholeBlocks } from './channel-blocks.js';
import type { GraphNode } from './graph.js';

/**
 * Filter gradients as convolutions over blocks of examples.
 *
 * The gradient in tap (i, j) is the sum, over examples and positions, of the
 * input at the position moved by (i, j) times the output gradient there. That
 * is a convolution in which examples take the place of input channels and the
 * output gradient that of the filter; ONNX Runtime's blocked convolution
 * (channel-blocks.ts) computes it without a copy of the input for each tap,
 * which makes it 2 to 6 times as fast as a product with unfolded images
 * (measured). Columns and channels of the input are one axis there, along
 * which the filter is dilated by the number of channels: each row of the result has
 * all taps of a row for all input channels.
 */
export const BLOCK_EXAMPLES = 'PruneLimitBlockExamples';
/** The output gradient as the filter of that convolution. */
export const BLOCK_OUTPUT_GRADIENT = 'PruneLimitBlockOutputGradient';
/** The convolution, and its result as a filter gradient. */
export const BLOCKED_FILTER_GRADIENT = 'PruneLimitBlockedFilterGradient';

/** How a filter gradient is computed over blocks of examples. */
export interface ExampleBlocks {
  /** Examples in a block; outputs are counted in the same blocks. */
  block: number;
  /** Parts of the examples whose sums are computed apart, so that several threads have work. */
  groups: number;
  /** Zeros above and below the input; below, where rows are left over, how many with a minus. */
  rowPadding: readonly [above: number, below: number];
  /** The same at the left and at the right. */
  columnPadding: readonly [left: number, right: number];
}

/** Rows or columns of zeros around the input with which the taps at the last position end where it ends. */
function reachedPadding(
  before: number,
  extent: number,
  out: number,
  stride: number,
  effectiveFilter: number,
): [number, number] {
  return [before, (out - 1) * stride + effectiveFilter - extent - before];
}

/** The padding that the taps of a convolution see, in both directions. */
export function tapPadding(
  geometry: ConvolutionGeometry,
): Pick<ExampleBlocks, 'rowPadding' | 'columnPadding'> {
  const { padInfo, inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth } = geometry;
  const { effectiveFilterHeight, effectiveFilterWidth } = geometry;
  return {
    rowPadding: reachedPadding(padInfo.top, inHeight, outHeight, strideHeight, effectiveFilterHeight),
    columnPadding: reachedPadding(padInfo.left, inWidth, outWidth, strideWidth, effectiveFilterWidth),
  };
}

/** Images [batch, rows, columns, channels] without the rows and columns that padding says are left over. */
function cropped(builder: OnnxBuilder, x: string, { rowPadding, columnPadding }: ExampleBlocks): string {
  const ends = [rowPadding[1], columnPadding[1]];
  const axes = [0, 1].filter((axis) => ends[axis] < 0);
  return axes.length === 0
    ? x
    : builder.add('Slice', [
        x,
        builder.integers(axes.map(() => 0)),
        builder.integers(axes.map((axis) => ends[axis])),
        builder.integers(axes.map((axis) => axis + 1)),
      ]);
}

/**
 * Blocks with columns of zeros at both sides, by a convolution with ones of one
 * tap: several threads compute it, while one alone does what ONNX calls Pad
 * (with that, both steps took 1.3 to 1.6 times as long on two threads, measured).
 */
function paddedColumns(
  builder: OnnxBuilder,
  blocked: string,
  examples: number,
  [left, right]: readonly [number, number],
): string {
  const ones = builder.add('Expand', [builder.scalar(1), builder.integers([examples, 1, 1, 1])]);
  return builder.add(`${BLOCKED_DOMAIN}.Conv`, [blocked, ones], {
    kernel_shape: [1, 1],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, left, 0, right],
    group: examples,
  });
}

/** Images to [1, examples, rows, columns * channels] in blocks of examples: rows are padded by the convolution. */
const blockExamples: Lowering = (node, builder) => {
  const blocks = node.attributes.blocks as ExampleBlocks;
  const { block, columnPadding } = blocks;
  const [batch, , , channels] = builder.value(node.inputs.x).shape;
  const { shape } = builder.value(node.outputs[0]);
  const [, examples, rows, width] = shape;
  const images = cropped(builder, builder.full(node.inputs.x), blocks);
  const filled = filledUp(builder, images, 4, 0, examples - batch);
  const [left, right] = [columnPadding[0], Math.max(0, columnPadding[1])];
  const unpadded = width - (left + right) * channels;
  // Examples of a block as its channels.
  const blocked = builder.reshape(filled, [examples / block, block, rows * unpadded, 1]);
  const reordered = builder.reshape(builder.add(`${BLOCKED_DOMAIN}.ReorderInput`, [blocked]), [
    1,
    examples,
    rows,
    unpadded,
  ]);
  return [
    left + right === 0
      ? reordered
      : paddedColumns(builder, reordered, examples, [left * channels, right * channels]),
  ];
};

/** The same from blocks of channels. */
function fromBlocks(node: GraphNode, builder: OnnxBuilder): string {
  const { block, groups } = node.attributes.blocks as ExampleBlocks;
  const [batch, outputBlocks, rows, columns] = builder.value(node.inputs.dy).shape;
  const { shape } = builder.value(node.outputs[0]);
  const examples = shape[1] * groups;
  const filled = filledUp(builder, builder.full(node.inputs.dy), 5, 0, examples - batch);
  const positions = rows * columns * block;
  // Examples of a block as rows of an image, everything else as its channels: several threads move them.
  const moved = builder.add(
    `${BLOCKED_DOMAIN}.ReorderInput`,
    [builder.reshape(filled, [examples / block, block, 1, outputBlocks * positions])],
    { channels_last: 1 },
  );
  const exampleBlocks = examples / block / groups;
  if (exampleBlocks === 1) {
    return builder.reshape(moved, shape);
  }
  const apart = builder.reshape(moved, [groups, exampleBlocks, outputBlocks, positions * block]);
  return builder.reshape(builder.transpose(apart, [0, 2, 1, 3]), shape);
}

/**
 * From [batch, rows, columns, outputs], or the same in blocks of channels,
 * [batch, outputs / B, rows, columns, B], to [groups, outputs / B, examples /
 * groups / B, rows, columns, B of examples, B of outputs].
 */
const blockOutputGradient: Lowering = (node, builder) => {
  const { block, groups } = node.attributes.blocks as ExampleBlocks;
  const from = builder.value(node.inputs.dy).shape;
  const { shape } = builder.value(node.outputs[0]);
  if (from.length === 5) {
    return [fromBlocks(node, builder)];
  }
  const [batch, rows, columns, outputs] = from;
  const [toOutputs, toExamples] = [shape[0] / groups, shape[1] * groups];
  const given = builder.full(node.inputs.dy);
  const filled = filledUp(
    builder,
    filledUp(builder, given, 4, 0, toExamples - batch),
    4,
    3,
    toOutputs - outputs,
  );
  if (toOutputs === block || toExamples === groups * block) {
    const reordered = (name: string): string =>
      builder.add(`${BLOCKED_DOMAIN}.ReorderInput`, [name], { channels_last: 1 });
    // In blocks of outputs, as the input gradient reads it: what is filled up aside, the two share that.
    const byOutputs = toOutputs === block ? filled : reordered(filled);
    // Examples of a block as rows of an image, positions as its blocks of channels: several threads move them.
    const moved = reordered(
      builder.reshape(byOutputs, [toExamples / block, block, 1, rows * columns * toOutputs]),
    );
    return [builder.reshape(moved, shape)];
  }
  const blocked = builder.reshape(filled, [
    groups,
    toExamples / groups / block,
    block,
    rows * columns,
    toOutputs / block,
    block,
  ]);
  return [builder.reshape(builder.transpose(blocked, [0, 4, 1, 3, 2, 5]), shape)];
};

const blockedFilterGradient: Lowering = (node, builder) => {
  const { images, gradient } = node.inputs;
  const { block, groups, rowPadding } = node.attributes.blocks as ExampleBlocks;
  const geometry = node.attributes.geometry as ConvolutionGeometry;
  const { shape } = builder.value(node.outputs[0]);
  const [height, width, inputs, outputs] = shape;
  const filled = wholeBlocks(outputs, block);
  const taps = height * width * inputs;
  const sums = builder.add(`${BLOCKED_DOMAIN}.Conv`, [builder.full(images), builder.full(gradient)], {
    kernel_shape: [geometry.outHeight, geometry.outWidth],
    strides: [geometry.dilationHeight, 1],
    dilations: [geometry.strideHeight, geometry.strideWidth * inputs],
    pads: [rowPadding[0], 0, Math.max(0, rowPadding[1]), 0],
    group: groups,
  });
  const sum =
    groups === 1
      ? builder.reshape(sums, [filled / block, taps, block])
      : builder.add(
          'ReduceSum',
          [builder.reshape(sums, [groups, filled / block, taps, block]), builder.integers([0])],
          { keepdims: 0 },
        );
  const channelsLast = builder.reshape(builder.transpose(sum, [1, 0, 2]), [height, width, inputs, filled]);
  return [
    filled === outputs
      ? channelsLast
      : builder.add('Slice', [
          channelsLast,
          builder.integers([0]),
          builder.integers([outputs]),
          builder.integers([3]),
        ]),
  ];
};

/** Lowerings of filter gradients over blocks of examples. */
export const exampleBlockLowerings: Readonly<Record<string, Lowering>> = {
  [BLOCK_EXAMPLES]: blockExamples,
  [BLOCK_OUTPUT_GRADIENT]: blockOutputGradient,
  [BLOCKED_FILTER_GRADIENT]: blockedFilterGradient,
};
