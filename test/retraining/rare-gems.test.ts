import { memory } from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { onnxExecutor } from '../../src/compute/compile/onnx-executor.js';
import type { Executor } from '../../src/compute/executor.js';
import { tfjsExecutor } from '../../src/compute/tfjs-executor.js';
import { createNetwork } from '../../src/network/create-network.js';
import { createTrainableNetwork } from '../../src/network/trainable-network.js';
import { pruneTo } from '../../src/retraining/gradual.js';
import { initialized } from '../../src/retraining/imp.js';
import {
  flatWeights,
  type MaskedNetwork,
  type RetrainingProblem,
  trainMasked,
} from '../../src/retraining/masked-training.js';
import { trainingMethods, tune } from '../../src/retraining/methods.js';
import { openNetworkMeter } from '../../src/retraining/network-meter.js';
import { pruningCounts, rareGems, rareGemsDefaults, scorePrunings } from '../../src/retraining/rare-gems.js';
import { scoredNetwork } from '../../src/retraining/scored-network.js';
import { defaultSettings } from '../../src/retraining/settings.js';
import { fanIn, signedValues } from '../../src/training/initial-weights.js';
import { createZooCheckpoint } from '../../src/training/zoo/registry.js';
import { hasNative, native } from '../compute/compile/support.js';
import { withProblem } from './small-problem.js';

beforeAll(() => prepareBackend('cpu'));

const prunedOf = (mask: Uint8Array): number => mask.filter((kept) => kept === 0).length;

/** A perceptron with kernels [2, 3] and [3, 2] on four points in one batch, its weights as given. */
async function withReference(
  executor: Executor,
  use: (problem: RetrainingProblem, frozen: MaskedNetwork) => Promise<void>,
): Promise<void> {
  const { checkpoint } = createZooCheckpoint('mlp', {
    exampleShape: [2],
    layout: 'flat',
    classes: 2,
    hidden: [3],
    seed: 0,
  });
  const plain = await createNetwork(checkpoint);
  const network = await createTrainableNetwork(checkpoint);
  const values = Float32Array.of(1, 0.5, -0.5, 1, 0.25, -1, -1, -0.75);
  const labels = Int32Array.of(0, 1, 0, 1);
  const train = {
    count: 4,
    shape: [2],
    layout: 'flat' as const,
    values,
    byteImages: false,
    labels: { kind: 'classes' as const, values: labels, classCount: 2 },
  };
  const weights = [
    [0.8, -0.6, 0.5, 0.4, 0.9, -0.7],
    [0.1, 0.2, -0.1],
    [1, -0.5, -0.8, 0.6, 0.3, 0.9],
    [0.05, -0.05],
  ].map((each) => Float32Array.from(each));
  try {
    await use(
      {
        network,
        layers: plain.prunable,
        dimension: plain.dimension,
        data: { train, test: null, inputShape: [2], inputOrder: 'NHWC', normalization: null, classes: 2 },
        examples: Int32Array.of(0, 1, 2, 3),
        executor,
        seed: 1,
        onSteps: () => {},
      },
      { weights, statistics: [], mask: new Uint8Array(12).fill(1) },
    );
  } finally {
    network.dispose();
    plain.dispose();
  }
}

