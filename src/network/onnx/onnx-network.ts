import { type CheckpointWeight, elementCount, type OnnxCheckpoint } from '../../checkpoint/checkpoint.js';
import { quoted } from '../../checkpoint/printable.js';
import { InputError } from '../../errors.js';
import { type Tensor, type Tensor2D, tidy } from '../../tfjs-core.js';
import type { LeftOutKernel, Network, NetworkOptions, PrunableWeight } from '../network.js';
import { weightFilter } from '../prunable.js';
import type { NetworkDescription } from '../topology.js';
import { batchRule } from './batch-rule.js';
import { decideBranches } from './branches.js';
import { keepsEnding } from './ending.js';
import { foldedGraph, ranksOf } from './folded-graph.js';
import { programOf } from './interpreter.js';
import { kernelNames } from './kernels.js';
import { inputExtents, type Plan, planOf } from './plan.js';
import { ConstantTensors } from './values.js';

/** Why no kernel is there to select from. */
function noKernel(path: string, leftOut: readonly LeftOutKernel[]): InputError {
  const reasons = leftOut.slice(0, 3).map(({ name, reason }) => `${quoted(name)} is ${reason}`);
  return new InputError(
    'network/nothing-prunable',
    `${path}: there is no prunable weight: ${
      reasons.length === 0
        ? 'no convolution or matrix product takes a constant of two or more axes'
        : `${reasons.join('; ')}${leftOut.length > 3 ? '; ...' : ''}; simplify the model with onnxsim`
    }`,
  );
}

function selectKernels(
  path: string,
  weights: readonly CheckpointWeight[],
  plan: Plan,
  leftOut: readonly LeftOutKernel[],
  { include = [], exclude = [] }: NetworkOptions,
): CheckpointWeight[] {
  const byName = new Map(weights.map((weight) => [weight.name, weight]));
  const names = kernelNames(plan, ranksOf(weights));
  if (names.length === 0) {
    throw noKernel(path, leftOut);
  }
  const accepts = weightFilter(include, exclude, names);
  const selected = names.filter(accepts).map((name) => byName.get(name) as CheckpointWeight);
  if (selected.length === 0) {
    throw new InputError(
      'network/nothing-prunable',
      `${path}: no prunable weight (a kernel of rank 2 or more) is left; check --include and --exclude`,
    );
  }
  return selected;
}

function laidOut(selected: readonly CheckpointWeight[]): { prunable: PrunableWeight[]; dimension: number } {
  let dimension = 0;
  const prunable = selected.map(({ name, shape }): PrunableWeight => {
    const size = elementCount(shape);
    const weight = { name, checkpointName: name, shape, offset: dimension, size };
    dimension += size;
    return weight;
  });
  return { prunable, dimension };
}

/**
 * Builds the network of an ONNX model on the current tfjs backend.
 *
 * Prunable are the weights that a convolution or matrix product takes as its
 * kernel (see `kernelNames`), computed from constants or not (see
 * `foldKernels`); `parameters` counts these and all other floating-point
 * initialisers that the network's output depends on.
 *
 * @throws InputError when the graph has not one input and one output of real
 *   numbers, an operator or a use of one is not supported, a node contradicts
 *   its operands, a trained weight is not finite, or no weight is prunable
 */
export async function createOnnxNetwork(file: OnnxCheckpoint, options: NetworkOptions): Promise<Network> {
  const graph = foldedGraph(file, options);
  const { checkpoint, decided, plan, weights: all, constants, leftOut, dequantized } = graph;
  const selected = selectKernels(checkpoint.path, all, plan, leftOut, options);
  const { prunable, dimension } = laidOut(selected);
  for (const { name } of selected) {
    constants.delete(name);
  }
  const program = programOf(plan, constants);
  const weights = new Float32Array(dimension);
  selected.forEach(({ values }, index) => {
    weights.set(values, prunable[index].offset);
  });
  const used = new Set(plan.nodes.flatMap(({ inputs }) => inputs));
  const parameters = all
    .filter(({ name }) => used.has(name))
    .reduce((sum, { values }) => sum + values.length, 0);
  const extents = inputExtents(plan, new Map(all.map(({ name, shape }) => [name, shape])));
  const tensors = new ConstantTensors();
  try {
    const { outputs, outputShape, endingShape, note, run } = batchRule(
      checkpoint,
      program,
      prunable,
      weights,
      tensors,
      {
        extents,
        exampleShape: options.exampleShape,
      },
    );
    const { ending } = plan;
    if (keepsEnding(plan, endingShape)) {
      tensors.dispose();
      return createOnnxNetwork(file, { ...options, keepFinalActivation: true });
    }
    return {
      inputShape: extents,
      outputs,
      outputShape,
      parameters,
      prunable,
      leftOut,
      notes: [
        ...(dequantized > 0 ? [quantizedNote(dequantized)] : []),
        ...(decided > 0 ? [decidedNote(decided)] : []),
        ...(note === null ? [] : [note]),
      ],
      dimension,
      weights,
      removedActivation: ending?.activation ?? null,
      logits: (weightTensors: readonly Tensor[], inputs: Tensor): Tensor2D =>
        tidy(() => run(weightTensors, inputs)),
      dispose: () => tensors.dispose(),
    };
  } catch (error) {
    tensors.dispose();
    throw error;
  }
}

function quantizedNote(kernels: number): string {
  return `${kernels} ${kernels === 1 ? 'kernel is' : 'kernels are'} stored as integer codes, and analysed as the numbers these stand for`;
}

function decidedNote(branches: number): string {
  return branches === 1
    ? 'the condition of an If node is known: the branch that it takes stands in its place'
    : `the conditions of ${branches} If nodes are known: the branches that they take stand in their place`;
}

/** What the graph says of its network, without building it. */
export function describeOnnx(file: OnnxCheckpoint): NetworkDescription {
  const { checkpoint } = decideBranches(file, {});
  const { nodes } = planOf(checkpoint, true);
  return {
    finalActivation: planOf(checkpoint, false).ending?.activation ?? null,
    trainedLoss: null,
    operations: [...new Set(nodes.map(({ opType }) => opType))].sort(),
  };
}
