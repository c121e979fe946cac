/** What pruning methods ask of a network and its training examples, by compiled programs or tfjs. */

import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import { compilingExecutor } from '../compute/compile/onnx-executor.js';
import { NotCompilableError } from '../compute/compile/trace.js';
import type { CompiledProgram, Executor, ExecutorTensors, ProgramPlans } from '../compute/executor.js';
import { tfjsExecutor } from '../compute/tfjs-executor.js';
import type { Evaluation } from '../network/evaluation.js';
import { type ExampleSource, examplesBetween, preparedOnce } from '../network/example-source.js';
import { accumulateFlat, type Network, weightTensors } from '../network/network.js';
import { outputTargets } from '../network/output-targets.js';
import { type Batches, createBatches, worthwhileBatchSize } from '../programs/batches.js';
import { lossEvaluator } from '../programs/evaluation.js';
import { flatInputs, flatSum } from '../programs/flat-weights.js';
import { prepareLossPrograms } from '../programs/loss-programs.js';
import { AGREEMENT_TOLERANCE, agreementOf, neighbourOf } from '../programs/rounding.js';
import { type MatrixProducts, plainProducts } from '../pruning/methods/matrix-products.js';
import type { ExampleRange, LossOracle, PruningCurvature } from '../pruning/methods/method.js';
import { randomStream } from '../random.js';
import { dispose, grads, ones, type Scalar, sum, type Tensor, tidy } from '../tfjs-core.js';
import { layerInputMoments } from './layer-inputs.js';
import type { Problem } from './problem.js';
import type { ResourceScope } from './resources.js';
import { meanSquaredGradients } from './squared-gradients.js';

/** Bytes of batches that are kept between passes over one range, and of prepared inputs. */
const KEEP_BYTES = 2 ** 28;
/** Examples at once where programs are not compiled. */
const UNCOMPILED_BATCH = 64;
/** Examples on which compiled programs are compared with tfjs, at once. */
const COMPARED_EXAMPLES = 8;
/**
 * Sets of them of which one must agree in gradient and product, too: where roundings change the sign of one input of a
 * relu, products of two right computations differ by per cents (FC5 with an l1 penalty: 2.7e-2 on its first set). Losses
 * must agree on every set that is looked at.
 */
const COMPARED_SETS = 4;
/** Two batch sizes from which the work of others follows; it grows linearly. */
const MEASURED_BATCHES = [16, 32] as const;

/** Loss programs at any weights on any examples. */
export interface Engine {
  evaluate(source: ExampleSource, weights: Float32Array): Promise<Evaluation>;
  /** Rows of the network's outputs, as the loss takes them. */
  logits(source: ExampleSource, weights: Float32Array): Promise<Float32Array>;
  gradient(source: ExampleSource, weights: Float32Array): Promise<Float64Array>;
  gaussNewton(source: ExampleSource, weights: Float32Array): Promise<PruningCurvature>;
  /** Of batches of that size, and a smaller one at the end. */
  gradientRows(
    source: ExampleSource,
    weights: Float32Array,
    batchSize: number,
    visit: (row: Float32Array, index: number) => void,
  ): Promise<void>;
  meanSquaredGradient(source: ExampleSource, weights: Float32Array): Promise<Float64Array>;
  products: MatrixProducts;
}

/** Operations of a curvature product of one example. */
function operationsPerExample({ wholeCost }: ProgramPlans): number {
  const [small, large] = MEASURED_BATCHES.map((size) => wholeCost(size).operations);
  return (large - small) / (MEASURED_BATCHES[1] - MEASURED_BATCHES[0]);
}

