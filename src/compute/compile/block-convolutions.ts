import type { ConvolutionGeometry } from '../array-kernels.js';
import {
  BLOCK_CHANNELS,
  BLOCK_FILTER,
  BLOCKED_CONVOLUTION,
  blockedInputChannels,
  UNBLOCK_CHANNELS,
  wholeBlocks,
} from './channel-blocks.js';
import { fewestOperations, gatheredColumns } from './columns.js';
import { convolutionGeometry } from './convolution-lowering.js';
import {
  countReads,
  elementCount,
  type Graph,
  type GraphNode,
  graphValue,
  isSameShape,
  type ValueId,
} from './graph.js';
import { Rebuilder } from './rebuilder.js';
import { hasTransposedConvolution, transposedGeometry } from './windows.js';

/**
 * How many times the operations a blocked convolution may take, counting the
 * channels filled up. It is 1.6 to 2 times as fast per operation.
 */
const LARGEST_WASTE = 1.75;

/** Larger numbers of channels that are no multiple of this cannot be blocked. */
const CHANNEL_MULTIPLE = 4;

/** A convolution kernel of tfjs, said as one over blocks of channels. */
interface Blockable {
  image: ValueId;
  filter: ValueId;
  /** Of the convolution to compute: for an input gradient that of the transposed one. */
  geometry: ConvolutionGeometry;
  depthwise: boolean;
  /** With reversed taps and exchanged channels. */
  swapped: boolean;
  /** Neighbouring columns of the result that are computed as channels of one. */
  columns: number;
}

function blockable(graph: Pick<Graph, 'values'>, node: GraphNode, block: number): Blockable | null {
  const depthwise = node.kernel.startsWith('DepthwiseConv2dNative');
  const swapped = node.kernel.endsWith('BackpropInput');
  if (!['Conv2D', 'DepthwiseConv2dNative'].includes(node.kernel.replace('BackpropInput', ''))) {
    return null;
  }
  const { filter } = node.inputs;
  const image = swapped ? node.inputs.dy : node.inputs.x;
  const inputShape = swapped ? (node.attributes.inputShape as number[]) : graphValue(graph, image).shape;
  const filterShape = graphValue(graph, filter).shape;
  const forward = convolutionGeometry(node, inputShape, filterShape, depthwise);
  if (swapped && !hasTransposedConvolution(forward)) {
    return null;
  }
  const geometry = swapped ? transposedGeometry(forward) : forward;
  const { inChannels, outChannels, padInfo } = geometry;
  if (Math.min(padInfo.top, padInfo.bottom, padInfo.left, padInfo.right) < 0) {
    return null;
  }
  const convolved = { image, filter, depthwise, swapped };
  if (depthwise) {
    const whole = inChannels === outChannels && inChannels % block === 0;
    return whole ? { ...convolved, geometry, columns: 1 } : null;
  }
  const { columns, operations: perOutput } = fewestOperations(geometry, block);
  const operations = perOutput * (blockedInputChannels(inChannels, block) / inChannels);
  const readable = inChannels < block || inChannels % CHANNEL_MULTIPLE === 0;
  return readable && operations <= LARGEST_WASTE
    ? { ...convolved, geometry: gatheredColumns(geometry, columns), columns }
    : null;
}

/** Whether {@link blockConvolutions} writes a node over blocks of channels. */
export function isBlockable(graph: Pick<Graph, 'values'>, node: GraphNode, block: number): boolean {
  return blockable(graph, node, block) !== null;
}

/** A blocked convolution with what is done to its result before it is written. */
interface Finished {
  convolved: Blockable;
  /** One number for each channel, added. */
  bias: ValueId | null;
}

/**
 * Writes convolutions and input gradients of stride 1 over blocks of channels
 * where that is faster. They add a bias and rectify themselves, without another
 * pass over memory; a sum of two of them lets the second one add.
 *
 * @param block channels in a block, of ONNX Runtime on this machine; null for
 *   none: the graph stays as it is
 */
