import { type ProgramCost, programCost } from '../compute/program-cost.js';
import { byShapesOrNumbers } from '../compute/shapes/shape-backend.js';
import type { TensorProgram } from '../compute/tensor-program.js';
import type { ExampleSource } from '../network/example-source.js';
import type { LossName } from '../network/loss.js';
import type { Network } from '../network/network.js';
import type { CurvatureKind } from '../programs/curvature-products.js';
import { productProgram } from '../programs/loss-programs.js';
import { dispose } from '../tfjs-core.js';

/** Examples in the two small batches that are compared. */
const SMALL_BATCH = 2;
const LARGE_BATCH = 6;

/** What a curvature product takes, as linear functions of the batch size. */
export interface ProductCost {
  /** Memory whatever the batch, in bytes. */
  fixedBytes: number;
  /** Memory per example of a batch, in bytes. */
  bytesPerExample: number;
  /** Floating-point operations per example, those of matrix products and convolutions. */
  operationsPerExample: number;
}

function costOf({ run, sampleInputs }: TensorProgram, examples: number): ProgramCost {
  const inputs = byShapesOrNumbers(() => sampleInputs(examples));
  try {
    return programCost(() => run(inputs));
  } finally {
    dispose(inputs);
  }
}

/**
 * How memory and work of a curvature product by tfjs grow with the batch size:
 * by its shapes for two small batches.
 */
export function measureProductCost(
  network: Network,
  loss: LossName,
  kind: CurvatureKind,
  source: ExampleSource,
): ProductCost {
  const product = productProgram(network, loss, kind, source);
  const smallExamples = Math.min(SMALL_BATCH, source.count);
  const small = costOf(product, smallExamples);
  if (source.count < LARGE_BATCH) {
    return {
      fixedBytes: 0,
      bytesPerExample: small.peakBytes / smallExamples,
      operationsPerExample: small.operations / smallExamples,
    };
  }
  const large = costOf(product, LARGE_BATCH);
  const added = LARGE_BATCH - SMALL_BATCH;
  const bytesPerExample = Math.max(1, (large.peakBytes - small.peakBytes) / added);
  return {
    fixedBytes: Math.max(0, small.peakBytes - SMALL_BATCH * bytesPerExample),
    bytesPerExample,
    operationsPerExample: (large.operations - small.operations) / added,
  };
}

/**
 * The largest batch whose product stays within a memory limit, evened out so
 * that the last batch is not much smaller than the others.
 *
 * @param limitBytes memory for one product
 * @param maximum largest useful batch
 */
export function batchSizeWithin(
  cost: ProductCost,
  examples: number,
  limitBytes: number,
  maximum: number,
): number {
  const fitting = Math.floor((limitBytes - cost.fixedBytes) / cost.bytesPerExample);
  const largest = Math.max(1, Math.min(fitting, maximum, examples));
  return Math.ceil(examples / Math.ceil(examples / largest));
}
