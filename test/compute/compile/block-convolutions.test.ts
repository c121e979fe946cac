import { describe, expect, it } from 'vitest';
import { blockConvolutions } from '../../../src/compute/compile/block-convolutions.js';
import { channelBlockSize } from '../../../src/compute/compile/channel-block-size.js';
import { BLOCKED_CONVOLUTION } from '../../../src/compute/compile/channel-blocks.js';
import { elementCount, type Graph } from '../../../src/compute/compile/graph.js';
import type { OnnxRuntime } from '../../../src/compute/compile/native-session.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import { normalVector } from '../../support/vectors.js';
import { graphOf, hasNative, kernelsOf, native, runGraph } from './support.js';

interface ConvolutionCase {
  name: string;
  channels: [number, number];
  kernel: [number, number];
  pad: unknown;
  strides?: [number, number];
  /** Size of the result of an image of 7 x 6. */
  size: [number, number];
  depthwise?: boolean;
}

/** Blocks of 16 and of 8 channels both divide the whole ones among these. */
const cases: ConvolutionCase[] = [
  { name: 'whole blocks', channels: [16, 32], kernel: [3, 3], pad: 'same', size: [7, 6] },
  { name: 'several blocks, valid', channels: [48, 32], kernel: [3, 2], pad: 'valid', size: [5, 5] },
  { name: 'fewer channels than a block', channels: [3, 16], kernel: [5, 5], pad: 'same', size: [7, 6] },
  { name: 'one channel', channels: [1, 16], kernel: [2, 2], pad: 'same', size: [7, 6] },
  { name: 'channels to fill up', channels: [28, 24], kernel: [3, 3], pad: 'same', size: [7, 6] },
  { name: 'results to fill up, not to read', channels: [16, 30], kernel: [3, 3], pad: 'same', size: [7, 6] },
  { name: 'columns as channels', channels: [16, 6], kernel: [5, 5], pad: 'same', size: [7, 6] },
  { name: 'columns as channels, backwards', channels: [6, 16], kernel: [5, 5], pad: 'same', size: [7, 6] },
  {
    name: 'columns as channels, strides',
    channels: [1, 8],
    kernel: [3, 7],
    pad: [
      [0, 0],
      [1, 1],
      [3, 4],
      [0, 0],
    ],
    strides: [1, 2],
    size: [7, 4],
  },
  { name: 'a kernel of one', channels: [32, 16], kernel: [1, 1], pad: 'valid', size: [7, 6] },
  {
    name: 'strides',
    channels: [16, 16],
    kernel: [3, 3],
    pad: [
      [0, 0],
      [1, 0],
      [0, 1],
      [0, 0],
    ],
    strides: [2, 1],
    size: [3, 5],
  },
  { name: 'depthwise', channels: [32, 1], kernel: [3, 3], pad: 'same', size: [7, 6], depthwise: true },
];

/** Two convolutions and their sum, input gradients and their sum, convolutions with a bias: rectified, and added. */
function convolutions({ channels, kernel, pad, strides = [1, 1], size, depthwise }: ConvolutionCase): Graph {
  const image = [2, 7, 6, channels[0]];
  const result = [2, ...size, depthwise ? channels[0] : channels[1]];
  const filter = [...kernel, ...channels];
  const attributes = { strides, pad, dataFormat: 'NHWC', dimRoundingMode: 'floor' };
  const name = depthwise ? 'DepthwiseConv2dNative' : 'Conv2D';
  const forward = (x: string, f: string, output: string) => ({
    kernel: name,
    inputs: { x, filter: f },
    outputs: [output],
    attributes,
  });
  const backward = (dy: string, f: string, output: string) => ({
    kernel: `${name}BackpropInput`,
    inputs: { dy, filter: f },
    outputs: [output],
    attributes: { ...attributes, inputShape: image },
  });
  return graphOf({
    values: {
      ...{ x: image, u: image, dy: result, du: result, f: filter, g: filter },
      ...{ y1: result, y2: result, y: result, z: result, dx1: image, dx2: image, dx: image },
      ...{ b: [result[3]], r1: result, r2: result, r: result, s1: result, s2: result, s3: result, s: result },
    },
    inputs: ['x', 'u', 'dy', 'du', 'f', 'g', 'b'],
    nodes: [
      forward('x', 'g', 'y1'),
      forward('u', 'f', 'y2'),
      { kernel: 'Add', inputs: { a: 'y1', b: 'y2' }, outputs: ['y'] },
      forward('x', 'f', 'z'),
      backward('du', 'f', 'dx1'),
      backward('dy', 'g', 'dx2'),
      { kernel: 'Add', inputs: { a: 'dx1', b: 'dx2' }, outputs: ['dx'] },
      forward('u', 'g', 'r1'),
      { kernel: 'Add', inputs: { a: 'r1', b: 'b' }, outputs: ['r2'] },
      { kernel: 'Relu', inputs: { x: 'r2' }, outputs: ['r'] },
      forward('x', 'f', 's1'),
      { kernel: 'Add', inputs: { a: 's1', b: 'b' }, outputs: ['s2'] },
      forward('u', 'g', 's3'),
      { kernel: 'Add', inputs: { a: 's2', b: 's3' }, outputs: ['s'] },
    ],
    outputs: ['y', 'z', 'dx', 'r', 's'],
  });
}

