/** L1 norms of rows of the curvature: which weights it does not see (the paper's figure 6). */
import { type LinearOperator, productSummary } from '../curvature/linear-operator.js';
import type { Network } from '../network/network.js';
import type { Progress } from '../progress.js';
import type { MagnitudeRanking } from '../pruning/magnitude.js';
import type { Report } from '../report/schema.js';
import { askedStages } from './stages.js';

/**
 * A row below this part of the mean norm is dead. Of the mean, which the
 * large rows make: where most rows are dead, so is their median.
 */
const DEAD_SHARE = 1e-3;

/**
 * The threshold of the paper's code on the mean over batches of 128: it sums
 * over the 391 batches of CIFAR-10, divides by its 50,000 examples and
 * compares with 1e-7.
 */
const PAPER_THRESHOLD = (1e-7 * 50_000) / 391;

/** Vectors that share a pass over the data. */
const SHARED = 4;

/**
 * The weights at p = 0, 1/N, .., (N - 1)/N of the order of magnitudes: each
 * has the n-th smallest magnitude, n = max(1, ceil(p D)), and is the first in
 * the flat order of those that have it.
 *
 * @returns flat indices, ascending in magnitude
 */
export function quantileWeights(
  weights: Float32Array,
  { order }: MagnitudeRanking,
  count: number,
): Uint32Array {
  const magnitude = (place: number): number => Math.abs(weights[order[place]]);
  return Uint32Array.from({ length: count }, (_, i) => {
    // Guarded against a product that lies just above a whole number.
    const place = Math.max(1, Math.ceil((i / count) * order.length - 1e-6)) - 1;
    let [below, first] = [-1, place];
    while (first - below > 1) {
      const middle = Math.floor((below + first) / 2);
      if (magnitude(middle) < magnitude(place)) {
        below = middle;
      } else {
        first = middle;
      }
    }
    return order[first];
  });
}

/** The L1 norm of one row of the curvature. */
export interface RowNorm {
  /** Flat index of the weight. */
  index: number;
  norm: number;
}

/**
 * Norms of the rows of weights at equally spaced quantiles of magnitude, one
 * product with a unit vector each. Rows go over the prunable weights; those of
 * the paper's code go over biases and normalisation, too.
 */
export async function measureRowNorms(
  curvature: LinearOperator,
  weights: Float32Array,
  ranking: MagnitudeRanking,
  count: number,
  progress: Progress,
): Promise<RowNorm[]> {
  const indices = quantileWeights(weights, ranking, count);
  const distinct = [...new Set(indices)];
  const stage = progress.stage(askedStages.rowNorms, distinct.length);
  const norms = new Map<number, number>();
  for (let start = 0; start < distinct.length; start += SHARED) {
    await Promise.all(
      distinct.slice(start, start + SHARED).map(async (index) => {
        const unit = new Float64Array(weights.length);
        unit[index] = 1;
        const [norm] = await productSummary(curvature, unit, {
          name: 'L1 norm',
          of: (row) => Float64Array.of(row.reduce((sum, entry) => sum + Math.abs(entry), 0)),
        });
        norms.set(index, norm);
      }),
    );
    stage.update(norms.size);
  }
  stage.end();
  return Array.from(indices, (index) => ({ index, norm: norms.get(index) as number }));
}

/** Rows as the report has them, with the dead ones counted. */
export function rowNormsReport(
  { prunable, weights }: Pick<Network, 'prunable' | 'weights'>,
  rows: readonly RowNorm[],
): NonNullable<Report['rowNorms']> {
  const mean = rows.reduce((sum, { norm }) => sum + norm, 0) / rows.length;
  const dead = (threshold: number) => ({
    threshold,
    // Where all rows are 0, so is the mean, and all are dead.
    share: rows.filter(({ norm }) => norm < threshold || norm === 0).length / rows.length,
  });
  return {
    products: new Set(rows.map(({ index }) => index)).size,
    rows: rows.map(({ index, norm }, i) => {
      const weight = prunable.find(({ offset, size }) => index < offset + size);
      return {
        pruned: i / rows.length,
        weight: weight?.name ?? '',
        index: index - (weight?.offset ?? 0),
        magnitude: Math.abs(weights[index]),
        norm,
      };
    }),
    mean,
    dead: { scaleFree: dead(DEAD_SHARE * mean), paper: dead(PAPER_THRESHOLD) },
  };
}
