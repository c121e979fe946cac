import { describe, expect, it } from 'vitest';
import { gaussianWidthLimit } from '../../src/geometry/gaussian-width.js';
import { type Check, expectedStepsTo } from '../../src/spectrum/settlement.js';
import { estimateSpectrum } from '../../src/spectrum/slq.js';
import { rotatedOperator, syntheticProblem } from './operators.js';

/** Checks of an interval that halves every 10 steps: 2^(-steps / 10). */
const halving = (...steps: number[]): Check[] =>
  steps.map((at) => ({ steps: at, halfWidth: 2 ** (-at / 10) }));

describe('expectedStepsTo', () => {
  it.each<[string, Check[], number | null]>([
    ['no check', [], null],
    ['one check tells no trend', halving(40), null],
    ['two checks', halving(40, 50), 70],
    ['the last three count', [{ steps: 30, halfWidth: 9 }, ...halving(40, 50, 60)], 70],
    ['within already', halving(40, 80), 80],
    [
      'no progress',
      [
        { steps: 40, halfWidth: 0.1 },
        { steps: 50, halfWidth: 0.1 },
      ],
      null,
    ],
    [
      'not a number',
      [
        { steps: 40, halfWidth: Number.NaN },
        { steps: 50, halfWidth: Number.NaN },
      ],
      null,
    ],
  ])('%s', (_, checks, expected) => {
    const steps = expectedStepsTo(2 ** -7, checks);
    if (expected === null) {
      expect(steps).toBeNull();
    } else {
      expect(steps).toBeCloseTo(expected, 9);
    }
  });
});

it('an estimate says when it will end, in time and about right', async () => {
  const { eigenvalues, radiusSquared, epsilon } = syntheticProblem(3, 512);
  const seen: { done: number; expected: number | null }[] = [];
  const result = await estimateSpectrum(rotatedOperator(eigenvalues, 1), {
    seed: 0,
    probes: 2,
    addProbes: false,
    maximumSteps: 300,
    functionals: { limit: (measure) => gaussianWidthLimit(measure, radiusSquared, epsilon) },
    decisive: 'limit',
    tolerance: 0.005,
    onProducts: (done, budget, expected) => {
      expect(budget).toBe(600);
      seen.push({ done, expected });
    },
  });
  expect(result.estimates.limit.settled).toBe(true);
  for (const { done, expected } of seen) {
    expect(expected === null || (expected >= done && expected < 600)).toBe(true);
  }
  // Of the checks after which it went on, the last tells the end.
  const last = seen.findLast(({ expected }) => expected !== null);
  expect(last?.expected).toBe(result.products);
});
