import { compiledBySize } from '../compute/compile/compiled-by-size.js';
import type {
  CompiledProgram,
  CompiledSplit,
  ExecutorTensors,
  PreparedProgram,
  ProgramPlans,
} from '../compute/executor.js';
import type { LossName } from '../network/loss.js';
import type { Network } from '../network/network.js';
import type { Batch, Batches } from '../programs/batches.js';
import type { CurvatureKind } from '../programs/curvature-products.js';
import { flatInputs, flatSum, scaled } from '../programs/flat-weights.js';
import { gradientProgram, productProgram, vectorInputs } from '../programs/loss-programs.js';
import type { ShardRange } from '../programs/shards.js';
import type { LinearOperator } from './linear-operator.js';
import type { ProductPlan } from './product-plan.js';
import { sharedPass } from './shared-pass.js';

/** Loss and gradient at one weight vector. */
export interface LossGradient {
  /** Mean loss over the examples. */
  loss: number;
  /** Its gradient with respect to the flat prunable weights. */
  gradient: Float64Array;
}

/** Everything the derivatives of L(w) are computed from. */
export interface LossProblem {
  network: Network;
  loss: LossName;
  batches: Batches;
}

/** Sums of loss and gradient over batches, by a program that is compiled until this is disposed of. */
export interface GradientSums {
  /** @param range shards of the batches; left out: all */
  over(weights: Float32Array | Float64Array, range?: ShardRange): Promise<LossGradient>;
  dispose(): void;
}

/**
 * @param prepared {@link gradientProgram}, where the executor of the batches has it already
 * @throws NotCompilableError
 */
export async function gradientSums(
  { network, loss, batches }: LossProblem,
  prepared?: PreparedProgram,
): Promise<GradientSums> {
  const { executor, source } = batches;
  const program = prepared ?? (await executor.prepare(gradientProgram(network, loss, source)));
  const programs = compiledBySize<CompiledProgram>((batchSize) => program.compile(batchSize));
  return {
    over: async (weights, range) => {
      const fixed = flatInputs(executor, network, 'w', weights);
      try {
        const gradient = flatSum(executor, network);
        let summed = 0;
        await batches.forEach(async ({ size, x, y }) => {
          const compiled = await programs.of(size);
          const outputs = await compiled.run({ ...fixed, x, y });
          summed += executor.values(outputs.loss)[0];
          gradient.add(outputs);
          executor.release(outputs);
        }, range);
        return { loss: summed, gradient: gradient.values };
      } finally {
        executor.release(fixed);
      }
    },
    dispose: programs.dispose,
  };
}

/**
 * Mean loss over all batches and its gradient, by a program that is compiled
 * for this one call: its buffers are as large as a product's.
 *
 * @param weights flat prunable weights, length D
 * @param prepared {@link gradientProgram}, where the executor of the batches has it already
 * @throws NotCompilableError
 */
export async function lossGradient(
  problem: LossProblem,
  weights: Float32Array | Float64Array,
  prepared?: PreparedProgram,
): Promise<LossGradient> {
  const { examples } = problem.batches;
  const sums = await gradientSums(problem, prepared);
  try {
    const { loss, gradient } = await sums.over(weights);
    return { loss: loss / examples, gradient: scaled(gradient, 1 / examples) };
  } finally {
    sums.dispose();
  }
}

/** A curvature matrix at fixed weights; holds their tensors until disposed. */
export interface CurvatureOperator extends LinearOperator {
  readonly kind: CurvatureKind;
  dispose(): void;
}

/** Products of one batch: with any direction, as often as wanted, until it is released. */
interface BatchProduct {
  run(direction: ExecutorTensors): Promise<ExecutorTensors>;
  release(): void;
}

/** How the products of batches are computed. */
interface ProductStrategy {
  of(batch: Batch, index: number): Promise<BatchProduct>;
  /** Compiles what the first batch takes. */
  compileFirst(batchSize: number): Promise<unknown>;
  dispose(): void;
}

/** Runs the whole program for every direction. */
function wholeProducts(program: () => Promise<PreparedProgram>, fixed: ExecutorTensors): ProductStrategy {
  const programs = compiledBySize<CompiledProgram>(async (size) => (await program()).compile(size));
  return {
    of: async ({ size, x, y }) => {
      const compiled = await programs.of(size);
      return {
        run: (direction) => compiled.run({ ...fixed, ...direction, x, y }),
        release: () => {},
      };
    },
    compileFirst: programs.of,
    dispose: programs.dispose,
  };
}

