import {
  add,
  cast,
  engine,
  exp,
  greater,
  maximum,
  mul,
  neg,
  step,
  sub,
  sum,
  type Tensor,
  tensor,
  tidy,
  where,
} from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../../src/compute/backend.js';
import type { Graph } from '../../../src/compute/compile/graph.js';
import { separateFixedTransposes, unfoldFilterGradients } from '../../../src/compute/compile/restructure.js';
import { simplify } from '../../../src/compute/compile/simplify.js';
import {
  NotCompilableError,
  recordKernels,
  renumbered,
  traceProgram,
} from '../../../src/compute/compile/trace.js';
import type { Program } from '../../../src/compute/tensor-program.js';
import { randomStream } from '../../../src/random.js';
import { expectClose } from '../../support/vectors.js';
import { type WindowGeometry, windowGeometries } from '../../support/window-geometry.js';
import { graphOf, hasNative, kernelsOf, runGraph, type ShapedData, shapedData } from './support.js';

beforeAll(async () => {
  await prepareBackend('wasm');
});

const TOLERANCE = 1e-5;

function kernel(name: string, inputs: Record<string, Tensor>, attributes: object = {}): Tensor {
  return engine().runKernel(name, inputs, attributes as never) as Tensor;
}

function normal(shape: readonly number[], seed: number): ShapedData {
  const random = randomStream(seed, `normal ${shape}`);
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { shape, data: Float32Array.from({ length: size }, () => random.normal()) };
}

/** Runs a program with tfjs and, traced and rewritten, with ONNX Runtime; the results must agree. */
async function expectAgreement(
  program: Program,
  inputs: Record<string, ShapedData>,
  ...rewritings: ((graph: Graph) => Graph)[]
): Promise<void> {
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [name, tensor(data, [...shape])]),
  );
  const expected: Record<string, ShapedData> = {};
  tidy(() => {
    for (const [name, result] of Object.entries(program(tensors))) {
      expected[name] = shapedData(result);
    }
  });
  const traced = traceProgram(program, tensors);
  expect(renumbered(traced)).toEqual(renumbered(recordKernels(program, tensors)));
  for (const one of Object.values(tensors)) {
    one.dispose();
  }
  for (const rewriting of rewritings) {
    const found = await runGraph(rewriting(traced), inputs);
    for (const [name, { data }] of Object.entries(expected)) {
      expectClose(found[name], data, TOLERANCE, { label: name });
    }
  }
}

describe('unfolding filter gradients', () => {
  const gradientNode = (strides: number) =>
    graphOf({
      values: { x: [2, 4, 4, 1], dy: [2, 4, 4, 3], y: [3, 3, 1, 3] },
      inputs: ['x', 'dy'],
      nodes: [
        {
          kernel: 'Conv2DBackpropFilter',
          inputs: { x: 'x', dy: 'dy' },
          outputs: ['y'],
          attributes: { strides, pad: 'same', dataFormat: 'NHWC', filterShape: [3, 3, 1, 3] },
        },
      ],
      outputs: ['y'],
    });

  it.each([
    ['the input, where it is fixed', ['dy'], 1, 'x'],
    ['the gradient, where only that is fixed', ['x'], 1, 'dy'],
    ['the input, where only the gradient is fixed but there is a stride', ['x'], 2, 'x'],
    ['the input, where both are variable', ['x', 'dy'], 1, 'x'],
    ['the input, where both are fixed', [], 1, 'x'],
  ])('unfolds %s', (_, variable, strides, unfolded) => {
    const graph = gradientNode(strides);
    const result = unfoldFilterGradients(graph, variable, true);
    expect(kernelsOf(result)).toEqual(['PruneLimitUnfold', 'PruneLimitUnfoldedFilterGradient']);
    expect(result.nodes[0].inputs.x).toBe(graph.inputs[unfolded]);
    expect(result.outputs).toEqual(graph.outputs);
  });

  it('refuses channels-first convolutions', () => {
    const graph = gradientNode(1);
    const [node] = graph.nodes;
    const channelsFirst = { ...node, attributes: { ...node.attributes, dataFormat: 'NCHW' } };
    expect(() => unfoldFilterGradients({ ...graph, nodes: [channelsFirst] }, [], true)).toThrow(
      NotCompilableError,
    );
  });
});

