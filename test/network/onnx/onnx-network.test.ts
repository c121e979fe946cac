import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { traceProgram } from '../../../src/compute/compile/trace.js';
import { lossGradient } from '../../../src/curvature/products.js';
import { InputError } from '../../../src/errors.js';
import { createNetwork, describeNetwork } from '../../../src/network/create-network.js';
import { weightTensors } from '../../../src/network/network.js';
import { createBatches } from '../../../src/programs/batches.js';
import { randomExamples } from '../../support/models.js';
import {
  integerTensor,
  type ModelSketch,
  type NodeSketch,
  normalWeight,
  onnxCheckpoint,
} from '../../support/onnx-models.js';
import { compiledCases } from './cases.js';
import { distance, normalInputs, outputOf, withOnnxNetwork } from './support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

function node(
  op: string,
  inputs: string[],
  output: string,
  attributes: NodeSketch['attributes'] = {},
): NodeSketch {
  return { op, inputs, outputs: [output], attributes };
}

/** A perceptron [4] -> [3] and what comes after its `z`. */
function perceptron(after: NodeSketch[], rest: Partial<ModelSketch> = {}): ModelSketch {
  return {
    input: [null, 4],
    nodes: [node('Gemm', ['input', 'w', 'b'], 'z'), ...after],
    ...rest,
    weights: { w: normalWeight([4, 3], 1), b: normalWeight([3], 2), ...rest.weights },
  };
}

async function errorOf(sketch: ModelSketch, options = {}): Promise<InputError> {
  const error = await createNetwork(onnxCheckpoint(sketch), options).then(
    (network) => network.dispose(),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).message).not.toContain('\n');
  return error as InputError;
}

describe('an ONNX network', () => {
  it('says what it is', async () => {
    const sketch = perceptron([
      node('Relu', ['z'], 'r'),
      node('Reshape', ['v', 'shape'], 'vr'),
      node('Transpose', ['vr'], 'vt', { perm: [1, 0] }),
      node('MatMul', ['r', 'vt'], 'y'),
    ]);
    await withOnnxNetwork(
      {
        ...sketch,
        weights: { ...sketch.weights, v: normalWeight([10, 1, 3], 3), unused: normalWeight([7, 7], 4) },
        constants: { shape: integerTensor([10, 3]) },
      },
      (network) => {
        expect(network).toMatchObject({
          inputShape: [4],
          outputs: 10,
          parameters: 12 + 3 + 30,
          dimension: 42,
          removedActivation: null,
          prunable: [
            { name: 'w', checkpointName: 'w', shape: [4, 3], offset: 0, size: 12 },
            { name: 'v', checkpointName: 'v', shape: [10, 1, 3], offset: 12, size: 30 },
          ],
        });
        expect(network.weights.slice(0, 12)).toEqual(normalWeight([4, 3], 1).values);
      },
    );
  });

  it('prunes kernels alone: no biases, norms, tables or factors', async () => {
    await withOnnxNetwork(
      {
        input: [null, 2, 4, 4],
        nodes: [
          node('Conv', ['input', 'kernel', 'bias'], 'c'),
          node('BatchNormalization', ['c', 'bias', 'bias', 'bias', 'variance'], 'n'),
          node('Mul', ['n', 'factors'], 'm'),
          node('Gather', ['table', 'row'], 'g'),
          node('Add', ['m', 'g'], 'a'),
          node('ConvTranspose', ['a', 'up'], 'y'),
        ],
        weights: {
          kernel: normalWeight([3, 2, 1, 1], 1),
          bias: normalWeight([3], 2),
          variance: { shape: [3], values: [1, 1, 1] },
          factors: normalWeight([3, 4, 4], 3),
          table: normalWeight([5, 4], 4),
          up: normalWeight([3, 2, 2, 2], 5),
        },
        constants: { row: integerTensor([2], []) },
      },
      (network) => expect(network.prunable.map(({ name }) => name)).toEqual(['kernel', 'up']),
    );
  });

  it('takes --include and --exclude, and says where nothing is left', async () => {
    const sketch = perceptron([node('MatMul', ['z', 'v'], 'y')], { weights: { v: normalWeight([3, 2], 3) } });
    await withOnnxNetwork(sketch, (network) => expect(network.prunable).toHaveLength(1), { include: ['v'] });
    await withOnnxNetwork(sketch, (network) => expect(network.prunable).toHaveLength(1), { exclude: ['v'] });
    expect((await errorOf(sketch, { exclude: ['v', 'w'] })).code).toBe('network/nothing-prunable');
    expect((await errorOf(sketch, { include: ['nope'] })).code).toBe('network/glob');
  });

  it('counts a shared weight once, and adds up the gradients of its uses', async () => {
    const shared = perceptron([], { weights: {} });
    const separate = {
      ...shared,
      input: [null, 3],
      nodes: [node('MatMul', ['input', 'v'], 'h'), node('Tanh', ['h'], 't'), node('MatMul', ['t', 'u'], 'y')],
      weights: { v: normalWeight([3, 3], 1), u: normalWeight([3, 3], 1) },
    };
    const tied = {
      ...separate,
      nodes: separate.nodes.map((each) => ({
        ...each,
        inputs: each.inputs.map((name) => (name === 'u' ? 'v' : name)),
      })),
    };
    const gradientOf = (sketch: ModelSketch): Promise<Float64Array> =>
      withOnnxNetwork(sketch, async (network) => {
        const source = randomExamples({ count: 5, shape: [3], outputs: 3, targets: 'one-hot', seed: 1 });
        const batches = createBatches(source, 3, { batchSize: 5, keepBytes: 1e6 });
        try {
          return (await lossGradient({ network, loss: 'cross-entropy', batches }, network.weights)).gradient;
        } finally {
          batches.dispose();
        }
      });
    const apart = await gradientOf(separate);
    const together = await gradientOf(tied);
    expect(together).toHaveLength(9);
    together.forEach((value, i) => {
      expect(value).toBeCloseTo(apart[i] + apart[i + 9], 6);
    });
  });
});

