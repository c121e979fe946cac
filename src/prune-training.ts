/** Pruning that trains: methods that do, and tuning after those that do not. */
import { inputOrder, type Problem } from './analysis/problem.js';
import { methodStages } from './analysis/stages.js';
import type { Checkpoint, LayersCheckpoint } from './checkpoint/checkpoint.js';
import { compilingExecutor } from './compute/compile/onnx-executor.js';
import { NotCompilableError } from './compute/compile/trace.js';
import type { Executor } from './compute/executor.js';
import { numbered } from './compute/tensor-program.js';
import { tfjsExecutor } from './compute/tfjs-executor.js';
import type { MethodConfig } from './config.js';
import type { Split } from './dataset/dataset.js';
import { prepareExamples } from './dataset/examples.js';
import { classLabels } from './dataset/labels.js';
import { selectExamples } from './dataset/selection.js';
import { InputError } from './errors.js';
import { createTrainableNetwork } from './network/trainable-network.js';
import { asStage, type Progress } from './progress.js';
import type { PrunedNetwork } from './pruning/methods/method.js';
import { isTrainingMethod } from './pruning/methods/names.js';
import type { MethodSummary, NetworkMeasure } from './report/method-summary.js';
import {
  flatWeights,
  type MaskedNetwork,
  type RetrainingProblem,
  stepsOf,
  unmasked,
  withFlatWeights,
} from './retraining/masked-training.js';
import { trainingMethods, tune } from './retraining/methods.js';
import { defaultSettings } from './retraining/settings.js';
import { evaluateLogits } from './training/evaluation.js';
import { createForward } from './training/forward.js';

/** @throws InputError for networks and losses that training does not take */
function requireTrainable(problem: Problem, checkpoint: Checkpoint, what: string): LayersCheckpoint {
  const refused = (why: string): InputError => new InputError('prune/training', `${what} trains, and ${why}`);
  if (checkpoint.format !== 'tfjs-layers') {
    throw refused('training takes layers models of TensorFlow.js; leave it out for an ONNX model');
  }
  const { network, loss } = problem;
  if (loss !== 'cross-entropy' || network.removedActivation === 'sigmoid') {
    throw refused(`training takes classifiers with cross-entropy, not ${loss}; leave it out`);
  }
  if (network.inputShape.some((extent) => extent === null)) {
    throw refused('this network takes inputs of free extents; save it with fixed ones');
  }
  return checkpoint;
}

/** Mean loss over the training examples that may be seen, and accuracy over the test split. */
async function measure(
  { network, data, examples, executor }: RetrainingProblem,
  { weights, statistics }: Pick<MaskedNetwork, 'weights' | 'statistics'>,
): Promise<NetworkMeasure> {
  const forward = await createForward(executor, network, data.inputShape);
  const tensors = (
    prefix: string,
    arrays: readonly Float32Array[],
    shapes: readonly { shape: readonly number[] }[],
  ) =>
    numbered(
      prefix,
      arrays.map((values, index) => executor.tensor(values, shapes[index].shape)),
    );
  const state = {
    ...tensors('w', weights, network.weights),
    ...tensors('s', statistics, network.statistics),
  };
  const evaluated = (split: Split, order?: Int32Array) => {
    const prepared = prepareExamples(split, { ...data, ...(order && { order }) });
    return evaluateLogits(
      prepared,
      classLabels(prepared.labels, data.classes),
      data.classes,
      (inputs, size) => forward.logits(state, inputs, size),
    );
  };
  try {
    const { loss } = await evaluated(data.train, examples);
    return { loss, accuracy: data.test && (await evaluated(data.test)).accuracy };
  } finally {
    executor.release(state);
    forward.dispose();
  }
}

/** By the compiling executor where it takes the network, else by tfjs with a note. */
async function withExecutor<T>(
  compiling: Executor | null,
  progress: Progress,
  run: (executor: Executor) => Promise<T>,
): Promise<T> {
  if (compiling !== null) {
    try {
      return await run(compiling);
    } catch (error) {
      if (!(error instanceof NotCompilableError)) {
        throw error;
      }
      progress.note(`training with tfjs, which takes several times as long: ${error.message}`);
    }
  }
  return run(tfjsExecutor);
}

/**
 * Prunes by a method that trains, or trains what was pruned, its mask held.
 *
 * @param pruned what is tuned; null for a method that trains
 * @throws InputError for networks and losses that training does not take
 */
export async function pruneByTraining(
  { name, problem: config, budgetEpochs, tuneEpochs, tuneExamples, augment, learningRate }: MethodConfig,
  problem: Problem,
  checkpoint: Checkpoint,
  { prunedWeights, seed }: { prunedWeights: number; seed: number },
  pruned: PrunedNetwork | null,
  progress: Progress,
): Promise<{ network: PrunedNetwork; checkpoint: Checkpoint; method: Omit<MethodSummary, 'layers'> }> {
  const layers = requireTrainable(problem, checkpoint, pruned === null ? `--method ${name}` : '--tune');
  const train = problem.dataset.train as Split;
  const network = await createTrainableNetwork(layers);
  try {
    return await withExecutor(compilingExecutor(problem.engine), progress, async (executor) => {
      const stage = progress.stage(methodStages.training, 1);
      const retraining: RetrainingProblem = {
        network,
        layers: problem.network.prunable,
        dimension: problem.network.dimension,
        data: {
          train,
          test: problem.dataset.test,
          inputShape: problem.network.inputShape as readonly number[],
          inputOrder: inputOrder(checkpoint, config.layout),
          normalization: config.normalize,
          classes: problem.network.outputs,
        },
        examples: selectExamples(train.count, {
          count: tuneExamples,
          sample: config.sample,
          seed,
        }),
        executor,
        seed,
        onSteps: (done, total) => stage.update(done / total),
      };
      const settings = defaultSettings(network, augment);
      const chosen = { ...settings, learningRate: learningRate ?? settings.learningRate };
      const dense = unmasked(retraining);
      const started = performance.now();
      let found: MaskedNetwork;
      let epochs = 0;
      if (isTrainingMethod(name)) {
        found = await trainingMethods[name](retraining, chosen, { prunedWeights, epochs: budgetEpochs });
        epochs = budgetEpochs;
      } else {
        const { mask, weights } = pruned as PrunedNetwork;
        found = { ...dense, weights: withFlatWeights(retraining, dense.weights, weights), mask };
      }
      if (tuneEpochs > 0) {
        found = await tune(retraining, chosen, found, tuneEpochs);
        epochs += tuneEpochs;
      }
      const seconds = (performance.now() - started) / 1000;
      stage.end();
      const [before, after] = await asStage(progress, methodStages.measuring, async () => [
        await measure(retraining, dense),
        await measure(retraining, found),
      ]);
      const { examples } = retraining;
      const seen = Math.min(
        examples.length,
        stepsOf(retraining, epochs, chosen.batchSize) * chosen.batchSize,
      );
      return {
        network: { mask: found.mask, weights: flatWeights(retraining, found.weights) },
        checkpoint: network.checkpoint(found.weights, found.statistics),
        method: {
          name: tuneEpochs > 0 ? `${name}, tuned` : name,
          seed,
          epochEquivalents: (epochs * examples.length) / problem.trainingAvailable,
          distinctExamples: seen,
          seconds,
          before,
          after,
        },
      };
    });
  } finally {
    network.dispose();
  }
}
