import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { analyze } from './analyze.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint/registry.js';
import { readCheckpointWithWeights } from './checkpoint/weights/assign-weights.js';
import { prepareBackend } from './compute/backend.js';
import type { AnalyzeConfig } from './config.js';
import { dataDigest } from './data-digest.js';
import { InputError } from './errors.js';
import { requireLayersModel, trainRound } from './iterative-round.js';
import { createNetwork } from './network/create-network.js';
import { scaleWeights } from './network/scaled-weights.js';
import { asStage, type Progress, silentProgress } from './progress.js';
import { pruneByMethod } from './prune-method.js';
import { withPrunableWeights } from './pruning/checkpoint.js';
import { type Report, validateReport } from './report/schema.js';
import { schemaVersion } from './report/schema-version.js';
import { type StudyResult, validateStudy } from './report/study-schema.js';
import { type Cell, cellKeys, type ModelSource } from './study/cell.js';
import { type CellStore, cellStore } from './study/cell-store.js';
import { STUDY_DATA_STAGE } from './study/names.js';
import { studies } from './study/registry.js';
import type { CellResult } from './study/results.js';
import { type CellPlace, type ComputeCell, expectedSeconds, runCells } from './study/run-cells.js';
import type { StudyConfig } from './study/settings.js';
import { outcomesByName } from './study/study.js';
import { distributionDistances } from './study/weight-distance.js';
import { toolVersion } from './tool-version.js';
import { train } from './train.js';

/** @throws InputError `network/not-homogeneous` for models that `scaleWeights` does not take, ONNX models among them */
function scaled(checkpoint: Checkpoint, factor: number): Checkpoint {
  if (checkpoint.format !== 'tfjs-layers') {
    throw new InputError(
      'network/not-homogeneous',
      `${checkpoint.path}: weights of ONNX models are not scaled here; give a LayersModel`,
    );
  }
  return scaleWeights(checkpoint, factor);
}

/** @throws InputError for ONNX models, which pruned networks that a study goes on from are not kept as */
function requireKept(checkpoint: Checkpoint): void {
  if (checkpoint.format !== 'tfjs-layers') {
    throw new InputError(
      'prune/format',
      `${checkpoint.path}: this study keeps the pruned networks as LayersModels; give one in place of an ONNX model`,
    );
  }
}

/** @throws InputError for a given model that a cell cannot work on, before cells that come earlier are computed */
function requireTakes(cell: Cell, given: Checkpoint): void {
  if (cell.kind === 'scale') {
    scaled(given, cell.factor);
  } else if (cell.kind === 'round') {
    requireLayersModel(given);
  } else if (cell.kind === 'prune' && cell.leavesModel) {
    requireKept(given);
  }
}

/** A plan with the keys of its cells, and where they are kept. */
interface OpenedStudy {
  cells: Cell[];
  keys: Map<string, string>;
  store: CellStore;
  given: Checkpoint | null;
}

async function openStudy(config: StudyConfig, progress: Progress): Promise<OpenedStudy> {
  const { name, model, weights, settings, output } = config;
  const cells = studies[name].plan(settings);
  const given =
    model === null
      ? null
      : await (weights === null
          ? readCheckpoint(model)
          : readCheckpointWithWeights(model, weights, progress));
  for (const cell of cells) {
    if ('model' in cell && 'given' in cell.model) {
      requireTakes(cell, given as Checkpoint);
    }
  }
  const path = settings.analysis.data;
  const data = await asStage(progress, STUDY_DATA_STAGE, () => dataDigest(path));
  if (data === null) {
    throw new InputError('study/no-data', `--data ${path}: there is no file; say where the data is`);
  }
  const keys = cellKeys(cells, { version: toolVersion(), data, model: given?.sha256 ?? null });
  return { cells, keys, store: cellStore(output), given };
}

/** The prunable weights of a checkpoint. */
async function weightsOf(checkpoint: Checkpoint): Promise<Float32Array> {
  await prepareBackend(checkpoint.format === 'onnx' ? 'wasm' : 'cpu');
  const network = await createNetwork(checkpoint);
  try {
    return network.weights.slice();
  } finally {
    network.dispose();
  }
}

/** An analysis that goes on where it was stopped; anew where what was kept is of other libraries, or damaged. */
async function resumedAnalysis(
  config: AnalyzeConfig,
  progress: Progress,
  checkpoint: Checkpoint,
  file: string,
): Promise<Report> {
  const resume = { file, keep: false };
  try {
    return await analyze(config, progress, checkpoint, resume);
  } catch (error) {
    if (!(error instanceof InputError && error.code.startsWith('resume/'))) {
      throw error;
    }
    await rm(file, { force: true });
    return analyze(config, progress, checkpoint, resume);
  }
}

