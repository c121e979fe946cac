import { memory } from '@tensorflow/tfjs-core';
import { layers, type RNN, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { onnxExecutor } from '../../src/compute/compile/onnx-executor.js';
import { NotCompilableError } from '../../src/compute/compile/trace.js';
import type { PreparedProgram, ProgramPlans } from '../../src/compute/executor.js';
import { PRODUCT_PLANS, type ProductPlan, planProducts } from '../../src/curvature/product-plan.js';
import {
  curvatureOperator,
  type LossProblem,
  lossGradient,
  plannedCurvatureOperator,
} from '../../src/curvature/products.js';
import type { ExampleSource } from '../../src/network/example-source.js';
import { LOSS_NAMES } from '../../src/network/loss.js';
import { createBatches, worthwhileBatchSize } from '../../src/programs/batches.js';
import { CURVATURES, type CurvatureKind } from '../../src/programs/curvature-products.js';
import { evaluate, type LossEvaluator, lossEvaluator } from '../../src/programs/evaluation.js';
import {
  evaluationProgram,
  gradientProgram,
  prepareLossPrograms,
  productProgram,
  vectorInputs,
} from '../../src/programs/loss-programs.js';
import { hasNative, native } from '../compute/compile/support.js';
import {
  ACTIVATIONS,
  dilatedCases,
  imageCases,
  mlpCase,
  sequenceCases,
  smallConvNet,
  upsamplingCases,
} from '../support/network-cases.js';
import { type ModelCase, type SeededProblem, withProblem } from '../support/problems.js';
import { expectClose, normalVector } from '../support/vectors.js';

/** Relative difference that rounding to float32 in another order stays below. */
const TOLERANCE = 1e-4;
/** Batches of 3, 3 and 1. */
const SIZES = { seed: 3, examples: 7, batchSize: 3 };

const executor = hasNative ? onnxExecutor(native) : null!;

/** The problem in the memory of ONNX Runtime. */
function compiledOf({ network, loss, source }: SeededProblem, keepBytes = 0): LossProblem {
  const { batchSize } = SIZES;
  return {
    network,
    loss,
    batches: createBatches(source, network.outputs, { batchSize, keepBytes, executor }),
  };
}

async function evaluatorOf({ network, loss, source }: SeededProblem): Promise<LossEvaluator> {
  return lossEvaluator(network, loss, await executor.prepare(evaluationProgram(network, loss, source)));
}

function preparedProduct(
  { network, loss, source }: SeededProblem,
  kind: CurvatureKind,
): Promise<PreparedProgram> {
  return executor.prepare(productProgram(network, loss, kind, source));
}

async function expectForwardAndGradientAgree(problem: SeededProblem): Promise<void> {
  const { network, loss, batches, source, nameOf } = problem;
  const compiled = compiledOf(problem);
  // Not only at the weights the program was traced at.
  const elsewhere = network.weights.map((weight, i) => weight * (1 + 0.1 * Math.sin(i)));
  const evaluator = await evaluatorOf(problem);
  const gradient = await executor.prepare(gradientProgram(network, loss, source));
  try {
    for (const weights of [network.weights, elsewhere]) {
      const expected = await evaluate(network, loss, batches, weights);
      const found = await evaluator.evaluate(compiled.batches, weights);
      expectClose(found.losses, expected.losses, TOLERANCE, { label: 'losses' });
      expect(found.accuracy).toBe(expected.accuracy);
      const expectedGradient = await lossGradient(problem, weights);
      const foundGradient = await lossGradient(compiled, weights, gradient);
      expect(Math.abs(foundGradient.loss / expectedGradient.loss - 1), 'loss').toBeLessThan(TOLERANCE);
      expectClose(foundGradient.gradient, expectedGradient.gradient, TOLERANCE, {
        label: 'gradient',
        nameOf,
      });
    }
  } finally {
    evaluator.dispose();
  }
}

/** A plan for batches of three with room to keep shared parts. */
function planOf(
  { network, source }: SeededProblem,
  product: PreparedProgram,
  cacheBytes: number,
  asked: ProductPlan['name'] | 'auto' = 'auto',
): ProductPlan {
  const demand = { batchSize: SIZES.batchSize, cacheBytes, workingBytes: 2 ** 30, vectors: 1 };
  return planProducts(
    product.plans as ProgramPlans,
    vectorInputs(network),
    { examples: source.count, ...demand },
    asked,
  );
}

async function expectProductsAgree(problem: SeededProblem, kind: CurvatureKind): Promise<void> {
  const { network, nameOf } = problem;
  const vectors = [1, 2].map((seed) => normalVector(network.dimension, seed));
  const eager = curvatureOperator(problem, kind);
  const expected = [await eager.apply(vectors[0]), await eager.apply(vectors[1])];
  eager.dispose();
  const product = await preparedProduct(problem, kind);
  for (const name of PRODUCT_PLANS) {
    const plan = planOf(problem, product, name === 'kept' ? 2 ** 30 : 0, name);
    expect(plan).toMatchObject({ name, batches: 3, keptBatches: name === 'kept' ? 3 : 0 });
    const compiled = await plannedCurvatureOperator(compiledOf(problem), kind, product, plan);
    try {
      const together = await Promise.all(vectors.map((vector) => compiled.apply(vector)));
      together.push(await compiled.apply(vectors[0]));
      for (const [index, found] of together.entries()) {
        expectClose(found, expected[index % 2], TOLERANCE, {
          label: `${kind} product ${index}, ${name}`,
          nameOf,
        });
      }
    } finally {
      compiled.dispose();
    }
  }
}

/** Layers beyond those whose derivatives are tested one by one. */
const furtherCases: ModelCase[] = [
  {
    name: 'bidirectional LSTM',
    build: () =>
      sequential({
        layers: [
          layers.bidirectional({
            layer: layers.lstm({ units: 2, recurrentInitializer: 'glorotUniform' }) as RNN,
            mergeMode: 'concat',
            inputShape: [3, 3],
          }),
          layers.dense({ units: 3 }),
        ],
      }),
    shape: [3, 3],
    outputs: 3,
    loss: 'cross-entropy',
  },
  {
    name: 'ConvLSTM2D',
    build: () =>
      sequential({
        layers: [
          layers.convLstm2d({
            filters: 2,
            kernelSize: 2,
            recurrentInitializer: 'glorotUniform',
            inputShape: [3, 4, 4, 1],
          }),
          layers.flatten(),
          layers.dense({ units: 3 }),
        ],
      }),
    shape: [3, 4, 4, 1],
    outputs: 3,
    loss: 'cross-entropy',
  },
  {
    name: 'Masking and GRU',
    build: () =>
      sequential({
        layers: [
          layers.masking({ maskValue: 0, inputShape: [3, 3] }),
          layers.gru({ units: 2, recurrentInitializer: 'glorotUniform' }),
          layers.dense({ units: 3 }),
        ],
      }),
    shape: [3, 3],
    outputs: 3,
    loss: 'cross-entropy',
  },
  {
    name: 'Embedding',
    build: () =>
      sequential({
        layers: [
          layers.reLU({ maxValue: 4, inputShape: [4] }),
          layers.embedding({ inputDim: 5, outputDim: 3 }),
          layers.flatten(),
          layers.dense({ units: 3 }),
        ],
      }),
    shape: [4],
    outputs: 3,
    loss: 'cross-entropy',
  },
  {
    name: 'ThresholdedReLU',
    build: () =>
      sequential({
        layers: [
          layers.dense({ units: 6, inputShape: [4] }),
          layers.thresholdedReLU({ theta: 0.3 }),
          layers.dense({ units: 3 }),
        ],
      }),
    shape: [4],
    outputs: 3,
    loss: 'cross-entropy',
  },
];

const lossCases = (['tanh', 'relu', 'softplus'] as const).flatMap((activation) =>
  LOSS_NAMES.filter((loss) => loss !== 'cross-entropy').map((loss) => mlpCase(activation, loss)),
);
const cases: ModelCase[] = [
  ...ACTIVATIONS.map((activation) => mlpCase(activation)),
  ...lossCases,
  ...imageCases,
  ...sequenceCases,
  ...upsamplingCases,
  ...furtherCases,
];

describe.skipIf(!hasNative)('compiled programs agree with tfjs', () => {
  beforeAll(async () => {
    await prepareBackend('wasm');
  });

  it.each(cases)('$name', async (modelCase) => {
    await withProblem(modelCase, SIZES, async (problem) => {
      await expectForwardAndGradientAgree(problem);
      for (const kind of CURVATURES) {
        await expectProductsAgree(problem, kind);
      }
    });
  });

  it.each(dilatedCases)('$name, forward; tfjs has no gradient to compile', async (modelCase) => {
    await withProblem(modelCase, SIZES, async (problem) => {
      const { network, loss, batches, source } = problem;
      const evaluator = await evaluatorOf(problem);
      const expected = await evaluate(network, loss, batches, network.weights);
      const found = await evaluator.evaluate(compiledOf(problem).batches, network.weights);
      expectClose(found.losses, expected.losses, TOLERANCE, { label: 'losses' });
      evaluator.dispose();
      await expect(executor.prepare(gradientProgram(network, loss, source))).rejects.toThrow(/dilation/);
    });
  });
});

/** A layer whose kernels cannot be compiled. */
const conv3dCase: ModelCase = {
  name: 'Conv3D',
  build: () =>
    sequential({
      layers: [
        layers.conv3d({ filters: 2, kernelSize: 2, inputShape: [3, 3, 3, 1] }),
        layers.flatten(),
        layers.dense({ units: 3 }),
      ],
    }),
  shape: [3, 3, 3, 1],
  outputs: 3,
  loss: 'cross-entropy',
};

describe.skipIf(!hasNative)('compiled programs', () => {
  beforeAll(async () => {
    await prepareBackend('wasm');
  });

  it('are refused for kernels that have no compiled form', async () => {
    await withProblem(conv3dCase, SIZES, async (problem) => {
      const { network } = problem;
      const evaluator = await evaluatorOf(problem);
      await expect(evaluator.evaluate(compiledOf(problem).batches, network.weights)).rejects.toThrow(
        NotCompilableError,
      );
      evaluator.dispose();
    });
  });

  it('leave no tensor behind in tfjs', async () => {
    await withProblem(smallConvNet, SIZES, async (problem) => {
      const { network, loss, source } = problem;
      const before = memory();
      for (const name of PRODUCT_PLANS) {
        const compiled = compiledOf(problem);
        const evaluator = await evaluatorOf(problem);
        const product = await preparedProduct(problem, 'hessian');
        const operator = await plannedCurvatureOperator(compiled, 'hessian', product, {
          ...planOf(problem, product, 2 ** 30),
          name,
        });
        await evaluator.evaluate(compiled.batches, network.weights);
        const gradient = await executor.prepare(gradientProgram(network, loss, source));
        await lossGradient(compiled, network.weights, gradient);
        await operator.apply(normalVector(network.dimension, 8));
        for (const disposable of [evaluator, operator]) {
          disposable.dispose();
        }
      }
      expect(memory().numTensors).toBe(before.numTensors);
      expect(memory().numDataBuffers).toBe(before.numDataBuffers);
    });
  });

  it('keep as many batches as the memory holds, and compute the same', async () => {
    await withProblem(smallConvNet, SIZES, async (problem) => {
      const { network } = problem;
      const compiled = compiledOf(problem);
      const product = await preparedProduct(problem, 'ggn');
      const plans: ProductPlan[] = [];
      // From nothing to everything, in steps smaller than what one batch takes.
      for (let cacheBytes = 0; plans.at(-1)?.unfoldedBatches !== 3; cacheBytes += 4096) {
        expect(cacheBytes).toBeLessThan(2 ** 20);
        plans.push(planOf(problem, product, cacheBytes, 'kept'));
      }
      // With more memory first every shared part is kept, then unfolded images of more and more batches.
      const kept = plans.map(({ keptBatches }) => keptBatches);
      expect(kept).toEqual([...kept].sort((a, b) => a - b));
      expect(new Set(kept)).toEqual(new Set([0, 1, 2, 3]));
      const unfolded = plans.map(({ unfoldedBatches }) => unfoldedBatches);
      expect(unfolded).toEqual([...unfolded].sort((a, b) => a - b));
      expect(unfolded.some((count) => count > 0 && count < 3)).toBe(true);
      const vector = normalVector(network.dimension, 9);
      let expected: Float64Array | null = null;
      for (const plan of plans) {
        const operator = await plannedCurvatureOperator(compiled, 'ggn', product, plan);
        await operator.apply(normalVector(network.dimension, 10));
        const found = await operator.apply(vector);
        expected ??= found;
        expectClose(found, expected, 1e-6);
        operator.dispose();
      }
    });
  });

  it('report progress and walk kept batches again', async () => {
    await withProblem(mlpCase('tanh'), SIZES, async (problem) => {
      const { network, source } = problem;
      // Five inputs and three targets an example.
      const batchBytes = 3 * (5 + network.outputs) * 4;
      let prepared = 0;
      const counted: ExampleSource = {
        ...source,
        inputs: (start, end) => {
          prepared++;
          return source.inputs(start, end);
        },
      };
      const { batches } = compiledOf({ ...problem, source: counted }, 2 * batchBytes);
      const evaluator = await evaluatorOf(problem);
      const done: number[] = [];
      for (let walk = 0; walk < 2; walk++) {
        await evaluator.evaluate(batches, network.weights, (examples) => done.push(examples));
      }
      evaluator.dispose();
      expect(done).toEqual([3, 6, 7, 3, 6, 7]);
      // Two batches fit; the third is prepared twice.
      expect(prepared).toBe(4);
    });
  });

  it('need two examples for a product', async () => {
    await withProblem(mlpCase('tanh'), { seed: 3, examples: 1 }, async (problem) => {
      const { network, loss, source } = problem;
      await expect(prepareLossPrograms(executor, network, loss, 'ggn', source)).rejects.toThrow(
        NotCompilableError,
      );
    });
  });
});

describe('batch sizes of compiled programs', () => {
  it('hide the overhead of a call and are even', () => {
    expect(worthwhileBatchSize(10, 1, 1)).toBe(10);
    expect(worthwhileBatchSize(4096, 1, 1)).toBe(2048);
    expect(worthwhileBatchSize(2049, 1, 1)).toBe(1025);
    expect(worthwhileBatchSize(1000, 1e12, 1)).toBe(16);
    expect(worthwhileBatchSize(1000, 1e12, 1, 64)).toBe(63);
    expect(worthwhileBatchSize(1000, 2e7, 1)).toBe(100);
    expect(worthwhileBatchSize(1, 0, 1)).toBe(1);
  });
});
