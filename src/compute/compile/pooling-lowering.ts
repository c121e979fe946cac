import { averagePoolCounts, type ConvolutionGeometry } from '../array-kernels.js';
import { MAX_POOL_GATHER } from '../kernels.js';
import type { Lowering, OnnxBuilder } from './builder.js';
import type { ValueId } from './graph.js';
import { poolGeometry, poolPositionLowerings } from './pool-positions.js';
import { nchw, outputPadding, TO_NHWC, windowAttributes } from './windows.js';

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

/** Lowerings of pooling and its derivatives. */
export const poolingLowerings: Readonly<Record<string, Lowering>> = {
  MaxPool: maxPool,
  MaxPoolGrad: maxPoolGradient,
  [MAX_POOL_GATHER]: maxPoolGather,
  AvgPool: averagePool,
  AvgPoolGrad: averagePoolGradient,
  ...poolPositionLowerings,
};
