import { describe, expect, it } from 'vitest';
import { blockConvolutions } from '../../../src/compute/compile/block-convolutions.js';
import { elementCount, type Graph, graphValue } from '../../../src/compute/compile/graph.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import { phaseInputGradients } from '../../../src/compute/compile/strided-input-gradients.js';
import { convolveSubsampling, withoutTranspositions } from '../../../src/compute/compile/subsampling.js';
import { normalVector } from '../../support/vectors.js';
import { graphOf, hasNative, kernelsOf, native, runGraph } from './support.js';

interface Subsampling {
  image: [number, number];
  channels: number;
  /** Channels of zeros before and after. */
  padding: [number, number];
  strides: [number, number];
  window: [number, number];
  padValue: number;
}

const shortcut: Subsampling = {
  image: [6, 8],
  channels: 16,
  padding: [8, 8],
  strides: [2, 2],
  window: [1, 1],
  padValue: 0,
};

const TO_NCHW = [0, 3, 1, 2];
const TO_NHWC = [0, 2, 3, 1];

/** Pooling as it is, and with channels around it that are put there channels first; the gradients of both. */
function graphFor({ image, channels, padding, strides, window, padValue }: Subsampling): Graph {
  const size = image.map((extent, axis) => Math.floor((extent - window[axis]) / strides[axis]) + 1);
  const [batch, wide] = [2, padding[0] + channels + padding[1]];
  const x = [batch, ...image, channels];
  const [pooled, padded] = [channels, wide].map((count) => [batch, ...size, count]);
  const [pooledFirst, paddedFirst] = [channels, wide].map((count) => [batch, count, ...size]);
  const pool = { filterSize: window, strides, pad: 'valid', dimRoundingMode: 'floor' };
  const transpose = (from: string, to: string, perm: number[]) => ({
    kernel: 'Transpose',
    inputs: { x: from },
    outputs: [to],
    attributes: { perm },
  });
  const gradient = (dy: string, dx: string) => ({
    kernel: 'AvgPoolGrad',
    inputs: { dy, input: 'x' },
    outputs: [dx],
    attributes: pool,
  });
  return graphOf({
    values: {
      ...{ x, p: pooled, pf: pooledFirst, yf: paddedFirst, y: padded },
      ...{ dy: padded, dyf: paddedFirst, dpf: pooledFirst, dp: pooled, dx: x },
      ...{ dz: pooled, dxz: x },
    },
    inputs: ['x', 'dy', 'dz'],
    nodes: [
      { kernel: 'AvgPool', inputs: { x: 'x' }, outputs: ['p'], attributes: pool },
      transpose('p', 'pf', TO_NCHW),
      {
        kernel: 'PadV2',
        inputs: { x: 'pf' },
        outputs: ['yf'],
        attributes: { paddings: [[0, 0], padding, [0, 0], [0, 0]], constantValue: padValue },
      },
      transpose('yf', 'y', TO_NHWC),
      transpose('dy', 'dyf', TO_NCHW),
      {
        kernel: 'Slice',
        inputs: { x: 'dyf' },
        outputs: ['dpf'],
        attributes: { begin: [0, padding[0], 0, 0], size: pooledFirst },
      },
      transpose('dpf', 'dp', TO_NHWC),
      gradient('dp', 'dx'),
      gradient('dz', 'dxz'),
    ],
    outputs: ['p', 'y', 'dx', 'dxz'],
  });
}

const written = (given: Subsampling, block: number | null): Graph =>
  convolveSubsampling(withoutTranspositions(graphFor(given)), block);

describe('pooling that takes some pixels as they are', () => {
  it('pads and cuts channels where they lie', () => {
    expect(kernelsOf(withoutTranspositions(graphFor(shortcut)))).toEqual([
      ...['AvgPool', 'PadV2', 'Slice', 'AvgPoolGrad', 'AvgPoolGrad'],
    ]);
  });

  it('keeps a transposition that does not undo the one before', () => {
    const graph = graphOf({
      values: { x: [2, 3, 4], t: [4, 2, 3], p: [4, 3, 3], y: [3, 3, 4] },
      inputs: ['x'],
      nodes: [
        { kernel: 'Transpose', inputs: { x: 'x' }, outputs: ['t'], attributes: { perm: [2, 0, 1] } },
        {
          kernel: 'PadV2',
          inputs: { x: 't' },
          outputs: ['p'],
          attributes: {
            paddings: [
              [0, 0],
              [1, 0],
              [0, 0],
            ],
          },
        },
        { kernel: 'Transpose', inputs: { x: 'p' }, outputs: ['y'], attributes: { perm: [2, 1, 0] } },
      ],
      outputs: ['y'],
    });
    expect(kernelsOf(withoutTranspositions(graph))).toEqual(['Transpose', 'PadV2', 'Transpose']);
  });

  it.each([8, 16])('is a convolution over blocks of %i channels, with its padding', (block) => {
    expect(kernelsOf(written(shortcut, block))).toEqual([
      ...['Conv2D', 'Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropInput'],
    ]);
  });

  it.each<[string, Partial<Subsampling>, number | null]>([
    ['without blocks', {}, null],
    ['of windows', { window: [2, 1] }, 16],
    ['of every pixel', { strides: [1, 1] }, 16],
    ['of one in three', { strides: [3, 3] }, 16],
    ['of few channels', { channels: 1, padding: [1, 0] }, 16],
  ])('stays as it is: %s', (_, given, block) => {
    const kernels = kernelsOf(written({ ...shortcut, ...given }, block));
    expect(kernels.filter((kernel) => kernel.startsWith('Conv2D'))).toEqual([]);
  });

  it('pads with other numbers by itself', () => {
    expect(kernelsOf(written({ ...shortcut, padValue: 1 }, 16))).toContain('PadV2');
  });

  it.skipIf(!hasNative).each<[string, Partial<Subsampling>]>([
    ['as in residual networks', {}],
    ['odd images', { image: [7, 5] }],
    ['uneven padding', { padding: [4, 12] }],
    ['channels to fill up', { channels: 28, padding: [0, 4] }],
    ['along rows only', { strides: [1, 2] }],
    ['along columns only', { strides: [2, 1] }],
    ['other numbers around', { padValue: 2 }],
  ])('computes the same: %s', async (_, given) => {
    const graph = graphFor({ ...shortcut, ...given });
    const block = native.channelBlock ?? null;
    const inputs = Object.fromEntries(
      Object.entries(graph.inputs).map(([name, id], index) => {
        const { shape } = graphValue(graph, id);
        return [name, { shape, data: Float32Array.from(normalVector(elementCount(shape), index + 1)) }];
      }),
    );
    const convolved = written({ ...shortcut, ...given }, block);
    const blocked = simplify(blockConvolutions(phaseInputGradients(convolved, block), block));
    expect(await runGraph(blocked, inputs)).toEqual(await runGraph(graph, inputs));
  });
});
