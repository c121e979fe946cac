import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  accuracyWithin,
  hiddenChange,
  lossWithin,
  noSignificantFall,
  paired,
} from '../../src/pruning/conditions.js';
import type { TestMeasure, TrainMeasure } from '../../src/pruning/measurement.js';
import { fallProbability } from '../../src/pruning/paired-test.js';

function testMeasure(correct: readonly number[], margins: readonly number[] | null = null): TestMeasure {
  return {
    accuracy: correct.reduce((sum, right) => sum + right, 0) / correct.length,
    correct: Uint8Array.from(correct),
    decisions: 1,
    decisionMargins: margins && Float32Array.from(margins),
  };
}

function trainMeasure(losses: number[]): TrainMeasure {
  return {
    losses: Float64Array.from(losses),
    meanLoss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
  };
}

/** Of `examples`, all right, b fall; c of the wrong ones rise. */
function pair(examples: number, b: number, c: number) {
  const dense = testMeasure(Array.from({ length: examples }, (_, i) => (i < c ? 0 : 1)));
  return paired(dense, testMeasure(Array.from({ length: examples }, (_, i) => (i < examples - b ? 1 : 0))));
}

describe('conditions on the accuracy', () => {
  it('pass where the definition does', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), fc.constantFrom(0, 0.005, 0.01, 0.1), (b, c, tolerance) => {
        const measure = pair(200, b, c);
        expect(measure.fall).toBe(b - c);
        expect(accuracyWithin(tolerance, 200).margin(measure) >= 0).toBe(
          b - c <= Math.round(200 * tolerance),
        );
        const changes = [...Array<number>(b).fill(-1), ...Array<number>(c).fill(1)];
        expect(noSignificantFall(200).margin(measure) >= 0).toBe(fallProbability(changes) > 0.05);
      }),
      { numRuns: 200, seed: 6 },
    );
  });

  it('hold at the edge: a fall by the tolerance itself, 4 of 4 but not 5 of 5', () => {
    expect(accuracyWithin(0.005, 10_000).margin(pair(10_000, 50, 0))).toBe(0);
    expect(accuracyWithin(0.005, 10_000).margin(pair(10_000, 51, 0))).toBe(-1);
    expect(accuracyWithin(0, 100).margin(pair(100, 3, 3))).toBe(0);
    expect(noSignificantFall(100).margin(pair(100, 4, 0)) >= 0).toBe(true);
    expect(noSignificantFall(100).margin(pair(100, 5, 0)) >= 0).toBe(false);
  });

  it('count decisions as parts of an example', () => {
    const measure = (correct: number[]): TestMeasure => ({
      ...testMeasure(correct),
      correct: Uint32Array.from(correct),
      decisions: 4,
    });
    const { fall, deviation, probability } = paired(measure([4, 4, 2, 1]), measure([4, 1, 3, 1]));
    expect([fall, deviation]).toEqual([2 / 4, Math.sqrt(10) / 4]);
    expect(probability).toBe(fallProbability([-3, 1]));
  });

  it('are hopeless a quarter of the examples beyond', () => {
    expect(accuracyWithin(0.1, 100).hopeless(pair(100, 35, 0))).toBe(false);
    expect(accuracyWithin(0.1, 100).hopeless(pair(100, 36, 0))).toBe(true);
  });
});

describe('hiddenChange', () => {
  it('is nothing where no margin is small beside what it moves', () => {
    expect(hiddenChange(testMeasure([1, 0], [3, -5]), testMeasure([1, 0], [2.9, -4.5]))).toBe(0);
  });

  it('is half an example where one is near, and grows with the root of those that may turn', () => {
    expect(hiddenChange(testMeasure([1, 0], [3, -5]), testMeasure([1, 0], [2, -4.5]))).toBe(0.5);
    const unsure = (count: number) =>
      hiddenChange(
        testMeasure(Array(1000).fill(1), Array(1000).fill(1)),
        testMeasure(
          Array(1000).fill(1),
          Array.from({ length: 1000 }, (_, i) => (i < count ? 0.1 : 1)),
        ),
      );
    expect(unsure(400) / unsure(100)).toBeCloseTo(2, 12);
    expect(unsure(100)).toBeGreaterThan(0.5);
  });

  it('takes what is not a number for unsure', () => {
    const broken = testMeasure([0], [Number.NaN]);
    expect(hiddenChange(broken, broken)).toBeGreaterThan(0);
  });

  it('goes by what differs where there are no margins', () => {
    const [from, to] = [testMeasure([1, 1, 1, 0]), testMeasure([1, 0, 0, 1])];
    expect(hiddenChange(from, to)).toBe(2 * hiddenChange(from, from));
  });
});

describe('the condition on the loss', () => {
  const dense = trainMeasure([1, 2, 3, 4]);
  const condition = lossWithin(0.5, dense);

  it('is the increase of the mean', () => {
    expect(condition.margin(trainMeasure([1, 2, 3, 6]))).toBe(0);
    expect(condition.margin(trainMeasure([1, 2, 3, 5]))).toBe(0.25);
    expect(condition.margin(trainMeasure([1, 2, 3, Number.NaN])) >= 0).toBe(false);
    expect(condition.margin(trainMeasure([1, 2, 3, Number.POSITIVE_INFINITY]))).toBe(
      Number.NEGATIVE_INFINITY,
    );
  });

  it('is as uncertain in between as the mean change is', () => {
    // Changes 1 and -1 twice: no change of the mean, but its standard error.
    expect(condition.spread(dense, trainMeasure([2, 1, 4, 3]))).toBe((2 * Math.sqrt(4)) / 4);
    expect(condition.spread(dense, trainMeasure([1, 2, 3, Number.NaN]))).toBe(0);
  });

  it('is hopeless far above, and where it overflows', () => {
    expect(condition.hopeless(trainMeasure([5, 6, 7, 8]))).toBe(false);
    expect(condition.hopeless(trainMeasure([61, 62, 63, 64]))).toBe(false); // 60 eps, but what it is made of is as large
    const many = trainMeasure(Array(1000).fill(1));
    expect(lossWithin(0.5, many).hopeless(trainMeasure(Array(1000).fill(6.1)))).toBe(true);
    expect(lossWithin(0.5, many).hopeless(trainMeasure(Array(1000).fill(5.9)))).toBe(false);
    expect(condition.hopeless(trainMeasure([1, 2, 3, Number.NaN]))).toBe(true);
  });
});
