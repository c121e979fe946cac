import { beforeAll, describe, expect, it } from 'vitest';
import { openPruningOracle } from '../../src/analysis/pruning-oracle.js';
import { resourceScope } from '../../src/analysis/resources.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { LOSS_NAMES } from '../../src/network/loss.js';
import { outputTargets } from '../../src/network/output-targets.js';
import { hasNative, wrongBy } from '../compute/compile/support.js';
import { normalVector, relativeError } from '../support/vectors.js';
import { fixedCheckpoint, problemOf, smallModel } from './support.js';

beforeAll(() => prepareBackend('cpu'));

it('outputs become probabilities where the loss takes them', () => {
  const logits = Float32Array.of(0, Math.log(3), 1000, 1000);
  // 1 / (1 + 3) and 3 / (1 + 3); equal ones share, however large.
  outputTargets('cross-entropy', logits, 2).forEach((value, i) => {
    expect(value).toBeCloseTo([0.25, 0.75, 0.5, 0.5][i], 6);
  });
  // 1 / (1 + 1/3)
  outputTargets('binary-cross-entropy', logits, 2).forEach((value, i) => {
    expect(value).toBeCloseTo([0.5, 0.75, 1, 1][i], 6);
  });
  expect(outputTargets('mse', logits, 2)).toEqual(logits);
});

describe.skipIf(!hasNative)('compiled programs', () => {
  // Of each set of examples: losses, gradient, product.
  it.each<[string, (run: number) => boolean, number, number]>([
    ['right', () => false, 1, 0],
    ['wrong in the product of the first set', (run) => run === 3, 1.01, 0],
    ['wrong in the gradients of two sets', (run) => run === 2 || run === 5, 1.01, 0],
    ['wrong in every gradient', (run) => run % 3 === 2, 1.01, 1],
    ['wrong in the losses of the first set', (run) => run === 1, 1.01, 1],
    ['no numbers in the first product', (run) => run === 3, Number.NaN, 1],
    ['wrong throughout', () => true, 1.01, 1],
  ])('that are %s', async (_, isWrong, factor, notesExpected) => {
    const problem = await problemOf(await fixedCheckpoint(smallModel()), { count: 20, shape: [4] });
    const engine = { ...problem.engine, onnx: wrongBy(factor, isWrong) };
    await resourceScope(async (scope) => {
      const notes: string[] = [];
      await openPruningOracle({ ...problem, engine }, scope, (note) => notes.push(note));
      expect(notes).toEqual(
        new Array(notesExpected).fill(expect.stringMatching(/compiled programs differ from tfjs by/)),
      );
    });
  });
});

describe.each(LOSS_NAMES)('the oracle of outputs, %s', (loss) => {
  const COUNT = 12;

  it('has the share of the labels of their gradient at the weights of the outputs, and the same curvature', async () => {
    const problem = await problemOf(await fixedCheckpoint(smallModel()), { count: COUNT, shape: [4], loss });
    await resourceScope(async (scope) => {
      const { oracle, cost } = await openPruningOracle(problem, scope, () => {});
      const { weights, dimension } = problem.network;
      const range = { start: 0, end: COUNT };
      const labels = await oracle.gradient(weights, range);
      const norm = Math.hypot(...labels);
      const { gradients } = cost();
      const alone = await oracle.towards(weights, COUNT, 0);
      // One forward pass.
      expect(cost().gradients - gradients).toBeCloseTo(COUNT / 3, 9);
      expect(Math.hypot(...(await alone.gradient(weights, range)))).toBeLessThan(1e-6 * norm);
      const mixed = await (await oracle.towards(weights, COUNT, 0.3)).gradient(weights, range);
      expect(
        relativeError(
          mixed,
          labels.map((value) => 0.3 * value),
        ),
      ).toBeLessThan(1e-5);
      const other = weights.map((weight) => 0.9 * weight);
      expect(await alone.loss(weights, range)).toBeLessThan(await alone.loss(other, range));
      const vector = normalVector(dimension, 1);
      const products = await Promise.all(
        [oracle, alone].map(async (each) => (await each.gaussNewton(other, range)).apply(vector)),
      );
      expect(relativeError(products[1], products[0])).toBeLessThan(1e-6);
    });
  });
});