export function blockConvolutions(graph: Graph, block: number | null): Graph {
  if (block === null) {
    return graph;
  }
  const rebuilder = new Rebuilder(graph);
  const reads = countReads(graph);
  const blocked = (x: ValueId): ValueId => {
    const [batch, height, width, channels] = graphValue(graph, x).shape;
    const shape = [batch, blockedInputChannels(channels, block), height, width];
    return rebuilder.add(BLOCK_CHANNELS, { x }, { block }, { shape, type: 'float32' });
  };
  const blockedFilter = ({ filter, depthwise, swapped, geometry, columns }: Blockable): ValueId => {
    const { filterHeight, filterWidth, inChannels, outChannels, strideWidth } = geometry;
    const shape = depthwise
      ? [outChannels, 1, filterHeight, filterWidth]
      : [wholeBlocks(outChannels, block), blockedInputChannels(inChannels, block), filterHeight, filterWidth];
    const attributes = { block, swapped, depthwise, columns, columnStep: strideWidth / columns };
    return rebuilder.add(BLOCK_FILTER, { filter }, attributes, { shape, type: 'float32' });
  };
  const convolution = ({ convolved, bias }: Finished, sum: ValueId | null, rectified = false): ValueId => {
    const { geometry, depthwise, columns } = convolved;
    const { batchSize, outChannels, outHeight, outWidth } = geometry;
    return rebuilder.add(
      BLOCKED_CONVOLUTION,
      {
        x: blocked(convolved.image),
        filter: blockedFilter(convolved),
        ...(bias === null ? {} : { bias }),
        ...(sum === null ? {} : { sum }),
      },
      { geometry, group: depthwise ? outChannels : 1, columns, rectified },
      { shape: [batchSize, wholeBlocks(outChannels, block), outHeight, outWidth], type: 'float32' },
    );
  };
  const unblocked = (x: ValueId, { geometry }: Blockable, outputs: readonly ValueId[]): void => {
    const attributes = { block, channels: geometry.outChannels };
    rebuilder.nodes.push({ kernel: UNBLOCK_CHANNELS, inputs: { x }, attributes, outputs });
  };
  /** Values that blocked convolutions compute. */
  const results = new Map<ValueId, Finished>();
  /** The convolution that computes a value which nothing else reads: written anew, it is dead where it stands. */
  const onlyRead = (id: ValueId): Finished | undefined => (reads.get(id) === 1 ? results.get(id) : undefined);
  const isBias = (id: ValueId, channels: number): boolean => {
    const { shape, type } = graphValue(graph, id);
    return type === 'float32' && elementCount(shape) === channels && shape.at(-1) === channels;
  };
  const rewritten = ({ kernel, inputs, outputs }: GraphNode): boolean => {
    const first = onlyRead(inputs.a ?? inputs.x);
    if (first === undefined || (kernel !== 'Relu' && kernel !== 'Add')) {
      return false;
    }
    const { convolved, bias } = first;
    if (kernel === 'Relu') {
      unblocked(convolution(first, null, true), convolved, outputs);
      return true;
    }
    const channels = convolved.geometry.outChannels / convolved.columns;
    if (bias === null && isBias(inputs.b, channels)) {
      const finished = { convolved, bias: inputs.b };
      results.set(outputs[0], finished);
      unblocked(convolution(finished, null), convolved, outputs);
      return true;
    }
    const second = onlyRead(inputs.b);
    if (second === undefined || !isSameShape(graph, inputs.a, inputs.b)) {
      return false;
    }
    unblocked(convolution(second, convolution(first, null)), second.convolved, outputs);
    return true;
  };
  for (const node of graph.nodes) {
    const convolved = blockable(graph, node, block);
    if (convolved !== null) {
      const finished = { convolved, bias: null };
      results.set(node.outputs[0], finished);
      unblocked(convolution(finished, null), convolved, node.outputs);
    } else if (!rewritten(node)) {
      rebuilder.nodes.push(node);
    }
  }
  return rebuilder.finish();
}
