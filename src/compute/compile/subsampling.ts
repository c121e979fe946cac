import type { ConvolutionGeometry } from '../array-kernels.js';
import { isBlockable } from './block-convolutions.js';
import { type Graph, type GraphNode, graphValue, type ValueId } from './graph.js';
import { poolGeometry } from './pool-positions.js';
import { Rebuilder } from './rebuilder.js';
import { eliminateDeadNodes, type GraphPass } from './simplify.js';

/** The attribute that says what a kernel does to each axis. */
const BY_AXIS: Readonly<Record<string, string>> = { PadV2: 'paddings', Slice: 'begin' };

/** Pads and cuts where tensors lie, in place of a transposition before and one back after it. */
export const withoutTranspositions: GraphPass = (graph) => {
  const producers = new Map<ValueId, GraphNode>();
  const nodes = graph.nodes.map((node) => {
    const moved = node.kernel === 'Transpose' ? movedBack(graph, node, producers) : node;
    for (const output of moved.outputs) {
      producers.set(output, moved);
    }
    return moved;
  });
  return eliminateDeadNodes({ ...graph, nodes });
};

/** What a transposition gives, without it where it undoes an earlier one. */
function movedBack(graph: Graph, node: GraphNode, producers: ReadonlyMap<ValueId, GraphNode>): GraphNode {
  const changed = producers.get(node.inputs.x);
  const attribute = BY_AXIS[changed?.kernel ?? ''];
  const first = attribute === undefined ? undefined : producers.get(changed?.inputs.x ?? -1);
  if (changed === undefined || first?.kernel !== 'Transpose') {
    return node;
  }
  const [there, back] = [first, node].map(({ attributes }) => attributes.perm as number[]);
  if (back.some((axis, to) => there[axis] !== to)) {
    return node;
  }
  const given = changed.attributes[attribute] as unknown[];
  const attributes = {
    ...changed.attributes,
    ...(changed.kernel === 'Slice' ? { size: graphValue(graph, node.outputs[0]).shape } : {}),
    [attribute]: back.map((axis) => given[axis]),
  };
  return { kernel: changed.kernel, inputs: { x: first.inputs.x }, attributes, outputs: node.outputs };
}

/** Longer strides would leave most of the columns of an input gradient to zeros. */
const LONGEST_STRIDE = 2;

/** Channels of zeros before and after those of an image. */
type ChannelPadding = readonly [before: number, after: number];

/** The channels that a node pads; null where it pads anything else, or not with zeros. */
function paddedChannels({ kernel, attributes }: GraphNode): ChannelPadding | null {
  const paddings = attributes.paddings as [number, number][] | undefined;
  return kernel === 'PadV2' &&
    paddings?.length === 4 &&
    ((attributes.constantValue as number | undefined) ?? 0) === 0 &&
    paddings.slice(0, 3).every(([before, after]) => before + after === 0)
    ? paddings[3]
    : null;
}

/** The channels that a node cuts off; null where it cuts anything else. */
function cutChannels(
  graph: Graph,
  { kernel, inputs, attributes, outputs }: GraphNode,
): ChannelPadding | null {
  if (kernel !== 'Slice') {
    return null;
  }
  const [from, to] = [inputs.x, outputs[0]].map((id) => graphValue(graph, id).shape);
  const before = (attributes.begin as number[])[3];
  return from.length === 4 && from.slice(0, 3).every((extent, axis) => extent === to[axis])
    ? [before, from[3] - to[3] - before]
    : null;
}

/** The geometry of pooling that takes some pixels as they are; null for any other node. */
function subsamplingOf(
  graph: Graph,
  { kernel, inputs, attributes, outputs }: GraphNode,
): ConvolutionGeometry | null {
  if (kernel !== 'AvgPool' && kernel !== 'AvgPoolGrad') {
    return null;
  }
  const node = { kernel, inputs, attributes, outputs };
  const geometry = poolGeometry(node, graphValue(graph, inputs.x ?? inputs.input).shape);
  const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = geometry;
  const { top, left, bottom, right } = padInfo;
  return filterHeight * filterWidth === 1 &&
    strideHeight * strideWidth > 1 &&
    Math.max(strideHeight, strideWidth) <= LONGEST_STRIDE &&
    Math.max(top, left, bottom, right) <= 0
    ? geometry
    : null;
}

