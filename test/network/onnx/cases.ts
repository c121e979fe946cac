import { integerTensor, type NodeSketch, normalWeight } from '../../support/onnx-models.js';
import { fixedBatchCases } from './batch-cases.js';
import { type Attributes, FULL, imageCase, type NetworkCase, node, type Weights } from './image-case.js';
import { channelCases, einsumCases, volumeCases, windowCases } from './window-cases.js';

function unaryCase(
  op: string,
  attributes: Attributes = {},
  opset = 17,
  before: NodeSketch[] = [],
): NetworkCase {
  const from = before.length === 0 ? 'x' : before[before.length - 1].outputs[0];
  return imageCase(
    `${op} ${JSON.stringify(attributes)}`,
    [...before, node(op, [from], 'y', attributes)],
    FULL,
    {
      opset,
    },
  );
}

const positive = [node('Exp', ['x'], 'p')];

const activationCases: NetworkCase[] = [
  ...['Relu', 'LeakyRelu', 'Elu', 'Selu', 'Celu', 'Sigmoid', 'Tanh', 'Softplus', 'Softsign'].map((op) =>
    unaryCase(op),
  ),
  ...['HardSigmoid', 'HardSwish', 'Exp', 'Erf', 'Neg', 'Abs', 'Sin', 'Cos'].map((op) => unaryCase(op)),
  ...['Sqrt', 'Log', 'Reciprocal'].map((op) => unaryCase(op, {}, 17, positive)),
  unaryCase('Elu', { alpha: { float: 0.4 } }),
  unaryCase('Mish', {}, 18),
  unaryCase('Gelu', {}, 20),
  unaryCase('Gelu', { approximate: 'tanh' }, 20),
  unaryCase('Clip', { min: { float: -0.3 }, max: { float: 0.4 } }, 10),
  ...[1, 2, 3, -1].map((axis) => unaryCase('Softmax', { axis })),
  unaryCase('Softmax', { axis: 2 }, 11),
  ...[1, -1].map((axis) => unaryCase('LogSoftmax', { axis })),
  imageCase('PRelu', [node('PRelu', ['x', 'slope'], 'y')], FULL, {
    weights: { slope: normalWeight([4, 1, 1], 5, 0.3) },
  }),
  ...[2, 3, 0.5, -0.5, 1.7].map((power) =>
    imageCase(`Pow ${power}`, [...positive, node('Pow', ['p', 'e'], 'y')], FULL, {
      weights: { e: { shape: [], values: [power] } },
    }),
  ),
  imageCase(
    'Add, Sub, Mul, Div of values',
    [
      node('Sigmoid', ['x'], 's'),
      node('Mul', ['x', 's'], 'm'),
      node('Add', ['m', 's'], 'a'),
      node('Div', ['a', 's'], 'd'),
      node('Sub', ['m', 'd'], 'y'),
    ],
    FULL,
  ),
  imageCase(
    'Max, Min, Sum, Mean of values',
    [
      node('Neg', ['x'], 'n'),
      node('Max', ['x', 'n'], 'a'),
      node('Mul', ['x', 'x'], 'q'),
      node('Min', ['x', 'q'], 'b'),
      node('Sum', ['a', 'b', 'q'], 's'),
      node('Mean', ['s', 'b'], 'y'),
    ],
    FULL,
  ),
  imageCase(
    // The cube and its negative meet at 0 with equal second derivatives: differences see no kink.
    'Where of a comparison',
    [
      node('Greater', ['x', 'zero'], 'c'),
      node('Pow', ['x', 'three'], 'q'),
      node('Neg', ['q'], 'n'),
      node('Where', ['c', 'q', 'n'], 'y'),
    ],
    FULL,
    { weights: { zero: { shape: [], values: [0] }, three: { shape: [], values: [3] } } },
  ),
];

function convolution(name: string, attributes: Attributes, kernel: number[], features: number): NetworkCase {
  return imageCase(
    `Conv ${name}`,
    [node('Conv', ['x', 'w', 'b'], 'z', attributes), node('Tanh', ['z'], 'y')],
    features,
    { weights: { w: normalWeight(kernel, 6, 0.4), b: normalWeight([kernel[0]], 7, 0.2) } },
  );
}

