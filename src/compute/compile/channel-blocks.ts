import type { ConvolutionGeometry } from '../array-kernels.js';
import type { Lowering, OnnxBuilder } from './builder.js';
import type { ValueId } from './graph.js';
import { TO_NCHW, windowAttributes } from './windows.js';

/**
 * Convolutions over blocks of channels.
 *
 * ONNX Runtime's fastest convolution on a CPU (1.6 to 2 times as fast as its
 * general one, measured) wants channels in blocks of the width of a vector
 * register: [batch, channels / B, height, width, B]. ONNX Runtime itself uses
 * it for filters that are constants of the model only; filters of a curvature
 * product are not, so these lowerings call the operators of its internal
 * domain. Whether they are there and which B they use is found out by
 * computing with them (`channelBlockSize`).
 *
 * Fewer channels than a block are not blocked but channels first; other
 * numbers are filled up with zeros to whole blocks. Tensors have the shape
 * that ONNX Runtime gives them: [batch, channels of whole blocks, height, width].
 */
export const BLOCK_CHANNELS = 'PruneLimitBlockChannels';
/** Back to channels last, without the channels filled up. */
export const UNBLOCK_CHANNELS = 'PruneLimitUnblockChannels';
/** A filter as a blocked convolution wants it. */
export const BLOCK_FILTER = 'PruneLimitBlockFilter';
/** A blocked convolution, plus `bias` and `sum` where they are given, and rectified where it says so. */
export const BLOCKED_CONVOLUTION = 'PruneLimitBlockedConvolution';

/** ONNX Runtime's domain of operators over blocks. */
export const BLOCKED_DOMAIN = 'com.microsoft.nchwc';

/** Channels of whole blocks. */
export function wholeBlocks(channels: number, block: number): number {
  return Math.ceil(channels / block) * block;
}

/** Channels that a blocked convolution reads: fewer than a block as they are, else whole blocks. */
export function blockedInputChannels(channels: number, block: number): number {
  return channels < block ? channels : wholeBlocks(channels, block);
}

const blockChannels: Lowering = (node, builder) => {
  const block = node.attributes.block as number;
  const { x } = node.inputs;
  const channels = builder.value(x).shape[3];
  if (channels < block) {
    return [builder.transpose(builder.full(x), TO_NCHW)];
  }
  return [
    channels === block
      ? builder.reshape(builder.full(x), builder.value(node.outputs[0]).shape)
      : builder.add(`${BLOCKED_DOMAIN}.ReorderInput`, [builder.full(x)], { channels_last: 1 }),
  ];
};

const unblockChannels: Lowering = (node, builder) => {
  const { shape } = builder.value(node.outputs[0]);
  const blocked = builder.full(node.inputs.x);
  const channels = node.attributes.channels as number;
  // Channels that are columns next to each other lie as these do.
  if (channels === node.attributes.block) {
    return [builder.reshape(blocked, shape)];
  }
  const channelsLast = builder.add(`${BLOCKED_DOMAIN}.ReorderOutput`, [blocked], {
    channels,
    channels_last: 1,
  });
  return [channels === shape[3] ? channelsLast : builder.reshape(channelsLast, shape)];
};

/** Fills an axis up with so many zeros at its end. */
export function filledUp(
  builder: OnnxBuilder,
  name: string,
  rank: number,
  axis: number,
  missing: number,
): string {
  const after = Array.from({ length: rank }, (_, index) => (index === axis ? missing : 0));
  return missing === 0
    ? name
    : builder.add('Pad', [name, builder.integers([...after.map(() => 0), ...after]), builder.scalar(0)]);
}

/** A filter [kh, kw, in, out] with its taps reversed. */
export function rotatedTaps(builder: OnnxBuilder, filter: ValueId): string {
  const { shape } = builder.value(filter);
  const [taps, size] = [shape[0] * shape[1], shape[2] * shape[3]];
  const given = builder.full(filter);
  if (taps === 1) {
    return given;
  }
  const order = Array.from({ length: taps }, (_, tap) => taps - 1 - tap);
  // Gather copies a tap at once, a slice backwards each row of it.
  const reversed = builder.add('Gather', [builder.reshape(given, [taps, size]), builder.integers(order)], {
    axis: 0,
  });
  return builder.reshape(reversed, shape);
}

/** For each of some neighbouring columns the filter where that column sees it: [kh, wider, in, columns * out]. */
function forColumns(builder: OnnxBuilder, filter: string, columns: number, step: number): string {
  if (columns === 1) {
    return filter;
  }
  const shifted = Array.from({ length: columns }, (_, column) => {
    const [before, after] = [column * step, (columns - 1 - column) * step];
    return builder.add('Pad', [
      filter,
      builder.integers([0, before, 0, 0, 0, after, 0, 0]),
      builder.scalar(0),
    ]);
  });
  return builder.add('Concat', shifted, { axis: 3 });
}

/**
 * A filter of whole blocks, [kh, kw, in, out] or `exchanged` [kh, kw, out, in],
 * as [out / B, in / B, kh, kw, B of in, B of out]: first each tap by itself,
 * which takes ONNX Runtime a quarter of the time of exchanging numbers in one
 * transposition (measured); then there are only whole blocks left to move.
 */