describe('the activation at the end', () => {
  it.each([
    ['Softmax', { axis: 1 }, 'softmax'],
    ['LogSoftmax', { axis: -1 }, 'softmax'],
    ['Sigmoid', {}, 'sigmoid'],
  ] as const)(
    '%s is taken off, also behind nodes that hand it on, and kept where asked',
    async (op, attributes, removed) => {
      const sketch = perceptron(
        [
          node(op, ['z'], 's', attributes),
          node('Cast', ['s'], 'c', { to: 1 }),
          node('Reshape', ['c', 'shape'], 'r'),
          node('Identity', ['r'], 'y'),
        ],
        { constants: { shape: integerTensor([-1, 3]) } },
      );
      const inputs = normalInputs([2, 4], 3);
      const plain = await withOnnxNetwork(perceptron([]), (network) => outputOf(network, inputs, [2, 4]));
      await withOnnxNetwork(sketch, (network) => {
        expect(network.removedActivation).toBe(removed);
        expect(outputOf(network, inputs, [2, 4])).toEqual(plain);
      });
      await withOnnxNetwork(
        sketch,
        (network) => {
          expect(network.removedActivation).toBeNull();
          expect(distance(outputOf(network, inputs, [2, 4]), plain)).toBeGreaterThan(0.1);
        },
        { keepFinalActivation: true },
      );
      expect(await describeNetwork(onnxCheckpoint(sketch))).toEqual({
        finalActivation: removed,
        trainedLoss: null,
        operations: ['Cast', 'Gemm', 'Identity', 'Reshape', op].sort(),
      });
    },
  );

  it('is no softmax over a part of the outputs', async () => {
    const sketch: ModelSketch = {
      input: [null, 5, 4],
      nodes: [node('MatMul', ['input', 'w'], 'z'), node('Softmax', ['z'], 'y', { axis: -1 })],
      weights: { w: normalWeight([4, 3], 1) },
    };
    for (const outputShape of [undefined, [null, 5, 3]]) {
      await withOnnxNetwork({ ...sketch, outputShape }, (network) => {
        expect(network.removedActivation).toBeNull();
        expect(network.outputs).toBe(15);
      });
    }
    await withOnnxNetwork({ ...sketch, input: [null, 1, 4], opset: 11 }, (network) => {
      expect(network.removedActivation).toBe('softmax');
    });
  });

  it('leaves the labels of a scikit-learn classifier out', async () => {
    const sketch = perceptron(
      [
        node('Softmax', ['z'], 'probabilities', { axis: 1 }),
        node('ArgMax', ['probabilities'], 'best', { axis: 1 }),
        { ...node('ArrayFeatureExtractor', ['classes', 'best'], 'label'), domain: 'ai.onnx.ml' },
        { ...node('ZipMap', ['probabilities'], 'map'), domain: 'ai.onnx.ml' },
      ],
      { outputs: { label: 7, map: 0 }, constants: { classes: integerTensor([0, 1, 2]) } },
    );
    await withOnnxNetwork(sketch, (network) => {
      expect(network).toMatchObject({ outputs: 3, removedActivation: 'softmax' });
    });
  });

  it('turns the two probabilities of a binary classifier into two logits', async () => {
    const after = [
      node('Sigmoid', ['z'], 'p'),
      node('Sub', ['one', 'p'], 'q'),
      node('Concat', ['q', 'p'], 'y', { axis: 1 }),
    ];
    const sketch: ModelSketch = {
      input: [null, 4],
      nodes: [node('MatMul', ['input', 'w'], 'z'), ...after],
      weights: { w: normalWeight([4, 1], 1), one: { shape: [1], values: [1] } },
    };
    const inputs = normalInputs([2, 4], 3);
    const kept = await withOnnxNetwork(sketch, (network) => outputOf(network, inputs, [2, 4]), {
      keepFinalActivation: true,
    });
    await withOnnxNetwork(sketch, (network) => {
      expect(network).toMatchObject({ outputs: 2, removedActivation: 'softmax' });
      const logits = tf.tensor2d(outputOf(network, inputs, [2, 4]), [2, 2]);
      const shares = tf.tidy(() => tf.softmax(logits).dataSync() as Float32Array);
      logits.dispose();
      expect(distance(shares, kept)).toBeLessThan(1e-6);
    });
  });
});

