import { ONNX_TYPES } from '../../onnx-schema.js';
import type { ConvolutionGeometry } from '../array-kernels.js';
import { MAX_POOL_GATHER } from '../kernels.js';
import { poolGeometry as geometryOfPool } from '../pooling-kernels.js';
import type { Lowering } from './builder.js';
import { elementCount, type Graph, type GraphNode, graphValue } from './graph.js';
import { Rebuilder } from './rebuilder.js';
import { dependentValues } from './simplify.js';
import { nchw, TO_NHWC, windowAttributes } from './windows.js';

/** Where the maximum of each window is: positions in the flat NHWC input, in the shape of the result. */
export const POOL_MAXIMA = 'PruneLimitPoolMaxima';
/** Of which window each input is the maximum: positions in the flat result, its size for none. */
export const POOL_SOURCES = 'PruneLimitPoolSources';
/** Elements at flat positions; 0 at the position after the last. */
export const GATHER_AT = 'PruneLimitGatherAt';
/** Sums elements into flat positions of zeros. */
export const SCATTER_TO = 'PruneLimitScatterTo';

/** Geometry of a pooling kernel of tfjs. */
export function poolGeometry(node: GraphNode, inputShape: readonly number[]): ConvolutionGeometry {
  return geometryOfPool(inputShape, node.attributes);
}

/**
 * Takes the search for maxima out of derivatives of max pooling, so that it is
 * done once where the input is fixed. Where windows do not overlap, an input is
 * the maximum of one window at most: the gradient can be gathered, which is
 * faster than to scatter it and runs on all threads.
 */
export function separatePoolMaxima(graph: Graph, variableInputs: readonly string[]): Graph {
  const variable = dependentValues(graph, variableInputs);
  const rebuilder = new Rebuilder(graph);
  for (const node of graph.nodes) {
    const { input } = node.inputs;
    const derivative = node.kernel === 'MaxPoolGrad' || node.kernel === MAX_POOL_GATHER;
    if (!derivative || variable.has(input)) {
      rebuilder.nodes.push(node);
      continue;
    }
    const inputShape = graphValue(graph, input).shape;
    const geometry = poolGeometry(node, inputShape);
    const positions = { shape: geometry.outShape, type: 'int32' } as const;
    const maxima = rebuilder.add(POOL_MAXIMA, { input }, { geometry }, positions);
    const { outputs } = node;
    if (node.kernel === MAX_POOL_GATHER) {
      const inputs = { x: node.inputs.values, positions: maxima };
      rebuilder.nodes.push({ kernel: GATHER_AT, inputs, attributes: {}, outputs });
      continue;
    }
    const { filterHeight, filterWidth, strideHeight, strideWidth } = geometry;
    if (strideHeight < filterHeight || strideWidth < filterWidth) {
      const inputs = { x: node.inputs.dy, positions: maxima };
      rebuilder.nodes.push({ kernel: SCATTER_TO, inputs, attributes: {}, outputs });
      continue;
    }
    const sources = rebuilder.add(POOL_SOURCES, { maxima }, {}, { shape: inputShape, type: 'int32' });
    const inputs = { x: node.inputs.dy, positions: sources };
    rebuilder.nodes.push({ kernel: GATHER_AT, inputs, attributes: { orZero: true }, outputs });
  }
  return rebuilder.finish();
}

const poolMaxima: Lowering = (node, builder) => {
  const { input } = node.inputs;
  const [batch, height, width, channels] = builder.value(input).shape;
  const geometry = node.attributes.geometry as ConvolutionGeometry;
  const [, indices] = builder.addWithOutputs('MaxPool', [nchw(builder, input)], 2, {
    ...windowAttributes(geometry),
    kernel_shape: [geometry.filterHeight, geometry.filterWidth],
  });
  // From positions in the flat NCHW input to those in the flat NHWC one.
  const withinImage = builder.transpose(
    builder.add('Mod', [indices, builder.integers([height * width])]),
    TO_NHWC,
  );
  const offsets = Array.from({ length: batch * channels }, (_, index) => {
    const channel = index % channels;
    return ((index - channel) / channels) * height * width * channels + channel;
  });
  const positions = builder.add('Add', [
    builder.add('Mul', [withinImage, builder.integers([channels])]),
    builder.integers(offsets, [batch, 1, 1, channels]),
  ]);
  return [builder.add('Cast', [positions], { to: ONNX_TYPES.int32 })];
};

const poolSources: Lowering = (node, builder) => {
  const { maxima } = node.inputs;
  const { shape } = builder.value(node.outputs[0]);
  const windows = elementCount(builder.value(maxima).shape);
  const none = builder.add('Expand', [
    builder.scalar(windows, 'int32'),
    builder.integers([elementCount(shape)]),
  ]);
  const numbers = builder.add('Range', [
    builder.scalar(0, 'int32'),
    builder.scalar(windows, 'int32'),
    builder.scalar(1, 'int32'),
  ]);
  const sources = builder.add(
    'ScatterElements',
    [none, builder.reshape(builder.full(maxima), [windows]), numbers],
    { axis: 0 },
  );
  return [builder.reshape(sources, shape)];
};

const gatherAt: Lowering = (node, builder) => {
  const { x, positions } = node.inputs;
  const flat = builder.reshape(builder.full(x), [-1]);
  const zero = builder.initializer('float32', [1], Float32Array.of(0), 'float32:[0]');
  const gathered = builder.add(
    'GatherElements',
    [
      node.attributes.orZero === true ? builder.add('Concat', [flat, zero], { axis: 0 }) : flat,
      builder.reshape(builder.full(positions), [-1]),
    ],
    { axis: 0 },
  );
  return [builder.reshape(gathered, builder.value(node.outputs[0]).shape)];
};

const scatterTo: Lowering = (node, builder) => {
  const { x, positions } = node.inputs;
  const { shape } = builder.value(node.outputs[0]);
  const zeros = builder.add('Expand', [builder.scalar(0), builder.integers([elementCount(shape)])]);
  const scattered = builder.add(
    'ScatterElements',
    [zeros, builder.reshape(builder.full(positions), [-1]), builder.reshape(builder.full(x), [-1])],
    { axis: 0, reduction: 'add' },
  );
  return [builder.reshape(scattered, shape)];
};

/** Lowerings of what {@link separatePoolMaxima} writes. */
export const poolPositionLowerings: Readonly<Record<string, Lowering>> = {
  [POOL_MAXIMA]: poolMaxima,
  [POOL_SOURCES]: poolSources,
  [GATHER_AT]: gatherAt,
  [SCATTER_TO]: scatterTo,
};
