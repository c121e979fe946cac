import type { AnalyzeConfig } from '../config.js';
import { batchSizeWithin, measureProductCost, type ProductCost } from '../curvature/product-cost.js';
import type { CurvatureKind } from '../programs/curvature-products.js';
import type { Reorthogonalization } from '../spectrum/lanczos.js';
import { sufficientProbes } from '../spectrum/uncertainty.js';
import { tensorMemory } from './memory.js';
import type { Problem } from './problem.js';
import { type DiskRoom, memoryOfDiskVectors } from './vectors-on-disk.js';

/** Larger batches are not faster on any backend measured. */
const MAXIMUM_BATCH = 4096;
/** Batches in a forward pass; its memory is below a product's. */
const EVALUATION_BATCH = 1000;
/**
 * How much slower an operation on the Lanczos vectors is than one of a product:
 * it waits for memory. Compiled: from `bench/lanczos-share.js` on two cores,
 * where orthogonalising took 37 % of a product of the fixture and 4 % of one
 * of MLPNet over 100 steps. Eager: plain loops beside tfjs' WebAssembly.
 */
export const BASIS_OPERATION_COST = { eager: 3, compiled: 25 };
/** Part of the vectors that are reorthogonalised, of the fixture and of MLPNet. */
const REORTHOGONALIZED_SHARE = 1 / 2;
/** Steps after which a limit is typically settled; what orthogonalisation costs grows with them. */
const TYPICAL_STEPS = 80;
/**
 * Without reorthogonalisation ghost copies hold the quadrature up: the same
 * tolerance took 1.9 times as many products for the fixture and 2.4 times for
 * MLPNet (means over 10 seeds). With it, a step may cost nearly as much more.
 */
const REORTHOGONALIZATION_SHARE = 0.9;
/** Operations on the basis in a whole run that take a few seconds only: then the better quadrature is worth them. */
const SMALL_BASIS_OPERATIONS = 2e10;

/**
 * How much slower an operation on Lanczos vectors on a disk is than one on those in memory: a disk that reads 1 GB/s
 * beside a memory that reads 10.
 */
const DISK_OPERATION_COST = 10;

/** How many Lanczos runs there are and how their vectors are treated. */
export interface LanczosSizes {
  /** At the start; more may be taken within `products`. */
  probes: number;
  /** Budget of products, over all probes. */
  products: number;
  reorthogonalization: Reorthogonalization;
  /** What the basis takes if every product is made, in bytes. */
  basisBytes: number;
  /** The folder it lies in where it does not fit into memory; null: memory. */
  basisFolder: string | null;
  /** What it would have taken where only room for it was missing; null elsewhere. */
  missingBytes: number | null;
}

/** How work with tfjs is cut, from memory and operation counts alone, so that it is the same in every run. */
export interface WorkSizes extends LanczosSizes {
  cost: ProductCost;
  /** Examples in a batch of a curvature product. */
  productBatch: number;
  /** Examples in a batch of a forward pass. */
  evaluationBatch: number;
  /** Memory for training batches, and again for test batches, kept on the backend. */
  keepBytes: number;
}

/**
 * How many probes to take, whether to reorthogonalise, and where the basis is kept: in
 * float32, as no limit moves by it (`test/spectrum/orthogonality.test.ts`), in memory, else on a disk.
 *
 * @param productOperations operations of one curvature product
 * @param basisBytes memory the basis may take
 * @param operationCost how much slower an operation on the basis is than one of a product
 * @param disk where a basis that does not fit may be kept
 */
export function chooseLanczosSizes(
  config: Pick<AnalyzeConfig, 'bound' | 'probes' | 'steps' | 'tolerancePoints' | 'reorthogonalization'>,
  dimension: number,
  productOperations: number,
  basisBytes: number,
  operationCost: number,
  disk: DiskRoom | null = null,
): LanczosSizes {
  const budget = Math.min(config.steps, dimension);
  const probes =
    config.probes ??
    (config.bound === 'gaussian-width' ? sufficientProbes(dimension, config.tolerancePoints / 100) : 2);
  const products = probes * budget;
  const basisValues = products * dimension;
  const wantedBytes = 4 * basisValues;
  const fits = wantedBytes <= basisBytes;
  const fitsOnDisk =
    wantedBytes <= (disk?.bytes ?? 0) && probes * memoryOfDiskVectors(dimension) <= basisBytes;
  const sizes = (reorthogonalization: Reorthogonalization): LanczosSizes => ({
    ...{ probes, products, reorthogonalization },
    basisBytes: reorthogonalization === 'none' ? 0 : wantedBytes,
    basisFolder: reorthogonalization === 'full' && !fits && fitsOnDisk ? disk!.folder : null,
    missingBytes: null,
  });
  if (config.reorthogonalization !== 'auto') {
    return sizes(config.reorthogonalization);
  }
  const steps = Math.min(budget, TYPICAL_STEPS);
  // In a step on average; a product with the vectors so far and one with their transpose, half of all on average.
  const basisOperations =
    REORTHOGONALIZED_SHARE * (4 * dimension * (steps / 2)) * (fits ? 1 : DISK_OPERATION_COST);
  const pays =
    basisOperations * operationCost <= REORTHOGONALIZATION_SHARE * productOperations ||
    probes * steps * basisOperations <= SMALL_BASIS_OPERATIONS;
  return pays && !fits && !fitsOnDisk
    ? { ...sizes('none'), missingBytes: wantedBytes }
    : sizes(pays ? 'full' : 'none');
}

const inGigabytes = (bytes: number): string => `${(bytes / 1e9).toPrecision(2)} GB`;

/** What is to be said of where the basis is kept; null: nothing. */
export function basisNote(
  { basisBytes, basisFolder, missingBytes }: LanczosSizes,
  disk: DiskRoom | null,
): string | null {
  if (basisFolder !== null) {
    return `the Lanczos vectors, up to ${inGigabytes(basisBytes)}, do not fit into the memory limit: they are kept in ${basisFolder} until the end`;
  }
  if (missingBytes === null) {
    return null;
  }
  const room = disk === null ? 'a folder on a disk' : `${disk.folder} (${inGigabytes(disk.bytes)} free)`;
  return `the Lanczos vectors, up to ${inGigabytes(missingBytes)}, fit neither into the memory limit nor into ${room}: going on without reorthogonalisation, which takes about twice as many products; raise --memory-limit, or name a folder with TMPDIR`;
}

/**
 * Measures what a curvature product takes and divides the memory limit: a
 * quarter for batches that are kept; up to half for the tensors of a product
 * and the rest for the Lanczos basis.
 */
export function chooseWorkSizes(problem: Problem, config: AnalyzeConfig): WorkSizes {
  const { network, loss, train } = problem;
  const kind: CurvatureKind = config.curvature;
  const limit = tensorMemory(config);
  const cost = measureProductCost(network, loss, kind, train);
  const productBatch = batchSizeWithin(cost, train.count, limit / 2, MAXIMUM_BATCH);
  const productBytes = cost.fixedBytes + cost.bytesPerExample * productBatch;
  return {
    cost,
    productBatch,
    evaluationBatch: batchSizeWithin(cost, EVALUATION_BATCH, limit / 2, EVALUATION_BATCH),
    keepBytes: limit / 8,
    ...chooseLanczosSizes(
      config,
      network.dimension,
      cost.operationsPerExample * train.count,
      (3 / 4) * limit - productBytes,
      BASIS_OPERATION_COST.eager,
    ),
  };
}
