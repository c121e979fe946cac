import { totalmem } from 'node:os';
import type { AnalyzeConfig } from '../config.js';
import { batchSizeWithin, measureProductCost, type ProductCost } from '../curvature/product-cost.js';
import type { CurvatureKind } from '../curvature/products.js';
import type { Reorthogonalization } from '../spectrum/lanczos.js';
import type { Problem } from './problem.js';

/** Memory used where --memory-limit is not given, if the machine has twice that. */
const DEFAULT_MEMORY_BYTES = 2 * 2 ** 30;
/** Larger batches are not faster on any backend measured. */
const MAXIMUM_BATCH = 4096;
/** Batches in a forward pass; its memory is below a product's. */
const EVALUATION_BATCH = 1000;
/**
 * How much slower a float64 operation of the Lanczos basis is than one of a
 * product: plain loops against vectorised kernels.
 */
const BASIS_OPERATION_COST = 15;
/** Reorthogonalisation pays where it adds at most this share to the products. */
const REORTHOGONALIZATION_SHARE = 0.25;

/** How the work is cut, from memory and operation counts alone, so that it is the same in every run. */
export interface WorkSizes {
  cost: ProductCost;
  /** Examples in a batch of a curvature product. */
  productBatch: number;
  /** Examples in a batch of a forward pass. */
  evaluationBatch: number;
  /** Memory for training batches, and again for test batches, kept on the backend. */
  keepBytes: number;
  reorthogonalization: Reorthogonalization;
  basisPrecision: 'float64' | 'float32';
}

function chooseReorthogonalization(
  config: AnalyzeConfig,
  dimension: number,
  productOperations: number,
  basisBytes: number,
): Pick<WorkSizes, 'reorthogonalization' | 'basisPrecision'> {
  const vectors = config.probes * Math.min(config.steps, dimension);
  const basisPrecision = vectors * dimension * 8 <= basisBytes ? 'float64' : 'float32';
  if (config.reorthogonalization !== 'auto') {
    return { reorthogonalization: config.reorthogonalization, basisPrecision };
  }
  const fits = vectors * dimension * 4 <= basisBytes;
  // Two Gram-Schmidt passes of two sweeps over half the budget of steps on average.
  const basisOperations = 4 * dimension * Math.min(config.steps, dimension) * BASIS_OPERATION_COST;
  const pays = basisOperations <= REORTHOGONALIZATION_SHARE * productOperations;
  return { reorthogonalization: fits && pays ? 'full' : 'none', basisPrecision };
}

/**
 * Measures what a curvature product takes and divides the memory limit: half
 * for the tensors of a product, a quarter for batches kept on the backend, a
 * quarter for the Lanczos basis.
 */
export async function chooseWorkSizes(problem: Problem, config: AnalyzeConfig): Promise<WorkSizes> {
  const { network, loss, train } = problem;
  const kind: CurvatureKind = config.curvature;
  const limit = config.memoryLimitBytes ?? Math.min(DEFAULT_MEMORY_BYTES, totalmem() / 2);
  const cost = await measureProductCost(network, loss, kind, train);
  const productBatch = batchSizeWithin(cost, train.count, limit / 2, MAXIMUM_BATCH);
  return {
    cost,
    productBatch,
    evaluationBatch: batchSizeWithin(cost, EVALUATION_BATCH, limit / 2, EVALUATION_BATCH),
    keepBytes: limit / 8,
    ...chooseReorthogonalization(
      config,
      network.dimension,
      cost.operationsPerExample * train.count,
      limit / 4,
    ),
  };
}
