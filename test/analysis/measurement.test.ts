import { beforeAll, describe, expect, it } from 'vitest';
import { type MeasurementSetting, measurePruning } from '../../src/analysis/measurement.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { type Evaluation, summarizeEvaluation } from '../../src/network/evaluation.js';
import { silentProgress } from '../../src/progress.js';
import { rankByMagnitude } from '../../src/pruning/magnitude.js';
import { createPruningMeter } from '../../src/pruning/measurement.js';
import { randomStream } from '../../src/random.js';

beforeAll(() => prepareBackend('cpu'));

const DIMENSION = 500;
const EXAMPLES = 400;

/**
 * A network of one class boundary: the logit of an example falls short by a
 * sum over what was pruned of the weights, of which each example has its own
 * shares.
 */
function problem(seed: number) {
  const random = randomStream(seed, 'measured');
  const weights = Float32Array.from({ length: DIMENSION }, () => random.normal());
  const shares = Array.from({ length: EXAMPLES }, () =>
    Float64Array.from({ length: DIMENSION }, () => random.normal()),
  );
  const offsets = shares.map(() => 8 + 6 * random.normal());
  let evaluations = 0;
  const evaluate = async (pruned: Float32Array): Promise<Evaluation> => {
    evaluations++;
    const logits = shares.map((share, example) => {
      let sum = offsets[example];
      for (let i = 0; i < DIMENSION; i++) {
        const missing = pruned[i] - weights[i];
        sum += 0.3 * share[i] * missing - 0.03 * missing * missing;
      }
      return sum;
    });
    const losses = Float64Array.from(logits, (logit) => Math.log1p(Math.exp(-logit)));
    return summarizeEvaluation(
      'binary-cross-entropy',
      losses,
      [Float32Array.from(logits)],
      [new Float32Array(EXAMPLES).fill(1)],
      1,
    );
  };
  return { weights, ranking: rankByMagnitude(weights), evaluate, evaluations: () => evaluations };
}

async function measure(seed: number, changes: Partial<MeasurementSetting> = {}) {
  const { weights, ranking, evaluate, evaluations } = problem(seed);
  const dense = await evaluate(weights);
  const meter = createPruningMeter({
    weights,
    ranking,
    train: evaluate,
    test: evaluate,
    dense: { train: dense, test: dense },
  });
  const measured = await measurePruning(
    {
      meter,
      predict: async (p) => ({ gradientTerm: 0, curvatureTerm: p }),
      slice: { tried: [{ fraction: 0.123, measure: { gradientTerm: 1, curvatureTerm: 2 } }] },
      ranking,
      epsilon: 0.1 * dense.meanLoss,
      accuracyTolerance: 0.01,
      ratios: [0.5, 0.9],
      maximumFraction: 1,
      ...changes,
    },
    silentProgress,
  );
  return { measured, dense, meter, evaluations: evaluations() - 1 };
}

const LIMITS = ['loss', 'accuracy', 'noSignificantFall', 'strictAccuracy'] as const;

