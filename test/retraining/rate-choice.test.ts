import { describe, expect, it } from 'vitest';
import { chooseRate } from '../../src/retraining/rate-choice.js';

describe('the rate of retraining', () => {
  const chosen = async (losses: readonly number[]) => {
    const asked: number[] = [];
    const { learningRate, tried } = await chooseRate(0.16, async (rate) => {
      asked.push(rate);
      return losses[asked.length - 1];
    });
    expect(asked).toEqual([0.16, 0.04, 0.01]);
    expect(tried.map(({ loss }) => loss)).toEqual(losses);
    return learningRate;
  };

  it('is that of the lowest loss, the larger of two that are as good', async () => {
    expect(await chosen([0.3, 0.2, 0.25])).toBe(0.04);
    expect(await chosen([0.3, 0.3, 0.3])).toBe(0.16);
    expect(await chosen([0.3, 0.2, 0.1])).toBe(0.01);
  });

  it('is none that diverges, unless all do', async () => {
    expect(await chosen([Number.NaN, Number.POSITIVE_INFINITY, 5])).toBe(0.01);
    expect(await chosen([Number.NaN, Number.NaN, Number.NaN])).toBe(0.16);
  });
});
