import { kernelOperations } from '../operation-count.js';
import { BLOCKED_CONVOLUTION } from './channel-blocks.js';
import { UNFOLDED_FILTER_GRADIENT } from './convolution-lowering.js';
import { BLOCKED_FILTER_GRADIENT } from './example-blocks.js';
import { elementCount, type Graph, type GraphNode, graphValue, type ValueId } from './graph.js';

/** What a program takes, known before it is compiled. */
export interface GraphCost {
  /** Floating-point operations of its matrix products and convolutions. */
  operations: number;
  /** Bytes that its nodes read and write. */
  trafficBytes: number;
  /** Bytes of tensors that live at the same time, at most. */
  peakBytes: number;
}

/** Bytes of a value; a constant that holds one number takes none. */
export function bytesOf(graph: Graph, id: ValueId): number {
  return graph.constants.get(id)?.kind === 'uniform' ? 0 : 4 * elementCount(graphValue(graph, id).shape);
}

/** Peak of the tensors that nodes produce and later nodes still read, in bytes. */
export function peakLiveBytes(graph: Graph): number {
  const lastUse = new Map<ValueId, number>();
  graph.nodes.forEach((node, index) => {
    for (const id of Object.values(node.inputs)) {
      lastUse.set(id, index);
    }
  });
  for (const id of Object.values(graph.outputs)) {
    lastUse.set(id, graph.nodes.length);
  }
  let live = 0;
  let peak = 0;
  const produced = new Set<ValueId>();
  graph.nodes.forEach((node, index) => {
    for (const id of node.outputs) {
      live += bytesOf(graph, id);
      produced.add(id);
    }
    peak = Math.max(peak, live);
    for (const id of new Set([...Object.values(node.inputs), ...node.outputs])) {
      if (produced.has(id) && (lastUse.get(id) ?? index) <= index) {
        live -= bytesOf(graph, id);
        produced.delete(id);
      }
    }
  });
  return peak;
}

/** Operations of a node: of tfjs' kernels, and of those that take the place of convolutions. */
function nodeOperations(graph: Graph, { kernel, inputs, outputs }: GraphNode): number {
  const shapeOf = (id: ValueId): readonly number[] => graphValue(graph, id).shape;
  if (kernel === BLOCKED_CONVOLUTION) {
    const [batch, , height, width] = shapeOf(outputs[0]);
    return 2 * elementCount(shapeOf(inputs.filter)) * batch * height * width;
  }
  if (kernel === UNFOLDED_FILTER_GRADIENT) {
    return 2 * elementCount(shapeOf(inputs.unfolded)) * (shapeOf(inputs.other).at(-1) ?? 1);
  }
  if (kernel === BLOCKED_FILTER_GRADIENT) {
    const [height, width, channels] = shapeOf(outputs[0]);
    return 2 * height * width * channels * elementCount(shapeOf(inputs.gradient));
  }
  return kernelOperations({
    name: kernel,
    inputShapes: Object.values(inputs).map(shapeOf),
    outputShapes: outputs.map(shapeOf),
  });
}

/** The cost of running a graph once. */
export function graphCost(graph: Graph): GraphCost {
  let operations = 0;
  let trafficBytes = 0;
  for (const node of graph.nodes) {
    operations += nodeOperations(graph, node);
    trafficBytes += [...Object.values(node.inputs), ...node.outputs].reduce(
      (sum, id) => sum + bytesOf(graph, id),
      0,
    );
  }
  return { operations, trafficBytes, peakBytes: peakLiveBytes(graph) };
}
