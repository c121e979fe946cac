import type { ProgramPlans } from '../compute/executor.js';
import type { AnalyzeConfig } from '../config.js';
import {
  PRODUCT_PROGRAMS,
  type ProductPlan,
  type ProductProgram,
  planProducts,
} from '../curvature/product-plan.js';
import { SMALLEST_BATCH, worthwhileBatchSize } from '../programs/batches.js';
import { vectorInputs } from '../programs/loss-programs.js';
import { BASIS_OPERATION_COST, chooseLanczosSizes, type LanczosSizes } from './budget.js';
import { tensorMemory } from './memory.js';
import type { Problem } from './problem.js';
import type { DiskRoom } from './vectors-on-disk.js';

/** Largest shares of the memory limit; what they leave goes to what products keep. */
const WORKING_SHARE = 0.35;
const BASIS_SHARE = 0.25;
const INPUT_SHARE = 1 / 16;
/**
 * Where the tensors that do not grow with the batch alone pass the limit, the
 * batch may add this much to them: smaller ones would cost time and save
 * little.
 */
const GROWTH_BEYOND_LIMIT = 1 / 4;
/**
 * Batches of examples that take much: products of ResNet20 are a tenth faster
 * in these than in the smallest, and no faster in larger ones. Worth it only
 * where unfolded images of such a batch fit; without them they are half as fast.
 */
const ROOMY_BATCH = 64;
/** Two batch sizes from which the memory of others follows; it grows linearly. */
const MEASURED_BATCHES = [16, 32] as const;

/** How the work of compiled programs is cut, from memory and operation counts alone, so that it is the same in every run. */
export interface CompiledWorkSizes extends LanczosSizes {
  plan: ProductPlan;
  /** Memory for training batches, and again for test batches, kept between passes. */
  keepBytes: number;
  /** What the tensors of a product of one example take. */
  leastBytes: number;
}

/** What has to be the same wherever a shard is computed, as it decides the last digits. */
export interface ShardArithmetic {
  /** Examples in a batch, at most. */
  batchSize: number;
  /** Null: tfjs computes, operation by operation. */
  program: ProductProgram | null;
}

/** How the examples are cut before they are cut into batches. */
export interface ShardDemand {
  shards: number;
  /** Batches and programs that are given; null: to be chosen. */
  arithmetic: ShardArithmetic | null;
}

/**
 * Divides the memory limit among compiled programs: batch size and plan of
 * their curvature products, and the Lanczos basis.
 *
 * @param product what is known of the curvature product
 * @param demanded of a sum over shards; null: over all examples
 * @param disk where a basis that does not fit into memory may be kept
 */
export function compiledWorkSizes(
  { network, train }: Pick<Problem, 'network' | 'train'>,
  config: AnalyzeConfig,
  product: ProgramPlans,
  demanded: ShardDemand | null = null,
  disk: DiskRoom | null = null,
): CompiledWorkSizes {
  const shards = demanded?.shards ?? 1;
  const given = demanded?.arithmetic ?? null;
  const examplesOfShard = Math.ceil(train.count / shards);
  const limit = tensorMemory(config);
  const variable = vectorInputs(network);
  const [small, large] = MEASURED_BATCHES.map((batchSize) => {
    const { prologue, step, keptBytes } = product.splitCost(batchSize, variable, false);
    return {
      operations: product.wholeCost(batchSize).operations,
      bytes: keptBytes + Math.max(prologue.peakBytes, step.peakBytes),
    };
  });
  const added = MEASURED_BATCHES[1] - MEASURED_BATCHES[0];
  const operationsPerExample = (large.operations - small.operations) / added;
  const bytesPerExample = Math.max(1, (large.bytes - small.bytes) / added);
  const fixedBytes = Math.max(0, small.bytes - MEASURED_BATCHES[0] * bytesPerExample);
  const workingBytes = Math.max(WORKING_SHARE * limit, (1 + GROWTH_BEYOND_LIMIT) * fixedBytes);
  const fitting = Math.max(1, Math.floor((workingBytes - fixedBytes) / bytesPerExample));
  const roomy = product.splitCost(ROOMY_BATCH, variable, true);
  const roomyBytes = roomy.keptBytes + Math.max(roomy.prologue.peakBytes, roomy.step.peakBytes);
  const largest = Math.min(
    fitting,
    worthwhileBatchSize(
      examplesOfShard,
      operationsPerExample,
      network.dimension,
      roomyBytes <= workingBytes ? ROOMY_BATCH : SMALLEST_BATCH,
    ),
  );
  const batchSize = given?.batchSize ?? Math.ceil(examplesOfShard / Math.ceil(examplesOfShard / largest));
  const programs = given === null || given.program === null ? PRODUCT_PROGRAMS : [given.program];

  const lanczos = chooseLanczosSizes(
    config,
    network.dimension,
    operationsPerExample * train.count,
    BASIS_SHARE * limit,
    BASIS_OPERATION_COST.compiled,
    disk,
  );
  // Two programs of a product have buffers of their own, as large as what a pass takes.
  const passBytes = 2 * (fixedBytes + batchSize * bytesPerExample);
  const basisBytes = Math.min(lanczos.basisBytes, BASIS_SHARE * limit);
  const demand = {
    examples: train.count,
    batchSize,
    cacheBytes: Math.max(0, limit - passBytes - basisBytes - 2 * INPUT_SHARE * limit),
    workingBytes,
    vectors: lanczos.probes,
    ...(demanded !== null && { batches: shards * Math.ceil(examplesOfShard / batchSize), programs }),
  };
  return {
    ...lanczos,
    keepBytes: INPUT_SHARE * limit,
    leastBytes: 2 * (fixedBytes + bytesPerExample),
    plan: planProducts(product, variable, demand, config.productPlan),
  };
}
