/** What the command line needs from the outside: a process, and the work itself. Tests inject both. */
import type { Writable } from 'node:stream';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AnalyzeConfig, PruneConfig, ResumeOptions, TrainConfig } from '../config.js';
import type { Progress } from '../progress.js';
import type { DoctorReport } from '../report/doctor-report.js';
import type { Inspection } from '../report/inspection.js';
import type { PruneSummary } from '../report/prune-summary.js';
import type { Report } from '../report/schema.js';
import type { StudyResult } from '../report/study-schema.js';
import type { TrainSummary } from '../report/train-summary.js';
import type { StudyConfig } from '../study/settings.js';
import type { PlannedCell } from '../study.js';
import type { WorkerConfig } from '../worker.js';

export type OutputStream = Writable & { isTTY?: boolean; columns?: number; fd?: number };

/** The part of Node's `process` that is used. */
export interface Host {
  argv: string[];
  env: Record<string, string | undefined>;
  stdout: OutputStream;
  stderr: OutputStream;
  exitCode?: number | string | null | undefined;
  cwd(): string;
  exit(code: number): void;
  on(event: 'uncaughtException', listener: (error: unknown) => void): unknown;
  off(event: 'uncaughtException', listener: (error: unknown) => void): unknown;
  /** Of a process that another one watches over. */
  send?(message: string): unknown;
  connected?: boolean;
}

/** What the commands do. */
export interface Work {
  /** @param weights a file whose weights replace those of the model; null: the model's own */
  readCheckpoint(path: string, weights: string | null, progress: Progress): Promise<Checkpoint>;
  /** The files that a checkpoint was read from, and those that are written where it goes to `output`. */
  checkpointFiles(
    checkpoint: Checkpoint,
    output: string | null,
  ): Promise<{ read: readonly string[]; written: readonly string[] }>;
  analyze(
    config: AnalyzeConfig,
    progress: Progress,
    checkpoint: Checkpoint,
    resume?: ResumeOptions | null,
  ): Promise<Report>;
  prune(config: PruneConfig, progress: Progress, checkpoint: Checkpoint): Promise<PruneSummary>;
  train(config: TrainConfig, progress: Progress, given: Checkpoint | null): Promise<TrainSummary>;
  study(config: StudyConfig, progress: Progress): Promise<StudyResult>;
  /** The cells of a study, none of which is run. */
  planStudy(config: StudyConfig, progress: Progress): Promise<PlannedCell[]>;
  /** Takes part in analyses with workers until a signal ends the process. */
  worker(config: WorkerConfig, progress: Progress): Promise<void>;
  diagnose(progress: Progress): Promise<DoctorReport>;
  inspect(path: string): Promise<Inspection>;
  /** Zeros of a compressed model among the prunable weights of its dense one. */
  prunedZeros(
    dense: Checkpoint,
    pruned: { checkpoint: Checkpoint; file: string },
    filter: Pick<AnalyzeConfig, 'include' | 'exclude'>,
    progress: Progress,
  ): Promise<{ weights: number; zeros: number }>;
  /** Loss and accuracy of a compressed model on the examples of an analysis. */
  measurePruned(
    config: AnalyzeConfig,
    checkpoint: Checkpoint,
    denseLoss: string,
    progress: Progress,
  ): Promise<{ loss: number; accuracy: number | null }>;
}

/** The real work, each part loaded when it is needed: `--help` must not load a numeric library. */
export const lazyWork: Work = {
  readCheckpoint: async (path, weights, progress) =>
    weights === null
      ? (await import('../checkpoint/registry.js')).readCheckpoint(path)
      : (await import('../checkpoint/weights/assign-weights.js')).readCheckpointWithWeights(
          path,
          weights,
          progress,
        ),
  checkpointFiles: async (...args) => (await import('../checkpoint/registry.js')).checkpointFiles(...args),
  analyze: async (...args) => (await import('../analyze.js')).analyze(...args),
  prune: async (...args) => (await import('../prune.js')).prune(...args),
  train: async (...args) => (await import('../train.js')).train(...args),
  study: async (...args) => (await import('../study.js')).study(...args),
  planStudy: async (...args) => (await import('../study.js')).planStudy(...args),
  worker: async (config, progress) => (await import('../worker.js')).workUntilStopped(config, progress),
  diagnose: async (...args) => (await import('../doctor.js')).diagnose(...args),
  inspect: async (...args) => (await import('../inspect.js')).inspect(...args),
  prunedZeros: async (...args) => (await import('../pruned-model.js')).prunedZeros(...args),
  measurePruned: async (...args) => (await import('../pruned-model.js')).measurePruned(...args),
};
