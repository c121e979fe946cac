/** The compressed model that `gate --pruned` judges beside its dense one. */
import { extname } from 'node:path';
import { prunedModelStages } from '../analysis/stages.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AnalyzeConfig } from '../config.js';
import { InputError } from '../errors.js';
import type { MeasuredPruned } from '../gate/pruned.js';
import { asStage, type Progress } from '../progress.js';
import type { Report } from '../report/schema.js';
import { printable } from '../report/text.js';
import type { Context } from './context.js';
import { fileInput, type Input } from './inputs.js';
import { readModel } from './read-model.js';
import { type Flags, pathFrom, resolveSettings } from './resolve-config.js';

/** A compressed model, read. */
export interface PrunedModel {
  /** As named by `--pruned`. */
  file: string;
  checkpoint: Checkpoint;
  /** What was read of it. */
  input: Input;
}

/**
 * Reads a compressed model: a model, or weights alone for the network of the dense one.
 *
 * @param dense path of the dense model
 */
export function readPruned(
  file: string,
  dense: string,
  progress: Progress,
  { work, cwd }: Context,
): Promise<PrunedModel> {
  const path = pathFrom(cwd, file);
  const weightsAlone = ['.safetensors', '.npz'].includes(extname(path).toLowerCase());
  return asStage(progress, prunedModelStages.reading, async () => {
    const checkpoint = await (weightsAlone
      ? work.readCheckpoint(dense, path, progress)
      : work.readCheckpoint(path, null, progress));
    const input = weightsAlone
      ? fileInput('--pruned', path)
      : {
          name: `--pruned ${path}`,
          files: async () => (await work.checkpointFiles(checkpoint, null)).read,
        };
    return { file, checkpoint, input };
  });
}

/**
 * The dense model of a report and the configuration that its numbers were made with. Where data and labels are, and
 * how they are laid out, options and configuration files may say anew.
 *
 * @throws InputError `gate/other-model` where the model is not the one of the report any more
 */
export async function denseOfReport(
  report: Report,
  source: string,
  flags: Flags,
  progress: Progress,
  context: Context,
): Promise<{ checkpoint: Checkpoint; config: AnalyzeConfig }> {
  const { path, weights = null, sha256 } = report.model;
  const model = pathFrom(context.cwd, path);
  const weightsPath = weights === null ? null : pathFrom(context.cwd, weights);
  const checkpoint = await readModel(model, weightsPath, progress, context);
  if (checkpoint.sha256 !== sha256) {
    throw new InputError(
      'gate/other-model',
      `${printable(model)} is not the model of ${printable(source)} any more (the sha256 differ); analyse it again`,
    );
  }
  const { config } = await resolveSettings(
    { flags, modelPath: checkpoint.path, cwd: context.host.cwd(), metadata: checkpoint.metadata },
    progress,
  );
  const data = flags.data === undefined ? pathFrom(context.cwd, report.data.path) : config.data!;
  // What a report does not hold, or need not: it is older than the option.
  const { labelColumn, layout, layers } = config;
  return {
    checkpoint,
    config: {
      ...report.options,
      model: checkpoint.path,
      weights: weightsPath,
      data,
      labelColumn,
      layout,
      layers: report.options.layers ?? layers,
      patterns: [],
      weightScales: [],
      rowNorms: 0,
      tuneEpochs: 0,
      dumpGraph: null,
      shards: report.options.shards ?? null,
      workers: null,
    },
  };
}

/** Measures a compressed model after its weights were counted. */
export async function measureBeside(
  report: Report,
  config: AnalyzeConfig,
  { file, checkpoint }: PrunedModel,
  zeros: { weights: number; zeros: number },
  progress: Progress,
  { work }: Context,
): Promise<MeasuredPruned> {
  return {
    path: file,
    ...zeros,
    ...(await work.measurePruned(config, checkpoint, report.loss.name, progress)),
  };
}