describe('free extents of the input', () => {
  it('are free where the graph takes any, and found where it takes one', async () => {
    const sketch = (after: NodeSketch[], features: number): ModelSketch => ({
      input: [null, 2, null, null],
      nodes: [node('Conv', ['input', 'k'], 'c'), ...after, node('MatMul', ['f', 'w'], 'y')],
      weights: { k: normalWeight([3, 2, 1, 1], 1), w: normalWeight([features, 5], 2, 0.1) },
    });
    const pooled = [node('GlobalAveragePool', ['c'], 'g'), node('Flatten', ['g'], 'f')];
    await withOnnxNetwork(sketch(pooled, 3), (network) => {
      expect(network).toMatchObject({ inputShape: [2, null, null], outputs: 5 });
      expect(outputOf(network, normalInputs([2, 2, 5, 7], 1), [2, 2, 5, 7])).toHaveLength(10);
    });
    await withOnnxNetwork(sketch([node('Flatten', ['c'], 'f')], 3 * 28 * 28), (network) => {
      expect(network.outputs).toBe(5);
    });
  });
});

describe('a batch size that the file fixes', () => {
  /** As PyTorch exports without dynamic axes: the batch stands in the target of a reshape. */
  function fixed(batch: number | null, perm: number[] | null = null): ModelSketch {
    return {
      input: [batch, 2, 4, 4],
      nodes: [
        node('Conv', ['input', 'k'], 'c', { pads: [1, 1, 1, 1] }),
        node('Relu', ['c'], 'r'),
        ...(perm === null
          ? [node('Reshape', ['r', 'flat'], 'f')]
          : [
              node('Transpose', ['r'], 't', { perm }),
              node('Reshape', ['t', 'back'], 'f0'),
              node('Transpose', ['f0'], 'f', { perm: [1, 0] }),
            ]),
        node('MatMul', ['f', 'w'], 'y'),
      ],
      weights: { k: normalWeight([3, 2, 3, 3], 1), w: normalWeight([48, 5], 2, 0.2) },
      constants: { flat: integerTensor([batch ?? -1, 48]), back: integerTensor([48, batch ?? -1]) },
    };
  }

  const kernels = (sketch: ModelSketch, count: number): Promise<string[]> =>
    withOnnxNetwork(sketch, (network) => {
      const inputs = { x: tf.tensor(normalInputs([count, 2, 4, 4], 3), [count, 2, 4, 4]) };
      const weights = weightTensors(network, network.weights);
      const graph = traceProgram(({ x }) => ({ y: network.logits(weights, x) }), inputs);
      tf.dispose([inputs, weights]);
      return graph.nodes.map(({ kernel }) => kernel);
    });

  it.each([1, 4])('of %i is freed where the graph allows it', async (batch) => {
    const inputs = normalInputs([7, 2, 4, 4], 3);
    const free = await withOnnxNetwork(fixed(null), (network) => outputOf(network, inputs, [7, 2, 4, 4]));
    await withOnnxNetwork(fixed(batch), (network) => {
      expect(distance(outputOf(network, inputs, [7, 2, 4, 4]), free)).toBeLessThan(1e-6);
    });
    expect((await kernels(fixed(batch), 7)).filter((kernel) => kernel === 'Conv2D')).toHaveLength(1);
  });

  it('stays where it cannot be freed: several batches are run at once', async () => {
    const perm = [1, 2, 3, 0];
    const inputs = normalInputs([7, 2, 4, 4], 3);
    const free = await withOnnxNetwork(fixed(null, perm), (network) =>
      outputOf(network, inputs, [7, 2, 4, 4]),
    );
    for (const batch of [1, 4]) {
      const sketch = fixed(batch, perm);
      await withOnnxNetwork(sketch, (network) => {
        expect(distance(outputOf(network, inputs, [7, 2, 4, 4]), free)).toBeLessThan(1e-6);
      });
      expect((await kernels(sketch, 7)).filter((kernel) => kernel === 'Conv2D')).toHaveLength(1);
    }
  });

  it('stays, and batches are run one after the other, where an operator does not allow more', async () => {
    const perm = [1, 2, 3, 0];
    const inputs = normalInputs([7, 2, 4, 4], 3);
    const turned = (batch: number | null): ModelSketch => {
      const sketch = fixed(batch, perm);
      const nodes = sketch.nodes.slice(0, -2);
      return { ...sketch, nodes: [...nodes, node('Gemm', ['f0', 'w'], 'y', { transA: 1 })] };
    };
    const free = await withOnnxNetwork(turned(null), (network) => outputOf(network, inputs, [7, 2, 4, 4]));
    for (const batch of [1, 4]) {
      await withOnnxNetwork(turned(batch), (network) => {
        expect(distance(outputOf(network, inputs, [7, 2, 4, 4]), free)).toBeLessThan(1e-6);
      });
      const convolutions = (await kernels(turned(batch), 7)).filter((kernel) => kernel === 'Conv2D');
      expect(convolutions).toHaveLength(Math.ceil(7 / batch));
    }
  });

  it('is freed with a constant that is joined to every example', async () => {
    const sketch = (batch: number | null): ModelSketch => ({
      input: [batch, 4, 3],
      nodes: [
        node('MatMul', ['input', 'w'], 'z'),
        node('Concat', ['token', 'z'], 'c', { axis: 1 }),
        node('Reshape', ['c', 'shape'], 'y'),
      ],
      weights: { w: normalWeight([3, 3], 1), token: normalWeight([1, 1, 3], 2) },
      constants: { shape: integerTensor([1, 15]) },
    });
    await withOnnxNetwork(sketch(1), (network) => {
      const inputs = normalInputs([3, 4, 3], 1);
      const rows = outputOf(network, inputs, [3, 4, 3]);
      const single = outputOf(network, inputs.slice(12, 24), [1, 4, 3]);
      expect(distance(rows.slice(15, 30), single)).toBeLessThan(1e-6);
    });
  });
});