describe('scores of frozen weights', () => {
  it.each([['tfjs', tfjsExecutor], ...(hasNative ? [['onnx', onnxExecutor(native)] as const] : [])] as const)(
    'take the straight-through step, by %s',
    async (_, executor) => {
      await withReference(executor, async (problem, frozen) => {
        const scores = Float32Array.of(0.9, 0.55, 0.2, 0.45, 0.8, 0.6, 0.7, 0.45, 0.51, 0.95, 0.3, 0.62);
        const network = scoredNetwork(problem, frozen, scores);
        const start = {
          weights: network.weights.map(({ values }) => values),
          statistics: [],
          mask: Uint8Array.of(1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1),
        };
        const settings = {
          ...defaultSettings(network, null),
          ...{ optimizer: 'sgd' as const, learningRate: 1, momentum: 0.9, rateShare: () => 1, batchSize: 4 },
          weightDecay: 2 * 0.002,
          clamped: true,
        };
        const drop = { step: 2, next: () => Uint8Array.of(1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1) };
        const flagged = { step: 0, next: (_scores: Float32Array, mask: Uint8Array) => mask };
        const found: number[][] = [];
        for (const steps of [1, 2, 4]) {
          const { weights } = await trainMasked({ ...problem, network }, settings, start, steps, [
            flagged,
            drop,
          ]);
          found.push([...flatWeights({ ...problem, network }, weights)]);
        }
        network.dispose();
        // PyTorch 1.13.1 in float64: p <- clamp(p - v, 0, 1) flag with v <- .9 v + w flag dL/dw_eff + 2 lambda p,
        // lambda = .002, mean cross-entropy at w_eff = w flag 1[p > .5]; one flag is 0 from the start on, the smallest
        // two of the scores that are left are dropped before the third step.
        const expected = [
          [
            0.9778037, 0.6554604, 0.1614566, 0.4064163, 0, 0.5339317, 0.7991349, 0.4991674, 0.5694584,
            0.9923238, 0.3173611, 0.5618367,
          ],
          [
            1, 0.8554133, 0.0883784, 0.3237815, 0, 0.4086663, 0.9870947, 0.5923889, 0.6821916, 1, 0.3502778,
            0.4515591,
          ],
          [1, 1, 0, 0, 0, 0.1901793, 1, 0.848015, 1, 1, 0.4023891, 0.2581505],
        ];
        expected.forEach((scores, i) => {
          scores.forEach((score, j) => {
            expect(found[i][j], `score ${j} of ${i}`).toBeCloseTo(score, 5);
          });
        });
      });
    },
  );

  it('stand for the network of the weights above one half, which is otherwise as it was', async () => {
    await withReference(tfjsExecutor, async (problem, frozen) => {
      const before = memory().numTensors;
      const network = scoredNetwork(problem, frozen, new Float32Array(12));
      const scores = [Float32Array.of(0.5, 0.51, 0, 1, 0.9, 0.2), new Float32Array(6).fill(0.7)];
      const { weights } = network.checkpoint(scores, []);
      expect(weights.map(({ values }) => [...values])).toEqual(
        [[0, -0.6, 0, 0.4, 0.9, 0], ...frozen.weights.slice(1)].map((each) => [...Float32Array.from(each)]),
      );
      network.dispose();
      expect(memory().numTensors).toBe(before);
    });
  });
});

describe('prunings of scores', () => {
  it('take ceil(q n) of what is left each time, to exactly the target', () => {
    // q = 1 - .2^(1/4) = .3313: ceil(331.3) = 332, ceil(.3313 * 668) = 222, ceil(.3313 * 446) = 148.
    expect(pruningCounts(800, 1000, 4)).toEqual([332, 554, 702, 800]);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 1, max: 40 }),
        (dimension, share, prunings) => {
          const target = Math.floor(share * dimension);
          const counts = pruningCounts(target, dimension, prunings);
          expect(counts).toHaveLength(prunings);
          expect(counts.at(-1)).toBe(target);
          counts.forEach((count, i) => {
            expect(count).toBeGreaterThanOrEqual(counts[i - 1] ?? 0);
          });
        },
      ),
    );
  });

  it('come every fifth epoch, or ten times within few epochs', () => {
    const steps = (epochs: number, count: number): number[] =>
      scorePrunings({ dimension: 1000, seed: 0 }, 900, { epochs, steps: count }).map(({ step }) => step);
    // The publication's 150 epochs: floor(149 / 5) = 29 prunings, at epochs 5, 10, .., 145.
    expect(steps(150, 150_000)).toEqual(Array.from({ length: 29 }, (_, i) => 5000 * (i + 1)));
    expect(steps(1, 110)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    expect(steps(0.1, 4)).toEqual([1, 2, 3]);
    expect(steps(0.1, 1)).toEqual([0]);
  });

  it('drop the lowest of the scores that are left, and of equal ones some at random', () => {
    const scores = Float32Array.from({ length: 1000 }, (_, i) => (i < 600 ? 0 : i / 1000));
    let mask: Uint8Array = new Uint8Array(1000).fill(1);
    for (const { next } of scorePrunings({ dimension: 1000, seed: 0 }, 300, { epochs: 1, steps: 100 })) {
      const before = mask;
      mask = next(scores, mask);
      expect(mask.every((kept, i) => kept <= before[i])).toBe(true);
    }
    expect(prunedOf(mask)).toBe(300);
    expect(mask.subarray(600).every((kept) => kept === 1)).toBe(true);
    // Half of 600 equal scores are dropped, in each half of them about half.
    expect(Math.abs(prunedOf(mask.subarray(0, 300)) - 150)).toBeLessThan(50);
  });
});

