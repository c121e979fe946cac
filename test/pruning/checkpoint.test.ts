import { describe, expect, it } from 'vitest';
import type { CheckpointWeight, LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { createNetwork } from '../../src/network/create-network.js';
import { withPrunableWeights } from '../../src/pruning/checkpoint.js';
import { pruneSmallest, rankByMagnitude } from '../../src/pruning/magnitude.js';

function weight(name: string, shape: number[], values: number[]): CheckpointWeight {
  return { name, shape, dtype: 'float32', values: Float32Array.from(values), storage: null };
}

/** A simple recurrent layer, stored under the names that Keras gives it: layer/cell/weight. */
function recurrentCheckpoint(): LayersCheckpoint {
  const weights = [
    weight('dense/bias', [1], [0.5]),
    weight('rnn/simple_rnn_cell/kernel', [1, 2], [3, -1]),
    weight('rnn/simple_rnn_cell/recurrent_kernel', [2, 2], [0.1, 4, -5, 0.2]),
    weight('rnn/simple_rnn_cell/bias', [2], [1e-9, 2e-9]),
    weight('dense/kernel', [2, 1], [-0.3, 6]),
  ];
  const layer = (class_name: string, config: Record<string, unknown>) => ({ class_name, config });
  return {
    format: 'tfjs-layers',
    path: 'model.json',
    sha256: 'abc',
    topology: {
      class_name: 'Sequential',
      config: {
        name: 'net',
        layers: [
          layer('SimpleRNN', { name: 'rnn', units: 2, activation: 'tanh', batch_input_shape: [null, 3, 1] }),
          layer('Dense', { name: 'dense', units: 1, activation: 'linear' }),
        ],
      },
    },
    weights,
    metadata: { kept: true },
    manifestGroups: [weights.length],
    extra: { generatedBy: 'someone' },
  };
}

describe('withPrunableWeights', () => {
  it('puts values where the checkpoint has them under its own names', async () => {
    await prepareBackend('cpu');
    const checkpoint = recurrentCheckpoint();
    const before = structuredClone(checkpoint);
    const network = await createNetwork(checkpoint);
    expect(network.prunable.map(({ name, checkpointName }) => [name, checkpointName])).toEqual([
      ['rnn/kernel', 'rnn/simple_rnn_cell/kernel'],
      ['rnn/recurrent_kernel', 'rnn/simple_rnn_cell/recurrent_kernel'],
      ['dense/kernel', 'dense/kernel'],
    ]);
    const pruned = pruneSmallest(network.weights, rankByMagnitude(network.weights), 3);
    const result = withPrunableWeights(checkpoint, network.prunable, pruned);
    network.dispose();

    expect(result.weights.map(({ name, values }) => [name, [...values]])).toEqual([
      ['dense/bias', [0.5]],
      ['rnn/simple_rnn_cell/kernel', [3, -1]],
      ['rnn/simple_rnn_cell/recurrent_kernel', [0, 4, -5, 0]],
      ['rnn/simple_rnn_cell/bias', [1e-9, 2e-9].map(Math.fround)],
      ['dense/kernel', [0, 6]],
    ]);
    expect(checkpoint).toEqual(before);
    for (const [i, { name }] of checkpoint.weights.entries()) {
      // What is not prunable is the same object, not a copy.
      expect(result.weights[i] === checkpoint.weights[i]).toBe(name.endsWith('bias'));
    }
    expect({ ...result, weights: [] }).toEqual({ ...checkpoint, weights: [] });
  });

  it('does not share memory with the flat vector', () => {
    const checkpoint = recurrentCheckpoint();
    const flat = Float32Array.of(7, 8);
    const place = { name: 'dense/kernel', checkpointName: 'dense/kernel', shape: [2, 1], offset: 0, size: 2 };
    const result = withPrunableWeights(checkpoint, [place], flat);
    flat[0] = 99;
    expect([...result.weights[4].values]).toEqual([7, 8]);
  });
});
