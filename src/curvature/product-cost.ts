import { kernelOperations } from '../compute/operation-count.js';
import { ShapesUnknownError, withShapesAlone } from '../compute/shapes/shape-backend.js';
import { collect, type TensorProgram } from '../compute/tensor-program.js';
import type { ExampleSource } from '../network/example-source.js';
import type { LossName } from '../network/loss.js';
import type { Network } from '../network/network.js';
import type { CurvatureKind } from '../programs/curvature-products.js';
import { productProgram } from '../programs/loss-programs.js';
import { dispose, profile, type Tensor, tidy } from '../tfjs-core.js';

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

/** As `profile` of tfjs, which goes on profiling for ever where what it profiles fails. */
async function profiled(run: () => Tensor[]): ReturnType<typeof profile> {
  let failure: unknown = null;
  const found = await profile(() => {
    try {
      return run();
    } catch (error) {
      failure = error ?? new Error('failed');
      return [];
    }
  });
  if (failure !== null) {
    throw failure;
  }
  return found;
}

async function profileProduct(
  network: Network,
  { run, sampleInputs }: TensorProgram,
  examples: number,
): Promise<{ peakBytes: number; operations: number }> {
  const inputs = withShapesAlone(() => sampleInputs(examples));
  const gradients = () => tidy(() => collect(run(inputs), 'g', network.prunable.length)) as Tensor[];
  try {
    const { result, peakBytes, kernels } = await profiled(() => withShapesAlone(gradients)).catch(
      (error: unknown) => {
        if (error instanceof ShapesUnknownError) {
          return profiled(gradients);
        }
        throw error;
      },
    );
    dispose(result as Tensor[]);
    const operations = kernels.map(kernelOperations).reduce((a, b) => a + b, 0);
    return { peakBytes, operations };
  } finally {
    dispose(inputs);
  }
}

/**
 * How memory and work of a curvature product by tfjs grow with the batch size:
 * by its shapes for two small batches.
 */
export async function measureProductCost(
  network: Network,
  loss: LossName,
  kind: CurvatureKind,
  source: ExampleSource,
): Promise<ProductCost> {
  const product = productProgram(network, loss, kind, source);
  const smallExamples = Math.min(SMALL_BATCH, source.count);
  const small = await profileProduct(network, product, smallExamples);
  if (source.count < LARGE_BATCH) {
    return {
      fixedBytes: 0,
      bytesPerExample: small.peakBytes / smallExamples,
      operationsPerExample: small.operations / smallExamples,
    };
  }
  const large = await profileProduct(network, product, LARGE_BATCH);
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
