import { layers, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { chooseWorkSizes, type WorkSizes } from '../../src/analysis/budget.js';
import {
  type Computation,
  compareComputations,
  nativeComputation,
  openComputation,
} from '../../src/analysis/computation.js';
import type { Problem } from '../../src/analysis/problem.js';
import { resourceScope } from '../../src/analysis/resources.js';
import { prepareBackend } from '../../src/compute/backend.js';
import type { NativeOptions } from '../../src/compute/compile/native-session.js';
import { CURVATURES } from '../../src/curvature/products.js';
import { silentProgress } from '../../src/progress.js';
import type { Report } from '../../src/report/schema.js';
import { configWith, fixedCheckpoint, problemOf, smallModel } from '../analysis/support.js';
import { hasNative, native } from '../compute/compile/support.js';
import { analyzed, quick, trainOnImages, writeImages } from '../end-to-end/support.js';
import { normalVector } from '../support/vectors.js';

/** A small problem whose engine compiles native programs, or has none. */
async function problemWith(options: NativeOptions | null): Promise<Problem> {
  const problem = await problemOf(await fixedCheckpoint(smallModel()), { count: 20, shape: [4] });
  return { ...problem, engine: { ...problem.engine, native: options } };
}

function sizesOf(problem: Problem): Promise<WorkSizes> {
  return chooseWorkSizes(problem, configWith());
}

beforeAll(async () => {
  await prepareBackend('cpu');
});

interface Opened {
  native: boolean;
  notes: string[];
  product: Float64Array;
}

/** Opens the computation of a problem and computes one product with it. */
async function opened(problem: Problem): Promise<Opened> {
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (message: string) => notes.push(message) };
  const sizes = await sizesOf(problem);
  return resourceScope(async (scope) => {
    const computation: Computation & { native: boolean } = await openComputation(
      problem,
      { curvature: 'hessian' },
      sizes,
      progress,
      scope,
    );
    const product = await computation.curvature.apply(normalVector(problem.network.dimension, 1));
    return { native: computation.native, notes, product };
  });
}

/** A runtime whose programs give results that are wrong by a factor. */
function wrongBy(factor: number): NativeOptions {
  const { runtime } = native;
  type Session = Awaited<ReturnType<typeof runtime.InferenceSession.create>>;
  const create = async (...parameters: [Uint8Array]): Promise<Session> => {
    const session = await runtime.InferenceSession.create(...parameters);
    const run = async (inputs: Parameters<Session['run']>[0]) => {
      const outputs = await session.run(inputs);
      for (const { data } of Object.values(outputs)) {
        if (data instanceof Float32Array) {
          data.forEach((value, i) => {
            data[i] = value * factor;
          });
        }
      }
      return outputs;
    };
    return { ...session, run, release: () => session.release() } as Session;
  };
  return { ...native, runtime: { ...runtime, InferenceSession: { create } } as typeof runtime };
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
    for (const kind of CURVATURES) {
      expect(await compareComputations(problem, kind, await sizesOf(problem))).toBeLessThan(1e-5);
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
    const fallback = await opened({ ...problem, engine: { ...problem.engine, native } });
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
      expect.stringMatching(/^compiled programs differ from tfjs by [1-9]\.\de-2 .*; computing with tfjs$/),
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

  it('takes batches no larger than fit into memory under tfjs', async () => {
    const problem = await problemWith(native);
    const sizes = { ...(await sizesOf(problem)), productBatch: 3 };
    await resourceScope(async (scope) => {
      const computation = await nativeComputation(problem, 'hessian', sizes, scope);
      const done: number[] = [];
      await computation.train.at(problem.network.weights, (examples) => done.push(examples));
      expect(done).toEqual([3, 6, 9, 12, 15, 18, 20]);
    });
  });

  it('is that of tfjs where native results are no numbers', async () => {
    const wrong = await opened(await problemWith(wrongBy(Number.NaN)));
    expect(wrong).toMatchObject({ native: false, notes: [expect.stringMatching(/differ from tfjs by NaN/)] });
  });
});

describe.skipIf(!hasNative)('a whole analysis', () => {
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
