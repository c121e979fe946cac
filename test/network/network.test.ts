import * as tf from '@tensorflow/tfjs-core';
import {
  input,
  type LayersModel,
  layers,
  loadLayersModel,
  model as modelOf,
  type SymbolicTensor,
  sequential,
} from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LayersCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { prepareBackend } from '../../src/compute/backend.js';
import { InputError } from '../../src/errors.js';
import { createNetwork } from '../../src/network/create-network.js';
import {
  accumulateFlat,
  type Network,
  type NetworkOptions,
  weightTensors,
} from '../../src/network/network.js';
import { isPrunable, weightFilter } from '../../src/network/prunable.js';
import { seededCheckpoint } from '../support/models.js';
import { dilatedDepthwiseCase, smallConvNet } from '../support/network-cases.js';
import { savedLayers } from '../support/problems.js';
import { expectClose, normalVector } from '../support/vectors.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

type Layer = ReturnType<typeof layers.dense>;

function convNet(): LayersModel {
  return sequential({
    name: 'net',
    layers: [
      layers.conv2d({ name: 'stem', filters: 2, kernelSize: 2, inputShape: [4, 4, 1] }),
      layers.batchNormalization({ name: 'norm' }),
      layers.depthwiseConv2d({ name: 'depth', kernelSize: 2 }),
      layers.separableConv2d({ name: 'separable', filters: 2, kernelSize: 1 }) as unknown as Layer,
      layers.prelu({ name: 'rectifier' }) as unknown as Layer,
      layers.flatten(),
      layers.layerNormalization({ name: 'layernorm' }) as unknown as Layer,
      layers.dense({ name: 'head', units: 3 }),
    ],
  });
}

async function withNetwork<T>(
  checkpoint: LayersCheckpoint,
  options: NetworkOptions,
  use: (network: Network) => T | Promise<T>,
): Promise<T> {
  const network = await createNetwork(checkpoint, options);
  try {
    return await use(network);
  } finally {
    network.dispose();
  }
}

/** The output of a network for seeded inputs, with its trained weights or others. */
function outputOf(network: Network, shape: number[], weights: Float32Array = network.weights): Float32Array {
  return tf.tidy(() => {
    const inputs = tf.tensor(
      Float32Array.from(
        normalVector(
          shape.reduce((a, b) => a * b, 1),
          9,
        ),
      ),
      shape,
    );
    return network.logits(weightTensors(network, weights), inputs).dataSync() as Float32Array;
  });
}