/** All kernels that look through windows of a geometry. */
function windowProgram(geometry: WindowGeometry): Program {
  const { strides, pad, window, channels, outChannels, height, width, batch } = geometry;
  const convolution = { strides, pad, dataFormat: 'NHWC', dilations: [1, 1] };
  const pool = { filterSize: window, strides, pad };
  const filterShape = [...window, channels, outChannels];
  const depthwiseShape = [...window, channels, 2];
  return ({ x, filter, depthwise, u }) => {
    const forward = kernel('Conv2D', { x, filter }, convolution);
    const perChannel = kernel('DepthwiseConv2dNative', { x, filter: depthwise }, convolution);
    const largest = kernel('MaxPool', { x }, pool);
    const inputShape = [batch, height, width, channels];
    return {
      forward,
      convInput: kernel('Conv2DBackpropInput', { dy: forward, filter }, { ...convolution, inputShape }),
      convFilter: kernel('Conv2DBackpropFilter', { x, dy: forward }, { ...convolution, filterShape }),
      convFilterDual: kernel('Conv2DBackpropFilter', { x: u, dy: forward }, { ...convolution, filterShape }),
      perChannel,
      depthwiseInput: kernel(
        'DepthwiseConv2dNativeBackpropInput',
        { dy: perChannel, filter: depthwise },
        { ...convolution, inputShape },
      ),
      depthwiseFilter: kernel(
        'DepthwiseConv2dNativeBackpropFilter',
        { x, dy: perChannel },
        { ...convolution, filterShape: depthwiseShape },
      ),
      largest,
      largestGradient: kernel('MaxPoolGrad', { dy: largest, input: x, output: largest }, pool),
      gathered: kernel('PruneLimitMaxPoolGather', { values: u, input: x }, pool),
      average: kernel('AvgPool', { x }, pool),
      averageGradient: kernel('AvgPoolGrad', { dy: largest, input: x }, { ...pool, strides }),
    };
  };
}

