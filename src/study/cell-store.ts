/** Finished cells and models of a study in its folder: `cells/KEY.json`, `models/KEY`, `states/KEY`. */
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { toJson } from '../report/text.js';
import { writeWholeFiles } from '../whole-files.js';
import { type Cell, makesModel } from './cell.js';
import { type FinishedCell, finishedCellSchema } from './results.js';

/** A cell's file with a report in it is far smaller. */
const LARGEST_CELL_BYTES = 64 * 2 ** 20;

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The file of a finished cell; null where it is not there, or not one that was written whole. */
async function readCell(path: string): Promise<FinishedCell | null> {
  try {
    if ((await stat(path)).size > LARGEST_CELL_BYTES) {
      return null;
    }
    return finishedCellSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    // Whatever is the matter with it, the cell is computed anew.
    return null;
  }
}

/** Where the files of a study lie. */
export interface CellStore {
  /** The folder of the model that the cell of a key makes. */
  model(key: string): string;
  /** The folder of the state of a training or an analysis. */
  state(key: string): string;
  /** The cell, where it is finished and its model is there. */
  find(cell: Cell, key: string): Promise<FinishedCell | null>;
  save(finished: FinishedCell): Promise<void>;
  /** All cells that are finished in the folder, of whatever study. */
  all(): Promise<FinishedCell[]>;
}

/** @param folder of the study; what is missing of it is made when a cell is saved */
export function cellStore(folder: string): CellStore {
  const cells = join(folder, 'cells');
  const model = (key: string): string => join(folder, 'models', key);
  return {
    model,
    state: (key) => join(folder, 'states', key),
    find: async (cell, key) => {
      const found = await readCell(join(cells, `${key}.json`));
      const whole = found?.key === key && found.result.kind === cell.kind;
      return whole && (!makesModel(cell) || (await exists(join(model(key), 'model.json')))) ? found : null;
    },
    save: async (finished) => {
      await mkdir(cells, { recursive: true });
      await writeWholeFiles([
        { path: join(cells, `${finished.key}.json`), data: toJson(finishedCellSchema.parse(finished)) },
      ]);
    },
    all: async () => {
      const names = await readdir(cells).catch(() => []);
      const read = await Promise.all(
        names.filter((name) => /^[0-9a-f]{32}\.json$/.test(name)).map((name) => readCell(join(cells, name))),
      );
      return read.filter((cell) => cell !== null);
    },
  };
}
