import {
  elementCount,
  type Graph,
  type GraphConstant,
  type GraphNode,
  type GraphValue,
  graphValue,
  type ValueId,
} from './graph.js';

/** A pure rewriting of a graph that keeps the value of its outputs. */
export type GraphPass = (graph: Graph) => Graph;

/** Drops nodes that no output depends on, and constants that nothing reads. */
export const eliminateDeadNodes: GraphPass = (graph) => {
  const needed = new Set<ValueId>(Object.values(graph.outputs));
  const kept: GraphNode[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (node.outputs.some((output) => needed.has(output))) {
      kept.push(node);
      for (const input of Object.values(node.inputs)) {
        needed.add(input);
      }
    }
  }
  const constants = new Map([...graph.constants].filter(([id]) => needed.has(id)));
  return { ...graph, nodes: kept.reverse(), constants };
};

/** What a node turns into: nothing new (an existing value stands for it), a constant, or a node. */
type Replacement = { alias: ValueId } | { constant: GraphConstant } | { node: GraphNode };

/** Walks the nodes in order, replacing each in terms of what came before. */
function rewrite(
  graph: Graph,
  replace: (node: GraphNode, constants: ReadonlyMap<ValueId, GraphConstant>) => Replacement,
): Graph {
  const aliases = new Map<ValueId, ValueId>();
  const constants = new Map(graph.constants);
  const nodes: GraphNode[] = [];
  const resolve = (id: ValueId): ValueId => aliases.get(id) ?? id;
  const resolveAll = (record: Readonly<Record<string, ValueId>>): Record<string, ValueId> =>
    Object.fromEntries(Object.entries(record).map(([name, id]) => [name, resolve(id)]));
  for (const original of graph.nodes) {
    const node = { ...original, inputs: resolveAll(original.inputs) };
    const replacement = replace(node, constants);
    if ('alias' in replacement) {
      aliases.set(node.outputs[0], replacement.alias);
    } else if ('constant' in replacement) {
      constants.set(node.outputs[0], replacement.constant);
    } else {
      nodes.push(replacement.node);
    }
  }
  return { ...graph, constants, nodes, outputs: resolveAll(graph.outputs) };
}

function sameShape(left: GraphValue, right: GraphValue): boolean {
  return (
    left.type === right.type &&
    left.shape.length === right.shape.length &&
    left.shape.every((extent, axis) => extent === right.shape[axis])
  );
}

const ELEMENTWISE_UNARY: Record<string, (x: number) => number> = {
  Neg: (x) => -x,
  Step: (x) => (x > 0 ? 1 : 0),
  Square: (x) => x * x,
  Exp: Math.exp,
  Log: Math.log,
  Sqrt: Math.sqrt,
  Rsqrt: (x) => 1 / Math.sqrt(x),
  Reciprocal: (x) => 1 / x,
  Relu: (x) => Math.max(0, x),
};
const ELEMENTWISE_BINARY: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Multiply: (a, b) => a * b,
  RealDiv: (a, b) => a / b,
  Maximum: Math.max,
  Minimum: Math.min,
};
/** A number as an element of another type. */
function converted(value: number, type: GraphValue['type']): number {
  return type === 'bool' ? Number(value !== 0) : type === 'int32' ? Math.trunc(value) : value;
}

/** Text that differs for different values, also for those that JSON writes as null (infinities) or as 0 (-0). */
function identity(value: unknown): string {
  return JSON.stringify(value, (_, item) =>
    typeof item === 'number' && (!Number.isFinite(item) || Object.is(item, -0))
      ? { number: Object.is(item, -0) ? '-0' : String(item) }
      : item,
  );
}

/** Kernels that only move elements: a uniform tensor stays uniform. */
const MOVING = new Set([
  'Reshape',
  'Transpose',
  'Tile',
  'Identity',
  'ExpandDims',
  'Slice',
  'StridedSlice',
  'Cast',
]);

/**
 * Algebraic simplification: casts and reshapes that change nothing, sums with
 * zero and products with one or zero, and arithmetic on tensors that hold one
 * number (in float32, as the kernels would compute it).
 */
