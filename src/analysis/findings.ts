import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AnalyzeConfig } from '../config.js';
import type { SelfCheck } from '../curvature/self-check.js';
import type { Evaluation } from '../network/evaluation.js';
import type { MagnitudeRanking } from '../pruning/magnitude.js';
import type { LimitEstimate } from '../report/schema.js';
import type { FunctionalEstimate } from '../spectrum/uncertainty.js';
import type { SpectralLimits } from './limits.js';
import type { MeasuredPruning } from './measurement.js';
import type { OpenedComputation } from './open-computation.js';
import type { Problem } from './problem.js';
import type { SlicePrediction } from './slice.js';

/** Everything an analysis found out. */
export interface Findings {
  config: AnalyzeConfig;
  checkpoint: Checkpoint;
  problem: Problem;
  computation: Pick<OpenedComputation, 'lanczos' | 'plan'>;
  selfCheck: SelfCheck;
  dense: { train: Evaluation; allTraining: Evaluation; test: Evaluation | null };
  /** Standard deviation of the mini-batch mean loss; null with too few examples. */
  batchStd: number | null;
  epsilon: number;
  /** Gradient of the mean loss at the trained weights, length D. */
  gradient: Float64Array;
  ranking: MagnitudeRanking;
  spectral: SpectralLimits;
  slice: SlicePrediction;
  /** null: not looked for. */
  connected: ConnectedLimit | null;
  measured: MeasuredPruning;
  /** Seconds by stage. */
  seconds: Record<string, number>;
}

/** How far magnitude pruning leaves each output a path from the input. */
export interface ConnectedLimit {
  prunedFraction: number;
  exact: boolean;
  /** false: some output has no path even in the dense network, so that the limit says nothing. */
  connectedWhenDense: boolean;
}

/** A limit from the spectrum, with what is known of it. */
export interface SpectralLimit {
  value: number;
  /** The interval that holds the exact value in 95 of 100 runs. */
  low: number;
  high: number;
  settled: boolean;
  missing: LimitEstimate['missing'];
}

/** A measured limit, as pruned fractions. */
export interface MeasuredLimit {
  /** Largest fraction up to which everything that was tried passes. */
  prunedFraction: number;
  /** Largest fraction that passes at all. */
  lastPassFraction: number;
  /** Smallest tried fraction that fails; null where none does. */
  firstFailureFraction: number | null;
  capped: boolean;
}

/** The measured limits; null without test accuracy. */
export interface MeasuredLimits {
  loss: MeasuredLimit;
  accuracy: MeasuredLimit | null;
  noSignificantFall: MeasuredLimit | null;
  strictAccuracy: MeasuredLimit | null;
}

/** What an estimate says of its limit. */
export function spectralLimit(estimate: FunctionalEstimate, tolerance: number): SpectralLimit {
  const { value, low, high, halfWidth, quadratureHalfWidth, probeStandardError } = estimate;
  const settled = halfWidth <= tolerance;
  const missing = quadratureHalfWidth >= probeStandardError ? 'steps' : 'probes';
  return { value, low, high, settled, missing: settled ? null : missing };
}

/** The measured limits where first failure and last pass are not told apart. */
export function measuredLimits({ loss, accuracy, exactAccuracy }: MeasuredPruning): MeasuredLimits {
  const plain = (prunedFraction: number): MeasuredLimit => ({
    prunedFraction,
    lastPassFraction: prunedFraction,
    firstFailureFraction: null,
    capped: false,
  });
  return {
    loss: plain(loss),
    accuracy: accuracy === null ? null : plain(accuracy),
    noSignificantFall: null,
    strictAccuracy: exactAccuracy === null ? null : plain(exactAccuracy),
  };
}
