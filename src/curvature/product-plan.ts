import type { GraphCost } from '../compute/compile/graph-cost.js';
import type { NativeOptions } from '../compute/compile/native-session.js';
import type { TracedProgram } from '../compute/compile/program.js';

/**
 * What is done with the part of a product that is the same for every vector,
 * the forward and the first backward pass of a batch.
 *
 * `kept`: computed once and kept, as far as the memory goes; batches beyond
 * that are recomputed. `recomputed`: computed once in every pass over the
 * data, for all vectors of the pass. `whole`: not separated; every product
 * runs the whole program.
 */
export const PRODUCT_PLANS = ['kept', 'recomputed', 'whole'] as const;
export type ProductPlanName = (typeof PRODUCT_PLANS)[number];

/** How compiled curvature products are carried out. */
export interface ProductPlan {
  name: ProductPlanName;
  batchSize: number;
  batches: number;
  /** Batches whose shared part is kept. */
  keptBatches: number;
  /** Unfolded images are computed with the shared part, not in every product. */
  keepsUnfolded: boolean;
  /** Estimated memory: what is kept and what one pass takes, in bytes. */
  bytes: number;
}

/** What there is to compute, and with how much memory. */
export interface ProductDemand {
  examples: number;
  batchSize: number;
  /** Memory for shared parts that are kept, in bytes. */
  cacheBytes: number;
  /** Memory for the tensors of one pass, in bytes. */
  workingBytes: number;
  /** Vectors that share a pass. */
  vectors: number;
}

/**
 * Operations in the time of moving one byte. Native programs reach about 60
 * operations a nanosecond in matrix products on two cores and move about 10
 * bytes a nanosecond.
 */
const OPERATIONS_PER_BYTE = 6;

/** Work in units of operations. */
function work({ operations, trafficBytes }: GraphCost): number {
  return operations + OPERATIONS_PER_BYTE * trafficBytes;
}

/**
 * The fastest plan that fits, by the operation counts of the traced program.
 *
 * @param product the traced curvature product
 * @param variable its inputs that change between products
 * @param options where the programs will run
 * @param asked takes this plan instead of the fastest
 */
export function planProducts(
  product: TracedProgram,
  variable: readonly string[],
  options: NativeOptions,
  demand: ProductDemand,
  asked: ProductPlanName | 'auto' = 'auto',
): ProductPlan {
  const { examples, batchSize, vectors } = demand;
  const batches = Math.ceil(examples / batchSize);
  const whole = product.wholeCost(batchSize, options);
  const candidates: { plan: ProductPlan; work: number; fits: boolean }[] = [
    {
      plan: {
        name: 'whole',
        batchSize,
        batches,
        keptBatches: 0,
        keepsUnfolded: false,
        bytes: whole.peakBytes,
      },
      work: batches * vectors * work(whole),
      fits: true,
    },
  ];
  for (const keepsUnfolded of [false, true]) {
    const { prologue, step, keptBytes } = product.splitCost(batchSize, variable, keepsUnfolded, options);
    const passBytes = keptBytes + Math.max(prologue.peakBytes, step.peakBytes);
    const keepable = Math.min(batches, Math.floor(demand.cacheBytes / Math.max(1, keptBytes)));
    // The outputs of a shared part are copied out of the runtime.
    const recomputing = work(prologue) + OPERATIONS_PER_BYTE * 2 * keptBytes;
    for (const keptBatches of keepable > 0 ? [0, keepable] : [0]) {
      candidates.push({
        plan: {
          name: keptBatches > 0 ? 'kept' : 'recomputed',
          batchSize,
          batches,
          keptBatches,
          keepsUnfolded,
          bytes: keptBatches * keptBytes + passBytes,
        },
        work: (batches - keptBatches) * recomputing + batches * vectors * work(step),
        fits: passBytes <= demand.workingBytes,
      });
    }
  }
  const named = candidates.filter(({ plan }) => asked === 'auto' || plan.name === asked);
  // `kept` with no room for one batch is `recomputed`.
  const possible = named.length > 0 ? named : candidates.filter(({ plan }) => plan.name === 'recomputed');
  const fitting = possible.filter(({ fits }) => fits);
  return (fitting.length > 0 ? fitting : possible).reduce((best, candidate) =>
    candidate.work < best.work ? candidate : best,
  ).plan;
}