function filterInBlocks(
  builder: OnnxBuilder,
  filter: string,
  {
    taps,
    fromWhole,
    toWhole,
    block,
    exchanged,
  }: { taps: number; fromWhole: number; toWhole: number; block: number; exchanged: boolean },
): string {
  const [rows, columns] = exchanged ? [toWhole, fromWhole] : [fromWhole, toWhole];
  const images = (taps * rows) / block;
  const moved = exchanged
    ? builder.add(`${BLOCKED_DOMAIN}.ReorderInput`, [builder.reshape(filter, [images, block, 1, columns])])
    : builder.add(`${BLOCKED_DOMAIN}.ReorderInput`, [builder.reshape(filter, [images, 1, block, columns])], {
        channels_last: 1,
      });
  const blocks = builder.reshape(moved, [taps, rows / block, columns / block, block * block]);
  return builder.transpose(blocks, exchanged ? [1, 2, 0, 3] : [2, 1, 0, 3]);
}

/**
 * From [kh, kw, in, out] to [out / B, in / B, kh, kw, B of in, B of out]; for
 * fewer inputs than a block to [out / B, in, kh, kw, B of out]. `swapped`: with
 * the taps reversed and inputs and outputs exchanged, as input gradients want
 * it. `columns`: with the filter once for each of so many neighbouring columns,
 * which come before the outputs. `depthwise`: [kh, kw, channels, 1] to [channels / B, 1, kh, kw, B].
 */
const blockFilter: Lowering = (node, builder) => {
  const block = node.attributes.block as number;
  const swapped = node.attributes.swapped === true;
  const columns = node.attributes.columns as number;
  const [height, ownWidth, inputs, outputs] = builder.value(node.inputs.filter).shape;
  const taps = swapped ? rotatedTaps(builder, node.inputs.filter) : builder.full(node.inputs.filter);
  const { shape } = builder.value(node.outputs[0]);
  if (node.attributes.depthwise === true) {
    const blocks = builder.reshape(taps, [height, ownWidth, inputs / block, block]);
    return [builder.reshape(builder.transpose(blocks, [2, 0, 1, 3]), shape)];
  }
  const [from, to] = swapped ? [outputs, inputs * columns] : [inputs, outputs * columns];
  // Where nothing else wants inputs and outputs exchanged, the blocks are.
  const exchanged = swapped && columns === 1 && from >= block;
  const oriented = swapped && !exchanged ? builder.transpose(taps, [0, 1, 3, 2]) : taps;
  const widened = forColumns(builder, oriented, columns, node.attributes.columnStep as number);
  const width = shape[3];
  const [toWhole, fromWhole] = [wholeBlocks(to, block), blockedInputChannels(from, block)];
  const [fromAxis, toAxis] = exchanged ? [3, 2] : [2, 3];
  const filled = filledUp(
    builder,
    filledUp(builder, widened, 4, fromAxis, fromWhole - from),
    4,
    toAxis,
    toWhole - to,
  );
  const blocked =
    from < block
      ? builder.transpose(
          builder.reshape(filled, [height, width, from, toWhole / block, block]),
          [3, 2, 0, 1, 4],
        )
      : filterInBlocks(builder, filled, { taps: height * width, fromWhole, toWhole, block, exchanged });
  return [builder.reshape(blocked, shape)];
};

const blockedConvolution: Lowering = (node, builder) => {
  const { x, filter, bias, sum } = node.inputs;
  const geometry = node.attributes.geometry as ConvolutionGeometry;
  const columns = node.attributes.columns as number;
  const channels = builder.value(node.outputs[0]).shape[1];
  const blockedBias = (): string => {
    const own = builder.reshape(builder.full(bias), [geometry.outChannels / columns]);
    const repeated =
      columns === 1 ? own : builder.add('Concat', Array<string>(columns).fill(own), { axis: 0 });
    return filledUp(builder, repeated, 1, 0, channels - geometry.outChannels);
  };
  const optional = [bias === undefined ? '' : blockedBias(), sum === undefined ? '' : builder.full(sum)];
  return [
    builder.add(
      `${BLOCKED_DOMAIN}.Conv`,
      [
        builder.full(x),
        builder.full(filter),
        ...optional.slice(0, sum === undefined ? (bias === undefined ? 0 : 1) : 2),
      ],
      {
        ...windowAttributes(geometry),
        kernel_shape: [geometry.filterHeight, geometry.filterWidth],
        group: node.attributes.group as number,
        ...(node.attributes.rectified === true ? { activation: 'Relu' } : {}),
      },
    ),
  ];
};

/** Lowerings of convolutions over blocks of channels. */
export const blockedConvolutionLowerings: Readonly<Record<string, Lowering>> = {
  [BLOCK_CHANNELS]: blockChannels,
  [UNBLOCK_CHANNELS]: unblockChannels,
  [BLOCK_FILTER]: blockFilter,
  [BLOCKED_CONVOLUTION]: blockedConvolution,
};
