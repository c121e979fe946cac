import { type LayersModel, layers, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { openPruningOracle } from '../../src/analysis/pruning-oracle.js';
import { resourceScope } from '../../src/analysis/resources.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { NotCompilableError } from '../../src/compute/compile/trace.js';
import { numbered } from '../../src/compute/tensor-program.js';
import { weightTensors } from '../../src/network/network.js';
import { squaredGradientProgram } from '../../src/programs/loss-programs.js';
import { memory, tensor, tidy } from '../../src/tfjs-core.js';
import { hasNative, native } from '../compute/compile/support.js';
import { relativeError } from '../support/vectors.js';
import { fixedCheckpoint, problemOf, smallModel } from './support.js';

beforeAll(() => prepareBackend('cpu'));

const COUNT = 21;

/** Strides of 2 and 1, odd extents, padding and none, a 1 x 1 filter, rectangular windows. */
const convolutions = (): LayersModel =>
  sequential({
    layers: [
      layers.conv2d({ filters: 3, kernelSize: 3, strides: 2, padding: 'same', inputShape: [9, 7, 2] }),
      layers.conv2d({ filters: 4, kernelSize: [2, 3], padding: 'valid', activation: 'tanh' }),
      layers.conv2d({ filters: 3, kernelSize: 1, strides: 2, padding: 'valid' }),
      layers.flatten(),
      layers.dense({ units: 3 }),
    ],
  });

/** A dense layer that every example passes in five places. */
const sequence = (): LayersModel =>
  sequential({
    layers: [
      layers.dense({ units: 4, inputShape: [5, 3], activation: 'tanh' }),
      layers.flatten(),
      layers.dense({ units: 3 }),
    ],
  });

/** A weight that every step uses. */
const recurrent = (): LayersModel =>
  sequential({
    layers: [
      layers.simpleRNN({ units: 4, inputShape: [5, 3], recurrentInitializer: 'glorotUniform' }),
      layers.dense({ units: 3 }),
    ],
  });

const cases: [string, () => LayersModel, number[]][] = [
  ['a perceptron', smallModel, [4]],
  ['convolutions', convolutions, [9, 7, 2]],
  ['a dense layer of a sequence', sequence, [5, 3]],
  ['a recurrent layer', recurrent, [5, 3]],
];

describe.each([
  ['by tfjs', false],
  ['compiled', true],
])('mean squared gradients, %s', (_, compiles) => {
  it.skipIf(compiles && !hasNative).each(cases)('of %s are those of single examples', (_, model, shape) =>
    resourceScope(async (scope) => {
      const made = await problemOf(await fixedCheckpoint(model()), { count: COUNT, shape });
      const problem = { ...made, engine: { ...made.engine, onnx: compiles ? native : null } };
      const notes: string[] = [];
      const { oracle, cost } = await openPruningOracle(problem, scope, (note) => notes.push(note));
      const { weights, dimension } = problem.network;
      const found = await oracle.meanSquaredGradient(weights, COUNT - 1);
      expect(cost()).toEqual({ gradients: COUNT - 1, distinctExamples: COUNT - 1 });
      const expected = new Float64Array(dimension);
      await oracle.gradientRows(weights, { batchSize: 1, count: COUNT - 1 }, (row) => {
        row.forEach((value, i) => {
          expected[i] += value ** 2 / (COUNT - 1);
        });
      });
      expect(relativeError(found, expected)).toBeLessThan(2e-6);
      expect(notes).toEqual([]);
    }),
  );
});

describe('the program of a batch', () => {
  const run = async (model: LayersModel, shape: number[]): Promise<void> => {
    const { network, train, loss } = await problemOf(await fixedCheckpoint(model), { count: 4, shape });
    const program = squaredGradientProgram(network, loss, train);
    tidy(() => {
      program.run({
        ...numbered('w', weightTensors(network, network.weights)),
        x: tensor(train.inputs(0, 4), [4, ...shape]),
        y: tensor(train.targets(0, 4), [4, network.outputs]),
      });
    });
  };

  it.each(cases.slice(0, 3))('takes %s', async (_, model, shape) => {
    const made = model();
    await run(made, shape);
  });

  it('refuses a weight that is used twice, and leaves nothing behind', async () => {
    const made = recurrent();
    let failure: unknown;
    const before = memory().numTensors;
    await run(made, [5, 3]).catch((error: unknown) => {
      failure = error;
    });
    expect(failure).toBeInstanceOf(NotCompilableError);
    expect(memory().numTensors).toBeLessThanOrEqual(before);
  });

  it('gives (2/C r_c x_k)^2 for a linear layer and the mean squared error', async () => {
    const model = sequential({ layers: [layers.dense({ units: 2, inputShape: [3], useBias: false })] });
    const made = await problemOf(await fixedCheckpoint(model), { count: 6, shape: [3], loss: 'mse' });
    await resourceScope(async (scope) => {
      const { oracle } = await openPruningOracle(made, scope, () => {});
      const { weights } = made.network;
      const found = await oracle.meanSquaredGradient(weights, 6);
      const expected = new Float64Array(6);
      for (let i = 0; i < 6; i++) {
        const [x, y] = [made.train.inputs(i, i + 1), made.train.targets(i, i + 1)];
        for (let c = 0; c < 2; c++) {
          const residual = x[0] * weights[c] + x[1] * weights[2 + c] + x[2] * weights[4 + c] - y[c];
          for (let k = 0; k < 3; k++) {
            expected[2 * k + c] += (residual * x[k]) ** 2 / 6;
          }
        }
      }
      expect(relativeError(found, expected)).toBeLessThan(1e-6);
    });
  });
});