describe.skipIf(!hasNative)('lowered kernels agree with tfjs', () => {
  it.each([
    ['distinct pixels', (value: number) => value],
    // Maxima of a window that are equal must be resolved alike.
    ['pixels with many ties', (value: number) => Math.sign(Math.round(value))],
  ])('windows over %s', async (_, pixel) => {
    await fc.assert(
      fc.asyncProperty(windowGeometries(), async (geometry) => {
        const { batch, height, width, channels, outChannels, window, seed } = geometry;
        const image = [batch, height, width, channels];
        const x = normal(image, seed);
        await expectAgreement(
          windowProgram(geometry),
          {
            x: { ...x, data: x.data.map(pixel) },
            u: normal(image, seed + 1),
            filter: normal([...window, channels, outChannels], seed + 2),
            depthwise: normal([...window, channels, 2], seed + 3),
          },
          (graph) => simplify(unfoldFilterGradients(simplify(graph), [], false)),
          // Unfolds `x` for one filter gradient and the output gradient for the other.
          (graph) => simplify(unfoldFilterGradients(simplify(graph), ['u'], true)),
        );
      }),
      { numRuns: 20, seed: 11 },
    );
  });

  it('matrix products with every transposition, of matrices and stacks', async () => {
    for (const stack of [[], [3]]) {
      for (const transposeA of [false, true]) {
        for (const transposeB of [false, true]) {
          await expectAgreement(
            ({ a, b }) => ({ y: kernel('BatchMatMul', { a, b }, { transposeA, transposeB }) }),
            {
              a: normal([...stack, ...(transposeA ? [4, 2] : [2, 4])], 1),
              b: normal([...stack, ...(transposeB ? [5, 4] : [4, 5])], 2),
            },
            (graph) => graph,
            (graph) => separateFixedTransposes(graph, []),
          );
        }
      }
    }
  });

  it('resizing up and down, with and without aligned corners', async () => {
    for (const alignCorners of [false, true]) {
      for (const size of [
        [8, 9],
        [2, 1],
        [4, 3],
        [1, 7],
      ]) {
        await expectAgreement(
          ({ images }) => {
            const attributes = { alignCorners, halfPixelCenters: false, size };
            const bilinear = kernel('ResizeBilinear', { images }, attributes);
            const nearest = kernel('ResizeNearestNeighbor', { images }, attributes);
            return {
              bilinear,
              nearest,
              bilinearGradient: kernel('ResizeBilinearGrad', { images, dy: exp(bilinear) }, attributes),
              nearestGradient: kernel('ResizeNearestNeighborGrad', { images, dy: exp(nearest) }, attributes),
            };
          },
          // Square: the gradient kernel of tfjs mixes up the sides of other images.
          { images: normal([2, 4, 4, 2], 3) },
          simplify,
        );
      }
    }
  });

  it('moving, joining and taking apart', async () => {
    await expectAgreement(
      ({ x, z }) => {
        const parts = engine().runKernel('Unpack', { value: x }, { axis: -2 }) as Tensor[];
        const halves = engine().runKernel('SplitV', { x }, { numOrSizeSplits: [1, 3], axis: -1 }) as Tensor[];
        return {
          part: parts[2],
          packed: kernel('Pack', parts.slice(1) as never, { axis: -1 }),
          half: halves[1],
          joined: kernel('Concat', halves as never, { axis: 2 }),
          reversed: kernel('Reverse', { x }, { dims: [0, -1] }),
          sliced: kernel('Slice', { x }, { begin: [1, 0, 2], size: [1, 3, 2] }),
          padded: kernel(
            'PadV2',
            { x },
            {
              paddings: [
                [0, 0],
                [1, 2],
                [0, 1],
              ],
              constantValue: 7,
            },
          ),
          tiled: kernel('Tile', { x }, { reps: [2, 1, 3] }),
          gathered: kernel('GatherV2', { x, indices: cast(z, 'int32') }, { axis: 2, batchDims: 0 }),
          any: cast(kernel('Any', { x: greater(x, 1) }, { axis: [-1], keepDims: false }), 'float32'),
        };
      },
      { x: normal([2, 3, 4], 4), z: { shape: [2], data: Float32Array.of(3, 1) } },
      simplify,
    );
  });

  it('programs of random elementwise operations, before and after simplification', async () => {
    const binary = [add, sub, mul, maximum, (a: Tensor, b: Tensor) => where(greater(a, b), a, neg(b))];
    const unary = [
      neg,
      (x: Tensor) => step(x, 0.3),
      (x: Tensor) => step(x),
      (x: Tensor) => mul(x, 0),
      (x: Tensor) => sum(x, 0, true),
      (x: Tensor) => cast(cast(x, 'int32'), 'float32'),
    ];
    const choice = fc.record({ binary: fc.nat(4), unary: fc.nat(5), left: fc.nat(50), right: fc.nat(50) });
    await fc.assert(
      fc.asyncProperty(fc.array(choice, { minLength: 1, maxLength: 12 }), async (choices) => {
        await expectAgreement(
          ({ x, row }) => {
            const made: Tensor[] = [x, row, tensor([[0], [0]]), tensor([1, 1, 1]), tensor(-0.5)];
            for (const { binary: b, unary: u, left, right } of choices) {
              const result = binary[b](made[left % made.length], made[right % made.length]);
              made.push(result, result.rank === 2 ? unary[u](result) : neg(result));
            }
            return Object.fromEntries(made.slice(5).map((one, index) => [`y${index}`, one]));
          },
          { x: normal([2, 3], 5), row: normal([3], 6) },
          (graph) => ({ ...graph, nodes: graph.nodes }),
          simplify,
        );
      }),
      { numRuns: 20, seed: 12 },
    );
  });

  it('refuses kernels it does not know, and settings it does not have', async () => {
    const node = (name: string, attributes: Record<string, unknown> = {}) =>
      graphOf({
        values: { images: [1, 2, 2, 1], y: [1, 4, 4, 1] },
        inputs: ['images'],
        nodes: [{ kernel: name, inputs: { images: 'images' }, outputs: ['y'], attributes }],
        outputs: ['y'],
      });
    const x = { images: normal([1, 2, 2, 1], 7) };
    await expect(runGraph(node('FFT'), x)).rejects.toThrow(NotCompilableError);
    await expect(runGraph(node('FFT'), x)).rejects.toThrow('kernel FFT has no ONNX lowering');
    const halfPixels = node('ResizeBilinear', { size: [4, 4], halfPixelCenters: true });
    await expect(runGraph(halfPixels, x)).rejects.toThrow(NotCompilableError);
  });

  it('refuses what ONNX Runtime does not implement', async () => {
    const graph = graphOf({
      values: { x: [2], b: { shape: [2], type: 'bool' }, y: { shape: [2], type: 'bool' } },
      inputs: ['x'],
      nodes: [
        { kernel: 'Cast', inputs: { x: 'x' }, outputs: ['b'] },
        { kernel: 'Exp', inputs: { x: 'b' }, outputs: ['y'] },
      ],
      outputs: ['y'],
    });
    const failure = runGraph(graph, { x: normal([2], 8) });
    await expect(failure).rejects.toThrow(NotCompilableError);
    await expect(failure).rejects.toThrow(/ONNX Runtime refuses test/);
  });
});
