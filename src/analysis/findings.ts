import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AnalyzeConfig } from '../config.js';
import type { SelfCheck } from '../curvature/self-check.js';
import type { Evaluation } from '../network/evaluation.js';
import type { MagnitudeRanking } from '../pruning/magnitude.js';
import type { TunedLimits } from '../retraining/tuned-search.js';
import type { CompensatedLimit } from './compensated-limit.js';
import type { ConnectedPruning } from './connectivity.js';
import type { BetterOrder } from './image-order.js';
import type { LayerSensitivities } from './layers.js';
import type { FullLayers } from './layers-full.js';
import type { LimitSpectrum } from './limits.js';
import type { MeasuredPruning } from './measurement.js';
import type { OpenedComputation } from './open-computation.js';
import type { MeasuredPattern } from './patterns.js';
import type { Problem } from './problem.js';
import type { RowNorm } from './row-norms.js';
import type { SlicePrediction } from './slice.js';

/** Everything an analysis found out. */
export interface Findings {
  config: AnalyzeConfig;
  checkpoint: Checkpoint;
  problem: Problem;
  computation: Pick<OpenedComputation, 'lanczos' | 'plan' | 'sharding'>;
  selfCheck: SelfCheck;
  /** Null where the order of images that was taken is not known to be wrong. */
  betterOrder: BetterOrder | null;
  /** `epsilon` is null where eps is given and not computed. */
  dense: { train: Evaluation; epsilon: Evaluation | null; test: Evaluation | null };
  /** Standard deviation of the mini-batch mean loss; null where eps is given. */
  batchStd: number | null;
  epsilon: number;
  /** Gradient of the mean loss at the trained weights, length D. */
  gradient: Float64Array;
  ranking: MagnitudeRanking;
  spectrum: LimitSpectrum;
  slice: SlicePrediction;
  connected: ConnectedPruning;
  measured: MeasuredPruning;
  /** Null where they were not computed. */
  layers: LayerSensitivities | null;
  /** Null where it was not asked for. */
  fullLayers: FullLayers | null;
  /** In the order of the options. */
  patterns: MeasuredPattern[];
  /** Empty where none was asked for. */
  rowNorms: RowNorm[];
  /** Null where it was not asked for. */
  tuned: TunedLimits | null;
  /** Null where retraining was not asked for, or nothing is compiled. */
  compensated: CompensatedLimit | null;
  /** Seconds by stage. */
  seconds: Record<string, number>;
}
