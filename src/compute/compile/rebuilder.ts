import type { Graph, GraphConstant, GraphNode, GraphValue, ValueId } from './graph.js';

/** Builds a graph node by node, with new values numbered after the old ones. */
export class Rebuilder {
  readonly nodes: GraphNode[] = [];
  readonly values: Map<ValueId, GraphValue>;
  private readonly constants: Map<ValueId, GraphConstant>;
  private next: ValueId;

  constructor(private readonly graph: Graph) {
    this.values = new Map(graph.values);
    this.constants = new Map(graph.constants);
    this.next = Math.max(-1, ...graph.values.keys()) + 1;
  }

  /** A new value, for a node to compute. */
  define(value: GraphValue): ValueId {
    const id = this.next++;
    this.values.set(id, value);
    return id;
  }

  /** Adds a node with one output and returns that. */
  add(
    kernel: string,
    inputs: Record<string, ValueId>,
    attributes: Record<string, unknown>,
    value: GraphValue,
  ): ValueId {
    const id = this.define(value);
    this.nodes.push({ kernel, inputs, attributes, outputs: [id] });
    return id;
  }

  /** Adds a float32 value in another shape. */
  reshape(x: ValueId, shape: readonly number[]): ValueId {
    return this.add('Reshape', { x }, { shape }, { shape, type: 'float32' });
  }

  /** Adds a scalar constant. */
  scalar(value: number): ValueId {
    return this.constant({ kind: 'uniform', value }, []);
  }

  /** Adds a constant of zeros. */
  zeros(shape: readonly number[]): ValueId {
    return this.constant({ kind: 'uniform', value: 0 }, shape);
  }

  /** Adds a constant with the given numbers. */
  data(data: Float32Array, shape: readonly number[]): ValueId {
    return this.constant({ kind: 'data', data }, shape);
  }

  private constant(constant: GraphConstant, shape: readonly number[]): ValueId {
    const id = this.define({ shape, type: 'float32' });
    this.constants.set(id, constant);
    return id;
  }

  /**
   * The graph with each of its nodes as it is, or as `write` adds it.
   *
   * @param write false, and adds none, for a node that stays as it is
   */
  rewritten(write: (node: GraphNode) => boolean): Graph {
    for (const node of this.graph.nodes) {
      if (!write(node)) {
        this.nodes.push(node);
      }
    }
    return this.finish();
  }

  /** The graph with the nodes collected so far. */
  finish(): Graph {
    return { ...this.graph, values: this.values, constants: this.constants, nodes: this.nodes };
  }
}
