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
    const tie = tieAt(weights, ranking, limit.pruned);
    return tie === null || tie.count < SMALLEST_TIE * dimension ? [] : [{ limit: name, ...tie }];
  });
}

/** Directions of the outputs in which the loss of one example curves: a softmax does not see a common shift. */
function curvedDirections({ loss, network }: Findings['problem']): number {
  return loss === 'cross-entropy' ? network.outputs - 1 : network.outputs;
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
    ties: tiesAtLimits(findings, report),
  };
}