describe('prunable weights', () => {
  it('are kernels of rank two or more, not biases, not normalisation, not slopes', async () => {
    const checkpoint = await seededCheckpoint(convNet(), 1);
    await withNetwork(checkpoint, {}, ({ prunable, dimension, weights, parameters }) => {
      expect(prunable.map(({ name }) => name)).toEqual([
        'stem/kernel',
        'depth/depthwise_kernel',
        'separable/depthwise_kernel',
        'separable/pointwise_kernel',
        'head/kernel',
      ]);
      expect(prunable.map(({ offset }) => offset)).toEqual([0, 8, 16, 18, 22]);
      expect(dimension).toBe(22 + 24);
      expect(parameters).toBe(checkpoint.weights.reduce((sum, { values }) => sum + values.length, 0));
      const flat = prunable.flatMap(({ checkpointName }) => [
        ...(checkpoint.weights.find(({ name }) => name === checkpointName)?.values ?? []),
      ]);
      expect([...weights]).toEqual(flat);
    });
  });

  it.each([
    [{ include: ['head/*'] }, ['head/kernel']],
    [{ include: ['stem/*', 'head/**'] }, ['stem/kernel', 'head/kernel']],
    [{ exclude: ['separable/*', 'depth/*'] }, ['stem/kernel', 'head/kernel']],
    [
      { include: ['*/*_kernel'], exclude: ['depth/*'] },
      ['separable/depthwise_kernel', 'separable/pointwise_kernel'],
    ],
  ])('are chosen by globs: %j', async (options, expected) => {
    await withNetwork(await seededCheckpoint(convNet(), 1), options, ({ prunable, dimension, weights }) => {
      expect(prunable.map(({ name }) => name)).toEqual(expected);
      expect(weights.length).toBe(dimension);
      expect(prunable.reduce((sum, { size }) => sum + size, 0)).toBe(dimension);
    });
  });

  it('are recognised by name, rank and layer', () => {
    expect(isPrunable({ name: 'dense/kernel', shape: [2, 2] })).toBe(true);
    expect(isPrunable({ name: 'lstm/recurrent_kernel', shape: [2, 8] })).toBe(true);
    expect(isPrunable({ name: 'kernel', shape: [2, 2] })).toBe(true);
    expect(isPrunable({ name: 'dense/kernel', shape: [4] })).toBe(false);
    expect(isPrunable({ name: 'dense/bias', shape: [2, 2] })).toBe(false);
    expect(isPrunable({ name: 'embedding/embeddings', shape: [9, 2] })).toBe(false);
    expect(isPrunable({ name: 'norm/kernel', shape: [2, 2] }, 'BatchNormalization')).toBe(false);
  });

  it('are filtered by both lists, exclusion winning', () => {
    const accepts = weightFilter(['conv*'], ['conv2/*'], ['conv1/kernel', 'conv2/kernel', 'dense/kernel']);
    expect(['conv1/kernel', 'conv2/kernel', 'dense/kernel'].map(accepts)).toEqual([true, false, false]);
    expect(weightFilter([], [], [])('anything')).toBe(true);
  });

  it('keep the name they have in the checkpoint (layer/cell/weight of newer Keras versions)', async () => {
    const recurrent = layers.lstm({
      name: 'lstm',
      units: 2,
      inputShape: [3, 2],
      kernelInitializer: 'glorotUniform',
      recurrentInitializer: 'glorotUniform',
    });
    const checkpoint = await seededCheckpoint(
      sequential({ layers: [recurrent as unknown as Layer, layers.dense({ name: 'head', units: 2 })] }),
      1,
    );
    const expected = await withNetwork(checkpoint, {}, (network) => outputOf(network, [2, 3, 2]));
    for (const weight of checkpoint.weights) {
      weight.name = weight.name.replace('lstm/', 'lstm/lstm_cell_3/');
    }
    await withNetwork(checkpoint, {}, (network) => {
      expect(network.prunable.map(({ name, checkpointName }) => [name, checkpointName])).toEqual([
        ['lstm/kernel', 'lstm/lstm_cell_3/kernel'],
        ['lstm/recurrent_kernel', 'lstm/lstm_cell_3/recurrent_kernel'],
        ['head/kernel', 'head/kernel'],
      ]);
      expectClose(outputOf(network, [2, 3, 2]), expected, 0);
    });
  });

  it('of a layer used twice, and of nested models, count once', async () => {
    const x = input({ shape: [3] });
    const shared = layers.dense({ name: 'shared', units: 3, activation: 'tanh' });
    const inner = sequential({
      name: 'inner',
      layers: [layers.dense({ name: 'deep', units: 3, inputShape: [3] })],
    });
    const twice = shared.apply(shared.apply(x)) as SymbolicTensor;
    const checkpoint = await seededCheckpoint(
      modelOf({ inputs: x, outputs: inner.apply(twice) as SymbolicTensor }),
      1,
    );
    await withNetwork(checkpoint, {}, ({ prunable, dimension }) => {
      expect(prunable.map(({ name }) => name)).toEqual(['shared/kernel', 'deep/kernel']);
      expect(dimension).toBe(18);
    });
  });
});

const hidden = (): Layer => layers.dense({ units: 4, inputShape: [3], activation: 'tanh' });
const endings: [string, 'softmax' | 'sigmoid', () => LayersModel][] = [
  [
    'of the last layer',
    'softmax',
    () => sequential({ layers: [hidden(), layers.dense({ units: 3, activation: 'softmax' })] }),
  ],
  [
    'as an Activation layer',
    'sigmoid',
    () =>
      sequential({
        layers: [hidden(), layers.dense({ units: 3 }), layers.activation({ activation: 'sigmoid' })],
      }),
  ],
  [
    'as a Softmax layer',
    'softmax',
    () =>
      sequential({
        layers: [hidden(), layers.dense({ units: 3 }), layers.softmax({ axis: -1 }) as unknown as Layer],
      }),
  ],
  [
    'of a nested model',
    'sigmoid',
    () =>
      sequential({
        layers: [
          hidden(),
          sequential({
            layers: [layers.dense({ units: 3, inputShape: [4], activation: 'sigmoid' })],
          }) as unknown as Layer,
        ],
      }),
  ],
  [
    'of a functional model',
    'softmax',
    () => {
      const x = input({ shape: [3] });
      const y = layers.dense({ units: 3, activation: 'softmax' }).apply(hidden().apply(x)) as SymbolicTensor;
      return modelOf({ inputs: x, outputs: y });
    },
  ],
];

