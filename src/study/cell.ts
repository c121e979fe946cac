/** Cells: what a study is made of, as plain data. */
import { createHash } from 'node:crypto';
import type { AnalyzeConfig, MethodConfig, TrainConfig } from '../config.js';
import type { Augmentation } from '../dataset/augmentation.js';

/** Where a cell takes a model from: the one that is given, or what another cell of the plan makes. */
export type ModelSource = { given: true } | { cell: string };

/** Everything of an analysis but its model. */
export type CellAnalysis = Omit<AnalyzeConfig, 'model' | 'weights'>;

/** One training: everything of it but where its files lie. */
export interface TrainCell {
  kind: 'train';
  /** Unique in its plan. */
  name: string;
  config: Omit<
    TrainConfig,
    'output' | 'force' | 'recordData' | 'resume' | 'log' | 'memoryLimitBytes' | 'recipe'
  >;
}

/** A network whose weights are scaled so that its function stays (`scaleWeights`). */
export interface ScaleCell {
  kind: 'scale';
  name: string;
  model: ModelSource;
  factor: number;
}

export interface AnalyzeCell {
  kind: 'analyze';
  name: string;
  model: ModelSource;
  config: CellAnalysis;
}

/** One network, pruned by one method; nothing of it is kept but what was measured, unless it leaves a model. */
export interface PruneCell {
  kind: 'prune';
  name: string;
  model: ModelSource;
  prunedFraction: number;
  config: Omit<MethodConfig, 'problem'> & { problem: CellAnalysis };
  /** Whether the pruned network is kept, for other cells; it is computed the same either way. */
  leavesModel?: true;
}

/** Distributions of the prunable weights of several networks, and how far each pair is apart. */
export interface DistributionCell {
  kind: 'distribution';
  name: string;
  models: ModelSource[];
}

/** How a round of iterative magnitude pruning trains. */
export interface RoundTraining {
  problem: CellAnalysis;
  epochs: number;
  learningRate: number;
  /** Left out: images as they are. */
  augment?: Augmentation;
}

/** A round of iterative magnitude pruning: prune by magnitude, set the kept weights back, train them. */
export interface RoundCell {
  kind: 'round';
  name: string;
  /** What is pruned. */
  model: ModelSource;
  /** Whose weights the kept ones are set back to; null: new initial weights, and all else new, too. */
  rewindTo: ModelSource | null;
  /** Of all prunable weights, those that are 0 already among them. */
  prunedFraction: number;
  config: RoundTraining;
}

export type Cell = TrainCell | ScaleCell | AnalyzeCell | PruneCell | DistributionCell | RoundCell;

/** What keys of cells hang on besides the cells. */
export interface KeyInputs {
  /** Version of prune-limit: another one may compute otherwise. */
  version: string;
  /** Digest of the data. */
  data: string;
  /** Digest of the model that is given; null without one. */
  model: string | null;
}

/** The sources of a cell's models; none where it takes none. */
export function sourcesOf(cell: Cell): readonly ModelSource[] {
  switch (cell.kind) {
    case 'train':
      return [];
    case 'distribution':
      return cell.models;
    case 'round':
      return cell.rewindTo === null ? [cell.model] : [cell.model, cell.rewindTo];
    default:
      return [cell.model];
  }
}

/** Whether a cell leaves a model behind. */
export function makesModel(cell: Cell): boolean {
  return (
    cell.kind === 'train' ||
    cell.kind === 'scale' ||
    cell.kind === 'round' ||
    (cell.kind === 'prune' && cell.leavesModel === true)
  );
}

/** JSON with the keys of objects in order, so that equal data has equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/** A cell without its name and with what its paths lead to in their place. */
function content(cell: Cell, inputs: KeyInputs, keys: ReadonlyMap<string, string>): unknown {
  const model = (source: ModelSource): string => {
    const found = 'cell' in source ? keys.get(source.cell) : inputs.model;
    if (found === undefined || found === null) {
      throw new Error(`cell ${cell.name} takes a model that comes from nowhere: ${JSON.stringify(source)}`);
    }
    return found;
  };
  const { data } = inputs;
  switch (cell.kind) {
    case 'train':
      return { kind: cell.kind, config: { ...cell.config, data } };
    case 'scale':
      return { kind: cell.kind, model: model(cell.model), factor: cell.factor };
    case 'analyze':
      return { kind: cell.kind, model: model(cell.model), config: { ...cell.config, data } };
    case 'prune': {
      const config = { ...cell.config, problem: { ...cell.config.problem, data } };
      return { kind: cell.kind, model: model(cell.model), prunedFraction: cell.prunedFraction, config };
    }
    case 'distribution':
      return { kind: cell.kind, models: cell.models.map(model) };
    case 'round': {
      const config = { ...cell.config, problem: { ...cell.config.problem, data } };
      const rewindTo = cell.rewindTo === null ? null : model(cell.rewindTo);
      const { prunedFraction } = cell;
      return { kind: cell.kind, model: model(cell.model), rewindTo, prunedFraction, config };
    }
  }
}

/**
 * The key of each cell: 32 hexadecimal digits of SHA-256 over its options and the digests of what it reads. Cells
 * that are computed from the same have the same key, in whatever study they are.
 *
 * @param cells in the order of the plan: a cell comes after those whose models it takes
 * @returns keys by name
 */
export function cellKeys(cells: readonly Cell[], inputs: KeyInputs): Map<string, string> {
  const keys = new Map<string, string>();
  for (const cell of cells) {
    if (keys.has(cell.name)) {
      throw new Error(`two cells are called ${cell.name}`);
    }
    const text = canonical({ version: inputs.version, ...(content(cell, inputs, keys) as object) });
    keys.set(cell.name, createHash('sha256').update(text).digest('hex').slice(0, 32));
  }
  return keys;
}
