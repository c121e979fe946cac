import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { curvatureOperator, lossGradient } from '../../src/curvature/products.js';
import type { Batches } from '../../src/programs/batches.js';
import { CURVATURES, type CurvatureKind } from '../../src/programs/curvature-products.js';
import { evaluate } from '../../src/programs/evaluation.js';
import { dilatedCases, mlpCase, smallConvNet } from '../support/network-cases.js';
import { type ModelCase, type SeededProblem, withProblem } from '../support/problems.js';
import { dot, expectClose, norm, normalVector } from '../support/vectors.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

const cases: ModelCase[] = [
  smallConvNet,
  mlpCase('tanh'),
  mlpCase('swish', 'binary-cross-entropy'),
  mlpCase('relu', 'mse'),
];

async function withOperator<T>(
  modelCase: ModelCase,
  kind: CurvatureKind,
  use: (apply: (vector: Float64Array) => Promise<Float64Array>, problem: SeededProblem) => Promise<T>,
  batchSize = 4,
): Promise<T> {
  return withProblem(modelCase, { seed: 6, examples: 9, batchSize }, async (problem) => {
    const operator = curvatureOperator(problem, kind);
    try {
      return await use(operator.apply, problem);
    } finally {
      operator.dispose();
    }
  });
}

describe.each(cases)('curvature products of $name', (modelCase) => {
  describe.each(CURVATURES)('%s', (kind) => {
    it('do not depend on how the examples are cut into batches', async () => {
      const products: Float64Array[] = [];
      for (const batchSize of [9, 4, 1]) {
        const product = await withOperator(
          modelCase,
          kind,
          (apply, { network }) => apply(normalVector(network.dimension, 1)),
          batchSize,
        );
        products.push(product);
      }
      for (const product of products) {
        expectClose(product, products[0], 1e-5);
      }
    });

    it('are symmetric and linear', async () => {
      await withOperator(modelCase, kind, async (apply, { network }) => {
        const u = normalVector(network.dimension, 1);
        const v = normalVector(network.dimension, 2);
        const hu = await apply(u);
        const hv = await apply(v);
        const scale = norm(u) * norm(hv);
        expect(Math.abs(dot(u, hv) - dot(v, hu)) / scale).toBeLessThan(1e-5);
        const combined = await apply(u.map((value, i) => 2 * value - 0.5 * v[i]));
        expectClose(
          combined,
          hu.map((value, i) => 2 * value - 0.5 * hv[i]),
          1e-5,
        );
        expectClose(await apply(new Float64Array(u.length)), new Float64Array(u.length), 0);
      });
    });
  });

  it('the Gauss-Newton matrix is positive semi-definite', async () => {
    await withOperator(modelCase, 'ggn', async (apply, { network }) => {
      for (let seed = 0; seed < 5; seed++) {
        const v = normalVector(network.dimension, seed);
        const product = await apply(v);
        expect(dot(v, product)).toBeGreaterThan(-1e-6 * norm(v) * norm(product));
      }
    });
  });

  it('the loss of the gradient is the mean loss of an evaluation', async () => {
    await withProblem(modelCase, { seed: 6, examples: 9, batchSize: 4 }, async (problem) => {
      const { network, loss, batches } = problem;
      const { meanLoss } = await evaluate(network, loss, batches, network.weights);
      const gradient = await lossGradient(problem, network.weights);
      expect(gradient.loss / meanLoss).toBeCloseTo(1, 5);
      expect(gradient.gradient.length).toBe(network.dimension);
    });
  });
});

describe('for a network that is linear in its weights', () => {
  it('Hessian and Gauss-Newton matrix are the same', async () => {
    const linear = { ...mlpCase('tanh', 'mse'), build: mlpCase('linear', 'mse').build };
    await withProblem(linear, { seed: 2 }, async (problem) => {
      const { network } = problem;
      const last = network.prunable[network.prunable.length - 1];
      // Along the last layer only, the outputs are linear in the weights.
      const v = normalVector(network.dimension, 1).map((value, i) => (i >= last.offset ? value : 0));
      const [hessian, ggn] = CURVATURES.map((kind) => curvatureOperator(problem, kind));
      const lastOf = (product: Float64Array): Float64Array => product.subarray(last.offset);
      expectClose(lastOf(await hessian.apply(v)), lastOf(await ggn.apply(v)), 1e-5);
      hessian.dispose();
      ggn.dispose();
    });
  });
});

