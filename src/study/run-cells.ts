/** Runs the cells of a plan, those that are finished apart. */
import { InputError } from '../errors.js';
import { asStage, type Progress } from '../progress.js';
import { type Cell, type ModelSource, sourcesOf } from './cell.js';
import type { CellStore } from './cell-store.js';
import type { CellResult, FinishedCell } from './results.js';

/** Where a cell finds and leaves its files. */
export interface CellPlace {
  /** The path of a model; null: the one that is given. */
  modelPath(source: ModelSource): string | null;
  /** The folder of the model that the cell makes. */
  output: string;
  /** The folder of the state of its training or analysis. */
  state: string;
}

/** Computes one cell. */
export type ComputeCell = (
  cell: Cell,
  place: CellPlace,
  note: (message: string) => void,
) => Promise<CellResult>;

/** A cell that was run, or had been. */
export interface CellOutcome {
  cell: Cell;
  key: string;
  /** null where it could not be computed, which `refused` then says why. */
  result: CellResult | null;
  refused: string | null;
  seconds: number | null;
  reused: boolean;
}

/** Cells of one group take about as long for one unit of work each. */
export function workOf(cell: Cell): { group: string; units: number } {
  switch (cell.kind) {
    case 'train':
      return { group: `train ${cell.config.network ?? 'a model'}`, units: cell.config.epochs };
    case 'round':
      return { group: cell.kind, units: cell.config.epochs };
    case 'prune':
      return { group: `prune ${cell.config.name}`, units: 1 };
    default:
      return { group: cell.kind, units: 1 };
  }
}

/**
 * Seconds that a cell may take: those of a unit of work of finished cells of its group, on average; null where there
 * is none.
 */
export function expectedSeconds(cell: Cell, finished: readonly FinishedCell[]): number | null {
  const { group, units } = workOf(cell);
  const alike = finished.filter((other) => other.group === group && other.units > 0);
  const rates = alike.map((other) => other.seconds / other.units);
  return rates.length === 0 ? null : (units * rates.reduce((sum, rate) => sum + rate, 0)) / rates.length;
}

/** A method that cannot prune a network is a result, not the end of a study. */
async function computed(
  compute: () => Promise<CellResult>,
  { kind }: Cell,
): Promise<{ result: CellResult; refused: null } | { result: null; refused: string }> {
  try {
    return { result: await compute(), refused: null };
  } catch (error) {
    if (kind === 'prune' && error instanceof InputError && error.code.startsWith('prune/')) {
      return { result: null, refused: error.message };
    }
    throw error;
  }
}

/** Why a cell whose model a cell takes could not be computed; null where all could. */
function refusedSource(cell: Cell, outcomes: readonly CellOutcome[]): string | null {
  const names = sourcesOf(cell).map((source) => ('cell' in source ? source.cell : null));
  return outcomes.find((outcome) => names.includes(outcome.cell.name))?.refused ?? null;
}

/**
 * Runs cells in order. Each is kept in the store as soon as it is finished, and one that is there is not run again,
 * so that a study that was killed goes on where it was.
 *
 * @param keys of `cellKeys`
 * @throws InputError as the cells do, but for methods that cannot prune a network
 */
export async function runCells(
  cells: readonly Cell[],
  keys: ReadonlyMap<string, string>,
  store: CellStore,
  compute: ComputeCell,
  progress: Progress,
): Promise<CellOutcome[]> {
  const outcomes: CellOutcome[] = [];
  const told = new Set<string>();
  const note = (message: string): void => {
    if (!told.has(message)) {
      told.add(message);
      progress.note(message);
    }
  };
  const keyOf = (name: string): string => keys.get(name)!;
  for (const [index, cell] of cells.entries()) {
    const key = keyOf(cell.name);
    const found = await store.find(cell, key);
    if (found !== null) {
      const { result, seconds } = found;
      outcomes.push({ cell, key, result, refused: null, seconds, reused: true });
      continue;
    }
    const place: CellPlace = {
      modelPath: (source) => ('cell' in source ? store.model(keyOf(source.cell)) : null),
      output: store.model(key),
      state: store.state(key),
    };
    const missing = refusedSource(cell, outcomes);
    if (missing !== null) {
      outcomes.push({ cell, key, result: null, refused: missing, seconds: null, reused: false });
      continue;
    }
    const start = performance.now();
    const { result, refused } = await asStage(
      progress,
      `cell ${index + 1} of ${cells.length}: ${cell.name}`,
      () => computed(() => compute(cell, place, note), cell),
    );
    const seconds = (performance.now() - start) / 1000;
    if (result !== null) {
      await store.save({ key, name: cell.name, ...workOf(cell), seconds, result });
    }
    outcomes.push({ cell, key, result, refused, seconds, reused: false });
  }
  const reused = outcomes.filter((outcome) => outcome.reused).length;
  if (reused > 0) {
    note(`${reused} of ${cells.length} cells were finished before`);
  }
  return outcomes;
}
