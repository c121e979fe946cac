/** A compressed network beside the report of its dense one. */
import type { LimitEstimate, Report } from '../report/schema.js';
import type { PrunedFindings } from './schema.js';

/** A compressed network as it was measured on the data and examples of the dense report. */
export interface MeasuredPruned {
  /** Its file. */
  path: string;
  /** How many prunable weights of the dense network there are, and how many of them are 0 in the compressed one. */
  weights: number;
  zeros: number;
  /** Mean loss over the training examples; NaN or infinite where the network overflows. */
  loss: number;
  /** On the test examples; null without any, or where labels are no classes. */
  accuracy: number | null;
}

function headroomTo({ pruned, low, high, settled }: LimitEstimate, sparsity: number) {
  return {
    headroom: pruned - sparsity,
    headroomLow: low - sparsity,
    headroomHigh: high - sparsity,
    settled,
  };
}

/** What is judged of a compressed network: what was measured, and how far it is from the limits of the dense one. */
export function prunedFindings(report: Report, measured: MeasuredPruned): PrunedFindings {
  const { path, weights, zeros, accuracy } = measured;
  const sparsity = zeros / weights;
  const loss = Number.isFinite(measured.loss) ? measured.loss : null;
  return {
    path,
    weights,
    zeros,
    sparsity,
    loss,
    lossIncrease: loss === null ? null : loss - report.loss.value,
    accuracy,
    headroom: report.limits.slice.pruned - sparsity,
    gaussianWidth: headroomTo(report.limits.gaussianWidth, sparsity),
    sharp: headroomTo(report.limits.sharp, sparsity),
  };
}
