import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { resourceScope } from './analysis/resources.js';
import { pruningStages } from './analysis/stages.js';
import { analyze } from './analyze.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { requireSpace } from './checkpoint/files.js';
import { namedWeights, readNamedWeights } from './checkpoint/named-weights.js';
import { checkOutput, checkpointFiles, writeCheckpoint } from './checkpoint/registry.js';
import { prepareBackend } from './compute/backend.js';
import type { PruneConfig } from './config.js';
import { InputError } from './errors.js';
import { fileFigures } from './inspect.js';
import { createNetwork } from './network/create-network.js';
import type { PrunableWeight } from './network/network.js';
import { asStage, type Progress } from './progress.js';
import { judgePruning } from './prune-gate.js';
import { countToPrune, pruneByMethod, requireSomeKept } from './prune-method.js';
import { withPrunableWeights } from './pruning/checkpoint.js';
import { layerOrders, pruneLayers } from './pruning/layer-removal.js';
import { pruneSmallest, rankByMagnitude } from './pruning/magnitude.js';
import type { TotalReport } from './report/allocation-schema.js';
import { gateRefused, type PruneSummary } from './report/prune-summary.js';
import { countsOfAllocation, readReportedAllocation } from './report/pruning-allocation.js';
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
  /** Where each weight is pruned to a count of its own. */
  allocation?: TotalReport;
}

function requireSameModel({ model }: { model: { sha256: string } }, option: string, checkpoint: Checkpoint) {
  if (model.sha256 !== checkpoint.sha256) {
    throw new InputError(
      'prune/other-model',
      `${option} is of another checkpoint than ${checkpoint.path} (the sha256 differ); analyse this one first`,
    );
  }
}

async function readReport(path: string, checkpoint: Checkpoint): Promise<ReportedLimits> {
  const report = readReportedLimits(await readReportText(path, `--report ${path}`, 'prune/report'), path);
  requireSameModel(report, `--report ${path}`, checkpoint);
  return report;
}

async function allocatedAmount(
  path: string,
  ratio: number | null,
  checkpoint: Checkpoint,
): Promise<PruningAmount> {
  const option = `--allocation ${path}`;
  const report = readReportedAllocation(await readReportText(path, option, 'prune/report'), path, ratio);
  requireSameModel(report, option, checkpoint);
  const { total, options } = report;
  return { analyzed: null, prunedFraction: total.pruned, ...options, allocation: total };
}

async function amount(
  config: PruneConfig,
  progress: Progress,
  checkpoint: Checkpoint,
): Promise<PruningAmount> {
  const { atLimit, report: file, include, exclude } = config;
  if (config.allocation !== undefined) {
    return allocatedAmount(config.allocation, config.ratio, checkpoint);
  }
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

/** Zeros and bytes of the model as it was read and as it is written, the latter read again. */
function compareSizes(
  { weights = null }: PruneConfig,
  checkpoint: Checkpoint,
  model: string,
  progress: Progress,
): Promise<NonNullable<PruneSummary['sizes']>> {
  return asStage(progress, pruningStages.sizes, async () => {
    const files = weights === null ? (await checkpointFiles(checkpoint)).read : [checkpoint.path, weights];
    return {
      before: await fileFigures(namedWeights(checkpoint, files)),
      after: await fileFigures(await readNamedWeights(model)),
    };
  });
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
 * Prunes a checkpoint, once by magnitude, over all weights or each to its part of an allocation, or by
 * `config.method`, and writes it to a folder of
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
  const { analyzed, ...pruning } = await amount(config, progress, checkpoint);
  const { prunedFraction, allocation, include, exclude } = pruning;
  const { method } = config;
  const {
    network,
    pruned,
    checkpoint: base,
    ...counts
  } = method === undefined
    ? { checkpoint, ...(await pruneNetwork(checkpoint, pruning, progress)) }
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
    source: allocation === undefined ? (config.atLimit ?? ('ratio' as const)) : ('allocation' as const),
    ...(allocation && { allocation }),
    ...(config.choice && { choice: config.choice }),
  };
  const { gates: asked = [] } = config;
  const gates =
    asked.length === 0 || analyzed === null || config.analyze === null
      ? {}
      : { gates: await judgePruning(asked, analyzed, config.analyze, base, pruned, progress) };
  if (gateRefused(gates)) {
    return { ...summary, files: [], sizes: null, ...gates };
  }
  const metadata = metadataSeenFrom(folder, checkpoint);
  const files = await writeCheckpoint(
    { ...withPrunableWeights(base, network, pruned), metadata },
    config.output,
    { sparse, mark: true },
  ).catch((error: unknown) => {
    throw analyzed === null || config.atLimit === null ? error : withRatio(error, prunedFraction);
  });
  const sizes = await compareSizes(config, checkpoint, files.at(-1)!, progress);
  return { ...summary, files, sizes, ...gates };
}

/** The prunable weights of a checkpoint's network, the smallest of them set to 0. */
function pruneNetwork(
  checkpoint: Checkpoint,
  { prunedFraction, include, exclude, allocation }: Omit<PruningAmount, 'analyzed'>,
  progress: Progress,
): Promise<
  Pick<PruneSummary, 'prunedWeights' | 'prunableWeights' | 'threshold'> & {
    network: readonly PrunableWeight[];
    pruned: Float32Array;
  }
> {
  return asStage(progress, pruningStages.pruning, async () => {
    // A LayersModel is only built, for which the plain backend loads fastest; an ONNX graph is run on a few examples.
    await prepareBackend(checkpoint.format === 'onnx' ? 'wasm' : 'cpu');
    return resourceScope(async (scope) => {
      const network = scope.own(
        await createNetwork(checkpoint, { include, exclude, keepFinalActivation: true }),
      );
      const ranking = rankByMagnitude(network.weights);
      const layerCounts =
        allocation && countsOfAllocation(allocation, network.prunable, 'the report of --allocation');
      const prunedWeights = layerCounts
        ? requireSomeKept(
            layerCounts.reduce((sum, count) => sum + count, 0),
            network.dimension,
          )
        : countToPrune(prunedFraction, network.dimension);
      const pruned =
        layerCounts === undefined
          ? pruneSmallest(network.weights, ranking, prunedWeights)
          : pruneLayers(network.weights, layerOrders(network.prunable, ranking), layerCounts);
      return {
        network: network.prunable,
        pruned,
        prunedWeights,
        prunableWeights: network.dimension,
        threshold: largestRemoved(network.weights, pruned),
      };
    });
  });
}

/** The largest magnitude that was set to 0. */
function largestRemoved(weights: Float32Array, pruned: Float32Array): number {
  return weights.reduce(
    (largest, weight, index) => (pruned[index] === 0 ? Math.max(largest, Math.abs(weight)) : largest),
    0,
  );
}
