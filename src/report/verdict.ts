import type { Report } from './schema.js';
import * as text from './text.js';

/** `accuracy holds within 0.5 points`, the tolerance that was asked for. */
function accuracyHolds({ tolerance }: NonNullable<Report['actual']['accuracy']>): string {
  return tolerance === 0 ? 'accuracy holds' : `accuracy holds within ${text.plainPoints(100 * tolerance)}`;
}

/** What pruning at once does, as measured. */
function atOnce({ actual, accuracy: dense, data }: Report): string {
  const { loss, accuracy } = actual;
  const lossTo = text.percent(loss.pruned);
  if (accuracy === null) {
    // Without classes there is no accuracy to miss.
    const unknown =
      dense === null ? '' : data.test === null ? '; without test data, what accuracy does is not known' : '';
    if (loss.pruned === 0) {
      return `Pruned at once, nothing that was tried keeps the loss within its tolerance${unknown}.`;
    }
    return loss.capped
      ? `Prune ${lossTo} at once: the loss stayed within its tolerance as far as was tried${unknown}.`
      : `Prune ${lossTo} at once${unknown}.`;
  }
  const accuracyTo = text.percent(accuracy.pruned);
  if (loss.pruned === 0 && accuracy.pruned === 0) {
    return 'Pruned at once, nothing that was tried keeps the loss or the accuracy within its tolerance.';
  }
  if (accuracy.pruned === 0) {
    return `Pruned at once, the loss stays within its tolerance to ${lossTo}, but accuracy falls from the start.`;
  }
  if (loss.pruned === 0) {
    return `Pruned at once, the loss leaves its tolerance from the start; ${accuracyHolds(accuracy)} to ${accuracyTo}.`;
  }
  if (accuracy.pruned < loss.pruned) {
    // What a colleague would prune is the smaller of the two.
    return `Prune ${accuracyTo} at once, as far as ${accuracyHolds(accuracy)}; the loss stays within its tolerance to ${lossTo}.`;
  }
  return `Prune ${lossTo} at once; ${accuracyHolds(accuracy)} to ${accuracyTo}.`;
}

/** What the paper expects of retraining. */
function withRetraining({ limits, actual, curvature }: Report): string {
  const { gaussianWidth: estimate, connected } = limits;
  if (estimate.pruned >= 1 || (curvature.lambdaMax === 0 && curvature.lambdaMin === 0)) {
    return 'For retraining, theory sets no limit here: this loss has no curvature that pruning meets.';
  }
  const best = Math.max(actual.loss.pruned, actual.accuracy?.pruned ?? 0);
  if (!estimate.settled) {
    const range = text.between(estimate.low, estimate.high);
    return `With retraining, the paper's estimate is unresolved: between ${range}.`;
  }
  if (estimate.capped && connected !== null) {
    return `Beyond ${text.percent(connected.pruned)} no retraining helps: outputs lose their last path from the input, and the paper's estimate lies beyond that.`;
  }
  if (estimate.high < best) {
    return `The paper's estimate for retraining, ${text.percent(estimate.pruned)}, lies below what pruning at once reaches.`;
  }
  return `With retraining, the paper's estimate is ${text.percent(estimate.pruned)}.`;
}

/** The answer in one or two sentences: how far to prune at once, and how far with retraining. */
export function verdict(report: Report): string {
  return `${atOnce(report)} ${withRetraining(report)}`;
}
