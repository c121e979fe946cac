import { type CheckpointWeight, elementCount, type OnnxCheckpoint } from '../../checkpoint/checkpoint.js';
import type { OnnxNode } from '../../checkpoint/onnx-graph.js';
import { convertStorage } from '../../checkpoint/quantization.js';
import { onnxAxisOrder } from '../../checkpoint/weights/axis-order.js';
import { InputError } from '../../errors.js';
import { keep, mul, reshape, sub, type Tensor, type Tensor2D, tidy } from '../../tfjs-core.js';
import { normalizeBatch } from '../batch-normalization.js';
import type { InitialValues } from '../initial-values.js';
import type { NetworkOptions, PrunableWeight } from '../network.js';
import type { TrainableNetwork, TrainableTensor, TrainingPass } from '../trainable-network.js';
import { batchRule } from './batch-rule.js';
import { keepsEnding } from './ending.js';
import { foldedGraph } from './folded-graph.js';
import { programOf } from './interpreter.js';
import {
  inLayout,
  inOnnxOrder,
  type Operator,
  type OperatorCall,
  operand,
  preferredLayout,
  real,
} from './operator.js';
import { operatorOf } from './operators/table.js';
import { inputExtents } from './plan.js';
import { type TrainedNormalization, trainedOperands } from './trained-operands.js';
import { ConstantTensors, type Layout, valueIn } from './values.js';

/** The pass that runs at the moment; batch normalisations read it. */
interface Running {
  pass: TrainingPass | null;
  /** Examples of the batch. */
  examples: number;
  /** New moving statistics, kept, by position. */
  statistics: Map<number, Tensor>;
}

/**
 * A batch normalisation as in training: with the statistics of the batch,
 * which move the averages by 1 - `momentum` of the node (0.9 unless it says
 * otherwise). As the operator's specification has it, the variance is the
 * population's, divided by the count (PyTorch averages the one divided by the
 * count less one).
 */
function trainedNormalization({ node, mean, variance }: TrainedNormalization, running: Running): Operator {
  return (call) => {
    const { pass, examples } = running;
    if (pass === null) {
      return operatorOf(node, call.opset)(call);
    }
    const { x, layout, perChannel, count } = channels(call);
    // Of the count only the examples vary from batch to batch, and these are an input of the program.
    const inverseCount = mul(pass.inverseBatch, examples / count);
    const normalized = normalizeBatch(
      x,
      perChannel(1),
      perChannel(2),
      inverseCount,
      real(call, 'epsilon', 1e-5),
    );
    const momentum = real(call, 'momentum', 0.9);
    const move = (position: number, batch: Tensor): void => {
      const earlier = running.statistics.get(position);
      const average = earlier ?? pass.statistics[position];
      const change = mul(sub(average, reshape(batch, average.shape)), 1 - momentum);
      running.statistics.set(position, keep(sub(average, change)));
      earlier?.dispose();
      batch.dispose();
    };
    move(mean, normalized.mean);
    move(variance, normalized.variance);
    return [valueIn(layout, normalized.output)];
  };
}

/** The operand of a normalisation [N, C, ..], and its numbers per channel in the shape that broadcasts against it. */
function channels(call: OperatorCall): {
  x: Tensor;
  layout: Layout;
  perChannel: (index: number) => Tensor;
  /** How many numbers a channel has. */
  count: number;
} {
  const value = operand(call, 0);
  const layout = preferredLayout([value]);
  const ones: number[] = Array(Math.max(0, value.shape.length - 2)).fill(1);
  const perChannel = (index: number): Tensor => {
    const numbers = inOnnxOrder(call, operand(call, index));
    const size = numbers.size;
    return reshape(numbers, layout === 'last' ? [1, ...ones, size] : [1, size, ...ones]);
  };
  const count = elementCount(value.shape) / value.shape[1];
  return { x: inLayout(call, value, layout), layout, perChannel, count };
}

/** Weights one after the other, as a network's flat vector has them. */
function laidOut(weights: readonly CheckpointWeight[]): { places: PrunableWeight[]; values: Float32Array } {
  let offset = 0;
  const places = weights.map(({ name, shape }): PrunableWeight => {
    const size = elementCount(shape);
    offset += size;
    return { name, checkpointName: name, shape, offset: offset - size, size };
  });
  const values = new Float32Array(offset);
  weights.forEach((weight, index) => {
    values.set(weight.values, places[index].offset);
  });
  return { places, values };
}

/** A kernel of a new network; its outputs lie on the last axis where the graph says so, else on the first. */
function drawn({ graph }: OnnxCheckpoint, { name, shape }: CheckpointWeight): InitialValues {
  const inputs = onnxAxisOrder(graph, name) === 'keras' ? shape.slice(0, -1) : shape.slice(1);
  return { kind: 'normal', fanIn: elementCount(inputs) };
}

