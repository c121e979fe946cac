import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { analyzeDefaults, trainDefaults } from '../../src/config.js';
import { InputError } from '../../src/errors.js';
import { silentProgress } from '../../src/progress.js';
import { type Cell, cellKeys, type PruneCell, type TrainCell } from '../../src/study/cell.js';
import { cellStore } from '../../src/study/cell-store.js';
import { type ComputeCell, expectedSeconds, runCells } from '../../src/study/run-cells.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prune-limit-study-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const inputs = { version: '1', data: 'd', model: 'm' };
const problem = { ...analyzeDefaults, data: 'somewhere' };

function trainCell(changes: Partial<TrainCell['config']> = {}): TrainCell {
  const { recordData: _, resume: __, log: ___, ...training } = trainDefaults;
  return {
    kind: 'train',
    name: 'train plain',
    config: { ...training, network: 'mlp', data: 'somewhere', ...changes },
  };
}

function pruneCell(name: string, prunedFraction: number, changes: Partial<PruneCell> = {}): PruneCell {
  const training = { budgetEpochs: 1, tuneEpochs: 0, tuneExamples: 'all', augment: null } as const;
  return {
    kind: 'prune',
    name,
    model: { cell: 'train plain' },
    prunedFraction,
    config: { name: 'random', problem, ...training, learningRate: null },
    ...changes,
  };
}

const keyOf = (cells: Cell[], name: string, changed: Partial<typeof inputs> = {}) =>
  cellKeys(cells, { ...inputs, ...changed }).get(name);

describe('keys', () => {
  const plan = [trainCell(), pruneCell('a', 0.5)];
  const key = keyOf(plan, 'a');

  it('are those of the content: neither the name nor the path of the data matters', () => {
    expect(key).toMatch(/^[0-9a-f]{32}$/);
    expect(keyOf([trainCell({ data: 'elsewhere' }), pruneCell('b', 0.5)], 'b')).toBe(key);
  });

  it('do not hang on the order in which options are written', () => {
    const cell = pruneCell('a', 0.5);
    const reversed = Object.fromEntries(Object.entries(cell.config).reverse()) as PruneCell['config'];
    expect(keyOf([trainCell(), { ...cell, config: reversed }], 'a')).toBe(key);
  });

  it.each<[string, Cell[], Partial<typeof inputs>]>([
    ['an option', [trainCell(), pruneCell('a', 0.6)], {}],
    ['an option of the cell that makes the model', [trainCell({ seed: 1 }), pruneCell('a', 0.5)], {}],
    ['the data', plan, { data: 'other' }],
    ['the version', plan, { version: '2' }],
    ['another model', [trainCell(), pruneCell('a', 0.5, { model: { given: true } })], {}],
  ])('change with %s', (_, cells, changed) => {
    expect(keyOf(cells, 'a', changed)).not.toBe(key);
  });

  it('refuse a model that no cell before makes', () => {
    expect(() => keyOf([pruneCell('a', 0.5), trainCell()], 'a')).toThrow(/comes from nowhere/);
  });
});

const measure = { loss: 1, accuracy: 0.5 };

/** Pretends to compute, and remembers what it was asked for. */
function recorder(failAt: string | null = null, error: Error = new Error('killed')) {
  const asked: string[] = [];
  const compute: ComputeCell = async (cell, place) => {
    asked.push(cell.name);
    if (cell.name === failAt) {
      throw error;
    }
    if (cell.kind === 'train') {
      await mkdir(place.output, { recursive: true });
      await writeFile(join(place.output, 'model.json'), '{}');
      const reached = { trainLoss: 1, trainAccuracy: 1, testLoss: 1, testAccuracy: 1 };
      return { kind: 'train', epochs: 1, ...reached, parameters: 3 };
    }
    const cost = { epochEquivalents: 0, distinctExamples: 0, seconds: 0 };
    return {
      kind: 'prune',
      prunedWeights: 1,
      prunableWeights: 2,
      ...cost,
      before: measure,
      after: measure,
    };
  };
  return { asked, compute };
}

