import { type Branches, recordBranches, replayBranches } from '../compute/frozen-branches.js';
import { type Batches, createBatches, type ExampleSource } from '../network/batches.js';
import { evaluate } from '../network/evaluation.js';
import type { LossName } from '../network/loss.js';
import type { Network } from '../network/network.js';
import type { RandomStream } from '../random.js';
import { curvatureOperator, type LossGradient, lossGradient } from './products.js';

/** Examples the check runs on: it is the derivative program that is checked, not the data. */
const CHECK_EXAMPLES = 8;

/** Examples looked at to find those of largest loss, whose derivatives stand out best from rounding. */
const CANDIDATE_EXAMPLES = 128;

/** Steps tried, relative to the norm of the weights; the best agreement counts. */
const RELATIVE_STEPS = [3e-2, 1e-2, 3e-3, 1e-3];

/**
 * Largest relative error that passes. A missing term in a nested gradient
 * shows as 0.03 to 0.7; float32 differences of a right one agree to 1e-4 to
 * 1e-2.
 */
export const SELF_CHECK_TOLERANCE = 0.02;

/** How well derivatives agree with finite differences. */
export interface SelfCheck {
  /** || H v - (g(w + h v) - g(w - h v)) / 2h || / || H v ||, smallest over steps h. */
  productError: number;
  /** | <g, v> - (L(w + h v) - L(w - h v)) / 2h | / || g || ||v||, smallest over steps h. */
  gradientError: number;
}

function norm(vector: Float64Array): number {
  let sum = 0;
  for (const value of vector) {
    sum += value * value;
  }
  return Math.sqrt(sum);
}

function dot(left: Float64Array, right: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) {
    sum += left[i] * right[i];
  }
  return sum;
}

function relativeDistance(value: Float64Array, reference: Float64Array): number {
  const scale = Math.max(norm(value), norm(reference));
  return scale === 0 ? 0 : norm(value.map((entry, i) => entry - reference[i])) / scale;
}

function along(weights: Float32Array, vector: Float64Array, step: number): Float64Array {
  return vector.map((entry, i) => weights[i] + step * entry);
}

/**
 * Compares the gradient and one random Hessian-vector product of a network
 * with central differences of loss and gradients, on a few examples.
 *
 * Relu and max pooling are held in the pieces they are in at the trained
 * weights, so that the differences see no kinks (see {@link recordBranches}).
 * The direction has one component of random sign per weight, of that weight
 * tensor's typical size, so that every layer takes part.
 */
export async function checkDerivatives(
  network: Network,
  loss: LossName,
  source: ExampleSource,
  random: RandomStream,
): Promise<SelfCheck> {
  const batches = await checkBatch(network, loss, source);
  const problem = { network, loss, batches };
  const operator = curvatureOperator(problem, 'hessian');
  let branches: Branches | null = null;
  try {
    const direction = checkDirection(network, random);
    const { result, branches: recorded } = await recordBranches(() => lossGradient(problem, network.weights));
    branches = recorded;
    const differentiate = (step: number): Promise<LossGradient> =>
      replayBranches(recorded, () => lossGradient(problem, along(network.weights, direction, step)));
    const { gradient } = result;
    const product = await operator.apply(direction);
    const check = { productError: Number.POSITIVE_INFINITY, gradientError: Number.POSITIVE_INFINITY };
    for (const step of RELATIVE_STEPS) {
      const ahead = await differentiate(step);
      const behind = await differentiate(-step);
      const difference = ahead.gradient.map((entry, i) => (entry - behind.gradient[i]) / (2 * step));
      const slope = (ahead.loss - behind.loss) / (2 * step);
      const scale = norm(gradient) * norm(direction);
      check.productError = Math.min(check.productError, relativeDistance(product, difference));
      check.gradientError = Math.min(
        check.gradientError,
        scale === 0 ? Math.abs(slope) : Math.abs(slope - dot(gradient, direction)) / scale,
      );
    }
    return check;
  } finally {
    branches?.dispose();
    operator.dispose();
    batches.dispose();
  }
}

/** One batch of the examples with the largest losses. */
async function checkBatch(network: Network, loss: LossName, source: ExampleSource): Promise<Batches> {
  const candidates = { ...source, count: Math.min(CANDIDATE_EXAMPLES, source.count) };
  const all = createBatches(candidates, network.outputs, { batchSize: 32, keepBytes: 0 });
  const { losses } = await evaluate(network, loss, all, network.weights);
  const chosen = [...losses.keys()].sort((a, b) => losses[b] - losses[a] || a - b).slice(0, CHECK_EXAMPLES);
  const gather = (read: (start: number, end: number) => Float32Array): Float32Array =>
    Float32Array.from(chosen.flatMap((example) => [...read(example, example + 1)]));
  const inputs = gather(source.inputs);
  const targets = gather(source.targets);
  const hardest = { ...source, count: chosen.length, inputs: () => inputs, targets: () => targets };
  return createBatches(hardest, network.outputs, {
    batchSize: chosen.length,
    keepBytes: inputs.byteLength + targets.byteLength,
  });
}

function checkDirection(network: Network, random: RandomStream): Float64Array {
  const direction = new Float64Array(network.dimension);
  for (const { offset, size } of network.prunable) {
    let sum = 0;
    for (let i = offset; i < offset + size; i++) {
      sum += network.weights[i] ** 2;
    }
    const scale = Math.sqrt(sum / size) || 1;
    for (let i = offset; i < offset + size; i++) {
      direction[i] = scale * random.sign();
    }
  }
  return direction;
}
