import { layers, model, input as modelInput, type SymbolicTensor, sequential } from '@tensorflow/tfjs-layers';
import { describe, expect, it } from 'vitest';
import { prepareBackend } from '../../src/compute/backend.js';
import { curvatureOperator, lossGradient } from '../../src/curvature/products.js';
import type { CurvatureKind } from '../../src/programs/curvature-products.js';
import {
  averagePool,
  conv2d,
  dense,
  depthwiseConv2d,
  differenceGaussNewton,
  differenceGradient,
  differenceHessian,
  globalAverage,
  image,
  mapImage,
  maxPool,
  REFERENCE_LOSSES,
  type ReferenceLogits,
} from '../support/float64-reference.js';
import { type ModelCase, type SeededProblem, withProblem } from '../support/problems.js';
import { expectClose } from '../support/vectors.js';

/** Values of the weights, in the order of the checkpoint: trained ones layer by layer, then running statistics. */
type Weights = readonly Float64Array[];

interface ExplicitCase extends ModelCase {
  /** Logits of one example by definition. */
  forward: (weights: Weights, input: Float64Array) => Float64Array;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.log(1 + Math.exp(x));
const relu = (x: number): number => Math.max(0, x);
const elu = (x: number): number => (x > 0 ? x : Math.exp(x) - 1);
const swish = (x: number): number => x * sigmoid(x);

const cases: ExplicitCase[] = [
  {
    name: 'MLP, tanh, softmax cross-entropy',
    build: () =>
      sequential({
        layers: [
          layers.dense({ units: 6, inputShape: [5], activation: 'tanh' }),
          layers.dense({ units: 4, activation: 'softmax' }),
        ],
      }),
    shape: [5],
    outputs: 4,
    loss: 'cross-entropy',
    forward: ([w1, b1, w2, b2], x) => dense(dense(x, w1, b1).map(Math.tanh), w2, b2),
  },
  {
    name: 'MLP, sigmoid and softplus, binary cross-entropy',
    build: () =>
      sequential({
        layers: [
          layers.dense({ units: 5, inputShape: [4], activation: 'sigmoid' }),
          layers.dense({ units: 4, activation: 'softplus' }),
          layers.dense({ units: 3, activation: 'sigmoid' }),
        ],
      }),
    shape: [4],
    outputs: 3,
    loss: 'binary-cross-entropy',
    forward: ([w1, b1, w2, b2, w3, b3], x) =>
      dense(dense(dense(x, w1, b1).map(sigmoid), w2, b2).map(softplus), w3, b3),
  },
  {
    name: 'MLP, elu and swish, mean squared error',
    build: () =>
      sequential({
        layers: [
          layers.dense({ units: 5, inputShape: [4], activation: 'elu' }),
          layers.dense({ units: 4, activation: 'swish' }),
          layers.dense({ units: 2 }),
        ],
      }),
    shape: [4],
    outputs: 2,
    loss: 'mse',
    forward: ([w1, b1, w2, b2, w3, b3], x) =>
      dense(dense(dense(x, w1, b1).map(elu), w2, b2).map(swish), w3, b3),
  },
  {
    name: 'strided convolution, batch normalisation, relu, max pooling into the padding',
    build: () =>
      sequential({
        layers: [
          layers.conv2d({
            filters: 2,
            kernelSize: 3,
            strides: 2,
            padding: 'same',
            useBias: false,
            inputShape: [6, 5, 2],
          }),
          layers.batchNormalization(),
          layers.reLU(),
          layers.maxPooling2d({ poolSize: 2, strides: 2, padding: 'same' }),
          layers.flatten(),
          layers.dense({ units: 3, activation: 'softmax' }),
        ],
      }),
    shape: [6, 5, 2],
    outputs: 3,
    loss: 'cross-entropy',
    forward: ([kernel, gamma, beta, w, b, mean, variance], x) => {
      const convolved = conv2d(image([6, 5, 2], x), kernel, 2, {
        window: [3, 3],
        stride: 2,
        padding: 'same',
      });
      const activated = mapImage(convolved, (value, c) =>
        relu(((value - mean[c]) / Math.sqrt(variance[c] + 1e-3)) * gamma[c] + beta[c]),
      );
      return dense(maxPool(activated, { window: [2, 2], stride: 2, padding: 'same' }).data, w, b);
    },
  },
  {
    name: 'depthwise convolution, average pooling into the padding, residual connection',
    build: () => {
      const x = modelInput({ shape: [5, 4, 2] });
      const a = layers
        .depthwiseConv2d({ kernelSize: [3, 2], depthMultiplier: 2, activation: 'tanh' })
        .apply(x) as SymbolicTensor;
      const b = layers
        .averagePooling2d({ poolSize: 2, strides: 2, padding: 'same' })
        .apply(a) as SymbolicTensor;
      const c = layers
        .conv2d({ filters: 4, kernelSize: 1, activation: 'sigmoid' })
        .apply(b) as SymbolicTensor;
      const d = layers.add().apply([b, c]) as SymbolicTensor;
      const e = layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(d) as SymbolicTensor;
      return model({ inputs: x, outputs: layers.dense({ units: 3 }).apply(e) as SymbolicTensor });
    },
    shape: [5, 4, 2],
    outputs: 3,
    loss: 'cross-entropy',
    forward: ([depthwise, depthwiseBias, kernel, bias, w, b], x) => {
      const window = { window: [3, 2] as const, stride: 1, padding: 'valid' as const };
      const filtered = depthwiseConv2d(image([5, 4, 2], x), depthwise, 2, window);
      const activated = mapImage(filtered, (value, c) => Math.tanh(value + depthwiseBias[c]));
      const pooled = averagePool(activated, { window: [2, 2], stride: 2, padding: 'same' });
      const branch = conv2d(pooled, kernel, 4, { window: [1, 1], stride: 1, padding: 'valid' });
      const joined = mapImage(branch, (value, c, i) => sigmoid(value + bias[c]) + pooled.data[i]);
      return dense(globalAverage(joined), w, b);
    },
  },
];

function referenceLogits({ forward }: ExplicitCase, problem: SeededProblem): ReferenceLogits {
  const { network, checkpoint, source } = problem;
  const size = source.shape.reduce((a, b) => a * b, 1);
  const inputs = Float64Array.from(source.inputs(0, source.count));
  const trained = checkpoint.weights.map(({ values }) => Float64Array.from(values));
  const places = checkpoint.weights.map(({ name }) =>
    network.prunable.find(({ checkpointName }) => checkpointName === name),
  );
  return (flat) => {
    const weights = trained.map((values, i) => {
      const place = places[i];
      return place === undefined ? values : flat.subarray(place.offset, place.offset + place.size);
    });
    return Array.from({ length: source.count }, (_, n) =>
      forward(weights, inputs.subarray(n * size, (n + 1) * size)),
    );
  };
}

/** Gradient, Hessian and Gauss-Newton matrix in float64; the same for every backend. */
function explicitReference(modelCase: ExplicitCase, problem: SeededProblem) {
  const { network, loss, source } = problem;
  const at = Float64Array.from(network.weights);
  const logitsOf = referenceLogits(modelCase, problem);
  const meanLoss = (weights: Float64Array): number =>
    logitsOf(weights).reduce(
      (sum, logits, n) => sum + REFERENCE_LOSSES[loss](logits, source.targets(n, n + 1)),
      0,
    ) / source.count;
  return {
    loss: meanLoss(at),
    gradient: differenceGradient(meanLoss, at),
    hessian: differenceHessian(meanLoss, at),
    ggn: differenceGaussNewton(logitsOf, loss, at),
  };
}

async function explicitMatrix(problem: SeededProblem, kind: CurvatureKind): Promise<Float64Array> {
  const operator = curvatureOperator(problem, kind);
  const size = operator.dim;
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    const unit = new Float64Array(size);
    unit[i] = 1;
    matrix.set(await operator.apply(unit), i * size);
  }
  operator.dispose();
  return matrix;
}

