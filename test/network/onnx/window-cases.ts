/** Networks with windows that tfjs has no derivatives for, operators between channels, and volumes. */
import { integerTensor, normalWeight } from '../../support/onnx-models.js';
import { type Attributes, FULL, imageCase, type NetworkCase, node, type Weights } from './image-case.js';

/** Pooling with dilations. */
export const windowCases: NetworkCase[] = [
  imageCase(
    'MaxPool with dilations',
    [node('MaxPool', ['x'], 'y', { kernel_shape: [2, 3], dilations: [3, 2] })],
    4 * 3,
  ),
  imageCase(
    'MaxPool with dilations, strides and padding',
    [
      node('MaxPool', ['x'], 'y', {
        kernel_shape: [3, 2],
        dilations: [2, 2],
        strides: [2, 1],
        pads: [1, 1, 2, 0],
      }),
    ],
    4 * 3 * 4,
  ),
  imageCase(
    'AveragePool with dilations',
    [node('AveragePool', ['x'], 'y', { kernel_shape: [2, 2], dilations: [2, 3], pads: [1, 1, 0, 1] })],
    4 * 5 * 4,
    { opset: 19 },
  ),
];

/** Operators between channels. */
export const channelCases: NetworkCase[] = [
  ...[1, 3, 5].map((size) =>
    imageCase(
      `LRN of ${size}`,
      [node('LRN', ['x'], 'y', { size, alpha: { float: 0.7 }, beta: { float: 0.6 }, bias: { float: 1.5 } })],
      FULL,
    ),
  ),
  ...['DCR', 'CRD'].map((mode) =>
    imageCase(
      `DepthToSpace, ${mode}`,
      [node('DepthToSpace', ['x'], 'd', { blocksize: 2, mode }), node('Tanh', ['d'], 'y')],
      FULL,
    ),
  ),
  imageCase(
    'SpaceToDepth',
    [
      node('Slice', ['x', 'starts', 'ends', 'axes'], 's'),
      node('SpaceToDepth', ['s'], 'd', { blocksize: 2 }),
      node('Tanh', ['d'], 'y'),
    ],
    4 * 6 * 4,
    { constants: { starts: integerTensor([0]), ends: integerTensor([4]), axes: integerTensor([3]) } },
  ),
];

function einsumCase(equation: string, features: number, weights: Weights): NetworkCase {
  const operands = equation.split('->')[0].split(',').slice(1);
  const names = operands.map((_, index) => Object.keys(weights)[index] ?? 'x');
  return imageCase(
    `Einsum ${equation}`,
    [node('Einsum', ['x', ...names], 'e', { equation }), node('Tanh', ['e'], 'y')],
    features,
    { weights },
  );
}

/** Sums of products; the stem is [N, 4, 6, 5]. */
export const einsumCases: NetworkCase[] = [
  einsumCase('nchw,cd->ndhw', 3 * 30, { w: normalWeight([4, 3], 41, 0.4) }),
  einsumCase('nchw,wkd->nhckd', 24 * 6, { w: normalWeight([5, 2, 3], 42, 0.4) }),
  einsumCase('nchw, nchv -> ncwv', 4 * 25, {}),
  einsumCase('bchw,chz', 15, { w: normalWeight([4, 6, 3], 43, 0.3) }),
  einsumCase('nchw,h->nw', 5, { w: normalWeight([6], 44, 0.4) }),
  einsumCase('nchw,cd,hd->ndw', 15, { w: normalWeight([4, 3], 45, 0.4), v: normalWeight([6, 3], 46, 0.4) }),
  einsumCase('nchw->nwc', 20, {}),
  einsumCase('nchw,k->nkcw', 40, { w: normalWeight([2], 47) }),
];

function volumeCase(
  name: string,
  op: 'Conv' | 'MaxPool' | 'AveragePool' | 'GlobalAveragePool',
  attributes: Attributes,
  features: number,
  kernel: number[] = [],
): NetworkCase {
  const operands = op === 'Conv' ? ['x', 'w', 'b'] : ['x'];
  return {
    name: `${op} of volumes${name}`,
    sketch: {
      opset: 19,
      input: [null, 2, 4, 5, 3],
      nodes: [
        node('Conv', ['input', 'stem', 'stemBias'], 'c', { pads: [1, 0, 1, 0, 1, 0] }),
        node('Tanh', ['c'], 'x'),
        node(op, operands, 'z', attributes),
        node('Tanh', ['z'], 'y'),
        node('Flatten', ['y'], 'flat'),
        node('Gemm', ['flat', 'head'], 'logits', { transB: 1 }),
      ],
      weights: {
        stem: normalWeight([4, 2, 2, 2, 2], 1, 0.3),
        stemBias: normalWeight([4], 2, 0.3),
        head: normalWeight([3, features], 3, 1 / Math.sqrt(features)),
        ...(op === 'Conv' && { w: normalWeight(kernel, 6, 0.4), b: normalWeight([kernel[0]], 7, 0.2) }),
      },
    },
  };
}

/** Volumes; behind the stem they are [N, 4, 4, 5, 3]. */
export const volumeCases: NetworkCase[] = [
  volumeCase('', 'Conv', {}, 3 * 3 * 3 * 2, [3, 4, 2, 3, 2]),
  volumeCase(
    ' with strides, dilations and padding',
    'Conv',
    { strides: [2, 1, 2], dilations: [2, 3, 1], pads: [1, 1, 0, 2, 1, 1] },
    3 * 3 * 4 * 2,
    [3, 4, 2, 2, 2],
  ),
  volumeCase(' in groups', 'Conv', { group: 2, auto_pad: 'SAME_UPPER' }, 6 * 60, [6, 2, 3, 2, 2]),
  volumeCase(', depthwise', 'Conv', { group: 4 }, 4 * 3 * 4 * 2, [4, 1, 2, 2, 2]),
  volumeCase('', 'MaxPool', { kernel_shape: [2, 2, 2], strides: [2, 1, 1] }, 4 * 2 * 4 * 2),
  volumeCase(
    ' into the padding',
    'MaxPool',
    { kernel_shape: [3, 3, 2], strides: [2, 2, 2], pads: [1, 1, 0, 1, 1, 1] },
    4 * 2 * 3 * 2,
  ),
  volumeCase('', 'AveragePool', { kernel_shape: [2, 3, 2] }, 4 * 3 * 3 * 2),
  ...[0, 1].map((count_include_pad) =>
    volumeCase(
      ` into the padding, ${count_include_pad}`,
      'AveragePool',
      { kernel_shape: [3, 3, 2], strides: [2, 1, 2], pads: [1, 1, 0, 1, 0, 1], count_include_pad },
      4 * 2 * 4 * 2,
    ),
  ),
  volumeCase('', 'GlobalAveragePool', {}, 4),
];
