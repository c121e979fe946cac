/** One round of iterative magnitude pruning, from a model to a model. */
import { openProblem } from './analysis/problem.js';
import { resourceScope } from './analysis/resources.js';
import { methodStages } from './analysis/stages.js';
import type { Checkpoint, LayersCheckpoint } from './checkpoint/checkpoint.js';
import { writeCheckpoint } from './checkpoint/registry.js';
import type { AnalyzeConfig } from './config.js';
import type { Augmentation } from './dataset/augmentation.js';
import { InputError } from './errors.js';
import { createTrainableNetwork } from './network/trainable-network.js';
import type { Progress } from './progress.js';
import { openRetraining, openTrainable } from './prune-training.js';
import { prunedCount } from './pruning/magnitude.js';
import { impSettings, initialized, rewound } from './retraining/imp.js';
import {
  flatWeights,
  type MaskedNetwork,
  type RetrainingProblem,
  stepsOf,
  trainMasked,
  unmasked,
} from './retraining/masked-training.js';

/** What a round is told. */
export interface RoundConfig {
  problem: AnalyzeConfig;
  /** Of all prunable weights. */
  prunedFraction: number;
  /** Passes over the training examples. */
  epochs: number;
  learningRate: number;
  /** Left out: images as they are. */
  augment?: Augmentation;
  /** Folder of the model that is made. */
  output: string;
}

/** @throws InputError `study/onnx` */
export function requireLayersModel(checkpoint: Checkpoint): LayersCheckpoint {
  if (checkpoint.format !== 'tfjs-layers') {
    throw new InputError(
      'study/onnx',
      `${checkpoint.path}: iterative trains a LayersModel round by round; give one with --model, or leave it out`,
    );
  }
  return checkpoint;
}

/** The flat prunable weights of another checkpoint of the same network. */
async function earlyWeights(problem: RetrainingProblem, checkpoint: LayersCheckpoint): Promise<Float32Array> {
  const network = await createTrainableNetwork(checkpoint);
  try {
    const { layers, dimension } = problem;
    return flatWeights(
      { network, layers, dimension },
      network.weights.map(({ values }) => values),
    );
  } finally {
    network.dispose();
  }
}

/** A network whose mask is where its weights are not 0. */
function asPruned(problem: RetrainingProblem): MaskedNetwork {
  const dense = unmasked(problem);
  const mask = Uint8Array.from(flatWeights(problem, dense.weights), (weight) => (weight === 0 ? 0 : 1));
  return { ...dense, mask };
}

/**
 * Prunes the smallest kept weights of a model, sets the others back to those of
 * an early model, trains them with their mask held and writes the outcome.
 * Biases and statistics go on from the model, as in `prune --method imp`.
 *
 * @param models `early` null: begins anew, as new initial weights that nothing is pruned of but by the fraction
 * @throws InputError `study/onnx`, and as training does
 */
export async function trainRound(
  { problem: config, prunedFraction, epochs, learningRate, augment, output }: RoundConfig,
  { checkpoint, early }: { checkpoint: Checkpoint; early: Checkpoint | null },
  progress: Progress,
): Promise<{ prunedWeights: number; prunableWeights: number }> {
  const layersModel = requireLayersModel(checkpoint);
  const rewindTo = early === null ? null : requireLayersModel(early);
  return resourceScope(async (scope) => {
    const problem = await openProblem(config, layersModel, progress, scope);
    const network = scope.own(await openTrainable(problem, layersModel, 'iterative'));
    const stage = progress.stage(methodStages.training, 1);
    const { retraining, settings } = await openRetraining(
      { problem: config, tuneExamples: 'all', augment: augment ?? null, learningRate },
      problem,
      layersModel,
      network,
      (done, total) => stage.update(done / total),
      progress.note,
    );
    const { dimension } = retraining;
    const prunedWeights = prunedCount(prunedFraction, dimension);
    const before = rewindTo === null ? initialized(retraining) : asPruned(retraining);
    const weights =
      rewindTo === null ? flatWeights(retraining, before.weights) : await earlyWeights(retraining, rewindTo);
    const made = await trainMasked(
      retraining,
      impSettings(settings, learningRate),
      rewound(retraining, before, weights, prunedWeights),
      stepsOf(retraining, epochs, settings.batchSize),
    );
    stage.end();
    await writeCheckpoint(network.checkpoint(made.weights, made.statistics), output, { mark: true });
    return { prunedWeights, prunableWeights: dimension };
  });
}
