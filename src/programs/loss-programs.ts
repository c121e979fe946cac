/**
 * What an analysis computes with a network and its loss.
 *
 * Inputs of every program: the weights `w0`, `w1`, .. of `network.prunable`, a
 * batch `x` and its targets `y`.
 */

import { NotCompilableError, TEMPLATE_BATCHES } from '../compute/compile/trace.js';
import type { Executor, PreparedProgram } from '../compute/executor.js';
import { squaredGradients } from '../compute/squared-gradients.js';
import { collect, numbered, type ProgramInputs, type TensorProgram } from '../compute/tensor-program.js';
import type { ExampleSource } from '../network/example-source.js';
import { exampleLosses, type LossName } from '../network/loss.js';
import { type Network, weightTensors } from '../network/network.js';
import { grads, type Tensor, tensor, tensor2d, valueAndGrads } from '../tfjs-core.js';
import { batchProducts, type CurvatureKind, summedLoss } from './curvature-products.js';

/** The inputs of a product that change between products. */
export function vectorInputs(network: Network): string[] {
  return network.prunable.map((_, index) => `v${index}`);
}

/** A source's first examples, repeated where there are too few, at the trained weights. */
function samples(
  network: Network,
  source: ExampleSource,
  withVector: boolean,
): (batchSize: number) => ProgramInputs {
  return (batchSize) => {
    const take = (read: (start: number, end: number) => Float32Array): Float32Array =>
      Float32Array.from(
        Array.from({ length: batchSize }, (_, i) => [
          ...read(i % source.count, (i % source.count) + 1),
        ]).flat(),
      );
    return {
      ...numbered('w', weightTensors(network, network.weights)),
      ...(withVector ? numbered('v', weightTensors(network, network.weights)) : {}),
      x: tensor(take(source.inputs), [batchSize, ...source.shape]),
      y: tensor2d(take(source.targets), [batchSize, network.outputs]),
    };
  };
}

/** Outputs `losses` [examples] and `logits` [examples, outputs]. */
export function evaluationProgram(network: Network, loss: LossName, source: ExampleSource): TensorProgram {
  return {
    name: 'evaluate',
    run: (inputs) => {
      const logits = network.logits(collect(inputs, 'w', network.prunable.length), inputs.x);
      return { losses: exampleLosses(loss, logits, inputs.y), logits };
    },
    sampleInputs: samples(network, source, false),
  };
}

/** Outputs the summed `loss` and its gradient `g0`, `g1`, .. */
export function gradientProgram(network: Network, loss: LossName, source: ExampleSource): TensorProgram {
  return {
    name: 'gradient',
    run: ({ x, y, ...inputs }) => {
      const { value, grads } = valueAndGrads((...weights: Tensor[]) =>
        summedLoss(network, loss, { inputs: x, targets: y }, weights),
      )(collect(inputs, 'w', network.prunable.length));
      return { loss: value, ...numbered('g', grads) };
    },
    sampleInputs: samples(network, source, false),
  };
}

/**
 * Sums over the batch of the squares of the gradients of single examples: outputs `g0`, `g1`, ..
 *
 * Running or preparing it throws NotCompilableError where a weight is used in another way than once, by a dense layer or
 * a convolution ({@link squaredGradients}).
 */
export function squaredGradientProgram(
  network: Network,
  loss: LossName,
  source: ExampleSource,
): TensorProgram {
  return {
    name: 'squared-gradient',
    run: ({ x, y, ...inputs }) => {
      const gradient = grads((...weights: Tensor[]) =>
        summedLoss(network, loss, { inputs: x, targets: y }, weights),
      );
      const weights = collect(inputs, 'w', network.prunable.length);
      return numbered(
        'g',
        squaredGradients(() => gradient(weights), x.shape[0]),
      );
    },
    sampleInputs: samples(network, source, false),
  };
}

/** Product of the summed loss' curvature with `v0`, `v1`, ..; outputs `g0`, `g1`, .. */
export function productProgram(
  network: Network,
  loss: LossName,
  kind: CurvatureKind,
  source: ExampleSource,
): TensorProgram {
  const count = network.prunable.length;
  return {
    name: kind,
    run: ({ x, y, ...inputs }) => {
      const product = batchProducts[kind](
        network,
        loss,
        { inputs: x, targets: y },
        collect(inputs, 'v', count),
      );
      return numbered('g', product(...collect(inputs, 'w', count)));
    },
    sampleInputs: samples(network, source, true),
  };
}

/** The programs of a loss as an executor has taken them. */
export interface LossPrograms {
  /** {@link evaluationProgram} */
  readonly evaluate: PreparedProgram;
  /** {@link gradientProgram} */
  readonly gradient: PreparedProgram;
  /** {@link productProgram} */
  readonly product: PreparedProgram;
}

/**
 * Prepares everything an analysis computes; where programs are compiled, the
 * network's tensors are not needed afterwards.
 *
 * @throws NotCompilableError
 */
export async function prepareLossPrograms(
  executor: Executor,
  network: Network,
  loss: LossName,
  kind: CurvatureKind,
  source: ExampleSource,
): Promise<LossPrograms> {
  if (executor.compiles && source.count < TEMPLATE_BATCHES[0]) {
    throw new NotCompilableError('one example is too few to trace a batch');
  }
  return {
    evaluate: await executor.prepare(evaluationProgram(network, loss, source)),
    gradient: await executor.prepare(gradientProgram(network, loss, source)),
    product: await executor.prepare(productProgram(network, loss, kind, source)),
  };
}
