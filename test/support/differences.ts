import { dispose, grads, sum } from '@tensorflow/tfjs-core';
import { type Branches, recordBranches, replayBranches } from '../../src/compute/frozen-branches.js';
import { type LossGradient, lossGradient } from '../../src/curvature/products.js';
import { weightTensors } from '../../src/network/network.js';
import { randomStream } from '../../src/random.js';
import { outputHessian } from './float64-reference.js';
import type { SeededProblem } from './problems.js';
import { tensorBatch } from './problems.js';

/** One component of random sign per weight, of its weight tensor's typical size. */
export function balancedDirection(problem: SeededProblem, seed: number): Float64Array {
  const { network } = problem;
  const random = randomStream(seed, 'direction');
  const direction = new Float64Array(network.dimension);
  for (const { offset, size } of network.prunable) {
    const part = network.weights.subarray(offset, offset + size);
    const scale = Math.sqrt(part.reduce((sum, value) => sum + value * value, 0) / size);
    for (let i = offset; i < offset + size; i++) {
      direction[i] = scale * random.sign();
    }
  }
  return direction;
}

/** Larger of the two steps, relative to the weights. */
const STEP = 0.02;

/**
 * d/dt f(w + t v) at 0, by central differences at two steps, extrapolated
 * (Richardson): the error falls with the fourth power of the step.
 */
async function directionalDerivative(
  problem: SeededProblem,
  direction: Float64Array,
  f: (weights: Float64Array) => Promise<Float64Array>,
): Promise<Float64Array> {
  const at = (step: number): Promise<Float64Array> =>
    f(direction.map((entry, i) => problem.network.weights[i] + step * entry));
  const slope = async (step: number): Promise<Float64Array> => {
    const ahead = await at(step);
    const behind = await at(-step);
    return ahead.map((value, i) => (value - behind[i]) / (2 * step));
  };
  const coarse = await slope(STEP);
  const fine = await slope(STEP / 2);
  return fine.map((value, i) => (4 * value - coarse[i]) / 3);
}

async function frozen<T, R>(program: () => Promise<T>, use: (branches: Branches) => Promise<R>): Promise<R> {
  const { branches } = await recordBranches(program);
  try {
    return await use(branches);
  } finally {
    branches.dispose();
  }
}

/** Gradient along a direction (first entry) and Hessian times the direction (the rest), with kinks held fixed. */
export async function differencesOfLoss(
  problem: SeededProblem,
  direction: Float64Array,
): Promise<{ slope: number; product: Float64Array }> {
  return frozen(
    () => lossGradient(problem, problem.network.weights),
    async (branches) => {
      const derivative = await directionalDerivative(problem, direction, async (weights) => {
        const at: LossGradient = await replayBranches(branches, () => lossGradient(problem, weights));
        return Float64Array.of(at.loss, ...at.gradient);
      });
      return { slope: derivative[0], product: derivative.slice(1) };
    },
  );
}

/** Logits of all examples, one after the other. */
export async function flatLogits(
  problem: SeededProblem,
  weights: Float32Array | Float64Array,
): Promise<Float64Array> {
  const { network, batches } = problem;
  const tensors = weightTensors(network, weights);
  const rows: number[] = [];
  await batches.forEach((batch) => {
    const { inputs } = tensorBatch(batch);
    // Inside a gradient, where tfjs-layers fuses no activation into a kernel that would hide its branches.
    const gradients = grads((...at) => {
      const logits = network.logits(at, inputs);
      rows.push(...logits.dataSync());
      return sum(logits);
    })(tensors);
    dispose(gradients);
  });
  dispose(tensors);
  return Float64Array.from(rows);
}

/** <u, G v> for all pairs of directions: logits differentiated by differences, the output Hessian in closed form. */
export async function gaussNewtonForms(
  problem: SeededProblem,
  directions: Float64Array[],
): Promise<number[][]> {
  const { network, loss, batches } = problem;
  const logits = await flatLogits(problem, network.weights);
  const width = network.outputs;
  return frozen(
    () => flatLogits(problem, network.weights),
    async (branches) => {
      const slopes: Float64Array[] = [];
      for (const direction of directions) {
        slopes.push(
          await directionalDerivative(problem, direction, (weights) =>
            replayBranches(branches, () => flatLogits(problem, weights)),
          ),
        );
      }
      const form = (left: Float64Array, right: Float64Array): number => {
        let sum = 0;
        for (let offset = 0; offset < logits.length; offset += width) {
          const hessian = outputHessian(loss, logits.subarray(offset, offset + width));
          hessian.forEach((row, i) => {
            row.forEach((value, j) => {
              sum += left[offset + i] * value * right[offset + j];
            });
          });
        }
        return sum / batches.examples;
      };
      return slopes.map((left) => slopes.map((right) => form(left, right)));
    },
  );
}