export const simplifyAlgebra: GraphPass = (graph) =>
  rewrite(graph, (node, constants) => {
    const [output] = node.outputs;
    const result = graphValue(graph, output);
    const ids = Object.values(node.inputs);
    const uniform = (id: ValueId): number | null => {
      const constant = constants.get(id);
      return constant?.kind === 'uniform' ? constant.value : null;
    };
    const keep: Replacement = { node };
    const aliasIfSame = (id: ValueId): Replacement =>
      sameShape(graphValue(graph, id), result) ? { alias: id } : keep;
    const filledWith = (value: number): Replacement => ({
      constant: { kind: 'uniform', value: result.type === 'float32' ? Math.fround(value) : value },
    });
    switch (node.kernel) {
      case 'ZerosLike':
        return filledWith(0);
      case 'OnesLike':
        return filledWith(1);
      case 'Fill':
        return typeof node.attributes.value === 'number' ? filledWith(node.attributes.value) : keep;
      case 'AddN': {
        const terms = Object.entries(node.inputs).filter(([, id]) => uniform(id) !== 0);
        if (terms.length === 0) {
          return filledWith(0);
        }
        return terms.length === 1
          ? aliasIfSame(terms[0][1])
          : { node: { ...node, inputs: Object.fromEntries(terms) } };
      }
    }
    if (MOVING.has(node.kernel)) {
      const value = uniform(ids[0]);
      if (value !== null) {
        return filledWith(converted(value, result.type));
      }
      const moves = ['Slice', 'StridedSlice', 'Transpose', 'Tile'].includes(node.kernel);
      return moves ? keep : aliasIfSame(ids[0]);
    }
    if (['Sum', 'Mean', 'Max', 'Min'].includes(node.kernel)) {
      const value = uniform(ids[0]);
      const terms = elementCount(graphValue(graph, ids[0]).shape) / elementCount(result.shape);
      return value === null ? keep : filledWith(node.kernel === 'Sum' ? value * terms : value);
    }
    const unary = ELEMENTWISE_UNARY[node.kernel];
    if (unary !== undefined) {
      const value = uniform(ids[0]);
      return value === null || (node.attributes.alpha ?? 0) !== 0 ? keep : filledWith(unary(value));
    }
    const binary = ELEMENTWISE_BINARY[node.kernel];
    if (binary === undefined) {
      return keep;
    }
    const { a, b } = node.inputs;
    const [left, right] = [uniform(a), uniform(b)];
    if (left !== null && right !== null) {
      return filledWith(binary(left, right));
    }
    if (node.kernel === 'Multiply') {
      if (left === 0 || right === 0) {
        return filledWith(0);
      }
      return left === 1 ? aliasIfSame(b) : right === 1 ? aliasIfSame(a) : keep;
    }
    if (node.kernel === 'Add') {
      return left === 0 ? aliasIfSame(b) : right === 0 ? aliasIfSame(a) : keep;
    }
    if ((node.kernel === 'Sub' && right === 0) || (node.kernel === 'RealDiv' && right === 1)) {
      return aliasIfSame(a);
    }
    return keep;
  });

/** Computes every value once: nodes with the same kernel, attributes and inputs are one. */
export const eliminateCommonSubexpressions: GraphPass = (graph) => {
  const seen = new Map<string, GraphNode>();
  const aliases = new Map<ValueId, ValueId>();
  const resolve = (id: ValueId): ValueId => aliases.get(id) ?? id;
  const uniforms = new Map<string, ValueId>();
  for (const [id, constant] of graph.constants) {
    if (constant.kind === 'uniform') {
      const key = identity([constant.value, graph.values.get(id)]);
      const first = uniforms.get(key);
      if (first === undefined) {
        uniforms.set(key, id);
      } else {
        aliases.set(id, first);
      }
    }
  }
  const nodes: GraphNode[] = [];
  for (const original of graph.nodes) {
    const inputs = Object.fromEntries(
      Object.entries(original.inputs).map(([name, id]) => [name, resolve(id)]),
    );
    const node = { ...original, inputs };
    const key = identity([node.kernel, inputs, node.attributes]);
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, node);
      nodes.push(node);
    } else {
      node.outputs.forEach((output, index) => {
        aliases.set(output, first.outputs[index]);
      });
    }
  }
  const outputs = Object.fromEntries(Object.entries(graph.outputs).map(([name, id]) => [name, resolve(id)]));
  return { ...graph, nodes, outputs };
};

/** All simplifications, repeated until the graph stops shrinking. */
export const simplify: GraphPass = (graph) => {
  let current = graph;
  for (;;) {
    const next = eliminateDeadNodes(eliminateCommonSubexpressions(simplifyAlgebra(current)));
    if (next.nodes.length === current.nodes.length) {
      return next;
    }
    current = next;
  }
};

/** Whether a node gives 1 where its argument is positive and 0 elsewhere. */
export function isStep({ kernel, attributes }: GraphNode): boolean {
  return kernel === 'Step' && (attributes.alpha ?? 0) === 0;
}

/** Lets derivatives of a rectifier look at its result, which is positive where its argument is: that is not needed twice. */
export const stepsOfRectified: GraphPass = (graph) => {
  const rectified = new Map<ValueId, ValueId>();
  const nodes = graph.nodes.map((node) => {
    const { kernel, inputs, outputs } = node;
    if (kernel === 'Relu') {
      rectified.set(inputs.x, outputs[0]);
    }
    const result = isStep(node) ? rectified.get(inputs.x) : undefined;
    return result === undefined ? node : { ...node, inputs: { x: result } };
  });
  return { ...graph, nodes };
};

/** Which values depend on one of the given inputs. */
export function dependentValues(graph: Graph, inputNames: readonly string[]): Set<ValueId> {
  const dependent = new Set<ValueId>(inputNames.map((name) => graph.inputs[name]));
  for (const node of graph.nodes) {
    if (Object.values(node.inputs).some((input) => dependent.has(input))) {
      for (const output of node.outputs) {
        dependent.add(output);
      }
    }
  }
  return dependent;
}
