import type { Split } from '../../src/dataset/dataset.js';
import { type Progress, silentProgress } from '../../src/progress.js';
import { randomStream } from '../../src/random.js';
import type { TrainingData, TrainingOptions } from '../../src/training/training-run.js';

/** Points around one of `classes` centres on a circle, far enough apart to be told apart without error. */
export function separableSplit(count: number, classes: number, seed: number): Split {
  const random = randomStream(seed, 'points');
  const values = new Float32Array(2 * count);
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const label = i % classes;
    const angle = (2 * Math.PI * label) / classes;
    labels[i] = label;
    values[2 * i] = 2 * Math.cos(angle) + 0.2 * random.normal();
    values[2 * i + 1] = 2 * Math.sin(angle) + 0.2 * random.normal();
  }
  return {
    count,
    shape: [2],
    layout: 'flat',
    values,
    byteImages: false,
    labels: { kind: 'classes', values: labels, classCount: classes },
  };
}

export function separableData(count = 90, classes = 3): TrainingData {
  return {
    train: separableSplit(count, classes, 1),
    test: separableSplit(60, classes, 2),
    inputShape: [2],
    inputOrder: 'NHWC',
    normalization: null,
    classes,
  };
}

export const trainingOptions: TrainingOptions = {
  l1: 0,
  l2: 0,
  weightDecay: 0,
  l1On: 'kernels',
  optimizer: 'sgd',
  nesterov: false,
  labelSmoothing: 0,
  augment: null,
  targetLoss: null,
  targetAccuracy: null,
  momentum: 0.9,
  batchSize: 16,
  seed: 0,
  schedule: 'cosine',
  learningRate: 0.1,
  epochs: 8,
  warmUpEpochs: 0,
  milestones: [],
  decay: 0.1,
};

/** A progress that ends the run after so many steps, as a kill would. */
export function endingAfter(steps: number): Progress {
  return {
    ...silentProgress,
    stage: () => ({
      update: (done) => {
        if (done >= steps) {
          throw new Error('killed');
        }
      },
      end: () => {},
    }),
  };
}