function transposedConvolution(
  name: string,
  attributes: Attributes,
  kernel: number[],
  features: number,
): NetworkCase {
  const { sketch } = convolution(name, attributes, kernel, features);
  const { b: _, ...weights } = sketch.weights as Weights;
  const nodes = sketch.nodes.map((each) =>
    each.inputs.includes('w') ? { ...each, op: 'ConvTranspose', inputs: ['x', 'w'] } : each,
  );
  return { name: `ConvTranspose ${name}`, sketch: { ...sketch, nodes, weights } };
}

const convolutionCases: NetworkCase[] = [
  convolution(
    'with strides and uneven padding',
    { strides: [2, 2], pads: [1, 0, 0, 1] },
    [3, 4, 3, 2],
    3 * 3 * 3,
  ),
  convolution('whose stride leaves rows over', { strides: [3, 3] }, [3, 4, 2, 2], 3 * 2 * 2),
  convolution('with dilations', { dilations: [2, 3] }, [3, 4, 2, 2], 3 * 4 * 2),
  convolution('with dilations and strides', { dilations: [2, 1], strides: [1, 2] }, [3, 4, 2, 2], 3 * 4 * 2),
  convolution('in groups', { group: 2, auto_pad: 'SAME_UPPER' }, [6, 2, 3, 2], 6 * 30),
  convolution('depthwise', { group: 4, pads: [1, 1, 1, 1] }, [4, 1, 3, 3], 4 * 30),
  convolution(
    'depthwise, multiplier 2, strides',
    { group: 4, strides: [2, 2], auto_pad: 'SAME_LOWER' },
    [8, 1, 3, 3],
    8 * 9,
  ),
  convolution('depthwise with dilations', { group: 4, dilations: [2, 2] }, [4, 1, 2, 2], 4 * 4 * 3),
  transposedConvolution(
    'with strides',
    { strides: [2, 2], pads: [1, 0, 0, 1], output_padding: [1, 0] },
    [4, 2, 3, 2],
    2 * 13 * 9,
  ),
  transposedConvolution('in groups with dilations', { group: 2, dilations: [2, 1] }, [4, 1, 2, 2], 2 * 8 * 6),
];

const poolingCases: NetworkCase[] = [
  imageCase('MaxPool', [node('MaxPool', ['x'], 'y', { kernel_shape: [2, 2], strides: [2, 2] })], 4 * 3 * 2),
  imageCase(
    'MaxPool into the padding',
    [node('MaxPool', ['x'], 'y', { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] })],
    4 * 3 * 3,
  ),
  imageCase(
    'MaxPool, ceil_mode',
    [node('MaxPool', ['x'], 'y', { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 })],
    4 * 3 * 3,
  ),
  imageCase(
    'AveragePool',
    [node('AveragePool', ['x'], 'y', { kernel_shape: [2, 2], strides: [2, 2] })],
    4 * 3 * 2,
  ),
  ...[0, 1].map((count_include_pad) =>
    imageCase(
      `AveragePool into the padding, ${count_include_pad}`,
      [
        node('AveragePool', ['x'], 'y', {
          kernel_shape: [3, 3],
          strides: [2, 2],
          pads: [1, 0, 1, 1],
          ceil_mode: 1,
          count_include_pad,
        }),
      ],
      4 * 4 * 3,
    ),
  ),
  imageCase('GlobalAveragePool', [node('GlobalAveragePool', ['x'], 'y')], 4),
  imageCase('GlobalMaxPool', [node('GlobalMaxPool', ['x'], 'y')], 4),
];

const channels: Weights = {
  s: normalWeight([4], 11, 0.5),
  b: normalWeight([4], 12, 0.5),
  m: normalWeight([4], 13, 0.5),
  v: { shape: [4], values: [0.5, 1, 2, 0.8] },
};

const normalizationCases: NetworkCase[] = [
  imageCase('BatchNormalization', [node('BatchNormalization', ['x', 's', 'b', 'm', 'v'], 'y')], FULL, {
    weights: channels,
  }),
  imageCase('InstanceNormalization', [node('InstanceNormalization', ['x', 's', 'b'], 'y')], FULL, {
    weights: channels,
  }),
  imageCase('LayerNormalization', [node('LayerNormalization', ['x', 'ls', 'lb'], 'y', { axis: 2 })], FULL, {
    weights: { ls: normalWeight([6, 5], 14), lb: normalWeight([6, 5], 15) },
  }),
  imageCase(
    'GroupNormalization',
    [node('GroupNormalization', ['x', 's', 'b'], 'y', { num_groups: 2 })],
    FULL,
    {
      weights: channels,
      opset: 21,
    },
  ),
];