describe('convolutions over blocks of channels', () => {
  it('are written where few channels have to be filled up, and add by themselves', () => {
    const written = kernelsOf(simplify(blockConvolutions(convolutions(cases[0]), 16)));
    expect(written.filter((kernel) => kernel === BLOCKED_CONVOLUTION)).toHaveLength(8);
    expect(written).not.toContain('Add');
    expect(written).not.toContain('Relu');
    const wasteful: ConvolutionCase = { ...cases[0], channels: [1, 6] };
    expect(kernelsOf(blockConvolutions(convolutions(wasteful), 16))).not.toContain(BLOCKED_CONVOLUTION);
    expect(blockConvolutions(convolutions(cases[0]), null).nodes).toHaveLength(14);
  });

  it('do not repeat terms that something else reads', () => {
    const graph = convolutions(cases[0]);
    const read = { ...graph, outputs: { ...graph.outputs, y1: graph.nodes[0].outputs[0] } };
    const written = kernelsOf(simplify(blockConvolutions(read, 16)));
    expect(written.filter((kernel) => kernel === BLOCKED_CONVOLUTION)).toHaveLength(8);
    expect(written).toContain('Add');
  });

  it.skipIf(!hasNative).each(cases)('compute the same: $name', async (convolutionCase) => {
    const graph = convolutions(convolutionCase);
    const inputs = Object.fromEntries(
      Object.entries(graph.inputs).map(([name, id], index) => {
        const shape = graph.values.get(id)?.shape ?? [];
        return [name, { shape, data: Float32Array.from(normalVector(elementCount(shape), index)) }];
      }),
    );
    const block = native.channelBlock ?? null;
    const blocked = simplify(blockConvolutions(graph, block));
    if (block !== null) {
      expect(kernelsOf(blocked)).toContain(BLOCKED_CONVOLUTION);
    }
    const expected = await runGraph(graph, inputs);
    const found = await runGraph(blocked, inputs);
    for (const name of Object.keys(expected)) {
      expect(found[name]).toHaveLength(expected[name].length);
      const scale = Math.max(...expected[name].map(Math.abs));
      const difference = Math.max(...found[name].map((value, i) => Math.abs(value - expected[name][i])));
      expect(difference, name).toBeLessThan(1e-5 * scale);
    }
  });
});

describe.skipIf(!hasNative)('the block size of this machine', () => {
  it('is found in whatever order sizes are tried, and a wrong one prints nothing', async () => {
    const severities: unknown[] = [];
    const create = ((model: Uint8Array, options: { logSeverityLevel?: 0 | 1 | 2 | 3 | 4 }) => {
      severities.push(options.logSeverityLevel);
      return native.runtime.InferenceSession.create(model, options);
    }) as typeof native.runtime.InferenceSession.create;
    const runtime = { ...native.runtime, InferenceSession: { create } } as OnnxRuntime;
    const sizes = [await channelBlockSize(runtime, [16, 8]), await channelBlockSize(runtime, [8, 16])];
    expect(sizes).toEqual([native.channelBlock, native.channelBlock]);
    // 4 is the severity at which ONNX Runtime stays silent.
    expect(new Set(severities)).toEqual(new Set([4]));
  });
});
