import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { MAX_POOL_GATHER } from '../../src/compute/kernels.js';
import { dot, expectClose, normalVector } from '../support/vectors.js';
import { type WindowGeometry, windowGeometries } from '../support/window-geometry.js';

const BACKENDS = ['wasm', 'cpu'] as const;
const RUNS = { seed: 7, numRuns: 40 };
const EXACT = 2e-5;

interface Array4D {
  shape: [number, number, number, number];
  values: Float64Array;
}

function array(shape: [number, number, number, number], seed: number, name: string): Array4D {
  return {
    shape,
    values: normalVector(
      shape.reduce((a, b) => a * b, 1),
      seed,
      name,
    ),
  };
}

/** Rounded to few values, so that windows hold equal maxima. */
function withTies({ shape, values }: Array4D): Array4D {
  return { shape, values: values.map(Math.round) };
}

function upload({ shape, values }: Array4D): tf.Tensor4D {
  return tf.tensor4d(Float32Array.from(values), shape);
}

function runKernel(name: string, inputs: Record<string, Array4D>, attrs: object): Float32Array {
  return tf.tidy(() => {
    const tensors = Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, upload(value)]));
    return (tf.engine().runKernel(name, tensors, attrs as never) as tf.Tensor).dataSync() as Float32Array;
  });
}

function convolutionOf(geometry: WindowGeometry, depthwise: boolean) {
  const { batch, height, width, channels, outChannels, window, strides, pad, seed } = geometry;
  const x = array([batch, height, width, channels], seed, 'x');
  const filter = array([...window, channels, outChannels], seed, 'filter');
  const attrs = { strides, pad, dataFormat: 'NHWC', dilations: [1, 1] };
  const info = tf.backend_util.computeConv2DInfo(
    x.shape,
    filter.shape,
    strides,
    1,
    pad,
    undefined,
    depthwise,
    'channelsLast',
  );
  return { x, filter, attrs, dy: array(info.outShape, seed, 'dy') };
}

function poolingOf(geometry: WindowGeometry, ties = false) {
  const { batch, height, width, channels, window, strides, pad, seed } = geometry;
  const drawn = array([batch, height, width, channels], seed, 'x');
  const x = ties ? withTies(drawn) : drawn;
  const attrs = { filterSize: window, strides, pad };
  const info = tf.backend_util.computePool2DInfo(x.shape, window, strides, 1, pad);
  return { x, attrs, info, dy: array(info.outShape, seed, 'dy') };
}

beforeAll(async () => {
  await prepareBackend('cpu');
  await prepareBackend('wasm');
});

/** Runs on every backend in turn and compares the others with the first. */
async function expectSameOnAllBackends(compute: () => Float32Array): Promise<void> {
  const results: Float32Array[] = [];
  for (const backend of BACKENDS) {
    await tf.setBackend(backend);
    results.push(compute());
  }
  expectClose(results[0], results[1], EXACT, { label: 'wasm against cpu' });
}

describe.each([
  { name: 'convolution', forward: 'Conv2D', prefix: 'Conv2DBackprop', depthwise: false },
  {
    name: 'depthwise convolution',
    forward: 'DepthwiseConv2dNative',
    prefix: 'DepthwiseConv2dNativeBackprop',
    depthwise: true,
  },
])('$name gradients', ({ forward, prefix, depthwise }) => {
  it('are the same on wasm and cpu, and so is the convolution', async () => {
    await fc.assert(
      fc.asyncProperty(windowGeometries(), async (geometry) => {
        const { x, filter, dy, attrs } = convolutionOf(geometry, depthwise);
        await expectSameOnAllBackends(() => runKernel(forward, { x, filter }, attrs));
        await expectSameOnAllBackends(() =>
          runKernel(`${prefix}Filter`, { x, dy }, { ...attrs, filterShape: filter.shape }),
        );
        await expectSameOnAllBackends(() =>
          runKernel(`${prefix}Input`, { dy, filter }, { ...attrs, inputShape: x.shape }),
        );
      }),
      RUNS,
    );
  });

  it.each(BACKENDS)('are the adjoints of the convolution on %s', async (backend) => {
    await tf.setBackend(backend);
    fc.assert(
      fc.property(windowGeometries(), (geometry) => {
        const { x, filter, dy, attrs } = convolutionOf(geometry, depthwise);
        const y = runKernel(forward, { x, filter }, attrs);
        const dFilter = runKernel(`${prefix}Filter`, { x, dy }, { ...attrs, filterShape: filter.shape });
        const dx = runKernel(`${prefix}Input`, { dy, filter }, { ...attrs, inputShape: x.shape });
        const product = dot(y, dy.values);
        const scale = 1 + Math.abs(product);
        expect(Math.abs(dot(dFilter, filter.values) - product) / scale).toBeLessThan(1e-4);
        expect(Math.abs(dot(dx, x.values) - product) / scale).toBeLessThan(1e-4);
      }),
      RUNS,
    );
  });
});