/** Runs what does not depend on the direction once, or once in a pass, as the plan says. */
function splitProducts(
  { executor }: Batches,
  network: Network,
  plans: ProgramPlans,
  plan: ProductPlan,
  fixed: ExecutorTensors,
): ProductStrategy {
  const variable = vectorInputs(network);
  const [plain, unfolded] = [false, true].map((keepUnfolded) =>
    compiledBySize<CompiledSplit>((size) => plans.compileSplit(size, variable, keepUnfolded)),
  );
  const splitOf = (index: number): typeof plain =>
    index < plan.unfoldedBatches || (index >= plan.keptBatches && plan.recomputesUnfolded) ? unfolded : plain;
  const shared = new Map<number, ExecutorTensors>();
  return {
    of: async ({ size, x, y }, index) => {
      const { prologue, step } = await splitOf(index).of(size);
      const known = shared.get(index) ?? (await prologue.run({ ...fixed, x, y }));
      const keeps = shared.has(index) || shared.size < plan.keptBatches;
      if (keeps) {
        shared.set(index, known);
      }
      return {
        run: (direction) => step.run({ ...known, ...direction }),
        release: () => {
          if (!keeps) {
            executor.release(known);
          }
        },
      };
    },
    compileFirst: splitOf(0).of,
    dispose: () => {
      for (const known of shared.values()) {
        executor.release(known);
      }
      shared.clear();
      plain.dispose();
      unfolded.dispose();
    },
  };
}

/** Products of the curvature of the summed loss with vectors, at the weights it was made for. */
export interface ProductSums {
  /**
   * @param vectors of length D; what does not depend on them is computed once for all
   * @param options.range shards of the batches; left out: all
   * @param options.factor on the sums; left out: 1
   */
  over(
    vectors: readonly (Float32Array | Float64Array)[],
    options?: { range?: ShardRange; factor?: number },
  ): Promise<Float64Array[]>;
  dispose(): void;
}

function sumsBy(
  { network, batches }: LossProblem,
  fixed: ExecutorTensors,
  products: ProductStrategy,
): ProductSums {
  const { executor } = batches;
  return {
    over: async (vectors, { range, factor } = {}) => {
      const directions = vectors.map((vector) => flatInputs(executor, network, 'v', vector));
      const sums = vectors.map(() => flatSum(executor, network, factor));
      try {
        await batches.forEach(async (batch, index) => {
          const product = await products.of(batch, index);
          // One by one: a step for several vectors, with taller and wider products, takes 0.75 (layers of 40) to 0.9 of their
          // time (of 300), and larger batches bring most of that without one.
          for (const [i, direction] of directions.entries()) {
            const outputs = await product.run(direction);
            sums[i].add(outputs);
            executor.release(outputs);
          }
          product.release();
        }, range);
      } finally {
        directions.forEach(executor.release);
      }
      return sums.map(({ values }) => values);
    },
    dispose: () => {
      executor.release(fixed);
      products.dispose();
    },
  };
}

function operatorBy(
  { network, batches }: LossProblem,
  kind: CurvatureKind,
  sums: ProductSums,
): CurvatureOperator {
  return {
    kind,
    dim: network.dimension,
    positiveSemidefinite: kind === 'ggn',
    apply: sharedPass((vectors) => sums.over(vectors, { factor: 1 / batches.examples })),
    dispose: sums.dispose,
  };
}

/**
 * The Hessian or generalised Gauss-Newton matrix of the mean loss over all
 * batches, with respect to the flat prunable weights, as a linear operator.
 *
 * Vectors are float64; products are computed in float32 batch by batch and
 * summed in float64. The first product compiles, where the executor does.
 *
 * @param weights where the curvature is taken, default the trained weights; float32 ones must not change
 */
export function curvatureOperator(
  problem: LossProblem,
  kind: CurvatureKind,
  weights: Float32Array | Float64Array = problem.network.weights,
): CurvatureOperator {
  const { network, loss, batches } = problem;
  const fixed = flatInputs(batches.executor, network, 'w', weights);
  let prepared: Promise<PreparedProgram> | null = null;
  const program = (): Promise<PreparedProgram> => {
    prepared ??= batches.executor.prepare(productProgram(network, loss, kind, batches.source));
    return prepared;
  };
  return operatorBy(problem, kind, sumsBy(problem, fixed, wholeProducts(program, fixed)));
}

/**
 * The products behind {@link plannedCurvatureOperator}, as sums over shards.
 *
 * @throws NotCompilableError when the program cannot be compiled
 */
export async function plannedProductSums(
  problem: LossProblem,
  program: PreparedProgram,
  plan: ProductPlan | null,
): Promise<ProductSums> {
  const { network, batches } = problem;
  const fixed = flatInputs(batches.executor, network, 'w', network.weights);
  const products =
    plan === null || plan.name === 'whole' || program.plans === null
      ? wholeProducts(async () => program, fixed)
      : splitProducts(batches, network, program.plans, plan, fixed);
  await products.compileFirst(Math.min(batches.batchSize, batches.examples));
  return sumsBy(problem, fixed, products);
}

/**
 * {@link curvatureOperator} at the trained weights, compiled ahead and carried out by a plan.
 *
 * @param program {@link productProgram}, prepared by the executor of the batches
 * @param plan of batches of its size; null runs the whole program for every vector
 * @throws NotCompilableError when the program cannot be compiled
 */
export async function plannedCurvatureOperator(
  problem: LossProblem,
  kind: CurvatureKind,
  program: PreparedProgram,
  plan: ProductPlan | null,
): Promise<CurvatureOperator> {
  return operatorBy(problem, kind, await plannedProductSums(problem, program, plan));
}
