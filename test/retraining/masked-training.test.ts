import { memory } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { onnxExecutor } from '../../src/compute/compile/onnx-executor.js';
import type { Executor } from '../../src/compute/executor.js';
import { tfjsExecutor } from '../../src/compute/tfjs-executor.js';
import { growingMask, trainThenPrune } from '../../src/retraining/gradual.js';
import { imp, initialized, prunedAfterRounds, rewound, roundCounts } from '../../src/retraining/imp.js';
import { flatWeights, stepsOf, trainMasked, unmasked } from '../../src/retraining/masked-training.js';
import { trainingMethods, tune } from '../../src/retraining/methods.js';
import {
  cosineShare,
  defaultSettings,
  linearShare,
  settingsForSteps,
  stepwiseShare,
} from '../../src/retraining/settings.js';
import { hasNative, native } from '../compute/compile/support.js';
import { withProblem } from './small-problem.js';

beforeAll(() => prepareBackend('cpu'));

/** Every third weight is pruned. */
function thirds(dimension: number): Uint8Array {
  return Uint8Array.from({ length: dimension }, (_, i) => (i % 3 === 0 ? 0 : 1));
}

describe('training under a mask', () => {
  it('holds pruned weights at exactly 0 and moves the others and the biases', async () => {
    await withProblem(async (problem, settings) => {
      const dense = unmasked(problem);
      const before = flatWeights(problem, dense.weights);
      const mask = thirds(problem.dimension);
      const start = { ...dense, mask };
      const found = await trainMasked(problem, settings, start, 12, [
        { step: 0, next: (weights, given) => given.map((kept, i) => (weights[i] === 0 ? 0 : kept)) },
      ]);
      const after = flatWeights(problem, found.weights);
      expect(found.mask).toEqual(mask);
      after.forEach((weight, i) => {
        expect(weight === 0, `weight ${i}`).toBe(mask[i] === 0);
      });
      expect(after.some((weight, i) => mask[i] === 1 && weight !== before[i])).toBe(true);
      const bias = problem.network.weights.findIndex(({ prunable }) => !prunable);
      expect(found.weights[bias].some((value) => value !== 0)).toBe(true);
    });
  });

  it('gives the same bytes for a seed and others for another, and leaves no tensor', async () => {
    await withProblem(async (problem, settings) => {
      const before = memory().numTensors;
      const run = async (seed: number): Promise<number[]> => [
        ...flatWeights(
          problem,
          (await trainMasked({ ...problem, seed }, settings, unmasked(problem), 9)).weights,
        ),
      ];
      const first = await run(1);
      expect(await run(1)).toEqual(first);
      expect(await run(2)).not.toEqual(first);
      expect(memory().numTensors).toBe(before);
    });
  });

  it('sees no example that it may not see', async () => {
    await withProblem(async (problem, settings) => {
      const train = async (values: Float32Array): Promise<number[]> => {
        const split = { ...problem.data.train, values };
        const some = {
          ...problem,
          data: { ...problem.data, train: split },
          examples: Int32Array.of(1, 5, 9, 30),
        };
        return [...flatWeights(some, (await trainMasked(some, settings, unmasked(some), 6)).weights)];
      };
      const values = problem.data.train.values as Float32Array;
      const changed = values.map((value, i) => ([1, 5, 9, 30].includes(Math.floor(i / 2)) ? value : 1e3));
      expect(await train(changed)).toEqual(await train(values));
    });
  });

  it.skipIf(!hasNative)('is the same in ONNX Runtime but for rounding', async () => {
    const run = async (executor: Executor): Promise<Float32Array> => {
      let flat: Float32Array = new Float32Array();
      await withProblem(async (problem, settings) => {
        const steps = 10;
        const changes = growingMask(
          { dimension: problem.dimension, prunedWeights: 20 },
          settings.growth,
          steps,
        );
        const found = await trainMasked(problem, settings, unmasked(problem), steps, changes);
        flat = flatWeights(problem, found.weights);
      }, executor);
      return flat;
    };
    const [compiled, plain] = [await run(onnxExecutor(native)), await run(tfjsExecutor)];
    plain.forEach((weight, i) => {
      expect(compiled[i]).toBeCloseTo(weight, 4);
    });
  });

  it('refuses to go on with a loss that is not finite', async () => {
    await withProblem(async (problem, settings) => {
      const wild = { ...settings, optimizer: 'sgd' as const, learningRate: 1e30 };
      await expect(trainMasked(problem, wild, unmasked(problem), 20)).rejects.toThrow(/diverged in step/);
    });
  });
});

