/** Identifies a tensor of a graph. */
export type ValueId = number;

/** Element types that occur in traced programs. */
export type ElementType = 'float32' | 'int32' | 'bool';

/** One traced kernel call. */
export interface GraphNode {
  /** tfjs kernel name, or one of the names that a graph pass introduces. */
  readonly kernel: string;
  /** Inputs by the kernel's own names for them, in the kernel's order. */
  readonly inputs: Readonly<Record<string, ValueId>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly outputs: readonly ValueId[];
}

/** What is known of a tensor before the program runs. */
export interface GraphValue {
  readonly shape: readonly number[];
  readonly type: ElementType;
}

/** A tensor whose value is known: all of it, or the one number that fills it. */
export type GraphConstant =
  | { readonly kind: 'data'; readonly data: Float32Array | Int32Array | Uint8Array }
  | { readonly kind: 'uniform'; readonly value: number };

/** A traced tensor program: immutable, nodes in execution order. */
export interface Graph {
  readonly values: ReadonlyMap<ValueId, GraphValue>;
  readonly constants: ReadonlyMap<ValueId, GraphConstant>;
  /** Named inputs. */
  readonly inputs: Readonly<Record<string, ValueId>>;
  readonly nodes: readonly GraphNode[];
  /** Named outputs. */
  readonly outputs: Readonly<Record<string, ValueId>>;
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** A value of the graph; throws for an id the graph does not have (a defect). */
export function graphValue(graph: Pick<Graph, 'values'>, id: ValueId): GraphValue {
  const value = graph.values.get(id);
  if (value === undefined) {
    throw new Error(`graph value ${id} is not defined`);
  }
  return value;
}

/** Whether two values have the same shape. */
export function isSameShape(graph: Graph, left: ValueId, right: ValueId): boolean {
  const [a, b] = [graphValue(graph, left).shape, graphValue(graph, right).shape];
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** How often each value is read, by nodes and as an output of the graph. */
export function countReads(graph: Graph): Map<ValueId, number> {
  const reads = new Map<ValueId, number>();
  const read = [...graph.nodes.map(({ inputs }) => inputs), graph.outputs].flatMap((record) =>
    Object.values(record),
  );
  for (const id of read) {
    reads.set(id, (reads.get(id) ?? 0) + 1);
  }
  return reads;
}
