/** The method that `prune --method auto` takes for a network and its data. */
import type { Problem } from './analysis/problem.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { DEFAULT_CALIBRATION, type MethodConfig } from './config.js';
import { InputError } from './errors.js';
import { requireWritable } from './network/create-trainable.js';
import { openTrainable } from './prune-training.js';
import { chooseMethod, type MethodChoice } from './pruning/methods/choice.js';
import { isTrainingMethod, type PruningMethodName, TRAINING_METHODS } from './pruning/methods/names.js';

/** Why a network cannot be trained; null where it can. */
async function trainingRefusal(problem: Problem, checkpoint: Checkpoint): Promise<string | null> {
  if (problem.loss !== 'cross-entropy') {
    return `training takes classifiers with cross-entropy, not ${problem.loss}`;
  }
  try {
    const network = await openTrainable(problem, checkpoint, '--method auto');
    try {
      await requireWritable(checkpoint, network);
    } finally {
      network.dispose();
    }
    return null;
  } catch (error) {
    if (error instanceof InputError) {
      return error.message;
    }
    throw error;
  }
}

/**
 * Chooses by the budget, the examples and the pruned fraction. Without a budget and a number of examples nothing
 * counts but the weights.
 *
 * @param refused methods that cannot prune the network, with the reason; those that train are added where it cannot be
 *   trained
 */
export async function methodFor(
  { budgetEpochs, tuneExamples }: MethodConfig,
  problem: Problem,
  checkpoint: Checkpoint,
  prunedFraction: number,
  refused: Map<PruningMethodName, string>,
): Promise<MethodChoice> {
  if (budgetEpochs > 0 && refused.size === 0) {
    const why = await trainingRefusal(problem, checkpoint);
    for (const method of why === null ? [] : TRAINING_METHODS) {
      refused.set(method, why as string);
    }
  }
  const { trainingAvailable } = problem;
  const asked = tuneExamples === 'all' ? trainingAvailable : Math.min(tuneExamples, trainingAvailable);
  const examples = budgetEpochs === 0 && tuneExamples === 'all' ? 0 : asked;
  const choice = chooseMethod({ examples, budgetEpochs, prunedFraction }, refused);
  if (isTrainingMethod(choice.method) || tuneExamples !== 'all' || examples <= DEFAULT_CALIBRATION) {
    return choice;
  }
  const fewer = { examples: DEFAULT_CALIBRATION, budgetEpochs: 0, prunedFraction };
  return { ...chooseMethod(fewer, refused), refused: choice.refused };
}
