import {
  type GradientMatrix,
  gradientMatrix,
  timesVector,
  transposedTimesVector,
} from './gradient-matrix.js';
import { bestKeptWeights, type FisherModel } from './inverse-fisher.js';
import { masked, pruneLowest } from './mask.js';
import type { MatrixProducts } from './matrix-products.js';
import type { PrunedNetwork, PruningMethod, PruningProblem } from './method.js';
import { cubicStages } from './stages.js';

/** Examples of a mini-batch, of the authors' script, where there are enough; else fewer, so that there are rows. */
const BATCH = 16;
const LEAST_ROWS = 100;
/**
 * lambda, and whether there is a first-order term, of which the best is taken by the loss on examples that the gradients
 * are not of; the authors' script takes lambda from lists on its command line. Without its own ridge the first-order
 * term overshoots where gradients are few.
 */
const CANDIDATES = [
  { ridge: 1e-5, firstOrder: false },
  { ridge: 1e-3, firstOrder: false },
  { ridge: 1e-2, firstOrder: true },
  { ridge: 1e-1, firstOrder: true },
  { ridge: 1, firstOrder: true },
] as const;
/** Of the examples, those that only choose among these. */
const JUDGING_SHARE = 0.2;
const ITERATIONS = 30;
/** The longest step that is tried, in 1 / L. */
const LONGEST = 32;
/** The search ends where the objective falls by less than this share of itself. */
const TOLERANCE = 1e-7;
const STAGES = 10;
const FIRST_SHARE = 0.1;

/** 1 / (2 N) ||X (w - w0)||^2 + lambda / 2 ||w - w0||^2 + a' (w - w0), the objective divided by N. */
export function chitaObjective(problem: FisherModel, at: ArrayLike<number>): number {
  const { gradients, weights, ridge, linear } = problem;
  const step = new Float64Array(weights.length);
  for (let i = 0; i < step.length; i++) {
    step[i] = at[i] - weights[i];
  }
  const through = timesVector(gradients, step);
  let value = through.reduce((sum, y) => sum + y * y, 0) / (2 * gradients.rows);
  step.forEach((d, i) => {
    value += (ridge / 2) * d * d + (linear === null ? 0 : linear[i] * d);
  });
  return value;
}

/** The largest eigenvalue of X'X / N by power iteration, a little below it. */
function largestEigenvalue(gradients: GradientMatrix): number {
  let vector = new Float64Array(gradients.columns).fill(1 / Math.sqrt(gradients.columns));
  let value = 0;
  for (let iteration = 0; iteration < 30; iteration++) {
    const product = transposedTimesVector(gradients, timesVector(gradients, vector));
    const norm = Math.sqrt(product.reduce((sum, x) => sum + x * x, 0));
    if (norm === 0) {
      return 0;
    }
    value = norm / gradients.rows;
    vector = product.map((x) => x / norm);
  }
  return value;
}

/** Zeros of the smallest magnitudes of w, all but those of a support that it may have. */
function projected(at: Float64Array, prunedWeights: number): Float64Array {
  const mask = pruneLowest(at.map(Math.abs), prunedWeights);
  return at.map((value, i) => (mask[i] === 0 ? 0 : value));
}

/**
 * CHITA (Benbaki et al., ICML 2023) for given gradients: iterative hard thresholding with the longest of some steps
 * that lowers the objective, then the kept weights of the support by a direct solve. The objective never rises.
 *
 * @param held weights that stay pruned, where the mask is 0; null: none
 * @param onIterate told each iterate, of length D, which the next step changes no more
 */
export async function chitaPruning(
  problem: FisherModel,
  prunedWeights: number,
  products: MatrixProducts,
  held: Uint8Array | null = null,
  onIterate?: (weights: Float64Array) => void,
): Promise<PrunedNetwork> {
  const { gradients, weights, ridge, linear } = problem;
  const free = (values: Float64Array): Float64Array =>
    held === null ? values : values.map((value, i) => (held[i] === 0 ? 0 : value));
  const gradientAt = (at: Float64Array): Float64Array => {
    const step = at.map((value, i) => value - weights[i]);
    const product = transposedTimesVector(gradients, timesVector(gradients, step));
    return free(
      product.map((value, i) => value / gradients.rows + ridge * step[i] + (linear === null ? 0 : linear[i])),
    );
  };
  const lipschitz = 1.05 * (largestEigenvalue(gradients) + ridge);
  let current = projected(free(Float64Array.from(weights)), prunedWeights);
  let objective = chitaObjective(problem, current);
  let longest = LONGEST;
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    onIterate?.(current);
    const gradient = gradientAt(current);
    // Long steps first: they bring new weights in; 1 / L always lowers the objective or leaves it.
    let next = current;
    let found = objective;
    for (let factor = longest; factor >= 1; factor /= 2) {
      const rate = factor / lipschitz;
      const tried = projected(
        current.map((value, i) => value - rate * gradient[i]),
        prunedWeights,
      );
      const value = chitaObjective(problem, tried);
      if (value < found) {
        next = tried;
        found = value;
        longest = Math.min(LONGEST, 2 * factor);
        break;
      }
    }
    const fallen = objective - found;
    current = next;
    objective = found;
    if (fallen <= TOLERANCE * Math.abs(objective)) {
      break;
    }
  }
  const mask = pruneLowest(
    free(current).map((value, i) => (held !== null && held[i] === 0 ? -1 : Math.abs(value))),
    prunedWeights,
  );
  const solved = await bestKeptWeights(problem, mask, products);
  return { mask, weights: masked(solved, mask) };
}

/** One stage of CHITA at the network as it is, with the best of `CANDIDATES`. */
async function stage(
  { oracle, products }: Pick<PruningProblem, 'oracle' | 'products'>,
  weights: Float32Array,
  prunedWeights: number,
  held: Uint8Array | null,
): Promise<PrunedNetwork> {
  const fitted = Math.max(1, Math.floor(oracle.examples * (1 - JUDGING_SHARE)));
  const judging =
    fitted < oracle.examples ? { start: fitted, end: oracle.examples } : { start: 0, end: fitted };
  const batchSize = Math.max(1, Math.min(BATCH, Math.floor(fitted / LEAST_ROWS)));
  const count = Math.floor(fitted / batchSize);
  const gradients = await gradientMatrix(oracle, weights, { batchSize, count });
  const mean = transposedTimesVector(gradients, new Float64Array(count).fill(1 / count));
  let best: { loss: number; found: PrunedNetwork } | null = null;
  for (const { ridge, firstOrder } of CANDIDATES) {
    const found = await chitaPruning(
      { gradients, weights, ridge, linear: firstOrder ? mean : null },
      prunedWeights,
      products,
      held,
    );
    const loss = await oracle.loss(found.weights, judging);
    if (best === null || loss < best.loss) {
      best = { loss, found };
    }
  }
  return (best as { found: PrunedNetwork }).found;
}

/** CHITA in one stage; its first-order term, where it is taken, trains. */
export const chita: PruningMethod = (problem, { prunedWeights }) =>
  stage(problem, problem.weights, prunedWeights, null);

/** CHITA++: stages by the cubic rule, with the gradients of the network as it is at each. */
export const chitaStages: PruningMethod = async (problem, { prunedWeights }) => {
  const { weights } = problem;
  let found: PrunedNetwork = { mask: new Uint8Array(weights.length).fill(1), weights };
  for (const count of cubicStages(prunedWeights, weights.length, STAGES, FIRST_SHARE)) {
    found = await stage(problem, found.weights, count, found.mask);
  }
  return found;
};