describe('models that cannot be analysed', () => {
  it('name operator, node and opset of what is not supported, at load', async () => {
    const lstm = perceptron([node('LSTM', ['z'], 'y')]);
    expect(await errorOf(lstm)).toMatchObject({
      code: 'network/onnx-operator',
      message:
        'operator LSTM (opset 17, node "LSTM_1") is not supported; recurrent layers are analysed in TensorFlow.js LayersModels',
    });
    const custom = perceptron([{ ...node('Foo', ['z'], 'y'), domain: 'com.microsoft' }]);
    expect((await errorOf(custom)).message).toContain('operator com.microsoft.Foo (opset 17, node "Foo_1")');
    const relu = perceptron([{ ...node('Relu', ['z'], 'y'), domain: 'com.microsoft' }]);
    expect((await errorOf(relu)).message).toContain('com.microsoft.Relu');
  });

  it.each([
    [
      'an attribute value',
      node('Gelu', ['z'], 'y', { approximate: 'sloppy' }),
      /Gelu .* with approximate "sloppy"/,
    ],
    [
      'training',
      node('BatchNormalization', ['z', 'b', 'b', 'b', 'b'], 'y', { training_mode: 1 }),
      /training_mode/,
    ],
    ['a wrong axis', node('Softmax', ['z'], 'y', { axis: 5 }), /axis 5 is outside of a tensor of rank 2/],
    [
      'shapes that do not fit',
      node('MatMul', ['z', 'w'], 'y'),
      /MatMul_1.*\[\d,3\] and \[4,3\] have no product/,
    ],
    ['a wrong kind of attribute', node('Softmax', ['z'], 'y', { axis: 'last' }), /axis is of kind string/],
    [
      'operands that tfjs refuses',
      node('Add', ['z', 'four'], 'y'),
      /operator Add \(opset 17, node "Add_1"\): /,
    ],
    ['a missing operand', node('Add', ['z', ''], 'y'), /operand 1 is missing/],
    ['a cast to integers', node('Cast', ['z'], 'y', { to: 7 }), /a type other than floating point/],
    [
      'positions that depend on the input',
      node('Gather', ['w', 'z'], 'y'),
      /positions that depend on the input/,
    ],
  ])('%s', async (_name, last, message) => {
    const sketch = perceptron([last], { weights: { four: normalWeight([4], 4) } });
    expect((await errorOf(sketch, { keepFinalActivation: true })).message).toMatch(message);
  });

  it('a position beyond its table', async () => {
    const sketch = perceptron([node('Gather', ['four', 'far'], 'g'), node('Add', ['z', 'g'], 'y')], {
      weights: { four: normalWeight([4], 4) },
      constants: { far: integerTensor([1, 4, 2]) },
    });
    expect((await errorOf(sketch, { keepFinalActivation: true })).message).toMatch(
      /node "Gather_\d"\): takes position 4 of "four", which has 4 \(0 to 3\)/,
    );
  });

  it.each([
    ['Expand', node('Expand', ['z', 'huge'], 'y')],
    ['Tile', node('Tile', ['z', 'huge'], 'y')],
    ['Pad', node('Pad', ['z', 'pads'], 'y')],
    ['ConstantOfShape', node('ConstantOfShape', ['huge'], 'y')],
    ['Reshape', node('Reshape', ['z', 'huge'], 'y')],
    ['Range', node('Range', ['zero', 'large', 'zero'], 'y')],
  ])('%s asks for a tensor of any size', async (_name, last) => {
    const sketch = perceptron([{ ...last, outputs: ['h'] }, node('Add', ['z', 'h'], 'y')], {
      constants: {
        huge: integerTensor([1e6, 1e6]),
        pads: integerTensor([0, 0, 0, 2 ** 40]),
        zero: integerTensor([0], []),
        large: integerTensor([1e9], []),
      },
    });
    const error = await errorOf(sketch);
    expect(error.code).toBe('network/onnx-node');
    expect(error.message).toContain(`operator ${last.op} `);
  });

  it('ask for windows, strides and dilations of any size', async () => {
    const cases: [string, NodeSketch['attributes']][] = [
      ['Conv', { pads: [1e9, 0, 0, 0] }],
      ['Conv', { dilations: [1e9, 1] }],
      ['Conv', { strides: [0, 1] }],
      ['Conv', { group: 0 }],
      ['Conv', { group: 3 }],
      ['ConvTranspose', { strides: [1e9, 1] }],
      ['ConvTranspose', { output_shape: [1e9, 1e9] }],
      ['ConvTranspose', { group: 0 }],
    ];
    for (const [op, attributes] of cases) {
      const sketch: ModelSketch = {
        input: [null, 2, 4, 4],
        nodes: [node(op, ['input', 'k'], 'y', attributes)],
        weights: { k: normalWeight([2, 2, 2, 2], 1) },
      };
      expect((await errorOf(sketch)).code, JSON.stringify([op, attributes])).toBe('network/onnx-node');
    }
  });

  it('have several inputs or outputs, inputs of integers or without shape', async () => {
    const two = onnxCheckpoint(perceptron([]));
    const [input] = two.graph.inputs;
    const withInputs = (inputs: (typeof input)[]) => ({ ...two, graph: { ...two.graph, inputs } });
    await expect(createNetwork(withInputs([input, { ...input, name: 'other' }]))).rejects.toThrow(
      /has 2 inputs/,
    );
    await expect(createNetwork(withInputs([{ ...input, elementType: 7 }]))).rejects.toThrow(
      /is of type int64: .*an input of float32/,
    );
    await expect(createNetwork(withInputs([{ ...input, shape: null }]))).rejects.toThrow(/no batch axis/);
    const outputs = perceptron([node('Relu', ['z'], 'y')], { outputs: { z: 1, y: 1 } });
    expect((await errorOf(outputs)).message).toBe(
      'model.onnx: the graph has 2 floating-point outputs ("z", "y"): prune-limit analyses networks with one; export the model with its logits alone',
    );
  });

  it('mix the examples of a batch, or give no row for each', async () => {
    const mixing = perceptron([node('Softmax', ['z'], 's', { axis: 0 }), node('Neg', ['s'], 'y')]);
    expect((await errorOf(mixing)).message).toMatch(/depends on the other examples/);
    const whole = perceptron([node('ReduceMean', ['z'], 'y', { axes: [0, 1], keepdims: 1 })]);
    expect((await errorOf(whole)).code).toMatch(/network\/(batch|output-shape)/);
    const constant = perceptron([node('Gemm', ['w', 'v'], 'y')], { weights: { v: normalWeight([3, 3], 1) } });
    expect((await errorOf(constant)).message).toMatch(/does not depend on the input/);
  });
});

