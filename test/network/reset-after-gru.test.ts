import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { createNetwork } from '../../src/network/create-network.js';
import { weightTensors } from '../../src/network/network.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

const [features, units, steps] = [2, 2, 3];
const filled = (count: number, value: (i: number) => number) =>
  Float32Array.from({ length: count }, (_, i) => value(i));
const kernel = filled(features * 3 * units, (i) => ((i % 7) - 3) / 4);
const recurrent = filled(units * 3 * units, (i) => ((i % 5) - 2) / 3);
const bias = filled(2 * 3 * units, (i) => ((i % 4) - 1.5) / 5);
const inputs = filled(2 * steps * features, (i) => ((i % 7) - 3) / 2);

function checkpoint(layer: object, prefixes: string[], useBias = true): LayersCheckpoint {
  const weights = prefixes.flatMap((prefix) => [
    { name: `${prefix}/kernel`, shape: [features, 3 * units], values: kernel },
    { name: `${prefix}/recurrent_kernel`, shape: [units, 3 * units], values: recurrent },
    ...(useBias ? [{ name: `${prefix}/bias`, shape: [2, 3 * units], values: bias }] : []),
  ]);
  return {
    format: 'tfjs-layers',
    path: 'model.json',
    sha256: '',
    topology: {
      class_name: 'Sequential',
      config: {
        name: 'net',
        layers: [
          { class_name: 'InputLayer', config: { name: 'in', batch_input_shape: [null, steps, features] } },
          layer,
        ],
      },
    },
    weights: weights.map((weight) => ({ ...weight, dtype: 'float32', storage: null })),
    metadata: {},
    manifestGroups: [weights.length],
    extra: {},
  };
}

const gru = (config: object = {}, name = 'gru') => ({
  class_name: 'GRU',
  config: { name, units, activation: 'tanh', recurrent_activation: 'sigmoid', reset_after: true, ...config },
});

async function outputs(layer: object, prefixes = ['gru/gru_cell'], useBias = true): Promise<number[]> {
  const network = await createNetwork(checkpoint(layer, prefixes, useBias));
  try {
    expect(network.prunable.map(({ name }) => name.split('/').at(-1))).toEqual(
      prefixes.flatMap(() => ['kernel', 'recurrent_kernel']),
    );
    const logits = tf.tidy(() => {
      const weights = weightTensors(network, network.weights);
      return network.logits(weights, tf.tensor(inputs, [2, steps, features])).dataSync();
    });
    return [...logits];
  } finally {
    network.dispose();
  }
}

const close = (actual: number[], expected: number[]) => {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(expected[i]!, 6);
};

// torch.nn.GRU (1.13, float64), which is this GRU with its gates in the order r, z, g; and again written out in numpy
const WHOLE = [
  [
    [-0.24791281, -0.11189216],
    [-0.30872621, -0.10493015],
    [-0.25896954, 0.34238715],
  ],
  [
    [0.1184275, 0.15690721],
    [-0.16793012, -0.02882585],
    [-0.21944214, 0.10906751],
  ],
];
const LAST = WHOLE.map((sequence) => sequence.at(-1)!);
const BACKWARDS = [
  [-0.42636679, 0.0139537],
  [0.00666699, 0.14823309],
];
const WITHOUT_BIAS = [-0.03917749, 0.32201952, 0.07560524, 0.0252543];

describe('a GRU with reset_after', () => {
  it('is computed as torch computes it', async () => {
    close(await outputs(gru()), LAST.flat());
    close(await outputs(gru({ return_sequences: true })), WHOLE.flat(2));
  });

  it('takes the steps from the last one where it goes backwards', async () => {
    close(await outputs(gru({ go_backwards: true })), BACKWARDS.flat());
    const both = {
      class_name: 'Bidirectional',
      config: { name: 'both', merge_mode: 'concat', layer: gru() },
    };
    const expected = LAST.flatMap((row, i) => [...row, ...BACKWARDS[i]!]);
    close(await outputs(both, ['both/forward_gru/gru_cell', 'both/backward_gru/gru_cell']), expected);
  });

  it('has no bias where it uses none', async () => {
    close(await outputs(gru({ use_bias: false }), ['gru/gru_cell'], false), WITHOUT_BIAS);
  });

  it('is found as the cell of a recurrent layer', async () => {
    const cell = { ...gru({}, 'cell'), class_name: 'GRUCell' };
    close(await outputs({ class_name: 'RNN', config: { name: 'rnn', cell } }, ['rnn/cell']), LAST.flat());
  });
});
