import type { AnalyzeConfig } from '../config.js';
import { InputError } from '../errors.js';
import { EPSILON_BATCH, type Evaluation } from '../network/evaluation.js';
import type { Progress } from '../progress.js';
import type { ExampleEvaluator } from './computation.js';

/** Evaluates the trained network and refuses a loss that is not a number. */
export async function evaluateDense(
  evaluator: ExampleEvaluator,
  weights: Float32Array,
  stage: string,
  progress: Pick<Progress, 'stage'>,
): Promise<Evaluation> {
  const shown = progress.stage(stage, evaluator.examples);
  const evaluation = await evaluator.at(weights, (done) => shown.update(done));
  shown.end();
  if (!Number.isFinite(evaluation.meanLoss)) {
    const example = evaluation.losses.findIndex((loss) => !Number.isFinite(loss));
    throw new InputError(
      'analysis/loss-not-finite',
      `the loss of the trained network is ${evaluation.losses[example]} at example ${example} (${stage}): check --normalize and --loss`,
    );
  }
  return evaluation;
}

/**
 * eps, the loss increase that is tolerated.
 *
 * @param deviation standard deviation of the mini-batch mean loss, null where
 *   there are too few examples
 * @param denseLoss L(w*)
 * @throws InputError where the rule gives nothing positive
 */
export function toleratedIncrease(
  rule: AnalyzeConfig['epsilon'],
  deviation: number | null,
  denseLoss: number,
): number {
  if (rule.rule === 'batch-std' && deviation === null) {
    throw new InputError(
      'analysis/epsilon',
      `--epsilon batch-std needs at least ${2 * EPSILON_BATCH} training examples (--epsilon-examples); give a number instead, as in --epsilon 0.01`,
    );
  }
  const value =
    rule.rule === 'batch-std'
      ? (deviation as number)
      : rule.rule === 'absolute'
        ? rule.value
        : (rule.value / 100) * denseLoss;
  if (!(value > 0)) {
    throw new InputError(
      'analysis/epsilon',
      `the tolerated loss increase (--epsilon) comes out as ${value}; it must be positive: give a number, as in --epsilon 0.01`,
    );
  }
  return value;
}
