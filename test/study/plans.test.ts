import { describe, expect, it } from 'vitest';
import { studyDefaults } from '../../src/cli/study-settings.js';
import { analyzeDefaults, trainDefaults } from '../../src/config.js';
import { cellKeys } from '../../src/study/cell.js';
import { STUDY_NAMES } from '../../src/study/names.js';
import { conditionSentences, trainingSentence } from '../../src/study/plans/networks.js';
import { studies } from '../../src/study/registry.js';
import type { StudySettings } from '../../src/study/settings.js';

const settings: StudySettings = {
  givenModel: false,
  analysis: { ...analyzeDefaults, data: 'd' },
  training: { ...trainDefaults, network: 'mlp', data: 'd', l1: 1e-4 },
  ratios: [0.5, 0.9],
  methods: ['magnitude', 'woodfisher', 'gradual'],
  seeds: 3,
  seed: 7,
  calibration: 100,
  budgetEpochs: 2,
  scales: [1, 3, 2, 2],
  rows: 20,
  baselineRate: null,
  scoreL2: 1e-5,
  rounds: 2,
};

const namesOf = (study: keyof typeof studies, changes: Partial<StudySettings> = {}) =>
  studies[study].plan({ ...settings, ...changes }).map(({ name }) => name);

describe('plans', () => {
  it.each(STUDY_NAMES)('%s is plain data, whose cells come after the models that they take', (name) => {
    const cells = studies[name].plan(settings);
    expect(JSON.parse(JSON.stringify(cells))).toEqual(cells);
    const keys = cellKeys(cells, { version: '1', data: 'd', model: null });
    expect(new Set(keys.values()).size).toBe(cells.length);
  });

  it('pruners: seeds where something is random, training examples as a method may see them', () => {
    const cells = studies.pruners.plan(settings);
    // One training, magnitude once and two methods with three seeds at two fractions.
    expect(cells).toHaveLength(1 + 2 * (1 + 3 + 3));
    const seen = (method: string) =>
      cells.flatMap((cell) =>
        cell.kind === 'prune' && cell.config.name === method
          ? [[cell.config.problem.examples, cell.config.problem.seed, cell.prunedFraction]]
          : [],
      );
    expect(seen('magnitude')).toEqual([
      [100, 7, 0.5],
      [100, 7, 0.9],
    ]);
    expect(seen('gradual').slice(0, 4)).toEqual([
      ['all', 7, 0.5],
      ['all', 8, 0.5],
      ['all', 9, 0.5],
      ['all', 7, 0.9],
    ]);
  });

  it('images are changed and rates taken as asked for, in every training and pruning', () => {
    const augment = { cropPadding: 4, flip: true };
    const changes = { training: { ...settings.training, augment }, baselineRate: 0.01 };
    for (const name of STUDY_NAMES) {
      for (const cell of studies[name].plan({ ...settings, ...changes })) {
        if (cell.kind === 'train' || cell.kind === 'prune' || cell.kind === 'round') {
          expect(cell.config.augment).toEqual(augment);
        }
        if (cell.kind === 'prune') {
          expect(cell.config.learningRate).toBe(
            ['lomp', 'imp', 'rare-gems'].includes(cell.config.name) ? 0.01 : null,
          );
        }
      }
    }
    const images = 'Training images were changed at random: crops with 4 pixels of padding and flips.';
    const rate = 'lomp, imp and rare-gems began to train weights with a rate of 0.01.';
    const asked = { ...settings, ...changes };
    expect(conditionSentences({ ...asked, givenModel: true })).toEqual([images, rate]);
    // Where networks are trained, the sentence about that says it.
    expect(conditionSentences(asked)).toEqual([rate]);
    expect(trainingSentence(asked, false)).toEqual([expect.stringMatching(/^Trained for/), images]);
    expect(trainingSentence(settings, false)).toHaveLength(1);
    expect(conditionSentences(settings)).toEqual([]);
  });

  it('a given model is not trained', () => {
    expect(
      studies.pruners.plan({ ...settings, givenModel: true }).every(({ kind }) => kind === 'prune'),
    ).toBe(true);
    expect(namesOf('theory-vs-actual', { givenModel: true })).toEqual(['analyze given']);
  });

  it('theory-vs-actual: a network without the penalty and one with it', () => {
    const trained = studies['theory-vs-actual']
      .plan(settings)
      .flatMap((cell) => (cell.kind === 'train' ? [cell.config.l1] : []));
    expect(trained).toEqual([0, 1e-4]);
  });

  it('weight-distribution: independent runs of each kind; at least two, and trained here', () => {
    expect(namesOf('weight-distribution')).toEqual([
      'train plain',
      'train plain, seed 8',
      'train plain, seed 9',
      'distances plain',
      'train l1',
      'train l1, seed 8',
      'train l1, seed 9',
      'distances l1',
    ]);
    expect(() => namesOf('weight-distribution', { seeds: 1 })).toThrow(/--seeds 2 or more/);
    expect(() => namesOf('weight-distribution', { givenModel: true })).toThrow(/leave out --model/);
    expect(studyDefaults.seeds).toBeGreaterThanOrEqual(3);
  });

  it('weight-scale: each factor once, predicted and scaled', () => {
    expect(namesOf('weight-scale')).toEqual([
      'train plain',
      'analyze, weights as they are',
      'scale by 2',
      'analyze, scaled by 2',
      'scale by 3',
      'analyze, scaled by 3',
    ]);
    const [, first, , second] = studies['weight-scale'].plan(settings);
    expect([first, second].map((cell) => cell.kind === 'analyze' && cell.config.weightScales)).toEqual([
      [2, 3],
      [],
    ]);
  });

  it('l2: both penalties at each fraction and seed, and a look at each network of the first seed', () => {
    const cells = studies.l2.plan(settings);
    // One training, two ways at two fractions with three seeds, and four analyses.
    expect(cells).toHaveLength(1 + 2 * 2 * 3 + 4);
    const prunings = cells.filter((cell) => cell.kind === 'prune');
    expect(new Set(prunings.map(({ config }) => config.name))).toEqual(new Set(['rare-gems']));
    expect(new Set(prunings.map(({ config }) => config.scoreL2))).toEqual(new Set([1e-5, 0]));
    const kept = prunings.filter(({ leavesModel }) => leavesModel).map(({ name }) => name);
    expect(kept).toEqual([
      'prune with l2, 50 %, seed 7',
      'prune with l2, 90 %, seed 7',
      'prune without l2, 50 %, seed 7',
      'prune without l2, 90 %, seed 7',
    ]);
    const looked = cells.flatMap((cell) => (cell.kind === 'analyze' ? [cell.model] : []));
    expect(looked).toEqual(kept.map((cell) => ({ cell })));
  });

  it('baselines: rare-gems has the penalty and the budget of the study', () => {
    const gems = studies.baselines
      .plan(settings)
      .flatMap((cell) => (cell.kind === 'prune' && cell.config.name === 'rare-gems' ? [cell.config] : []));
    expect(gems).toHaveLength(2 * 3);
    expect(gems[0]).toMatchObject({ scoreL2: 1e-5, budgetEpochs: 2, tuneEpochs: 0 });
  });

  it('iterative: each round from the one before, all set back to one early network, and each analysed', () => {
    const cells = studies.iterative.plan(settings);
    expect(cells.map(({ name }) => name)).toEqual([
      'train early network',
      'round 0',
      'analyze round 0',
      'round 1',
      'analyze round 1',
      'round 2',
      'analyze round 2',
    ]);
    const rounds = cells.filter((cell) => cell.kind === 'round');
    expect(rounds.map(({ model }) => model)).toEqual([
      { cell: 'train early network' },
      { cell: 'round 0' },
      { cell: 'round 1' },
    ]);
    expect(rounds.every(({ rewindTo }) => JSON.stringify(rewindTo).includes('early network'))).toBe(true);
    // 1 - .8^r
    expect(rounds.map(({ prunedFraction }) => Number(prunedFraction.toFixed(12)))).toEqual([0, 0.2, 0.36]);
    const [early] = cells;
    expect(early).toMatchObject({ kind: 'train', config: { epochs: 1, l1: 0 } });
  });

  it('iterative: a given model lends its architecture to a new early network', () => {
    const [early, first] = studies.iterative.plan({ ...settings, givenModel: true });
    expect(early).toMatchObject({
      kind: 'round',
      name: 'early network',
      model: { given: true },
      rewindTo: null,
    });
    expect(first).toMatchObject({ model: { cell: 'early network' }, rewindTo: { cell: 'early network' } });
  });

  it('row-norms: rows of each network', () => {
    const rows = studies['row-norms']
      .plan(settings)
      .flatMap((cell) => (cell.kind === 'analyze' ? [cell.config.rowNorms] : []));
    expect(rows).toEqual([20, 20]);
  });
});