describe('budgets', () => {
  it('are steps: parts of an epoch are parts of its steps, one at least', () => {
    const examples = new Int32Array(1000);
    expect([0.001, 0.5, 1, 2.5].map((epochs) => stepsOf({ examples }, epochs, 100))).toEqual([1, 5, 10, 25]);
  });

  it('are kept by every method', async () => {
    await withProblem(async (problem, settings) => {
      for (const name of ['gradual', 'lomp', 'imp', 'rare-gems'] as const) {
        let steps = 0;
        const counted = { ...problem, onSteps: () => steps++ };
        const target = { prunedWeights: 20, epochs: 4, learningRate: null };
        const { mask, weights } = await trainingMethods[name](counted, settings, target);
        expect(steps, name).toBeLessThanOrEqual(stepsOf(problem, 4, settings.batchSize));
        expect(steps, name).toBeGreaterThan(0.8 * stepsOf(problem, 4, settings.batchSize));
        expect(mask.filter((kept) => kept === 0)).toHaveLength(20);
        flatWeights(problem, weights).forEach((weight, i) => {
          expect(mask[i] === 1 || weight === 0, `${name}, weight ${i}`).toBe(true);
        });
      }
    });
  });

  it('are cut into batches of their own by the methods of others', async () => {
    await withProblem(async (problem, settings) => {
      for (const [name, batchSize] of [
        ['gradual', 8],
        ['lomp', 20],
        ['imp', 20],
        ['rare-gems', 20],
      ] as const) {
        let largest = 0;
        const onSteps = (_: number, __: number, examples: number) => {
          largest = Math.max(largest, examples);
        };
        const target = { prunedWeights: 20, epochs: 4, learningRate: null };
        const given = { ...settings, batchSize: 8, baselineBatchSize: 20 };
        await trainingMethods[name]({ ...problem, onSteps }, given, target);
        expect(largest, name).toBe(batchSize);
      }
    });
  });

  it('are spent at the rate that was asked for', async () => {
    await withProblem(async (problem, settings) => {
      const before = flatWeights(problem, unmasked(problem).weights);
      const target = { prunedWeights: 10, epochs: 2, learningRate: 1e-12 };
      const { mask, weights } = await trainingMethods.lomp(problem, settings, target);
      const after = flatWeights(problem, weights);
      expect(after.every((weight, i) => mask[i] === 0 || Math.abs(weight - before[i]) < 1e-6)).toBe(true);
    });
  });

  it('after pruning are tuning: the mask stays', async () => {
    await withProblem(async (problem, settings) => {
      const mask = thirds(problem.dimension);
      const pruned = await trainThenPrune(problem, settings, unmasked(problem), {
        prunedWeights: 15,
        epochs: 1,
      });
      const tuned = await tune(problem, settings, pruned, 1);
      expect(tuned.mask).toEqual(pruned.mask);
      expect(tuned.mask).not.toEqual(mask);
    });
  });
});

describe('a growing mask', () => {
  it('follows the cubic rule over the first 60 % of the steps, to exactly the target', () => {
    const [dimension, prunedWeights, steps] = [10_000, 9000, 1000];
    const changes = growingMask({ dimension, prunedWeights }, { firstShare: 0.1, untilShare: 0.6 }, steps);
    expect(changes).toHaveLength(100);
    expect(changes[0].step).toBe(0);
    expect(changes[99].step).toBe(594);
    const weights = Float32Array.from({ length: dimension }, (_, i) => ((i * 7919) % dimension) + 1);
    let mask: Uint8Array = new Uint8Array(dimension).fill(1);
    changes.forEach(({ next }, index) => {
      const before = mask;
      mask = next(weights, before);
      const pruned = mask.reduce((count, kept) => count + (kept === 0 ? 1 : 0), 0);
      // s_t = s - (s - s_0) (1 - t / T)^3 (Zhu & Gupta 2017).
      expect(Math.abs(pruned / dimension - (0.9 - 0.8 * (1 - (index + 1) / 100) ** 3))).toBeLessThan(1.01e-4);
      expect(mask.every((kept, i) => kept <= before[i])).toBe(true);
    });
    expect(weights.every((weight, i) => mask[i] === (weight > 9000 ? 1 : 0))).toBe(true);
  });

  it('takes several changes at once where there are few steps', () => {
    const changes = growingMask(
      { dimension: 100, prunedWeights: 50 },
      { firstShare: 0.1, untilShare: 0.6 },
      3,
    );
    expect(changes.map(({ step }) => step)).toEqual([0, 1]);
    const mask = changes[1].next(new Float32Array(100).fill(1), new Uint8Array(100).fill(1));
    expect(mask.filter((kept) => kept === 0)).toHaveLength(50);
  });
});