/**
 * Writes average pooling with windows of one position, every other pixel, as a
 * convolution over blocks of channels with the identity for its filter, where
 * channels are so many; channels of zeros that are put around its result (the
 * shortcuts of residual networks) are zeros of the filter. Several threads
 * compute that, and its gradient can be added by another convolution's. A number
 * that is not finite makes all channels of its pixel NaN.
 *
 * @param block channels in a block, of ONNX Runtime on this machine; null for
 *   none: the graph stays as it is
 */
export function convolveSubsampling(graph: Graph, block: number | null): Graph {
  return block === null ? graph : new Subsampling(graph, block).written();
}

class Subsampling {
  private readonly rebuilder: Rebuilder;
  private readonly filters = new Map<string, ValueId>();
  /** Pooling nodes by their results, and what cut channels off by its result. */
  private readonly pooled = new Map<ValueId, GraphNode>();
  private readonly cut = new Map<ValueId, { dy: ValueId; padding: ChannelPadding }>();

  constructor(
    private readonly graph: Graph,
    private readonly block: number,
  ) {
    this.rebuilder = new Rebuilder(graph);
  }

  written(): Graph {
    for (const node of this.graph.nodes) {
      this.rebuilder.nodes.push(this.convolution(node) ?? node);
    }
    return this.filters.size === 0 ? this.graph : eliminateDeadNodes(this.rebuilder.finish());
  }

  /** The convolution, or gradient of one, that gives what a node does. */
  private convolution(node: GraphNode): GraphNode | null {
    const [output] = node.outputs;
    const padding = paddedChannels(node);
    const cut = cutChannels(this.graph, node);
    if (cut !== null) {
      this.cut.set(output, { dy: node.inputs.x, padding: cut });
      return null;
    }
    const pooling = padding === null ? node : this.pooled.get(node.inputs.x);
    const geometry = pooling === undefined ? null : subsamplingOf(this.graph, pooling);
    if (pooling === undefined || geometry === null) {
      return null;
    }
    if (pooling.kernel === 'AvgPool') {
      this.pooled.set(pooling.outputs[0], pooling);
      return this.forward(pooling.inputs.x, geometry, padding ?? [0, 0], output);
    }
    return this.gradient(pooling, geometry);
  }

  private forward(
    x: ValueId,
    geometry: ConvolutionGeometry,
    padding: ChannelPadding,
    output: ValueId,
  ): GraphNode | null {
    const inputs = { x, filter: this.filter(geometry.inChannels, padding) };
    const node = { kernel: 'Conv2D', inputs, attributes: convolutionAttributes(geometry), outputs: [output] };
    return isBlockable(this.rebuilder, node, this.block) ? node : null;
  }

  private gradient(node: GraphNode, geometry: ConvolutionGeometry): GraphNode | null {
    const given = { dy: node.inputs.dy, padding: [0, 0] as const };
    const { dy, padding } = this.cut.get(node.inputs.dy) ?? given;
    const forward = this.forward(node.inputs.input, geometry, padding, node.outputs[0]);
    if (forward === null) {
      return null;
    }
    const inputShape = graphValue(this.graph, node.inputs.input).shape;
    return {
      kernel: 'Conv2DBackpropInput',
      inputs: { dy, filter: forward.inputs.filter },
      attributes: { ...forward.attributes, inputShape },
      outputs: node.outputs,
    };
  }

  /** The identity of so many channels, with outputs of zeros around it. */
  private filter(channels: number, [before, after]: ChannelPadding): ValueId {
    const key = `${channels}:${before}:${after}`;
    const outputs = before + channels + after;
    const identity = new Float32Array(channels * outputs);
    for (let channel = 0; channel < channels; channel++) {
      identity[channel * outputs + before + channel] = 1;
    }
    const filter = this.filters.get(key) ?? this.rebuilder.data(identity, [1, 1, channels, outputs]);
    this.filters.set(key, filter);
    return filter;
  }
}

function convolutionAttributes({ strideHeight, strideWidth }: ConvolutionGeometry): Record<string, unknown> {
  return {
    strides: [strideHeight, strideWidth],
    dilations: [1, 1],
    pad: 'valid',
    dataFormat: 'NHWC',
  };
}