describe('rare gems', () => {
  const target = { prunedWeights: 24, epochs: 6, learningRate: null };

  it('draws signs at random and one magnitude for a layer', async () => {
    await withProblem(async (problem) => {
      const { weights } = initialized(problem, signedValues);
      problem.network.weights.forEach(({ prunable, shape }, index) => {
        const magnitude = prunable ? Math.fround(Math.sqrt(2 / fanIn(shape))) : 0;
        expect(weights[index].every((weight) => Math.abs(weight) === magnitude)).toBe(true);
      });
      expect(weights[0].some((weight) => weight > 0) && weights[0].some((weight) => weight < 0)).toBe(true);
    });
  });

  it('keeps as many weights as asked, is the same for a seed, and leaves no tensor', async () => {
    await withProblem(async (problem, settings) => {
      const before = memory().numTensors;
      const run = (seed: number) => trainingMethods['rare-gems']({ ...problem, seed }, settings, target);
      const first = await run(1);
      expect(prunedOf(first.mask)).toBe(24);
      flatWeights(problem, first.weights).forEach((weight, i) => {
        expect(first.mask[i] === 1 || weight === 0, `weight ${i}`).toBe(true);
      });
      expect(first.scored).toEqual({
        frozenWeights: 'random-signs',
        scoreL2: 1e-6,
        prunings: 10,
        scoreSteps: 17,
        tuningSteps: 17,
      });
      expect(await run(1)).toEqual(first);
      expect((await run(2)).mask).not.toEqual(first.mask);
      expect(memory().numTensors).toBe(before);
    });
  });

  it('does not look at the weights of the network', async () => {
    await withProblem(async (problem, settings) => {
      const weights = problem.network.weights.map((weight) => ({
        ...weight,
        values: weight.values.map((value) => 3 * value + 1),
      }));
      const other = { ...problem, network: { ...problem.network, weights } };
      expect(await trainingMethods['rare-gems'](other, settings, target)).toEqual(
        await trainingMethods['rare-gems'](problem, settings, target),
      );
    });
  });

  it('finds another mask with the penalty than without', async () => {
    await withProblem(async (problem, settings) => {
      const run = (scoreL2: number) => rareGems(problem, settings, { ...rareGemsDefaults, scoreL2 }, target);
      const [without, with_] = [await run(0), await run(0.1)];
      expect(without.mask).not.toEqual(with_.mask);
      expect([without.scored.scoreL2, with_.scored.scoreL2]).toEqual([0, 0.1]);
    });
  });

  it('beats masks at random that are trained for as long', async () => {
    await withProblem(async (problem, settings) => {
      const meter = await openNetworkMeter(
        { ...problem, data: { ...problem.data, test: null } },
        { train: problem.examples },
      );
      const losses: Record<'gems' | 'random', number> = { gems: 0, random: 0 };
      const seeds = [1, 2, 3];
      for (const seed of seeds) {
        const seeded = { ...problem, seed };
        const gems = await rareGems(seeded, settings, { ...rareGemsDefaults, scoreL2: 1e-4 }, target);
        losses.gems += (await meter.measure(gems)).loss / seeds.length;
        const mask = new Uint8Array(problem.dimension).fill(1);
        for (let i = 0; i < 24; i++) {
          mask[(7 * i + 11 * seed) % problem.dimension] = 0;
        }
        const start = pruneTo(seeded, initialized(seeded, signedValues), mask);
        losses.random += (await meter.measure(await tune(seeded, settings, start, 6))).loss / seeds.length;
      }
      meter.dispose();
      expect(losses.gems).toBeLessThan(0.8 * losses.random);
    });
  });
});
