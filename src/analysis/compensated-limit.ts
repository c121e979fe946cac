/** How far a network can be pruned whose kept weights make up for the pruned ones once, without training. */

import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AnalyzeConfig } from '../config.js';
import type { Progress } from '../progress.js';
import { prunedCount } from '../pruning/magnitude.js';
import { pruningMethods } from '../pruning/methods/registry.js';
import { tunedGrid } from '../retraining/tuned-search.js';
import { openProblem } from './problem.js';
import { openPruningOracle } from './pruning-oracle.js';
import { resourceScope } from './resources.js';
import { askedStages } from './stages.js';
import { type AnalysisState, resultKey } from './state/analysis-state.js';
import { numbersForm } from './state/kept-evaluation.js';

/** Examples that compensation works with at most: it needs a gradient of each, at every stage. */
const MOST_EXAMPLES = 500;

/** One pruned fraction that was compensated. */
export interface CompensatedTry {
  prunedFraction: number;
  /** Over the dense loss; not finite where it overflows. */
  lossIncrease: number;
}

/** How far compensation keeps the loss. */
export interface CompensatedLimit {
  /** The largest that passes in a bisection; at least the limit without compensation. */
  prunedFraction: number;
  /** Nothing that was tried fails. */
  capped: boolean;
  /** In the order in which they were carried out. */
  tries: CompensatedTry[];
}

/** What compensation is held against. */
export interface CompensationSetting {
  config: AnalyzeConfig;
  checkpoint: Checkpoint;
  epsilon: number;
  denseLoss: number;
  /** Pruned fraction that passes without. */
  atOnce: number;
  /** Keeps the losses; null: they are not kept. */
  state: Pick<AnalysisState, 'recall'> | null;
}

/**
 * Bisects a grid for where something ceases to pass.
 *
 * @param grid ascending
 * @returns the largest that passed below the smallest that failed; null where none passed
 */
export async function bisect(
  grid: readonly number[],
  passes: (value: number) => Promise<boolean>,
): Promise<{ largest: number | null; anyFailed: boolean }> {
  let [passed, failed] = [-1, grid.length];
  while (failed - passed > 1) {
    const middle = Math.floor((passed + failed) / 2);
    if (await passes(grid[middle])) {
      passed = middle;
    } else {
      failed = middle;
    }
  }
  return { largest: grid[passed] ?? null, anyFailed: failed < grid.length };
}

/**
 * Searches the largest pruned fraction at which the method `compensated`,
 * which moves the kept weights by second-order steps towards the outputs of the
 * dense network, without labels, keeps the loss on the examples of the analysis within epsilon,
 * working with the first 500 of them. It is the measurement that
 * the existence limits of the quadratic model speak of, on the network itself.
 *
 * @throws what computing on the network throws
 */
export function measureCompensated(
  { config, checkpoint, epsilon, denseLoss, atOnce, state }: CompensationSetting,
  progress: Progress,
): Promise<CompensatedLimit> {
  return resourceScope(async (scope) => {
    // That of the analysis is freed once its programs are compiled.
    const problem = await openProblem(config, checkpoint, progress, scope);
    const { network, train } = problem;
    const metered = await openPruningOracle(problem, scope, progress.note);
    const oracle = { ...metered.oracle, examples: Math.min(MOST_EXAMPLES, train.count) };
    const grid = tunedGrid(network.dimension).filter((fraction) => fraction > atOnce);
    const stage = progress.stage(askedStages.compensated, Math.ceil(Math.log2(grid.length + 1)), {
      atMost: true,
    });
    const tries: CompensatedTry[] = [];
    const compensatedLoss = async (prunedWeights: number): Promise<Float64Array> => {
      const { weights } = await pruningMethods.compensated(
        { weights: network.weights, layers: network.prunable, oracle, products: metered.products },
        { prunedWeights, seed: 0 },
      );
      return Float64Array.of((await metered.evaluate(train, weights)).meanLoss);
    };
    const { largest, anyFailed } = await bisect(grid, async (prunedFraction) => {
      const prunedWeights = prunedCount(prunedFraction, network.dimension);
      const compute = () => compensatedLoss(prunedWeights);
      const key = resultKey(`compensated loss, ${prunedWeights} pruned`);
      const [loss] = await (state === null ? compute() : state.recall(key, numbersForm, compute));
      const lossIncrease = loss - denseLoss;
      tries.push({ prunedFraction, lossIncrease });
      stage.update(tries.length);
      return lossIncrease <= epsilon;
    });
    stage.end();
    return { prunedFraction: largest ?? atOnce, capped: !anyFailed, tries };
  });
}