/** Positions of a pooling window's first maximum, by definition. */
function naiveMaxPoolGradient({ x, info, dy }: ReturnType<typeof poolingOf>): Float64Array {
  const [batch, height, width, channels] = x.shape;
  const result = new Float64Array(x.values.length);
  const at = (n: number, r: number, c: number, k: number): number =>
    ((n * height + r) * width + c) * channels + k;
  let output = 0;
  for (let n = 0; n < batch; n++) {
    for (let row = 0; row < info.outHeight; row++) {
      for (let column = 0; column < info.outWidth; column++) {
        for (let k = 0; k < channels; k++, output++) {
          const window: number[] = [];
          for (let i = 0; i < info.filterHeight; i++) {
            for (let j = 0; j < info.filterWidth; j++) {
              const r = row * info.strideHeight - info.padInfo.top + i;
              const c = column * info.strideWidth - info.padInfo.left + j;
              if (r >= 0 && r < height && c >= 0 && c < width) {
                window.push(at(n, r, c, k));
              }
            }
          }
          const largest = Math.max(...window.map((position) => x.values[position]));
          const first = window.find((position) => x.values[position] === largest);
          if (first !== undefined) {
            result[first] += dy.values[output];
          }
        }
      }
    }
  }
  return result;
}

describe.each(BACKENDS)('pooling gradients on %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });

  it.each([false, true])('max pooling gives to the first maximum of a window (ties: %s)', (ties) => {
    fc.assert(
      fc.property(windowGeometries(), (geometry) => {
        const pooling = poolingOf(geometry, ties);
        const { x, dy, attrs } = pooling;
        const actual = runKernel('MaxPoolGrad', { dy, input: x, output: dy }, attrs);
        expectClose(actual, naiveMaxPoolGradient(pooling), EXACT);
      }),
      RUNS,
    );
  });

  it.each([false, true])('gathering at maxima and scattering to them are adjoint (ties: %s)', (ties) => {
    fc.assert(
      fc.property(windowGeometries(), (geometry) => {
        const { x, dy, attrs } = poolingOf(geometry, ties);
        const values = array(x.shape, geometry.seed, 'values');
        const gathered = runKernel(MAX_POOL_GATHER, { values, input: x }, attrs);
        const scattered = runKernel('MaxPoolGrad', { dy, input: x, output: dy }, attrs);
        expect(Math.abs(dot(gathered, dy.values) - dot(values.values, scattered))).toBeLessThan(1e-4);
      }),
      RUNS,
    );
  });

  it('gathering the input itself is max pooling', () => {
    fc.assert(
      fc.property(windowGeometries(), (geometry) => {
        const { x, attrs, info } = poolingOf(geometry);
        const gathered = runKernel(MAX_POOL_GATHER, { values: x, input: x }, attrs);
        const pooled = runKernel('MaxPool', { x }, attrs);
        expect(gathered.length).toBe(info.outShape.reduce((a, b) => a * b, 1));
        expectClose(gathered, pooled, EXACT);
      }),
      RUNS,
    );
  });

  it('average pooling and its gradient are adjoint, into the padding too', () => {
    fc.assert(
      fc.property(windowGeometries(), (geometry) => {
        const { x, dy, attrs } = poolingOf(geometry);
        const pooled = runKernel('AvgPool', { x }, attrs);
        const gradient = runKernel('AvgPoolGrad', { dy, input: x }, attrs);
        expect(Math.abs(dot(pooled, dy.values) - dot(x.values, gradient))).toBeLessThan(1e-4);
      }),
      RUNS,
    );
  });
});