describe('memory', () => {
  it('leaks nothing, and dispose frees all', async () => {
    for (const { sketch } of compiledCases) {
      const before = tf.memory().numTensors;
      const network = await createNetwork(onnxCheckpoint(sketch));
      const shape = [2, ...(sketch.input.slice(1) as number[])];
      outputOf(network, normalInputs(shape, 1), shape);
      const during = tf.memory().numTensors;
      outputOf(network, normalInputs(shape, 1), shape);
      expect(tf.memory().numTensors).toBe(during);
      network.dispose();
      expect(tf.memory().numTensors).toBe(before);
    }
    const before = tf.memory().numTensors;
    await errorOf(perceptron([node('Softmax', ['z'], 's', { axis: 0 }), node('Neg', ['s'], 'y')]));
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('layouts', () => {
  it('stay channels last between convolutions', async () => {
    const sketch: ModelSketch = {
      input: [null, 2, 8, 8],
      nodes: [
        node('Conv', ['input', 'k1'], 'c1', { pads: [1, 1, 1, 1] }),
        node('BatchNormalization', ['c1', 's', 's', 's', 's'], 'n1'),
        node('Relu', ['n1'], 'r1'),
        node('Conv', ['r1', 'k2', 's'], 'c2', { pads: [1, 1, 1, 1] }),
        node('Mul', ['c2', 'factor'], 'm'),
        node('Add', ['m', 'r1'], 'a'),
        node('MaxPool', ['a'], 'p', { kernel_shape: [2, 2], strides: [2, 2] }),
        node('GlobalAveragePool', ['p'], 'g'),
        node('Flatten', ['g'], 'f'),
        node('MatMul', ['f', 'w'], 'y'),
      ],
      weights: {
        k1: normalWeight([4, 2, 3, 3], 1),
        k2: normalWeight([4, 4, 3, 3], 2),
        s: { shape: [4], values: [1, 2, 1, 2] },
        factor: normalWeight([4, 1, 1], 3),
        w: normalWeight([4, 3], 4),
      },
    };
    await withOnnxNetwork(sketch, (network) => {
      const inputs = { x: tf.tensor(normalInputs([2, 2, 8, 8], 3), [2, 2, 8, 8]) };
      const weights = weightTensors(network, network.weights);
      const { nodes } = traceProgram(({ x }) => ({ y: network.logits(weights, x) }), inputs);
      tf.dispose([inputs, weights]);
      // Of the input and of the two kernels.
      expect(nodes.filter(({ kernel }) => kernel === 'Transpose')).toHaveLength(3);
    });
  });
});