const reductionCases: NetworkCase[] = [
  'ReduceMean',
  'ReduceSum',
  'ReduceMax',
  'ReduceMin',
  'ReduceL1',
  'ReduceL2',
  'ReduceSumSquare',
].flatMap((op) => [
  imageCase(`${op} of pixels`, [node(op, ['x'], 'y', { axes: [2, 3], keepdims: 0 })], 4, { opset: 11 }),
  imageCase(`${op} of channels`, [node(op, ['x'], 'y', { axes: [1], keepdims: 1 })], 30, { opset: 11 }),
]);

const shapingCases: NetworkCase[] = [
  imageCase('Slice with steps', [node('Slice', ['x', 'starts', 'ends', 'axes', 'steps'], 'y')], 2 * 6 * 2, {
    constants: {
      starts: integerTensor([3, 1]),
      ends: integerTensor([-9, 5]),
      axes: integerTensor([1, 3]),
      steps: integerTensor([-2, 2]),
    },
  }),
  ...['constant', 'reflect', 'edge'].map((mode) =>
    imageCase(
      `Pad ${mode}`,
      [node('Pad', ['x', 'pads'], 'p', { mode }), node('Mul', ['p', 'p'], 'y')],
      4 * 9 * 6,
      {
        constants: { pads: integerTensor([0, 0, 1, 0, 0, 0, 2, 1]) },
      },
    ),
  ),
  imageCase('Gather', [node('Gather', ['x', 'i'], 'g', { axis: 1 }), node('Mul', ['g', 'g'], 'y')], 5 * 30, {
    constants: { i: integerTensor([2, 3, 0, 0, -1]) },
  }),
  imageCase(
    'Split, Concat, Transpose, Expand',
    [
      { op: 'Split', inputs: ['x'], outputs: ['l', 'r'], attributes: { axis: 1 } },
      node('Transpose', ['l'], 'lt', { perm: [0, 1, 3, 2] }),
      node('Transpose', ['r'], 'rt', { perm: [0, 1, 3, 2] }),
      node('Mul', ['lt', 'rt'], 'm'),
      node('Concat', ['lt', 'm'], 'cc', { axis: 1 }),
      node('ReduceMean', ['cc'], 'mean', { axes: [1], keepdims: 1 }),
      node('Expand', ['mean', 'shape'], 'e'),
      node('Mul', ['e', 'cc'], 'y'),
    ],
    FULL,
    { constants: { shape: integerTensor([1, 4, 1, 1]) }, opset: 13 },
  ),
  imageCase(
    'Resize, nearest',
    [node('Resize', ['x', '', 'scales'], 'z', { mode: 'nearest' }), node('Mul', ['z', 'z'], 'y')],
    4 * 12 * 7,
    {
      weights: { scales: { shape: [4], values: [1, 1, 2, 1.5] } },
    },
  ),
  imageCase(
    'Resize, linear',
    [node('Resize', ['x', '', 'scales'], 'z', { mode: 'linear' }), node('Mul', ['z', 'z'], 'y')],
    4 * 12 * 7,
    {
      weights: { scales: { shape: [4], values: [1, 1, 2, 1.5] } },
    },
  ),
];

