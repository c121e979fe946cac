import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { BACKENDS, type BackendName, prepareBackend } from '../../src/compute/backend.js';
import { InputError } from '../../src/errors.js';

describe('a backend', () => {
  it.each(['wasm', 'cpu'] as const)(
    '%s is made the current one and named with its versions',
    async (name) => {
      const engine = await prepareBackend(name);
      expect(tf.getBackend()).toBe(name);
      expect(engine).toMatchObject({ backend: name, threads: 1, notes: [] });
      expect(engine.versions).toMatchObject({
        node: process.versions.node,
        [`tfjs-backend-${name}`]: '4.22.0',
      });
    },
  );

  it('auto takes the first that loads, and says why a faster one was passed over', async () => {
    const { backend, notes } = await prepareBackend('auto');
    expect(BACKENDS).toContain(backend);
    expect(backend).not.toBe('cpu');
    expect(notes.length).toBe(BACKENDS.indexOf(backend));
  });

  it('can be prepared repeatedly, in any order, without changing results', async () => {
    const gradients: number[][] = [];
    for (const name of ['cpu', 'wasm', 'cpu', 'wasm', 'cpu'] as const) {
      await prepareBackend(name);
      gradients.push(
        tf.tidy(() => {
          const x = tf.tensor4d([0.5, -1, 2, 0.25], [1, 2, 2, 1]);
          const f = (at: tf.Tensor): tf.Tensor =>
            tf.sum(tf.avgPool(tf.tanh(at) as tf.Tensor4D, 2, 1, 'same'));
          return [
            ...tf
              .grad((at) => tf.sum(tf.grad(f)(at)))(x)
              .dataSync(),
          ];
        }),
      );
    }
    for (const gradient of gradients) {
      gradient.forEach((value, i) => {
        expect(value).toBeCloseTo(gradients[0][i], 6);
      });
    }
  });

  it('that does not exist is an input error', async () => {
    const unknown = prepareBackend('webgl-of-old' as BackendName);
    await expect(unknown).rejects.toThrow(InputError);
    await expect(unknown).rejects.toThrow(/--backend auto/);
  });
});
