import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { checkSizes } from '../../src/curvature/check-sizes.js';
import type { Network } from '../../src/network/network.js';
import { smallConvNet } from '../support/network-cases.js';
import { withProblem } from '../support/problems.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

/** A network of one product whose result has so many numbers for an example. */
function wide(outputs: number): Network {
  const logits = (_: readonly tf.Tensor[], x: tf.Tensor) => tf.tile(x, [1, outputs]);
  return { prunable: [], weights: new Float32Array(0), logits } as unknown as Network;
}

/** A network of one product with a square matrix: twice its size in operations for an example. */
function slow(inner: number): Network {
  const logits = (_: readonly tf.Tensor[], x: tf.Tensor) =>
    tf.matMul(tf.tile(x, [1, inner]), tf.tile(x, [inner, inner]));
  return { prunable: [], weights: new Float32Array(0), logits } as unknown as Network;
}

describe('the examples of a check', () => {
  it('are eight of 128 for a small network', async () => {
    await withProblem(smallConvNet, { seed: 1, examples: 8 }, async ({ network, source }) => {
      expect(checkSizes(network, source)).toEqual({ examples: 8, candidates: 128, evaluationBatch: 32 });
    });
  });

  it('are as many as fit into the heap of WebAssembly, one at least', () => {
    // 2 ** 31 / 10 bytes for those that are checked, 2 ** 30 for those that are evaluated, four bytes a number.
    expect(checkSizes(wide(1e7), { shape: [1] })).toMatchObject({ examples: 5, evaluationBatch: 26 });
    expect(checkSizes(wide(1e9), { shape: [1] })).toMatchObject({ examples: 1, evaluationBatch: 1 });
  });

  it('are chosen of fewer where a forward pass takes long', () => {
    // 2e11 operations in all.
    expect(checkSizes(slow(1e3), { shape: [1] }).candidates).toBe(128);
    expect(checkSizes(slow(5e4), { shape: [1] }).candidates).toBe(40);
  });
});
