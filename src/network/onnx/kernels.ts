/** Which numbers of a graph are the kernels that may be pruned. */
import type { CheckpointWeight } from '../../checkpoint/checkpoint.js';
import type { OnnxNode } from '../../checkpoint/onnx-graph.js';
import { printable, quoted } from '../../checkpoint/printable.js';
import type { LeftOutKernel } from '../network.js';
import { contractedOperands } from './einsum-equation.js';
import { producers } from './ending.js';
import { programOf } from './interpreter.js';
import { dependentOnInput, neededFor, type Plan } from './plan.js';
import type { HostValue } from './values.js';

/** Which operands of an operator are matrices that it multiplies with. */
const MATRIX_OPERANDS: Readonly<Record<string, readonly number[]>> = {
  Conv: [1],
  ConvTranspose: [1],
  Gemm: [0, 1],
  MatMul: [0, 1],
};
/** Which operands of a node are matrices that it multiplies with. */
export function multiplied({ domain, opType, attributes }: OnnxNode): readonly number[] {
  const equation = attributes.get('equation');
  if (domain !== '') {
    return [];
  }
  if (opType === 'Einsum' && equation?.kind === 'string') {
    return contractedOperands(equation.value);
  }
  return Object.hasOwn(MATRIX_OPERANDS, opType) ? MATRIX_OPERANDS[opType] : [];
}

/** Operators behind which a weight is still that weight. */
const REARRANGING = new Set(['Transpose', 'Identity', 'Cast', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten']);

/** Finds which value an operand is, before it was rearranged; a weight is its own origin. */
export function origins({ nodes }: Plan, isWeight: (name: string) => boolean): (operand: string) => string {
  const made = producers(nodes);
  return (operand) => {
    let name = operand;
    for (;;) {
      const node = isWeight(name) ? undefined : made.get(name);
      if (node === undefined || node.domain !== '' || !REARRANGING.has(node.opType)) {
        return name;
      }
      name = node.inputs[0];
    }
  };
}

/** Names of the values that convolutions and matrix products take, before they are rearranged. */
function matrixOperands(plan: Plan, isWeight: (name: string) => boolean): string[] {
  const operands = plan.nodes.flatMap((node) =>
    multiplied(node)
      .map((index) => node.inputs[index])
      .filter((name) => name !== undefined && name !== ''),
  );
  return [...new Set(operands.map(origins(plan, isWeight)))];
}

/**
 * The weights that are kernels: of rank 2 or more, and an operand of a
 * convolution or a matrix product, directly or rearranged. In the order in
 * which the graph uses them, each once.
 *
 * @param ranks of all weights, by name
 */
export function kernelNames(plan: Plan, ranks: ReadonlyMap<string, number>): string[] {
  return matrixOperands(plan, (name) => ranks.has(name)).filter((name) => (ranks.get(name) ?? 0) >= 2);
}

/** A plan in which kernels that followed from constants are weights themselves. */
export interface FoldedPlan {
  plan: Plan;
  /** The kernels that take the place of the nodes that computed them, named as those nodes' outputs. */
  folded: CheckpointWeight[];
  leftOut: LeftOutKernel[];
  /** How many of the folded kernels are stored as integer codes. */
  dequantized: number;
}

/** Why kernels that a node computes cannot take the node's place; null where they can. */
function obstacle(
  plan: Plan,
  node: OnnxNode,
  candidates: ReadonlySet<string>,
  prunable: ReadonlySet<string>,
): string | null {
  const from = neededFor(plan.nodes, node.outputs.find((name) => candidates.has(name)) as string)
    .flatMap(({ inputs }) => inputs)
    .find((name) => prunable.has(name) || candidates.has(name));
  if (from !== undefined) {
    return `computed by ${printable(node.opType)} from ${quoted(from)}, which is prunable itself`;
  }
  if (node.inside !== undefined) {
    return `computed by ${printable(node.opType)} in ${printable(node.inside)}, where prune does not write: inline it with onnx.inliner or onnxsim`;
  }
  const other = node.outputs.find((name) => name !== '' && !candidates.has(name));
  return other === undefined
    ? null
    : `one of the results of ${printable(node.opType)} ${quoted(node.name)}, and its result ${quoted(other)} is no kernel`;
}

/**
 * Finds kernels that nodes compute from constants alone (a weight times a mask,
 * a weight norm, parts of a joint weight, integer codes) and puts their values in the place of
 * the nodes. What cannot be written back to a file that way is left out by
 * name: it stays a constant, or follows the prunable weights it is made of.
 *
 * @param constants all initialisers
 * @param ranks of the floating-point initialisers, by name
 * @throws InputError where a value cannot be computed
 */
export function foldKernels(
  plan: Plan,
  constants: ReadonlyMap<string, HostValue>,
  ranks: ReadonlyMap<string, number>,
): FoldedPlan {
  const dependent = dependentOnInput(plan);
  const made = producers(plan.nodes);
  const values = new Map<string, HostValue>();
  for (const name of matrixOperands(plan, (each) => ranks.has(each))) {
    if (!dependent.has(name) && made.has(name)) {
      const nodes = neededFor(plan.nodes, name);
      const value = programOf({ ...plan, nodes, output: name }, constants).constants.get(name);
      if (value?.type === 'float' && value.shape.length >= 2) {
        values.set(name, value);
      }
    }
  }
  const candidates = new Set(values.keys());
  const prunable = new Set(kernelNames(plan, ranks));
  const folded: CheckpointWeight[] = [];
  const leftOut: LeftOutKernel[] = [];
  const replaced = new Set<OnnxNode>();
  for (const [name, { shape, values: numbers }] of values) {
    const node = made.get(name) as OnnxNode;
    const reason = obstacle(plan, node, candidates, prunable);
    if (reason === null) {
      replaced.add(node);
      folded.push({ name, shape, dtype: 'float32', values: numbers as Float32Array, storage: null });
    } else {
      leftOut.push({ name, weights: numbers.length, reason });
    }
  }
  const nodes = plan.nodes.filter((node) => !replaced.has(node));
  const dequantized = folded.filter(({ name }) =>
    neededFor(plan.nodes, name).some(({ opType }) => opType === 'DequantizeLinear'),
  ).length;
  return { plan: { ...plan, nodes: neededFor(nodes, plan.output) }, folded, leftOut, dequantized };
}
