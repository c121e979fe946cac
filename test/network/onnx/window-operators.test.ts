/** Dilated pooling, volumes, operators between channels and Einsum, against ONNX Runtime. */
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import { createNetwork } from '../../../src/network/create-network.js';
import { contractedOperands, parseEinsum } from '../../../src/network/onnx/einsum-equation.js';
import { hasNative } from '../../compute/compile/support.js';
import { type ModelSketch, normalWeight, onnxCheckpoint } from '../../support/onnx-models.js';
import { around, expectSame, one, withOnnxNetwork } from './support.js';
import { channelCases, einsumCases, volumeCases, windowCases } from './window-cases.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

describe.skipIf(!hasNative)('as ONNX Runtime computes', () => {
  it.each([...windowCases, ...channelCases, ...einsumCases, ...volumeCases])('$name', ({ sketch }) =>
    expectSame(sketch, 5),
  );

  it('pooling with ceil_mode, of sequences and volumes', async () => {
    for (const op of ['MaxPool', 'AveragePool']) {
      const attributes = { kernel_shape: [2], dilations: [3], strides: [2], pads: [1, 0], ceil_mode: 1 };
      await expectSame(around([3, 11], [one(op, attributes)], { opset: 19 }), 1);
      const volume = { kernel_shape: [2, 3, 2], strides: [2, 2, 1], pads: [0, 1, 0, 1, 1, 0], ceil_mode: 1 };
      await expectSame(around([2, 5, 6, 4], [one(op, volume)], { opset: 19 }), 2);
    }
  });

  it('normalisation of volumes', async () => {
    const statistics = { s: normalWeight([2], 1), v: { shape: [2], values: [0.5, 2] } };
    await expectSame(
      around([2, 3, 4, 2], [one('BatchNormalization', {}, ['x', 's', 's', 's', 'v'])], {
        weights: statistics,
      }),
      3,
    );
    await expectSame(around([2, 3, 4, 2], [one('GlobalMaxPool')]), 3);
  });
});

describe('Einsum', () => {
  it.each([
    [
      'ij,jk',
      [
        ['i', 'j'],
        ['j', 'k'],
      ],
      ['i', 'k'],
    ],
    ['ba', [['b', 'a']], ['a', 'b']],
    [
      'bij , bjk -> bik',
      [
        ['b', 'i', 'j'],
        ['b', 'j', 'k'],
      ],
      ['b', 'i', 'k'],
    ],
    ['i->', [['i']], []],
  ])('%s is read', (equation, operands, result) => {
    expect(parseEinsum(equation)).toEqual({ operands, result });
  });

  it.each(['ii->i', '...ij,jk->...ik', 'ij->ik', 'i->j->k', 'i1->i', 'ij->jj'])('%s is not', (equation) => {
    expect(parseEinsum(equation)).toBeNull();
    expect(contractedOperands(equation)).toEqual([]);
  });

  it('has kernels where it sums over them and something else', async () => {
    expect(contractedOperands('ij,ij->ij')).toEqual([]);
    expect(contractedOperands('ij,jk,k->ik')).toEqual([0, 1]);
    const network = (equation: string): ModelSketch => ({
      input: [null, 3],
      nodes: [
        { op: 'Einsum', inputs: ['input', 'w'], outputs: ['z'], attributes: { equation } },
        { op: 'Einsum', inputs: ['z', 'factor'], outputs: ['y'], attributes: { equation: 'ij,j->ij' } },
      ],
      weights: { w: normalWeight([3, 4], 1), factor: normalWeight([4], 2) },
    });
    await withOnnxNetwork(network('ij,jk->ik'), ({ prunable }) =>
      expect(prunable.map(({ name }) => name)).toEqual(['w']),
    );
    await expect(createNetwork(onnxCheckpoint(network('...j,jk->...k')))).rejects.toThrow(
      /no prunable|Einsum/,
    );
  });

  it.each([
    [
      '...j,jk->...k',
      /Einsum .* with equation "\.\.\.j,jk->\.\.\.k" is not supported; export the model with MatMul/,
    ],
    ['ij,ik->jk', /\[\d,3\], \[3,4\] do not fit equation/],
    ['ijk,jk->ik', /do not fit equation/],
    ['ij->i', /do not fit equation/],
  ])('%s is refused by name', async (equation, message) => {
    const sketch: ModelSketch = {
      input: [null, 3],
      nodes: [
        { op: 'MatMul', inputs: ['input', 'v'], outputs: ['x'] },
        { op: 'Einsum', inputs: ['x', 'w'], outputs: ['y'], attributes: { equation } },
      ],
      weights: { v: normalWeight([3, 3], 1), w: normalWeight([3, 4], 1) },
    };
    await expect(createNetwork(onnxCheckpoint(sketch))).rejects.toThrow(message);
  });
});

describe('what does not fit is an error of the node', () => {
  it.each([
    ['LRN', {}, /a size of 0/],
    ['DepthToSpace', { blocksize: 3 }, /4 channels cannot become blocks of 3/],
    ['DepthToSpace', { blocksize: 2, mode: 'XYZ' }, /in mode "XYZ"/],
    ['SpaceToDepth', { blocksize: 2 }, /cannot be cut into blocks of 2/],
    ['SpaceToDepth', { blocksize: 0 }, /a block size of 0/],
    ['MaxPool', { kernel_shape: [2, 2], dilations: [1e9, 1] }, /does not fit an extent|too large/],
  ])('%s %j', async (op, attributes, message) => {
    const sketch = around([4, 5, 5], [one(op, attributes)]);
    await expect(createNetwork(onnxCheckpoint(sketch))).rejects.toThrow(message);
  });

  it('a transposed convolution of volumes is refused', async () => {
    const sketch = around([4, 3, 3, 3], [one('ConvTranspose', {}, ['x', 'w'])], {
      weights: { w: normalWeight([4, 2, 2, 2, 2], 1) },
    });
    await expect(createNetwork(onnxCheckpoint(sketch))).rejects.toThrow(
      /ConvTranspose .*3 spatial axes \(1 to 2 are\)/,
    );
  });
});
