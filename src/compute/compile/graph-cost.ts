import { kernelOperations } from '../operation-count.js';
import { elementCount, type Graph, graphValue, type ValueId } from './graph.js';

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

/** The cost of running a graph once. */
export function graphCost(graph: Graph): GraphCost {
  const shapeOf = (id: ValueId): readonly number[] => graphValue(graph, id).shape;
  let operations = 0;
  let trafficBytes = 0;
  for (const { kernel, inputs, outputs } of graph.nodes) {
    const operands = Object.values(inputs);
    operations += kernelOperations({
      name: kernel,
      inputShapes: operands.map(shapeOf),
      outputShapes: outputs.map(shapeOf),
    });
    trafficBytes += [...operands, ...outputs].reduce((sum, id) => sum + bytesOf(graph, id), 0);
  }
  return { operations, trafficBytes, peakBytes: peakLiveBytes(graph) };
}