/** Products: a small attention over the rows of an image, a matrix from the left, Gemm with factors. */
const productCases: NetworkCase[] = [
  imageCase(
    'attention',
    [
      node('Reshape', ['x', 'tokens'], 't'),
      node('MatMul', ['t', 'wq'], 'q'),
      node('MatMul', ['t', 'wk'], 'k'),
      node('MatMul', ['t', 'wv'], 'v2'),
      node('Transpose', ['k'], 'kt', { perm: [0, 2, 1] }),
      node('MatMul', ['q', 'kt'], 'scores'),
      node('Softmax', ['scores'], 'share', { axis: -1 }),
      node('MatMul', ['share', 'v2'], 'y'),
    ],
    6 * 8,
    {
      constants: { tokens: integerTensor([0, 6, 20]) },
      weights: Object.fromEntries(
        ['q', 'k', 'v'].map((name, i) => [`w${name}`, normalWeight([20, 8], 20 + i, 0.2)]),
      ),
    },
  ),
  imageCase(
    'attention behind a causal mask of infinities, Clip with infinite bounds',
    [
      node('Reshape', ['x', 'tokens'], 't'),
      node('MatMul', ['t', 'wq'], 'q'),
      node('Transpose', ['q'], 'k', { perm: [0, 2, 1] }),
      node('MatMul', ['q', 'k'], 'scores'),
      node('Add', ['scores', 'causal'], 'masked'),
      node('Softmax', ['masked'], 'share', { axis: -1 }),
      node('MatMul', ['share', 'q'], 'o'),
      node('Clip', ['o', 'low', 'high'], 'y'),
    ],
    6 * 8,
    {
      constants: { tokens: integerTensor([0, 6, 20]) },
      weights: {
        wq: normalWeight([20, 8], 20, 0.2),
        causal: {
          shape: [6, 6],
          values: Array.from({ length: 36 }, (_, i) => (i % 6 > Math.floor(i / 6) ? -Infinity : 0)),
        },
        low: { shape: [], values: [-Infinity] },
        high: { shape: [], values: [Infinity] },
        unused: { shape: [2], values: [Number.NaN, Infinity] },
      },
    },
  ),
  imageCase(
    'a matrix from the left, batches broadcast',
    [node('MatMul', ['wl', 'x'], 'l'), node('MatMul', ['l', 'wb'], 'y')],
    4 * 3 * 2,
    { weights: { wl: normalWeight([3, 6], 30, 0.4), wb: normalWeight([4, 5, 2], 31, 0.4) } },
  ),
  imageCase(
    'Gemm with factors, a kernel behind Transpose',
    [
      node('Flatten', ['x'], 'f'),
      node('Transpose', ['wt'], 'w', { perm: [1, 0] }),
      node('Gemm', ['f', 'w', 'g'], 'a', { alpha: { float: 0.5 }, beta: { float: 2 } }),
      node('Tanh', ['a'], 'h'),
      node('Gemm', ['h', 'shared'], 'h1'),
      node('Tanh', ['h1'], 'h2'),
      node('Gemm', ['h2', 'shared'], 'y', { transB: 1 }),
    ],
    6,
    {
      weights: {
        wt: normalWeight([6, FULL], 32, 0.15),
        g: normalWeight([1, 6], 33, 0.3),
        shared: normalWeight([6, 6], 34, 0.4),
      },
    },
  ),
];

const sequenceCase: NetworkCase = {
  name: 'convolution and pooling over sequences',
  sketch: {
    input: [null, 3, 12],
    nodes: [
      node('Conv', ['input', 'w1'], 'a', { pads: [1, 1] }),
      node('Tanh', ['a'], 'at'),
      node('AveragePool', ['at'], 'p', {
        kernel_shape: [3],
        strides: [2],
        pads: [1, 1],
        count_include_pad: 1,
      }),
      node('Conv', ['p', 'w2'], 'b', { strides: [2], dilations: [2] }),
      node('Relu', ['b'], 'r'),
      node('MaxPool', ['r'], 'm', { kernel_shape: [2], strides: [1] }),
      node('Flatten', ['m'], 'f'),
      node('MatMul', ['f', 'w3'], 'y'),
    ],
    weights: {
      w1: normalWeight([4, 3, 3], 1, 0.4),
      w2: normalWeight([5, 4, 2], 2, 0.5),
      w3: normalWeight([5, 3], 3, 0.6),
    },
  },
};

/** Networks whose kernels are of each tfjs backend's own making. */
export const backendCases: NetworkCase[] = [
  ...convolutionCases,
  ...poolingCases,
  ...windowCases,
  ...channelCases,
  ...volumeCases,
  sequenceCase,
];

/** Networks for tests of derivatives and of compilation. */
export const derivativeCases: NetworkCase[] = [
  ...activationCases,
  ...convolutionCases,
  ...poolingCases,
  ...normalizationCases,
  ...reductionCases,
  ...shapingCases,
  ...productCases,
  ...windowCases,
  ...channelCases,
  ...einsumCases,
  ...volumeCases,
  ...fixedBatchCases,
  sequenceCase,
];

/** Networks that can be compiled. */
export const compiledCases = derivativeCases.filter(({ name }) => !/^(Sin|Cos) /.test(name));