/** Computes cells with what the commands do. */
function computeWith(given: Checkpoint | null): ComputeCell {
  const modelOf = async (source: ModelSource, place: CellPlace): Promise<Checkpoint> => {
    const path = place.modelPath(source);
    return path === null ? (given as Checkpoint) : readCheckpoint(path);
  };
  return async (cell, place, note): Promise<CellResult> => {
    const progress: Progress = { ...silentProgress, note };
    switch (cell.kind) {
      case 'train': {
        await mkdir(place.state, { recursive: true });
        const made = {
          output: place.output,
          recordData: null,
          resume: place.state,
          log: null,
          memoryLimitBytes: null,
        };
        await mkdir(place.output, { recursive: true });
        const summary = await train({ ...cell.config, ...made }, progress, null);
        await rm(place.state, { recursive: true, force: true });
        const { epochs, trainLoss, trainAccuracy, testLoss, testAccuracy, parameters } = summary;
        return { kind: 'train', epochs, trainLoss, trainAccuracy, testLoss, testAccuracy, parameters };
      }
      case 'scale': {
        const checkpoint = scaled(await modelOf(cell.model, place), cell.factor);
        await mkdir(place.output, { recursive: true });
        await writeCheckpoint(checkpoint, place.output, { mark: true });
        return { kind: 'scale' };
      }
      case 'analyze': {
        const checkpoint = await modelOf(cell.model, place);
        await mkdir(place.state, { recursive: true });
        const config = { ...cell.config, model: checkpoint.path, weights: null };
        const report = await resumedAnalysis(config, progress, checkpoint, join(place.state, 'analysis'));
        await rm(place.state, { recursive: true, force: true });
        return { kind: 'analyze', report: validateReport(report) };
      }
      case 'prune': {
        const checkpoint = await modelOf(cell.model, place);
        if (cell.leavesModel) {
          requireKept(checkpoint);
        }
        const problem = { ...cell.config.problem, model: checkpoint.path, weights: null };
        const found = await pruneByMethod(
          { ...cell.config, problem },
          checkpoint,
          cell.prunedFraction,
          progress,
        );
        const { prunedWeights, prunableWeights, method } = found;
        if (cell.leavesModel) {
          await mkdir(place.output, { recursive: true });
          const made = withPrunableWeights(found.checkpoint, found.network, found.pruned);
          await writeCheckpoint(made, place.output, { mark: true });
        }
        const { epochEquivalents, distinctExamples, seconds, before, after } = method;
        const cost = { epochEquivalents, distinctExamples, seconds };
        return { kind: 'prune', prunedWeights, prunableWeights, ...cost, before, after };
      }
      case 'round': {
        const { model, rewindTo, prunedFraction, config: training } = cell;
        const checkpoint = await modelOf(model, place);
        const early = rewindTo === null ? null : await modelOf(rewindTo, place);
        const problem = { ...training.problem, model: checkpoint.path, weights: null };
        await mkdir(place.output, { recursive: true });
        const counts = await trainRound(
          { ...training, problem, prunedFraction, output: place.output },
          { checkpoint, early },
          progress,
        );
        return { kind: 'round', ...counts };
      }
      case 'distribution': {
        const networks: Float32Array[] = [];
        for (const source of cell.models) {
          networks.push(await weightsOf(await modelOf(source, place)));
        }
        return distributionDistances(networks);
      }
    }
  };
}

/** A cell that a study would run. */
export interface PlannedCell {
  name: string;
  key: string;
  finished: boolean;
  /** null where no cell like it is finished. */
  expectedSeconds: number | null;
}

/**
 * The cells of a study, and how long those that are not finished may take: by the finished ones of the same kind in
 * the study's folder.
 *
 * @throws InputError for a model or data that cannot be read
 */
export async function planStudy(config: StudyConfig, progress: Progress): Promise<PlannedCell[]> {
  const { cells, keys, store } = await openStudy(config, progress);
  const all = await store.all();
  return Promise.all(
    cells.map(async (cell) => {
      const key = keys.get(cell.name)!;
      const finished = (await store.find(cell, key)) !== null;
      return { name: cell.name, key, finished, expectedSeconds: expectedSeconds(cell, all) };
    }),
  );
}

/**
 * Carries out an experiment: trains, analyses and prunes as its plan says, each cell once, and makes tables and
 * pictures of what was found. Cells that are finished in `config.output` are not run again.
 *
 * @throws InputError as the commands do
 */
export async function study(config: StudyConfig, progress: Progress): Promise<StudyResult> {
  const { name, settings, quick } = config;
  const { cells, keys, store, given } = await openStudy(config, progress);
  const outcomes = await runCells(cells, keys, store, computeWith(given), progress);
  const findings = studies[name].findings(settings, outcomesByName(outcomes));
  return validateStudy({
    schemaVersion,
    ok: true,
    tool: { name: 'prune-limit', version: toolVersion() },
    study: name,
    quick,
    seed: settings.seed,
    ...findings,
    cells: outcomes.map(({ cell, key, seconds, reused, refused }) => ({
      name: cell.name,
      key,
      seconds,
      reused,
      refused,
    })),
  });
}
