import { sum, type Tensor, type Tensor2D, tensor, tensor2d, valueAndGrads } from '@tensorflow/tfjs-core';
import type { NativeTensor } from '../compute/compile/native-session.js';
import { collect, numbered, TracedProgram } from '../compute/compile/program.js';
import { NotCompilableError, type ProgramInputs, TEMPLATE_BATCHES } from '../compute/compile/trace.js';
import type { ExampleSource } from '../network/batches.js';
import { exampleLosses, type LossName } from '../network/loss.js';
import { type Network, weightTensors } from '../network/network.js';
import { type NativeSetting, nativeTensor } from './native-batches.js';
import { batchProducts, type CurvatureKind } from './products.js';

/**
 * Tensor programs of a loss, traced once, to be compiled for any batch size.
 *
 * Inputs: the weights `w0`, `w1`, .. of `network.prunable`, a batch `x` and
 * its targets `y`.
 */
export interface LossPrograms {
  /** Outputs `losses` [examples] and `logits` [examples, outputs]. */
  readonly evaluate: TracedProgram;
  /** Outputs the summed `loss` and its gradient `g0`, `g1`, .. */
  readonly gradient: TracedProgram;
  /** Product of the summed loss' curvature with `v0`, `v1`, ..; outputs `g0`, `g1`, .. */
  readonly product: TracedProgram;
}

/** The inputs of a product that change between products. */
export function vectorInputs(network: Network): string[] {
  return network.prunable.map((_, index) => `v${index}`);
}

/** Tensors of a batch to trace a program with; its first examples, repeated where there are too few. */
function tracingInputs(
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

function batchOf(inputs: ProgramInputs): { inputs: Tensor; targets: Tensor2D; size: number } {
  return { inputs: inputs.x, targets: inputs.y as Tensor2D, size: inputs.x.shape[0] };
}

function requireTwoExamples(source: ExampleSource): void {
  if (source.count < TEMPLATE_BATCHES[0]) {
    throw new NotCompilableError('one example is too few to trace a batch');
  }
}

/**
 * Traces loss and output of every example on the current tfjs backend.
 *
 * @throws NotCompilableError
 */
export function traceEvaluation(network: Network, loss: LossName, source: ExampleSource): TracedProgram {
  requireTwoExamples(source);
  return TracedProgram.trace(
    'evaluate',
    (inputs) => {
      const logits = network.logits(collect(inputs, 'w', network.prunable.length), inputs.x);
      return { losses: exampleLosses(loss, logits, inputs.y), logits };
    },
    tracingInputs(network, source, false),
  );
}

/**
 * Traces the summed loss and its gradient on the current tfjs backend.
 *
 * @throws NotCompilableError
 */
export function traceGradient(network: Network, loss: LossName, source: ExampleSource): TracedProgram {
  requireTwoExamples(source);
  return TracedProgram.trace(
    'gradient',
    (inputs) => {
      const { value, grads } = valueAndGrads((...weights: Tensor[]) =>
        sum(exampleLosses(loss, network.logits(weights, inputs.x), inputs.y)),
      )(collect(inputs, 'w', network.prunable.length));
      return { loss: value, ...numbered('g', grads) };
    },
    tracingInputs(network, source, false),
  );
}

/**
 * Traces the product of the summed loss' curvature with a vector on the
 * current tfjs backend.
 *
 * @throws NotCompilableError
 */
export function traceProduct(
  network: Network,
  loss: LossName,
  kind: CurvatureKind,
  source: ExampleSource,
): TracedProgram {
  requireTwoExamples(source);
  const count = network.prunable.length;
  return TracedProgram.trace(
    kind,
    (inputs) => {
      const vector = collect(inputs, 'v', count);
      const product = batchProducts[kind](network, loss, batchOf(inputs), vector);
      return numbered('g', product(...collect(inputs, 'w', count)));
    },
    tracingInputs(network, source, true),
  );
}

/**
 * Traces everything an analysis computes; the backend is not needed afterwards.
 *
 * @throws NotCompilableError
 */
export function traceLossPrograms(
  network: Network,
  loss: LossName,
  kind: CurvatureKind,
  source: ExampleSource,
): LossPrograms {
  return {
    evaluate: traceEvaluation(network, loss, source),
    gradient: traceGradient(network, loss, source),
    product: traceProduct(network, loss, kind, source),
  };
}

/** Flat weights (or a vector of their size) as the inputs `w0`, `w1`, .. of a native program; float32 is not copied. */
export function flatInputs(
  setting: NativeSetting,
  prefix: string,
  flat: Float32Array | Float64Array,
): Record<string, NativeTensor> {
  return Object.fromEntries(
    setting.network.prunable.map(({ offset, size, shape }, index) => {
      const part = flat.subarray(offset, offset + size);
      const data = part instanceof Float32Array ? part : new Float32Array(part);
      return [`${prefix}${index}`, nativeTensor(setting, data, shape)];
    }),
  );
}

/** Adds the outputs `g0`, `g1`, .. of a native program to a flat float64 vector. */
export function accumulate(
  setting: NativeSetting,
  outputs: Record<string, NativeTensor>,
  total: Float64Array,
): void {
  const parts = collect(outputs, 'g', setting.network.prunable.length);
  setting.network.prunable.forEach(({ offset, size }, index) => {
    const values = parts[index].data as Float32Array;
    for (let i = 0; i < size; i++) {
      total[offset + i] += values[i];
    }
  });
}

/** Multiplies a vector in place. */
export function scaled(total: Float64Array, factor: number): Float64Array {
  for (let i = 0; i < total.length; i++) {
    total[i] *= factor;
  }
  return total;
}
