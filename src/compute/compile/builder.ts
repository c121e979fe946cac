import {
  elementCount,
  type Graph,
  type GraphNode,
  type GraphValue,
  graphValue,
  type ValueId,
} from './graph.js';
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor, OnnxType, OnnxValue } from './onnx-model.js';

/** Emits the ONNX nodes of one traced kernel and returns the tensors of its outputs. */
export type Lowering = (node: GraphNode, builder: OnnxBuilder) => string[];

/** Collects ONNX nodes while a graph is lowered. Names are made from value ids. */
export class OnnxBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  private readonly names = new Map<ValueId, string>();
  private readonly made = new Map<string, string>();
  /** Tensors that are outputs of the model, and their names there. */
  private readonly outputNames = new Map<string, string>();
  private counter = 0;

  constructor(readonly graph: Graph) {}

  value(id: ValueId): GraphValue {
    return graphValue(this.graph, id);
  }

  /** The one number that fills a constant; null for anything else. */
  uniform(id: ValueId): number | null {
    const constant = this.graph.constants.get(id);
    return constant?.kind === 'uniform' ? constant.value : null;
  }

  /** A name of its own for an intermediate tensor. */
  fresh(): string {
    return `t${this.counter++}`;
  }

  /** Says which ONNX tensor holds a value of the graph. */
  define(id: ValueId, name: string): void {
    this.names.set(id, name);
  }

  /** Adds a node with one output and returns the output's name; equal nodes are made once. */
  add(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    output?: string,
  ): string {
    const key = JSON.stringify([opType, inputs, attributes]);
    const known = this.made.get(key);
    if (known !== undefined && output === undefined) {
      return known;
    }
    const name = output ?? this.fresh();
    this.nodes.push({ opType, inputs, outputs: [name], attributes });
    this.made.set(key, name);
    return name;
  }

  /** Adds a node with several outputs and returns their names. */
  addWithOutputs(
    opType: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string[] {
    const names = Array.from({ length: outputs }, () => this.fresh());
    this.nodes.push({ opType, inputs, outputs: names, attributes });
    return names;
  }

  /** An initialiser of int64 numbers (shapes, axes, positions). */
  integers(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.initializer('int64', shape, BigInt64Array.from(values.map(BigInt)), `i64:${values}:${shape}`);
  }

  /** A scalar initialiser. */
  scalar(value: number, type: 'float32' | 'int32' | 'bool' = 'float32'): string {
    const data =
      type === 'float32'
        ? Float32Array.of(value)
        : type === 'int32'
          ? Int32Array.of(value)
          : Uint8Array.of(value);
    return this.initializer(type, [], data, `${type}:${Object.is(value, -0) ? '-0' : value}`);
  }

  /** An initialiser with the given data; equal keys give the same one. */
  initializer(type: OnnxType, shape: readonly number[], data: OnnxTensor['data'], key: string): string {
    const known = this.made.get(key);
    if (known !== undefined) {
      return known;
    }
    const name = `c${this.counter++}`;
    this.initializers.push({ name, type, shape, data });
    this.made.set(key, name);
    return name;
  }

  /**
   * The ONNX tensor of a value. A constant that holds one number is a scalar,
   * which broadcasts; use {@link full} where its shape matters.
   */
  tensor(id: ValueId): string {
    const name = this.names.get(id);
    if (name !== undefined) {
      return name;
    }
    const constant = this.graph.constants.get(id);
    const { shape, type } = this.value(id);
    if (constant === undefined) {
      throw new Error(`graph value ${id} is used before it is computed`);
    }
    return constant.kind === 'uniform'
      ? this.scalar(constant.value, type)
      : this.initializer(type, shape, constant.data, `value:${id}`);
  }

  /** The ONNX tensor of a value in its full shape. */
  full(id: ValueId): string {
    const { shape } = this.value(id);
    return this.uniform(id) === null || shape.length === 0
      ? this.tensor(id)
      : this.add('Expand', [this.tensor(id), this.integers(shape)]);
  }

  reshape(name: string, shape: readonly number[]): string {
    return this.add('Reshape', [name, this.integers(shape)]);
  }

  transpose(name: string, perm: readonly number[]): string {
    return perm.every((axis, index) => axis === index) ? name : this.add('Transpose', [name], { perm });
  }

  /**
   * Makes a tensor an output of the model: the node that computes it gives it
   * that name; inputs, constants and what is an output already are handed on.
   *
   * Were every output an Identity, ONNX Runtime 1.30 would lose the name of a
   * reshaped input that is an output and read by a product with a bias, too,
   * while it optimises, and refuse the model ("node input is not a graph input").
   */
  nameOutput(name: string, output: string): void {
    const isComputed = this.nodes.some(({ outputs }) => outputs.includes(name));
    if (isComputed && !this.outputNames.has(name)) {
      this.outputNames.set(name, output);
    } else {
      this.add('Identity', [name], {}, output);
    }
  }

  /** The finished graph. */
  finish(name: string, inputs: readonly OnnxValue[], outputs: readonly OnnxValue[]): OnnxGraph {
    const renamed = (names: readonly string[]): string[] =>
      names.map((each) => this.outputNames.get(each) ?? each);
    const nodes = this.nodes.map((node) => ({
      ...node,
      inputs: renamed(node.inputs),
      outputs: renamed(node.outputs),
    }));
    return { name, nodes, initializers: this.initializers, inputs, outputs };
  }
}

/** Whether broadcasting the operands that are not one number gives the result's shape. */
export function broadcastsTo(shapes: readonly (readonly number[])[], result: readonly number[]): boolean {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  if (rank !== result.length) {
    return elementCount(result) === 1 && rank === 0 && result.length === 0;
  }
  return result.every((extent, axis) =>
    shapes.some((shape) => (shape[axis - (rank - shape.length)] ?? 1) === extent),
  );
}
