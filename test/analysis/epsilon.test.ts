import { beforeAll, describe, expect, it } from 'vitest';
import { evaluateDense, toleratedIncrease } from '../../src/analysis/epsilon.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { silentProgress } from '../../src/progress.js';
import { expectInputError } from '../dataset/support.js';
import { evaluatorOf, fixedCheckpoint, problemOf, smallModel } from './support.js';

beforeAll(() => prepareBackend('cpu'));

describe('toleratedIncrease', () => {
  it('is the deviation, the number, or the share of the loss that the rule says', () => {
    expect(toleratedIncrease({ rule: 'batch-std' }, 0.06, 0.2)).toBe(0.06);
    expect(toleratedIncrease({ rule: 'absolute', value: 0.01 }, null, 0.2)).toBe(0.01);
    expect(toleratedIncrease({ rule: 'percent', value: 5 }, null, 0.2)).toBeCloseTo(0.01, 15);
  });

  it('needs two mini-batches for the rule batch-std', () =>
    expectInputError(
      () => toleratedIncrease({ rule: 'batch-std' }, null, 0.2),
      'analysis/epsilon',
      /--epsilon batch-std needs at least 256 training examples/,
      '--epsilon 0.01',
    ));

  it.each<[string, () => number]>([
    ['a deviation of 0', () => toleratedIncrease({ rule: 'batch-std' }, 0, 0.2)],
    ['a share of a loss of 0', () => toleratedIncrease({ rule: 'percent', value: 5 }, null, 0)],
    ['a deviation that is no number', () => toleratedIncrease({ rule: 'batch-std' }, Number.NaN, 0.2)],
  ])('refuses %s', (_title, action) =>
    expectInputError(action, 'analysis/epsilon', 'must be positive', '--epsilon 0.01'),
  );
});

describe('evaluateDense', () => {
  it('is the evaluation of the trained weights', async () => {
    const problem = await problemOf(await fixedCheckpoint(smallModel()), { count: 10, shape: [4] });
    const shown: number[] = [];
    const progress = {
      ...silentProgress,
      stage: () => ({ update: (done: number) => shown.push(done), end: () => {} }),
    };
    const { losses, meanLoss } = await evaluateDense(
      evaluatorOf(problem, 4),
      problem.network.weights,
      'examples',
      progress,
    );
    expect(shown).toEqual([4, 8, 10]);
    expect(losses).toHaveLength(10);
    expect(meanLoss).toBeGreaterThan(0);
  });

  it('refuses a loss that is no number, naming the example', async () => {
    const checkpoint = await fixedCheckpoint(smallModel(), 1e38);
    const problem = await problemOf(checkpoint, { count: 10, shape: [4] });
    await expectInputError(
      () => evaluateDense(evaluatorOf(problem), problem.network.weights, 'training examples', silentProgress),
      'analysis/loss-not-finite',
      /is (NaN|Infinity) at example \d+ \(training examples\)/,
      '--normalize',
    );
  });
});
