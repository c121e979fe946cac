import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { simplify } from '../../src/compute/compile/simplify.js';
import { traceProgram } from '../../src/compute/compile/trace.js';
import type { Program } from '../../src/compute/tensor-program.js';
import { exampleLosses, LOSS_NAMES, type LossName } from '../../src/network/loss.js';
import { hasNative, runGraph, type ShapedData, shapedData } from '../compute/compile/support.js';
import { outputGradient, outputHessian, REFERENCE_LOSSES } from '../support/float64-reference.js';
import { normalVector } from '../support/vectors.js';

/** Rows of logits, each tried with each of the targets. */
const logits: Record<string, number[]> = {
  moderate: [0.3, -1.2, 0.8],
  'sure by 16': [16, -1, 0],
  'sure by 70': [80, 10, -40],
  'sure by 1000': [1000, -1000, 0],
  'sure by 1e4': [-1e4, 0, 1e4],
  'sure by 1e30': [0, 1e30, -1e30],
  'all equal': [1000, 1000, 1000],
  'two equal': [1e4, -1e4, 1e4],
  'two nearly equal': [1000, -1000, 999],
};
const targets: Record<LossName, number[][]> = {
  'cross-entropy': [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [0.25, 0.25, 0.5],
  ],
  'binary-cross-entropy': [
    [1, 0, 0],
    [0, 1, 1],
    [0.25, 1, 0.5],
  ],
  mse: [
    [1, 0, 0],
    [0.5, -2, 3],
  ],
};

/** Relative to the value itself: a few roundings of float32, and those of exponentials. */
const TOLERANCE = 2e-6;
const ROUNDING = 2 ** -24;

/** Loss, gradient and Hessian product with respect to the logits of the summed loss. */
const derivatives =
  (loss: LossName): Program =>
  ({ z, t, v }) => {
    const gradient = (at: tf.Tensor): tf.Tensor =>
      tf.grad((inner) => tf.sum(exampleLosses(loss, inner, t)))(at);
    return {
      losses: exampleLosses(loss, z, t),
      gradient: gradient(z),
      product: tf.grad((at) => tf.sum(tf.mul(gradient(at), v)))(z),
    };
  };

async function run(
  engine: 'wasm' | 'cpu' | 'native',
  program: Program,
  inputs: Record<string, ShapedData>,
): Promise<Record<string, ArrayLike<number>>> {
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape])]),
  );
  try {
    if (engine === 'native') {
      return await runGraph(simplify(traceProgram(program, tensors)), inputs);
    }
    return tf.tidy(() =>
      Object.fromEntries(
        Object.entries(program(tensors)).map(([name, result]) => [name, shapedData(result).data]),
      ),
    );
  } finally {
    tf.dispose(tensors);
  }
}

describe.each(['wasm', 'cpu', 'native'] as const)('losses of saturated logits on %s', (engine) => {
  beforeAll(async () => {
    await prepareBackend(engine === 'native' ? 'cpu' : engine);
  });

  const cases = LOSS_NAMES.flatMap((loss) =>
    Object.keys(logits)
      .filter((name) => loss !== 'mse' || name !== 'sure by 1e30')
      .map((name) => ({ loss, name })),
  );

  it.skipIf(engine === 'native' && !hasNative).each(cases)('$loss, $name', async ({ loss, name }) => {
    const z = logits[name].map(Math.fround);
    const rows = targets[loss];
    const shape = [rows.length, z.length];
    const v = Float32Array.from(normalVector(rows.length * z.length, 1));
    const found = await run(engine, derivatives(loss), {
      z: { shape, data: Float32Array.from(rows.flatMap(() => z)) },
      t: { shape, data: Float32Array.from(rows.flat()) },
      v: { shape, data: v },
    });
    const hessian = outputHessian(loss, z);
    rows.forEach((t, n) => {
      const row = (values: ArrayLike<number>): number[] => Array.from(values).slice(3 * n, 3 * n + 3);
      const total = loss === 'cross-entropy' ? t.reduce((a, b) => a + b, 0) : 1;
      const product = hessian.map((line) => line.reduce((sum, h, j) => sum + total * h * row(v)[j], 0));
      const expectPrecise = (
        what: string,
        actual: ArrayLike<number>,
        expected: number[],
        noise = 0,
      ): void => {
        const error = Math.hypot(...expected.map((value, i) => actual[i] - value));
        // Below the smallest normal float32 relative precision fades out.
        const allowed = TOLERANCE * Math.hypot(...expected) + noise + 1e-37;
        expect(error, `${what}, targets ${t}: ${Array.from(actual)} for ${expected}`).toBeLessThan(allowed);
      };
      const slope = outputGradient(loss, z, t);
      expectPrecise('loss', [found.losses[n]], [REFERENCE_LOSSES[loss](z, t)]);
      expectPrecise('gradient', row(found.gradient), slope);
      // Of an example that is sure and wrong, the curvature is below the rounding of its gradient.
      expectPrecise('product', row(found.product), product, ROUNDING * Math.hypot(...slope));
    });
  });
});