/** @throws NotCompilableError */
async function engineOf(problem: Problem, executor: Executor, scope: ResourceScope): Promise<Engine> {
  const { network, loss, train } = problem;
  const programs = await prepareLossPrograms(executor, network, loss, 'ggn', train);
  const { plans } = programs.product;
  const operations = plans === null ? null : operationsPerExample(plans);
  const batchSizeFor = (examples: number): number =>
    operations === null ? UNCOMPILED_BATCH : worthwhileBatchSize(examples, operations, network.dimension);
  const within = async <T>(
    source: ExampleSource,
    batchSize: number,
    use: (batches: Batches) => Promise<T>,
  ): Promise<T> => {
    const batches = createBatches(source, network.outputs, { batchSize, keepBytes: 0, executor });
    try {
      return await use(batches);
    } finally {
      batches.dispose();
    }
  };
  const evaluator = scope.own(lossEvaluator(network, loss, programs.evaluate));
  const gradients = scope.own(compiledBySize<CompiledProgram>((size) => programs.gradient.compile(size)));
  const products = scope.own(compiledBySize<CompiledProgram>((size) => programs.product.compile(size)));
  /** The outputs `g0`, `g1`, .. of a program of a batch's sum, as a mean over all examples. */
  const meanOf = async (
    compiled: typeof gradients,
    batches: Batches,
    inputs: ExecutorTensors,
  ): Promise<Float64Array> => {
    const mean = flatSum(executor, network, 1 / batches.examples);
    await batches.forEach(async ({ size, x, y }) => {
      const outputs = await (await compiled.of(size)).run({ ...inputs, x, y });
      mean.add(outputs);
      executor.release(outputs);
    });
    return mean.values;
  };
  const gradientRows: Engine['gradientRows'] = async (source, weights, batchSize, visit) => {
    const fixed = flatInputs(executor, network, 'w', weights);
    const row = new Float32Array(network.dimension);
    await within(source, batchSize, (batches) =>
      batches.forEach(async ({ size, x, y }, index) => {
        const outputs = await (await gradients.of(size)).run({ ...fixed, x, y });
        network.prunable.forEach(({ offset }, layer) => {
          row.set(executor.values(outputs[`g${layer}`]), offset);
        });
        executor.release(outputs);
        visit(size === 1 ? row : row.map((value) => value / size), index);
      }),
    );
    executor.release(fixed);
  };
  return {
    products: executor.matrixProducts === null ? plainProducts : scope.own(await executor.matrixProducts()),
    gradientRows,
    meanSquaredGradient: meanSquaredGradients({ problem, executor, gradientRows, batchSizeFor }, scope),
    evaluate: (source, weights) =>
      within(source, batchSizeFor(source.count), (batches) => evaluator.evaluate(batches, weights)),
    logits: (source, weights) =>
      within(source, batchSizeFor(source.count), async (batches) => {
        const { logits } = await evaluator.outputs(batches, weights, { start: 0, end: batches.shards });
        return logits;
      }),
    gradient: (source, weights) =>
      within(source, batchSizeFor(source.count), async (batches) => {
        const fixed = flatInputs(executor, network, 'w', weights);
        const gradient = await meanOf(gradients, batches, fixed);
        executor.release(fixed);
        return gradient;
      }),
    gaussNewton: async (source, weights) => {
      const batches = createBatches(source, network.outputs, {
        batchSize: batchSizeFor(source.count),
        keepBytes: KEEP_BYTES,
        executor,
      });
      const fixed = flatInputs(executor, network, 'w', weights.slice());
      return {
        apply: async (vector) => {
          const direction = flatInputs(executor, network, 'v', vector);
          const product = await meanOf(products, batches, { ...fixed, ...direction });
          executor.release(direction);
          return product;
        },
        dispose: () => {
          executor.release(fixed);
          batches.dispose();
        },
      };
    },
  };
}

/** Losses, gradient and one Gauss-Newton product. */
async function resultsOf(
  engine: Engine,
  source: ExampleSource,
  weights: Float32Array,
): Promise<ArrayLike<number>[]> {
  const random = randomStream(0, 'comparison');
  const product = await engine.gaussNewton(source, weights);
  try {
    return [
      (await engine.evaluate(source, weights)).losses,
      await engine.gradient(source, weights),
      await product.apply(Float64Array.from(weights, () => random.normal())),
    ];
  } finally {
    product.dispose();
  }
}

