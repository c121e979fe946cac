/** What pruning methods ask of a network and its training examples, by native programs or tfjs. */
import { dispose, grads, ones, type Scalar, sum, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { channelBlockSize } from '../compute/compile/channel-block-size.js';
import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import type { NativeProgram, NativeTensor } from '../compute/compile/native-session.js';
import { NotCompilableError } from '../compute/compile/trace.js';
import { nativeEvaluator } from '../curvature/native.js';
import {
  type NativeBatches,
  type NativeSetting,
  nativeBatches,
  nativeBatchSize,
} from '../curvature/native-batches.js';
import { accumulate, flatInputs, scaled, traceLossPrograms } from '../curvature/native-programs.js';
import { curvatureOperator, lossGradient } from '../curvature/products.js';
import { type Batches, createBatches, type ExampleSource } from '../network/batches.js';
import { type Evaluation, evaluate } from '../network/evaluation.js';
import { accumulateFlat, type Network, weightTensors } from '../network/network.js';
import type { ExampleRange, LossOracle } from '../pruning/methods/method.js';
import { layerInputMoments } from './layer-inputs.js';
import { AGREEMENT_TOLERANCE } from './native-agreement.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';

/** Bytes of batches that are kept between passes over one range. */
const KEEP_BYTES = 2 ** 28;
/** Examples at once without native programs. */
const EAGER_BATCH = 64;

/** Examples [start, end) of a source, numbered from 0. */
function rangeOf(source: ExampleSource, { start, end }: ExampleRange): ExampleSource {
  return {
    count: end - start,
    shape: source.shape,
    inputs: (from, to) => source.inputs(start + from, start + to),
    targets: (from, to) => source.targets(start + from, start + to),
  };
}

/** Loss programs at any weights on any examples. */
interface Engine extends Pick<LossOracle, 'gradient' | 'gaussNewton' | 'gradientRows'> {
  evaluate(source: ExampleSource, weights: Float32Array): Promise<Evaluation>;
}

function eagerEngine({ network, loss, train }: Problem): Engine {
  const within = async <T>(
    source: ExampleSource,
    batchSize: number,
    use: (batches: Batches) => Promise<T>,
  ): Promise<T> => {
    const batches = createBatches(source, network.outputs, { batchSize, keepBytes: 0 });
    try {
      return await use(batches);
    } finally {
      batches.dispose();
    }
  };
  return {
    evaluate: (source, weights) =>
      within(source, EAGER_BATCH, (batches) => evaluate(network, loss, batches, weights)),
    gradient: (weights, range) =>
      within(
        rangeOf(train, range),
        EAGER_BATCH,
        async (batches) => (await lossGradient({ network, loss, batches }, weights)).gradient,
      ),
    gaussNewton: async (weights, range) => {
      const batches = createBatches(rangeOf(train, range), network.outputs, {
        batchSize: EAGER_BATCH,
        keepBytes: KEEP_BYTES,
      });
      const operator = curvatureOperator({ network, loss, batches }, 'ggn', weights);
      return {
        apply: (vector) => operator.apply(vector),
        dispose: () => {
          operator.dispose();
          batches.dispose();
        },
      };
    },
    gradientRows: async (weights, { batchSize, count }, visit) => {
      for (let index = 0; index < count; index++) {
        const range = { start: index * batchSize, end: (index + 1) * batchSize };
        await within(rangeOf(train, range), batchSize, async (batches) => {
          const { gradient } = await lossGradient({ network, loss, batches }, weights);
          visit(Float32Array.from(gradient), index);
        });
      }
    },
  };
}

/** @throws NotCompilableError where a kernel has no native form, or gradients differ from those of tfjs */
async function nativeEngine(problem: Problem, scope: ResourceScope): Promise<Engine> {
  const { network, loss, train, engine } = problem;
  if (engine.native === null) {
    throw new NotCompilableError('this engine has no native programs');
  }
  const programs = traceLossPrograms(network, loss, 'ggn', train);
  const channelBlock = programs.product.hasConvolutions
    ? await channelBlockSize(engine.native.runtime)
    : null;
  const options = { ...engine.native, channelBlock };
  const setting: NativeSetting = { network, loss, options };
  const [small, large] = [16, 32].map((size) => programs.product.wholeCost(size, options).operations);
  const batchesOf = (source: ExampleSource): NativeBatches =>
    nativeBatches(
      setting,
      source,
      nativeBatchSize(source.count, (large - small) / 16, network.dimension),
      KEEP_BYTES,
    );
  const evaluator = scope.own(nativeEvaluator(setting, programs.evaluate));
  const products = scope.own(
    compiledBySize<NativeProgram>((size) => programs.product.compile(size, options)),
  );
  const gradients = scope.own(
    compiledBySize<NativeProgram>((size) => programs.gradient.compile(size, options)),
  );
  /** The outputs `g0`, `g1`, .. of a program of a batch's sum, as a mean over all examples. */
  const meanOf = async (
    compiled: typeof gradients,
    batches: NativeBatches,
    inputs: Record<string, NativeTensor>,
  ): Promise<Float64Array> => {
    const total = new Float64Array(network.dimension);
    await batches.forEach(async ({ size, x, y }) => {
      accumulate(setting, await (await compiled.of(size)).run({ ...inputs, x, y }), total);
    });
    return scaled(total, 1 / batches.examples);
  };
  const rowBatches = (batchSize: number, count: number): NativeBatches =>
    nativeBatches(setting, rangeOf(train, { start: 0, end: batchSize * count }), batchSize, 0);
  const native: Engine = {
    evaluate: (source, weights) => evaluator.evaluate(batchesOf(source), weights),
    gradient: (weights, range) =>
      meanOf(gradients, batchesOf(rangeOf(train, range)), flatInputs(setting, 'w', weights)),
    gaussNewton: async (weights, range) => {
      const batches = batchesOf(rangeOf(train, range));
      const fixed = flatInputs(setting, 'w', weights.slice());
      return {
        apply: (vector) => meanOf(products, batches, { ...fixed, ...flatInputs(setting, 'v', vector) }),
        dispose: () => {},
      };
    },
    gradientRows: async (weights, { batchSize, count }, visit) => {
      const fixed = flatInputs(setting, 'w', weights);
      const program = await gradients.of(batchSize);
      const row = new Float32Array(network.dimension);
      await rowBatches(batchSize, count).forEach(async ({ x, y }, index) => {
        const outputs = await program.run({ ...fixed, x, y });
        network.prunable.forEach(({ offset }, layer) => {
          row.set(outputs[`g${layer}`].data as Float32Array, offset);
        });
        visit(batchSize === 1 ? row : row.map((value) => value / batchSize), index);
      });
    },
  };
  const range = { start: 0, end: Math.min(2, train.count) };
  const [compiled, eager] = [
    await native.gradient(network.weights, range),
    await eagerEngine(problem).gradient(network.weights, range),
  ];
  const norm = (vector: Float64Array): number =>
    Math.sqrt(vector.reduce((total, value) => total + value ** 2, 0));
  const difference = norm(compiled.map((value, i) => value - eager[i]));
  if (!(difference <= AGREEMENT_TOLERANCE * Math.max(1e-6, norm(eager)))) {
    throw new NotCompilableError(`compiled gradients differ from tfjs by ${difference.toExponential(1)}`);
  }
  return native;
}

function summedOutputGradient(
  network: Network,
  shape: readonly number[],
  weights: Float32Array,
): Float64Array {
  const total = new Float64Array(network.dimension);
  const tensors = weightTensors(network, weights);
  const parts = tidy(() =>
    grads((...at: Tensor[]) => sum(network.logits(at, ones([1, ...shape]))) as Scalar)(tensors),
  );
  accumulateFlat(network, parts, total);
  dispose([...tensors, ...parts]);
  return total;
}

/** What a method has used of its data so far. */
export interface PruningCost {
  /** Work in gradients of one example: a forward pass is 1/3, a product with the Gauss-Newton matrix 4/3. */
  gradients: number;
  /** Training examples that were looked at, each counted once. */
  distinctExamples: number;
}

/** The oracle of a problem, and what stands beside it: its cost, and measurements that methods do not see. */
export interface MeteredOracle {
  oracle: LossOracle;
  cost(): PruningCost;
  /** Evaluates on any examples, uncounted. */
  evaluate(source: ExampleSource, weights: Float32Array): Promise<Evaluation>;
}

/**
 * The oracle over `problem.train`; compiled where that is possible, else tfjs with a note.
 *
 * @param note told why nothing was compiled, where that was wanted
 */
export async function openPruningOracle(
  problem: Problem,
  scope: ResourceScope,
  note: (message: string) => void,
): Promise<MeteredOracle> {
  const { network, train } = problem;
  const engine = await nativeEngine(problem, scope).catch((error: unknown) => {
    if (!(error instanceof NotCompilableError)) {
      throw error;
    }
    if (problem.engine.native !== null) {
      note(`this model cannot be compiled (${error.message}); computing with tfjs`);
    }
    return eagerEngine(problem);
  });
  const seen = new Uint8Array(train.count);
  let gradients = 0;
  const count = ({ start, end }: ExampleRange, each: number): void => {
    seen.fill(1, start, end);
    gradients += each * (end - start);
  };
  return {
    cost: () => ({ gradients, distinctExamples: seen.reduce((total, one) => total + one, 0) }),
    evaluate: engine.evaluate,
    oracle: {
      examples: train.count,
      loss: async (weights, range) => {
        count(range, 1 / 3);
        return (await engine.evaluate(rangeOf(train, range), weights)).meanLoss;
      },
      gradient: (weights, range) => {
        count(range, 1);
        return engine.gradient(weights, range);
      },
      gaussNewton: async (weights, range) => {
        const { apply, dispose } = await engine.gaussNewton(weights, range);
        return {
          apply: (vector) => {
            count(range, 4 / 3);
            return apply(vector);
          },
          dispose,
        };
      },
      gradientRows: (weights, options, visit) => {
        count({ start: 0, end: options.batchSize * options.count }, 1);
        return engine.gradientRows(weights, options, visit);
      },
      layerInputs: async (weights, range) => {
        count(range, 1 / 3);
        return layerInputMoments(network, rangeOf(train, range), weights);
      },
      summedOutputGradient: async (weights) => summedOutputGradient(network, train.shape, weights),
    },
  };
}
