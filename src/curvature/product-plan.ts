import type { GraphCost } from '../compute/compile/graph-cost.js';
import type { ProgramPlans } from '../compute/executor.js';

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
  /** The first of them: those whose unfolded images are kept, too, several times the memory. */
  unfoldedBatches: number;
  /** Where the shared part is recomputed, images are unfolded in it, not in every product. */
  recomputesUnfolded: boolean;
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
  /** Of `batchSize` at most, where shards cut some shorter; left out: as few as hold the examples. */
  batches?: number;
  /** What every batch may go through, all the same; left out: these may be mixed. */
  programs?: readonly ProductProgram[];
}

/** What a batch goes through: the whole program, or a split one whose images are unfolded in every product or before. */
export const PRODUCT_PROGRAMS = ['whole', 'folded', 'unfolded'] as const;
export type ProductProgram = (typeof PRODUCT_PROGRAMS)[number];

/** What every batch of a plan goes through; null where that depends on which are kept. */
export function productProgramOf(plan: ProductPlan): ProductProgram | null {
  const { name, keptBatches, unfoldedBatches, recomputesUnfolded, batches } = plan;
  if (name === 'whole') {
    return 'whole';
  }
  if (unfoldedBatches === 0 && !recomputesUnfolded) {
    return 'folded';
  }
  return unfoldedBatches === keptBatches && (recomputesUnfolded || keptBatches === batches)
    ? 'unfolded'
    : null;
}

/**
 * Operations in the time of moving one byte. Compiled programs reach about 60
 * operations a nanosecond in matrix products on two cores and move about 10
 * bytes a nanosecond.
 */
const OPERATIONS_PER_BYTE = 6;

/** Work in units of operations. */
function work({ operations, trafficBytes }: GraphCost): number {
  return operations + OPERATIONS_PER_BYTE * trafficBytes;
}

/** A plan and the work of one pass by it. */
interface Candidate {
  plan: ProductPlan;
  work: number;
  /** Tensors of one batch beyond what is kept, in bytes. */
  passBytes: number;
}

/**
 * The fastest plan that fits, by the operation counts of the traced program.
 *
 * @param product what is known of the curvature product
 * @param variable its inputs that change between products
 * @param asked takes this plan instead of the fastest
 */
export function planProducts(
  product: ProgramPlans,
  variable: readonly string[],
  demand: ProductDemand,
  asked: ProductPlanName | 'auto' = 'auto',
): ProductPlan {
  const { examples, batchSize, cacheBytes, vectors } = demand;
  const batches = demand.batches ?? Math.ceil(examples / batchSize);
  const whole = product.wholeCost(batchSize);
  const [plain, unfolded] = [false, true].map((keepUnfolded) => {
    const { prologue, step, keptBytes } = product.splitCost(batchSize, variable, keepUnfolded);
    return {
      keptBytes,
      step: vectors * work(step),
      // The outputs of a shared part are copied out of the runtime.
      prologue: work(prologue) + OPERATIONS_PER_BYTE * 2 * keptBytes,
      passBytes: keptBytes + Math.max(prologue.peakBytes, step.peakBytes),
    };
  });
  const common = { batchSize, batches, keptBatches: 0, unfoldedBatches: 0, recomputesUnfolded: false };
  const candidates: Candidate[] = [
    {
      plan: { ...common, name: 'whole', bytes: whole.peakBytes },
      work: batches * vectors * work(whole),
      passBytes: whole.peakBytes,
    },
  ];
  const mostUnfolded = Math.min(batches, Math.floor(cacheBytes / Math.max(1, unfolded.keptBytes)));
  for (let unfoldedBatches = 0; unfoldedBatches <= mostUnfolded; unfoldedBatches++) {
    const left = cacheBytes - unfoldedBatches * unfolded.keptBytes;
    const most = Math.min(batches - unfoldedBatches, Math.floor(left / Math.max(1, plain.keptBytes)));
    for (const plainBatches of new Set([0, most])) {
      const keptBatches = unfoldedBatches + plainBatches;
      const rest = batches - keptBatches;
      const keptBytes = unfoldedBatches * unfolded.keptBytes + plainBatches * plain.keptBytes;
      for (const recomputesUnfolded of rest > 0 ? [false, true] : [false]) {
        const recomputed = recomputesUnfolded ? unfolded : plain;
        const used = [
          ...(unfoldedBatches > 0 ? [unfolded] : []),
          ...(plainBatches > 0 ? [plain] : []),
          ...(rest > 0 ? [recomputed] : []),
        ];
        const passBytes = Math.max(...used.map((variant) => variant.passBytes));
        candidates.push({
          plan: {
            name: keptBatches > 0 ? 'kept' : 'recomputed',
            batchSize,
            batches,
            keptBatches,
            unfoldedBatches,
            recomputesUnfolded,
            bytes: keptBytes + passBytes,
          },
          work:
            unfoldedBatches * unfolded.step +
            plainBatches * plain.step +
            rest * (recomputed.prologue + recomputed.step),
          passBytes,
        });
      }
    }
  }
  const { programs } = demand;
  const allowed = candidates.filter(({ plan }) => {
    const program = productProgramOf(plan);
    return programs === undefined || (program !== null && programs.includes(program));
  });
  const named = allowed.filter(({ plan }) => asked === 'auto' || plan.name === asked);
  // `kept` with no room for one batch is `recomputed`.
  const possible = named.length > 0 ? named : allowed.filter(({ plan }) => plan.name === 'recomputed');
  const fitting = possible.filter(({ passBytes }) => passBytes <= demand.workingBytes);
  return (fitting.length > 0 ? fitting : possible).reduce((best, candidate) =>
    candidate.work < best.work ? candidate : best,
  ).plan;
}
