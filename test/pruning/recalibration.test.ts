import { layers, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { recalibrated, requireRecalibration } from '../../src/pruning/recalibration.js';
import { fixedCheckpoint, smallModel } from '../analysis/support.js';
import { randomExamples } from '../support/models.js';

beforeAll(() => prepareBackend('cpu'));

it('has the means and biased variances that two layers see, computed by hand', async () => {
  const model = sequential({
    layers: [
      layers.conv2d({ filters: 2, kernelSize: 1, inputShape: [2, 2, 1], useBias: false }),
      layers.batchNormalization({ momentum: 0.9 }),
      layers.conv2d({ filters: 1, kernelSize: 1, useBias: false }),
      layers.batchNormalization({ momentum: 0.6 }),
      layers.flatten(),
      layers.dense({ units: 2 }),
    ],
  });
  const checkpoint = await fixedCheckpoint(model);
  const source = randomExamples({ count: 50, shape: [2, 2, 1], outputs: 2, targets: 'one-hot', seed: 3 });
  const found = await recalibrated(checkpoint, source);
  const named = (part: string) =>
    found.weights.filter(({ name }) => name.endsWith(part)).map(({ values }) => values);
  const [first, second] = named('/kernel').map((values) => [...values]);
  const [gamma, beta] = [named('/gamma')[0], named('/beta')[0]];
  const pixels = [...source.inputs(0, 50)];
  const momentsOf = (x: number[]) => {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    return { mean, variance: x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length };
  };
  const channels = [0, 1].map((c) => pixels.map((x) => x * first[c]));
  const normalized = channels.map((x, c) => {
    const { mean, variance } = momentsOf(x);
    expect(named('/moving_mean')[0][c]).toBeCloseTo(mean, 5);
    expect(named('/moving_variance')[0][c]).toBeCloseTo(variance, 5);
    return x.map((value) => ((value - mean) / Math.sqrt(variance + 1e-3)) * gamma[c] + beta[c]);
  });
  const { mean, variance } = momentsOf(
    pixels.map((_, i) => second[0] * normalized[0][i] + second[1] * normalized[1][i]),
  );
  expect(named('/moving_mean')[1][0]).toBeCloseTo(mean, 5);
  expect(named('/moving_variance')[1][0]).toBeCloseTo(variance, 5);
  // All else is as it was.
  found.weights.forEach((weight, k) => {
    if (!weight.name.includes('/moving_')) {
      expect(weight).toBe(checkpoint.weights[k]);
    }
  });
});

it('pools several batches: the first layer has the statistics of all examples', async () => {
  const model = sequential({
    layers: [layers.batchNormalization({ inputShape: [1] }), layers.dense({ units: 2 })],
  });
  const source = randomExamples({ count: 300, shape: [1], outputs: 2, targets: 'one-hot', seed: 4 });
  const found = await recalibrated(await fixedCheckpoint(model), source);
  const x = [...source.inputs(0, 300)];
  const mean = x.reduce((sum, value) => sum + value, 0) / 300;
  const of = (part: string) => found.weights.find(({ name }) => name.endsWith(part))?.values[0];
  expect(of('moving_mean')).toBeCloseTo(mean, 5);
  expect(of('moving_variance')).toBeCloseTo(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 300, 5);
});

it('refuses networks without batch normalisation', async () => {
  const source = randomExamples({ count: 4, shape: [4], outputs: 3, targets: 'one-hot', seed: 4 });
  const checkpoint = await fixedCheckpoint(smallModel());
  for (const refused of [recalibrated(checkpoint, source), requireRecalibration(checkpoint)]) {
    await expect(refused).rejects.toMatchObject({ code: 'prune/batch-norm' });
  }
});