describe('iterative magnitude pruning', () => {
  it('keeps about .8 of what is left in each round, to exactly the target', () => {
    // log .2 / log .8 = 7.2: seven rounds of .2^(1/7) = .795.
    expect(roundCounts(800, 1000)).toEqual([205, 368, 498, 601, 683, 748, 800]);
    expect(roundCounts(100, 1000)).toEqual([100]);
  });

  it('prunes a fifth of what is left in each round', () => {
    expect([0, 1, 2, 3].map((rounds) => prunedAfterRounds(rounds).toFixed(12))).toEqual(
      [0, 0.2, 0.36, 0.488].map((pruned) => pruned.toFixed(12)),
    );
  });

  it('prunes by the trained weights and starts from the early ones, biases going on', async () => {
    await withProblem(async (problem) => {
      const trained = unmasked(problem);
      const { dimension } = problem;
      const early = Float32Array.from({ length: dimension }, (_, i) => i + 1);
      const first = rewound(problem, trained, early, 10);
      const magnitudes = [...flatWeights(problem, trained.weights)].map(Math.abs);
      const threshold = magnitudes.slice().sort((a, b) => a - b)[9];
      flatWeights(problem, first.weights).forEach((weight, i) => {
        expect(weight).toBe(magnitudes[i] <= threshold ? 0 : i + 1);
      });
      problem.network.weights.forEach(({ prunable }, index) => {
        expect(
          prunable || first.weights[index].every((value, i) => value === trained.weights[index][i]),
        ).toBe(true);
      });
      // What is pruned stays so: the weights of the early network beside it do not count.
      const second = rewound(problem, { ...trained, mask: first.mask }, early, 15);
      expect(second.mask.filter((kept) => kept === 0)).toHaveLength(15);
      expect(first.mask.every((kept, i) => kept === 1 || second.mask[i] === 0)).toBe(true);
    });
  });

  it('starts from a new network: kernels of variance 2 / fan-in, biases 0', async () => {
    await withProblem(async (problem) => {
      const { weights, mask } = initialized(problem);
      expect(mask.every((kept) => kept === 1)).toBe(true);
      problem.network.weights.forEach(({ prunable, values }, index) => {
        expect(weights[index].some((value) => value !== 0)).toBe(prunable);
        expect(weights[index]).not.toBe(values);
      });
      expect(initialized({ ...problem, seed: 2 }).weights[0]).not.toEqual(weights[0]);
    });
  });

  it('sets what is left back to where it was early in the first round', async () => {
    await withProblem(async (problem, settings) => {
      // Steps of no length leave every network where it starts: rewound to the initial weights.
      const still = { ...settings, learningRate: 0 };
      const { weights, mask } = await imp(problem, still, { prunedWeights: 20, epochs: 3 });
      const first = flatWeights(problem, initialized(problem).weights);
      flatWeights(problem, weights).forEach((weight, i) => {
        expect(weight).toBe(mask[i] === 0 ? 0 : first[i]);
      });
      const threshold = [...first].map(Math.abs).sort((a, b) => a - b)[19];
      expect(first.every((weight, i) => (mask[i] === 0) === Math.abs(weight) <= threshold)).toBe(true);
    });
  });
});

describe('rates', () => {
  it('fall as they say', () => {
    expect([0, 5, 10].map((step) => linearShare(step, 20))).toEqual([1, 0.75, 0.5]);
    expect(cosineShare(0, 20)).toBe(1);
    expect(cosineShare(10, 20)).toBeCloseTo(0.5, 12);
    expect([0, 9, 10, 14, 15, 19].map((step) => stepwiseShare(step, 20))).toEqual([
      1, 1, 0.1, 0.1, 0.01, 0.01,
    ]);
  });

  it('are those of stochastic gradient descent for networks with batch normalisation', () => {
    const initial = { kind: 'constant', value: 0 } as const;
    const statistics = [{ name: 'm', shape: [1], values: new Float32Array(1), initial }];
    expect(defaultSettings({ statistics }, null)).toMatchObject({
      optimizer: 'sgd',
      batchSize: 32,
      baselineBatchSize: 128,
    });
    const adam = defaultSettings({ statistics: [] }, null);
    expect(adam).toMatchObject({ optimizer: 'adam', batchSize: 64 });
    expect(settingsForSteps(adam, 4690)).toEqual(adam);
    expect(settingsForSteps(adam, 18_760).learningRate).toBe(adam.learningRate / 2);
    const descent = defaultSettings({ statistics }, null);
    expect(settingsForSteps(descent, 18_760)).toEqual(descent);
  });
});