describe('a softmax at every step of a sequence', () => {
  const step = () => layers.dense({ units: 3, activation: 'softmax' });
  it.each<[string, () => LayersModel, number[]]>([
    [
      'of a layer',
      () => sequential({ layers: [layers.dense({ units: 3, activation: 'softmax', inputShape: [5, 4] })] }),
      [5, 3],
    ],
    [
      'of a layer that is applied to the steps, flattened',
      () =>
        sequential({
          layers: [
            layers.timeDistributed({ layer: step(), inputShape: [5, 4] }) as unknown as Layer,
            layers.flatten(),
          ],
        }),
      [15],
    ],
    [
      'within a nested model, flattened',
      () =>
        sequential({
          layers: [
            sequential({
              name: 'inner',
              layers: [layers.dense({ units: 3, activation: 'softmax', inputShape: [5, 4] })],
            }) as unknown as Layer,
            layers.flatten(),
          ],
        }),
      [15],
    ],
  ])('%s is none over the outputs, and stays', async (_title, build, outputShape) => {
    await withNetwork(await seededCheckpoint(build(), 2), {}, (network) => {
      expect(network).toMatchObject({ outputs: 15, outputShape, removedActivation: null });
      const values = [...outputOf(network, [2, 5, 4])];
      const sums = Array.from(
        { length: 10 },
        (_, i) => values[3 * i] + values[3 * i + 1] + values[3 * i + 2],
      );
      expectClose(sums, new Array(10).fill(1), 1e-6);
    });
  });

  it('of one step is taken off', async () => {
    const one = () =>
      sequential({ layers: [layers.dense({ units: 3, activation: 'softmax', inputShape: [1, 4] })] });
    await withNetwork(await seededCheckpoint(one(), 2), {}, (network) => {
      expect(network).toMatchObject({ outputShape: [1, 3], removedActivation: 'softmax' });
    });
  });
});

describe('a final activation', () => {
  it.each(endings)(
    '%s (%s) is taken off: the output is the log-odds of the original one',
    async (_name, kind, build) => {
      const checkpoint = await seededCheckpoint(build(), 4);
      const original = await withNetwork(checkpoint, { keepFinalActivation: true }, (network) => {
        expect(network.removedActivation).toBeNull();
        return outputOf(network, [5, 3]);
      });
      await withNetwork(checkpoint, {}, (network) => {
        expect(network.removedActivation).toBe(kind);
        expect(network.outputs).toBe(3);
        const logits = outputOf(network, [5, 3]);
        const rows = Array.from({ length: 5 }, (_, n) => [...logits.subarray(3 * n, 3 * n + 3)]);
        const activated = rows.flatMap((row) => {
          const exponentials = row.map(Math.exp);
          const total = exponentials.reduce((a, b) => a + b, 0);
          return kind === 'softmax'
            ? exponentials.map((e) => e / total)
            : row.map((z) => 1 / (1 + Math.exp(-z)));
        });
        expectClose(activated, original, 1e-6);
      });
    },
  );

  it('the output equals that of tfjs-layers itself', async () => {
    const checkpoint = await seededCheckpoint(smallConvNet.build(), 2);
    await withNetwork(checkpoint, {}, async (network) => {
      const actual = outputOf(network, [2, ...smallConvNet.shape]);
      const specs = checkpoint.weights.map(({ name, shape }) => ({
        name,
        shape: [...shape],
        dtype: 'float32' as const,
      }));
      const data = Float32Array.from(checkpoint.weights.flatMap(({ values }) => [...values]));
      const model = await loadLayersModel(
        tf.io.fromMemory({ modelTopology: checkpoint.topology, weightSpecs: specs, weightData: data.buffer }),
      );
      const inputs = tf.tensor(Float32Array.from(normalVector(120, 9)), [2, ...smallConvNet.shape]);
      const expected = model.predict(inputs) as tf.Tensor;
      expectClose(actual, expected.dataSync(), 1e-6);
      tf.dispose([inputs, expected]);
      model.dispose();
    });
  });
});

