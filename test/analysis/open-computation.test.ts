import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dispose, memory, tensor } from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareComputations } from '../../src/analysis/agreement.js';
import { compiledWorkSizes } from '../../src/analysis/compiled-budget.js';
import { explainExecutorFailure } from '../../src/analysis/executor-failure.js';
import { type OpenedComputation, openComputation } from '../../src/analysis/open-computation.js';
import type { Problem } from '../../src/analysis/problem.js';
import { resourceScope } from '../../src/analysis/resources.js';
import { prepareBackend } from '../../src/compute/backend.js';
import type { NativeOptions } from '../../src/compute/compile/native-session.js';
import { onnxExecutor } from '../../src/compute/compile/onnx-executor.js';
import { NotCompilableError } from '../../src/compute/compile/trace.js';
import type { ProgramPlans } from '../../src/compute/executor.js';
import { InputError } from '../../src/errors.js';
import { type Network, weightTensors } from '../../src/network/network.js';
import { CURVATURES } from '../../src/programs/curvature-products.js';
import { prepareLossPrograms } from '../../src/programs/loss-programs.js';
import { silentProgress } from '../../src/progress.js';
import type { Report } from '../../src/report/schema.js';
import { configWith, fixedCheckpoint, problemOf, smallModel } from '../analysis/support.js';
import { hasNative, native, wrongBy } from '../compute/compile/support.js';
import { analyzed, quick, root, trainOnImages, writeImages } from '../end-to-end/support.js';
import { normalVector } from '../support/vectors.js';

/** A small problem whose engine compiles native programs, or has none. */
async function problemWith(options: NativeOptions | null): Promise<Problem> {
  const problem = await problemOf(await fixedCheckpoint(smallModel()), { count: 20, shape: [4] });
  return { ...problem, engine: { ...problem.engine, onnx: options } };
}

beforeAll(async () => {
  await prepareBackend('cpu');
});

async function tidiedLogits(network: Network, inputs: Float32Array, shape: number[]): Promise<Float32Array> {
  const weights = weightTensors(network, network.weights);
  const x = tensor(inputs, shape);
  const logits = network.logits(weights, x);
  const values = (await logits.data()) as Float32Array;
  dispose([...weights, x, logits]);
  return values;
}

interface Opened {
  native: boolean;
  notes: string[];
  product: Float64Array;
}

/** Opens the computation of a problem and computes one product with it. */
async function opened(problem: Problem): Promise<Opened> {
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (message: string) => notes.push(message) };
  return resourceScope(async (scope) => {
    const computation: OpenedComputation = await openComputation(problem, configWith(), progress, scope);
    const product = await computation.curvature.apply(normalVector(problem.network.dimension, 1));
    return { native: computation.plan !== null, notes, product };
  });
}

