import { conjugateGradients } from './conjugate-gradients.js';
import { masked, pruneLowest } from './mask.js';
import type { ExampleRange, LossOracle, PrunedNetwork, PruningMethod } from './method.js';
import { diagonalScores, fisherDiagonal } from './saliency.js';
import { cubicStages } from './stages.js';

const STAGES = 10;
const FIRST_SHARE = 0.1;
/** Products of a stage. */
const ITERATIONS = 10;
/** Lengths of the step that are tried; 0 leaves the kept weights. */
const LENGTHS = [1, 0.7, 0.5, 0.3, 0.1, 0] as const;
/** Damping at first, added to the Gauss-Newton matrix; halved after long, doubled after short steps. */
const FIRST_DAMPING = 1e-2;
/** Of the examples, those that only choose the length of the step. */
const JUDGING_SHARE = 0.2;

/** One Newton step of the kept weights after weights were set to 0. */
export interface NewtonStep {
  oracle: LossOracle;
  /** Examples of curvature and gradient. */
  range: ExampleRange;
  /** Weights before, length D. */
  weights: Float32Array;
  /** 1 where a weight is kept. */
  mask: Uint8Array;
  damping: number;
  iterations: number;
  /** Also minimises the gradient's term, that is, trains. */
  withGradient: boolean;
}

/**
 * The step of the kept weights that minimises the quadratic model at `weights` given that the others become 0: by
 * conjugate gradients, (H_SS + damping) x = -(H d)_S - g_S, H the Gauss-Newton matrix, d what pruning changes and g the
 * gradient (0 where it is left out).
 *
 * @returns x, length D, 0 at pruned weights
 */
export async function keptStep(step: NewtonStep): Promise<Float64Array> {
  const { oracle, range, weights, mask, damping, iterations, withGradient } = step;
  const curvature = await oracle.gaussNewton(weights, range);
  const onKept = (vector: Float64Array): Float64Array =>
    vector.map((value, i) => (mask[i] === 0 ? 0 : value));
  try {
    const removed = Float64Array.from(weights, (weight, i) => (mask[i] === 0 ? -weight : 0));
    const pulled = await curvature.apply(removed);
    const gradient = withGradient ? await oracle.gradient(weights, range) : null;
    const right = onKept(pulled.map((value, i) => -value - (gradient === null ? 0 : gradient[i])));
    return await conjugateGradients(
      async (vector) => onKept(await curvature.apply(vector)).map((value, i) => value + damping * vector[i]),
      right,
      iterations,
    );
  } finally {
    curvature.dispose();
  }
}

/** Weights a part of a step further, 0 where they are pruned. */
function moved(weights: Float32Array, mask: Uint8Array, step: Float64Array, length: number): Float32Array {
  return masked(
    weights.map((weight, i) => weight + length * step[i]),
    mask,
  );
}

/**
 * Prunes in stages by the cubic rule. At each: the mask by w^2 (F_ii + mean F), F the empirical Fisher matrix of the
 * network as it is; the kept weights by `keptStep`; the length of the step by the measured loss on examples that the step did not
 * see, so that few examples are not fitted.
 */
async function pruneInStages(
  oracle: LossOracle,
  weights: Float32Array,
  prunedWeights: number,
  withGradient: boolean,
): Promise<PrunedNetwork> {
  const fitted = Math.max(1, Math.floor(oracle.examples * (1 - JUDGING_SHARE)));
  const range = { start: 0, end: fitted };
  const judging = fitted < oracle.examples ? { start: fitted, end: oracle.examples } : range;
  let current: Float32Array = weights.slice();
  let mask: Uint8Array = new Uint8Array(weights.length).fill(1);
  let damping = FIRST_DAMPING;
  for (const count of cubicStages(prunedWeights, weights.length, STAGES, FIRST_SHARE)) {
    const diagonal = await fisherDiagonal(oracle, current);
    // Few examples say little of a single F_ii: half of each score is that of the mean.
    const mean = diagonal.reduce((sum, value) => sum + value, 0) / diagonal.length;
    const scores = diagonalScores(
      current,
      diagonal.map((value) => value + mean),
    );
    // What is pruned stays pruned, whatever ties with 0.
    mask = new Uint8Array(
      pruneLowest(
        scores.map((score, i) => (mask[i] === 0 ? -1 : score)),
        count,
      ),
    );
    const step = await keptStep({
      oracle,
      range,
      weights: current,
      mask,
      damping,
      iterations: ITERATIONS,
      withGradient,
    });
    let best = { length: 0, loss: Number.POSITIVE_INFINITY, weights: masked(current, mask) };
    for (const length of LENGTHS) {
      const tried = moved(current, mask, step, length);
      const loss = await oracle.loss(tried, judging);
      if (loss < best.loss) {
        best = { length, loss, weights: tried };
      }
    }
    damping *= best.length >= 0.7 ? 0.5 : best.length <= 0.3 ? 2 : 1;
    current = best.weights;
  }
  return { mask, weights: current };
}

/** Second-order pruning in stages that also follows the gradient, which trains: for checkpoints that are no minimum. */
export const newton: PruningMethod = ({ weights, oracle }, { prunedWeights }) =>
  pruneInStages(oracle, weights, prunedWeights, true);

/** The same without the gradient's term: the kept weights only make up for the pruned ones. */
export const compensated: PruningMethod = ({ weights, oracle }, { prunedWeights }) =>
  pruneInStages(oracle, weights, prunedWeights, false);
