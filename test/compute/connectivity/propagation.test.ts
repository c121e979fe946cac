import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { ALWAYS, propagated } from './support.js';

beforeAll(async () => {
  await prepareBackend('cpu');
});

const counts = (...values: number[]): Int32Array => Int32Array.from(values);
const weights = (...values: number[]) => ({ depends: null, nonZero: counts(...values) });
const input = (...values: number[]) => ({ depends: counts(...values), nonZero: counts(...values) });

describe('paths through a program', () => {
  it('are as long-lived as their weakest weight, and an output as its best path', () => {
    const { outputs } = propagated(
      ({ x, v, w }) => tf.matMul(tf.relu(tf.matMul(x, v)), w),
      { x: [1, 2], v: [2, 2], w: [2, 2] },
      { x: input(ALWAYS, ALWAYS), v: weights(0, 2, 1, -1), w: weights(3, -1, 1, 0) },
    );
    // To hidden 0: max(0, 1) = 1, to hidden 1: max(2, -1) = 2. To output 0: max(min(1, 3), min(2, 1)) = 1.
    expect(outputs.result0.depends).toEqual(counts(1, 0));
  });

  it('do not begin in weights and constants', () => {
    const { outputs } = propagated(
      ({ v, w }) => tf.add(tf.matMul(v, w), tf.scalar(2)),
      { v: [1, 2], w: [2, 1] },
      { v: weights(ALWAYS, ALWAYS), w: weights(ALWAYS, ALWAYS) },
    );
    expect(outputs.result0).toEqual(weights(ALWAYS));
  });

  it('pass a gate while it is not zero, also one that does not hang on the input', () => {
    const gated = (gate: (w: tf.Tensor) => tf.Tensor) =>
      propagated(({ x, w }) => tf.mul(x, gate(w)), { x: [2], w: [2] }, { x: input(4, 3), w: weights(1, 4) })
        .outputs.result0.depends;
    expect(gated((w) => tf.relu(w))).toEqual(counts(1, 3));
    expect(gated((w) => tf.sigmoid(w))).toEqual(counts(4, 3));
  });

  it('lead from an index to what may stand at it', () => {
    const { outputs } = propagated(
      ({ x, table }) => tf.gather(table, tf.cast(x, 'int32')),
      { x: [2], table: [4, 2] },
      { x: input(4, 2), table: weights(-1, 0, -1, 3, -1, 1, -1, 1) },
    );
    // Column 0 of the table is zero, column 1 is not as long as 3 weights or fewer are gone.
    expect(outputs.result0).toEqual({ depends: counts(-1, 3, -1, 2), nonZero: counts(-1, 3, -1, 3) });
  });

  it('lead through a normalisation that joins: softmax and log-softmax', () => {
    for (const normalise of [tf.softmax, tf.logSoftmax]) {
      const { outputs } = propagated(({ x }) => normalise(x), { x: [1, 3] }, { x: input(-1, 2, 0) });
      expect(outputs.result0.depends).toEqual(counts(2, 2, 2));
    }
  });
});

describe('kernels without a rule', () => {
  it('are named, and taken to join all they read', () => {
    const { outputs, unknownKernels } = propagated(
      ({ x, w }) => tf.cumsum(tf.mul(x, w)),
      { x: [3], w: [3] },
      { x: input(4, 4, 4), w: weights(0, 2, 1) },
    );
    expect(unknownKernels).toEqual(['Cumsum']);
    expect(outputs.result0).toEqual({ depends: counts(2, 2, 2), nonZero: counts(4, 4, 4) });
  });

  it('begin no paths', () => {
    const { outputs, unknownKernels } = propagated(
      ({ w }) => tf.cumsum(w),
      { w: [3] },
      { w: weights(0, 2, 1) },
    );
    expect(unknownKernels).toEqual(['Cumsum']);
    expect(outputs.result0.depends).toBeNull();
  });

  it('do not count where no output reads them', () => {
    const { unknownKernels } = propagated(
      ({ x }) => {
        tf.cumsum(x);
        return tf.relu(x);
      },
      { x: [3] },
      { x: input(4, 4, 4) },
    );
    expect(unknownKernels).toEqual([]);
  });
});
