import { prunedCount } from '../pruning/magnitude.js';
import { tieAt } from '../pruning/ties.js';
import { measuredLimits, theoryNames } from '../report/limit-names.js';
import type { Report } from '../report/schema.js';
import type { TiedWeights, WarningFacts } from '../report/warnings.js';
import type { Findings } from './findings.js';

/** Ties of fewer weights than this share of D move no limit: these are found to a tenth of a point. */
const SMALLEST_TIE = 1e-3;

/** The limits that cut through a tie of many weights. */
function tiesAtLimits({ problem, ranking }: Findings, report: Report): TiedWeights[] {
  const { weights, dimension } = problem.network;
  const named = [
    ...(['slice', 'gaussianWidth', 'sharp'] as const).map((name) => ({
      name: theoryNames[name],
      limit: report.limits[name],
    })),
    ...measuredLimits(report),
  ];
  return named.flatMap(({ name, limit }) => {
    const tie = tieAt(weights, ranking, prunedCount(limit.pruned, dimension));
    return tie === null || tie.weights < SMALLEST_TIE * dimension ? [] : [{ limit: name, ...tie }];
  });
}

/** Directions of the outputs in which the loss of one example curves: a softmax does not see a common shift. */
function curvedDirections({ loss, network }: Findings['problem']): number {
  const softmax = loss === 'cross-entropy' || network.decidesClasses === true;
  return softmax ? network.outputs - 1 : network.outputs;
}

/** The smallest difference that test accuracy can show; a sigmoid for each output makes one decision each. */
function accuracyResolution({ dense }: Findings): number | null {
  if (dense.test === null || dense.test.accuracy === null) {
    return null;
  }
  return 1 / (dense.test.losses.length * dense.test.decisions);
}

/** What the warnings need to know beside the report. */
export function warningFacts(findings: Findings, report: Report): WarningFacts {
  const { problem, slice } = findings;
  const labels = problem.dataset.train?.labels;
  return {
    gradientShare: slice.gradientShare,
    dataClasses: labels?.kind === 'classes' ? labels.classCount : null,
    outputs: problem.network.outputs,
    gaussNewtonRank: problem.train.count * curvedDirections(problem),
    accuracyResolution: accuracyResolution(findings),
    betterOrder: findings.betterOrder,
    ties: tiesAtLimits(findings, report),
    probabilitiesAsLogits: problem.loss !== 'mse' && findings.dense.train.outputsSumToOne,
  };
}