/** Promised are 1e-3; float32 reaches about 1e-6. */
const TOLERANCE = 5e-6;

describe('every entry of the curvature matrices agrees with float64 differences of a hand-written forward pass', () => {
  describe.each(cases)('$name', (modelCase) => {
    it.each([
      { seed: 1, backends: ['wasm', 'cpu'] as const },
      { seed: 2, backends: ['wasm'] as const },
    ])('seed $seed on $backends', async ({ seed, backends }) => {
      let reference: ReturnType<typeof explicitReference> | null = null;
      for (const backend of backends) {
        await prepareBackend(backend);
        await withProblem(modelCase, { seed, examples: 3, batchSize: 3 }, async (problem) => {
          expect(problem.network.dimension).toBeLessThan(150);
          reference ??= explicitReference(modelCase, problem);
          const { loss, gradient } = await lossGradient(problem, problem.network.weights);
          const { nameOf } = problem;
          const size = problem.network.dimension;
          const pairOf = (i: number): string => `${nameOf(Math.floor(i / size))} x ${nameOf(i % size)}`;
          expect(Math.abs(loss / reference.loss - 1), `${backend}: loss`).toBeLessThan(TOLERANCE);
          expectClose(gradient, reference.gradient, TOLERANCE, {
            label: `${backend}: gradient`,
            nameOf,
          });
          for (const kind of ['hessian', 'ggn'] as const) {
            const matrix = await explicitMatrix(problem, kind);
            expectClose(matrix, reference[kind], TOLERANCE, {
              label: `${backend}: ${kind}`,
              nameOf: pairOf,
            });
          }
        });
      }
    });
  });
});