/** The checkpoint with other numbers; those stored as float16 are rounded to what the file can hold. */
function withNumbers(
  checkpoint: OnnxCheckpoint,
  folded: readonly CheckpointWeight[],
  values: ReadonlyMap<string, Float32Array>,
): OnnxCheckpoint {
  const changed = (weight: CheckpointWeight): CheckpointWeight => {
    const numbers = values.get(weight.name);
    return numbers === undefined ? weight : { ...weight, values: numbers.slice() };
  };
  const weights = checkpoint.weights.map((weight) => {
    const next = changed(weight);
    return next === weight || weight.storage === null
      ? next
      : convertStorage({ ...checkpoint, weights: [next] }, 'float16').weights[0];
  });
  return { ...checkpoint, weights, ...(folded.length > 0 && { folded: folded.map(changed) }) };
}

/**
 * Builds the network of an ONNX model on the current tfjs backend, to be
 * trained: its final softmax or sigmoid is taken off. What is trained says
 * {@link trainedOperands}; batch normalisations take the statistics of the
 * batch; Dropout passes its input on, as the file says it does.
 *
 * Kernels that the graph computes from constants become weights of their own,
 * as when it is pruned.
 *
 * @throws InputError as `createOnnxNetwork`; where moving statistics cannot be written back (`training/statistics`); or
 *   where batch normalisation needs batches that the graph does not take (`training/batch`)
 */
export async function createTrainableOnnx(
  file: OnnxCheckpoint,
  options: NetworkOptions,
): Promise<TrainableNetwork> {
  const graph = foldedGraph(file, options);
  const { checkpoint, plan, constants, folded } = graph;
  const { path } = checkpoint;
  const { kernels, others, statistics, normalizations, ones } = trainedOperands(plan, graph.weights, path);
  const trained = [...kernels, ...others];
  const varying = [...trained, ...statistics];
  for (const { name } of varying) {
    constants.delete(name);
  }
  const running: Running = { pass: null, examples: 0, statistics: new Map() };
  const operators = new Map<OnnxNode, Operator>(
    normalizations.map((each) => [each.node, trainedNormalization(each, running)]),
  );
  const { places, values } = laidOut(varying);
  const extents = inputExtents(plan, new Map(graph.weights.map(({ name, shape }) => [name, shape])));
  const tensors = new ConstantTensors();
  try {
    const { outputs, endingShape, whole, run } = batchRule(
      checkpoint,
      { ...programOf(plan, constants), operators },
      places,
      values,
      tensors,
      { extents, exampleShape: options.exampleShape },
    );
    if (keepsEnding(plan, endingShape)) {
      tensors.dispose();
      return createTrainableOnnx(file, { ...options, keepFinalActivation: true });
    }
    if (!whole && normalizations.length > 0) {
      throw new InputError(
        'training/batch',
        `${path}: takes batches of one size alone, and its BatchNormalization needs whole batches to be trained; export it with a free batch axis`,
      );
    }
    const logits = (
      weightTensors: readonly Tensor[],
      averages: readonly Tensor[],
      inputs: Tensor,
    ): Tensor2D => tidy(() => run([...weightTensors, ...averages], inputs));
    const constant = ({ name }: CheckpointWeight): InitialValues => ({
      kind: 'constant',
      value: ones.has(name) ? 1 : 0,
    });
    const described = (weight: CheckpointWeight, initial: InitialValues): TrainableTensor => ({
      name: weight.name,
      shape: weight.shape,
      values: Float32Array.from(weight.values),
      initial,
    });
    return {
      inputShape: extents,
      outputs,
      weights: [
        ...kernels.map((weight) => ({ ...described(weight, drawn(checkpoint, weight)), prunable: true })),
        ...others.map((weight) => ({ ...described(weight, constant(weight)), prunable: false })),
      ],
      statistics: statistics.map((weight) => described(weight, constant(weight))),
      dropouts: [],
      forward: (weightTensors, inputs, pass) => {
        running.pass = pass;
        running.examples = inputs.shape[0];
        running.statistics.clear();
        try {
          const given = logits(weightTensors, pass.statistics, inputs);
          return {
            logits: given,
            statistics: statistics.map((_, index) => running.statistics.get(index) as Tensor),
          };
        } finally {
          running.pass = null;
        }
      },
      logits,
      checkpoint: (weightValues, averages) => {
        const numbers = [...weightValues, ...averages];
        return withNumbers(file, folded, new Map(varying.map(({ name }, index) => [name, numbers[index]])));
      },
      dispose: () => tensors.dispose(),
    };
  } catch (error) {
    tensors.dispose();
    throw error;
  }
}