const plan: Cell[] = [trainCell(), pruneCell('a', 0.5), pruneCell('b', 0.6), pruneCell('c', 0.7)];
const keys = cellKeys(plan, inputs);

describe('runCells', () => {
  it('goes on where it was killed: finished cells are not computed again', async () => {
    const store = cellStore(folder);
    const first = recorder('b');
    await expect(runCells(plan, keys, store, first.compute, silentProgress)).rejects.toThrow('killed');
    expect(first.asked).toEqual(['train plain', 'a', 'b']);
    const second = recorder();
    const outcomes = await runCells(plan, keys, store, second.compute, silentProgress);
    expect(second.asked).toEqual(['b', 'c']);
    expect(outcomes.map(({ cell, reused }) => [cell.name, reused])).toEqual([
      ['train plain', true],
      ['a', true],
      ['b', false],
      ['c', false],
    ]);
    expect(outcomes.every(({ result }) => result !== null)).toBe(true);
  });

  it('computes a cell again whose file is damaged, or whose model is gone', async () => {
    const store = cellStore(folder);
    await runCells(plan, keys, store, recorder().compute, silentProgress);
    await writeFile(join(folder, 'cells', `${keys.get('a')}.json`), '{"key":');
    await rm(join(folder, 'models'), { recursive: true });
    const again = recorder();
    await runCells(plan, keys, store, again.compute, silentProgress);
    expect(again.asked).toEqual(['train plain', 'a']);
  });

  it('does not compute what would take a model that was refused', async () => {
    const left = pruneCell('a', 0.5, { leavesModel: true });
    const cells: Cell[] = [trainCell(), left, pruneCell('b', 0.6, { model: { cell: 'a' } })];
    const { asked, compute } = recorder('a', new InputError('prune/overflow', 'not finite'));
    const outcomes = await runCells(
      cells,
      cellKeys(cells, inputs),
      cellStore(folder),
      compute,
      silentProgress,
    );
    expect(asked).toEqual(['train plain', 'a']);
    expect(outcomes.map(({ refused }) => refused)).toEqual([null, 'not finite', 'not finite']);
  });

  it('has one key for a pruning, whether it leaves a model or not, and computes it again where that is missing', async () => {
    const cells: Cell[] = [trainCell(), pruneCell('a', 0.5, { leavesModel: true })];
    expect(cellKeys(cells, inputs).get('a')).toBe(keys.get('a'));
    const store = cellStore(folder);
    await runCells(plan, keys, store, recorder().compute, silentProgress);
    const again = recorder();
    await runCells(cells, keys, store, again.compute, silentProgress);
    expect(again.asked).toEqual(['a']);
  });

  it('says why a method cannot prune, and goes on; that is no finished cell', async () => {
    const { asked, compute } = recorder('b', new InputError('prune/overflow', 'not finite'));
    const outcomes = await runCells(plan, keys, cellStore(folder), compute, silentProgress);
    expect(asked).toHaveLength(4);
    expect(outcomes[2]).toMatchObject({ result: null, refused: 'not finite' });
    expect(await readdir(join(folder, 'cells'))).toHaveLength(3);
  });

  it('stops at any other fault', async () => {
    const { compute } = recorder('b', new InputError('dataset/missing', 'no data'));
    await expect(runCells(plan, keys, cellStore(folder), compute, silentProgress)).rejects.toThrow('no data');
  });
});

describe('expectedSeconds', () => {
  const result = { kind: 'scale' } as const;
  const finished = { key: 'k', name: 'n', result };

  it('is the mean over finished cells of the kind for the units of work of the cell', () => {
    const known = [
      { ...finished, group: 'train mlp', units: 2, seconds: 10 },
      { ...finished, group: 'train mlp', units: 1, seconds: 7 },
      { ...finished, group: 'train lenet5', units: 1, seconds: 1000 },
    ];
    // (10 / 2 + 7 / 1) / 2 = 6 seconds an epoch
    expect(expectedSeconds(trainCell({ epochs: 3 }), known)).toBe(18);
  });

  it('is not known without any', () => {
    expect(expectedSeconds(pruneCell('a', 0.5), [])).toBeNull();
  });
});
