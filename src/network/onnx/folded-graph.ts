/** An ONNX graph checked, with branches decided and kernels that follow from constants as weights. */
import type { CheckpointWeight, OnnxCheckpoint } from '../../checkpoint/checkpoint.js';
import { requireFinite } from '../../checkpoint/quantization.js';
import type { LeftOutKernel, NetworkOptions } from '../network.js';
import { decideBranches } from './branches.js';
import { requireFiniteWeights } from './finite-weights.js';
import { foldKernels } from './kernels.js';
import { unsupported } from './operator.js';
import { isKnown } from './operators/table.js';
import { dependentOnInput, type Plan, planOf } from './plan.js';
import { remedy } from './remedies.js';
import { constantsOf, constantValue, type HostValue } from './values.js';

/** Operators that are computed of constants alone. */
const QUANTIZING = new Set(['QuantizeLinear', 'DequantizeLinear']);

/** Refuses what cannot be computed, before anything is. */
function checkOperators(plan: Plan): void {
  const { nodes, opset } = plan;
  const dependent = dependentOnInput(plan);
  const rounding = nodes.find(
    ({ opType, inputs }) => QUANTIZING.has(opType) && inputs.some((name) => dependent.has(name)),
  );
  if (rounding !== undefined) {
    throw unsupported(
      { node: rounding, opset: rounding.opset ?? opset },
      'activations, whose rounding has no derivatives,',
      remedy(rounding),
    );
  }
  const unknown = nodes.find((node) => !isKnown(node));
  if (unknown !== undefined) {
    throw unsupported({ node: unknown, opset: unknown.opset ?? opset });
  }
}

/** Ranks of weights, by name. */
export function ranksOf(weights: readonly CheckpointWeight[]): Map<string, number> {
  return new Map(weights.map(({ name, shape }) => [name, shape.length]));
}

/** A graph, ready to be made a program of. */
export interface FoldedGraph {
  /** Without the If nodes that could be decided. */
  checkpoint: OnnxCheckpoint;
  /** How many these were. */
  decided: number;
  plan: Plan;
  /** Floating-point initialisers and folded kernels. */
  weights: CheckpointWeight[];
  /** Of these the kernels that nodes compute from constants. */
  folded: CheckpointWeight[];
  /** All that the graph is told, by name, weights included. */
  constants: Map<string, HostValue>;
  leftOut: LeftOutKernel[];
  /** How many of the folded kernels are stored as integer codes. */
  dequantized: number;
}

/**
 * Checks the graph of a checkpoint, decides its branches and folds its kernels (see `foldKernels`): to the values of its
 * `folded`, where it has them.
 *
 * @throws InputError when the graph has not one input and one output of real numbers, an operator or a use of one is
 *   not supported, a node contradicts its operands, or a trained weight is not finite
 */
export function foldedGraph(file: OnnxCheckpoint, options: NetworkOptions): FoldedGraph {
  const { checkpoint, decided } = decideBranches(file, options);
  const original = planOf(checkpoint, options.keepFinalActivation ?? false);
  checkOperators(original);
  requireFiniteWeights(checkpoint, original);
  const constants = constantsOf(checkpoint);
  const {
    plan,
    folded: computed,
    leftOut,
    dequantized,
  } = foldKernels(original, constants, ranksOf(checkpoint.weights));
  const given = new Map(file.folded?.map((weight) => [weight.name, weight]));
  const folded = computed.map((weight) => given.get(weight.name) ?? weight);
  for (const weight of folded) {
    requireFinite(weight, checkpoint.path);
    const { name, shape, values } = weight;
    constants.set(name, constantValue({ type: 'float', shape, values: values as Float32Array }));
  }
  const weights = [...checkpoint.weights, ...folded];
  return { checkpoint, decided, plan, weights, folded, constants, leftOut, dequantized };
}