describe('an operator', () => {
  it('takes the curvature at the given weights, and keeps to them', async () => {
    await withProblem(mlpCase('tanh'), { seed: 1 }, async (problem) => {
      const { network } = problem;
      const v = normalVector(network.dimension, 1);
      const elsewhere = network.weights.map((value) => 2 * value);
      const there = curvatureOperator(problem, 'hessian', elsewhere);
      const here = curvatureOperator(problem, 'hessian');
      const product = await there.apply(v);
      elsewhere.fill(0);
      expectClose(await there.apply(v), product, 0);
      expect(norm((await here.apply(v)).map((value, i) => value - product[i]))).toBeGreaterThan(
        0.01 * norm(product),
      );
      there.dispose();
      here.dispose();
    });
  });

  it('neither changes nor keeps the vector, and returns a new one each time', async () => {
    await withOperator(mlpCase('tanh'), 'hessian', async (apply, { network }) => {
      const v = normalVector(network.dimension, 1);
      const copy = v.slice();
      const first = await apply(v);
      const kept = first.slice();
      v.fill(0);
      const second = await apply(copy);
      expect([...second]).toEqual([...kept]);
      expect(second).not.toBe(first);
      expect([...copy]).toEqual([...normalVector(network.dimension, 1)]);
    });
  });
});

describe('tensors', () => {
  it('are as many after products and gradients as before', async () => {
    const start = tf.memory().numTensors;
    await withProblem(smallConvNet, { seed: 1 }, async (problem) => {
      const v = normalVector(problem.network.dimension, 1);
      await lossGradient(problem, problem.network.weights);
      const before = tf.memory().numTensors;
      await lossGradient(problem, problem.network.weights);
      for (const kind of CURVATURES) {
        const operator = curvatureOperator(problem, kind);
        await operator.apply(v);
        await operator.apply(v);
        operator.dispose();
      }
      expect(tf.memory().numTensors).toBe(before);
    });
    expect(tf.memory().numTensors).toBe(start);
  });

  it('are as many after an exception between batches as before', async () => {
    await withProblem(smallConvNet, { seed: 1 }, async (problem) => {
      const v = normalVector(problem.network.dimension, 1);
      const failing: Batches = {
        ...problem.batches,
        forEach: (visit) =>
          problem.batches.forEach(async (batch, index) => {
            await visit(batch, index);
            throw new Error('stop');
          }),
      };
      await lossGradient(problem, problem.network.weights);
      const before = tf.memory().numTensors;
      await expect(lossGradient({ ...problem, batches: failing }, problem.network.weights)).rejects.toThrow(
        'stop',
      );
      const operator = curvatureOperator({ ...problem, batches: failing }, 'hessian');
      await expect(operator.apply(v)).rejects.toThrow('stop');
      operator.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  });

  it('are as many after a refused gradient as before, and later products are right', async () => {
    await withProblem(smallConvNet, { seed: 1 }, async (problem) => {
      const v = normalVector(problem.network.dimension, 1);
      const operator = curvatureOperator(problem, 'hessian');
      const product = await operator.apply(v);
      const before = tf.memory().numTensors;
      await withProblem(dilatedCases[0], { seed: 1 }, async (dilated) => {
        await expect(lossGradient(dilated, dilated.network.weights)).rejects.toThrow(/dilation/);
        const refused = curvatureOperator(dilated, 'hessian');
        await expect(refused.apply(normalVector(refused.dim, 1))).rejects.toThrow(/dilation/);
        refused.dispose();
      });
      expect([...(await operator.apply(v))]).toEqual([...product]);
      expect(tf.memory().numTensors).toBe(before);
      operator.dispose();
    });
  });
});
