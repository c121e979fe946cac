import { availableParallelism } from 'node:os';
import { conv2d, matMul, relu, type Tensor2D, type Tensor4D, tensor } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnalysisEngine, prepareEngine } from '../../src/compute/backend.js';
import type { NativeProgram } from '../../src/compute/compile/native-session.js';
import { TracedProgram } from '../../src/compute/compile/program.js';
import { loadWebRuntime, WEB_RUNTIME_PACKAGE } from '../../src/compute/onnx-runtime.js';

const found = await loadWebRuntime(1);
const isInstalled = typeof found !== 'string';
if (!isInstalled) {
  console.info(`${WEB_RUNTIME_PACKAGE}: ${found}; its tests are skipped`);
}

describe.skipIf(!isInstalled)('ONNX Runtime as WebAssembly', () => {
  let engine: AnalysisEngine;
  const programs: NativeProgram[] = [];

  beforeAll(async () => {
    engine = await prepareEngine('onnx-web', 1);
  });
  afterAll(() => Promise.all(programs.map((program) => program.dispose())));

  async function productProgram(): Promise<NativeProgram> {
    const traced = TracedProgram.trace({
      name: 'product',
      run: ({ left, right }) => ({ product: relu(matMul(left as Tensor2D, right as Tensor2D)) }),
      sampleInputs: (rows) => ({
        left: tensor(new Float32Array(2 * rows), [rows, 2]),
        right: tensor([1, 2, 3, 4], [2, 2]),
      }),
    });
    const program = await traced.compile(2, engine.onnx!);
    programs.push(program);
    return program;
  }
  const native = (values: number[], shape: number[]) =>
    new engine.onnx!.runtime.Tensor('float32', Float32Array.from(values), shape);

  it('is an engine that says its version and threads', () => {
    expect(engine).toMatchObject({ backend: 'onnx-web', threads: 1, notes: [] });
    expect(engine.versions[WEB_RUNTIME_PACKAGE]).toMatch(/^\d+\.\d+/);
  });

  it('computes a compiled product', async () => {
    const program = await productProgram();
    const { product } = await program.run({
      left: native([1, 0, -1, 1], [2, 2]),
      right: native([1, 2, 3, 4], [2, 2]),
    });
    expect([...(product.data as Float32Array)]).toEqual([1, 2, 2, 2]);
  });

  it('runs a program several times in a row', async () => {
    const traced = TracedProgram.trace({
      name: 'power',
      run: ({ power, matrix }) => ({ next: matMul(matrix as Tensor2D, power as Tensor2D) }),
      sampleInputs: () => ({ power: tensor([1, 2, 3, 4], [2, 2]), matrix: tensor([1, 2, 3, 4], [2, 2]) }),
    });
    const inputs = { carried: { power: 'next' }, varied: ['matrix'] };
    const series = await traced.compileSeries(2, inputs, engine.onnx!);
    const { carried } = await series.run({ power: native([1, 0, 0, 1], [2, 2]) }, [
      { matrix: Float32Array.of(1, 1, 0, 1) },
      { matrix: Float32Array.of(1, 0, 2, 1) },
    ]);
    expect([...(carried.power.data as Float32Array)]).toEqual([1, 1, 2, 3]);
    await series.dispose();
  });

  it('convolves as tfjs does', async () => {
    const wave = (length: number, step: number): number[] =>
      Array.from({ length }, (_, i) => Math.sin(step * (i + 1)));
    const images = wave(2 * 6 * 5 * 3, 0.7);
    const filters = wave(3 * 3 * 3 * 4, 1.3);
    const convolve = (x: Tensor4D, filter: Tensor4D): Tensor4D => conv2d(x, filter, 2, 'same');
    const traced = TracedProgram.trace({
      name: 'convolution',
      run: ({ x, filter }) => ({ y: convolve(x as Tensor4D, filter as Tensor4D) }),
      sampleInputs: (size) => ({
        x: tensor(new Float32Array(size * 90), [size, 6, 5, 3]),
        filter: tensor(filters, [3, 3, 3, 4]),
      }),
    });
    const program = await traced.compile(2, engine.onnx!);
    programs.push(program);
    const { y } = await program.run({
      x: native(images, [2, 6, 5, 3]),
      filter: native(filters, [3, 3, 3, 4]),
    });
    const expected = convolve(tensor(images, [2, 6, 5, 3]), tensor(filters, [3, 3, 3, 4])).dataSync();
    expect(y.data.length).toBe(expected.length);
    expected.forEach((value, i) => {
      expect((y.data as Float32Array)[i]).toBeCloseTo(value, 5);
    });
  });
});

describe('ONNX Runtime as WebAssembly, not installed', () => {
  it('is told so', async () => {
    const missing = async (name: string): Promise<unknown> => {
      throw Object.assign(new Error(`Cannot find package '${name}'`), { code: 'ERR_MODULE_NOT_FOUND' });
    };
    expect(await loadWebRuntime(availableParallelism(), missing)).toBe('not installed');
  });
});