/** @throws NotCompilableError where a kernel cannot be compiled, or results differ from those of tfjs */
async function checkedEngine(problem: Problem, executor: Executor, scope: ResourceScope): Promise<Engine> {
  const { network, train } = problem;
  const compiled = await engineOf(problem, executor, scope);
  const reference = await engineOf(problem, tfjsExecutor, scope);
  const differences: number[] = [];
  for (let start = 0; start < Math.min(train.count, COMPARED_SETS * COMPARED_EXAMPLES); ) {
    const end = Math.min(start + COMPARED_EXAMPLES, train.count);
    const source = examplesBetween(train, start, end);
    const found = await resultsOf(compiled, source, network.weights);
    const expected = await resultsOf(reference, source, network.weights);
    const neighbour = () =>
      resultsOf(reference, source, neighbourOf(network.weights, randomStream(0, 'neighbour')));
    const { difference } = await agreementOf(found, expected, neighbour);
    if (difference <= AGREEMENT_TOLERANCE) {
      return compiled;
    }
    differences.push(difference);
    const losses = await agreementOf(found.slice(0, 1), expected.slice(0, 1), neighbour);
    // No sign of a relu changes losses so much, or makes one side not finite.
    if (!(losses.difference <= AGREEMENT_TOLERANCE) || Number.isNaN(difference)) {
      break;
    }
    start = end;
  }
  const least = Math.min(...differences);
  throw new NotCompilableError(`compiled programs differ from tfjs by ${least.toExponential(1)}`);
}

async function openEngine(
  problem: Problem,
  scope: ResourceScope,
  note: (message: string) => void,
): Promise<Engine> {
  const executor = compilingExecutor(problem.engine);
  if (executor !== null) {
    try {
      return await checkedEngine(problem, executor, scope);
    } catch (error) {
      if (!(error instanceof NotCompilableError)) {
        throw error;
      }
      note(`this model cannot be compiled (${error.message}); computing with tfjs`);
    }
  }
  return engineOf(problem, tfjsExecutor, scope);
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
  products: MatrixProducts;
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
  const { network, loss } = problem;
  const train = preparedOnce(problem.train, KEEP_BYTES);
  const engine = await openEngine(problem, scope, note);
  const seen = new Uint8Array(train.count);
  let gradients = 0;
  const count = ({ start, end }: ExampleRange, each: number): void => {
    seen.fill(1, start, end);
    gradients += each * (end - start);
  };
  const oracleOf = (source: ExampleSource): LossOracle => {
    const of = ({ start, end }: ExampleRange): ExampleSource => examplesBetween(source, start, end);
    const first = (examples: number): ExampleRange => ({ start: 0, end: examples });
    return {
      examples: source.count,
      loss: async (weights, range) => {
        count(range, 1 / 3);
        return (await engine.evaluate(of(range), weights)).meanLoss;
      },
      gradient: (weights, range) => {
        count(range, 1);
        return engine.gradient(of(range), weights);
      },
      gaussNewton: async (weights, range) => {
        const { apply, dispose } = await engine.gaussNewton(of(range), weights);
        return {
          apply: (vector) => {
            count(range, 4 / 3);
            return apply(vector);
          },
          dispose,
        };
      },
      gradientRows: (weights, { batchSize, count: rows }, visit) => {
        count(first(batchSize * rows), 1);
        return engine.gradientRows(of(first(batchSize * rows)), weights, batchSize, visit);
      },
      meanSquaredGradient: (weights, examples) => {
        count(first(examples), 1);
        return engine.meanSquaredGradient(of(first(examples)), weights);
      },
      towards: async (weights, examples, labelShare) => {
        count(first(examples), 1 / 3);
        const answered = of(first(examples));
        const outputs = outputTargets(loss, await engine.logits(answered, weights), network.outputs);
        const labels = answered.targets(0, examples);
        const mixed = outputs.map((value, i) => (1 - labelShare) * value + labelShare * labels[i]);
        return oracleOf({
          ...answered,
          targets: (start, end) => mixed.subarray(start * network.outputs, end * network.outputs),
        });
      },
      layerInputs: async (weights, range) => {
        count(range, 1 / 3);
        return layerInputMoments(network, of(range), weights);
      },
      summedOutputGradient: async (weights) => summedOutputGradient(network, train.shape, weights),
    };
  };
  return {
    cost: () => ({ gradients, distinctExamples: seen.reduce((total, one) => total + one, 0) }),
    evaluate: engine.evaluate,
    products: engine.products,
    oracle: oracleOf(train),
  };
}