describe.skipIf(!hasNative)('the computation of an analysis', () => {
  it('is native where that is right', async () => {
    const compiled = await opened(await problemWith(native));
    expect(compiled).toMatchObject({ native: true, notes: [] });
    const eager = await opened(await problemWith(null));
    expect(eager).toMatchObject({ native: false, notes: [] });
    eager.product.forEach((value, i) => {
      expect(compiled.product[i]).toBeCloseTo(value, 5);
    });
  });

  it('differs from tfjs by rounding alone', async () => {
    const problem = await problemWith(native);
    const { network, loss, train } = problem;
    for (const kind of CURVATURES) {
      const executor = onnxExecutor(native);
      const programs = await prepareLossPrograms(executor, network, loss, kind, train);
      const { plan } = compiledWorkSizes(problem, configWith(), programs.product.plans as ProgramPlans);
      expect(await compareComputations(problem, { kind, executor, programs, plan })).toBeLessThan(1e-5);
    }
  });

  it('is that of tfjs, with a note, for a model that cannot be compiled', async () => {
    const model = sequential({
      layers: [
        layers.averagePooling3d({ poolSize: 2, inputShape: [4, 2, 2, 1] }),
        layers.flatten(),
        layers.dense({ units: 3 }),
      ],
    });
    const problem = await problemOf(await fixedCheckpoint(model), { count: 4, shape: [4, 2, 2, 1] });
    const fallback = await opened({ ...problem, engine: { ...problem.engine, onnx: native } });
    expect(fallback.native).toBe(false);
    expect(fallback.notes).toEqual([
      'this model cannot be compiled (kernel AvgPool3D has no ONNX lowering); computing with tfjs',
    ]);
    expect(fallback.product).toEqual((await opened(problem)).product);
  });

  it('is that of tfjs, with a note, where native results differ', async () => {
    const wrong = await opened(await problemWith(wrongBy(1.01)));
    expect(wrong.native).toBe(false);
    expect(wrong.notes).toEqual([
      expect.stringMatching(/compiled programs differ from tfjs by [1-9]\.\de-2\); computing with tfjs$/),
    ]);
    const eager = await opened(await problemWith(null));
    expect(wrong.product).toEqual(eager.product);
  });

  it('is that of tfjs, with a note, where a native program cannot run', async () => {
    const { runtime } = native;
    const create = async (...parameters: [Uint8Array]) => {
      const session = await runtime.InferenceSession.create(...parameters);
      const run = (): Promise<never> => Promise.reject(new Error('out of memory\nin a kernel'));
      return { run, release: () => session.release() };
    };
    const failing = { ...runtime, InferenceSession: { ...runtime.InferenceSession, create } };
    const options = { ...native, runtime: failing as unknown as NativeOptions['runtime'] };
    const { native: isNative, notes } = await opened(await problemWith(options));
    expect(isNative).toBe(false);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(
      /^this model cannot be compiled \(ONNX Runtime refuses .*: out of memory\); computing with tfjs$/,
    );
  });

  it('frees the tensors of the network, which nothing needs any more', async () => {
    const before = memory().numTensors;
    const problem = await problemWith(native);
    expect(memory().numTensors).toBeGreaterThan(before);
    await opened(problem);
    expect(memory().numTensors).toBe(before);
  });

  it('writes the programs it compiles where that is asked for', async () => {
    const problem = await problemWith(native);
    const dumpGraph = join(mkdtempSync(join(tmpdir(), 'prune-limit-')), 'graphs');
    await resourceScope(async (scope) => {
      const config = configWith({ dumpGraph });
      const { lossGradient } = await openComputation(problem, config, silentProgress, scope);
      await lossGradient(problem.network.weights);
    });
    expect(readdirSync(dumpGraph).sort()).toEqual([
      'gradient-20.onnx',
      'hessian-prologue-20.onnx',
      'hessian-step-20.onnx',
      'row-projection.onnx',
    ]);
    for (const file of readdirSync(dumpGraph)) {
      await native.runtime.InferenceSession.create(join(dumpGraph, file));
    }
  });

  describe('of a network that fits perfectly, where both sides compute noise', () => {
    async function fittedProblem(options: NativeOptions): Promise<Problem> {
      const checkpoint = await fixedCheckpoint(smallModel());
      const problem = await problemOf(checkpoint, { count: 20, shape: [4], loss: 'mse' });
      const { network, train } = problem;
      const outputs = await tidiedLogits(network, train.inputs(0, 20), [20, 4]);
      const fitted = { ...train, targets: (start: number, end: number) => outputs.slice(3 * start, 3 * end) };
      const engine = { ...problem.engine, onnx: options };
      return { ...problem, engine, train: fitted, epsilonTrain: fitted };
    }

    it('is native', async () => {
      expect(await opened(await fittedProblem(native))).toMatchObject({ native: true, notes: [] });
    });

    it.each([1.01, Number.NaN])('is that of tfjs where native results are wrong by %s', async (factor) => {
      expect(await opened(await fittedProblem(wrongBy(factor)))).toMatchObject({ native: false });
    });
  });

  it.each([1000, 1e4, 1e30])('is native for logits of %s', async (scale) => {
    const problem = await problemOf(await fixedCheckpoint(smallModel(), scale), { count: 20, shape: [4] });
    const engine = { ...problem.engine, onnx: native };
    const compiled = await opened({ ...problem, engine });
    expect(compiled).toMatchObject({ native: true, notes: [] });
    expect(compiled.product.every(Number.isFinite)).toBe(true);
  });

  it('is that of tfjs where native results are no numbers', async () => {
    const wrong = await opened(await problemWith(wrongBy(Number.NaN)));
    expect(wrong).toMatchObject({ native: false, notes: [expect.stringMatching(/differ from tfjs by NaN/)] });
  });
});

describe('a native program that fails under way', () => {
  it('is explained in one line; other errors stay what they are', () => {
    const failed = () =>
      explainExecutorFailure(new NotCompilableError('ONNX Runtime refuses row-projection: bad allocation'));
    expect(failed).toThrow(InputError);
    expect(failed).toThrow(
      'ONNX Runtime refuses row-projection: bad allocation; if memory ran out, give a smaller --memory-limit, else use --backend wasm',
    );
    const other = new RangeError('no');
    expect(() => explainExecutorFailure(other)).toThrow(other);
  });
});

describe.skipIf(!hasNative)('a whole analysis', () => {
  it('is native for a network that is sure of nearly all examples', async () => {
    const few = ['--steps', '2', '--probes', '1', '--test-examples', '100', '--ratios', '0.5'];
    const { engine } = await analyzed(join(root, 'fixtures/mnist-dense/model.json'), ...few);
    expect(engine).toMatchObject({ backend: 'onnx', products: { batches: 2 } });
  });

  it('gives the same limits as with tfjs', async () => {
    const model = await trainOnImages(writeImages());
    // Left to itself, reorthogonalisation is chosen by what it costs beside a product of the engine.
    const options = [...quick, '--reorthogonalization', 'full'];
    const compiled = await analyzed(model, ...options, '--backend', 'onnx');
    const eager = await analyzed(model, ...options, '--backend', 'wasm');
    const limitsOf = ({ limits }: Report): number[] => [
      limits.gaussianWidth.pruned,
      limits.sharp.pruned,
      limits.slice.pruned,
    ];
    limitsOf(eager).forEach((limit, index) => {
      expect(limit).toBeGreaterThan(0);
      expect(Math.abs(limitsOf(compiled)[index] - limit)).toBeLessThan(1e-3);
    });
  });
});
