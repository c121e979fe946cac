import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { resourceScope } from './analysis/resources.js';
import { analyze } from './analyze.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { requireSpace } from './checkpoint/files.js';
import { checkOutput, checkpointFiles, writeCheckpoint } from './checkpoint/registry.js';
import { prepareBackend } from './compute/backend.js';
import type { PruneConfig } from './config.js';
import { InputError } from './errors.js';
import { createNetwork } from './network/create-network.js';
import type { PrunableWeight } from './network/network.js';
import { asStage, type Progress } from './progress.js';
import { judgePruning } from './prune-gate.js';
import { countToPrune, pruneByMethod } from './prune-method.js';
import { withPrunableWeights } from './pruning/checkpoint.js';
import { pruneSmallest, rankByMagnitude } from './pruning/magnitude.js';
import { gateRefused, type PruneSummary } from './report/prune-summary.js';
import { limitToPruneTo, type ReportedLimits, readReportedLimits } from './report/pruning-limits.js';
import type { Report } from './report/schema.js';
import { readReportText } from './report-file.js';

/** How far to prune, and which weights. */
interface PruningAmount {
  /** Where the model was analysed for it. */
  analyzed: Report | null;
  prunedFraction: number;
  include: readonly string[];
  exclude: readonly string[];
}

async function readReport(path: string, checkpoint: Checkpoint): Promise<ReportedLimits> {
  const report = readReportedLimits(await readReportText(path, `--report ${path}`, 'prune/report'), path);
  if (report.model.sha256 !== checkpoint.sha256) {
    throw new InputError(
      'prune/other-model',
      `--report ${path} is of another checkpoint than ${checkpoint.path} (the sha256 differ); analyse this one first`,
    );
  }
  return report;
}

async function amount(
  config: PruneConfig,
  progress: Progress,
  checkpoint: Checkpoint,
): Promise<PruningAmount> {
  const { atLimit, report: file, include, exclude } = config;
  const analyzed = config.analyze === null ? null : await analyze(config.analyze, progress, checkpoint);
  if (atLimit === null) {
    return { analyzed, prunedFraction: config.ratio ?? 0, include, exclude };
  }
  const report: ReportedLimits | null = file === null ? analyzed : await readReport(file, checkpoint);
  if (report === null) {
    throw new Error('a limit is asked for without a report or a way to get one');
  }
  const { options } = report;
  return {
    analyzed,
    prunedFraction: limitToPruneTo(report, atLimit),
    include: options.include,
    exclude: options.exclude,
  };
}

/** The metadata with the path of the data, which is relative to the checkpoint, as seen from another folder. */
function metadataSeenFrom(folder: string, { metadata, path }: Checkpoint): Checkpoint['metadata'] {
  const pruneLimit = metadata.pruneLimit as { data?: unknown } | null | undefined;
  const data = pruneLimit?.data;
  if (typeof data !== 'string' || isAbsolute(data)) {
    return metadata;
  }
  const seen = relative(resolve(folder), resolve(dirname(path), data))
    .split(sep)
    .join('/');
  return { ...metadata, pruneLimit: { ...pruneLimit, data: seen === '' ? '.' : seen } };
}

async function sizes(input: string, output: string): Promise<{ before: number; after: number }> {
  const [before, after] = await Promise.all([stat(input), stat(output)]);
  return { before: before.size, after: after.size };
}

async function bytesOf(paths: readonly string[]): Promise<number> {
  const found = await Promise.all(paths.map((path) => stat(path)));
  return found.reduce((sum, { size }) => sum + size, 0);
}

/** What an analysis has found is said where it cannot be written. */
function withRatio(error: unknown, ratio: number): unknown {
  return error instanceof InputError
    ? new InputError(error.code, `${error.message} The limit was found: prune with --ratio ${ratio}`, {
        cause: error,
      })
    : error;
}

/**
 * Prunes a checkpoint, once by global magnitude or by `config.method`, and writes it to a folder of
 * its own, or a file, for an ONNX model, unless one of `config.gates` is not
 * passed. The input is only read.
 *
 * @param config its `output` is that file's own path, not a folder for it
 * @throws InputError when the report is not of this checkpoint, the limit is
 *   not known well enough or leaves no network, nothing is prunable, or the
 *   output cannot be written or is in the way of another's files
 */
export async function prune(
  config: PruneConfig,
  progress: Progress,
  checkpoint: Checkpoint,
): Promise<PruneSummary> {
  const { sparse, force } = config;
  const folder = checkpoint.format === 'onnx' ? dirname(config.output) : config.output;
  await checkOutput(checkpoint, config.output, { sparse, force });
  if (config.analyze !== null) {
    await requireSpace(folder, await bytesOf((await checkpointFiles(checkpoint)).read));
  }
  const { analyzed, prunedFraction, include, exclude } = await amount(config, progress, checkpoint);
  const { method } = config;
  const { network, pruned, ...counts } =
    method === undefined
      ? await pruneNetwork(checkpoint, { prunedFraction, include, exclude }, progress)
      : await pruneByMethod(
          { ...method, problem: { ...method.problem, include: [...include], exclude: [...exclude] } },
          checkpoint,
          prunedFraction,
          progress,
        );
  const summary = {
    output: config.output,
    prunedFraction,
    ...counts,
    source: config.atLimit ?? ('ratio' as const),
  };
  const { gates: asked = [] } = config;
  const gates =
    asked.length === 0 || analyzed === null || config.analyze === null
      ? {}
      : { gates: await judgePruning(asked, analyzed, config.analyze, checkpoint, pruned, progress) };
  if (gateRefused(gates)) {
    return { ...summary, files: [], modelBytes: null, ...gates };
  }
  const metadata = metadataSeenFrom(folder, checkpoint);
  const files = await writeCheckpoint(
    { ...withPrunableWeights(checkpoint, network, pruned), metadata },
    config.output,
    { sparse, mark: true },
  ).catch((error: unknown) => {
    throw analyzed === null || config.atLimit === null ? error : withRatio(error, prunedFraction);
  });
  const modelBytes = config.sparse ? await sizes(checkpoint.path, config.output) : null;
  return { ...summary, files, modelBytes, ...gates };
}

/** The prunable weights of a checkpoint's network, the smallest of them set to 0. */
function pruneNetwork(
  checkpoint: Checkpoint,
  { prunedFraction, include, exclude }: Omit<PruningAmount, 'analyzed'>,
  progress: Progress,
): Promise<
  Pick<PruneSummary, 'prunedWeights' | 'prunableWeights' | 'threshold'> & {
    network: readonly PrunableWeight[];
    pruned: Float32Array;
  }
> {
  return asStage(progress, 'pruning', async () => {
    // A LayersModel is only built, for which the plain backend loads fastest; an ONNX graph is run on a few examples.
    await prepareBackend(checkpoint.format === 'onnx' ? 'wasm' : 'cpu');
    return resourceScope(async (scope) => {
      const network = scope.own(
        await createNetwork(checkpoint, { include, exclude, keepFinalActivation: true }),
      );
      const ranking = rankByMagnitude(network.weights);
      const prunedWeights = countToPrune(prunedFraction, network.dimension);
      return {
        network: network.prunable,
        pruned: pruneSmallest(network.weights, ranking, prunedWeights),
        prunedWeights,
        prunableWeights: network.dimension,
        threshold: prunedWeights === 0 ? 0 : Math.abs(network.weights[ranking.order[prunedWeights - 1]]),
      };
    });
  });
}
