import type { Graph, GraphNode, GraphValue, ValueId } from './graph.js';

/** Builds a graph node by node, with new values numbered after the old ones. */
export class Rebuilder {
  readonly nodes: GraphNode[] = [];
  readonly values: Map<ValueId, GraphValue>;
  private next: ValueId;

  constructor(private readonly graph: Graph) {
    this.values = new Map(graph.values);
    this.next = Math.max(-1, ...graph.values.keys()) + 1;
  }

  /** Adds a node with one output and returns that. */
  add(
    kernel: string,
    inputs: Record<string, ValueId>,
    attributes: Record<string, unknown>,
    value: GraphValue,
  ): ValueId {
    const id = this.next++;
    this.values.set(id, value);
    this.nodes.push({ kernel, inputs, attributes, outputs: [id] });
    return id;
  }

  /** The graph with the nodes collected so far. */
  finish(): Graph {
    return { ...this.graph, values: this.values, nodes: this.nodes };
  }
}
