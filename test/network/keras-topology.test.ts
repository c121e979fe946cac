import * as tf from '@tensorflow/tfjs-core';
import {
  input,
  type LayersModel,
  layers,
  model,
  type SymbolicTensor,
  sequential,
} from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { createNetwork, describeNetwork } from '../../src/network/create-network.js';
import { tfjsTopology } from '../../src/network/keras-topology.js';
import { weightTensors } from '../../src/network/network.js';
import { seededCheckpoint } from '../support/models.js';
import { normalVector } from '../support/vectors.js';

beforeAll(async () => {
  await prepareBackend('cpu');
});

type Entry = Record<string, unknown> & { config: Record<string, unknown> };

const kerasTensor = ([name, node, output]: [string, number, number]) => ({
  class_name: '__keras_tensor__',
  config: { shape: [null, 4], dtype: 'float32', keras_history: [name, node, output] },
});

const policy = {
  module: 'keras',
  class_name: 'DTypePolicy',
  config: { name: 'float32' },
  registered_name: null,
};

/** A layer as Keras 3 writes it. */
function layerOfKeras3(layer: Entry): Entry {
  const { class_name: className, config, inbound_nodes: nodes, name } = layer;
  const { batch_input_shape: shape, ...rest } = config;
  const calls = (nodes as [string, number, number, unknown][][] | undefined)?.map((inputs) => ({
    args:
      inputs.length === 1
        ? [kerasTensor(inputs[0].slice(0, 3) as never)]
        : [inputs.map((i) => kerasTensor(i.slice(0, 3) as never))],
    kwargs: { mask: null },
  }));
  return {
    module: 'keras.layers',
    class_name: className,
    registered_name: null,
    config: { ...rest, dtype: policy, ...(shape !== undefined && { batch_shape: shape }) },
    ...(className !== 'InputLayer' && { build_config: { input_shape: [null, 4] } }),
    ...(calls && { inbound_nodes: calls, name }),
  };
}

/** A checkpoint of Keras 2's form as Keras 3 and its converter write it. */
function ofKeras3(checkpoint: LayersCheckpoint): LayersCheckpoint {
  const old = checkpoint.topology as unknown as Entry;
  const { layers: entries, input_layers: inputs, output_layers: outputs, ...config } = old.config;
  return {
    ...checkpoint,
    topology: {
      keras_version: '3.5.0',
      backend: 'tensorflow',
      model_config: {
        module: 'keras',
        class_name: old.class_name,
        registered_name: old.class_name,
        config: {
          ...config,
          trainable: true,
          dtype: policy,
          layers: (entries as Entry[]).map(layerOfKeras3),
          ...(inputs !== undefined && {
            input_layers: (inputs as unknown[])[0],
            output_layers: (outputs as unknown[])[0],
          }),
        },
        compile_config: { optimizer: 'adam', loss: 'categorical_crossentropy' },
      },
    },
    weights: checkpoint.weights.map((weight) => ({ ...weight, name: `net/${weight.name}` })),
  };
}

function functional(): LayersModel {
  const x = input({ shape: [4], name: 'in' });
  const left = layers.dense({ name: 'left', units: 4, activation: 'swish' }).apply(x) as SymbolicTensor;
  const right = layers.dense({ name: 'right', units: 4, activation: 'tanh' }).apply(x) as SymbolicTensor;
  const joined = layers.concatenate({ name: 'join' }).apply([left, right]) as SymbolicTensor;
  const added = layers.add({ name: 'sum' }).apply([left, right]) as SymbolicTensor;
  const all = layers.concatenate({ name: 'all' }).apply([joined, added]) as SymbolicTensor;
  const out = layers.dense({ name: 'out', units: 3, activation: 'softmax' }).apply(all) as SymbolicTensor;
  return model({ inputs: x, outputs: out, name: 'net' });
}

const plain = (): LayersModel =>
  sequential({
    name: 'net',
    layers: [
      layers.inputLayer({ inputShape: [4], name: 'in' }),
      layers.dense({ name: 'a', units: 5, activation: 'relu' }),
      layers.dropout({ name: 'drop', rate: 0.5 }),
      layers.dense({ name: 'b', units: 3, activation: 'softmax' }),
    ],
  });

