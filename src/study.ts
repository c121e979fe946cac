import { mkdir, rm } from 'node:fs/promises';
import { analyze } from './analyze.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint/registry.js';
import { readCheckpointWithWeights } from './checkpoint/weights/assign-weights.js';
import { prepareBackend } from './compute/backend.js';
import { dataDigest } from './data-digest.js';
import { InputError } from './errors.js';
import { trainRound } from './iterative-round.js';
import { createNetwork } from './network/create-network.js';
import { scaleWeights } from './network/scaled-weights.js';
import { asStage, type Progress, silentProgress } from './progress.js';
import { pruneByMethod } from './prune-method.js';
import { withPrunableWeights } from './pruning/checkpoint.js';
import { validateReport } from './report/schema.js';
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
    if (cell.kind === 'scale' && 'given' in cell.model) {
      // Refused before cells that come earlier are computed.
      scaled(given as Checkpoint, cell.factor);
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
        const report = await analyze(
          { ...cell.config, model: checkpoint.path, weights: null },
          progress,
          checkpoint,
        );
        return { kind: 'analyze', report: validateReport(report) };
      }
      case 'prune': {
        const checkpoint = await modelOf(cell.model, place);
        if (cell.leavesModel && checkpoint.format !== 'tfjs-layers') {
          throw new InputError(
            'prune/format',
            'this study keeps the pruned networks as LayersModels; give one in place of an ONNX model',
          );
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