describe('a network', () => {
  it('takes any number of examples, also when the model has a fixed batch size', async () => {
    const build = (): LayersModel =>
      sequential({ layers: [layers.dense({ units: 2, batchInputShape: [32, 3] })] });
    await withNetwork(await seededCheckpoint(build(), 1), {}, (network) => {
      expect(network.inputShape).toEqual([3]);
      expect(outputOf(network, [5, 3]).length).toBe(10);
      expect(outputOf(network, [1, 3]).length).toBe(2);
    });
  });

  it('gives one row of outputs per example for outputs of any rank', async () => {
    const build = (): LayersModel =>
      sequential({ layers: [layers.conv2d({ filters: 2, kernelSize: 2, inputShape: [3, 3, 1] })] });
    await withNetwork(await seededCheckpoint(build(), 1), {}, (network) => {
      expect(network.outputs).toBe(8);
      expect(outputOf(network, [3, 3, 3, 1]).length).toBe(24);
    });
  });

  it('is run with other weights and has its trained ones again afterwards, also after an exception', async () => {
    await withNetwork(await seededCheckpoint(smallConvNet.build(), 2), {}, (network) => {
      const shape = [2, ...smallConvNet.shape];
      const trained = outputOf(network, shape);
      expect([...outputOf(network, shape, new Float32Array(network.dimension))]).not.toEqual([...trained]);
      expect([...outputOf(network, shape)]).toEqual([...trained]);
      tf.tidy(() => {
        const weights = weightTensors(network, network.weights);
        expect(() => network.logits(weights, tf.zeros([2, 3]))).toThrow();
        const tooFew = weights.slice(0, 1);
        expect(() => network.logits(tooFew, tf.zeros(shape))).toThrow();
      });
      expect([...outputOf(network, shape)]).toEqual([...trained]);
    });
  });

  it('has dropout off and normalises by running statistics', async () => {
    const build = (): LayersModel =>
      sequential({
        layers: [
          layers.dense({ units: 50, inputShape: [3] }),
          layers.batchNormalization(),
          layers.dropout({ rate: 0.9 }),
          layers.dense({ units: 2 }),
        ],
      });
    await withNetwork(await seededCheckpoint(build(), 1), {}, (network) => {
      const batch = outputOf(network, [4, 3]);
      expect([...outputOf(network, [4, 3])]).toEqual([...batch]);
      expectClose(outputOf(network, [1, 3]), batch.subarray(0, 2), 1e-6);
    });
  });

  it('leaves no tensors when disposed of, or when it is refused', async () => {
    const checkpoint = await seededCheckpoint(smallConvNet.build(), 1);
    const before = tf.memory().numTensors;
    const network = await createNetwork(checkpoint);
    expect(tf.memory().numTensors).toBeGreaterThan(before);
    outputOf(network, [2, ...smallConvNet.shape]);
    network.dispose();
    expect(tf.memory().numTensors).toBe(before);
    await expect(createNetwork(checkpoint, { include: ['nothing'] })).rejects.toThrow(InputError);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('flat weights', () => {
  it('become tensors and are summed back', async () => {
    await withNetwork(await seededCheckpoint(convNet(), 1), {}, (network) => {
      const flat = normalVector(network.dimension, 3);
      const tensors = weightTensors(network, flat);
      expect(tensors.map(({ shape }) => shape)).toEqual(network.prunable.map(({ shape }) => [...shape]));
      const sum = new Float64Array(network.dimension);
      accumulateFlat(network, tensors, sum);
      accumulateFlat(network, tensors, sum);
      tf.dispose(tensors);
      expectClose(
        sum,
        flat.map((value) => 2 * value),
        1e-6,
      );
    });
  });
});

describe('what cannot be analysed is refused with a reason', () => {
  const refusals: [string, string, RegExp, () => Promise<LayersCheckpoint>, NetworkOptions?][] = [
    [
      'an unknown layer',
      'network/unknown-layer',
      /unknown layer 'MyLayer'/,
      async () => {
        const checkpoint = await seededCheckpoint(convNet(), 1);
        savedLayers(checkpoint)[1].class_name = 'MyLayer';
        return checkpoint;
      },
    ],
    [
      'two inputs',
      'network/several-inputs',
      /2 inputs and 1 outputs/,
      async () => {
        const inputs = [input({ shape: [2] }), input({ shape: [2] })];
        const joined = layers.concatenate().apply(inputs) as SymbolicTensor;
        return seededCheckpoint(
          modelOf({ inputs, outputs: layers.dense({ units: 2 }).apply(joined) as SymbolicTensor }),
          1,
        );
      },
    ],
    [
      'a layer larger than the weights',
      'network/layer-size',
      /declares units 1000000000/,
      async () => {
        const checkpoint = await seededCheckpoint(convNet(), 1);
        savedLayers(checkpoint)[7].config.units = 1e9;
        return checkpoint;
      },
    ],
    [
      'a layer that is no model',
      'network/topology',
      /modelTopology is a single layer, not a model/,
      async () => {
        const checkpoint = await seededCheckpoint(convNet(), 1);
        return { ...checkpoint, topology: { class_name: 'Flatten', config: { name: 'flat' } } };
      },
    ],
    [
      'an output beyond all memory',
      'network/layer-size',
      /layer "many" gives an output of shape \[100000000,3\]/,
      async () => {
        const checkpoint = await seededCheckpoint(convNet(), 1);
        const repeat = { class_name: 'RepeatVector', config: { name: 'many', n: 1e8 } };
        savedLayers(checkpoint).push(repeat as never);
        return checkpoint;
      },
    ],
    [
      'weights of another shape',
      'network/layer-size',
      /declares a weight of shape \[8, 4\].*do not belong together/,
      async () => {
        const checkpoint = await seededCheckpoint(convNet(), 1);
        savedLayers(checkpoint)[7].config.units = 4;
        return checkpoint;
      },
    ],
    [
      'a missing weight',
      'network/topology',
      /model's weight ".*" is not among the stored ones/,
      async () => {
        const checkpoint = await seededCheckpoint(convNet(), 1);
        checkpoint.weights.pop();
        return checkpoint;
      },
    ],
    [
      'an unknown activation',
      'network/topology',
      /model.json: unknown activation 'celu': .*the activations of tfjs-layers/,
      async () => {
        const checkpoint = await seededCheckpoint(convNet(), 1);
        savedLayers(checkpoint)[7].config.activation = 'celu';
        return checkpoint;
      },
    ],
    [
      'nothing prunable',
      'network/nothing-prunable',
      /check --include and --exclude/,
      () => seededCheckpoint(convNet(), 1),
      { exclude: ['**'] },
    ],
    [
      'an output whose size is not fixed',
      'network/output-shape',
      /not fixed/,
      () =>
        seededCheckpoint(
          sequential({
            layers: [
              layers.conv2d({
                filters: 1,
                kernelSize: 2,
                inputShape: [null, null, 1] as unknown as number[],
              }),
            ],
          }),
          1,
        ),
    ],
    [
      'a dilated depthwise convolution',
      'network/dilation',
      /dilation rate 2/,
      () => seededCheckpoint(dilatedDepthwiseCase.build(), 1),
    ],
    [
      'no layers model',
      'network/topology',
      /not a tfjs LayersModel/,
      async () => ({ ...(await seededCheckpoint(convNet(), 1)), topology: { node: [] } }),
    ],
  ];

  it('a layer that tfjs-layers builds and then cannot apply', async () => {
    const model = sequential({ layers: [layers.conv1d({ filters: 2, kernelSize: 2, inputShape: [4, 1] })] });
    const checkpoint = await seededCheckpoint(model, 1);
    savedLayers(checkpoint)[0].config.padding = 'causal';
    await withNetwork(checkpoint, {}, (network) => {
      const weights = weightTensors(network, network.weights);
      const compute = () => network.logits(weights, tf.zeros([1, 4, 1]));
      expect(compute).toThrow(InputError);
      expect(compute).toThrow(/cannot compute this model \(The support for CAUSAL padding/);
    });
  });

  it.each(refusals)('%s', async (_name, code, message, makeCheckpoint, options) => {
    const checkpoint = await makeCheckpoint();
    const before = tf.memory().numTensors;
    const error = await createNetwork(checkpoint, options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).code).toBe(code);
    expect((error as InputError).message).toMatch(message);
    expect((error as InputError).message).not.toContain('\n');
    // What fails inside tfjs-layers leaves tensors there, out of reach.
    if ((error as InputError).cause === undefined) {
      expect(tf.memory().numTensors).toBe(before);
    }
  });
});