describe('measurePruning', () => {
  it('finds limits that every tried fraction bears out, in few evaluations', async () => {
    for (const seed of [1, 2, 3]) {
      const { measured, dense, meter, evaluations } = await measure(seed);
      const rows = measured.curve.filter(({ source, pruned }) => source === 'searched' && pruned !== 0.123);
      const holds = {
        loss: (row: (typeof rows)[number]) => row.loss === null || row.insideSublevelSet === true,
        accuracy: (row: (typeof rows)[number]) =>
          row.accuracy === null || row.accuracy >= dense.accuracy! - 0.01 - 1e-9,
        strictAccuracy: (row: (typeof rows)[number]) =>
          row.accuracy === null || row.accuracy >= dense.accuracy!,
      };
      for (const [name, passes] of Object.entries(holds)) {
        const limit = measured[name as keyof typeof holds]!;
        expect(rows.filter(({ pruned }) => pruned <= limit.prunedFraction).every(passes)).toBe(true);
        expect(passes(rows.find(({ pruned }) => pruned === limit.firstFailureFraction)!)).toBe(false);
      }
      for (const name of LIMITS) {
        const limit = measured[name]!;
        expect(limit.lastPassFraction).toBeGreaterThanOrEqual(limit.prunedFraction);
        expect(limit.firstFailureFraction! - limit.prunedFraction).toBeCloseTo(0.001, 9);
      }
      // By each of all fractions of the grid of 1 %.
      for (let step = 0; step <= 10 * Math.floor(100 * measured.loss.prunedFraction); step += 10) {
        const { meanLoss } = await meter.train(step / 1000);
        expect(meanLoss).toBeLessThanOrEqual(1.1 * dense.meanLoss);
      }
      expect(measured.strictAccuracy!.prunedFraction).toBeLessThanOrEqual(measured.accuracy!.prunedFraction);
      expect(measured.tried.loss).toBeLessThan(60);
      expect(measured.tried.accuracy).toBeLessThan(120);
      expect(evaluations).toBeLessThanOrEqual(measured.tried.loss + measured.tried.accuracy + 4);
    }
  });

  it('finds the same limits whatever fractions are asked for', async () => {
    const limitsOf = async (ratios: number[]) => {
      const { measured } = await measure(4, { ratios });
      return { limits: LIMITS.map((name) => measured[name]), tried: measured.tried };
    };
    const expected = await limitsOf([]);
    expect(await limitsOf([0.5])).toEqual(expected);
    expect(await limitsOf([0.05, 0.1, 0.123, 0.2999, 0.3, 0.7, 0.77777, 0.999])).toEqual(expected);
  });

  it('shows all that was evaluated, in order, and null for what was not', async () => {
    const { measured, meter } = await measure(5, { ratios: [0.123, 0.4321] });
    const { curve } = measured;
    expect(curve.map(({ pruned }) => pruned)).toEqual(
      [...new Set(curve.map(({ pruned }) => pruned))].sort((a, b) => a - b),
    );
    for (const row of curve) {
      expect(row.source).toBe([0.123, 0.4321].includes(row.pruned) ? 'asked' : 'searched');
      if (row.source === 'asked') {
        expect(row.loss).toBe((await meter.train(row.pruned)).meanLoss);
        expect(row.accuracy).toBe((await meter.test(row.pruned))!.accuracy);
        expect(row.predictedLossIncrease).toBe(row.pruned);
      } else {
        expect(row.predictedLossIncrease).toBeNull();
        expect([row.loss, row.accuracy]).not.toEqual([null, null]);
      }
      expect(row.insideSublevelSet === null).toBe(row.loss === null);
    }
    const searched = (await measure(5)).measured.curve.find(({ pruned }) => pruned === 0.123)!;
    expect(searched).toMatchObject({
      source: 'searched',
      predictedLossIncrease: 3,
      loss: null,
      lossIncrease: null,
      accuracy: null,
      insideSublevelSet: null,
    });
  });

  it('tries nothing beyond a cap', async () => {
    const { measured } = await measure(6, { ratios: [], maximumFraction: 0.0531 });
    expect(measured.loss).toEqual({
      prunedFraction: 0.0531,
      lastPassFraction: 0.0531,
      firstFailureFraction: null,
      capped: true,
    });
    expect(Math.max(...measured.curve.map(({ pruned }) => (pruned === 0.123 ? 0 : pruned)))).toBe(0.0531);
  });

  it('shows progress that never runs back nor past its total', async () => {
    const seen: { name: string; total: number; done: number[] }[] = [];
    const { weights, ranking, evaluate } = problem(7);
    const dense = await evaluate(weights);
    const meter = createPruningMeter({
      weights,
      ranking,
      train: evaluate,
      test: evaluate,
      dense: { train: dense, test: dense },
    });
    await measurePruning(
      {
        meter,
        predict: async () => ({ gradientTerm: 0, curvatureTerm: 0 }),
        slice: { tried: [] },
        ranking,
        epsilon: 0.01,
        accuracyTolerance: 0,
        ratios: [0.5],
        maximumFraction: 1,
      },
      {
        stage: (name, total) => {
          const stage = { name, total, done: [] as number[] };
          seen.push(stage);
          return { update: (done) => stage.done.push(done), end: () => {} };
        },
        note: () => {},
        unwritten: () => {},
      },
    );
    expect(seen.map(({ name }) => name)).toEqual(['pruning curve', 'measured limits']);
    for (const { total, done } of seen) {
      expect(done).toEqual([...done].sort((a, b) => a - b));
      expect(done.at(-1)).toBeLessThanOrEqual(total);
    }
  });
});
