import { sum, type Tensor, type Tensor2D, tensor, tensor2d, valueAndGrads } from '@tensorflow/tfjs-core';
import type { NativeProgram, NativeTensor } from '../compute/compile/native-session.js';
import { collect, numbered, type SplitProgram, TracedProgram } from '../compute/compile/program.js';
import { NotCompilableError, type ProgramInputs, TEMPLATE_BATCHES } from '../compute/compile/trace.js';
import type { ExampleSource } from '../network/batches.js';
import { type Evaluation, summarizeEvaluation } from '../network/evaluation.js';
import { exampleLosses } from '../network/loss.js';
import { weightTensors } from '../network/network.js';
import { type NativeBatches, type NativeSetting, nativeTensor } from './native-batches.js';
import { batchProducts, type CurvatureKind, type CurvatureOperator, type LossGradient } from './products.js';

/** Tensors of a batch to trace a program with; its first examples, repeated where there are too few. */
function tracingInputs(
  { network }: NativeSetting,
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

/** Flat weights (or a vector of their size) as the inputs `w0`, `w1`, .. of a native program. */
function flatInputs(
  setting: NativeSetting,
  prefix: string,
  flat: Float32Array | Float64Array,
): Record<string, NativeTensor> {
  return Object.fromEntries(
    setting.network.prunable.map(({ offset, size, shape }, index) => [
      `${prefix}${index}`,
      nativeTensor(setting, new Float32Array(flat.subarray(offset, offset + size)), shape),
    ]),
  );
}

function accumulate(
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

function scaled(total: Float64Array, factor: number): Float64Array {
  for (let i = 0; i < total.length; i++) {
    total[i] *= factor;
  }
  return total;
}

/** Programs compiled for the batch sizes that occur: the full one and the last. */
function compiledBySize<T extends { dispose(): Promise<void> }>(
  compile: (batchSize: number) => Promise<T>,
): { of(batchSize: number): Promise<T>; dispose(): void } {
  const programs = new Map<number, Promise<T>>();
  return {
    of: (batchSize) => {
      const program = programs.get(batchSize) ?? compile(batchSize);
      programs.set(batchSize, program);
      return program;
    },
    dispose: () => {
      for (const program of programs.values()) {
        program.then((compiled) => compiled.dispose()).catch(() => {});
      }
      programs.clear();
    },
  };
}

/** A forward pass compiled to native code. */
export interface NativeEvaluator {
  evaluate(
    batches: NativeBatches,
    weights: Float32Array | Float64Array,
    onExamples?: (done: number) => void,
  ): Promise<Evaluation>;
  dispose(): void;
}

/**
 * Compiles the loss and output of every example.
 *
 * @throws NotCompilableError
 */
export function nativeEvaluator(setting: NativeSetting, source: ExampleSource): NativeEvaluator {
  const { network, loss } = setting;
  const count = network.prunable.length;
  const traced = TracedProgram.trace(
    'evaluate',
    (inputs) => {
      const logits = network.logits(collect(inputs, 'w', count), inputs.x);
      return { losses: exampleLosses(loss, logits, inputs.y), logits };
    },
    tracingInputs(setting, source, false),
  );
  const programs = compiledBySize<NativeProgram>((batchSize) => traced.compile(batchSize, setting.options));
  return {
    evaluate: async (batches, weights, onExamples = () => {}) => {
      const fixed = flatInputs(setting, 'w', weights);
      const losses = new Float64Array(batches.examples);
      const logits: Float32Array[] = [];
      const targets: Float32Array[] = [];
      let done = 0;
      await batches.forEach(async ({ size, x, y }) => {
        const program = await programs.of(size);
        const outputs = await program.run({ ...fixed, x, y });
        losses.set(outputs.losses.data as Float32Array, done);
        logits.push(outputs.logits.data as Float32Array);
        targets.push(y.data as Float32Array);
        done += size;
        onExamples(done);
      });
      return summarizeEvaluation(loss, losses, logits, targets, network.outputs);
    },
    dispose: programs.dispose,
  };
}

/** The gradient compiled to native code. */
export interface NativeGradient {
  lossGradient(batches: NativeBatches, weights: Float32Array | Float64Array): Promise<LossGradient>;
  dispose(): void;
}

/**
 * Compiles loss and gradient of a batch.
 *
 * @throws NotCompilableError
 */
export function nativeGradient(setting: NativeSetting, source: ExampleSource): NativeGradient {
  const { network, loss } = setting;
  const count = network.prunable.length;
  const traced = TracedProgram.trace(
    'gradient',
    (inputs) => {
      const { value, grads } = valueAndGrads((...weights: Tensor[]) =>
        sum(exampleLosses(loss, network.logits(weights, inputs.x), inputs.y)),
      )(collect(inputs, 'w', count));
      return { loss: value, ...numbered('g', grads) };
    },
    tracingInputs(setting, source, false),
  );
  const programs = compiledBySize<NativeProgram>((batchSize) => traced.compile(batchSize, setting.options));
  return {
    lossGradient: async (batches, weights) => {
      const fixed = flatInputs(setting, 'w', weights);
      const total = new Float64Array(network.dimension);
      let summedLoss = 0;
      await batches.forEach(async ({ size, x, y }) => {
        const program = await programs.of(size);
        const outputs = await program.run({ ...fixed, x, y });
        summedLoss += (outputs.loss.data as Float32Array)[0];
        accumulate(setting, outputs, total);
      });
      return { loss: summedLoss / batches.examples, gradient: scaled(total, 1 / batches.examples) };
    },
    dispose: programs.dispose,
  };
}

/** How a native curvature operator keeps what does not change between products. */
export interface NativeCurvatureOptions {
  batchSize: number;
  /** Memory for what is computed once per batch and kept, in bytes. */
  cacheBytes: number;
}

/** A curvature operator compiled to native code, and what it keeps. */
export interface NativeCurvatureOperator extends CurvatureOperator {
  /** Batches whose prologue is kept, of all. */
  readonly keptBatches: number;
  readonly totalBatches: number;
  /** Unfolded images are kept too. */
  readonly keepsUnfolded: boolean;
}

/**
 * Compiles the Hessian or Gauss-Newton product at the trained weights.
 *
 * Everything that does not depend on the vector - the forward and the first
 * backward pass - is computed once per batch and kept as far as the memory
 * goes; for the other batches it is computed in every product.
 *
 * @throws NotCompilableError
 */
export async function nativeCurvatureOperator(
  setting: NativeSetting,
  kind: CurvatureKind,
  source: ExampleSource,
  batches: NativeBatches,
  { batchSize, cacheBytes }: NativeCurvatureOptions,
): Promise<NativeCurvatureOperator> {
  const { network, loss } = setting;
  const count = network.prunable.length;
  if (source.count < TEMPLATE_BATCHES[0]) {
    throw new NotCompilableError('one example is too few to trace a batch');
  }
  const traced = TracedProgram.trace(
    kind,
    (inputs) =>
      numbered(
        'g',
        batchProducts[kind](
          network,
          loss,
          batchOf(inputs),
          collect(inputs, 'v', count),
        )(...collect(inputs, 'w', count)),
      ),
    tracingInputs(setting, source, true),
  );
  const variable = network.prunable.map((_, index) => `v${index}`);
  const totalBatches = Math.ceil(source.count / batchSize);
  const keepsUnfolded =
    totalBatches * traced.splitCost(batchSize, variable, true, setting.options).keptBytes <= cacheBytes;
  const { keptBytes } = traced.splitCost(batchSize, variable, keepsUnfolded, setting.options);
  const keptBatches = Math.min(totalBatches, Math.floor(cacheBytes / Math.max(1, keptBytes)));
  const programs = compiledBySize<SplitProgram>((size) =>
    traced.compileSplit(size, variable, keepsUnfolded, setting.options),
  );
  await programs.of(Math.min(batchSize, source.count));
  const fixed = flatInputs(setting, 'w', network.weights);
  const prologues = new Map<number, Record<string, NativeTensor>>();
  return {
    kind,
    dim: network.dimension,
    keptBatches,
    totalBatches,
    keepsUnfolded,
    apply: async (vector) => {
      const direction = flatInputs(setting, 'v', vector);
      const total = new Float64Array(network.dimension);
      await batches.forEach(async ({ size, x, y }, index) => {
        const program = await programs.of(size);
        const known = prologues.get(index);
        const prologue = known ?? (await program.prologue.run({ ...fixed, x, y }));
        if (known === undefined && index < keptBatches) {
          prologues.set(index, prologue);
        }
        accumulate(setting, await program.step.run({ ...prologue, ...direction }), total);
      });
      return scaled(total, 1 / batches.examples);
    },
    dispose: () => {
      prologues.clear();
      programs.dispose();
    },
  };
}