describe('kernels that wasm lacks or has slow', () => {
  it('matrix products with any transpose flags are the same on wasm and cpu', async () => {
    const small = fc.integer({ min: 1, max: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: fc.constantFrom([1, 1], [3, 3], [1, 3], [3, 1]),
          rows: small,
          inner: small,
          columns: small,
          transposeA: fc.boolean(),
          transposeB: fc.boolean(),
          seed: fc.nat(1000),
        }),
        async ({ batch, rows, inner, columns, transposeA, transposeB, seed }) => {
          const shapeOf = (first: number, second: number, transposed: boolean): [number, number] =>
            transposed ? [second, first] : [first, second];
          const [aBatch, bBatch] = batch;
          const a = array([1, aBatch, ...shapeOf(rows, inner, transposeA)], seed, 'a');
          const b = array([1, bBatch, ...shapeOf(inner, columns, transposeB)], seed, 'b');
          await expectSameOnAllBackends(() =>
            tf.tidy(() => tf.matMul(upload(a), upload(b), transposeA, transposeB).dataSync() as Float32Array),
          );
        },
      ),
      RUNS,
    );
  });

  it.each([
    {
      name: 'UnsortedSegmentSum (the gradient of gather)',
      compute: () =>
        tf.unsortedSegmentSum(tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]), tf.tensor1d([2, 0, 2], 'int32'), 4),
    },
    {
      name: 'gradient of gather',
      compute: () =>
        tf.grad((x) => tf.sum(tf.square(tf.gather(x, tf.tensor1d([1, 1, 0], 'int32')))))(
          tf.tensor1d([1, 2, 3]),
        ),
    },
    { name: 'Erf', compute: () => tf.erf(tf.tensor1d([-0.5, 0.25, 2])) },
    { name: 'Expm1', compute: () => tf.expm1(tf.tensor1d([-0.5, 0.25, 2])) },
  ])('$name is the same on wasm and cpu', async ({ compute }) => {
    await expectSameOnAllBackends(() => tf.tidy(() => compute().dataSync() as Float32Array));
  });

  it('numbers below 1e-7 have a sign on wasm', async () => {
    await prepareBackend('wasm');
    expect([...tf.sign(tf.tensor1d([1e-8, -1e-8, 1e-30, -1e-30, 2, 0])).dataSync()]).toEqual([
      1, -1, 1, -1, 1, 0,
    ]);
  });

  it('every kernel of the cpu backend is there on wasm', () => {
    const present = new Set(tf.getKernelsForBackend('wasm').map(({ kernelName }) => kernelName));
    const missing = tf.getKernelsForBackend('cpu').filter(({ kernelName }) => !present.has(kernelName));
    expect(missing.map(({ kernelName }) => kernelName)).toEqual([]);
  });

  it('a kernel that runs on cpu in place of wasm leaves nothing behind', async () => {
    await tf.setBackend('wasm');
    const cpu = tf.findBackend('cpu');
    const data = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const ids = tf.tensor1d([1, 0], 'int32');
    const before = {
      tensors: tf.memory().numTensors,
      cpu: cpu.numDataIds(),
      wasm: tf.backend().numDataIds(),
    };
    tf.unsortedSegmentSum(data, ids, 2).dispose();
    const after = { tensors: tf.memory().numTensors, cpu: cpu.numDataIds(), wasm: tf.backend().numDataIds() };
    expect(after).toEqual(before);
  });

  it('gradient kernels leave no memory behind on wasm', async () => {
    await tf.setBackend('wasm');
    const before = tf.backend().numDataIds();
    for (const strides of [
      [1, 1],
      [2, 2],
    ] as [number, number][]) {
      const geometry: WindowGeometry = {
        batch: 2,
        height: 6,
        width: 5,
        channels: 2,
        outChannels: 3,
        window: [3, 2],
        strides,
        pad: 'same',
        seed: 1,
      };
      for (const depthwise of [false, true]) {
        const { x, filter, dy, attrs } = convolutionOf(geometry, depthwise);
        const prefix = depthwise ? 'DepthwiseConv2dNativeBackprop' : 'Conv2DBackprop';
        runKernel(`${prefix}Filter`, { x, dy }, { ...attrs, filterShape: filter.shape });
        runKernel(`${prefix}Input`, { dy, filter }, { ...attrs, inputShape: x.shape });
      }
      const { x, dy, attrs } = poolingOf(geometry);
      runKernel('AvgPoolGrad', { dy, input: x }, attrs);
      runKernel('MaxPoolGrad', { dy, input: x, output: dy }, attrs);
    }
    expect(tf.backend().numDataIds()).toBe(before);
  });

  it('refuses channels-first convolutions', async () => {
    await tf.setBackend('wasm');
    const { x, dy, filter, attrs } = convolutionOf(
      {
        batch: 1,
        height: 3,
        width: 3,
        channels: 1,
        outChannels: 1,
        window: [2, 2],
        strides: [1, 1],
        pad: 'valid',
        seed: 1,
      },
      false,
    );
    expect(() =>
      runKernel(
        'Conv2DBackpropFilter',
        { x, dy },
        { ...attrs, dataFormat: 'NCHW', filterShape: filter.shape },
      ),
    ).toThrow(/NHWC/);
  });

  it('a full heap is an error, not a write to address 0', async () => {
    await tf.setBackend('wasm');
    expect(() => tf.zeros([2 ** 30 - 1])).toThrow(/heap of WebAssembly, 4 GB, is full.*--memory-limit/);
  });
});