async function logitsOf(checkpoint: LayersCheckpoint): Promise<number[]> {
  const network = await createNetwork(checkpoint);
  try {
    expect(network.removedActivation).toBe('softmax');
    return tf.tidy(() => {
      const inputs = tf.tensor(Float32Array.from(normalVector(20, 3)), [5, 4]);
      return [...network.logits(weightTensors(network, network.weights), inputs).dataSync()];
    });
  } finally {
    network.dispose();
  }
}

describe('a topology of Keras 3', () => {
  it.each<[string, () => LayersModel]>([
    ['sequential', plain],
    ['functional', functional],
  ])('%s: computes what the same network of Keras 2 computes', async (_title, build) => {
    const checkpoint = await seededCheckpoint(build(), 8);
    const converted = ofKeras3(checkpoint);
    const original = structuredClone(converted.topology);
    expect(await logitsOf(converted)).toEqual(await logitsOf(checkpoint));
    expect(converted.topology).toEqual(original);
    expect(await describeNetwork(converted)).toMatchObject({
      finalActivation: 'softmax',
      trainedLoss: { analysed: 'cross-entropy' },
    });
  });

  it('names its weights as the checkpoint stores them', async () => {
    const network = await createNetwork(ofKeras3(await seededCheckpoint(plain(), 8)));
    expect(network.prunable.map(({ name, checkpointName }) => [name, checkpointName])).toEqual([
      ['a/kernel', 'net/a/kernel'],
      ['b/kernel', 'net/b/kernel'],
    ]);
    network.dispose();
  });

  it('leaves what is in the form of Keras 2 as it is', async () => {
    for (const build of [plain, functional]) {
      const { topology } = await seededCheckpoint(build(), 8);
      expect(tfjsTopology(topology)).toEqual(topology);
    }
  });

  const dense = (config: Record<string, unknown>) => ({
    class_name: 'Dense',
    config: { name: 'd', units: 2, ...config },
  });
  const firstConfig = (config: Record<string, unknown>, layer: object): Record<string, unknown> => {
    const converted = tfjsTopology({ class_name: 'Sequential', config: { ...config, layers: [layer] } });
    return (converted.config as { layers: Entry[] }).layers[0].config;
  };

  it.each<[string, Record<string, unknown>, object, object]>([
    ['silu', {}, dense({ activation: 'silu' }), { activation: 'swish' }],
    [
      'an activation as a function',
      {},
      dense({ activation: { module: 'builtins', class_name: 'function', config: 'silu' } }),
      { activation: 'swish' },
    ],
    [
      'a policy of mixed precision',
      {},
      dense({ dtype: { class_name: 'DTypePolicy', config: { name: 'mixed_float16' } } }),
      { dtype: 'float32' },
    ],
    ['floats of another precision', {}, dense({ dtype: 'float64' }), { dtype: 'float32' }],
    ['integers of another size', {}, dense({ dtype: 'int64' }), { dtype: 'int32' }],
    ['a slope', {}, { class_name: 'LeakyReLU', config: { negative_slope: 0.1 } }, { alpha: 0.1 }],
    [
      'the shape a model was built with',
      { build_input_shape: [null, 7] },
      dense({}),
      { batch_input_shape: [null, 7] },
    ],
    [
      'the shape a layer was built with',
      {},
      { ...dense({}), build_config: { input_shape: [null, 6] } },
      { batch_input_shape: [null, 6] },
    ],
    [
      'a shape of its own before others',
      { build_input_shape: [null, 7] },
      dense({ batch_input_shape: [null, 5] }),
      { batch_input_shape: [null, 5] },
    ],
  ])('%s', (_title, config, layer, expected) => {
    expect(firstConfig(config, layer)).toMatchObject(expected);
  });

  it('the shape a model was built with, where it begins with another', () => {
    const inner = { class_name: 'Sequential', config: { name: 'inner', layers: [dense({})] } };
    const { layers } = firstConfig({ build_input_shape: [null, 7] }, inner) as { layers: Entry[] };
    expect(layers[0]!.config.batch_input_shape).toEqual([null, 7]);
  });
});
